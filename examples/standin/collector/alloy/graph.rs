//! From components to sources with their routes: every `forward_to` is followed to a `loki.write`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::promtail::{age, period_of};
use super::super::stages::Stage;
use super::super::{Journal, LOOK_EVERY, Labels, Source, SourceKind, Target};
use super::blocks::{process, rules, texts, write};
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
            "loki.source.file" => {
                let (targets, look_every) = graph.files(block).map_err(at)?;
                SourceKind::Files { targets, look_every }
            }
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

pub(super) type Routes = Vec<(Vec<Stage>, String)>;

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

    /// The files of a source, and how often new ones are looked for.
    fn files(&self, block: &Block) -> Result<(Vec<Target>, Duration), String> {
        let mut period = None;
        let (targets, globbed) = match block.attributes.get("targets") {
            Some(Term::Reference(reference)) => {
                let (_, matched) = self.component(reference, "targets")?;
                period = matched.attributes.get("sync_period");
                (matched.attributes.get("path_targets"), true)
            }
            other => (other, block.blocks.iter().any(|inner| inner.name == "file_match")),
        };
        let look_every = match period {
            None => LOOK_EVERY,
            Some(Term::Text(text)) => period_of(text)?,
            Some(_) => return Err("sync_period takes a duration".to_owned()),
        };
        let Some(Term::List(targets)) = targets else {
            return Err("missing required attribute \"targets\"".to_owned());
        };
        let targets = targets
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
            .collect::<Result<_, String>>()?;
        Ok((targets, look_every))
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
        let mut labels = match block.attributes.get("labels") {
            Some(given) => texts(given)?,
            None => Labels::new(),
        };
        // Alloy names the component as the job whatever the labels say (seen with 1.19); its rules come after that.
        labels.insert("job".to_owned(), id.to_owned());
        Ok(Journal {
            path: text("path").map(Into::into),
            max_age_seconds: age(text("max_age").as_deref())?,
            labels,
            rules,
            json: block.attributes.get("format_as_json") == Some(&Term::Truth(true)),
        })
    }
}

#[cfg(test)]
mod tests;
