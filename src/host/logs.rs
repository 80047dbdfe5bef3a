//! What a service says on a host.

use super::scripts;
use crate::error::Result;
use crate::inventory::{Environment, Host};
use crate::ssh::{Lines, Session};

/// The last `lines` lines of a service's log, and with `follow` those to come.
///
/// # Errors
/// When the session breaks. That there is no such container is the stream's exit status.
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
    session.stream(&command, Vec::new()).await
}
