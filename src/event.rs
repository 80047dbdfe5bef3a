//! What happens while a command runs, as one type: emitted by the rooms over a channel, consumed by `report/`.
//!
//! The host's activation log parses into the same type (see `host::log`), so following a deploy live and
//! resuming it after a lost connection are one thing. Errors are return values, never events.

use serde::Serialize;
use tokio::sync::mpsc;

use crate::plan::check::Finding;
use crate::plan::{Changes, Plan};

/// Where events go. Unbounded: an event is small and a slow terminal must not slow a deploy.
pub type Sender = mpsc::UnboundedSender<Event>;

/// The stages of a deploy in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading the project, offline.
    Load,
    /// SSH connection and login.
    Connect,
    /// Looking at the host.
    Probe,
    /// Comparing the release with the host.
    Plan,
    /// Sending changed files and the sealed bundle.
    Send,
    /// The host carries out the plan.
    Activate,
    /// Checks.
    Verify,
    /// Telling the host over a new connection to keep the release.
    Confirm,
    /// The host goes back to what ran before.
    Return,
}

impl Stage {
    /// The word for a person.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Stage::Load => "load",
            Stage::Connect => "connect",
            Stage::Probe => "probe",
            Stage::Plan => "plan",
            Stage::Send => "send",
            Stage::Activate => "activate",
            Stage::Verify => "verify",
            Stage::Confirm => "confirm",
            Stage::Return => "return",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A stage began.
    StageStarted {
        /// The host; empty for what concerns none.
        host: String,
        /// Which.
        stage: Stage,
    },
    /// A stage ended well.
    StageDone {
        /// The host; empty for what concerns none.
        host: String,
        /// Which.
        stage: Stage,
        /// What came of it, for a person.
        detail: String,
        /// Duration in milliseconds.
        took_ms: u64,
    },
    /// The project was read and rendered.
    Loaded {
        /// The environment.
        environment: String,
        /// The id of the release that the files make; null where it depends on what is found on a host.
        release: Option<String>,
    },
    /// What a host runs was read there.
    Running {
        /// The host.
        host: String,
        /// The id of the release that runs.
        release: String,
    },
    /// Something failed, and the host begins to go back.
    RollingBack {
        /// The host.
        host: String,
        /// What failed.
        because: String,
        /// The release that it goes back to; null where none ran before.
        to: Option<String>,
    },
    /// The plan, line by line, as a person reads it.
    Planned {
        /// The host.
        host: String,
        /// The id of the release that would be activated.
        release: String,
        /// The lines.
        lines: Vec<String>,
        /// The same as data.
        changes: Box<Changes>,
    },
    /// The host began a step of the activation.
    Step {
        /// The host.
        host: String,
        /// The verb: pull, place, unseal, up, signal, settle …
        verb: String,
        /// What it acts on.
        detail: String,
    },
    /// An image is being pulled, or a container changes: the live progress of one service.
    Progress {
        /// The host.
        host: String,
        /// The image or container.
        subject: String,
        /// Its new state: pulling, pulled, created, started, healthy …
        state: String,
    },
    /// A line that the host printed and that means nothing special to us.
    Output {
        /// The host.
        host: String,
        /// The line, control characters removed.
        line: String,
    },
    /// A check does not hold yet and is asked again.
    Waiting {
        /// The host.
        host: String,
        /// The check's name.
        check: String,
        /// Why it does not hold.
        found: String,
    },
    /// A check has its final answer.
    Checked {
        /// The host.
        host: String,
        /// The answer.
        finding: Finding,
    },
    /// The last lines that a service said whose checks fail.
    Log {
        /// The host.
        host: String,
        /// The service.
        service: String,
        /// The lines, control characters removed.
        lines: Vec<String>,
    },
    /// Something the operator should know that stops nothing.
    Warning {
        /// The host; empty for what concerns none.
        host: String,
        /// The text.
        text: String,
    },
}

impl Event {
    /// A plan was made.
    #[must_use]
    pub fn planned(host: &str, plan: &Plan) -> Self {
        let lines = if plan.is_empty() { vec!["nothing to do".to_owned()] } else { plan.changes.lines() };
        Event::Planned {
            host: host.to_owned(),
            release: plan.release.to_string(),
            lines,
            changes: Box::new(plan.changes.clone()),
        }
    }
}
