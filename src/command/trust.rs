//! `provision trust`: takes a host's key into `inventory/ENVIRONMENT.known_hosts`, after a person compared it.

use std::io::Write as _;

use super::Context;
use crate::error::{Error, Kind, Result};
use crate::inventory::Environment;
use crate::outcome::ExitCode;
use crate::report::Output;
use crate::ssh::{Options, Session};

/// Runs the command.
pub(super) async fn run(
    context: &Context<'_>,
    environment: Option<&str>,
    fingerprint: Option<&str>,
) -> Result<ExitCode> {
    let name = Environment::choose(context.root, environment)?;
    let environment = Environment::load(context.root, &name)?;
    let file = context.root.join(format!("inventory/{name}.known_hosts"));
    let options = Options {
        project_root: context.root.to_owned(),
        known_hosts: file.clone(),
        environment: name.clone(),
        connect_timeout: Options::CONNECT_TIMEOUT,
        brief: false,
    };
    for host in &environment.hosts {
        let offered = Session::look(host, &options).await?;
        context.output.line(&format!("{}: {} {}", host.name, offered.algorithm, offered.fingerprint));
        if offered.known {
            context.output.line("  known already");
            continue;
        }
        let agreed = match fingerprint {
            Some(wanted) => wanted == offered.fingerprint,
            None => Output::ask(
                "  Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's console.\n  Is it the same? [y/N] ",
            )
            .is_some_and(|answer| answer.trim().eq_ignore_ascii_case("y")),
        };
        if !agreed {
            return Err(Error::new(Kind::Usage, "trust the host key")
                .host(host.name.to_string())
                .cause("the fingerprint was not confirmed")
                .hint(format!(
                    "On a terminal it is asked; elsewhere name it: `provision trust {name} --fingerprint SHA256:…`."
                )));
        }
        let write = || -> std::io::Result<()> {
            let mut known = std::fs::OpenOptions::new().create(true).append(true).open(&file)?;
            writeln!(known, "{}", offered.line)
        };
        write().map_err(|error| Error::usage(format!("write inventory/{name}.known_hosts")).cause(error))?;
        context.output.line(&format!("  written to inventory/{name}.known_hosts: commit it"));
    }
    Ok(ExitCode::Ok)
}
