//! `provision bootstrap`: what the stack needs of the application once, applied on request. It may be repeated.
//!
//! A password that a running release has another one of is left alone: a deploy changes it together with the service.

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
        let result = result.map(|applied| {
            for line in &applied.lines {
                reporter.line(&format!("{name}: {line}"));
            }
            if applied.lines.is_empty() {
                reporter.line(&format!("{name}: the stack asks for nothing to be prepared"));
            } else if applied.any {
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

/// What was done on a host.
#[derive(Default)]
struct Applied {
    /// For a person.
    lines: Vec<String>,
    /// Whether a role was set.
    any: bool,
}

/// Applies all roles on one host.
async fn apply(
    loaded: &Loaded,
    host: &Host,
    roles: &[Role],
    events: &crate::event::Sender,
) -> Result<Applied> {
    let mut applied = Applied::default();
    if roles.is_empty() {
        return Ok(applied);
    }
    let session = reach::connect(&loaded.environment, host, events).await?;
    let state = host::probe(&session, host, &loaded.environment).await?;
    for role in roles {
        let (service, password) = (&role.service, &role.database.password);
        let fingerprint = loaded.secrets.fingerprint(password);
        if plan::is_left_to_the_deploy(&role.database, fingerprint.as_deref(), &state) {
            applied.lines.push(format!(
                "{service}: the release that runs has another {password}: role {} is left as it is;                  `provision deploy {}` changes both, and both back if it fails",
                role.database.role, loaded.environment.name
            ));
            continue;
        }
        let said = host::apply_role(&session, host, role).await?;
        applied.lines.extend(said.into_iter().map(|line| format!("{service}: {line}")));
        applied.any = true;
    }
    session.close().await;
    Ok(applied)
}
