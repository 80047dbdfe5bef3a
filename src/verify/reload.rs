//! What a service says of its last reload.

use jiff::Timestamp;

use super::verdict::{Verdict, see_log};

/// The verdict on a service whose last reload failed, as `field` of its answer says.
pub(super) fn failed(service: &str, field: &str) -> Verdict {
    Verdict::not_yet(
        format!("{service}: the last reload failed ({field})"),
        format!("Its log names the file and the line. {}", see_log(service)),
    )
}

/// The verdict on a service that should have reloaded since a time, where it did not: `last` is when it last did, as
/// `field` of its answer says. Both are of the host's clock, in whole seconds.
pub(super) fn not_since(
    service: &str,
    field: &str,
    last: Timestamp,
    since: Option<Timestamp>,
) -> Option<Verdict> {
    let since = since.filter(|since| last.as_second() < since.as_second())?;
    Some(Verdict::not_yet(
        format!(
            "{service} has not reloaded since this deploy began: {field} is {last}, the deploy began {since}"
        ),
        format!("The signal to reload did not reach it, or it is busy. {}", see_log(service)),
    ))
}
