//! `provision verify`: asks the checks of the running stack.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::options::{ReportFiles, duration};
use super::probes::{self, Probes};
use super::project::{Base, Loaded};
use super::reach::{self, Clock, Reached};
use super::{Context, hosts};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Sender, Stage};
use crate::host;
use crate::inventory::{Environment, Host};
use crate::outcome::{ExitCode, Outcome};
use crate::plan::check::{Check, Finding, Status};
use crate::report::Reporter;
use crate::ssh::Session;
use crate::stack;
use crate::verify::select::{self, Selection};
use crate::verify::{Patience, ask, exposure};
use crate::words::hold;

/// The arguments.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Arguments {
    /// The environment
    environment: Option<String>,
    /// Also what acts on the host or takes a while: a log line found again, panels, overhead, outside access
    #[arg(long)]
    probes: bool,
    /// Send an alert through Alertmanager to the mail server, and resolve it
    #[arg(long)]
    send_test_alert: bool,
    /// Only these checks: names with `*`, or a service for all of its checks
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// All but these checks
    #[arg(long, value_name = "PATTERN")]
    skip: Vec<String>,
    /// Give up after this time [default: `deploy.verify_timeout` of the inventory]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// Look again and again, and show what changed, until Ctrl-C
    #[arg(long, value_name = "DURATION", value_parser = duration, num_args = 0..=1, default_missing_value = "30s")]
    watch: Option<Duration>,
    /// Hold it against the files here, instead of what is stored on the host with the release that runs
    #[arg(long)]
    against_files: bool,
    /// One line a host, for cron
    #[arg(long, short)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) reports: ReportFiles,
}

impl Arguments {
    /// The environment, where one is named.
    pub(super) fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// Whether the probe of the panels could be among what is chosen, or left out by name.
    fn may_ask_panels(&self, loaded: &Loaded) -> bool {
        let patterns = || self.only.iter().chain(&self.skip);
        self.probes
            || loaded.release.services.keys().any(|service| {
                let name = format!("{service}.{}", crate::plan::PANELS);
                patterns().any(|pattern| select::matches(pattern, &name))
            })
    }

    /// A round of a watch is one attempt: what is retried until it holds hides that it did not.
    fn patience(&self, environment: &Environment) -> Patience {
        let limit = self.timeout.unwrap_or(environment.deploy.verify_timeout);
        Patience { limit, once: self.watch.is_some() }
    }
}

/// What the running stack is held against.
enum Against {
    /// What is stored with the release that runs, on the host.
    Host(Arc<Base>),
    /// What the files here make.
    Files(Arc<Loaded>),
}

impl Against {
    fn environment(&self) -> &Environment {
        match self {
            Against::Host(base) => &base.environment,
            Against::Files(loaded) => &loaded.environment,
        }
    }

    fn load(context: &Context<'_>, arguments: &Arguments, events: &Sender) -> Result<Self> {
        let environment = arguments.environment.as_deref();
        if arguments.against_files {
            hosts::load(context, environment, events).map(Against::Files)
        } else {
            hosts::load_base(context, environment, events).map(Against::Host)
        }
    }
}

/// What is asked of a host.
struct Wanted {
    selection: Selection,
    checks: Vec<Check>,
    skipped: Vec<Finding>,
    probes: Probes,
    patience: Patience,
}

/// Runs the command.
pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<ExitCode> {
    let mut watched = Watched::default();
    let Some(pause) = arguments.watch else { return once(context, arguments, &mut watched).await };
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error| Error::new(Kind::Internal, "listen for Ctrl-C").cause(error))?;
    let mut code = ExitCode::Ok;
    loop {
        tokio::select! {
            round = once(context, arguments, &mut watched) => code = round?,
            _ = interrupt.recv() => return Ok(code),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = interrupt.recv() => return Ok(code),
        }
    }
}

/// What one round leaves to the next.
#[derive(Default)]
struct Watched {
    /// Read once: a passphrase is not asked for again.
    against: Option<Against>,
    /// The status of each check when it was shown last, by host.
    shown: Shown,
}

/// The status of each check when it was shown last, by host.
type Shown = BTreeMap<String, Vec<(String, Status)>>;

