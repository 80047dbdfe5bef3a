//! The texts of the scripts: those that are sent with each command, and those that a host keeps.

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result};
use crate::inventory::{Environment, Host};
use crate::ssh::{Command, Output, Session};

/// What stands in front of every script.
macro_rules! lib {
    () => {
        concat!(include_str!("scripts/lib.sh"), include_str!("scripts/layout.sh"))
    };
}
#[cfg(test)]
pub(super) use lib;

/// Looks at the host.
pub(super) const PROBE: Own = Own {
    name: "probe.sh",
    text: concat!(lib!(), include_str!("scripts/listening.sh"), include_str!("scripts/probe.sh")),
};
/// Takes a release and starts its activation.
pub(super) const RECEIVE: Own = Own {
    name: "receive.sh",
    text: concat!(lib!(), include_str!("scripts/follow.sh"), include_str!("scripts/receive.sh")),
};
/// Tells a waiting activation to stay or to go back.
pub(super) const ANSWER: Own =
    Own { name: "answer.sh", text: concat!(lib!(), include_str!("scripts/answer.sh")) };
/// Follows a running activation again.
pub(super) const RESUME: &str =
    concat!(lib!(), include_str!("scripts/follow.sh"), include_str!("scripts/resume.sh"));
/// Prints files that lie on the host.
pub(super) const TEXTS: Own =
    Own { name: "texts.sh", text: concat!(lib!(), include_str!("scripts/texts.sh")) };
/// Prints the audit log.
pub(super) const HISTORY: &str = concat!(lib!(), include_str!("scripts/history.sh"));
/// Tells what a probe does not.
pub(super) const STATUS: &str = concat!(lib!(), include_str!("scripts/status.sh"));
/// Asks the holder of the lock to go back.
pub(super) const UNLOCK: &str =
    concat!(lib!(), include_str!("scripts/follow.sh"), include_str!("scripts/unlock.sh"));
/// Waits for the lock.
pub(super) const AWAIT_LOCK: &str = concat!(lib!(), include_str!("scripts/await-lock.sh"));

/// Runs SQL in a database of a container.
pub(super) const ROLE: &str = concat!(lib!(), include_str!("scripts/role.sh"));

/// Prints a service's log.
pub(super) const LOGS: &str = concat!(lib!(), include_str!("scripts/logs.sh"));

/// Writes a line into a service's log and into the journal.
pub(super) const CANARY: &str = concat!(lib!(), include_str!("scripts/canary.sh"));
/// Measures what the stack uses.
pub(super) const OVERHEAD: &str = concat!(lib!(), include_str!("scripts/overhead.sh"));

/// Says how each container logs.
pub(super) const LOG_DRIVERS: &str = concat!(lib!(), include_str!("scripts/log-drivers.sh"));

/// What a key is bound to that may only plan; it chooses between the host's own copies of the probe and the texts.
const PLAN_ONLY: &str = "plan-only.sh";

/// The command to which a line of `authorized_keys` binds a key that may only plan this environment on `host`. All in it
/// is made of characters that no shell reads its own way, which the inventory sees to.
#[must_use]
pub fn plan_only_command(host: &Host, environment: &Environment) -> String {
    let sudo = if host.sudo { "sudo -n " } else { "" };
    let (remote, project) = (&environment.remote.path, &environment.project);
    let records = super::layout::records(project);
    format!("exec {sudo}/bin/sh {records}/bin/{PLAN_ONLY} {remote} {project} \"$SSH_ORIGINAL_COMMAND\"")
}

/// The scripts that a host keeps in `bin` of its records, by name.
#[must_use]
pub fn installed() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("lib.sh", lib!().to_owned()),
        ("unseal-lib.sh", include_str!("scripts/unseal-lib.sh").to_owned()),
        (
            "verbs.sh",
            concat!(
                include_str!("scripts/verbs.sh"),
                include_str!("scripts/validate.sh"),
                include_str!("scripts/move.sh")
            )
            .to_owned(),
        ),
        ("activate.sh", include_str!("scripts/activate.sh").to_owned()),
        ("boot.sh", include_str!("scripts/boot.sh").to_owned()),
        (PROBE.name, PROBE.text.to_owned()),
        (RECEIVE.name, RECEIVE.text.to_owned()),
        (ANSWER.name, ANSWER.text.to_owned()),
        (TEXTS.name, TEXTS.text.to_owned()),
        (PLAN_ONLY, include_str!("scripts/plan-only.sh").to_owned()),
    ])
}

/// Runs a script about the environment's stack on one of its hosts, as root; the script's own arguments come after these.
pub(super) fn command(text: &'static str, host: &Host, environment: &Environment) -> Command {
    on(Command::script(text), host, environment)
}

/// Says which stack, and who runs the command.
fn on(command: Command, host: &Host, environment: &Environment) -> Command {
    command.arg(&environment.remote.path).arg(&environment.project).sudo(host.sudo)
}

/// The exit status of `installed.sh` when the host has no copy of a script, or another version.
const NOT_THERE: u32 = 90;

/// The exit status of every script where it does not run as root.
const NOT_ROOT: u32 = 91;

