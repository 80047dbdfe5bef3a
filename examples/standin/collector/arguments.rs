//! The arguments of stages: which each kind takes, and how they are read.

use regex_lite::Regex;
use serde_json::Value;

/// The arguments that each kind takes. Another one is a mistake, for the real collectors too.
pub(super) fn known_arguments(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "json" => &["expressions", "source", "drop_malformed"],
        "timestamp" => &["source", "format", "fallback_formats", "location", "action_on_failure"],
        "output" => &["source"],
        "regex" => &["expression", "source", "labels_from_groups"],
        "replace" => &["expression", "source", "replace"],
        "template" => &["source", "template"],
        "drop" => &[
            "source",
            "expression",
            "value",
            "longer_than",
            "older_than",
            "drop_counter_reason",
            "separator",
        ],
        "match" => &["selector", "stages", "action", "pipeline_name", "drop_counter_reason"],
        "limit" => &["rate", "burst", "drop", "by_label_name", "max_distinct_labels"],
        "docker" => &[],
        _ => return None,
    })
}

/// Arguments by name.
pub(super) struct Arguments<'a>(pub(super) &'a str, pub(super) &'a Value);

impl Arguments<'_> {
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match &self.1[key] {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub(super) fn need(&self, key: &str) -> Result<String, String> {
        self.text(key).ok_or_else(|| format!("the stage {} needs `{key}`", self.0))
    }

    pub(super) fn regex(&self, key: &str) -> Result<Regex, String> {
        compile(&self.need(key)?, self.0)
    }

    pub(super) fn truth(&self, key: &str) -> bool {
        self.1[key] == true
    }
}

pub(super) fn compile(text: &str, stage: &str) -> Result<Regex, String> {
    Regex::new(text)
        .map_err(|cause| format!("the stage {stage}: could not compile regular expression: {cause}"))
}

/// A map of names to names; an empty value means the same name.
pub(super) fn pairs(value: &Value, kind: &str) -> Result<Vec<(String, String)>, String> {
    let map = value.as_object().filter(|map| !map.is_empty());
    let map = map.ok_or_else(|| format!("the stage {kind} needs at least one name"))?;
    map.iter()
        .map(|(name, value)| match value {
            Value::Null => Ok((name.clone(), name.clone())),
            Value::String(text) if text.is_empty() => Ok((name.clone(), name.clone())),
            Value::String(text) => Ok((name.clone(), text.clone())),
            other => Err(format!("the stage {kind}: `{name}` is {other} and no text")),
        })
        .collect()
}

pub(super) fn names(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A path into JSON, the part of `JMESPath` that configurations use: `a.b`, `attrs."with.dots"`.
pub(super) fn json_path(text: &str) -> Result<Vec<String>, String> {
    let mut path = Vec::new();
    let mut rest = text.trim();
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(format!("no JMESPath: {text}"))?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        let plain = name.chars().all(|it| it.is_alphanumeric() || it == '_');
        if name.is_empty() || !(plain || rest.starts_with('"')) {
            return Err(format!("the stand-in does not know the JMESPath {text:?}"));
        }
        path.push(name.to_owned());
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(path),
            None => return Err(format!("the stand-in does not know the JMESPath {text:?}")),
        }
    }
}

/// The value at a path, as text.
pub(super) fn json_text(value: &Value, path: &[String]) -> Option<String> {
    match path.iter().try_fold(value, |value, key| value.get(key))? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_have_quoted_parts() {
        assert_eq!(json_path("attrs.tag").unwrap(), ["attrs", "tag"]);
        assert_eq!(
            json_path(r#"attrs."com.docker.compose.service""#).unwrap(),
            ["attrs", "com.docker.compose.service"]
        );
        for wrong in ["", "a..b", "a[0]", "a | b", "\"x"] {
            assert!(json_path(wrong).is_err(), "{wrong}");
        }
    }
}