async fn once(context: &Context<'_>, arguments: &Arguments, watched: &mut Watched) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let events = reporter.events();
    let looked = async {
        let against = match watched.against.take() {
            Some(against) => against,
            None => Against::load(context, arguments, &events)?,
        };
        let mut results = Vec::new();
        for host in &against.environment().hosts {
            let name = host.name.to_string();
            let result = verify(&against, host, arguments, &events).await.map_err(|error| error.host(&name));
            results.push((name, result));
        }
        watched.against = Some(against);
        Ok(results)
    }
    .await;
    drop(events);
    reporter.finish().await;
    let mut outcomes = Vec::new();
    for (name, result) in looked? {
        let result = result.map(|findings| show(&reporter, &name, &findings, &mut watched.shown));
        outcomes.push(reporter.conclude(&name, result));
    }
    let code = Outcome::combine(&outcomes);
    reporter.end(code);
    Ok(code)
}

/// Shows the findings; of a host that was shown before only what is new.
fn show(reporter: &Reporter, name: &str, findings: &[Finding], shown: &mut Shown) -> Outcome {
    let statuses = findings.iter().map(|finding| (finding.check.clone(), finding.status)).collect();
    // The table says it all; an error would say it again.
    if shown.get(name) == Some(&statuses) {
        reporter.unchanged(name, findings);
    } else {
        reporter.findings(name, findings);
    }
    shown.insert(name.to_owned(), statuses);
    if findings.iter().any(Finding::fails) {
        Outcome::Failed(ExitCode::CheckFailed)
    } else {
        Outcome::Verified
    }
}

/// What the arguments choose.
fn wanted(loaded: &Loaded, arguments: &Arguments) -> Result<Wanted> {
    let containers = loaded.release.services.keys().map(|name| format!("{name}.container"));
    let mut known: Vec<String> = containers.collect();
    known.push(exposure::INSIDE.to_owned());
    known.extend(loaded.checks.iter().chain(&loaded.skipped).map(|check| check.name.clone()));
    // A host may have been deployed to with other words in `verify: {skip: …}` than there are today.
    let skip = &loaded.environment.verify.skip;
    let is_left_out = |check: &Check| skip.iter().any(|pattern| select::matches(pattern, &check.name));
    let probes = Probes::of(loaded);
    known.extend(probes.names());
    known.sort();
    let selection = Selection::new(&known, &arguments.only, &arguments.skip)?;
    let chosen = |check: &&Check| selection.takes(&check.name);
    let checks = loaded.checks.iter().filter(chosen).filter(|check| !is_left_out(check)).cloned().collect();
    let skipped = loaded.checks.iter().filter(|check| is_left_out(check)).chain(&loaded.skipped);
    let skipped = skipped.filter(chosen).map(|check| {
        let (name, service, expected) = (&check.name, &check.service, ask::expected(check));
        if is_left_out(check) { reach::skipped(name, service, &expected) } else { unknown(check, &expected) }
    });
    let skipped = skipped.collect();
    let probes = probes.chosen(|name| {
        let asked = match name {
            crate::verify::test_alert::NAME => arguments.send_test_alert,
            _ => arguments.probes,
        };
        selection.takes(name) && (asked || selection.names(name))
    });
    if arguments.send_test_alert && !probes.names().iter().any(|n| n == crate::verify::test_alert::NAME) {
        return Err(Error::usage("send a test alert")
            .cause("the stack has no Alertmanager, or --only or --skip leaves it out")
            .hint("Switch it on: `components: {alertmanager: true}`."));
    }
    Ok(Wanted { checks, skipped, probes, patience: arguments.patience(&loaded.environment), selection })
}

/// The finding of a check whose password on the host is another than in the secrets here.
fn unknown(check: &Check, expected: &str) -> Finding {
    let secret = check.secret().unwrap_or_default();
    Finding {
        service: check.service.clone(),
        status: Status::Skipped,
        found: format!("the secret {secret} of the release that runs is not in the secrets file here"),
        ..Finding::fact(&check.name, expected, Ok(String::new()))
    }
}

