//! A stand-in for the log collectors, Alloy and Promtail: one engine, two ways to configure it.
//!
//! It follows the files and the journal that the real configuration names, sends each line through the stages that
//! it names, redaction included, and pushes to the Loki that it names. A configuration with something that it does
//! not know is refused; the message says whether the collector or only the stand-in would not take it.

mod alloy;
mod api;
mod arguments;
mod engine;
mod files;
mod journal;
mod metrics;
mod pipeline;
mod promtail;
mod push;
mod relabel;
mod stages;
mod template;
mod timestamp;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use relabel::Rule;
use stages::Stage;

/// Labels of a line.
type Labels = BTreeMap<String, String>;

/// Which collector is stood in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Alloy,
    Promtail,
}

impl Flavour {
    fn name(self) -> &'static str {
        match self {
            Self::Alloy => "alloy",
            Self::Promtail => "promtail",
        }
    }

    /// The version whose behaviour is imitated.
    fn version(self) -> &'static str {
        match self {
            Self::Alloy => "v1.21.2",
            Self::Promtail => "3.6.15",
        }
    }
}

/// What a configuration comes down to.
#[derive(Debug)]
struct Plan {
    flavour: Flavour,
    /// Where to listen.
    address: String,
    /// The file that keeps how far everything was read.
    positions: PathBuf,
    sources: Vec<Source>,
}

/// Something that gives lines, and the ways that they go.
#[derive(Debug)]
struct Source {
    /// The component's or the job's name.
    name: String,
    kind: SourceKind,
    /// Every way: its stages, and the address of Loki's push.
    routes: Vec<(Vec<Stage>, String)>,
}

#[derive(Debug)]
enum SourceKind {
    Files {
        targets: Vec<Target>,
        /// How often new files are looked for.
        look_every: Duration,
    },
    Journal(Journal),
}

/// How often both collectors look for new files by default. What is written and rotated away before that is never read.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Files by a pattern.
#[derive(Debug, Clone)]
struct Target {
    pattern: String,
    exclude: Option<String>,
    labels: Labels,
}

/// A journal's folder.
#[derive(Debug)]
struct Journal {
    path: Option<PathBuf>,
    max_age_seconds: i64,
    labels: Labels,
    rules: Vec<Rule>,
    json: bool,
}

/// One line on its way.
#[derive(Debug, Clone, Default, PartialEq)]
struct Entry {
    /// Nanoseconds since 1970.
    stamp: i64,
    line: String,
    labels: Labels,
    /// What stages took out of the line.
    extracted: BTreeMap<String, String>,
    /// What goes with the line without being a label.
    metadata: Labels,
}

/// Runs `alloy ARGUMENTS` or `promtail ARGUMENTS`.
pub(crate) fn main(flavour: Flavour, arguments: &[String]) -> Result<(), String> {
    let plan = match flavour {
        Flavour::Alloy => alloy::plan(arguments)?,
        Flavour::Promtail => promtail::plan(arguments)?,
    };
    match plan {
        Some(plan) => api::serve(plan, arguments.to_vec()),
        None => Ok(()),
    }
}
