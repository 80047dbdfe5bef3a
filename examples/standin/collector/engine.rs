//! Reads, sends through the stages, pushes, remembers how far it came.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Child;
use tokio::sync::mpsc;

use super::files::Follower;
use super::metrics::Shared;
use super::{Entry, Source, SourceKind, journal, pipeline, push};

/// How often the files are read.
const PERIOD: Duration = Duration::from_millis(500);

/// The file of positions, in Promtail's form: a path or a journal's name, and how far it was read.
#[derive(Default, Serialize, Deserialize)]
struct Positions {
    positions: BTreeMap<String, String>,
}

/// A running plan.
pub(super) struct Engine {
    sources: Vec<(Source, Reader)>,
    positions: Positions,
    turn: u32,
}

enum Reader {
    /// And after how many readings new files are looked for.
    Files(Follower, u32),
    /// The child is kept for as long as it is read; none where the journal cannot be read.
    Journal(Option<(Child, mpsc::Receiver<Value>)>),
}

fn journal_key(source: &Source) -> String {
    format!("journal-{}", source.name)
}

impl Engine {
    /// Opens what the plan names.
    pub(super) fn start(sources: Vec<Source>, positions: &Path) -> Self {
        let positions: Positions = std::fs::read_to_string(positions)
            .ok()
            .and_then(|text| serde_yaml::from_str(&text).ok())
            .unwrap_or_default();
        let sources = sources
            .into_iter()
            .map(|source| {
                let reader = match &source.kind {
                    SourceKind::Files { targets, look_every } => {
                        let turns = look_every.as_millis() / PERIOD.as_millis();
                        let turns = u32::try_from(turns).unwrap_or(u32::MAX).max(1);
                        Reader::Files(Follower::new(targets.clone()), turns)
                    }
                    SourceKind::Journal(wanted) => {
                        let cursor = positions.positions.get(&journal_key(&source)).map(String::as_str);
                        Reader::Journal(
                            journal::follow(wanted, cursor)
                                .map_err(|cause| println!("level=error msg={cause:?}"))
                                .ok(),
                        )
                    }
                };
                (source, reader)
            })
            .collect();
        Self { sources, positions, turn: 0 }
    }

    /// Goes on until it is dropped.
    pub(super) async fn run(&mut self, file: &Path, shared: &Arc<Shared>) {
        let mut clock = tokio::time::interval(PERIOD);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            if self.turn(shared).await
                && let Err(cause) = save(&self.positions, file)
            {
                println!("level=error msg=\"error writing positions file\" error={cause:?}");
            }
        }
    }

    /// Reads once and pushes; whether anything was read.
    async fn turn(&mut self, shared: &Arc<Shared>) -> bool {
        let mut batches: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        let mut new = BTreeMap::new();
        let mut active = 0;
        for (source, reader) in &mut self.sources {
            let mut entries = Vec::new();
            match reader {
                Reader::Files(follower, turns) => {
                    if self.turn.is_multiple_of(*turns) {
                        follower.look(&self.positions.positions);
                    }
                    for found in follower.read() {
                        let mut labels = follower.target(found.target).labels.clone();
                        labels.insert("filename".to_owned(), found.path.clone());
                        shared.counters().read(&found.path, found.line.len());
                        entries.push(Entry { stamp: now(), line: found.line, labels, ..Entry::default() });
                    }
                    new.extend(follower.positions().map(|(path, offset)| (path, offset.to_string())));
                    active += follower.len();
                }
                Reader::Journal(None) => {}
                Reader::Journal(Some((_, receiver))) => {
                    let SourceKind::Journal(wanted) = &source.kind else { continue };
                    // No more than what was there when we came.
                    for _ in 0..receiver.len() {
                        let Some(value) = receiver.recv().await else { break };
                        shared.counters().journal_lines += 1;
                        if let Some(read) = journal::read(wanted, &value) {
                            new.insert(journal_key(source), read.cursor);
                            entries.push(read.entry);
                        }
                    }
                }
            }
            for entry in entries {
                for (stages, url) in &source.routes {
                    // Labels are what the stages look up first, as in the real pipeline.
                    let mut entry = entry.clone();
                    entry.extracted.clone_from(&entry.labels);
                    match pipeline::run(stages, entry, now()) {
                        Ok(entry) => batches.entry(url.clone()).or_default().push(entry),
                        Err(dropped) => shared.counters().filtered(dropped),
                    }
                }
            }
        }
        self.turn = self.turn.wrapping_add(1);
        shared.counters().active_files = active;
        for (url, entries) in batches {
            push::send(&url, entries, shared).await;
        }
        let changed = new.iter().any(|(key, value)| self.positions.positions.get(key) != Some(value));
        // What is gone stays known until a file of its name comes again.
        self.positions.positions.extend(new);
        changed
    }
}

/// Writes the positions beside their place and moves them there.
fn save(positions: &Positions, file: &Path) -> std::io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, serde_yaml::to_string(positions).map_err(std::io::Error::other)?)?;
    std::fs::rename(&new, file)
}

fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::{Flavour, Target};

    #[tokio::test]
    async fn a_line_goes_from_its_file_to_loki_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("x-json.log");
        std::fs::write(
            &log,
            "{\"log\":\"hello a@b.c\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"web\"}}\n",
        )
        .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/loki/api/v1/push", listener.local_addr().unwrap());
        let got = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = String::new();
            let mut bytes = [0; 4096];
            while !text.ends_with("]}]}") {
                let count = stream.read(&mut bytes).unwrap();
                text += std::str::from_utf8(&bytes[..count]).unwrap();
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
            text
        });
        let source = || {
            let target = Target {
                pattern: format!("{}/*-json.log", folder.path().display()),
                exclude: None,
                labels: [("job".to_owned(), "docker".to_owned())].into(),
            };
            let stage = |kind: &str, value: &str| {
                crate::collector::Stage::parse(kind, &serde_json::from_str(value).unwrap()).unwrap()
            };
            let stages = [
                stage("json", r#"{"expressions": {"line": "log", "container": "attrs.tag"}}"#),
                stage("labels", r#"{"container": null}"#),
                stage("output", r#"{"source": "line"}"#),
                stage("replace", r#"{"expression": "(\\w+@\\S+)", "replace": "<mail>"}"#),
                stage("labeldrop", r#"["filename"]"#),
            ];
            Source {
                name: "x".to_owned(),
                kind: SourceKind::Files { targets: vec![target], look_every: PERIOD },
                routes: vec![(stages.into_iter().flatten().collect(), url.clone())],
            }
        };
        let file = folder.path().join("positions.yml");
        let shared = Arc::new(Shared::new(Flavour::Promtail));
        let mut engine = Engine::start(vec![source()], &file);
        assert!(engine.turn(&shared).await);
        save(&engine.positions, &file).unwrap();
        let request = got.join().unwrap();
        assert!(request.starts_with("POST /loki/api/v1/push HTTP/1.1"), "{request}");
        assert!(request.contains(r#"{"stream":{"container":"web","job":"docker"},"values":[["#), "{request}");
        assert!(request.contains("hello <mail>") && !request.contains("a@b.c"), "{request}");
        // The next process does not send it again.
        let mut engine = Engine::start(vec![source()], &file);
        assert!(!engine.turn(&shared).await);
    }
}
