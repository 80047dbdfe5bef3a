//! Sends a release to a host, follows its activation, and answers it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::log::{self, Entry};
use super::scripts;
use crate::error::{Error, Kind, Result};
use crate::event::{self, Event};
use crate::inventory::{Environment, Host};
use crate::plan::{Bundle, Plan};
use crate::ssh::{Line, Lines, Session};

/// The most that the log of an activation has, in lines and in bytes. Fifty services that are pulled, made anew and gone
/// back from make some thousand lines.
const MOST_LINES: u64 = 50_000;
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The most of what stands beside the log that is kept, in bytes: its end is shown.
const MOST_COMPLAINTS: usize = 4096;

/// How long the host may say nothing beyond the longest step of an activation, and how long all of it may take beyond
/// the sum of its steps: for what has no limit of its own there.
const SILENCE_SPARE: Duration = Duration::from_secs(300);
const LONGEST_SPARE: Duration = Duration::from_secs(1800);

/// How long an activation may take, as its host's own limits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// How long it may say nothing.
    pub silence: Duration,
    /// How long it may take in all, the way back included.
    pub longest: Duration,
}

impl Span {
    /// That of a plan which pulls so many images, and whose services become well within `patience` together.
    #[must_use]
    pub fn of(environment: &Environment, pulls: usize, patience: Duration) -> Self {
        let deploy = &environment.deploy;
        let confirm = deploy.verify_timeout + deploy.confirm_timeout;
        let up = patience + deploy.settle;
        let pulls = deploy.pull_timeout * u32::try_from(pulls).unwrap_or(u32::MAX);
        Self {
            silence: deploy.pull_timeout.max(up).max(confirm) + SILENCE_SPARE,
            longest: pulls + up * 2 + confirm + LONGEST_SPARE,
        }
    }
}

/// What an activation needs beside plan and bundle.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// The host.
    pub host: &'a Host,
    /// Who deploys from where, as a JSON object for the audit log.
    pub actor: String,
    /// A word that is this deploy's alone: hex digits.
    pub nonce: String,
    /// How long it may take.
    pub span: Span,
}

/// What to tell an activation that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Keep the release.
    Confirm,
    /// Go back.
    Return(
        /// Why, in one line without secrets: the host keeps it in its audit log.
        String,
    ),
}

/// How an activation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// deployed, returned, stuck, locked, stale, refused or vanished; of `unlock` also free or busy.
    pub outcome: String,
    /// When it began to go back.
    pub returning: Option<Instant>,
    /// The errors that the host logged, first to last: a word for what, and a text.
    pub errors: Vec<(String, String)>,
    /// Last log lines of a container that failed.
    pub container_log: Vec<String>,
    /// What tools said that refused a configuration: the service and a line.
    pub validations: Vec<(String, String)>,
}

/// A running activation.
pub struct Activation {
    host: String,
    /// Whether the login was to become root by sudo.
    sudo: bool,
    lines: Lines,
    /// How many lines of the log were read, and how many bytes.
    read: u64,
    bytes: usize,
    /// How long it may say nothing, and when it must have ended.
    span: Span,
    until: tokio::time::Instant,
    begun: Option<Timestamp>,
    returning: Option<Instant>,
    errors: Vec<(String, String)>,
    container_log: Vec<String>,
    validations: Vec<(String, String)>,
    complaints: String,
}

/// Sends the bundle and starts the activation, in one exec.
///
/// # Errors
/// When the session breaks.
pub async fn start(session: &Session, order: &Order<'_>, plan: &Plan, bundle: Bundle) -> Result<Activation> {
    let environment = order.environment;
    let remote = &environment.remote;
    let deploy = &environment.deploy;
    let confirm = (deploy.verify_timeout + deploy.confirm_timeout).as_secs();
    let keep = deploy.keep_releases.to_string();
    let (size, confirm) = (bundle.archive.len().to_string(), confirm.to_string());
    let pull = deploy.pull_timeout.as_secs().to_string();
    let args: [&str; 11] = [
        &remote.group,
        &remote.mode,
        &keep,
        &plan.release.0,
        &size,
        &bundle.digest,
        &plan.bound_to,
        &confirm,
        &pull,
        &order.nonce,
        &order.actor,
    ];
    // The probe told whether the host's copy is this version.
    let receive = &scripts::RECEIVE;
    let command = if plan.scripts.iter().any(|name| name == receive.name) {
        receive.sent(order.host, environment, &args)
    } else {
        receive.kept(order.host, environment, &args)
    };
    let lines = session.stream(&command, bundle.archive).await?;
    Ok(Activation::new(order.host, lines, order.span))
}

/// Gives the answer over `session`.
///
/// # Errors
/// When the session breaks or the host knows no such activation.
pub async fn answer(session: &Session, order: &Order<'_>, answer: &Answer) -> Result<()> {
    let (word, reason) = match answer {
        Answer::Confirm => ("confirm", String::new()),
        Answer::Return(reason) => ("return", one_line(reason)),
    };
    let args = [order.nonce.as_str(), word, &reason];
    let output = scripts::ANSWER.exec(session, order.host, order.environment, &args, &[]).await?;
    if output.status == 0 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(Kind::Failed, format!("tell the host to {word}"))
        .host(order.host.name.to_string())
        .cause(said))
}

/// The longest reason that is written into a host's audit log, in characters.
const LONGEST_REASON: usize = 400;

/// A reason as the host's log takes it: what ends a line or a word there is a space.
fn one_line(reason: &str) -> String {
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect()
}

