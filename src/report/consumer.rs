//! The one consumer of events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::bars::Bars;
use super::record::Record;
use super::status::Look;
use super::{Files, Output, clean, github, history, json, lines, public, table};
use crate::error::{Error, Result};
use crate::event::{Event, Sender};
use crate::host::{self, Status};
use crate::outcome::{ExitCode, Outcome};
use crate::plan::HostState;
use crate::plan::check::Finding;
use crate::prompt;

/// How to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Progress bars on a terminal, plain lines elsewhere.
    #[default]
    Text,
    /// Versioned JSON lines on stdout.
    Json,
    /// One line a host, when all is done: for cron. `--quiet` of a command.
    #[value(skip)]
    Quiet,
}

/// Reports a command from its first event to its end.
pub struct Reporter {
    output: Output,
    format: Format,
    sender: Sender,
    stop: Option<oneshot::Sender<()>>,
    consumer: Option<JoinHandle<()>>,
    record: Arc<Mutex<Record>>,
    files: Files,
    github: Option<github::Step>,
}

impl Reporter {
    /// Starts to consume.
    #[must_use]
    pub fn start(output: Output, format: Format, files: Files) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let record = Arc::new(Mutex::new(Record::new(&files.title)));
        let consumer = tokio::spawn(consume(output.clone(), format, receiver, stopped, record.clone()));
        Self {
            output,
            format,
            sender,
            stop: Some(stop),
            consumer: Some(consumer),
            record,
            files,
            github: github::Step::of_environment(),
        }
    }

    /// What is inside stays whole when a holder panics: lists that grow.
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
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
        let findings = &self.keep(host, findings);
        match self.format {
            Format::Text => {
                let width = usize::from(console::Term::stdout().size().1);
                let width = Output::is_watched().then_some(width);
                let table = table::render(host, findings, width, console::colors_enabled());
                if self.github.is_some() {
                    self.output.commands(&github::group(&format!("{host}: checks"), &table));
                    self.output.commands(&github::findings(host, findings));
                } else {
                    self.output.styled(&table);
                }
            }
            Format::Quiet => self.output.line(&table::summary(host, findings)),
            Format::Json => {}
        }
    }

    /// Says of a host whose checks were shown before that nothing is different.
    pub fn unchanged(&self, host: &str, findings: &[Finding]) {
        let findings = self.keep(host, findings);
        if self.format == Format::Text {
            self.output.line(&lines::timed(&table::summary(host, &findings)));
        }
    }

    /// The findings as they may be shown, which the reports get too.
    fn keep(&self, host: &str, findings: &[Finding]) -> Vec<Finding> {
        let mut findings = clean::findings(findings, &|text| self.output.shown(text));
        if self.output.is_public() {
            findings = findings.into_iter().map(public::finding).collect();
        }
        self.record().findings.insert(host.to_owned(), findings.clone());
        findings
    }

    /// Clean lines for a person, on a terminal broken between words.
    fn fitted(&self, text: &str, indent: &str) {
        if Output::is_watched() {
            let width = usize::from(console::Term::stdout().size().1);
            self.output.line(&crate::words::wrap(text, width, indent));
        } else {
            self.output.line(text);
        }
    }

    /// Shows a host's audit log.
    pub fn history(&self, host: &str, records: &[host::Record]) {
        let clean = |text: &str| self.output.clean(text);
        let records: Vec<_> = records.iter().map(|record| clean::record(record, &clean)).collect();
        match self.format {
            Format::Text | Format::Quiet => self.fitted(&history::render(host, &records), "      "),
            Format::Json => self.output.json(&json::history(host, &records)),
        }
    }

    /// Shows how a host is. Gives whether its services are as they should be.
    #[must_use]
    pub fn status(&self, host: &str, state: &HostState, status: &Status) -> bool {
        let look = Look::new(state, status).map_text(&|text| self.output.clean(text));
        match self.format {
            Format::Text | Format::Quiet => self.fitted(&look.render(host), "             "),
            Format::Json => self.output.json(&json::status(host, &look)),
        }
        look.is_well()
    }

    /// Shows what came of a question to a host.
    pub fn answer(&self, host: &str, text: &str) {
        let text = &self.output.shown(text);
        match self.format {
            Format::Text | Format::Quiet => self.output.line(&format!("{host}: {text}")),
            Format::Json => self.output.json(&json::answer(host, text)),
        }
    }

    /// Shows an error.
    pub fn error(&self, error: &Error) {
        let mut error = clean::error(error, &|text| self.output.shown(text));
        if self.output.is_public() {
            error = public::error(error);
        }
        let error = &error;
        self.record().errors.push(error.clone());
        match self.format {
            Format::Text => {
                self.output.error(error);
                if let Some(step) = &self.github {
                    self.output.commands(&step.error(error, &self.files.root));
                }
            }
            Format::Quiet => {
                let host = error.host_name().map_or_else(String::new, |host| format!("{host}: "));
                let text: String = format!("{host}FAIL: failed to {error}").replace(['\n', '\r'], " ");
                self.output.line(&text);
            }
            Format::Json => self.output.json(&json::error(error)),
        }
    }

    /// Shows a line for a person; JSON has its events.
    pub fn line(&self, text: &str) {
        if self.format == Format::Text {
            self.output.line(&self.output.shown(text));
        }
    }

    /// Shows what the operator should know of `name` (an environment), and what stops nothing.
    pub fn remark(&self, name: &str, text: &str) {
        let text = &self.output.shown(text);
        match self.format {
            Format::Text => self.output.line(&format!("{name}: remark: {text}")),
            Format::Json => {
                let event = Event::Warning { host: String::new(), text: format!("{name}: {text}") };
                self.output.json(&json::event(&event));
            }
            Format::Quiet => {}
        }
    }

    /// Says what became of a host (or, of a command that goes to none, of an environment).
    #[must_use]
    pub fn conclude(&self, name: &str, result: Result<Outcome>) -> Outcome {
        let outcome = result.unwrap_or_else(|error| {
            self.error(&error);
            Outcome::Failed(error.kind().exit_code())
        });
        self.record().outcomes.push((name.to_owned(), outcome));
        if self.format == Format::Json {
            self.output.json(&json::outcome(name, outcome));
        }
        outcome
    }

    /// Ends the report, and writes the files that were asked for.
    pub fn end(&self, code: ExitCode) {
        let record = self.record().clone();
        let mut complaints = self.files.write(&record, code);
        if let Some(step) = &self.github
            && let Err(error) = step.end(&record, code)
        {
            complaints.push(format!("warning: GitHub's summary or outputs were not written: {error}"));
        }
        for complaint in complaints {
            self.output.complain(&complaint);
        }
        if self.format == Format::Json {
            self.output.json(&json::end(code));
        }
    }
}

