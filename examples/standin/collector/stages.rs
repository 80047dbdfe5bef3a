//! The stages of a pipeline, read from their arguments. Promtail's YAML and Alloy's blocks come here in one form.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

use super::arguments::{Arguments, compile, json_path, known_arguments, names, pairs};
use super::template::Template;
use super::timestamp::Format;
use crate::loki::Selector;

/// One stage.
#[derive(Debug)]
pub(super) enum Stage {
    /// Name of the extracted value, path in the JSON.
    Json {
        source: Option<String>,
        expressions: Vec<(String, Vec<String>)>,
        drop_malformed: bool,
    },
    Timestamp {
        source: String,
        formats: Vec<Format>,
    },
    /// Label, extracted value.
    Labels(Vec<(String, String)>),
    StaticLabels(Vec<(String, String)>),
    Metadata(Vec<(String, String)>),
    Output(String),
    Regex {
        source: Option<String>,
        expression: Regex,
        as_labels: bool,
    },
    Replace {
        source: Option<String>,
        expression: Regex,
        template: Template,
    },
    Template {
        source: String,
        template: Template,
    },
    LabelDrop(Vec<String>),
    LabelKeep(Vec<String>),
    Drop(Drop),
    Limit(Limit),
    /// Stages, or a drop, for what a selector matches.
    Match {
        selector: Selector,
        drop: bool,
        stages: Vec<Stage>,
    },
}

/// When a line is dropped: when all that is given holds.
#[derive(Debug, Default)]
pub(super) struct Drop {
    pub(super) source: Option<String>,
    pub(super) expression: Option<Regex>,
    pub(super) longer_than: Option<usize>,
    pub(super) older_than: Option<i64>,
    pub(super) reason: String,
}

/// How many lines pass of each value of a label; the others are dropped.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) label: String,
    /// Lines a second.
    pub(super) rate: f64,
    /// Lines at once.
    pub(super) burst: f64,
    /// Value of the label → the lines that may pass, and when that was so (nanoseconds).
    pub(super) left: std::sync::Mutex<BTreeMap<String, (f64, i64)>>,
}

impl Limit {
    fn parse(arguments: &Arguments<'_>) -> Result<Self, String> {
        let number = |key: &str| {
            let number = arguments.need(key)?.parse::<f64>().ok().filter(|number| *number > 0.0);
            number.ok_or("limit stage failed to parse rate or burst".to_owned())
        };
        if !arguments.truth("drop") {
            return Err("the stand-in knows the stage limit with `drop: true` alone".to_owned());
        }
        Ok(Self {
            label: arguments.need("by_label_name")?,
            rate: number("rate")?,
            burst: number("burst")?,
            left: std::sync::Mutex::default(),
        })
    }

    /// Whether one more line of this value passes.
    #[allow(clippy::cast_precision_loss, reason = "a time")]
    pub(super) fn allows(&self, value: &str, now: i64) -> bool {
        let mut left = self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (tokens, at) = left.entry(value.to_owned()).or_insert((self.burst, now));
        *tokens = (*tokens + (now - *at).max(0) as f64 / 1e9 * self.rate).min(self.burst);
        *at = now;
        let allows = *tokens >= 1.0;
        if allows {
            *tokens -= 1.0;
        }
        allows
    }
}