/// What failed, for a person; `None` where it was only told to go back. Who holds the lock is no failure of theirs.
fn because(errors: &[(String, String)]) -> Option<String> {
    let failures = errors.iter().filter(|(word, _)| word != "returned" && word != "locked");
    let told = failures.map(|(word, text)| match word.as_str() {
        "pull" | "up" | "unseal" | "units" | "signal" | "tell" => format!("{word} failed: {text}"),
        "validate" => {
            format!("{} refuses its new configuration", text.split(' ').next().unwrap_or_default())
        }
        _ => text.clone(),
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

impl Activation {
    /// One whose log begins with the next line of `lines`.
    pub(super) fn new(host: &Host, lines: Lines, span: Span) -> Self {
        Self {
            host: host.name.to_string(),
            sudo: host.sudo,
            lines,
            read: 0,
            bytes: 0,
            span,
            until: tokio::time::Instant::now() + span.longest,
            begun: None,
            returning: None,
            errors: Vec::new(),
            container_log: Vec::new(),
            validations: Vec::new(),
            complaints: String::new(),
        }
    }

    /// When it began, by the host's clock, which is not ours; `None` before the host said it holds the lock.
    #[must_use]
    pub fn begun(&self) -> Option<Timestamp> {
        self.begun
    }

    /// Follows until the host waits for an answer (`None`) or has ended.
    ///
    /// # Errors
    /// When the session breaks; [`Activation::resume`] goes on over another one. Stuck, when the host says nothing, or
    /// goes on for longer or says more than an activation does: then nothing it says is of any use.
    pub async fn follow(&mut self, events: &event::Sender) -> Result<Option<Ended>> {
        while let Some(line) = self.next().await? {
            let line = match line {
                Line::Out(line) => line,
                Line::Err(line) => {
                    let _ = writeln!(self.complaints, "{line}");
                    let from = self.complaints.len().saturating_sub(MOST_COMPLAINTS);
                    let end = self.complaints.len();
                    let from = (from..=end).find(|at| self.complaints.is_char_boundary(*at));
                    self.complaints.drain(..from.unwrap_or(end));
                    continue;
                }
            };
            self.read += 1;
            match log::parse(&self.host, &line) {
                Entry::Event(event) => {
                    let _ = events.send(event);
                }
                Entry::Started(begun) => self.begun = begun,
                Entry::Error { word, text } => self.errors.push((word, text)),
                Entry::ContainerLog { service, text } => {
                    self.container_log.push(format!("{service} | {text}"));
                }
                Entry::Validation { service, text } => self.validations.push((service, text)),
                Entry::Returning(to) => {
                    self.returning = Some(Instant::now());
                    // Where we asked for it that was said.
                    if let Some(because) = because(&self.errors) {
                        let _ = events.send(Event::RollingBack { host: self.host.clone(), because, to });
                    }
                    let stage = event::Stage::Return;
                    let _ = events.send(Event::StageStarted { host: self.host.clone(), stage });
                }
                Entry::Waiting => return Ok(None),
                Entry::Outcome(outcome) => {
                    return Ok(Some(Ended {
                        outcome,
                        returning: self.returning,
                        errors: std::mem::take(&mut self.errors),
                        container_log: std::mem::take(&mut self.container_log),
                        validations: std::mem::take(&mut self.validations),
                    }));
                }
            }
        }
        let status = self.lines.status().await?;
        scripts::as_root(&self.host, self.sudo, status, &self.complaints)?;
        Err(Error::new(Kind::Failed, "follow the activation").host(self.host.clone()).cause(format!(
            "the host's script ended early with exit status {status}: {}",
            self.complaints.trim()
        )))
    }

    /// The next line, within all limits.
    async fn next(&mut self) -> Result<Option<Line>> {
        use tokio::time::{Instant, timeout_at};
        let silent = Instant::now() + self.span.silence;
        let Ok(line) = timeout_at(silent.min(self.until), self.lines.next()).await else {
            return Err(self.lost(&if Instant::now() < self.until {
                format!("the host has said nothing for {} s", self.span.silence.as_secs())
            } else {
                format!("it has not ended after {} s", self.span.longest.as_secs())
            }));
        };
        let line = line?;
        if let Some(Line::Out(text) | Line::Err(text)) = &line {
            self.bytes += text.len() + 1;
        }
        if self.bytes > MOST_BYTES {
            return Err(self.lost(&format!("its log has more than {} MiB, which none has", MOST_BYTES >> 20)));
        }
        if self.read > MOST_LINES {
            return Err(self.lost(&format!("its log has more than {MOST_LINES} lines, which none has")));
        }
        Ok(line)
    }

    /// The error of an activation that cannot be followed any more.
    fn lost(&self, cause: &str) -> Error {
        Error::new(Kind::Stuck, "follow the activation")
            .host(self.host.clone())
            .cause(cause)
            .note("The host goes back by itself when it is not confirmed in time.")
            .hint("`provision status` shows what it runs. What answers may not be what it should be: look at the host.")
    }

    /// Goes on over another session, from where the log was read to.
    ///
    /// # Errors
    /// When that session breaks too.
    pub async fn resume(&mut self, session: &Session, order: &Order<'_>) -> Result<()> {
        let command = scripts::command(scripts::RESUME, order.host, order.environment)
            .arg(&order.nonce)
            .arg(self.read.to_string());
        self.lines = session.stream(&command, Vec::new()).await?;
        Ok(())
    }
}
