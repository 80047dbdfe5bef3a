//! `provision verify`: asks the checks of the running stack.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::options::{ReportFiles, duration};
use super::probes::{self, Probes};
use super::project::Loaded;
use super::reach::{self, Clock, Reached};
use super::{Context, hosts};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Sender, Stage};
use crate::inventory::Host;
use crate::outcome::{ExitCode, Outcome};
use crate::plan::check::{Check, Finding, Status};
use crate::report::Reporter;
use crate::verify::ask;
use crate::verify::exposure;
use crate::verify::select::Selection;

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
    /// One line a host, for cron
    #[arg(long, short)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) reports: ReportFiles,
}

/// What is asked of each host.
struct Wanted {
    selection: Selection,
    checks: Vec<Check>,
    skipped: Vec<Check>,
    probes: Probes,
    timeout: Duration,
}

/// Runs the command.
pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<ExitCode> {
    let mut before = BTreeMap::new();
    let Some(pause) = arguments.watch else { return once(context, arguments, &mut before).await };
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error| Error::new(Kind::Internal, "listen for Ctrl-C").cause(error))?;
    let mut code = ExitCode::Ok;
    loop {
        tokio::select! {
            round = once(context, arguments, &mut before) => code = round?,
            _ = interrupt.recv() => return Ok(code),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = interrupt.recv() => return Ok(code),
        }
    }
}

/// The status of each check when it was shown last, by host.
type Shown = BTreeMap<String, Vec<(String, Status)>>;

async fn once(context: &Context<'_>, arguments: &Arguments, shown: &mut Shown) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let events = reporter.events();
    let looked = async {
        let loaded = hosts::load(context, arguments.environment.as_deref(), &events)?;
        let wanted = wanted(&loaded, arguments)?;
        let mut results = Vec::new();
        for host in &loaded.environment.hosts {
            let name = host.name.to_string();
            let result = verify(&loaded, host, &wanted, &events).await.map_err(|error| error.host(&name));
            results.push((name, result));
        }
        Ok(results)
    }
    .await;
    drop(events);
    reporter.finish().await;
    let mut outcomes = Vec::new();
    for (name, result) in looked? {
        let result = result.map(|findings| show(&reporter, &name, &findings, shown));
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
    let probes = Probes::of(loaded);
    known.extend(probes.names());
    known.sort();
    let selection = Selection::new(&known, &arguments.only, &arguments.skip)?;
    let take = |checks: &[Check]| -> Vec<Check> {
        checks.iter().filter(|check| selection.takes(&check.name)).cloned().collect()
    };
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
    Ok(Wanted {
        checks: take(&loaded.checks),
        skipped: take(&loaded.skipped),
        probes,
        timeout: arguments.timeout.unwrap_or(loaded.environment.deploy.verify_timeout),
        selection,
    })
}

async fn verify(
    loaded: &std::sync::Arc<Loaded>,
    host: &Host,
    wanted: &Wanted,
    events: &Sender,
) -> Result<Vec<Finding>> {
    let name = host.name.to_string();
    let Reached { session, state, connections } =
        reach::reach(&loaded.environment, &wanted.checks, host, events).await?;
    let loaded = &loaded.on(&state)?;
    let Some(current) = &state.current else {
        return Err(Error::new(Kind::CheckFailed, "prove the running release")
            .cause("nothing of this project is deployed there")
            .hint(format!("Run `provision deploy {}`.", loaded.environment.name)));
    };
    crate::plan::networks(&loaded.release, &state)?;
    if current != &loaded.generated.id {
        let text = format!(
            "the host runs release {current}, and the files here make {}: `provision plan` shows the difference",
            loaded.generated.id
        );
        let _ = events.send(Event::Warning { host: name.clone(), text });
    }
    let clock = Clock::start(events, &name, Stage::Verify);
    let timeout = wanted.timeout;
    let probes =
        probes::Place { loaded, host, session: &session, connections: &connections, timeout, events };
    let ports = exposure::ports(&loaded.release, &state);
    let takes = |name: &str| wanted.selection.takes(name);
    let (mut findings, more, others) = tokio::join!(
        reach::containers_of(loaded, host, (&session, state), timeout, events, &takes),
        reach::ask(loaded, &name, &connections, &wanted.checks, timeout, events),
        probes.run(&wanted.probes, &ports)
    );
    findings.extend(more);
    findings.extend(others);
    let left_out =
        wanted.skipped.iter().map(|check| reach::skipped(&check.name, &check.service, &ask::expected(check)));
    findings.extend(left_out);
    reach::explain(loaded, host, &session, &mut findings, events).await;
    session.close().await;
    let held = findings.iter().filter(|finding| finding.status == Status::Holds).count();
    clock.done(format!("{held} of {} checks hold", findings.len()));
    Ok(findings)
}
