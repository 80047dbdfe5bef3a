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
/// Prints a kept release's checks.
pub(super) const CHECKS: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/checks.sh"));

/// Prints a service's log.
pub(super) const LOGS: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/logs.sh"));

/// Writes a line into a service's log and into the journal.
pub(super) const CANARY: &str = concat!(include_str!("scripts/lib.sh"), include_str!("scripts/canary.sh"));
/// Measures what the stack uses.
pub(super) const OVERHEAD: &str =
    concat!(include_str!("scripts/lib.sh"), include_str!("scripts/overhead.sh"));

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
