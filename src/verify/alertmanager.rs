//! Alertmanager: its running configuration.

use jiff::Timestamp;
use serde::Deserialize;

use super::configuration;
use super::http::Answer;
use super::reload;
use super::verdict::{Verdict, json, unless_ok};

/// Where the running configuration is (the same from 0.16 to 0.34).
pub const STATUS: &str = "/api/v2/status";
/// Where the result and the time of the last reload are.
pub const METRICS: &str = "/metrics";
/// Of [`METRICS`]: 1 when the last reload succeeded.
const RELOADED: &str = "alertmanager_config_last_reload_successful";
/// Of [`METRICS`]: when a reload last succeeded, seconds since 1970.
const RELOADED_AT: &str = "alertmanager_config_last_reload_success_timestamp_seconds";

#[derive(Deserialize)]
struct Status {
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    // Despite its name not the text of the file: the parsed configuration, printed with defaults.
    original: String,
}

/// Judges [`STATUS`] and [`METRICS`]: what runs means `sent`, and the last reload succeeded; where `since` is given, not
/// before that time of the host's clock. A failed reload shows as the old configuration, unless only a template of the
/// mails changed: then only the metrics tell.
#[must_use]
pub fn configuration(
    service: &str,
    sent: &str,
    since: Option<Timestamp>,
    metrics: &Answer,
    answer: &Answer,
) -> Verdict {
    if let Some(verdict) = unless_ok(service, STATUS, answer) {
        return verdict;
    }
    // Where it need not have reloaded, metrics that cannot be had are no failure.
    let reload = match since {
        Some(since) => not_reloaded(service, since, metrics),
        None => refused(service, metrics),
    };
    if let Some(verdict) = reload {
        return verdict;
    }
    match json::<Status>(service, STATUS, answer) {
        Ok(status) => configuration::judge(service, sent, &status.config.original),
        Err(verdict) => verdict,
    }
}

fn not_reloaded(service: &str, since: Timestamp, metrics: &Answer) -> Option<Verdict> {
    if let Some(verdict) = unless_ok(service, METRICS, metrics) {
        return Some(verdict);
    }
    let missing = |name: &str| {
        Verdict::not_yet(
            format!("{service}: {METRICS} has no {name}"),
            format!(
                "So it is not known whether {service} reloaded: ask it yourself with `provision tunnel`."
            ),
        )
    };
    if metric(metrics, RELOADED).is_none() {
        return Some(missing(RELOADED));
    }
    if let Some(verdict) = refused(service, metrics) {
        return Some(verdict);
    }
    // Whole seconds: the deploy's time has no more either.
    #[expect(clippy::cast_possible_truncation, reason = "a time of today")]
    let at = metric(metrics, RELOADED_AT).and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
    let Some(at) = at else { return Some(missing(RELOADED_AT)) };
    reload::not_since(service, RELOADED_AT, at, Some(since))
}

/// The verdict where the last reload failed.
fn refused(service: &str, metrics: &Answer) -> Option<Verdict> {
    let reloaded = metric(metrics, RELOADED)?;
    (reloaded < 1.0).then(|| reload::failed(service, &format!("{RELOADED} is {reloaded}")))
}

