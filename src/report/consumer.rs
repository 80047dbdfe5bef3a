//! The one consumer of events.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::bars::Bars;
use super::status::Look;
use super::{Output, history, json, lines, table};
use crate::error::{Error, Result};
use crate::event::{Event, Sender};
use crate::host::{Record, Status};
use crate::outcome::{ExitCode, Outcome};
use crate::plan::HostState;
use crate::plan::check::Finding;

/// How to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Progress bars on a terminal, plain lines elsewhere.
    #[default]
    Text,
    /// Versioned JSON lines on stdout.
    Json,
}

/// Reports a command from its first event to its end.
pub struct Reporter {
    output: Output,
    format: Format,
    sender: Sender,
    stop: Option<oneshot::Sender<()>>,
    consumer: Option<JoinHandle<()>>,
}

impl Reporter {
    /// Starts to consume.
    #[must_use]
    pub fn start(output: Output, format: Format) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let consumer = tokio::spawn(consume(output.clone(), format, receiver, stopped));
        Self { output, format, sender, stop: Some(stop), consumer: Some(consumer) }
    }

    /// Where events go.
    #[must_use]
    pub fn events(&self) -> Sender {
        self.sender.clone()
    }

    /// Waits until all events so far are shown and takes the live lines away. Senders may still be about.
    pub async fn finish(&mut self) {
        self.stop = None;
        if let Some(consumer) = self.consumer.take() {
            let _ = consumer.await;
        }
    }

    /// Shows the findings of a host as a table.
    pub fn findings(&self, host: &str, findings: &[Finding]) {
        if self.format == Format::Text {
            let width = usize::from(console::Term::stdout().size().1);
            let width = if Output::is_watched() { width } else { 160 };
            self.output.line(&table::render(host, findings, width, console::colors_enabled()));
        }
    }

    /// Shows a host's audit log.
    pub fn history(&self, host: &str, records: &[Record]) {
        match self.format {
            Format::Text => self.output.line(&history::render(host, records)),
            Format::Json => self.output.line(&json::history(host, records)),
        }
    }

    /// Shows how a host is.
    pub fn status(&self, host: &str, state: &HostState, status: &Status) {
        let look = Look::new(state, status);
        match self.format {
            Format::Text => self.output.line(&look.render(host)),
            Format::Json => self.output.line(&json::status(host, &look)),
        }
    }

    /// Shows what came of a question to a host.
    pub fn answer(&self, host: &str, text: &str) {
        match self.format {
            Format::Text => self.output.line(&format!("{host}: {text}")),
            Format::Json => self.output.line(&json::answer(host, text)),
        }
    }

    /// Shows an error.
    pub fn error(&self, error: &Error) {
        match self.format {
            Format::Text => self.output.error(error),
            Format::Json => self.output.line(&json::error(error)),
        }
    }

    /// Shows a line for a person; JSON has its events.
    pub fn line(&self, text: &str) {
        if self.format == Format::Text {
            self.output.line(text);
        }
    }

    /// Shows what the operator should know of `name` (an environment), and what stops nothing.
    pub fn remark(&self, name: &str, text: &str) {
        match self.format {
            Format::Text => self.output.line(&format!("{name}: remark: {text}")),
            Format::Json => {
                let event = Event::Warning { host: String::new(), text: format!("{name}: {text}") };
                self.output.line(&json::event(&event));
            }
        }
    }

    /// Says what became of a host (or, of a command that goes to none, of an environment).
    #[must_use]
    pub fn conclude(&self, name: &str, result: Result<Outcome>) -> Outcome {
        let outcome = result.unwrap_or_else(|error| {
            self.error(&error);
            Outcome::Failed(error.kind().exit_code())
        });
        if self.format == Format::Json {
            self.output.line(&json::outcome(name, outcome));
        }
        outcome
    }

    /// Ends the report.
    pub fn end(&self, code: ExitCode) {
        if self.format == Format::Json {
            self.output.line(&json::end(code));
        }
    }
}

/// The last words of a program that is told to leave at once: what becomes of each host.
pub fn leave(output: &Output, format: Format, fates: &BTreeMap<String, String>, code: ExitCode) {
    for (host, fate) in fates {
        let text = format!("left: {fate}");
        match format {
            Format::Text => output.complain(&format!("{host}: {text}")),
            Format::Json => output.line(&json::event(&Event::Warning { host: host.clone(), text })),
        }
    }
    if format == Format::Json {
        output.line(&json::end(code));
    }
}

async fn consume(
    output: Output,
    format: Format,
    mut events: mpsc::UnboundedReceiver<Event>,
    stopped: oneshot::Receiver<()>,
) {
    let watched = format == Format::Text && Output::is_watched();
    let mut bars = watched.then(Bars::new);
    let mut stopped = Some(stopped);
    loop {
        let event = match &mut stopped {
            Some(stop) => tokio::select! {
                event = events.recv() => event,
                _ = stop => {
                    // What was sent so far is still shown.
                    events.close();
                    stopped = None;
                    continue;
                }
            },
            None => events.recv().await,
        };
        let Some(event) = event else { break };
        match (format, &mut bars) {
            (Format::Json, _) => output.line(&json::event(&event)),
            (Format::Text, Some(bars)) => bars.take(&event, &|text| output.clean(text)),
            (Format::Text, None) => {
                if let Some(text) = lines::text(&event) {
                    output.line(&lines::timed(&text));
                }
            }
        }
    }
    if let Some(bars) = &mut bars {
        bars.clear();
    }
}
