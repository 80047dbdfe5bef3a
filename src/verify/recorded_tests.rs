//! Every recorded answer against the checks that read it: as it is, and with one field changed.
//!
//! A recording that is added must be put into one of the three tables here.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::ask::{self, Answers, Ask, Next};
use super::http::Answer;
use super::recorded::{FOLDER, parse, text};
use super::recorded_checks::{
    Asked, alertmanager_configuration, alertmanagers, dashboards, datasource, grafana_health, log_line,
    login, loki_configuration, loki_ready, panels, prometheus_configuration, query, retention, rules,
    targets,
};
use super::verdict::Verdict;
use crate::plan::check::{Check, Question};

/// Makes a check.
type Make = fn() -> Asked;

/// A recording, the check that reads it, what is changed in it (from, to), and what the message must name.
type Row = (&'static str, Make, &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    ("prometheus-2.42/targets", targets, r#""activeTargets""#, r#""targets""#, "activeTargets"),
    (
        "prometheus-2.42/targets",
        targets,
        r#""scrapePool":"cadvisor""#,
        r#""scrapePool":"other""#,
        "scrapePool",
    ),
    ("prometheus-2.42/targets", targets, r#""health":"up""#, r#""health":"down""#, "health"),
    ("prometheus-2.42/targets", targets, r#""health":"up""#, r#""health":"unknown""#, "health"),
    ("prometheus-2.42/targets", targets, r#""health":"up","#, "", "health"),
    ("prometheus-2.42/targets", targets, "2026-11-22T06:05:08", "2026-11-22T06:04:08", "lastScrape"),
    ("prometheus-2.42/targets", targets, "2026-11-22T06:05:08", "yesterday", "lastScrape"),
    ("prometheus-2.42/rules", rules, r#""groups""#, r#""group""#, "groups"),
    ("prometheus-2.42/rules", rules, r#""name":"g""#, r#""name":"h""#, "name g"),
    ("prometheus-2.42/rules", rules, r#""name":"Watchdog""#, r#""name":"Dog""#, "name Watchdog"),
    ("prometheus-2.42/rules", rules, r#""query":"up == 0""#, r#""query":"up == 1""#, "query"),
    ("prometheus-2.42/rules", rules, r#""duration":60"#, r#""duration":600"#, "duration"),
    ("prometheus-2.42/rules", rules, r#""labels":{}"#, r#""labels":{"severity":"info"}"#, "labels"),
    (
        "prometheus-2.42/rules",
        rules,
        r#""health":"ok""#,
        r#""health":"err","lastError":"many-to-many""#,
        "health",
    ),
    ("prometheus-2.42/status-config", prometheus_configuration, r#""yaml""#, r#""text""#, "yaml"),
    (
        "prometheus-2.42/status-config",
        prometheus_configuration,
        "scrape_interval: 5s",
        "scrape_interval: 6s",
        "global.scrape_interval",
    ),
    (
        "prometheus-2.42/status-config",
        prometheus_configuration,
        "127.0.0.1:9093",
        "127.0.0.1:9094",
        "alertmanagers",
    ),
    (
        "prometheus-2.42/status-config",
        prometheus_configuration,
        "job_name: cadvisor",
        "job_name: other",
        "cadvisor",
    ),
    (
        "prometheus-2.42/status-runtimeinfo",
        prometheus_configuration,
        r#""reloadConfigSuccess":true"#,
        r#""reloadConfigSuccess":false"#,
        "reloadConfigSuccess",
    ),
    (
        "prometheus-2.42/status-runtimeinfo",
        prometheus_configuration,
        r#""lastConfigTime":"2026-11-22T06:01:35Z""#,
        r#""lastConfigTime":"2026-11-22T06:01:34Z""#,
        "lastConfigTime",
    ),
    (
        "prometheus-2.42/status-runtimeinfo",
        retention,
        r#""storageRetention":"15d""#,
        r#""storageRetention":"30d""#,
        "storageRetention",
    ),
    (
        "prometheus-2.42/alertmanagers",
        alertmanagers,
        r#"[{"url":"http://127.0.0.1:9093/api/v2/alerts"}]"#,
        "[]",
        "activeAlertmanagers",
    ),
    (
        "prometheus-2.42/alertmanagers",
        alertmanagers,
        r#""droppedAlertmanagers":[]"#,
        r#""droppedAlertmanagers":[{"url":"http://b:9093"}]"#,
        "droppedAlertmanagers",
    ),
    ("prometheus-2.42/query-up", query, r#""0""#, r#""2""#, "value"),
    ("prometheus-2.42/query-up", query, r#""result""#, r#""results""#, "result"),
    ("alertmanager-0.25/status", alertmanager_configuration, r#""original""#, r#""text""#, "original"),
    (
        "alertmanager-0.25/status",
        alertmanager_configuration,
        "resolve_timeout: 5m",
        "resolve_timeout: 6m",
        "global.resolve_timeout",
    ),
    (
        "alertmanager-0.25/status",
        alertmanager_configuration,
        "  receiver: none",
        "  receiver: mail",
        "route.receiver",
    ),
    (
        "alertmanager-0.25/metrics",
        alertmanager_configuration,
        "_reload_successful 1",
        "_reload_successful 0",
        "alertmanager_config_last_reload_successful",
    ),
    (
        "alertmanager-0.25/metrics",
        alertmanager_configuration,
        "_timestamp_seconds 1.795542275",
        "_timestamp_seconds 1.795542274",
        "alertmanager_config_last_reload_success_timestamp_seconds",
    ),
    ("grafana-7.5.5/health", grafana_health, r#""database": "ok""#, r#""database": "failing""#, "database"),
    ("grafana-7.5.5/search", dashboards, r#""uid":"overview""#, r#""uid":"other""#, "uid"),
    ("grafana-7.5.5/datasource-health", datasource, "404 Not Found", "200 OK", "status"),
    (
        "grafana-7.5.5/datasources",
        datasource,
        r#""type":"prometheus""#,
        r#""type":"graphite""#,
        "type graphite",
    ),
    ("grafana-7.5.5/datasources", panels, r#""uid":"prometheus""#, r#""uid":"other""#, "uid prometheus"),
    ("grafana-7.5.5/datasources", panels, r#""type":"loki""#, r#""type":"graphite""#, "type graphite"),
    ("grafana-7.5.5/proxy-query", panels, r#""result""#, r#""results""#, "result"),
    ("loki-3.4.6/ready", loki_ready, "200 OK", "503 Service Unavailable", "503"),
    (
        "loki-3.4.6/config",
        loki_configuration,
        "retention_enabled: true",
        "retention_enabled: false",
        "compactor.retention_enabled",
    ),
    (
        "loki-3.4.6/config",
        loki_configuration,
        "retention_period: 1w",
        "retention_period: 4w",
        "limits_config.retention_period",
    ),
    (
        "loki-3.4.6/config",
        loki_configuration,
        "delete_request_store: filesystem",
        "delete_request_store: s3",
        "compactor.delete_request_store",
    ),
    ("loki-3.4.6/query_range", log_line, r#""result""#, r#""results""#, "result"),
    ("loki-3.4.6/query_range", log_line, r#""job":"docker""#, r#""job":"other""#, "job"),
    ("loki-3.4.6/query_range", log_line, "canary 7f3a", "canary 7f3b", "line 7f3a"),
    ("loki-3.4.6/query_range", log_line, r#""values""#, r#""lines""#, "values"),
];

/// Error answers, and a check that gets one to its first question.
const ERRORS: &[(&str, Make)] = &[
    ("prometheus-2.42/query-bad", query),
    ("grafana-7.5.5/search-unauthorized", dashboards),
    ("grafana-7.5.5/search-wrong-password", login),
    ("grafana-7.5.5/dashboard-missing", dashboards),
    ("grafana-7.5.5/datasource-health", datasource),
    ("loki-3.4.6/ready-starting", loki_ready),
    ("loki-3.4.6/query_range-bad", log_line),
    ("loki-3.4.6/query_range-empty", log_line),
];

/// What no check reads, and why.
const READ_BY_NONE: &[(&str, &str)] = &[
    ("alertmanager-0.25/alerts", "the test alert is looked for in it: its own tests use it"),
    ("alertmanager-0.25/receivers", "the configuration is compared whole"),
    ("cadvisor-0.36/metrics", "the dashboards' tests compare their queries with it"),
    ("grafana-7.5.5/dashboard", "that a dashboard is there is seen by the search"),
    ("grafana-7.5.5/metrics", "Prometheus reads it"),
    ("grafana-7.5.5/reload-dashboards", "Grafana picks dashboards up by itself"),
    ("loki-3.4.6/buildinfo", "the image says which version runs"),
    ("loki-3.4.6/labels", "lines are found by their text"),
    ("loki-3.4.6/metrics", "Prometheus reads it"),
    ("prometheus-2.42/status-buildinfo", "the image says which version runs"),
    ("prometheus-2.42/status-flags", "the retention that runs is in runtimeinfo"),
];

/// When the targets were recorded.
fn now() -> Timestamp {
    "2026-11-22T06:05:10.5Z".parse().unwrap()
}

/// The verdict of a check. `give` gives the answer to a question.
fn verdict(question: &Question, mut give: impl FnMut(&Ask) -> Answer) -> Verdict {
    let check = Check { name: "x".to_owned(), service: "service".to_owned(), question: question.clone() };
    let mut answers = Answers::new();
    loop {
        match ask::next(&check, &answers, now()) {
            Next::Known(verdict) => return verdict,
            Next::Ask(missing) => {
                for ask in missing {
                    let answer = give(&ask);
                    answers.insert(ask, answer);
                }
            }
        }
    }
}

/// The recorded answer to a question; that of the recording `name` with the first `from` replaced.
fn answer(asked: &Asked, ask: &Ask, (name, from, to): (&str, &str, &str)) -> Answer {
    let found = asked.answers.iter().find(|(path, _)| ask.path.starts_with(path));
    let (_, source) = found.unwrap_or_else(|| panic!("no recording answers {}", ask.path));
    let (file, uid) = source.split_once('#').unwrap_or((source, ""));
    let mut answer = text(file);
    if file == name {
        assert!(answer.contains(from), "{name} has no {from}");
        answer = answer.replacen(from, to, 1);
    }
    let mut answer = parse(&answer);
    if !uid.is_empty() {
        let list: Vec<serde_json::Value> = serde_json::from_slice(&answer.body).unwrap();
        answer.body = list.iter().find(|one| one["uid"] == uid).unwrap().to_string().into_bytes();
    }
    answer
}

/// What was found, without the remedy.
fn found(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds(found) => format!("holds: {found}"),
        Verdict::NotYet(reason) => format!("not yet: {}", reason.found),
        Verdict::Refused(reason) => format!("refused: {}", reason.found),
    }
}

#[test]
fn each_recorded_answer_with_one_field_changed_is_told_by_that_field() {
    let mut table = String::new();
    for (name, check, from, to, names) in ROWS {
        let asked = check();
        let look = |change| found(&verdict(&asked.question, |ask| answer(&asked, ask, change)));
        let (before, after) = (look(("", "", "")), look((*name, *from, *to)));
        assert_ne!(before, after, "{name}: {from}");
        assert!(!after.starts_with("holds"), "{name}: {from} → {to}: {after}");
        assert!(after.contains(names), "{name}: {from} → {to}: {names} is not named: {after}");
        let _ = writeln!(table, "{name}\n  as it is: {before}\n  {from} → {to}\n  {after}");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn each_recorded_error_is_told_as_what_it_is() {
    let mut table = String::new();
    for (name, check) in ERRORS {
        let asked = check();
        let mut first = true;
        let after = found(&verdict(&asked.question, |ask| {
            if std::mem::take(&mut first) { parse(&text(name)) } else { answer(&asked, ask, ("", "", "")) }
        }));
        assert!(!after.starts_with("holds"), "{name}: {after}");
        let _ = writeln!(table, "{name}\n  {after}");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn every_recording_is_in_a_table_here() {
    let changed = ROWS.iter().map(|(name, ..)| *name);
    let read: BTreeSet<&str> = changed.chain(ERRORS.iter().map(|(name, _)| *name)).collect();
    let not_read: BTreeSet<&str> = READ_BY_NONE.iter().map(|(name, _)| *name).collect();
    assert_eq!(read.intersection(&not_read).collect::<Vec<_>>(), Vec::<&&str>::new());
    let mut there = BTreeSet::new();
    for folder in std::fs::read_dir(FOLDER).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir())
    {
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            if let Some(name) = file.strip_suffix(".http") {
                there.insert(format!("{}/{name}", folder.file_name().to_str().unwrap()));
            }
        }
    }
    let listed: BTreeSet<String> = read.union(&not_read).map(|name| (*name).to_owned()).collect();
    assert_eq!(there, listed);
}