/// What runs on the host: looked at, and what it is held against.
async fn look(
    against: &Against,
    host: &Host,
    arguments: &Arguments,
    events: &Sender,
) -> Result<(Reached, Arc<Loaded>)> {
    let environment = against.environment();
    let nothing = || {
        Error::new(Kind::CheckFailed, "prove the running release")
            .cause("nothing of this project is deployed there")
            .hint(format!("Run `provision deploy {}`.", environment.name))
    };
    match against {
        Against::Files(loaded) => {
            let value = |name: &str| loaded.secrets.get(name).cloned();
            let reached = reach::reach(environment, &loaded.checks, &value, host, events).await?;
            // What docker does not tell is not therefore missing.
            crate::plan::answers(&reached.state)?;
            let loaded = loaded.on(&reached.state)?;
            let current = reached.state.current.clone().ok_or_else(nothing)?;
            crate::plan::found(&loaded.release, &reached.state)?;
            if current != loaded.generated.id {
                let text = format!(
                    "the host runs release {current}, and the files here make {}: `provision plan {}` shows the difference",
                    loaded.generated.id, environment.name
                );
                let _ = events.send(Event::Warning { host: host.name.to_string(), text });
            }
            Ok((reached, loaded))
        }
        Against::Host(base) => {
            let session = reach::connect(environment, host, events).await?;
            let clock = Clock::start(events, &host.name.to_string(), Stage::Probe);
            let connections = reach::connections(&session);
            // The files here, if they can be read, tell which ports are likely: opened while the host is looked at.
            let likely = likely_checks(environment);
            let (state, kept, ()) = tokio::join!(
                host::probe(&session, host, environment),
                host::running(&session, host, environment),
                async {
                    connections.open_for(&likely).await;
                    connections.log_in_for(&likely, &|name| base.secrets.get(name).cloned()).await;
                }
            );
            let state = state?;
            reach::may_forward(&session, host).await?;
            clock.done(reach::looks(&state));
            crate::plan::answers(&state)?;
            if state.current.is_none() {
                return Err(nothing());
            }
            let kept = kept?.ok_or_else(nothing)?;
            let mut loaded = Loaded::running(base, &kept);
            if arguments.may_ask_panels(&loaded) {
                add_dashboards(&mut loaded, host, &session).await?;
            }
            Ok((Reached { session, state, connections }, Arc::new(loaded)))
        }
    }
}

fn likely_checks(environment: &Environment) -> Vec<Check> {
    stack::load(environment).ok().and_then(|release| crate::plan::checks(&release).ok()).unwrap_or_default()
}

async fn verify(
    against: &Against,
    host: &Host,
    arguments: &Arguments,
    events: &Sender,
) -> Result<Vec<Finding>> {
    let name = host.name.to_string();
    let (Reached { session, state, connections }, loaded) = look(against, host, arguments, events).await?;
    if let Some(current) = &state.current {
        let _ = events.send(Event::Running { host: name.clone(), release: current.to_string() });
    }
    let wanted = wanted(&loaded, arguments)?;
    let clock = Clock::start(events, &name, Stage::Verify);
    let patience = wanted.patience;
    let probes = probes::Place {
        loaded: &loaded,
        host,
        session: &session,
        connections: &connections,
        patience,
        events,
    };
    let ports = exposure::ports(&loaded.release, &state);
    let takes = |name: &str| wanted.selection.takes(name);
    let (mut findings, more, others) = tokio::join!(
        reach::containers_of(&loaded, host, (&session, state), patience, events, &takes),
        reach::ask(&loaded, &name, &connections, &wanted.checks, patience, events),
        probes.run(&wanted.probes, &ports)
    );
    findings.extend(more);
    findings.extend(others);
    findings.extend(wanted.skipped);
    reach::explain(&loaded, host, &session, &mut findings, events).await;
    session.close().await;
    let held = findings.iter().filter(|finding| finding.status == Status::Holds).count();
    clock.done(format!("{held} of {}", hold(findings.len())));
    Ok(findings)
}

/// Puts the dashboards' texts, which a probe takes its queries from, into the release: as the host keeps them.
async fn add_dashboards(loaded: &mut Loaded, host: &Host, session: &Session) -> Result<()> {
    let is_watched = |path: &str| loaded.release.services.values().any(|service| service.watches(path));
    let paths =
        loaded.release.files.keys().filter(|path| stack::has_extension(path, &["json"]) && is_watched(path));
    let paths: Vec<String> = paths.map(|path| format!("files/{path}")).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let id = loaded.generated.id.clone();
    let texts = host::texts(session, host, &loaded.environment, Some(&id), &paths).await?;
    for (path, content) in texts {
        if let Some(file) = path.strip_prefix("files/").and_then(|path| loaded.release.files.get_mut(path)) {
            file.content = content;
        }
    }
    Ok(())
}
