//! `provision bootstrap`: what the stack needs of the application once, applied on request. It may be repeated.

use super::{Context, hosts, reach};
use crate::error::Result;
use crate::host;
use crate::inventory::Host;
use crate::outcome::{ExitCode, Outcome};
use crate::plan::{self, Role};

use super::project::Loaded;

/// Runs the command.
pub(super) async fn run(context: &Context<'_>, environment: Option<&str>) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let events = reporter.events();
    let applied = async {
        let loaded = hosts::load(context, environment, &events)?;
        let roles = plan::roles(&loaded.release, &loaded.secrets, rand::random)?;
        context.output.redact(roles.iter().map(|role| role.verifier.clone()));
        let mut results = Vec::new();
        for host in &loaded.environment.hosts {
            let name = host.name.to_string();
            let result = apply(&loaded, host, &roles, &events).await.map_err(|error| error.host(&name));
            results.push((name, result));
        }
        Ok((loaded, results))
    }
    .await;
    drop(events);
    reporter.finish().await;
    let (loaded, results) = applied?;
    let mut outcomes = Vec::new();
    for (name, result) in results {
        let result = result.map(|lines| {
            for line in &lines {
                reporter.line(&format!("{name}: {line}"));
            }
            if lines.is_empty() {
                reporter.line(&format!("{name}: the stack asks for nothing to be prepared"));
            } else {
                let environment = &loaded.environment.name;
                reporter.line(&format!(
                    "{name}: `provision deploy {environment}` gives its services the same secrets"
                ));
            }
            Outcome::Verified
        });
        outcomes.push(reporter.conclude(&name, result));
    }
    let code = Outcome::combine(&outcomes);
    reporter.end(code);
    Ok(code)
}

/// Applies all roles on one host; what was done, line by line.
async fn apply(
    loaded: &Loaded,
    host: &Host,
    roles: &[Role],
    events: &crate::event::Sender,
) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    if roles.is_empty() {
        return Ok(lines);
    }
    let session = reach::connect(&loaded.environment, host, events).await?;
    for role in roles {
        let said = host::apply_role(&session, host, role).await?;
        lines.extend(said.into_iter().map(|line| format!("{}: {line}", role.service)));
    }
    session.close().await;
    Ok(lines)
}
