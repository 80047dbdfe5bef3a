//! The comparison against what real servers print.

use super::*;
use crate::verify::recorded::{recorded, show};

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/configurations/{name}.yml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn change(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "nothing to change: {from}");
    text.replacen(from, to, 1)
}

#[test]
fn what_real_servers_print_means_what_was_sent() {
    for (sent, running) in [
        ("prometheus-sent", "prometheus-2.42-running"),
        ("prometheus-sent", "prometheus-2.53-running"),
        ("alertmanager-0.25-sent", "alertmanager-0.25-running"),
        ("alertmanager-sent", "alertmanager-0.28-running"),
    ] {
        let verdict = judge("it", &fixture(sent), &fixture(running));
        assert_eq!(show(&verdict), "holds: runs as sent", "{running}");
    }
}

/// What runs, as a version that does not exist yet would print it: with a word, a list and a map more in each map
/// whose keys are not the user's.
fn as_printed_by_a_newer_version(value: &mut serde_yaml::Value, field: &str) {
    use serde_yaml::Value;
    match value {
        Value::Mapping(map) => {
            for (key, value) in map.iter_mut() {
                as_printed_by_a_newer_version(value, key.as_str().unwrap());
            }
            if !WORDS.contains(&field) && field != "params" {
                let more =
                    "{word: x, list: [1], map: {on: true, for: 5m}, labels: {name: mail}, targets: [a]}";
                let more: Value = serde_yaml::from_str(more).unwrap();
                map.insert("a_new_map".into(), more.clone());
                map.insert("a_new_list".into(), vec![more].into());
                map.insert("a_new_word".into(), "x".into());
            }
        }
        Value::Sequence(items) => {
            for item in items {
                as_printed_by_a_newer_version(item, field);
            }
        }
        _ => {}
    }
}

#[test]
fn what_a_newer_version_adds_is_no_difference() {
    for (sent, running) in
        [("prometheus-sent", "prometheus-2.53-running"), ("alertmanager-sent", "alertmanager-0.28-running")]
    {
        let mut value = serde_yaml::from_str(&fixture(running)).unwrap();
        as_printed_by_a_newer_version(&mut value, "");
        if let Some(receivers) = value.get_mut("receivers").and_then(|list| list.as_sequence_mut()) {
            for receiver in receivers {
                let labels = serde_yaml::Mapping::from_iter([("name".into(), receiver["name"].clone())]);
                receiver["labels"] = labels.into();
            }
        }
        let verdict = judge("it", &fixture(sent), &serde_yaml::to_string(&value).unwrap());
        assert_eq!(show(&verdict), "holds: runs as sent", "{running}");
    }
}

#[test]
fn an_empty_configuration_runs_as_defaults() {
    assert_eq!(show(&judge("it", "", "{}")), "holds: runs as sent");
    assert_eq!(show(&judge("it", "", "global: {scrape_interval: 1m}")), "holds: runs as sent");
}

