//! Test help: answers of real servers, recorded, and verdicts as text.

use super::http::Answer;
use super::verdict::Verdict;

/// What the recorded Prometheus was configured with.
pub(super) const PROMETHEUS_SENT: &str = "
global: {scrape_interval: 5s}
rule_files: [/etc/prometheus/rules/*.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:9093']}]}]}
scrape_configs:
- {job_name: prometheus, static_configs: [{targets: ['127.0.0.1:9090']}]}
- {job_name: cadvisor, static_configs: [{targets: ['127.0.0.1:8082']}]}
- {job_name: loki, static_configs: [{targets: ['127.0.0.1:3100']}]}
- {job_name: grafana, static_configs: [{targets: ['127.0.0.1:3001']}]}
- {job_name: dead, static_configs: [{targets: ['127.0.0.1:1']}]}
";

/// Where the recordings are.
pub(super) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/recordings");

/// The text of a recording. `name` is `folder/file` without `.http`.
pub(super) fn text(name: &str) -> String {
    let path = format!("{FOLDER}/{name}.http");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The answer of a recording, by its name as in [`text`].
pub(super) fn recorded(name: &str) -> Answer {
    parse(&text(name))
}

/// An answer as it is kept: status line, content type, blank line, body.
pub(super) fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let content_type = lines.next().unwrap().strip_prefix("Content-Type: ").unwrap().to_owned();
    Answer { status, content_type, date: None, body: body.as_bytes().to_vec() }
}

/// The same with one piece of the body changed. Panics when the piece is not there.
pub(super) fn changed(name: &str, from: &str, to: &str) -> Answer {
    let answer = recorded(name);
    let body = String::from_utf8(answer.body).unwrap();
    assert!(body.contains(from), "{name} has no {from}");
    Answer { body: body.replacen(from, to, 1).into_bytes(), ..answer }
}

/// An answer with a JSON body.
pub(super) fn json(status: u16, body: &str) -> Answer {
    Answer { status, content_type: "application/json".into(), date: None, body: body.as_bytes().to_vec() }
}

/// A verdict as a person reads it.
pub(super) fn show(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds(found) => format!("holds: {found}"),
        Verdict::NotYet(reason) => format!("not yet: {}\n{}", reason.found, reason.remedy),
        Verdict::Refused(reason) => format!("refused: {}\n{}", reason.found, reason.remedy),
    }
}
