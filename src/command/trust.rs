//! `provision trust`: takes a host's key into `inventory/ENVIRONMENT.known_hosts`, after a person compared it.

use std::path::Path;

use super::Context;
use super::reach;
use crate::error::{Error, Kind, Result};
use crate::inventory::Environment;
use crate::outcome::ExitCode;
use crate::report::Output;
use crate::ssh::{self, Offered, Session, Standing};

/// What is to be typed before a key takes the place of another one.
const REPLACE: &str = "replace";

/// The arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The environment
    pub(super) environment: Option<String>,
    /// Accept this fingerprint without asking (SHA256:…); once for each host
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Vec<String>,
    /// Accept it also in place of another key that the host is known by
    #[arg(long, requires = "fingerprint")]
    replace: bool,
    /// Revoke the key that is replaced: somebody else may have it
    #[arg(long)]
    leaked: bool,
}

/// Runs the command.
pub(super) async fn run(context: &Context<'_>, arguments: &Arguments) -> Result<ExitCode> {
    let name = Environment::choose(context.root, arguments.environment.as_deref())?;
    let environment = Environment::load(context.root, &name)?;
    let options = reach::options(&environment);
    let (mut shown, mut replaced) = (Vec::new(), false);
    for host in &environment.hosts {
        let offered = Session::look(host, &options).await?;
        shown.push(offered.fingerprint.clone());
        context.output.line(&describe(&host.name.to_string(), &offered, context.root));
        if offered.standing == Standing::Known {
            continue;
        }
        agree(arguments, &name, &offered, &Output::ask).map_err(|error| error.host(host.name.to_string()))?;
        let changed = matches!(offered.standing, Standing::Changed(_));
        ssh::record(&options.known_hosts, &offered, arguments.leaked)?;
        replaced |= changed;
        context.output.line(&written(&name, &offered, arguments.leaked));
    }
    unused(arguments, &name, &shown, replaced)?;
    Ok(ExitCode::Ok)
}

/// What a host shows, and how that compares with what is known of it.
fn describe(host: &str, offered: &Offered, root: &Path) -> String {
    let mut lines = vec![format!("{host}: {} {}", offered.algorithm, offered.fingerprint)];
    let root = format!("{}/", root.display());
    let short = |place: &str| place.strip_prefix(&root).unwrap_or(place).to_owned();
    match &offered.standing {
        Standing::Known => lines.push("  known already".to_owned()),
        Standing::New | Standing::Revoked(_) => {}
        Standing::KnownElsewhere(place) => {
            lines.push(format!("  {} knows it; others who deploy do not", short(place)));
        }
        Standing::Changed(old) => {
            lines.push("  CHANGED: this is not the key that the host is known by".to_owned());
            for old in old {
                lines.push(format!("  {} has {} {}", short(&old.place), old.algorithm, old.fingerprint));
            }
            lines.push(
                "  Either the host was reinstalled, or somebody is in the middle of this connection."
                    .to_owned(),
            );
        }
    }
    lines.join("\n")
}

/// Whether the key may be written down: by a fingerprint on the command line, or the answer of a person.
fn agree(
    arguments: &Arguments,
    environment: &str,
    offered: &Offered,
    ask: &dyn Fn(&str) -> Option<String>,
) -> Result<()> {
    let changed = matches!(offered.standing, Standing::Changed(_));
    let failed = || Error::usage("trust the host key");
    let (print, more) = (&offered.fingerprint, if arguments.leaked { " --leaked" } else { "" });
    let command =
        |replace: &str| format!("provision trust {environment} --fingerprint {print}{replace}{more}");
    if let Standing::Revoked(place) = &offered.standing {
        return Err(Error::new(Kind::Unreachable, "trust the host key")
            .cause(format!("the host shows the key {print}, which is revoked"))
            .cause(format!("{place} revokes it"))
            .hint("A revoked key may be in somebody else's hands. Give the host a new key at its console."));
    }
    if !arguments.fingerprint.is_empty() {
        if !arguments.fingerprint.contains(print) {
            return Err(failed()
                .cause(format!("the host shows {print}, not {}", arguments.fingerprint.join(" or ")))
                .hint(
                    "Compare it at the host's console; somebody may be in the middle of this connection.",
                ));
        }
        if changed && !arguments.replace {
            return Err(failed()
                .cause("the host is known by another key, and --fingerprint alone replaces none")
                .hint(format!("If the host was reinstalled: {}", command(" --replace"))));
        }
        return Ok(());
    }
    let console = format!("  Compare it with `{}` on the host's console.", offered.at_console());
    let agreed = if changed {
        let question = format!("{console}\n  Type `{REPLACE}` to put it in the place of the old key: ");
        ask(&question).is_some_and(|answer| answer.trim() == REPLACE)
    } else {
        let question = format!("{console}\n  Is it the same? [y/N] ");
        ask(&question).is_some_and(|answer| answer.trim().eq_ignore_ascii_case("y"))
    };
    if agreed {
        return Ok(());
    }
    let replace = if changed { " --replace" } else { "" };
    Err(failed().cause("the fingerprint was not confirmed").hint(format!(
        "Where there is no terminal to ask on, name it once you have compared it: {}",
        command(replace)
    )))
}

/// What was written.
fn written(environment: &str, offered: &Offered, leaked: bool) -> String {
    let file = format!("inventory/{environment}.known_hosts");
    let Standing::Changed(old) = &offered.standing else {
        return format!("  written to {file}: commit it");
    };
    let mut lines = vec![format!("  written to {file}, in place of the old key: commit it, then deploy")];
    if leaked {
        lines.push("  the old key is revoked there".to_owned());
    }
    for old in old.iter().filter(|old| !old.own) {
        let (file, _) = old.place.rsplit_once(':').unwrap_or((&old.place, ""));
        let name = &offered.name;
        lines.push(format!("  {} still has the old key: ssh-keygen -f '{file}' -R '{name}'", old.place));
    }
    lines.join("\n")
}

/// What was asked for and came to nothing.
fn unused(arguments: &Arguments, environment: &str, shown: &[String], replaced: bool) -> Result<()> {
    let missing: Vec<&str> =
        arguments.fingerprint.iter().filter(|it| !shown.contains(it)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(Error::usage("trust the host key")
            .cause(format!("no host of {environment} shows {}", missing.join(" or ")))
            .cause(format!("shown: {}", shown.join(", ")))
            .hint("Compare it at the host's console; somebody may be in the middle of this connection."));
    }
    if arguments.leaked && !replaced {
        return Err(Error::usage("revoke the old host key")
            .cause(format!("no host of {environment} shows another key than the one it is known by"))
            .hint(format!(
                "Give the host a new key first. A key that no line has any more is revoked by hand: \
                 `@revoked * TYPE KEY` in inventory/{environment}.known_hosts."
            )));
    }
    Ok(())
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
