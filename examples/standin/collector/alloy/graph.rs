//! From components to sources with their routes: every `forward_to` is followed to a `loki.write`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::promtail::age;
use super::super::relabel::Rule;
use super::super::stages::Stage;
use super::super::{Journal, Labels, Source, SourceKind, Target};
use super::syntax::{Block, Term};

/// What the stand-in knows, with the attributes that each takes.
const KNOWN: [(&str, &[&str]); 8] = [
    ("logging", &["level", "format", "write_to"]),
    ("livedebugging", &["enabled"]),
    ("local.file_match", &["path_targets", "sync_period", "ignore_older_than"]),
    ("loki.source.file", &["targets", "forward_to", "encoding", "tail_from_end", "legacy_positions_file"]),
    (
        "loki.source.journal",
        &["forward_to", "format_as_json", "labels", "matches", "max_age", "path", "relabel_rules"],
    ),
    ("loki.relabel", &["forward_to", "max_cache_size"]),
    ("loki.process", &["forward_to"]),
    ("loki.write", &["external_labels", "max_streams"]),
];

struct Graph<'a>(BTreeMap<String, &'a Block>);

/// The sources of a configuration. An error begins with the line.
pub(super) fn sources(blocks: &[Block]) -> Result<Vec<Source>, String> {
    let mut all = BTreeMap::new();
    for block in blocks {
        let (_, attributes) = KNOWN.iter().find(|(name, _)| *name == block.name).ok_or_else(|| {
            format!("{}: the stand-in for Alloy does not know the component {:?}", block.line, block.name)
        })?;
        let strange = block.attributes.keys().find(|key| !attributes.contains(&key.as_str()));
        if let Some(key) = strange {
            return Err(format!("{}: unrecognized attribute name {key:?} in {}", block.line, block.name));
        }
        let id = match &block.label {
            Some(label) => format!("{}.{label}", block.name),
            None if block.name.contains('.') => {
                return Err(format!("{}: block {} requires a label", block.line, block.name));
            }
            None => block.name.clone(),
        };
        if all.insert(id.clone(), block).is_some() {
            return Err(format!("{}: block {id} already declared", block.line));
        }
    }
    let graph = Graph(all);
    let mut sources = Vec::new();
    for (id, block) in &graph.0 {
        let at = |cause: String| format!("{}: {id}: {cause}", block.line);
        let kind = match block.name.as_str() {
            "loki.source.file" => SourceKind::Files(graph.files(block).map_err(at)?),
            "loki.source.journal" => SourceKind::Journal(graph.journal(id, block).map_err(at)?),
            // Also what nothing leads to must be right.
            "loki.process" | "loki.write" | "loki.relabel" => {
                graph.routes_from(id, 0).map_err(at)?;
                continue;
            }
            _ => continue,
        };
        sources.push(Source { name: id.clone(), kind, routes: graph.forwarded(block, 0).map_err(at)? });
    }
    Ok(sources)
}

type Routes = Vec<(Vec<Stage>, String)>;

impl<'a> Graph<'a> {
    /// The component of a reference such as `loki.write.default.receiver`.
    fn component(&self, reference: &str, export: &str) -> Result<(&str, &'a Block), String> {
        let id = reference.strip_suffix(&format!(".{export}"));
        let found = id.and_then(|id| self.0.get_key_value(id));
        found
            .map(|(id, block)| (id.as_str(), *block))
            .ok_or_else(|| format!("component {reference:?} does not exist or is out of scope"))
    }

    /// Where a block's `forward_to` leads.
    fn forwarded(&self, block: &Block, depth: usize) -> Result<Routes, String> {
        let Some(Term::List(receivers)) = block.attributes.get("forward_to") else {
            return Err("missing required attribute \"forward_to\"".to_owned());
        };
        let mut routes = Vec::new();
        for receiver in receivers {
            let Term::Reference(reference) = receiver else {
                return Err("forward_to takes receivers".to_owned());
            };
            let (id, _) = self.component(reference, "receiver")?;
            routes.extend(self.routes_from(id, depth + 1)?);
        }
        Ok(routes)
    }

