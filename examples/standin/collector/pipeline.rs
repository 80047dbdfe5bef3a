//! Sends a line through stages.

use super::Entry;
use super::arguments::json_text;
use super::stages::{Drop, Fields, Stage};
use super::template::Template;

/// Why a line was dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) reason: String,
    /// Of a limit by a label: its name and value.
    pub(super) by: Option<(String, String)>,
}

impl From<String> for Dropped {
    fn from(reason: String) -> Self {
        Self { reason, by: None }
    }
}

/// Runs the stages.
pub(super) fn run(stages: &[Stage], mut entry: Entry, now: i64) -> Result<Entry, Dropped> {
    for stage in stages {
        apply(stage, &mut entry, now)?;
    }
    Ok(entry)
}

fn apply(stage: &Stage, entry: &mut Entry, now: i64) -> Result<(), Dropped> {
    match stage {
        Stage::Json { source, expressions, drop_malformed } => {
            let Some(text) = input(entry, source.as_deref()) else { return Ok(()) };
            match serde_json::from_str(&text) {
                Ok(value) => {
                    for (name, path) in expressions {
                        if let Some(found) = json_text(&value, path) {
                            entry.extracted.insert(name.clone(), found);
                        }
                    }
                }
                Err(_) if *drop_malformed => return Err("malformed_json".to_owned().into()),
                Err(_) => {}
            }
        }
        Stage::Timestamp { source, formats } => {
            let text = entry.extracted.get(source);
            if let Some(stamp) = text.and_then(|text| formats.iter().find_map(|format| format.read(text))) {
                entry.stamp = stamp;
            }
        }
        Stage::Labels(pairs) => {
            for (label, name) in pairs {
                if let Some(value) = entry.extracted.get(name) {
                    entry.labels.insert(label.clone(), value.clone());
                }
            }
        }
        Stage::Metadata(pairs) => {
            for (label, name) in pairs {
                // A label of that name becomes metadata as well.
                let value = entry.extracted.get(name).cloned().or_else(|| entry.labels.remove(name));
                if let Some(value) = value {
                    entry.metadata.insert(label.clone(), value);
                }
            }
        }
        Stage::StaticLabels(pairs) => entry.labels.extend(pairs.iter().cloned()),
        Stage::Output(source) => {
            if let Some(text) = entry.extracted.get(source) {
                entry.line.clone_from(text);
            }
        }
        Stage::Regex { source, expression, as_labels } => {
            let Some(text) = input(entry, source.as_deref()) else { return Ok(()) };
            if let Some(found) = expression.captures(&text) {
                for (at, name) in expression.capture_names().enumerate() {
                    let (Some(name), Some(value)) = (name, found.get(at)) else { continue };
                    entry.extracted.insert(name.to_owned(), value.as_str().to_owned());
                    if *as_labels {
                        entry.labels.insert(name.to_owned(), value.as_str().to_owned());
                    }
                }
            }
        }
        Stage::Replace { source, expression, template } => {
            let Some(text) = input(entry, source.as_deref()) else { return Ok(()) };
            let new = replaced(&text, expression, template, &entry.extracted);
            match source {
                Some(name) => drop(entry.extracted.insert(name.clone(), new)),
                None => entry.line = new,
            }
        }
        Stage::Template { source, template } => {
            let mut fields = entry.extracted.clone();
            fields.insert("Value".to_owned(), entry.extracted.get(source).cloned().unwrap_or_default());
            fields.insert("Entry".to_owned(), entry.line.clone());
            let new = template.fill(&fields);
            // An empty result takes the value away.
            if new.is_empty() {
                entry.extracted.remove(source);
            } else {
                entry.extracted.insert(source.clone(), new);
            }
        }
        Stage::LabelDrop(names) => entry.labels.retain(|name, _| !names.contains(name)),
        Stage::LabelKeep(names) => entry.labels.retain(|name, _| names.contains(name)),
        Stage::Drop(conditions) => {
            if dropped(conditions, entry, now) {
                return Err(conditions.reason.clone().into());
            }
        }
        Stage::Limit(limit) => {
            if let Some(value) = entry.labels.get(&limit.label)
                && !limit.allows(value, now)
            {
                let by = Some((limit.label.clone(), value.clone()));
                return Err(Dropped { reason: "ratelimit_drop_stage".to_owned(), by });
            }
        }
        Stage::Match { selector, drop, stages } => {
            if selector.matches(&entry.labels, &entry.line) {
                if *drop {
                    return Err("match_stage".to_owned().into());
                }
                for stage in stages {
                    apply(stage, entry, now)?;
                }
            }
        }
    }
    Ok(())
}

/// The text that a stage looks at: an extracted value, or the line.
fn input(entry: &Entry, source: Option<&str>) -> Option<String> {
    match source {
        None => Some(entry.line.clone()),
        Some(name) => entry.extracted.get(name).cloned(),
    }
}

fn dropped(conditions: &Drop, entry: &Entry, now: i64) -> bool {
    let source = match &conditions.source {
        None => true,
        Some(name) => entry.extracted.contains_key(name),
    };
    let text = input(entry, conditions.source.as_deref()).unwrap_or_default();
    source
        && conditions.expression.as_ref().is_none_or(|expression| expression.is_match(&text))
        && conditions.longer_than.is_none_or(|most| entry.line.len() > most)
        && conditions.older_than.is_none_or(|oldest| now - entry.stamp > oldest)
}

