//! Events as JSON lines, one object each, with the version of their shape.

use jiff::Timestamp;
use serde::Serialize;

use super::status::Look;
use crate::error::Error;
use crate::event::Event;
use crate::host::Record;
use crate::outcome::{ExitCode, Outcome};

/// The version of the shape; it grows when a field changes its meaning or goes.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    version: u32,
    time: String,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Last<'a> {
    Error {
        host: Option<&'a str>,
        doing: &'a str,
        causes: &'a [String],
        problems: Vec<Fault<'a>>,
        output: &'a [String],
        hints: &'a [String],
    },
    History {
        host: &'a str,
        records: &'a [Record],
    },
    Status {
        host: &'a str,
        #[serde(flatten)]
        look: &'a Look,
    },
    Answer {
        host: &'a str,
        text: &'a str,
    },
    Outcome {
        host: &'a str,
        outcome: Outcome,
    },
    End {
        exit_code: u8,
        meaning: ExitCode,
    },
}

#[derive(Serialize)]
struct Fault<'a> {
    place: String,
    what: &'a str,
    hint: &'a str,
}

fn line<T: Serialize>(body: &T) -> String {
    let time = Timestamp::now().to_string();
    serde_json::to_string(&Line { version: VERSION, time, body }).unwrap_or_default()
}

/// The line of an event.
pub(super) fn event(event: &Event) -> String {
    line(event)
}

/// The line of an error.
pub(super) fn error(error: &Error) -> String {
    line(&Last::Error {
        host: error.host_name(),
        doing: error.doing(),
        causes: error.causes(),
        problems: error
            .all_problems()
            .iter()
            .map(|p| Fault { place: p.place.to_string(), what: &p.what, hint: &p.hint })
            .collect(),
        output: error.output_lines(),
        hints: error.hints(),
    })
}

/// The line of a host's audit log.
pub(super) fn history(host: &str, records: &[Record]) -> String {
    line(&Last::History { host, records })
}

/// The line of how a host is.
pub(super) fn status(host: &str, look: &Look) -> String {
    line(&Last::Status { host, look })
}

/// The line of what came of a question.
pub(super) fn answer(host: &str, text: &str) -> String {
    line(&Last::Answer { host, text })
}

/// The line of what became of a host.
pub(super) fn outcome(host: &str, outcome: Outcome) -> String {
    line(&Last::Outcome { host, outcome })
}

/// The last line.
pub(super) fn end(code: ExitCode) -> String {
    line(&Last::End { exit_code: code as u8, meaning: code })
}
