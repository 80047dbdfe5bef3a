//! `provision plan --authorize FILE`: the line of `authorized_keys` for a key that may only plan. Asks no host.

use std::path::Path;

use super::{Context, project};
use crate::error::{Error, Result};
use crate::host;
use crate::inventory::Environment;
use crate::outcome::ExitCode;
use crate::ssh;

/// Prints a line for each host, once where they are the same: nothing else, so that it can be piped to a host.
pub(super) fn run(context: &Context<'_>, environment: Option<&str>, file: &Path) -> Result<ExitCode> {
    let environment = project::environment(context.root, environment)?;
    let key = read(file)?;
    for line in lines(&environment, &key) {
        context.output.line(&line);
    }
    Ok(ExitCode::Ok)
}

/// The public key in `file`.
fn read(file: &Path) -> Result<String> {
    let failed = || Error::usage("read the public key").cause(file.display());
    let text = std::fs::read_to_string(file).map_err(|error| failed().cause(error))?;
    ssh::public_key_line(&text).ok_or_else(|| {
        failed()
            .cause("it is not one public key of SSH")
            .hint("Name the file that ends in .pub. `ssh-keygen -t ed25519 -f plan-key -N ''` makes a pair.")
    })
}

/// `restrict` takes away everything that a later OpenSSH may add, too: terminal, forwarding, agent, the user's own rc.
fn lines(environment: &Environment, key: &str) -> Vec<String> {
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for host in &environment.hosts {
        let command = host::plan_only_command(host, environment).replace('"', "\\\"");
        let line = format!("restrict,command=\"{command}\" {key}");
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, hosts)) => hosts.push(host.name.to_string()),
            None => lines.push((line, vec![host.name.to_string()])),
        }
    }
    let name = &environment.name;
    lines
        .into_iter()
        .flat_map(|(line, hosts)| {
            [format!("# {}: may only plan {name}, by provision", hosts.join(", ")), line]
        })
        .collect()
}
