//! The texts of the scripts: those that are sent with each command, and those that a host keeps.

use std::collections::BTreeMap;

/// Looks at the host.
pub(super) const PROBE: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/probe.sh"));
/// Takes a release and starts its activation.
pub(super) const RECEIVE: &str = concat!(
    include_str!("scripts/lib.sh"),
    include_str!("scripts/follow.sh"),
    include_str!("scripts/receive.sh")
);
/// Follows a running activation again.
pub(super) const RESUME: &str = concat!(
    include_str!("scripts/lib.sh"),
    include_str!("scripts/follow.sh"),
    include_str!("scripts/resume.sh")
);
/// Tells a waiting activation to stay or to go back.
pub(super) const ANSWER: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/answer.sh"));
/// Prints files that lie on the host.
pub(super) const TEXTS: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/texts.sh"));
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

/// Prints a service's log.
pub(super) const LOGS: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/logs.sh"));

/// The scripts that a host keeps in `.provision/bin`, by name.
#[must_use]
pub fn installed() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("lib.sh", include_str!("scripts/lib.sh").to_owned()),
        ("unseal-lib.sh", include_str!("scripts/unseal-lib.sh").to_owned()),
        ("verbs.sh", include_str!("scripts/verbs.sh").to_owned()),
        ("activate.sh", include_str!("scripts/activate.sh").to_owned()),
        ("boot.sh", include_str!("scripts/boot.sh").to_owned()),
    ])
}