/// Each of these is left from a configuration before, and acts.
#[test]
fn what_is_left_from_before_and_acts_is_a_difference() {
    for (sent, running, found) in [
        ("{}", "alerting: {alertmanagers: [{scheme: http}]}", "alerting.alertmanagers"),
        ("alerting:", "alerting: {alertmanagers: [{scheme: http}]}", "alerting.alertmanagers"),
        ("global: {}", "global: {external_labels: {a: b}}", "global.external_labels"),
        ("rule_files:", "rule_files: [a.yml]", "rule_files"),
        (
            "scrape_configs: [{job_name: a}]",
            "scrape_configs: [{job_name: a, authorization: {type: Bearer}}]",
            "scrape_configs[a].authorization",
        ),
        (
            "scrape_configs: [{job_name: a}]",
            "scrape_configs: [{job_name: a, dns_sd_configs: [{names: [a]}]}]",
            "scrape_configs[a].dns_sd_configs",
        ),
        (
            "scrape_configs: [{job_name: a, static_configs: [{targets: [a]}]}]",
            "scrape_configs: [{job_name: a, static_configs: [{targets: [a], labels: {a: b}}]}]",
            "scrape_configs[a].static_configs[0].labels",
        ),
        (
            "scrape_configs: [{job_name: a, static_configs: [{labels: {a: b}}]}]",
            "scrape_configs: [{job_name: a, static_configs: [{labels: {a: b, c: d}}]}]",
            "scrape_configs[a].static_configs[0].labels.c",
        ),
        (
            "receivers: [{name: a}]",
            "receivers: [{name: a, pager_configs: [{send_resolved: true}]}]",
            "receivers[a].pager_configs",
        ),
        ("route: {receiver: a}", "route: {receiver: a, matchers: ['a=\"b\"']}", "route.matchers"),
        (
            "inhibit_rules: [{equal: [a]}]",
            "inhibit_rules: [{equal: [a], source_match: {b: c}}]",
            "inhibit_rules[0].source_match",
        ),
        // What was sent is held against what runs even where more of it is no difference.
        (
            "receivers: [{name: a, labels: {team: ops}}]",
            "receivers: [{name: a, labels: {name: a, team: dev}}]",
            "receivers[a].labels.team",
        ),
        (
            "receivers: [{name: a, labels: {team: ops}}]",
            "receivers: [{name: a, labels: {name: a}}]",
            "receivers[a].labels.team",
        ),
    ] {
        let Verdict::NotYet(reason) = judge("it", sent, running) else {
            panic!("not seen: {running}");
        };
        assert!(reason.found.contains(&format!("{found}: ")), "{} should name {found}", reason.found);
    }
}

/// The pinned versions, and the stack as it was then.
#[test]
fn what_the_pinned_versions_print_means_what_the_stack_sent() {
    let body = |name: &str| serde_json::from_slice::<serde_json::Value>(&recorded(name).body).unwrap();
    for (sent, running) in [
        ("prometheus-3.13-sent", &body("prometheus-3.13.2/status-config")["data"]["yaml"]),
        ("alertmanager-0.34-sent", &body("alertmanager-0.34.0/status")["config"]["original"]),
    ] {
        let verdict = judge("it", &fixture(sent), running.as_str().unwrap());
        assert_eq!(show(&verdict), "holds: runs as sent", "{sent}");
    }
}

/// Each of these edits of the file sent means something else, and the message names the field.
#[test]
fn every_edit_of_prometheus_is_seen() {
    let (sent, running) = (fixture("prometheus-sent"), fixture("prometheus-2.53-running"));
    for (from, to, field) in [
        ("scrape_interval: 60s", "scrape_interval: 61s", "global.scrape_interval"),
        ("    cluster: koprogo\n", "", "global.external_labels.cluster"),
        ("    cluster: koprogo\n", "    cluster: koprogo\n    new: x\n", "global.external_labels.new"),
        ("environment: prod", "environment: staging", "global.external_labels.environment"),
        ("alerts/*.yml", "rules/*.yml", "rule_files[0]"),
        ("rule_files:\n  - alerts/*.yml\n", "", "rule_files"),
        ("alertmanager:9093", "other:9093", "alerting.alertmanagers[0].static_configs[0].targets[0]"),
        ("honor_labels: no", "honor_labels: yes", "scrape_configs[koprogo-backend].honor_labels"),
        ("sample_limit: 5000", "sample_limit: 6000", "scrape_configs[koprogo-backend].sample_limit"),
        ("10MB", "11MB", "scrape_configs[koprogo-backend].body_size_limit"),
        ("secrets/metrics_token", "secrets/token", "authorization.credentials_file"),
        ("http_2xx", "tcp", "params.module[0]"),
        ("tier: 1", "tier: 2", "labels.tier"),
        ("[targets/*.json]", "['*.json']", "file_sd_configs[0].files[0]"),
        ("refresh_interval: 5m", "refresh_interval: 6m", "refresh_interval"),
        ("replacement: ${1}", "replacement: $1", "relabel_configs[0].replacement"),
        ("action: Drop", "action: keep", "metric_relabel_configs[0].action"),
        ("[a:1, b:2]", "[a:1]", "targets[1] runs and was not sent"),
        ("[a:1, b:2]", "[a:1, b:2, c:3]", "targets[2] was sent and does not run"),
        ("job_name: basic", "job_name: basics", "scrape_configs[basics].job_name"),
        ("max_shards: 5", "max_shards: 50", "remote_write[0].queue_config.max_shards"),
    ] {
        let Verdict::NotYet(reason) = judge("it", &change(&sent, from, to), &running) else {
            panic!("not seen: {from} → {to}");
        };
        assert!(reason.found.contains(field), "{} should name {field}", reason.found);
    }
}