impl Stage {
    /// Reads one stage. `docker` is several.
    pub(super) fn parse(kind: &str, value: &Value) -> Result<Vec<Self>, String> {
        if let Some(known) = known_arguments(kind) {
            for key in value.as_object().into_iter().flat_map(serde_json::Map::keys) {
                if !known.contains(&key.as_str()) {
                    return Err(format!("the stage {kind} has no argument `{key}`"));
                }
            }
        }
        let arguments = Arguments(kind, value);
        Ok(vec![match kind {
            "json" => Self::Json {
                source: arguments.text("source"),
                expressions: pairs(&value["expressions"], kind)?
                    .into_iter()
                    .map(|(name, path)| Ok((name, json_path(&path)?)))
                    .collect::<Result<_, String>>()?,
                drop_malformed: arguments.truth("drop_malformed"),
            },
            "timestamp" => {
                let mut formats = vec![Format::parse(&arguments.need("format")?)?];
                for more in value["fallback_formats"].as_array().into_iter().flatten() {
                    formats.push(Format::parse(more.as_str().unwrap_or_default())?);
                }
                Self::Timestamp { source: arguments.need("source")?, formats }
            }
            "labels" => Self::Labels(pairs(value, kind)?),
            "static_labels" => Self::StaticLabels(pairs(value, kind)?),
            "structured_metadata" => Self::Metadata(pairs(value, kind)?),
            "output" => Self::Output(arguments.need("source")?),
            "regex" => {
                let expression = arguments.regex("expression")?;
                if expression.capture_names().flatten().next().is_none() {
                    return Err("the stage regex needs at least one named group".to_owned());
                }
                let as_labels = arguments.truth("labels_from_groups");
                Self::Regex { source: arguments.text("source"), expression, as_labels }
            }
            "replace" => Self::Replace {
                source: arguments.text("source"),
                expression: arguments.regex("expression")?,
                template: Template::parse(&arguments.text("replace").unwrap_or_default())?,
            },
            "template" => Self::Template {
                source: arguments.need("source")?,
                template: Template::parse(&arguments.need("template")?)?,
            },
            "labeldrop" => Self::LabelDrop(names(value)),
            "labelallow" => Self::LabelKeep(names(value)),
            "drop" => Self::Drop(drop_stage(&arguments)?),
            "limit" => Self::Limit(Limit::parse(&arguments)?),
            "match" => {
                let mut stages = Vec::new();
                for stage in value["stages"].as_array().into_iter().flatten() {
                    for (kind, value) in stage.as_object().into_iter().flatten() {
                        stages.extend(Self::parse(kind, value)?);
                    }
                }
                let drop = match arguments.text("action").as_deref() {
                    None | Some("keep") => false,
                    Some("drop") => true,
                    Some(other) => return Err(format!("the stage match has no action {other:?}")),
                };
                Self::Match { selector: Selector::parse(&arguments.need("selector")?)?, drop, stages }
            }
            "docker" => return Ok(docker()),
            other => return Err(format!("the stand-in does not know the stage `{other}`")),
        }])
    }
}

fn drop_stage(arguments: &Arguments<'_>) -> Result<Drop, String> {
    let expression = match (arguments.text("expression"), arguments.text("value")) {
        (Some(text), None) => Some(compile(&text, "drop")?),
        (None, Some(value)) => Some(compile(&format!("^{}$", regex_lite::escape(&value)), "drop")?),
        (None, None) => None,
        _ => return Err("the stage drop takes `expression` or `value`, not both".to_owned()),
    };
    let longer_than = arguments.text("longer_than");
    let longer_than =
        longer_than.map(|text| crate::loki::bytes(&text).ok_or(format!("no size: {text}"))).transpose()?;
    let older_than = arguments.text("older_than");
    let older_than = older_than
        .map(|text| crate::loki::duration(&text).ok_or(format!("no duration: {text}")))
        .transpose()?;
    let drop = Drop {
        source: arguments.text("source"),
        expression,
        longer_than: longer_than.and_then(|bytes| usize::try_from(bytes).ok()),
        older_than,
        reason: arguments.text("drop_counter_reason").unwrap_or_else(|| "drop_stage".to_owned()),
    };
    if drop.source.is_none()
        && drop.expression.is_none()
        && drop.longer_than.is_none()
        && drop.older_than.is_none()
    {
        return Err("the stage drop needs at least one condition".to_owned());
    }
    Ok(drop)
}

/// What Docker's json-file driver writes, taken apart.
fn docker() -> Vec<Stage> {
    let one = |name: &str, path: &str| (name.to_owned(), vec![path.to_owned()]);
    vec![
        Stage::Json {
            source: None,
            expressions: vec![one("output", "log"), one("stream", "stream"), one("timestamp", "time")],
            drop_malformed: false,
        },
        Stage::Labels(vec![("stream".to_owned(), "stream".to_owned())]),
        Stage::Timestamp { source: "timestamp".to_owned(), formats: vec![Format::Rfc3339] },
        Stage::Output("output".to_owned()),
    ]
}

/// Fields by name, for templates.
pub(super) type Fields = BTreeMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_collector_refuses_is_refused() {
        let error = |kind: &str, value: Value| Stage::parse(kind, &value).unwrap_err();
        assert_eq!(error("regexp", json!({})), "the stand-in does not know the stage `regexp`");
        assert_eq!(error("json", json!({"expresions": {}})), "the stage json has no argument `expresions`");
        assert_eq!(error("output", json!({})), "the stage output needs `source`");
        assert!(error("regex", json!({"expression": "("})).contains("could not compile"));
        assert!(error("regex", json!({"expression": "(a)"})).contains("named group"));
        assert!(error("labels", json!({})).contains("at least one name"));
        assert!(error("drop", json!({})).contains("condition"));
        assert!(error("match", json!({"selector": "{"})).contains("parse error"));
    }
}
