//! After an activation that did not succeed: why, and the proof that the host runs what ran before.

use std::fmt::Write as _;
use std::sync::Arc;

use super::project::Loaded;
use super::{reach, validation};
use crate::error::{Error, Kind, Result};
use crate::event;
use crate::host::{self, Ended};
use crate::inventory::Host;
use crate::plan::Plan;
use crate::plan::check::{Check, Finding};
use crate::ssh::Session;

/// The error for how an activation ended; `failed` are the checks that did not hold.
pub(super) fn explain(ended: &Ended, failed: &[Finding]) -> Error {
    let (kind, doing) = match ended.outcome.as_str() {
        "locked" => (Kind::Locked, "get the host's lock"),
        "stuck" => (Kind::Stuck, "go back to what ran before"),
        "vanished" => (Kind::Stuck, "follow the activation"),
        "stale" => (Kind::Failed, "activate the release as planned"),
        "refused" if ended.errors.iter().any(|(word, _)| word == "validate") => {
            (Kind::Failed, "validate the new configuration")
        }
        "refused" => (Kind::Failed, "send the release"),
        _ if failed.is_empty() => (Kind::Failed, "activate the release"),
        _ => (Kind::Failed, "prove the new release"),
    };
    let mut error = Error::new(kind, doing);
    for finding in failed {
        error = error.cause(format!("{}: {}", finding.check, finding.found));
        if !finding.remedy.is_empty() {
            error = error.hint(finding.remedy.clone());
        }
    }
    for (word, text) in &ended.errors {
        // That we asked for the way back is no cause of its own.
        if word == "returned" {
            continue;
        }
        if word == "validate" {
            error = validation::explain(error, ended, text);
            continue;
        }
        error = error.cause(if word == "locked" {
            format!("held by {text}")
        } else {
            text.trim_end_matches("; ").to_owned()
        });
        if let Some(hint) = hint(word, text) {
            error = error.hint(hint);
        }
    }
    if ended.errors.iter().any(|(word, _)| word == "validate") {
        error = error.hint(
            "The image's own tool read the rendered files before they were put in place. Paths are those in the container: \
             correct the template, or the variable that it was given.",
        );
    }
    error = error.output(ended.container_log.iter().cloned());
    match ended.outcome.as_str() {
        "vanished" => error.cause("the supervisor on the host ended without a word").hint(
            "Run `provision deploy` again: it takes up what was left and ends it. The activation's log is in \
             /var/lib/provision/<project>/records/log on the host.",
        ),
        "stuck" => error.hint(
            "Look at the host: `docker ps -a`, and /var/lib/provision/<project>/records/log. Then deploy a release that works.",
        ),
        "refused" | "stale" => error.note("Nothing was changed there: what ran before still runs."),
        _ => error,
    }
}

/// The error when the probe finds that somebody else is at it.
pub(super) fn locked(holder: &str) -> Error {
    let error = Error::new(Kind::Locked, "get the host's lock").cause(format!("held by {holder}"));
    hint("locked", "").into_iter().fold(error, Error::hint)
}

fn hint(word: &str, text: &str) -> Option<&'static str> {
    Some(match word {
        "pull" => {
            "Is the name right, does that tag exist, and may this host pull it? Try `docker pull` there."
        }
        "disk" if text.contains("is mounted read-only") => {
            "A disk with errors becomes so: `dmesg` and `findmnt` on the host say more; `mount -o remount,rw` with that folder makes it writable again."
        }
        "disk" if text.contains("room for 0 new files") => {
            "Many small files fill it, not large ones: `df -i` on the host shows where, `du --inodes -x / | sort -n | tail` in which folders."
        }
        "disk" if text.contains(" /run/") => {
            "/run is memory: `du -xsh /run/* | sort -h` on the host shows what fills it."
        }
        "compose" => {
            "Install it again: the package docker-compose (Debian 13) or docker-compose-plugin (Docker's own)."
        }
        "docker" => "`systemctl status docker` and `journalctl -u docker` on the host say how docker is.",
        "disk" => {
            "Make room on the host: `docker system df` and `journalctl --disk-usage` show what is large."
        }
        "up" => {
            "compose's own words are above; `docker compose config` on the rendered files shows what it reads."
        }
        "container" => "The container's last log lines are above.",
        "role" => {
            "Does the application's database run, and are container, superuser and database those of the inventory?              `docker ps` there, and docs/application.md."
        }
        "unseal" => {
            "The host opens the bundle with its own SSH host key: did that change? A new deploy seals it anew."
        }
        "locked" => "Wait for the other deploy to end and try again.",
        "stale" => "Somebody or something changed the host meanwhile: deploy again.",
        "stream" => "The connection was cut while sending: deploy again.",
        "owner" => {
            "Correct `remote: {group: …}` in the inventory, or make the group on the host: `groupadd --system NAME`."
        }
        "settle" => {
            "A container did not become what the release declares: `provision logs SERVICE` shows what it says."
        }
        "unconfirmed" => "The host could not be reached again in time, and went back by itself.",
        _ => return None,
    })
}