#[test]
fn every_edit_of_alertmanager_is_seen() {
    let (sent, running) = (fixture("alertmanager-sent"), fixture("alertmanager-0.28-running"));
    for (from, to, field) in [
        ("300s", "301s", "global.resolve_timeout"),
        ("587", "465", "global.smtp_smarthost"),
        ("smtp_require_tls: true", "smtp_require_tls: false", "global.smtp_require_tls"),
        ("/run/secrets/smtp_password", "/run/secrets/smtp", "global.smtp_auth_password_file"),
        ("templates/*.tmpl", "tmpl/*.tmpl", "templates[0]"),
        ("[alertname, severity]", "[alertname]", "route.group_by[1]"),
        ("alertname = Watchdog", "alertname = Dog", "route.routes[deadman].matchers"),
        ("team=~\"a|b\"", "team=~\"a|c\"", "route.routes[mail].matchers"),
        ("team=~\"a|b\"", "team!~\"a|b\"", "route.routes[mail].matchers"),
        ("      mute_time_intervals: [nights]\n", "", "mute_time_intervals"),
        ("component=postgres", "component=disk", "inhibit_rules[0].target_matchers"),
        ("equal: [alertname, instance]", "equal: [alertname]", "inhibit_rules[1].equal[1]"),
        ("'22:00'", "'23:00'", "start_time"),
        ("saturday", "sunday", "weekdays[1]"),
        ("[KoproGo]", "[Other]", "email_configs[0].headers.subject"),
        ("send_resolved: true", "send_resolved: false", "email_configs[0].send_resolved"),
        ("a@koprogo.com, b@koprogo.com", "a@koprogo.com", "email_configs[0].to"),
        ("channel: '#a'", "channel: '#b'", "slack_configs[0].channel"),
    ] {
        let Verdict::NotYet(reason) = judge("it", &change(&sent, from, to), &running) else {
            panic!("not seen: {from} → {to}");
        };
        assert!(reason.found.contains(field), "{} should name {field}", reason.found);
    }
}

#[test]
fn many_differences_are_counted_not_listed() {
    let sent = "scrape_configs: [{job_name: a}, {job_name: b}, {job_name: c}, {job_name: d}]";
    insta::assert_snapshot!(show(&judge("prometheus", sent, "global: {}\nscrape_configs: []")), @r"
    not yet: prometheus runs another configuration: scrape_configs[a] was sent and does not run; scrape_configs[b] was sent and does not run; scrape_configs[c] was sent and does not run; and 1 more
    It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs prometheus`.
    ");
    insta::assert_snapshot!(show(&judge("prometheus", "a: [", "a: 1")), @r"
    refused: prometheus: the configuration of the release is not YAML: did not find expected node content at line 2 column 1, while parsing a flow node
    This is a bug of provision or of the server's answer: please report it.
    ");
}

#[test]
fn labels_are_words_and_not_durations() {
    let verdict = judge("it", "labels: {window: 60s}", "labels: {window: 1m}");
    assert!(matches!(verdict, Verdict::NotYet(_)));
}

proptest::proptest! {
    /// A configuration that runs exactly as sent holds, whatever it says.
    #[test]
    fn a_value_means_itself(
        entries in proptest::collection::btree_map("[a-z_]{1,12}", "[ -~]{0,20}", 0..8),
        list in proptest::collection::vec("[ -~]{0,12}", 0..5),
    ) {
        let text = serde_json::json!({"labels": entries.clone(), "routes": list, "other": entries}).to_string();
        proptest::prop_assert_eq!(judge("it", &text, &text), Verdict::Holds("runs as sent".to_owned()));
    }
}
