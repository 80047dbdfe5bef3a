//! Alertmanager: its running configuration.

use serde::Deserialize;

use super::configuration;
use super::http::Answer;
use super::verdict::{Verdict, json, unless_ok};

/// Where the running configuration is (the same from 0.16 to 0.34).
pub const STATUS: &str = "/api/v2/status";

#[derive(Deserialize)]
struct Status {
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    // Despite its name not the text of the file: the parsed configuration, printed with defaults.
    original: String,
}

/// Judges [`STATUS`]: what runs means `sent`. A failed reload shows as the old configuration.
#[must_use]
pub fn configuration(service: &str, sent: &str, answer: &Answer) -> Verdict {
    if let Some(verdict) = unless_ok(service, STATUS, answer) {
        return verdict;
    }
    match json::<Status>(service, STATUS, answer) {
        Ok(status) => configuration::judge(service, sent, &status.config.original),
        Err(verdict) => verdict,
    }
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

    #[test]
    fn the_recorded_configuration_means_what_was_sent() {
        let verdict = configuration("alertmanager", SENT, &recorded("alertmanager-0.25/status"));
        insta::assert_snapshot!(show(&verdict), @"holds: runs as sent");
    }

    #[test]
    fn each_changed_field_is_named() {
        let with = |from, to| {
            show(&configuration("alertmanager", SENT, &changed("alertmanager-0.25/status", from, to)))
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
    fn a_login_in_front_of_it_is_a_refusal() {
        let verdict = configuration("alertmanager", SENT, &json(401, r#"{"message":"Unauthorized"}"#));
        insta::assert_snapshot!(show(&verdict), @r"
        refused: alertmanager: 401 from /api/v2/status, Unauthorized
        The service asks for a login that `provision` does not have: look for access rules in the configuration of alertmanager.
        ");
    }
}
