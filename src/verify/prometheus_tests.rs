//! Judgements of recorded answers, and of the same with one field changed.

use super::*;
use crate::plan::check::SentRule;
use crate::verify::recorded::{PROMETHEUS_SENT as SENT, changed, json as answer, recorded, show};
use crate::verify::rules::rules;

/// When the targets were recorded.
fn then() -> Timestamp {
    "2026-11-22T06:05:10.5Z".parse().unwrap()
}

fn jobs(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn look(names: &[&str], answer: &Answer) -> String {
    show(&targets("prometheus", &jobs(names), answer, then()))
}

fn look_changed(from: &str, to: &str) -> String {
    look(&["cadvisor"], &changed("prometheus-2.42/targets", from, to))
}

#[test]
fn targets_that_are_up_hold_and_others_are_mentioned() {
    let recorded = recorded("prometheus-2.42/targets");
    insta::assert_snapshot!(look(&["cadvisor", "grafana", "loki", "prometheus"], &recorded), @"holds: 4 targets of 4 jobs up; also scraped: dead");
}

#[test]
fn a_target_that_is_down_is_named_with_its_error() {
    let recorded = recorded("prometheus-2.42/targets");
    insta::assert_snapshot!(look(&["dead", "loki"], &recorded), @r#"
    not yet: job dead instance 127.0.0.1:1: health is down: Get "http://127.0.0.1:1/metrics": dial tcp 127.0.0.1:1: connect: connection refused
    Nothing answers for job dead: see whether its service runs (`provision verify`), then its log.
    "#);
}

#[test]
fn each_changed_field_of_a_target_is_named() {
    let down = "\"health\":\"down\"";
    insta::assert_snapshot!(look_changed("\"health\":\"up\"", down), @r"
    not yet: job cadvisor instance 127.0.0.1:8082: health is down: lastError is empty
    Read the log of the service behind job cadvisor: prometheus reached it, and could not use what it answered.
    ");
    insta::assert_snapshot!(look_changed("\"health\":\"up\"", "\"health\":\"unknown\""), @r"
    not yet: job cadvisor instance 127.0.0.1:8082 was not scraped yet (health is unknown)
    prometheus asks it for the first time within its interval: look again with `provision verify`.
    ");
    insta::assert_snapshot!(look_changed("2026-11-22T06:05:08", "2026-11-22T06:04:08"), @r"
    not yet: job cadvisor instance 127.0.0.1:8082: lastScrape is 61 s ago at an interval of 5 s
    prometheus fell behind with scraping: look whether it lacks CPU or memory. Read what the service says: `provision logs prometheus`.
    ");
    insta::assert_snapshot!(look_changed("\"scrapePool\":\"cadvisor\"", "\"scrapePool\":\"other\""), @r"
    not yet: job cadvisor has no target (no scrapePool of that name)
    See whether job cadvisor is in the running configuration, and what its service discovery finds.
    ");
    insta::assert_snapshot!(look_changed("\"health\":\"up\",", ""), @r"
    not yet: prometheus: /api/v1/targets answered something unexpected (application/json): missing field `health` at line 1 column 518
    Something else may listen on that port, or this version of prometheus answers differently: ask it yourself with `provision tunnel`.
    ");
    insta::assert_snapshot!(look_changed("2026-11-22T06:05:08", "yesterday"), @r"
    not yet: prometheus: /api/v1/targets answered something unexpected (application/json): lastScrape: failed to parse four digit integer as year: invalid digit, expected 0-9 but got y at line 1 column 431
    Something else may listen on that port, or this version of prometheus answers differently: ask it yourself with `provision tunnel`.
    ");
    insta::assert_snapshot!(look_changed("activeTargets", "targets"), @r"
    not yet: prometheus: /api/v1/targets answered something unexpected (application/json): missing field `activeTargets` at line 1 column 2554
    Something else may listen on that port, or this version of prometheus answers differently: ask it yourself with `provision tunnel`.
    ");
}

#[test]
fn an_interval_is_waited_for_three_times() {
    let at = |interval: &str| {
        let old = changed("prometheus-2.42/targets", "2026-11-22T06:05:08", "2026-11-22T06:04:08");
        let body = String::from_utf8(old.body).unwrap().replacen(
            "\"scrapeInterval\":\"5s\"",
            &format!("\"scrapeInterval\":\"{interval}\""),
            1,
        );
        targets("prometheus", &jobs(&["cadvisor"]), &answer(200, &body), then())
    };
    // 62 s old.
    assert!(matches!(at("17s"), Verdict::NotYet(_)));
    assert!(matches!(at("18s"), Verdict::Holds(_)));
    assert!(matches!(at("1m"), Verdict::Holds(_)));
}

#[test]
fn the_servers_clock_decides_how_old_a_scrape_is() {
    let later = "2030-01-01T00:00:00Z".parse().unwrap();
    let names = jobs(&["loki"]);
    let recorded = recorded("prometheus-2.42/targets");
    assert!(matches!(targets("prometheus", &names, &recorded, later), Verdict::NotYet(_)));
    let dated = Answer { date: Some(then()), ..recorded };
    assert!(matches!(targets("prometheus", &names, &dated, later), Verdict::Holds(_)));
}

#[test]
fn the_cause_of_a_target_that_is_down_decides_the_remedy() {
    let with = |job: &str, error: &str| {
        let body = serde_json::json!({"data": {"activeTargets": [{
            "labels": {"job": job, "instance": "i:1"}, "scrapePool": job, "lastError": error,
            "lastScrape": "2026-11-22T06:05:08Z", "health": "down", "scrapeInterval": "15s",
        }]}});
        match targets("prometheus", &jobs(&[job]), &answer(200, &body.to_string()), then()) {
            Verdict::NotYet(reason) => reason.remedy,
            other => panic!("{other:?}"),
        }
    };
    insta::assert_snapshot!(with("node-exporter", "Get \"http://host.docker.internal:9100/metrics\": context deadline exceeded"), @"The likely cause is a host firewall between the bridge and the gateway address that node-exporter listens on. Let that bridge reach it: docs/troubleshooting.md has the command. If it is open, read what the exporter says: `provision logs node-exporter`.");
    assert_eq!(with("node-exporter", "dial tcp: connection refused"), with("node-exporter", "i/o timeout"));
    insta::assert_snapshot!(with("cadvisor", "dial tcp: lookup cadvisor on 127.0.0.11:53: no such host"), @"prometheus cannot resolve the target's name: the service of job cadvisor does not run, or shares no network with prometheus.");
    insta::assert_snapshot!(with("koprogo-backend", "server returned HTTP status 401 Unauthorized"), @"The target of job koprogo-backend wants another token: compare the credentials file of the job with the application's setting.");
    insta::assert_snapshot!(with("traefik", "server returned HTTP status 404 Not Found"), @"The target of job traefik serves no metrics at that path: compare metrics_path with the application.");
    insta::assert_snapshot!(with("loki", "dial tcp 1.2.3.4:3100: connect: connection refused"), @"Nothing answers for job loki: see whether its service runs (`provision verify`), then its log.");
    insta::assert_snapshot!(with("loki", "expected a valid start token"), @"Read the log of the service behind job loki: prometheus reached it, and could not use what it answered.");
}

fn look_rules(groups: &[(&str, usize)], answer: &Answer) -> String {
    let groups: Vec<(String, usize)> =
        groups.iter().map(|(name, rules)| ((*name).to_owned(), *rules)).collect();
    show(&rules("prometheus", &groups, &[], answer))
}

#[test]
fn rules_are_exactly_those_sent() {
    let recorded = recorded("prometheus-2.42/rules");
    insta::assert_snapshot!(look_rules(&[("g", 2)], &recorded), @"holds: 2 rules in 1 group");
    insta::assert_snapshot!(look_rules(&[("g", 3)], &recorded), @r"
    not yet: group g has 2 rules instead of 3
    prometheus runs other rules than those sent: see whether rule_files names the mounted folder, and whether its log tells of a failed reload. Read what the service says: `provision logs prometheus`.
    ");
    insta::assert_snapshot!(look_rules(&[("g", 2), ("host", 4)], &recorded), @r"
    not yet: no group has the name host
    prometheus runs other rules than those sent: see whether rule_files names the mounted folder, and whether its log tells of a failed reload. Read what the service says: `provision logs prometheus`.
    ");
    insta::assert_snapshot!(look_rules(&[], &recorded), @r"
    not yet: group g is not of this release
    prometheus runs other rules than those sent: see whether rule_files names the mounted folder, and whether its log tells of a failed reload. Read what the service says: `provision logs prometheus`.
    ");
}

#[test]
fn each_changed_field_of_a_rule_is_named() {
    let with = |from: &str, to: &str| look_rules(&[("g", 2)], &changed("prometheus-2.42/rules", from, to));
    insta::assert_snapshot!(with("\"health\":\"ok\"", "\"health\":\"err\",\"lastError\":\"many-to-many matching\""), @r"
    not yet: rule Watchdog of group g: health is err: many-to-many matching
    Correct the expression in the rules file; `promtool test rules` shows the same error.
    ");
    insta::assert_snapshot!(with("\"health\":\"ok\"", "\"health\":\"unknown\""), @"holds: 2 rules in 1 group; 1 not evaluated yet");
    insta::assert_snapshot!(with("\"name\":\"g\"", "\"name\":\"h\""), @r"
    not yet: no group has the name g; group h is not of this release
    prometheus runs other rules than those sent: see whether rule_files names the mounted folder, and whether its log tells of a failed reload. Read what the service says: `provision logs prometheus`.
    ");
    insta::assert_snapshot!(with("\"health\":\"ok\",", ""), @r"
    not yet: prometheus: /api/v1/rules answered something unexpected (application/json): missing field `health` at line 1 column 450
    Something else may listen on that port, or this version of prometheus answers differently: ask it yourself with `provision tunnel`.
    ");
}

#[test]
fn groups_of_one_name_in_two_files_are_told_apart() {
    let rule = r#"{"name":"r","health":"ok"}"#;
    let body = format!(
        r#"{{"data":{{"groups":[{{"name":"g","rules":[{rule}]}},{{"name":"g","rules":[{rule},{rule}]}}]}}}}"#
    );
    let body = answer(200, &body);
    assert!(look_rules(&[("g", 2), ("g", 1)], &body).starts_with("holds"));
    assert!(look_rules(&[("g", 2), ("g", 2)], &body).contains("group g has 1 rule instead of 2"));
}

fn look_config(config: &Answer, runtime: &Answer) -> String {
    show(&configuration("prometheus", SENT, None, config, runtime))
}

#[test]
fn the_recorded_configuration_means_what_was_sent() {
    let (config, runtime) =
        (recorded("prometheus-2.42/status-config"), recorded("prometheus-2.42/status-runtimeinfo"));
    assert_eq!(look_config(&config, &runtime), "holds: runs as sent");
    let other = changed("prometheus-2.42/status-config", "scrape_interval: 5s", "scrape_interval: 6s");
    insta::assert_snapshot!(look_config(&other, &runtime), @r"
    not yet: prometheus runs another configuration: global.scrape_interval: sent 5s, running 6s
    It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs prometheus`.
    ");
    let failed = changed("prometheus-2.42/status-runtimeinfo", "Success\":true", "Success\":false");
    insta::assert_snapshot!(look_config(&config, &failed), @r"
    not yet: prometheus: the last reload failed (reloadConfigSuccess is false)
    Its log names the file and the line. Read what the service says: `provision logs prometheus`.
    ");
    // A deploy that reloads it asks for a reload since it began; the recorded one was at 06:01:35.
    let since =
        |time: &str| show(&configuration("prometheus", SENT, Some(time.parse().unwrap()), &config, &runtime));
    assert_eq!(since("2026-11-22T06:01:35Z"), "holds: runs as sent");
    insta::assert_snapshot!(since("2026-11-22T06:01:36Z"), @r"
    not yet: prometheus has not reloaded since this deploy began: lastConfigTime is 2026-11-22T06:01:35Z, the deploy began 2026-11-22T06:01:36Z
    The signal to reload did not reach it, or it is busy. Read what the service says: `provision logs prometheus`.
    ");
    let renamed = changed("prometheus-2.42/status-runtimeinfo", "reloadConfigSuccess", "reloaded");
    insta::assert_snapshot!(look_config(&config, &renamed), @r"
    not yet: prometheus: /api/v1/status/runtimeinfo answered something unexpected (application/json): missing field `reloadConfigSuccess` at line 1 column 242
    Something else may listen on that port, or this version of prometheus answers differently: ask it yourself with `provision tunnel`.
    ");
    let renamed = changed("prometheus-2.42/status-config", "\"yaml\"", "\"text\"");
    insta::assert_snapshot!(look_config(&renamed, &runtime), @r"
    not yet: prometheus: /api/v1/status/config answered something unexpected (application/json): missing field `yaml` at line 1 column 1559
    Something else may listen on that port, or this version of prometheus answers differently: ask it yourself with `provision tunnel`.
    ");
}

#[test]
fn an_alertmanager_is_connected_and_none_dropped() {
    let look = |answer: &Answer| show(&alertmanagers("prometheus", answer));
    let with = |from: &str, to: &str| look(&changed("prometheus-2.42/alertmanagers", from, to));
    insta::assert_snapshot!(look(&recorded("prometheus-2.42/alertmanagers")), @"holds: connected to http://127.0.0.1:9093/api/v2/alerts");
    insta::assert_snapshot!(with("{\"url\":\"http://127.0.0.1:9093/api/v2/alerts\"}", ""), @r"
    not yet: prometheus knows no Alertmanager (activeAlertmanagers is empty)
    Look at alerting.alertmanagers in prometheus.yml: without it no alert leaves the host.
    ");
    insta::assert_snapshot!(with("droppedAlertmanagers\":[", "droppedAlertmanagers\":[{\"url\":\"http://b:9093\"}"), @r"
    not yet: prometheus dropped the Alertmanager http://b:9093 (droppedAlertmanagers)
    Look at the relabelling below alerting.alertmanagers in prometheus.yml.
    ");
    insta::assert_snapshot!(with("activeAlertmanagers", "active"), @r"
    not yet: prometheus: /api/v1/alertmanagers answered something unexpected (application/json): missing field `activeAlertmanagers` at line 1 column 111
    Something else may listen on that port, or this version of prometheus answers differently: ask it yourself with `provision tunnel`.
    ");
}

#[test]
fn error_answers_are_told_as_they_are() {
    insta::assert_snapshot!(look(&["loki"], &recorded("prometheus-2.42/query-bad")), @r#"
    refused: prometheus: 400 from /api/v1/targets, invalid parameter "query": 1:5: parse error: unclosed left parenthesis
    Read what the service says: `provision logs prometheus`.
    "#);
    let starting = Answer { content_type: "text/plain".into(), ..answer(503, "Service Unavailable") };
    insta::assert_snapshot!(look(&["loki"], &starting), @r"
    not yet: prometheus: 503 from /api/v1/targets, Service Unavailable
    Read what the service says: `provision logs prometheus`.
    ");
    let page = Answer { content_type: "text/html".into(), ..answer(200, "<html>hello</html>") };
    insta::assert_snapshot!(look(&["loki"], &page), @r"
    not yet: prometheus: /api/v1/targets answered something unexpected (text/html): expected value at line 1 column 1
    Something else may listen on that port, or this version of prometheus answers differently: ask it yourself with `provision tunnel`.
    ");
    insta::assert_snapshot!(look(&["loki"], &answer(401, "Unauthorized")), @r"
    refused: prometheus: 401 from /api/v1/targets, Unauthorized
    The service asks for a login that `provision` does not have: look for access rules in the configuration of prometheus.
    ");
}

#[test]
fn data_is_kept_as_long_as_was_sent() {
    let at = |running: &str, time: Option<&str>, size: Option<&str>| {
        let answer = changed("prometheus-2.42/status-runtimeinfo", "\"15d\"", &format!("\"{running}\""));
        show(&retention("prometheus", time, size, &answer))
    };
    // As Prometheus 3 prints both limits.
    assert_eq!(at("30d or 4GiB", Some("30d"), Some("4GB")), "holds: keeps 30d or 4GiB");
    assert_eq!(at("15d", Some("360h"), None), "holds: keeps 15d");
    insta::assert_snapshot!(at("15d", Some("30d"), None), @r"
    not yet: prometheus keeps data for another time: storageRetention: sent 30d, running 15d
    Retention is set when it starts: look at `command:` of prometheus in the compose file, and deploy.
    ");
    insta::assert_snapshot!(at("30d", Some("30d"), Some("4GB")), @r"
    not yet: prometheus keeps data for another time: storageRetention: sent 30d or 4GB, running 30d
    Retention is set when it starts: look at `command:` of prometheus in the compose file, and deploy.
    ");
    let renamed = changed("prometheus-2.42/status-runtimeinfo", "storageRetention", "retention");
    insta::assert_snapshot!(show(&retention("prometheus", Some("15d"), None, &renamed)), @r"
    not yet: prometheus: /api/v1/status/runtimeinfo answered something unexpected (application/json): missing field `storageRetention` at line 1 column 246
    Something else may listen on that port, or this version of prometheus answers differently: ask it yourself with `provision tunnel`.
    ");
    insta::assert_snapshot!(show(&retention("prometheus", Some("15d"), None, &answer(503, "starting"))), @r"
    not yet: prometheus: 503 from /api/v1/status/runtimeinfo, starting
    Read what the service says: `provision logs prometheus`.
    ");
}

#[test]
fn each_rule_means_what_was_sent() {
    let rule = |expr: &str, lasts: &str, severity: &str| {
        let sent = SentRule {
            group: "g".to_owned(),
            name: "Full".to_owned(),
            expr: expr.to_owned(),
            lasts: lasts.to_owned(),
            labels: [("severity".to_owned(), severity.to_owned())].into(),
        };
        let body = r#"{"data":{"groups":[{"name":"g","rules":[{"name":"Full","health":"ok","query":"sum by (a) (x) > 0.9",
            "duration":300,"labels":{"severity":"warning"}}]}]}}"#;
        show(&rules("prometheus", &[("g".to_owned(), 1)], &[sent], &answer(200, body)))
    };
    assert_eq!(rule("sum(x) by (a) > .90", "5m", "warning"), "holds: 1 rule in 1 group");
    insta::assert_snapshot!(rule("sum(x) by (a) > 0.8", "5m", "warning"), @r"
    not yet: rule Full of group g: query: sent sum(x) by (a) > 0.8, running sum by (a) (x) > 0.9
    prometheus runs other rules than those sent: see whether rule_files names the mounted folder, and whether its log tells of a failed reload. Read what the service says: `provision logs prometheus`.
    ");
    insta::assert_snapshot!(rule("sum(x) by (a) > 0.9", "10m", "warning"), @r"
    not yet: rule Full of group g: for (duration): sent 10m, running 300 s
    prometheus runs other rules than those sent: see whether rule_files names the mounted folder, and whether its log tells of a failed reload. Read what the service says: `provision logs prometheus`.
    ");
    insta::assert_snapshot!(rule("sum(x) by (a) > 0.9", "300s", "critical"), @r#"
    not yet: rule Full of group g: labels: sent {"severity": "critical"}, running {"severity": "warning"}
    prometheus runs other rules than those sent: see whether rule_files names the mounted folder, and whether its log tells of a failed reload. Read what the service says: `provision logs prometheus`.
    "#);
}
