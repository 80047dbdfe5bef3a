//! Relabelling rules, as Prometheus, Promtail and Alloy share them.

use regex_lite::Regex;

use super::Labels;

/// One rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    sources: Vec<String>,
    separator: String,
    expression: Regex,
    target: String,
    replacement: String,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Replace,
    Keep,
    Drop,
    Lower,
    Upper,
    MapLabels,
    DropLabels,
    KeepLabels,
}

impl Rule {
    /// Makes a rule from its fields; what is not given has the usual default.
    pub(super) fn new(
        sources: Vec<String>,
        expression: Option<&str>,
        target: &str,
        replacement: Option<&str>,
        action: Option<&str>,
        separator: Option<&str>,
    ) -> Result<Self, String> {
        let expression = Regex::new(&format!("^(?s:{})$", expression.unwrap_or("(.*)")))
            .map_err(|cause| format!("a rule's regex: {cause}"))?;
        let action = match action.unwrap_or("replace") {
            "replace" => Action::Replace,
            "keep" => Action::Keep,
            "drop" => Action::Drop,
            "lowercase" => Action::Lower,
            "uppercase" => Action::Upper,
            "labelmap" => Action::MapLabels,
            "labeldrop" => Action::DropLabels,
            "labelkeep" => Action::KeepLabels,
            other => return Err(format!("the stand-in does not know the rule's action {other:?}")),
        };
        if matches!(action, Action::Replace | Action::Lower | Action::Upper) && target.is_empty() {
            return Err("a rule that replaces needs a target label".to_owned());
        }
        Ok(Self {
            sources,
            separator: separator.unwrap_or(";").to_owned(),
            expression,
            target: target.to_owned(),
            replacement: replacement.unwrap_or("$1").to_owned(),
            action,
        })
    }

    /// Applies the rule; false where the line is to be dropped.
    fn apply(&self, labels: &mut Labels) -> bool {
        let values: Vec<&str> =
            self.sources.iter().map(|name| labels.get(name).map_or("", String::as_str)).collect();
        let value = values.join(&self.separator);
        match self.action {
            Action::Keep => return self.expression.is_match(&value),
            Action::Drop => return !self.expression.is_match(&value),
            Action::Replace => {
                if let Some(found) = self.expression.captures(&value) {
                    let mut new = String::new();
                    found.expand(&self.replacement, &mut new);
                    set(labels, &self.target, new);
                }
            }
            Action::Lower => set(labels, &self.target, value.to_lowercase()),
            Action::Upper => set(labels, &self.target, value.to_uppercase()),
            Action::MapLabels => {
                let mapped: Vec<(String, String)> = labels
                    .iter()
                    .filter_map(|(name, value)| {
                        let mut new = String::new();
                        self.expression.captures(name)?.expand(&self.replacement, &mut new);
                        Some((new, value.clone()))
                    })
                    .collect();
                labels.extend(mapped);
            }
            Action::DropLabels => labels.retain(|name, _| !self.expression.is_match(name)),
            Action::KeepLabels => labels.retain(|name, _| self.expression.is_match(name)),
        }
        true
    }
}

fn set(labels: &mut Labels, name: &str, value: String) {
    if value.is_empty() {
        labels.remove(name);
    } else {
        labels.insert(name.to_owned(), value);
    }
}

/// Applies all rules and takes away the labels that begin with `__`; nothing where the line is to be dropped.
pub(super) fn apply(rules: &[Rule], mut labels: Labels) -> Option<Labels> {
    if !rules.iter().all(|rule| rule.apply(&mut labels)) {
        return None;
    }
    labels.retain(|name, _| !name.starts_with("__"));
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(expression: Option<&str>, target: &str, replacement: Option<&str>, action: Option<&str>) -> Rule {
        Rule::new(vec!["__unit".to_owned()], expression, target, replacement, action, None).unwrap()
    }

    fn labels() -> Labels {
        [("__unit".to_owned(), "ssh.service".to_owned())].into()
    }

    #[test]
    fn replaces_keeps_and_drops() {
        let got = apply(&[rule(None, "unit", None, None)], labels()).unwrap();
        assert_eq!(got, [("unit".to_owned(), "ssh.service".to_owned())].into());
        let got = apply(&[rule(Some(r"(.*)\.service"), "unit", Some("<$1>"), None)], labels()).unwrap();
        assert_eq!(got["unit"], "<ssh>");
        assert!(apply(&[rule(Some("ssh"), "unit", None, None)], labels()).unwrap().is_empty());
        assert!(apply(&[rule(Some("ssh.*"), "", None, Some("drop"))], labels()).is_none());
        assert!(apply(&[rule(Some("cron.*"), "", None, Some("keep"))], labels()).is_none());
        assert_eq!(
            apply(&[rule(Some("__(u.*)"), "", None, Some("labelmap"))], labels()).unwrap()["unit"],
            "ssh.service"
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(Rule::new(vec![], None, "", None, None, None).unwrap_err().contains("target"));
        assert!(Rule::new(vec![], None, "x", None, Some("hashmod"), None).unwrap_err().contains("hashmod"));
        assert!(Rule::new(vec![], Some("("), "x", None, None, None).is_err());
    }
}
