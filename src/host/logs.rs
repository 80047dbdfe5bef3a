//! What a service says on a host.

use std::time::Duration;

use super::scripts;
use crate::error::{Error, Kind, Result};
use crate::inventory::{Environment, Host};
use crate::ssh::{Lines, Session};

/// The last `lines` lines of a service's log, and with `follow` those to come.
///
/// # Errors
/// When the session breaks. How it ended is the stream's exit status: see [`logs_ended`].
pub async fn logs(
    session: &Session,
    host: &Host,
    environment: &Environment,
    service: &str,
    lines: u32,
    follow: bool,
) -> Result<Lines> {
    let command = scripts::command(scripts::LOGS, host, environment)
        .arg(service)
        .arg(lines.to_string())
        .arg(if follow { "yes" } else { "no" });
    let command = if follow { command } else { command.within(LONGEST) };
    session.stream(&command, Vec::new()).await
}

/// How long the last lines of a log may take to come.
const LONGEST: Duration = Duration::from_secs(600);

/// The exit status of the script where the service has no container.
const NO_CONTAINER: u32 = 4;

/// Whether a log was shown to its end, by the stream's exit status; `said` is what it wrote last to stderr.
///
/// # Errors
/// Unreachable, where the login is not root; failed, where there is no such container, or docker does not answer.
pub fn logs_ended(host: &Host, service: &str, status: u32, said: &str) -> Result<()> {
    scripts::as_root(&host.name.0, host.sudo, status, said)?;
    let error = Error::new(Kind::Failed, format!("show the log of {service}")).host(host.name.to_string());
    match status {
        0 => Ok(()),
        NO_CONTAINER => Err(error
            .cause("the service has no container there")
            .hint("`provision verify` shows what runs; `provision deploy` puts it back.")),
        _ => Err(error
            .cause(if said.is_empty() { format!("exit status {status}") } else { said.to_owned() })
            .hint("`systemctl status docker` and `journalctl -u docker` on the host say how docker is.")),
    }
}
