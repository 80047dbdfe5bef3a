//! `provision unlock`: asks whoever deploys to a host to go back. Takes no lock away.

use super::{Context, hosts, reach};
use crate::error::{Error, Kind, Result};
use crate::host::{self, Ended};
use crate::outcome::{ExitCode, Outcome};

/// Runs the command.
pub(super) async fn run(context: &Context<'_>, environment: Option<&str>) -> Result<ExitCode> {
    let asker = hosts::user();
    hosts::each(
        context,
        environment,
        async |environment, host, events| {
            let session = reach::connect(environment, host, events).await?;
            let mut activation = host::unlock(&session, host, environment, &asker).await?;
            let patience = environment.deploy.verify_timeout + environment.deploy.confirm_timeout;
            let followed = tokio::time::timeout(patience, async {
                loop {
                    // That it waits for its controller is on the way to its end.
                    if let Some(ended) = activation.follow(events).await? {
                        return Ok(ended);
                    }
                }
            });
            let ended = followed.await.map_err(|_| slow(patience.as_secs(), &environment.project))??;
            session.close().await;
            became(&ended, &environment.project)
        },
        |reporter, host, text| {
            reporter.answer(host, text);
            Outcome::Verified
        },
    )
    .await
}

/// What became of the holder.
fn became(ended: &Ended, project: &str) -> Result<String> {
    let holder = ended.errors.iter().find(|(word, _)| word == "locked").map(|(_, text)| text.as_str());
    let held = format!("it was held by {}", holder.unwrap_or("nobody known"));
    match ended.outcome.as_str() {
        "free" => Ok("nobody holds the lock".to_owned()),
        "returned" => Ok(format!("{held}; the host went back to what ran before, and the lock is free")),
        "refused" | "stale" => Ok(format!("{held}; it ended without a change, and the lock is free")),
        "deployed" => Ok(format!("{held}; too late, its release was confirmed already; the lock is free")),
        "busy" => Err(Error::new(Kind::Locked, "free the host's lock")
            .cause(held)
            .cause("the host carries out a way back by itself, which cannot be asked to stop")
            .hint("Wait for it; `provision status` shows when the lock is free.")),
        "vanished" => Err(Error::new(Kind::Stuck, "free the host's lock")
            .cause(held)
            .cause("it ended without a word; the host goes back by itself")),
        other => Err(Error::new(Kind::Stuck, "free the host's lock")
            .cause(held)
            .cause(format!("its way back ended as {other}"))
            .hint(format!("Look at the host: `systemctl status provision-{project}`, `docker ps -a`."))),
    }
}

fn slow(seconds: u64, project: &str) -> Error {
    Error::new(Kind::Locked, "free the host's lock")
        .cause(format!("its holder was asked to go back and has not ended within {seconds} s"))
        .hint(format!(
            "If it hangs: `systemctl stop provision-{project}` on the host ends it, and systemd carries out the way back."
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_told() {
        let told = |outcome: &str| {
            let errors = vec![("locked".to_owned(), "process 7, release 0a, by ann".to_owned())];
            let ended = Ended {
                outcome: outcome.to_owned(),
                errors,
                container_log: Vec::new(),
                returning: None,
                validations: Vec::new(),
            };
            match became(&ended, "p") {
                Ok(text) => text,
                Err(error) => format!("{:?} {error} | {}", error.kind(), error.hints().join(" ")),
            }
        };
        let all =
            ["free", "returned", "refused", "deployed", "busy", "vanished", "stuck"].map(told).join("\n");
        insta::assert_snapshot!(all, @r"
        nobody holds the lock
        it was held by process 7, release 0a, by ann; the host went back to what ran before, and the lock is free
        it was held by process 7, release 0a, by ann; it ended without a change, and the lock is free
        it was held by process 7, release 0a, by ann; too late, its release was confirmed already; the lock is free
        Locked free the host's lock: it was held by process 7, release 0a, by ann: the host carries out a way back by itself, which cannot be asked to stop | Wait for it; `provision status` shows when the lock is free.
        Stuck free the host's lock: it was held by process 7, release 0a, by ann: it ended without a word; the host goes back by itself | 
        Stuck free the host's lock: it was held by process 7, release 0a, by ann: its way back ended as stuck | Look at the host: `systemctl status provision-p`, `docker ps -a`.
        ");
        let error = slow(240, "p");
        insta::assert_snapshot!(format!("{error} | {}", error.hints().join(" ")), @"free the host's lock: its holder was asked to go back and has not ended within 240 s | If it hangs: `systemctl stop provision-p` on the host ends it, and systemd carries out the way back.");
    }
}
