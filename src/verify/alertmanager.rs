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
        insta::assert_snapshot!(show(&verdict), @"");
    }

    #[test]
    fn each_changed_field_is_named() {
        let with = |from, to| {
            show(&configuration("alertmanager", SENT, &changed("alertmanager-0.25/status", from, to)))
        };
        insta::assert_snapshot!(with("resolve_timeout: 5m", "resolve_timeout: 6m"), @"");
        insta::assert_snapshot!(with("  receiver: none", "  receiver: mail"), @"");
        insta::assert_snapshot!(with("- name: none", "- name: nobody"), @"");
        insta::assert_snapshot!(with("\"original\"", "\"text\""), @"");
        insta::assert_snapshot!(with("templates: []", "inhibit_rules: [{equal: [a]}]"), @"");
    }

    #[test]
    fn a_login_in_front_of_it_is_a_refusal() {
        let verdict = configuration("alertmanager", SENT, &json(401, r#"{"message":"Unauthorized"}"#));
        insta::assert_snapshot!(show(&verdict), @"");
    }
}