/// The value of a metric without labels.
fn metric(answer: &Answer, name: &str) -> Option<f64> {
    let text = String::from_utf8_lossy(&answer.body);
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::recorded::{changed, json, recorded, show};

    const SENT: &str = "
global: {resolve_timeout: 300s}
route: {receiver: none}
receivers: [{name: none}]
";

    fn metrics() -> Answer {
        recorded("alertmanager-0.25/metrics")
    }

    #[test]
    fn the_recorded_configuration_means_what_was_sent() {
        let verdict =
            configuration("alertmanager", SENT, None, &metrics(), &recorded("alertmanager-0.25/status"));
        insta::assert_snapshot!(show(&verdict), @"holds: runs as sent");
    }

    #[test]
    fn each_changed_field_is_named() {
        let with = |from, to| {
            show(&configuration(
                "alertmanager",
                SENT,
                None,
                &metrics(),
                &changed("alertmanager-0.25/status", from, to),
            ))
        };
        insta::assert_snapshot!(with("resolve_timeout: 5m", "resolve_timeout: 6m"), @r"
        not yet: alertmanager runs another configuration: global.resolve_timeout: sent 300s, running 6m
        It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs alertmanager`.
        ");
        insta::assert_snapshot!(with("  receiver: none", "  receiver: mail"), @r"
        not yet: alertmanager runs another configuration: route.receiver: sent none, running mail
        It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs alertmanager`.
        ");
        insta::assert_snapshot!(with("- name: none", "- name: nobody"), @r"
        not yet: alertmanager runs another configuration: receivers[none].name: sent none, running nobody
        It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs alertmanager`.
        ");
        insta::assert_snapshot!(with("\"original\"", "\"text\""), @r"
        not yet: alertmanager: /api/v2/status answered something unexpected (application/json): missing field `original` at line 1 column 647
        Something else may listen on that port, or this version of alertmanager answers differently: ask it yourself with `provision tunnel`.
        ");
        insta::assert_snapshot!(with("templates: []", "inhibit_rules: [{equal: [a]}]"), @r#"
        not yet: alertmanager runs another configuration: inhibit_rules: sent nothing, running [{"equal":["a"]}]
        It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs alertmanager`.
        "#);
    }

    #[test]
    fn a_reload_must_be_of_this_deploy() {
        // The recorded Alertmanager read its configuration at 17:44:35.558.
        let at = |since: &str, metrics: &Answer| {
            let since = Some(since.parse().unwrap());
            show(&configuration("alertmanager", SENT, since, metrics, &recorded("alertmanager-0.25/status")))
        };
        let metrics = recorded("alertmanager-0.25/metrics");
        assert_eq!(at("2026-11-24T17:44:35Z", &metrics), "holds: runs as sent");
        insta::assert_snapshot!(at("2026-11-24T17:44:36Z", &metrics), @r"
        not yet: alertmanager has not reloaded since this deploy began: alertmanager_config_last_reload_success_timestamp_seconds is 2026-11-24T17:44:35Z, the deploy began 2026-11-24T17:44:36Z
        The signal to reload did not reach it, or it is busy. Read what the service says: `provision logs alertmanager`.
        ");
        let with = |from, to| at("2026-11-24T17:44:35Z", &changed("alertmanager-0.25/metrics", from, to));
        insta::assert_snapshot!(with("_reload_successful 1", "_reload_successful 0"), @r"
        not yet: alertmanager: the last reload failed (alertmanager_config_last_reload_successful is 0)
        Its log names the file and the line. Read what the service says: `provision logs alertmanager`.
        ");
        insta::assert_snapshot!(with("\nalertmanager_config_last_reload_success_timestamp_seconds", "\nx"), @r"
        not yet: alertmanager: /metrics has no alertmanager_config_last_reload_success_timestamp_seconds
        So it is not known whether alertmanager reloaded: ask it yourself with `provision tunnel`.
        ");
        let missing = Answer { status: 404, ..metrics };
        insta::assert_snapshot!(at("2026-11-24T17:44:35Z", &missing), @r"
        refused: alertmanager: 404 from /metrics, # HELP alertmanager_alerts How many alerts by state.
        Something else may listen on that port, or alertmanager serves below another path: compare the ports and URLs of alertmanager in the compose file.
        ");
    }

    #[test]
    fn a_failed_reload_is_seen_at_any_time_and_metrics_that_are_not_there_are_no_failure() {
        let with = |metrics: &Answer| {
            show(&configuration("alertmanager", SENT, None, metrics, &recorded("alertmanager-0.25/status")))
        };
        let failed = changed("alertmanager-0.25/metrics", "_reload_successful 1", "_reload_successful 0");
        insta::assert_snapshot!(with(&failed), @r"
        not yet: alertmanager: the last reload failed (alertmanager_config_last_reload_successful is 0)
        Its log names the file and the line. Read what the service says: `provision logs alertmanager`.
        ");
        assert_eq!(with(&json(404, "{}")), "holds: runs as sent");
    }

    #[test]
    fn a_login_in_front_of_it_is_a_refusal() {
        let verdict = configuration(
            "alertmanager",
            SENT,
            None,
            &metrics(),
            &json(401, r#"{"message":"Unauthorized"}"#),
        );
        insta::assert_snapshot!(show(&verdict), @r"
        refused: alertmanager: 401 from /api/v2/status, Unauthorized
        The service asks for a login that `provision` does not have: look for access rules in the configuration of alertmanager.
        ");
    }
}
