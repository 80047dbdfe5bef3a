//! What a service says of its last reload.

use std::time::Duration;

use jiff::Timestamp;

use super::verdict::{Verdict, see_log};
use crate::logfmt;
use crate::plan::check::Finding;

/// How long a service may say that its last reload failed: one that was just asked for may be under way still. After that
/// nothing but another reload changes it.
const UNDER_WAY: Duration = Duration::from_secs(5);
/// The words by which a finding tells of a reload that failed.
const FAILED: &str = "the last reload failed";

/// The verdict on a service whose last reload failed, as `field` of its answer says.
pub(super) fn failed(service: &str, field: &str) -> Verdict {
    Verdict::not_yet(
        format!("{service}: {FAILED} ({field})"),
        format!("Its log names the file and the line. {}", see_log(service)),
    )
    .for_at_most(UNDER_WAY)
}

/// Whether a finding tells of a reload that failed, so that the service's log has the cause.
#[must_use]
pub fn has_failed(finding: &Finding) -> bool {
    finding.fails() && finding.found.contains(FAILED)
}

/// What the log of Prometheus or Alertmanager says of the reload that failed last: the errors about a configuration.
#[must_use]
pub fn cause(log: &[String]) -> Option<String> {
    let mut causes: Vec<String> = Vec::new();
    for line in log.iter().rev() {
        let is_error = logfmt::field(line, "level").is_some_and(|level| level.eq_ignore_ascii_case("error"));
        let message = logfmt::field(line, "msg").unwrap_or_default().to_lowercase();
        if !is_error || !["config", "reload", "rule"].iter().any(|word| message.contains(word)) {
            continue;
        }
        let Some(why) = logfmt::field(line, "err").filter(|why| !why.is_empty() && !causes.contains(why))
        else {
            continue;
        };
        causes.insert(0, why);
        if causes.len() == 2 {
            break;
        }
    }
    (!causes.is_empty()).then(|| causes.join("; "))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(log: &str) -> String {
        cause(&log.lines().map(str::to_owned).collect::<Vec<_>>()).unwrap_or_else(|| "nothing".to_owned())
    }

    /// Prometheus 2.53 and 3.13, Alertmanager 0.28, each with docker's time in front.
    #[test]
    fn the_log_has_the_cause_of_a_reload_that_failed() {
        insta::assert_snapshot!(of(r#"
2026-11-28T05:40:00.1Z ts=2026-11-28T05:40:00.1Z caller=manager.go:1 level=error component="scrape manager" msg="scrape failed" err="no"
2026-11-28T05:40:01.1Z ts=2026-11-28T05:40:01.1Z caller=main.go:957 level=error msg="Error reloading config" err="couldn't load configuration (--config.file=\"/etc/prometheus/prometheus.yml\"): parsing YAML file /etc/prometheus/prometheus.yml: not a valid duration string: \"15x\""
2026-11-28T05:40:02.1Z ts=2026-11-28T05:40:02.1Z caller=db.go:1 level=info msg="compacted""#), @r#"couldn't load configuration (--config.file="/etc/prometheus/prometheus.yml"): parsing YAML file /etc/prometheus/prometheus.yml: not a valid duration string: "15x""#);
        insta::assert_snapshot!(of(r#"
2026-11-28T05:40:01.1Z time=2026-11-28T05:40:01.1Z level=ERROR source=main.go:1 msg="Failed to apply configuration" err="error loading rules: a.yml: 3:1: unknown"
2026-11-28T05:40:01.1Z time=2026-11-28T05:40:01.1Z level=ERROR source=main.go:2 msg="Error reloading config" err="one or more errors occurred while applying the new configuration""#), @"error loading rules: a.yml: 3:1: unknown; one or more errors occurred while applying the new configuration");
        insta::assert_snapshot!(of(r#"2026-11-28T05:40:01.1Z time=2026-11-28T05:40:01.1Z level=ERROR source=coordinator.go:117 msg="Loading configuration file failed" component=configuration file=/etc/alertmanager/alertmanager.yml err="undefined receiver \"x\" used in route""#), @r#"undefined receiver "x" used in route"#);
        insta::assert_snapshot!(of("2026-11-28T05:40:01.1Z hello"), @"nothing");
    }
}
