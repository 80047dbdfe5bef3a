//! The host's lock: waiting for it, and asking its holder to go back.

use std::time::Duration;

use super::{Activation, scripts};
use crate::error::Result;
use crate::inventory::{Environment, Host};
use crate::ssh::Session;

/// Waits on the host until nobody holds the lock, at most so long. Whether it is free.
///
/// # Errors
/// When the session breaks.
pub async fn await_lock(
    session: &Session,
    host: &Host,
    environment: &Environment,
    limit: Duration,
) -> Result<bool> {
    let command = scripts::command(scripts::AWAIT_LOCK, host, environment).arg(limit.as_secs().to_string());
    let output = session.exec(&command, Vec::new()).await?;
    Ok(output.status == 0 && output.stdout.starts_with(b"free"))
}

/// Asks the holder of the lock to go back, in the name of `asker`. The log is that of the holder's activation; its
/// first error, `locked`, says who that is. It ends as `free` where nobody holds the lock, and as `busy` where the
/// host itself does, which nobody can ask.
///
/// # Errors
/// When the session breaks.
pub async fn unlock(
    session: &Session,
    host: &Host,
    environment: &Environment,
    asker: &str,
) -> Result<Activation> {
    let command = scripts::command(scripts::UNLOCK, host, environment).arg(asker);
    let lines = session.stream(&command, Vec::new()).await?;
    Ok(Activation::new(host.name.to_string(), lines))
}
