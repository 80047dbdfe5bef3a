//! What a run came to, kept from its first event to its end for the reports that are written then.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::Error;
use crate::event::{Event, Stage};
use crate::outcome::Outcome;
use crate::plan::check::{Finding, Status};

/// Everything that happened.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// The command: `provision deploy`.
    pub title: String,
    /// When it began.
    pub begun: Timestamp,
    /// What happened, and when.
    pub events: Vec<(Timestamp, Event)>,
    /// The final findings of each host.
    pub findings: BTreeMap<String, Vec<Finding>>,
    /// What became of each host (or environment).
    pub outcomes: Vec<(String, Outcome)>,
    /// Errors, in their order.
    pub errors: Vec<Error>,
}

/// A span of time on a host.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    /// The host; empty for what concerns none.
    pub host: String,
    /// What took the time.
    pub label: String,
    /// What came of it.
    pub detail: String,
    /// Milliseconds since the run began.
    pub start: u64,
    /// Milliseconds.
    pub took: u64,
    /// What kind of bar.
    pub kind: Kind,
}

/// What a [`Span`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A stage.
    Stage,
    /// A step of the activation.
    Step,
    /// A check that holds.
    Holds,
    /// What failed: a check, or a stage that never ended.
    Fails,
}

impl Record {
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            begun: Timestamp::now(),
            events: Vec::new(),
            findings: BTreeMap::new(),
            outcomes: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// The release that was planned, deployed or proved, as a host has it.
    pub(super) fn release(&self) -> Option<&str> {
        self.events.iter().rev().find_map(|(_, event)| match event {
            Event::Planned { release, .. } | Event::Running { release, .. } => Some(release.as_str()),
            _ => None,
        })
    }

    /// Whether anything was changed, or would be.
    pub(super) fn changes(&self) -> bool {
        self.outcomes
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Deployed | Outcome::Planned { changes: true }))
    }

    /// The spans of all hosts, in the order in which they began.
    pub(super) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut stages: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
        // The step that a host is at, with its place in `spans`.
        let mut steps: BTreeMap<String, usize> = BTreeMap::new();
        let mut last = 0;
        for (time, event) in &self.events {
            let at = u64::try_from(time.as_millisecond() - self.begun.as_millisecond()).unwrap_or(0);
            last = last.max(at);
            match event {
                Event::StageStarted { host, stage } => {
                    end_step(&mut spans, &mut steps, host, at);
                    stages.insert((host.clone(), stage.word()), at);
                }
                Event::StageDone { host, stage, detail, took_ms } => {
                    if matches!(stage, Stage::Activate | Stage::Return) {
                        end_step(&mut spans, &mut steps, host, at);
                    }
                    stages.remove(&(host.clone(), stage.word()));
                    spans.push(Span {
                        host: host.clone(),
                        label: stage.word().to_owned(),
                        detail: detail.clone(),
                        start: at.saturating_sub(*took_ms),
                        took: *took_ms,
                        kind: Kind::Stage,
                    });
                }
                Event::Step { host, verb, detail } => {
                    end_step(&mut spans, &mut steps, host, at);
                    steps.insert(host.clone(), spans.len());
                    spans.push(Span {
                        host: host.clone(),
                        // Of an image its name is enough.
                        label: match detail.rsplit('/').next() {
                            Some(what) if !what.is_empty() => format!("{verb} {what}"),
                            _ => verb.clone(),
                        },
                        detail: detail.clone(),
                        start: at,
                        took: 0,
                        kind: Kind::Step,
                    });
                }
                Event::Checked { host, finding } if finding.took_ms > 0 => spans.push(Span {
                    host: host.clone(),
                    label: finding.check.clone(),
                    detail: finding.found.clone(),
                    start: at.saturating_sub(finding.took_ms),
                    took: finding.took_ms,
                    kind: if finding.status == Status::Fails { Kind::Fails } else { Kind::Holds },
                }),
                _ => {}
            }
        }
        for (host, index) in steps {
            let _ = host;
            spans[index].took = last.saturating_sub(spans[index].start);
        }
        for ((host, word), start) in stages {
            let detail = "did not end".to_owned();
            let took = last.saturating_sub(start);
            spans.push(Span { host, label: word.to_owned(), detail, start, took, kind: Kind::Fails });
        }
        spans.sort_by(|a, b| (&a.host, a.start, a.kind as u8).cmp(&(&b.host, b.start, b.kind as u8)));
        spans
    }
}