/// The exit status of a key that may only plan, where more is asked of it.
const NOT_ALLOWED: u32 = 92;

/// Runs a command that was made here to its end.
///
/// # Errors
/// When the session breaks, or the login is not root there.
pub(super) async fn exec(
    session: &Session,
    host: &Host,
    command: &Command,
    input: Vec<u8>,
) -> Result<Output> {
    let output = session.exec(command, input).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    as_root(&host.name.0, host.sudo, output.status, &said)?;
    Ok(output)
}

/// Refuses what a login answered that is not root, as it sees less than there is, or whose key may only plan.
///
/// # Errors
/// Unreachable, with what to write into the inventory.
pub(super) fn as_root(name: &str, sudo: bool, status: u32, said: &str) -> Result<()> {
    super::layout::sound(name, status, said)?;
    if status != NOT_ROOT && status != NOT_ALLOWED {
        return Ok(());
    }
    let said = said.lines().last().unwrap_or_default();
    if status == NOT_ALLOWED {
        return Err(not_allowed(name, said));
    }
    let error = Error::new(Kind::Unreachable, "become root on the host").host(name).cause(said);
    Err(if sudo {
        error.hint("`sudo: true` is set, but sudo leads to another user there: `sudo -n id` shows to which.")
    } else {
        error.hint(format!(
            "Set `sudo: true` for `{name}` in the inventory, or log in as root: `user: root`. \
             To be in the group docker is not enough: only root may read what a deploy left."
        ))
    })
}

/// What a key cannot do that may only plan.
fn not_allowed(name: &str, said: &str) -> Error {
    let error = Error::new(Kind::Unreachable, "ask the host").host(name).cause(said);
    error.hint(if said.contains("another version's") {
        "The next deploy by this version brings its scripts to the host; from then on the key can plan."
    } else {
        "The key's line in authorized_keys is one of `provision plan --authorize FILE`: with it \
         `provision plan --without-secrets` works, and nothing else."
    })
}

/// A script that is used in every deploy, so that a host keeps a copy: what is there is not sent again.
pub(super) struct Own {
    /// Its file in `bin` of the records.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl Own {
    /// Sends the script itself.
    pub(super) fn sent(&self, host: &Host, environment: &Environment, args: &[&str]) -> Command {
        Self::with(Command::script(self.text), host, environment, args)
    }

    /// Runs the host's copy; where that is no copy of this version the command ends with [`NOT_THERE`].
    pub(super) fn kept(&self, host: &Host, environment: &Environment, args: &[&str]) -> Command {
        let digest = crate::stack::short_digest(self.text.as_bytes());
        let command = Command::script(include_str!("scripts/installed.sh"))
            .arg(&environment.project)
            .arg(self.name)
            .arg(digest);
        Self::with(command, host, environment, args)
    }

    fn with(command: Command, host: &Host, environment: &Environment, args: &[&str]) -> Command {
        args.iter().fold(on(command, host, environment), Command::arg)
    }

    /// Runs the host's copy with `input`, and sends the script only where there is none.
    ///
    /// # Errors
    /// When the session breaks, or the login is not root there.
    pub(super) async fn exec(
        &self,
        session: &Session,
        host: &Host,
        environment: &Environment,
        args: &[&str],
        input: &[u8],
    ) -> Result<Output> {
        let output = exec(session, host, &self.kept(host, environment, args), input.to_vec()).await?;
        if output.status != NOT_THERE {
            return Ok(output);
        }
        exec(session, host, &self.sent(host, environment, args), input.to_vec()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_may_only_plan_says_so() {
        let refused = |why: &str| {
            let error = as_root("vps", true, NOT_ALLOWED, &format!("this key may only plan: {why}\n"));
            let error = error.unwrap_err();
            format!("{error} | {}", error.hints().join(" "))
        };
        insta::assert_snapshot!(refused("no other command is run"), @"ask the host: this key may only plan: no other command is run | The key's line in authorized_keys is one of `provision plan --authorize FILE`: with it `provision plan --without-secrets` works, and nothing else.");
        insta::assert_snapshot!(refused("the scripts on this host are another version's"), @"ask the host: this key may only plan: the scripts on this host are another version's | The next deploy by this version brings its scripts to the host; from then on the key can plan.");
    }

    fn refusal(sudo: bool) -> String {
        as_root("vps", sudo, 0, "").unwrap();
        let error = as_root("vps", sudo, NOT_ROOT, "the login is ann, which is not root\n").unwrap_err();
        format!("{:?} {error} | {}", error.kind(), error.hints().join(" "))
    }

    #[test]
    fn a_login_that_is_not_root_is_told_what_to_set() {
        insta::assert_snapshot!(refusal(false), @"Unreachable become root on the host: the login is ann, which is not root | Set `sudo: true` for `vps` in the inventory, or log in as root: `user: root`. To be in the group docker is not enough: only root may read what a deploy left.");
        insta::assert_snapshot!(refusal(true), @"Unreachable become root on the host: the login is ann, which is not root | `sudo: true` is set, but sudo leads to another user there: `sudo -n id` shows to which.");
    }
}