    /// What a component does to a line, and where it sends it.
    fn routes_from(&self, id: &str, depth: usize) -> Result<Routes, String> {
        let block = self.0[id];
        // Only a circle is as deep.
        if depth > 20 {
            return Err("components lead to themselves".to_owned());
        }
        match block.name.as_str() {
            "loki.process" => {
                // A stage cannot be copied; each way reads its own.
                let ways = self.forwarded(block, depth)?;
                ways.into_iter()
                    .map(|(behind, url)| {
                        let mut stages = process(block)?;
                        stages.extend(behind);
                        Ok((stages, url))
                    })
                    .collect()
            }
            "loki.relabel" => match block.attributes.get("forward_to") {
                // Only its rules are used.
                Some(Term::List(all)) if all.is_empty() => rules(block).map(|_| Vec::new()),
                _ => Err("the stand-in uses a loki.relabel only for its `rules`".to_owned()),
            },
            "loki.write" => write(block),
            other => Err(format!("{other} takes no lines")),
        }
    }

    fn files(&self, block: &Block) -> Result<Vec<Target>, String> {
        let (targets, globbed) = match block.attributes.get("targets") {
            Some(Term::Reference(reference)) => {
                let (_, matched) = self.component(reference, "targets")?;
                (matched.attributes.get("path_targets"), true)
            }
            other => (other, block.blocks.iter().any(|inner| inner.name == "file_match")),
        };
        let Some(Term::List(targets)) = targets else {
            return Err("missing required attribute \"targets\"".to_owned());
        };
        targets
            .iter()
            .map(|target| {
                let mut labels = texts(target)?;
                let pattern = labels.remove("__path__").ok_or("a target has no __path__")?;
                if pattern.contains('*') && !globbed {
                    return Err(format!("{pattern} has a pattern, and no local.file_match looks for it"));
                }
                let exclude = labels.remove("__path_exclude__");
                labels.retain(|name, _| !name.starts_with("__"));
                Ok(Target { pattern, exclude, labels })
            })
            .collect()
    }

    fn journal(&self, id: &str, block: &Block) -> Result<Journal, String> {
        let text = |name: &str| match block.attributes.get(name) {
            Some(Term::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        if text("matches").is_some() {
            return Err("the stand-in does not know `matches`".to_owned());
        }
        let rules = match block.attributes.get("relabel_rules") {
            Some(Term::Reference(reference)) => rules(self.component(reference, "rules")?.1)?,
            None => Vec::new(),
            Some(_) => return Err("relabel_rules takes a loki.relabel's rules".to_owned()),
        };
        // Alloy names the component as the job unless the labels name one.
        let mut labels: Labels = [("job".to_owned(), id.to_owned())].into();
        if let Some(given) = block.attributes.get("labels") {
            labels.extend(texts(given)?);
        }
        Ok(Journal {
            path: text("path").map(Into::into),
            max_age_seconds: age(text("max_age").as_deref())?,
            labels,
            rules,
            json: block.attributes.get("format_as_json") == Some(&Term::Truth(true)),
        })
    }
}

/// A map of texts.
fn texts(term: &Term) -> Result<Labels, String> {
    let Term::Map(map) = term else { return Err("expected a map of labels".to_owned()) };
    map.iter()
        .map(|(name, value)| match json(value)? {
            Value::String(text) => Ok((name.clone(), text)),
            other => Err(format!("label {name}: {other} is no text")),
        })
        .collect()
}

/// The stages of a `loki.process`, under the names that Promtail gives them.
fn process(block: &Block) -> Result<Vec<Stage>, String> {
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

fn rules(block: &Block) -> Result<Vec<Rule>, String> {
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
fn write(block: &Block) -> Result<Routes, String> {
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

#[cfg(test)]
mod tests;
