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
use crate::plan::check::{Check, Finding};
use crate::ssh::{self, Forwarded, Options, Session};
use crate::verify::{Forward, Opened, Run, containers};

/// The pause between two looks at containers that are starting.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
    let clock = Clock::start(events, &host.name.to_string(), Stage::Connect);
    let session = Session::connect(host, &options(environment)).await?;
    clock.done(format!("{} is {}", host.address, session.fingerprint()));
    Ok(session)
}

/// A host that was looked at.
pub(super) struct Reached {
    pub session: Session,
    pub state: HostState,
    /// Streams that were opened while the host was probed.
    pub opened: Opened<Forwarded>,
}

/// Connects, probes, and opens the streams of `checks` at the same time: what costs is round trips.
///
/// # Errors
/// Those of connection and probe.
pub(super) async fn reach(
    environment: &Environment,
    checks: &[Check],
    host: &Host,
    events: &event::Sender,
) -> Result<Reached> {
    let session = connect(environment, host, events).await?;
    let clock = Clock::start(events, &host.name.to_string(), Stage::Probe);
    let forward = OverSsh(session.clone());
    let (state, opened) =
        tokio::join!(host::probe(&session, host, environment), crate::verify::open_all(checks, &forward));
    let state = state?;
    clock.done(looks(&state));
    Ok(Reached { session, state, opened })
}

/// What was found, in a few words.
fn looks(state: &HostState) -> String {
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
    mut state: HostState,
    timeout: Duration,
    events: &event::Sender,
) -> Vec<Finding> {
    let until = tokio::time::Instant::now() + timeout;
    let mut said = String::new();
    loop {
        let findings = containers::containers(&loaded.release, &loaded.generated.labels, &state);
        let starting: Vec<&str> = state
            .containers
            .iter()
            .filter(|container| container.is_starting())
            .map(|container| container.service.as_str())
            .collect();
        let wait = !starting.is_empty() && tokio::time::Instant::now() < until;
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

/// Asks checks over a session until they hold or `timeout` is over.
pub(super) async fn ask(
    loaded: &Arc<Loaded>,
    host: &str,
    session: &Session,
    checks: &[Check],
    opened: Opened<Forwarded>,
    timeout: Duration,
    events: &event::Sender,
) -> Vec<Finding> {
    let login = |name: &str| -> Option<SecretString> { loaded.secrets.get(name).cloned() };
    let run = Run {
        host,
        forward: &OverSsh(session.clone()),
        login: &login,
        deadline: tokio::time::Instant::now() + timeout,
        now: jiff::Timestamp::now(),
        events,
    };
    run.checks(checks, opened).await
}
