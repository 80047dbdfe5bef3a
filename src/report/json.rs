//! Events as JSON lines, one object each, with the version of their shape.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::status::Look;
use crate::error::Error;
use crate::event::Event;
use crate::host::Record;
use crate::outcome::{ExitCode, Outcome};

/// The version of the shape; it grows when a field changes its meaning or goes.
const VERSION: u32 = 1;

#[derive(Serialize, JsonSchema)]
struct Line<'a, T: Serialize> {
    /// The version of the shape.
    version: u32,
    /// When the line was written, RFC 3339 in UTC.
    time: String,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Last<'a> {
    /// Something failed.
    Error {
        /// The host, where it belongs to one.
        host: Option<&'a str>,
        /// Completes "failed to …".
        doing: &'a str,
        /// What was found, outermost first.
        causes: &'a [String],
        /// Mistakes in the user's files.
        problems: Vec<Fault<'a>>,
        /// Lines that a host printed.
        output: &'a [String],
        /// How things are now.
        notes: &'a [String],
        /// What to do next.
        hints: &'a [String],
    },
    /// A host's audit log.
    History {
        /// The host.
        host: &'a str,
        /// Oldest first.
        records: &'a [Record],
    },
    /// How a host is.
    Status {
        /// The host.
        host: &'a str,
        /// What was seen.
        #[serde(flatten)]
        look: &'a Look,
    },
    /// What came of a question to a host.
    Answer {
        /// The host.
        host: &'a str,
        /// For a person.
        text: &'a str,
    },
    /// What became of a host.
    Outcome {
        /// The host; of `check` the environment.
        host: &'a str,
        /// What became of it.
        outcome: Outcome,
    },
    /// The last line.
    End {
        /// The exit code.
        exit_code: u8,
        /// Its meaning.
        meaning: ExitCode,
    },
}

#[derive(Serialize, JsonSchema)]
struct Fault<'a> {
    /// `file:line:column`, as far as known.
    place: String,
    /// What is wrong.
    what: &'a str,
    /// What to do; empty where there is nothing to add.
    hint: &'a str,
}

/// Any line.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum Any<'a> {
    While(Line<'a, Event>),
    Last(Line<'a, Last<'a>>),
}

/// The JSON schema of a line of `--output json`, with a newline at its end.
#[must_use]
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Any<'static>);
    schema.insert("title".to_owned(), "A line of `provision --output json`".into());
    schema.insert(
        "description".to_owned(),
        format!("Version {VERSION}. Pass over events and fields that you do not know.").into(),
    );
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
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
        notes: error.notes(),
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

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