/// The last words of a program that is told to leave at once: what becomes of each host.
pub fn leave(output: &Output, format: Format, fates: &BTreeMap<String, String>, code: ExitCode) {
    super::leave_clean();
    for (host, fate) in fates {
        let text = format!("left: {fate}");
        match format {
            Format::Text | Format::Quiet => output.complain(&format!("{host}: {text}")),
            Format::Json => output.json(&json::event(&Event::Warning { host: host.clone(), text })),
        }
    }
    if format == Format::Json {
        output.json(&json::end(code));
    }
}

async fn consume(
    output: Output,
    format: Format,
    mut events: mpsc::UnboundedReceiver<Event>,
    stopped: oneshot::Receiver<()>,
    record: Arc<Mutex<Record>>,
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
        let mut event = clean::event(&event, &|text| output.shown(text));
        if output.is_public() {
            event = public::event(event);
        }
        match (format, &mut bars) {
            (Format::Json, _) => output.json(&json::event(&event)),
            (Format::Text, Some(bars)) => {
                if let Some(stop) = &mut stopped {
                    tokio::select! {
                        () = prompt::answered() => {}
                        _ = stop => {
                            events.close();
                            stopped = None;
                        }
                    }
                }
                if !prompt::is_asking() {
                    bars.take(&event);
                }
            }
            (Format::Text, None) => {
                if let Some(text) = lines::text(&event) {
                    output.line(&lines::timed(&text));
                }
            }
            (Format::Quiet, _) => {}
        }
        let now = Timestamp::now();
        record.lock().unwrap_or_else(PoisonError::into_inner).events.push((now, event));
    }
    if let Some(bars) = &mut bars
        && !prompt::is_asking()
    {
        bars.clear();
    }
}
