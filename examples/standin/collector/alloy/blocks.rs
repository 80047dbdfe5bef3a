//! What single blocks mean: the stages of a process, the rules of a relabelling, the addresses of a write.

use serde_json::Value;

use super::super::Labels;
use super::super::relabel::Rule;
use super::super::stages::Stage;
use super::graph::Routes;
use super::syntax::{Block, Term};

/// A map of texts.
pub(super) fn texts(term: &Term) -> Result<Labels, String> {
    let Term::Map(map) = term else { return Err("expected a map of labels".to_owned()) };
    map.iter()
        .map(|(name, value)| match json(value)? {
            Value::String(text) => Ok((name.clone(), text)),
            other => Err(format!("label {name}: {other} is no text")),
        })
        .collect()
}

/// The stages of a `loki.process`, under the names that Promtail gives them.
pub(super) fn process(block: &Block) -> Result<Vec<Stage>, String> {
    let mut stages = Vec::new();
    for inner in &block.blocks {
        let kind = inner
            .name
            .strip_prefix("stage.")
            .ok_or_else(|| format!("unrecognized block name {:?}", inner.name))?;
        let at = |cause: String| format!("line {}: {cause}", inner.line);
        let (kind, arguments) = stage(kind, inner).map_err(at)?;
        stages.extend(Stage::parse(&kind, &arguments).map_err(at)?);
    }
    Ok(stages)
}

fn stage(kind: &str, block: &Block) -> Result<(String, Value), String> {
    let mut arguments = serde_json::Map::new();
    for (name, value) in &block.attributes {
        arguments.insert(name.clone(), json(value)?);
    }
    if kind == "match" {
        let mut inner = Vec::new();
        for one in &block.blocks {
            let kind = one
                .name
                .strip_prefix("stage.")
                .ok_or_else(|| format!("unrecognized block name {:?}", one.name))?;
            let (kind, value) = stage(kind, one)?;
            inner.push(Value::Object([(kind, value)].into_iter().collect()));
        }
        arguments.insert("stages".to_owned(), Value::Array(inner));
    }
    let values = |arguments: &serde_json::Map<String, Value>| {
        arguments
            .get("values")
            .cloned()
            .filter(|_| arguments.len() == 1)
            .ok_or(format!("the stage {kind} takes `values`"))
    };
    Ok(match kind {
        "labels" | "static_labels" | "structured_metadata" => (kind.to_owned(), values(&arguments)?),
        "label_drop" => ("labeldrop".to_owned(), values(&arguments)?),
        "label_keep" => ("labelallow".to_owned(), values(&arguments)?),
        _ => (kind.to_owned(), Value::Object(arguments)),
    })
}

/// A value without references.
fn json(term: &Term) -> Result<Value, String> {
    Ok(match term {
        Term::Text(text) => Value::String(text.clone()),
        Term::Number(number) => Value::from(*number),
        Term::Truth(truth) => Value::Bool(*truth),
        Term::Null => Value::Null,
        Term::List(all) => Value::Array(all.iter().map(json).collect::<Result<_, _>>()?),
        Term::Map(map) => Value::Object(
            map.iter().map(|(key, value)| Ok((key.clone(), json(value)?))).collect::<Result<_, String>>()?,
        ),
        Term::Reference(name) if name == "constants.hostname" => {
            Value::String(std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned())
        }
        Term::Call(name, arguments) if name == "sys.env" || name == "env" => match arguments.as_slice() {
            [Term::Text(name)] => Value::String(std::env::var(name).unwrap_or_default()),
            _ => return Err(format!("{name} takes one text")),
        },
        Term::Reference(name) | Term::Call(name, _) => {
            return Err(format!("the stand-in does not know `{name}` here"));
        }
    })
}

pub(super) fn rules(block: &Block) -> Result<Vec<Rule>, String> {
    block
        .blocks
        .iter()
        .map(|rule| {
            let text = |name: &str| match rule.attributes.get(name) {
                Some(Term::Text(text)) => Some(text.as_str()),
                _ => None,
            };
            let known =
                ["source_labels", "regex", "target_label", "replacement", "action", "separator", "modulus"];
            let strange = rule.attributes.keys().find(|key| !known.contains(&key.as_str()));
            if rule.name != "rule" || strange.is_some() {
                return Err(format!("line {}: unrecognized {}", rule.line, strange.unwrap_or(&rule.name)));
            }
            let sources = match rule.attributes.get("source_labels") {
                Some(Term::List(all)) => all
                    .iter()
                    .map(|one| {
                        if let Term::Text(text) = one {
                            Ok(text.clone())
                        } else {
                            Err("source_labels takes texts".to_owned())
                        }
                    })
                    .collect::<Result<_, _>>()?,
                _ => Vec::new(),
            };
            let target = text("target_label").unwrap_or_default();
            Rule::new(sources, text("regex"), target, text("replacement"), text("action"), text("separator"))
        })
        .collect()
}

/// The endpoints of a `loki.write`.
pub(super) fn write(block: &Block) -> Result<Routes, String> {
    let mut routes = Vec::new();
    for endpoint in &block.blocks {
        match (endpoint.name.as_str(), endpoint.attributes.get("url")) {
            ("endpoint", Some(Term::Text(url))) => {
                let mut stages = Vec::new();
                if let Some(labels) = block.attributes.get("external_labels") {
                    stages.extend(Stage::parse("static_labels", &json(labels)?)?);
                }
                routes.push((stages, url.clone()));
            }
            ("endpoint", _) => return Err("missing required attribute \"url\"".to_owned()),
            // A write-ahead log would be on a disk; the stand-in tries again from its positions.
            ("wal", _) => {}
            (other, _) => return Err(format!("unrecognized block name {other:?}")),
        }
    }
    if routes.is_empty() { Err("loki.write has no endpoint".to_owned()) } else { Ok(routes) }
}