/// Proves that the host is back: by the old release's own checks, or for a first deploy that nothing runs.
/// Gives a sentence for the operator: good news, and no hint.
///
/// A check that failed before the return too does not count: its cause lies outside of this deploy.
pub(super) async fn prove_old(
    loaded: &Arc<Loaded>,
    host: &Host,
    session: &Session,
    plan: &Plan,
    failed: &[Finding],
    events: &event::Sender,
) -> Result<String> {
    let name = host.name.to_string();
    let state = host::probe(session, host, &loaded.environment).await?;
    let wrong = |what: String| {
        Error::new(Kind::Stuck, "prove that the host is back where it was").host(name.clone()).cause(what)
    };
    let Some(old) = &plan.from else {
        return if state.containers.is_empty() && state.current.is_none() {
            Ok("This was the first deploy there: nothing of it runs, and its volumes were kept.".to_owned())
        } else {
            let left: Vec<&str> = state.containers.iter().map(|c| c.name.as_str()).collect();
            Err(wrong(format!("containers are left: {}", left.join(", "))))
        };
    };
    if state.current.as_ref() != Some(old) {
        return Err(wrong(format!("its current release is not {old}")));
    }
    let checks = host::old_checks(session, host, &loaded.environment, old).await?;
    // The password of an older secrets file is not known here.
    let known = |check: &Check| {
        check.secret().is_none_or(|secret| {
            state.fingerprints.get(secret) == loaded.secrets.fingerprint(secret).as_ref()
        })
    };
    let (asked, skipped): (Vec<Check>, Vec<Check>) = checks.into_iter().partition(known);
    let timeout = loaded.environment.deploy.verify_timeout;
    // Nor does one of a service that was not well before, or one that names it.
    let unwell = |finding: &Finding| {
        plan.unwell.iter().any(|service| {
            finding.found.contains(service.as_str())
                || asked.iter().any(|check| check.name == finding.check && check.service == *service)
        })
    };
    let outside =
        |finding: &Finding| failed.iter().any(|other| other.check == finding.check) || unwell(finding);
    let findings = reach::ask(loaded, &name, &reach::connections(session), &asked, timeout, events).await;
    let failing: Vec<&Finding> = findings.iter().filter(|finding| finding.fails()).collect();
    let new: Vec<String> =
        failing.iter().filter(|f| !outside(f)).map(|f| format!("{}: {}", f.check, f.found)).collect();
    if !new.is_empty() {
        return Err(wrong(new.join("; ")));
    }
    let mut text = format!("The host runs release {old} again, and that was verified.");
    if !failing.is_empty() {
        let names: Vec<&str> = failing.iter().map(|finding| finding.check.as_str()).collect();
        text = format!(
            "The host runs release {old} again. That one fails too: {}; so this deploy did not cause it.",
            names.join(", ")
        );
    }
    if !skipped.is_empty() {
        let names: Vec<&str> = skipped.iter().map(|check| check.name.as_str()).collect();
        let _ =
            write!(text, " Not checked, as its password is not in today's secrets: {}.", names.join(", "));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn text(outcome: &str, errors: &[(&str, &str)]) -> String {
        let ended = Ended {
            outcome: outcome.to_owned(),
            errors: errors.iter().map(|(word, text)| ((*word).to_owned(), (*text).to_owned())).collect(),
            container_log: Vec::new(),
            returning: None,
            validations: vec![("web".to_owned(), "FAILED: no such thing".to_owned())],
        };
        let error = explain(&ended, &[]);
        let mut text = format!("{:?} {error}\n", error.kind());
        for line in error.notes().iter().chain(error.hints()) {
            let _ = writeln!(text, "  {line}");
        }
        text
    }

    #[test]
    fn each_end_says_what_was_found_and_what_to_do() {
        let all = [
            text("returned", &[("pull", "lab/x:9: manifest unknown")]),
            text("returned", &[("container", "web: it crashes: restarted 1 times")]),
            text("returned", &[("up", "port is already allocated")]),
            text("returned", &[("unseal", "age: no identity matched any of the recipients")]),
            text("returned", &[("settle", "web: its health check has not passed yet; ")]),
            text("returned", &[("unconfirmed", "nobody confirmed the release within 240 s")]),
            text("refused", &[("disk", "the stream could not be written: /x has 0 MB free, and room for 9 new files")]),
            text("refused", &[("disk", "cannot write below /var/lib/provision/p/records: /var is mounted read-only")]),
            text("refused", &[("disk", "cannot make /var/lib/provision/p/records: /var has 90 MB free, and room for 0 new files")]),
            text("refused", &[("disk", "cannot write below /run/provision/p.control: /run has 0 MB free, and room for 9 new files")]),
            text("returned", &[("compose", "docker has no `compose` there any more")]),
            text("refused", &[("stream", "10 of 20 bytes arrived")]),
            text("refused", &[("owner", "there is no group koprogo")]),
            text("refused", &[("validate", "web 1")]),
            text("stale", &[("stale", "the host's files changed after it was looked at")]),
            text("locked", &[("locked", "process 1, release 2")]),
            text("stuck", &[("docker", "docker does not answer")]),
            text("vanished", &[]),
        ]
        .concat();
        insta::assert_snapshot!(all, @r"
        Failed activate the release: lab/x:9: manifest unknown
          Is the name right, does that tag exist, and may this host pull it? Try `docker pull` there.
        Failed activate the release: web: it crashes: restarted 1 times
          The container's last log lines are above.
        Failed activate the release: port is already allocated
          compose's own words are above; `docker compose config` on the rendered files shows what it reads.
        Failed activate the release: age: no identity matched any of the recipients
          The host opens the bundle with its own SSH host key: did that change? A new deploy seals it anew.
        Failed activate the release: web: its health check has not passed yet
          A container did not become what the release declares: `provision logs SERVICE` shows what it says.
        Failed activate the release: nobody confirmed the release within 240 s
          The host could not be reached again in time, and went back by itself.
        Failed send the release: the stream could not be written: /x has 0 MB free, and room for 9 new files
          Nothing was changed there: what ran before still runs.
          Make room on the host: `docker system df` and `journalctl --disk-usage` show what is large.
        Failed send the release: cannot write below /var/lib/provision/p/records: /var is mounted read-only
          Nothing was changed there: what ran before still runs.
          A disk with errors becomes so: `dmesg` and `findmnt` on the host say more; `mount -o remount,rw` with that folder makes it writable again.
        Failed send the release: cannot make /var/lib/provision/p/records: /var has 90 MB free, and room for 0 new files
          Nothing was changed there: what ran before still runs.
          Many small files fill it, not large ones: `df -i` on the host shows where, `du --inodes -x / | sort -n | tail` in which folders.
        Failed send the release: cannot write below /run/provision/p.control: /run has 0 MB free, and room for 9 new files
          Nothing was changed there: what ran before still runs.
          /run is memory: `du -xsh /run/* | sort -h` on the host shows what fills it.
        Failed activate the release: docker has no `compose` there any more
          Install it again: the package docker-compose (Debian 13) or docker-compose-plugin (Docker's own).
        Failed send the release: 10 of 20 bytes arrived
          Nothing was changed there: what ran before still runs.
          The connection was cut while sending: deploy again.
        Failed send the release: there is no group koprogo
          Nothing was changed there: what ran before still runs.
          Correct `remote: {group: …}` in the inventory, or make the group on the host: `groupadd --system NAME`.
        Failed validate the new configuration: web refuses its new configuration: no such thing
          Nothing was changed there: what ran before still runs.
          The image's own tool read the rendered files before they were put in place. Paths are those in the container: correct the template, or the variable that it was given.
        Failed activate the release as planned: the host's files changed after it was looked at
          Nothing was changed there: what ran before still runs.
          Somebody or something changed the host meanwhile: deploy again.
        Locked get the host's lock: held by process 1, release 2
          Wait for the other deploy to end and try again.
        Stuck go back to what ran before: docker does not answer
          `systemctl status docker` and `journalctl -u docker` on the host say how docker is.
          Look at the host: `docker ps -a`, and /var/lib/provision/<project>/records/log. Then deploy a release that works.
        Stuck follow the activation: the supervisor on the host ended without a word
          Run `provision deploy` again: it takes up what was left and ends it. The activation's log is in /var/lib/provision/<project>/records/log on the host.
        ");
    }
}
