//! What a line goes through: filters on its text, fields taken out of it, filters on labels.

use regex_lite::Regex;

use super::super::store::{Labels, Line};
use super::matcher::Matcher;

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The line contains the text, or does not.
    Contains(String, bool),
    /// The line matches, or does not.
    Matches(Regex, bool),
    Json,
    Logfmt,
    /// All of one group must hold, of one of the groups: `a="1" and b="2" or c="3"`.
    Labels(Vec<Vec<Condition>>),
    Drop(Vec<String>),
    Keep(Vec<String>),
}

/// A condition on one label.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    Text(Matcher),
    /// Label, sign, number.
    Number(String, &'static str, f64),
}

impl Condition {
    fn holds(&self, labels: &Labels) -> bool {
        match self {
            Self::Text(matcher) => matcher.matches(labels),
            Self::Number(label, sign, wanted) => labels
                .get(label)
                .and_then(|value| value.parse::<f64>().ok())
                .is_some_and(|value| super::metric::compare(sign, value, *wanted)),
        }
    }
}

/// Sends a line through; gives all its labels, metadata and taken-out fields included, or nothing.
pub(super) fn run(steps: &[Step], stream: &Labels, line: &Line) -> Option<Labels> {
    let mut labels = stream.clone();
    labels.extend(line.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
    for step in steps {
        match step {
            Step::Contains(text, wanted) => {
                if line.text.contains(text) != *wanted {
                    return None;
                }
            }
            Step::Matches(expression, wanted) => {
                if expression.is_match(&line.text) != *wanted {
                    return None;
                }
            }
            Step::Json => match serde_json::from_str::<serde_json::Value>(&line.text) {
                Ok(value) => json(&value, "", &mut labels, stream),
                Err(_) => drop(labels.insert("__error__".to_owned(), "JSONParserErr".to_owned())),
            },
            Step::Logfmt => logfmt(&line.text, &mut labels, stream),
            Step::Labels(groups) => {
                if !groups.iter().any(|group| group.iter().all(|one| one.holds(&labels))) {
                    return None;
                }
            }
            Step::Drop(names) => labels.retain(|key, _| !names.contains(key)),
            Step::Keep(names) => labels.retain(|key, _| names.contains(key)),
        }
    }
    Some(labels)
}

/// Adds a field; one that the stream has already gets Loki's suffix.
fn add(key: &str, value: String, labels: &mut Labels, stream: &Labels) {
    let key: String = key.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
    let key = if stream.contains_key(&key) { format!("{key}_extracted") } else { key };
    labels.insert(key, value);
}

fn json(value: &serde_json::Value, path: &str, labels: &mut Labels, stream: &Labels) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}_{key}") };
                json(value, &path, labels, stream);
            }
        }
        serde_json::Value::Array(_) | serde_json::Value::Null => {}
        serde_json::Value::String(text) if !path.is_empty() => add(path, text.clone(), labels, stream),
        other if !path.is_empty() => add(path, other.to_string(), labels, stream),
        _ => {}
    }
}

fn logfmt(text: &str, labels: &mut Labels, stream: &Labels) {
    let mut rest = text.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.rsplit(' ').next().unwrap_or(key);
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        if !key.is_empty() {
            add(key, value.to_owned(), labels, stream);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::store::tests::{labels, line};
    use super::*;

    #[test]
    fn fields_come_out_of_json_and_logfmt() {
        let stream = labels(&[("job", "x")]);
        let got = run(&[Step::Json], &stream, &line(1, r#"{"a": {"b": 5}, "job": "y", "l": []}"#)).unwrap();
        assert_eq!(got, labels(&[("a_b", "5"), ("job", "x"), ("job_extracted", "y")]));
        let got = run(&[Step::Json], &stream, &line(1, "no json")).unwrap();
        assert_eq!(got["__error__"], "JSONParserErr");
        let got = run(&[Step::Logfmt], &stream, &line(1, r#"level=info msg="all is well" n=5"#)).unwrap();
        assert_eq!(
            (got["level"].as_str(), got["msg"].as_str(), got["n"].as_str()),
            ("info", "all is well", "5")
        );
    }
}
