//! Events as plain lines: for logs and pipes. No control codes.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::event::{Event, Stage};
use crate::plan::check::Status;
use crate::words::took;

/// The line of an event, without a time; `None` for what is only of interest live.
pub(super) fn text(event: &Event) -> Option<String> {
    Some(match event {
        Event::StageStarted { stage: Stage::Return, host } => {
            format!("{host}: return: begun")
        }
        Event::StageStarted { stage: Stage::Activate, host } => format!("{host}: activate: begun"),
        // The table and the error show what a log says.
        Event::StageStarted { .. } | Event::Loaded { .. } | Event::Running { .. } | Event::Log { .. } => {
            return None;
        }
        Event::RollingBack { host, because, to } => {
            format!("{}FAILED: {because}: {}", prefix(host), way_back(to.as_deref()))
        }
        Event::StageDone { host, stage, detail, took_ms } => {
            format!("{}{}: {detail} ({})", prefix(host), stage.word(), took(*took_ms))
        }
        Event::Planned { host, release, lines, .. } => {
            let mut text = format!("{}plan: release {release}", prefix(host));
            for line in lines {
                let _ = write!(text, "\n    {line}");
            }
            text
        }
        Event::Step { host, verb, detail } if detail.is_empty() => format!("{host}: {verb}"),
        Event::Step { host, verb, detail } => format!("{host}: {verb} {detail}"),
        Event::Progress { host, subject, state } => format!("{host}:   {subject}: {state}"),
        Event::Output { host, line } => format!("{host}:   {line}"),
        Event::Waiting { host, check, found } => format!("{host}: waiting for {check}: {found}"),
        Event::Checked { host, finding } => {
            let word = match finding.status {
                Status::Holds => "holds",
                Status::Fails => "FAILS",
                Status::Skipped => "skipped",
            };
            format!("{host}: {}: {word}: {}", finding.check, finding.found.replace('\n', " "))
        }
        Event::Warning { host, text } => format!("{}warning: {text}", prefix(host)),
    })
}

/// What the host does now, after a failure.
pub(super) fn way_back(to: Option<&str>) -> String {
    match to {
        Some(release) => format!("rolling back to {release}"),
        None => "taking away what was begun, as nothing ran there before".to_owned(),
    }
}

fn prefix(host: &str) -> String {
    if host.is_empty() { String::new() } else { format!("{host}: ") }
}

/// `text` with the time in front, to the second, UTC.
pub(super) fn timed(text: &str) -> String {
    format!("{} {text}", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"))
}
