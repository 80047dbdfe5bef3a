//! The host's lock: waiting for it, and asking its holder to go back.

use std::time::Duration;

use super::activation::Span;
use super::history::Actor;
use super::{Activation, scripts};
use crate::error::Result;
use crate::inventory::{Environment, Host};
use crate::ssh::Session;

/// How much longer than its limit the wait on the host may last, as seen from here.
const SPARE: Duration = Duration::from_secs(60);

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
    let command = scripts::command(scripts::AWAIT_LOCK, host, environment)
        .arg(limit.as_secs().to_string())
        .silent_for(limit + SPARE);
    let output = scripts::exec(session, host, &command, Vec::new()).await?;
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
    // No image is pulled on the way back, and what it may take is not known here: whoever follows it has a limit.
    Ok(Activation::new(host, lines, Span::of(environment, 0, Duration::ZERO)))
}

/// Who holds the lock, for a person: what, who, since when. `line` is what the holder wrote: `process P, release ID,
/// since TIME, by {JSON}`, or `process P, the host itself (finish), since TIME`. A line of another form stays as it is.
pub(super) fn holder(line: &str) -> String {
    let line = line.trim();
    let told = || {
        let (process, rest) = line.strip_prefix("process ")?.split_once(", ")?;
        if let Some((unit, since)) =
            rest.strip_prefix("the host itself (").and_then(|rest| rest.split_once("), since "))
        {
            return Some(format!(
                "the host itself, which goes back to what ran before ({unit}), since {} (process {process})",
                moment(since)
            ));
        }
        let (release, rest) = rest.strip_prefix("release ")?.split_once(", since ")?;
        let (since, actor) = rest.split_once(", by ")?;
        let actor: Actor = serde_json::from_str(actor).ok()?;
        Some(format!(
            "{} of release {release} by {actor}, since {} (process {process})",
            if actor.command == "rollback" { "the rollback" } else { "the deploy" },
            moment(since)
        ))
    };
    told().unwrap_or_else(|| line.to_owned())
}

/// A time as people compare it, like those of the history.
fn moment(time: &str) -> String {
    time.parse::<jiff::Timestamp>()
        .map_or_else(|_| time.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_told_by_who_what_and_when() {
        let lines = [
            r#"process 7, release 0a, since 2026-11-28T05:00:00Z, by {"user":"ann","from":"laptop","commit":"0123456789abcdef","dirty":true,"command":"deploy"}"#,
            r#"process 7, release 0a, since 2026-11-28T05:00:00Z, by {"user":"ann","from":"","commit":null,"command":"rollback"}"#,
            "process 9, the host itself (mend), since 2026-11-28T05:00:00Z",
            "unknown",
            "process 7, release 0a, since 2026-11-28T05:00:00Z, by {\"user\":",
        ];
        insta::assert_snapshot!(lines.map(holder).join("\n"), @r#"
        the deploy of release 0a by ann from laptop, commit 0123456789ab+dirty, since 2026-11-28 05:00:00Z (process 7)
        the rollback of release 0a by ann, since 2026-11-28 05:00:00Z (process 7)
        the host itself, which goes back to what ran before (mend), since 2026-11-28 05:00:00Z (process 9)
        unknown
        process 7, release 0a, since 2026-11-28T05:00:00Z, by {"user":
        "#);
    }
}
