//! Reaching a host: the connection, the probe, and the streams for the checks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::project::Loaded;
use crate::error::Result;
use crate::event::{self, Event, Stage};
use crate::host;
use crate::inventory::{Environment, Host};
use crate::plan::HostState;
use crate::plan::check::{Check, Finding, Status};
use crate::ssh::{self, Line, Options, Session};
use crate::verify::{Connections, Forward, Patience, Run, containers, exposure, reload, select};

/// The pause between two looks at containers that are starting.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How much longer than the probe the streams for the checks are waited for.
const STREAMS_AFTER_PROBE: Duration = Duration::from_secs(1);

/// A stage that runs: says when it began, and what came of it.
pub(super) struct Clock<'a> {
    events: &'a event::Sender,
    host: String,
    stage: Stage,
    begun: Instant,
}

impl<'a> Clock<'a> {
    pub(super) fn start(events: &'a event::Sender, host: &str, stage: Stage) -> Self {
        let _ = events.send(Event::StageStarted { host: host.to_owned(), stage });
        Self { events, host: host.to_owned(), stage, begun: Instant::now() }
    }

    pub(super) fn done(self, detail: impl Into<String>) {
        let took_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let _ = self.events.send(Event::StageDone {
            host: self.host,
            stage: self.stage,
            detail: detail.into(),
            took_ms,
        });
    }
}

/// How the hosts of an environment are connected to.
pub(super) fn options(environment: &Environment) -> Options {
    Options {
        project_root: environment.root.clone(),
        known_hosts: environment.root.join(format!("inventory/{}.known_hosts", environment.name)),
        environment: environment.name.clone(),
        connect_timeout: Options::CONNECT_TIMEOUT,
        brief: false,
        before_login: None,
    }
}

/// Connects and says so.
///
/// # Errors
/// Those of the connection.
pub(super) async fn connect(
    environment: &Environment,
    host: &Host,
    events: &event::Sender,
) -> Result<Session> {
    connect_by(host, events, Session::connect(host, &options(environment))).await
}

/// The same by `connecting`, which may have begun before.
///
/// # Errors
/// Those of the connection.
pub(super) async fn connect_by(
    host: &Host,
    events: &event::Sender,
    connecting: impl Future<Output = Result<Session>>,
) -> Result<Session> {
    let clock = Clock::start(events, &host.name.to_string(), Stage::Connect);
    let session = connecting.await?;
    clock.done(format!("{} is {}", host.address, session.fingerprint()));
    Ok(session)
}

/// A host that was looked at.
pub(super) struct Reached {
    pub session: Session,
    pub state: HostState,
    /// The connections to its services; the first were opened while the host was probed.
    pub connections: Connections<OverSsh>,
}

/// Connects, and looks at the host as [`look`] does.
///
/// # Errors
/// Those of connection and probe.
pub(super) async fn reach(
    environment: &Environment,
    checks: &[Check],
    value: &(dyn Fn(&str) -> Option<SecretString> + Sync),
    host: &Host,
    events: &event::Sender,
) -> Result<Reached> {
    let session = connect(environment, host, events).await?;
    look(session, environment, checks, value, host, events).await
}

/// Probes, and at the same time opens the streams of `checks` and tries their logins: what costs is round trips.
/// `value` gives a secret by its name.
///
/// # Errors
/// Those of the probe, and what sshd forbids.
pub(super) async fn look(
    session: Session,
    environment: &Environment,
    checks: &[Check],
    value: &(dyn Fn(&str) -> Option<SecretString> + Sync),
    host: &Host,
    events: &event::Sender,
) -> Result<Reached> {
    let clock = Clock::start(events, &host.name.to_string(), Stage::Probe);
    let connections = connections(&session);
    let state = {
        let probe = host::probe(&session, host, environment);
        let streams = async {
            connections.open_for(checks).await;
            connections.log_in_for(checks, value).await;
        };
        tokio::pin!(probe, streams);
        let mut opened = false;
        let state = loop {
            tokio::select! {
                state = &mut probe => break state?,
                () = &mut streams, if !opened => opened = true,
            }
        };
        if !opened {
            // A port that does not accept must not hold up what needs no stream.
            let _ = tokio::time::timeout(STREAMS_AFTER_PROBE, streams).await;
        }
        state
    };
    may_forward(&session, host).await?;
    clock.done(looks(&state));
    Ok(Reached { session, state, connections })
}

