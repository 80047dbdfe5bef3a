//! `provision verify`: asks the checks of the running stack.

use std::time::Duration;

use super::reach::{self, Clock, Reached};
use super::{Context, hosts};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Stage};
use crate::outcome::{ExitCode, Outcome};
use crate::plan::check::Finding;

/// Runs the command.
pub(super) async fn run(
    context: &Context<'_>,
    environment: Option<&str>,
    timeout: Option<Duration>,
) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let events = reporter.events();
    let looked = async {
        let loaded = hosts::load(context, environment, &events)?;
        let timeout = timeout.unwrap_or(loaded.environment.deploy.verify_timeout);
        let mut results = Vec::new();
        for host in &loaded.environment.hosts {
            let name = host.name.to_string();
            let result = verify(&loaded, host, timeout, &events).await.map_err(|error| error.host(&name));
            results.push((name, result));
        }
        Ok(results)
    }
    .await;
    drop(events);
    reporter.finish().await;
    let mut outcomes = Vec::new();
    for (name, result) in looked? {
        let result = result.map(|findings| {
            // The table says it all; an error would say it again.
            reporter.findings(&name, &findings);
            if findings.iter().any(Finding::fails) {
                Outcome::Failed(ExitCode::CheckFailed)
            } else {
                Outcome::Verified
            }
        });
        outcomes.push(reporter.conclude(&name, result));
    }
    let code = Outcome::combine(&outcomes);
    reporter.end(code);
    Ok(code)
}

async fn verify(
    loaded: &std::sync::Arc<super::project::Loaded>,
    host: &crate::inventory::Host,
    timeout: Duration,
    events: &crate::event::Sender,
) -> Result<Vec<Finding>> {
    let name = host.name.to_string();
    let Reached { session, state, opened } =
        reach::reach(&loaded.environment, &loaded.checks, host, events).await?;
    let loaded = &loaded.on(&state)?;
    let Some(current) = &state.current else {
        return Err(Error::new(Kind::CheckFailed, "prove the running release")
            .cause("nothing of this project is deployed there")
            .hint(format!("Run `provision deploy {}`.", loaded.environment.name)));
    };
    if current != &loaded.generated.id {
        let text = format!(
            "the host runs release {current}, and the files here make {}: `provision plan` shows the difference",
            loaded.generated.id
        );
        let _ = events.send(Event::Warning { host: name.clone(), text });
    }
    let clock = Clock::start(events, &name, Stage::Verify);
    let (mut findings, more) = tokio::join!(
        reach::containers(loaded, host, &session, state, timeout, events),
        reach::ask(loaded, &name, &session, &loaded.checks, opened, timeout, events)
    );
    findings.extend(more);
    session.close().await;
    let held = findings.iter().filter(|finding| !finding.fails()).count();
    clock.done(format!("{held} of {} checks hold", findings.len()));
    Ok(findings)
}
