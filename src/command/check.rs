//! `provision check`: all mistakes that can be found offline.

use super::Context;
use super::project::{self, Gathered, Opening};
use crate::error::{Error, Result};
use crate::inventory::{self, Environment};
use crate::outcome::{ExitCode, Outcome};
use crate::words;

/// Runs the command: one environment, or all of them.
pub(super) async fn run(context: &Context<'_>, environment: Option<&str>) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    reporter.finish().await;
    let names = match environment {
        Some(name) => vec![Environment::choose(context.root, Some(name))?],
        None => inventory::names(context.root),
    };
    if names.is_empty() {
        return Err(Error::usage("check the project")
            .cause("inventory/ has no environment")
            .hint("Add inventory/<name>.yml with the hosts."));
    }
    let mut outcomes = Vec::new();
    for name in names {
        let result = check(context, &name).map(|(text, remarks)| {
            reporter.line(&text);
            for remark in remarks {
                reporter.remark(&name, &remark);
            }
            Outcome::Verified
        });
        outcomes.push(reporter.conclude(&name, result));
    }
    // An environment that is in order does not excuse another.
    let code = match Outcome::combine(&outcomes) {
        ExitCode::Mixed => ExitCode::Usage,
        code => code,
    };
    reporter.end(code);
    Ok(code)
}

/// What was looked at, and what the operator should know of it.
fn check(context: &Context<'_>, name: &str) -> Result<(String, Vec<String>)> {
    let mut gathered = Gathered::read(context.root, name, context.identity, Opening::WithAKey, |_| ())?;
    match gathered.release.take() {
        Some(release) if gathered.problems.is_empty() => {
            let remark = match &gathered.secrets {
                None => "; secrets not looked at: no identity".to_owned(),
                Some(_) if release.secret_names().is_empty() => String::new(),
                Some(secrets) => project::remark(name, secrets),
            };
            let text = format!(
                "{name}: ok ({}, {}, {}{remark})",
                words::count(release.files.len(), "file"),
                words::count(release.services.len(), "service"),
                words::count(gathered.checks.len(), "check")
            );
            Ok((text, release.remarks))
        }
        _ => Err(gathered.error()),
    }
}
