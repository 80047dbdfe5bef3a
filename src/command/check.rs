//! `provision check`: all mistakes that can be found offline.

use super::Context;
use super::project;
use crate::error::{Error, Result};
use crate::inventory::{self, Environment};
use crate::outcome::ExitCode;
use crate::plan;
use crate::secrets::{self, Identity, Secrets};
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
    let mut code = ExitCode::Ok;
    for name in names {
        match check(context, &name) {
            Ok(text) => reporter.line(&text),
            Err(error) => {
                reporter.error(&error);
                code = error.kind().exit_code();
            }
        }
    }
    reporter.end(code);
    Ok(code)
}

fn check(context: &Context<'_>, name: &str) -> Result<String> {
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
        if !release.secret_names().is_empty() || secrets::exists(context.root, name) {
            match Identity::find(context.identity) {
                // Without a key the rest can be checked all the same, on a pull request for example.
                Err(_) => remark = "; secrets not looked at: no identity".to_owned(),
                Ok(identity) => {
                    let secrets = Secrets::load(context.root, name, &identity)?;
                    problems.extend(project::secret_problems(name, release, &secrets));
                }
            }
        }
    }
    match release {
        Some(release) if problems.is_empty() => Ok(format!(
            "{name}: ok ({} files, {} services, {count} checks{remark})",
            release.files.len(),
            release.services.len()
        )),
        _ => Err(Error::problems(format!("check {name}"), problems)),
    }
}
