//! The texts of the scripts: those that are sent with each command, and those that a host keeps.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::inventory::{Environment, Host};
use crate::ssh::{Command, Output, Session};

/// Looks at the host.
pub(super) const PROBE: Own = Own {
    name: "probe.sh",
    text: concat!(
        include_str!("scripts/lib.sh"),
        include_str!("scripts/listening.sh"),
        include_str!("scripts/probe.sh")
    ),
};
/// Takes a release and starts its activation.
pub(super) const RECEIVE: Own = Own {
    name: "receive.sh",
    text: concat!(
        include_str!("scripts/lib.sh"),
        include_str!("scripts/follow.sh"),
        include_str!("scripts/receive.sh")
    ),
};
/// Tells a waiting activation to stay or to go back.
pub(super) const ANSWER: Own = Own {
    name: "answer.sh",
    text: concat!(include_str!("scripts/lib.sh"), include_str!("scripts/answer.sh")),
};
/// Follows a running activation again.
pub(super) const RESUME: &str = concat!(
    include_str!("scripts/lib.sh"),
    include_str!("scripts/follow.sh"),
    include_str!("scripts/resume.sh")
);
/// Prints files that lie on the host.
pub(super) const TEXTS: Own =
    Own { name: "texts.sh", text: concat!(include_str!("scripts/lib.sh"), include_str!("scripts/texts.sh")) };
/// Prints the audit log.
pub(super) const HISTORY: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/history.sh"));
/// Tells what a probe does not.
pub(super) const STATUS: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/status.sh"));
/// Asks the holder of the lock to go back.
pub(super) const UNLOCK: &str = concat!(
    include_str!("scripts/lib.sh"),
    include_str!("scripts/follow.sh"),
    include_str!("scripts/unlock.sh")
);
/// Waits for the lock.
pub(super) const AWAIT_LOCK: &str =
    concat!(include_str!("scripts/lib.sh"), include_str!("scripts/await-lock.sh"));

/// Runs SQL in a database of a container.
pub(super) const ROLE: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/role.sh"));

/// Prints a service's log.
pub(super) const LOGS: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/logs.sh"));

/// Writes a line into a service's log and into the journal.
pub(super) const CANARY: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/canary.sh"));
/// Measures what the stack uses.
pub(super) const OVERHEAD: &str =
    concat!(include_str!("scripts/lib.sh"), include_str!("scripts/overhead.sh"));

/// Says how each container logs.
pub(super) const LOG_DRIVERS: &str =
    concat!(include_str!("scripts/lib.sh"), include_str!("scripts/log-drivers.sh"));

/// The scripts that a host keeps in `.provision/bin`, by name.
#[must_use]
pub fn installed() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("lib.sh", include_str!("scripts/lib.sh").to_owned()),
        ("unseal-lib.sh", include_str!("scripts/unseal-lib.sh").to_owned()),
        (
            "verbs.sh",
            concat!(include_str!("scripts/verbs.sh"), include_str!("scripts/validate.sh")).to_owned(),
        ),
        ("activate.sh", include_str!("scripts/activate.sh").to_owned()),
        ("boot.sh", include_str!("scripts/boot.sh").to_owned()),
        (PROBE.name, PROBE.text.to_owned()),
        (RECEIVE.name, RECEIVE.text.to_owned()),
        (ANSWER.name, ANSWER.text.to_owned()),
        (TEXTS.name, TEXTS.text.to_owned()),
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

/// A script that is used in every deploy, so that a host keeps a copy: what is there is not sent again.
pub(super) struct Own {
    /// Its file in `.provision/bin`.
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
            .arg(&environment.remote.path)
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
    /// When the session breaks.
    pub(super) async fn exec(
        &self,
        session: &Session,
        host: &Host,
        environment: &Environment,
        args: &[&str],
        input: &[u8],
    ) -> Result<Output> {
        let output = session.exec(&self.kept(host, environment, args), input.to_vec()).await?;
        if output.status != NOT_THERE {
            return Ok(output);
        }
        session.exec(&self.sent(host, environment, args), input.to_vec()).await
    }
}
