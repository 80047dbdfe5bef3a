//! `provision check`: all mistakes that can be found offline.

use super::Context;
use super::project;
use crate::error::{Error, Result};
use crate::inventory::{self, Environment};
use crate::outcome::{ExitCode, Outcome};
use crate::plan;
use crate::secrets::Identity;
use crate::stack;

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
    let environment = Environment::load(context.root, name)?;
    let mut problems = Vec::new();
    let release = project::collect(&mut problems, stack::load(&environment))?;
    let mut remark = String::new();
    let mut count = 0;
    if let Some(release) = &release {
        match plan::checks(release) {
            Ok(checks) => count = checks.len(),
            Err(found) => problems.extend(found),
        }
        // Without a key the rest can be checked all the same, on a pull request for example.
        if release.secret_names().is_empty() || Identity::is_given(context.identity) {
            match project::open_secrets(context.root, name, Some(release), context.identity) {
                Ok(secrets) => {
                    problems.extend(project::secret_problems(name, release, &secrets));
                    if !release.secret_names().is_empty() {
                        remark = project::remark(name, &secrets);
                    }
                }
                Err(error) if problems.is_empty() => return Err(error),
                Err(error) => problems.push(project::as_problem(name, &error)),
            }
        } else {
            remark.push_str("; secrets not looked at: no identity");
        }
    }
    match release {
        Some(release) if problems.is_empty() => {
            let text = format!(
                "{name}: ok ({} files, {} services, {count} checks{remark})",
                release.files.len(),
                release.services.len()
            );
            Ok((text, release.remarks))
        }
        _ => Err(Error::problems(format!("load {name}"), problems)),
    }
}