fn end_step(spans: &mut [Span], steps: &mut BTreeMap<String, usize>, host: &str, at: u64) {
    if let Some(index) = steps.remove(host) {
        spans[index].took = at.saturating_sub(spans[index].start);
    }
}

/// A record of two hosts for the tests of the reports: one deployed, one failed.
#[cfg(test)]
pub(super) fn sample() -> Record {
    use crate::error::{Kind as ErrorKind, Place, Problem};
    use crate::outcome::ExitCode;
    let begun: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
    let at = |ms: i64, event: Event| (begun + jiff::SignedDuration::from_millis(ms), event);
    let host = || "vps".to_owned();
    let finding = |check: &str, status, took_ms| Finding {
        check: check.to_owned(),
        service: check.split('.').next().unwrap_or_default().to_owned(),
        status,
        expected: "all targets up".to_owned(),
        found: if status == Status::Fails { "job <node> is down".to_owned() } else { "ready".to_owned() },
        remedy: if status == Status::Fails { "See its log & wait.".to_owned() } else { String::new() },
        took_ms,
        detail: if status == Status::Fails { vec!["level=error ::error::x".to_owned()] } else { Vec::new() },
    };
    let findings = vec![
        finding("prometheus.ready", Status::Holds, 120),
        finding("prometheus.targets", Status::Fails, 4000),
        finding("loki.canary", Status::Skipped, 0),
    ];
    let done = |stage, took_ms| Event::StageDone { host: host(), stage, detail: "done".to_owned(), took_ms };
    let mut events = vec![
        at(
            10,
            Event::StageDone { host: String::new(), stage: Stage::Load, detail: "prod".into(), took_ms: 9 },
        ),
        at(20, Event::StageStarted { host: host(), stage: Stage::Connect }),
        at(420, done(Stage::Connect, 400)),
        at(600, done(Stage::Probe, 150)),
        at(
            610,
            Event::Planned {
                host: host(),
                release: "0123456789abcdef".into(),
                lines: vec!["+ <a> ```".into()],
                changes: Box::default(),
            },
        ),
        at(700, Event::StageStarted { host: host(), stage: Stage::Activate }),
        at(800, Event::Step { host: host(), verb: "pull".into(), detail: "prometheus".into() }),
        at(1800, Event::Step { host: host(), verb: "up".into(), detail: String::new() }),
        at(4800, done(Stage::Activate, 4100)),
        at(4810, Event::StageStarted { host: host(), stage: Stage::Verify }),
    ];
    for finding in &findings {
        events.push(at(8900, Event::Checked { host: host(), finding: finding.clone() }));
    }
    let place = Place::at("inventory/prod.yml", "a: 1\n", 1, 1);
    let errors = vec![
        Error::new(ErrorKind::Failed, "prove the new release")
            .host("vps")
            .cause("x: 50% of,\nit")
            .hint("Wait."),
        Error::problems("load prod", vec![Problem::new(place, "is wrong", "Do this.")]),
    ];
    Record {
        title: "provision deploy".to_owned(),
        begun,
        events,
        findings: BTreeMap::from([(host(), findings)]),
        outcomes: vec![(host(), Outcome::Failed(ExitCode::Returned)), ("two".to_owned(), Outcome::Deployed)],
        errors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_stages_steps_and_checks() {
        let lines: Vec<String> = sample()
            .spans()
            .iter()
            .map(|s| format!("{:>4} {} {} +{} {:?}", s.host, s.label, s.start, s.took, s.kind))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
            load 1 +9 Stage
        vps connect 20 +400 Stage
        vps probe 450 +150 Stage
        vps activate 700 +4100 Stage
        vps pull prometheus 800 +1000 Step
        vps up 1800 +3000 Step
        vps verify 4810 +4090 Fails
        vps prometheus.targets 4900 +4000 Fails
        vps prometheus.ready 8780 +120 Holds
        ");
        assert_eq!(sample().release(), Some("0123456789abcdef"));
        assert!(sample().changes());
    }
}