/// Replaces what the groups of an expression caught. As in the real stage an expression without a group replaces
/// nothing: a redaction that forgets its brackets lets everything through.
fn replaced(text: &str, expression: &regex_lite::Regex, template: &Template, extracted: &Fields) -> String {
    let mut result = String::new();
    let mut done = 0;
    for found in expression.captures_iter(text) {
        for group in found.iter().skip(1).flatten() {
            let mut fields = extracted.clone();
            fields.insert("Value".to_owned(), group.as_str().to_owned());
            if done <= group.start() {
                result += &text[done..group.start()];
                result += &template.fill(&fields);
            }
            done = group.end();
        }
    }
    result + &text[done..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn stages(all: &Value) -> Vec<Stage> {
        let one = |stage: &Value| -> Vec<Stage> {
            let (kind, value) = stage.as_object().unwrap().iter().next().unwrap();
            Stage::parse(kind, value).unwrap()
        };
        all.as_array().unwrap().iter().flat_map(one).collect()
    }

    fn through(all: &Value, line: &str) -> Result<Entry, Dropped> {
        run(&stages(all), Entry { line: line.to_owned(), ..Entry::default() }, 1_000_000_000_000)
    }

    #[test]
    fn takes_dockers_lines_apart() {
        let line =
            r#"{"log":"WARN: x\n","stream":"stderr","time":"1970-01-01T00:00:02Z","attrs":{"tag":"web-1"}}"#;
        let entry = through(&json!([{"docker": {}}]), line).unwrap();
        assert_eq!((entry.line.as_str(), entry.stamp), ("WARN: x\n", 2_000_000_000));
        assert_eq!(entry.labels["stream"], "stderr");
        let all = json!([
            {"json": {"expressions": {"line": "log", "container": "attrs.tag", "missing": "attrs.x"}}},
            {"labels": {"container": null, "missing": null}},
            {"output": {"source": "line"}},
            {"regex": {"expression": "(?i)\\b(?P<level>info|warn)\\b"}},
            {"template": {"source": "level", "template": "{{ ToLower .Value }}"}},
            {"labels": {"severity": "level"}},
            {"static_labels": {"host": "vps", "job": "x"}},
            {"labeldrop": ["job"]},
        ]);
        let labels = through(&all, line).unwrap().labels;
        let got: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(got, ["container=web-1", "host=vps", "severity=warn"]);
    }

    #[test]
    fn redacts_what_groups_catch_and_nothing_else() {
        let redact = |expression: &str, line: &str| {
            through(&json!([{"replace": {"expression": expression, "replace": "<x>"}}]), line).unwrap().line
        };
        assert_eq!(redact(r"([\w.]+@[\w.]+)", "from a@b.c to d@e.f!"), "from <x> to <x>!");
        assert_eq!(
            redact(r"(?i)bearer (\S+)", "Authorization: Bearer abc ok"),
            "Authorization: Bearer <x> ok"
        );
        assert_eq!(redact(r"[\w.]+@[\w.]+", "from a@b.c"), "from a@b.c");
        // A group in a group: the real stage goes on behind the inner one.
        assert_eq!(redact(r"((a)b)", "ab c"), "<x>b c");
    }

    #[test]
    fn drops_by_conditions_and_selectors() {
        let drop = json!([{"drop": {"expression": "health", "drop_counter_reason": "noise"}}]);
        assert_eq!(through(&drop, "GET /health"), Err("noise".to_owned().into()));
        assert!(through(&drop, "GET /").is_ok());
        assert!(through(&json!([{"drop": {"older_than": "1h"}}]), "x").is_ok());
        assert!(through(&json!([{"drop": {"older_than": "10m"}}]), "x").is_err());
        let inner = json!([{"static_labels": {"job": "a"}},
            {"match": {"selector": "{job=\"a\"} |= \"x\"", "stages": [{"static_labels": {"hit": "yes"}}]}},
            {"match": {"selector": "{job=\"a\"} |= \"never\"", "action": "drop"}}]);
        assert_eq!(through(&inner, "x").unwrap().labels["hit"], "yes");
        assert!(!through(&inner, "y").unwrap().labels.contains_key("hit"));
        assert_eq!(through(&inner, "never").unwrap_err().reason, "match_stage");
    }

    #[test]
    fn a_limit_counts_by_the_value_of_a_label() {
        let limit = stages(&json!([
            {"regex": {"expression": "^(?P<container>[a-z]+)", "labels_from_groups": true}},
            {"limit": {"rate": 2, "burst": 3, "drop": true, "by_label_name": "container"}},
        ]));
        let pass = |line: &str, second: i64| {
            run(&limit, Entry { line: line.to_owned(), ..Entry::default() }, second * 1_000_000_000).is_ok()
        };
        assert_eq!([1, 1, 1, 1].map(|second| pass("web", second)), [true, true, true, false]);
        assert!(pass("db", 1) && pass("5", 1), "another container, and a line without the label");
        assert_eq!([2, 2, 2].map(|second| pass("web", second)), [true, true, false]);
        let entry = Entry { line: "web".to_owned(), ..Entry::default() };
        let by = Some(("container".to_owned(), "web".to_owned()));
        assert_eq!(
            run(&limit, entry, 2_000_000_000).unwrap_err(),
            Dropped { reason: "ratelimit_drop_stage".to_owned(), by }
        );
    }
}