/// Whether sshd let us forward wherever that was tried so far. It costs nothing where it did.
///
/// # Errors
/// Unreachable, with the setting that forbids it.
pub(super) async fn may_forward(session: &Session, host: &Host) -> Result<()> {
    let prohibited = session.prohibited();
    if prohibited.is_empty() {
        return Ok(());
    }
    let error = host::prohibited(session, host, &prohibited).await;
    session.close().await;
    Err(error)
}

/// What was found, in a few words.
pub(super) fn looks(state: &HostState) -> String {
    let docker = match state.docker.as_deref() {
        None => "docker does not answer".to_owned(),
        Some("known") => "docker answers".to_owned(),
        Some(version) => format!("docker {version}"),
    };
    let current = state.current.as_ref().map_or("nothing of ours".to_owned(), |id| format!("release {id}"));
    format!("{docker}, {current} runs")
}

/// Findings about the containers; while one is only starting the host is probed again, until `timeout` is over.
pub(super) async fn containers(
    loaded: &Loaded,
    host: &Host,
    session: &Session,
    state: HostState,
    patience: impl Into<Patience>,
    events: &event::Sender,
) -> Vec<Finding> {
    containers_of(loaded, host, (session, state), patience, events, &|_| true).await
}

/// As [`containers`], only those findings whose names `takes` takes.
pub(super) async fn containers_of(
    loaded: &Loaded,
    host: &Host,
    (session, mut state): (&Session, HostState),
    patience: impl Into<Patience>,
    events: &event::Sender,
    takes: &(dyn Fn(&str) -> bool + Sync),
) -> Vec<Finding> {
    let patience = patience.into();
    let until = tokio::time::Instant::now() + patience.limit;
    let mut said = String::new();
    loop {
        let mut findings = containers::containers(&loaded.release, &loaded.generated.labels, &state);
        findings.push(exposure::inside(&state));
        leave_out(loaded, &mut findings);
        findings.retain(|finding| takes(&finding.check));
        let starting: Vec<&str> = state
            .containers
            .iter()
            .filter(|container| container.is_starting())
            .map(|container| container.service.as_str())
            .collect();
        let wait = !patience.once && !starting.is_empty() && tokio::time::Instant::now() < until;
        if !wait || !findings.iter().any(Finding::fails) {
            for finding in &findings {
                let _ = events.send(Event::Checked { host: host.name.to_string(), finding: finding.clone() });
            }
            return findings;
        }
        let found = starting.join(", ");
        if found != said {
            let check = "containers".to_owned();
            let _ = events.send(Event::Waiting {
                host: host.name.to_string(),
                check,
                found: format!("{found} still starting"),
            });
            said = found;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        match host::probe(session, host, &loaded.environment).await {
            Ok(seen) => state = seen,
            Err(_) => return findings,
        }
    }
}

/// Marks what the inventory leaves out. A container is never left out: the host itself waits for it.
fn leave_out(loaded: &Loaded, findings: &mut [Finding]) {
    let skip = &loaded.environment.verify.skip;
    for finding in findings.iter_mut().filter(|finding| !finding.check.ends_with(".container")) {
        if skip.iter().any(|pattern| select::matches(pattern, &finding.check)) {
            *finding = skipped(&finding.check, &finding.service, &finding.expected);
        }
    }
}

/// The finding of a check that the inventory leaves out.
pub(super) fn skipped(check: &str, service: &str, expected: &str) -> Finding {
    Finding {
        service: service.to_owned(),
        status: Status::Skipped,
        found: "left out by `verify: {skip: …}` of the inventory".to_owned(),
        ..Finding::fact(check, expected, Ok(String::new()))
    }
}

/// How many services whose checks fail are asked for their last words, and for how many lines.
const MOST_LOGS: usize = 3;
const LOG_LINES: usize = 10;
/// In how many lines the cause of a reload that failed is looked for.
const RELOAD_LINES: usize = 200;
/// How many lines are taken and how long they are waited for: a long line comes in parts, and a host may send more than
/// was asked for.
const MOST_LINES: usize = 2000;
const LAST_WORDS: Duration = Duration::from_secs(90);
/// So many characters of a line are shown.
const LONGEST_LINE: usize = 400;

/// Adds the last log lines of the containers concerned to the findings that fail.
pub(super) async fn explain(
    loaded: &Loaded,
    host: &Host,
    session: &Session,
    findings: &mut [Finding],
    events: &event::Sender,
) {
    let mut services: Vec<String> = findings
        .iter()
        .filter(|finding| finding.fails() && !finding.service.is_empty())
        .map(|finding| finding.service.clone())
        .collect();
    services.sort();
    services.dedup();
    for service in services.into_iter().take(MOST_LOGS) {
        let of_service = |finding: &&mut Finding| finding.fails() && finding.service == service;
        let has_failed = findings.iter().any(|f| f.service == service && reload::has_failed(f));
        let wanted = if has_failed { RELOAD_LINES } else { LOG_LINES };
        let count = u32::try_from(wanted).unwrap_or(u32::MAX);
        let Ok(mut lines) = host::logs(session, host, &loaded.environment, &service, count, false).await
        else {
            continue;
        };
        let mut said = Vec::new();
        let read = async {
            while let Ok(Some(Line::Out(line) | Line::Err(line))) = lines.next().await {
                said.push(cut(&line));
                if said.len() > MOST_LINES {
                    return false;
                }
            }
            matches!(lines.status().await, Ok(0))
        };
        // What comes late, or is more than was asked for, is no explanation.
        if !tokio::time::timeout(LAST_WORDS, read).await.unwrap_or(false) || said.is_empty() {
            continue;
        }
        if let Some(cause) = reload::cause(&said).filter(|_| has_failed) {
            for finding in findings.iter_mut().filter(|f| f.service == service && reload::has_failed(f)) {
                finding.found = format!("{}: {cause}", finding.found);
            }
        }
        said.drain(..said.len().saturating_sub(LOG_LINES));
        // Once a service: several of its checks fail for one reason.
        if let Some(finding) = findings.iter_mut().find(of_service) {
            finding.detail.push(format!("the last lines of {service}:"));
            finding.detail.extend(said.iter().cloned());
        }
        let _ = events.send(Event::Log { host: host.name.to_string(), service, lines: said });
    }
}

/// A line of a host, of a length that a person reads. The mark at its end tells whoever takes
/// secrets out that one may be cut, too.
fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Streams to the host's loopback ports.
pub(super) struct OverSsh(pub Session);

impl Forward for OverSsh {
    type Stream = ssh::Forwarded;

    async fn open(&self, port: u16) -> std::result::Result<Self::Stream, String> {
        self.0
            .forward(port)
            .await
            .map(ssh::Forwarded::whole)
            .map_err(|error| error.causes().first().cloned().unwrap_or_else(|| error.to_string()))
    }
}

/// Connections to the services of the host that `session` leads to, none yet.
pub(super) fn connections(session: &Session) -> Connections<OverSsh> {
    Connections::new(OverSsh(session.clone()))
}

/// Asks checks until they hold or `timeout` is over.
pub(super) async fn ask(
    loaded: &Arc<Loaded>,
    host: &str,
    connections: &Connections<OverSsh>,
    checks: &[Check],
    patience: impl Into<Patience>,
    events: &event::Sender,
) -> Vec<Finding> {
    let patience = patience.into();
    let login = |name: &str| -> Option<SecretString> { loaded.secrets.get(name).cloned() };
    let run = Run {
        host,
        connections,
        login: &login,
        deadline: tokio::time::Instant::now() + patience.limit,
        once: patience.once,
        now: jiff::Timestamp::now(),
        events,
    };
    run.checks(checks).await
}
