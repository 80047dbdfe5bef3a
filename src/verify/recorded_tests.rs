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
    Asked, dashboards, datasource, grafana_12_alertmanager, grafana_12_dashboards,
    grafana_12_datasource_missing, grafana_12_login, grafana_12_panels, log_line, login, loki_3_7_line,
    loki_3_7_query, loki_ready, prometheus_3_query, query,
};
use super::recorded_rows::{ALERTMANAGER, GRAFANA, LOKI, Make, PROMETHEUS};
use super::verdict::Verdict;
use crate::plan::check::Check;

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
    ("prometheus-3.13.2/query-bad", prometheus_3_query),
    ("grafana-12.4.0/search-unauthorized", grafana_12_dashboards),
    ("grafana-12.4.0/search-wrong-password", grafana_12_dashboards),
    ("grafana-12.4.0/user-wrong-password", grafana_12_login),
    ("grafana-12.4.0/dashboard-missing", grafana_12_dashboards),
    ("grafana-12.4.0/datasource-health-missing", grafana_12_datasource_missing),
    ("grafana-12.4.0/datasource-missing", grafana_12_alertmanager),
    ("grafana-12.4.0/ds-query-bad", grafana_12_panels),
    ("grafana-12.4.0/ds-query-empty", grafana_12_panels),
    ("grafana-12.4.0/ds-query-loki-bad", grafana_12_panels),
    ("grafana-12.4.0/ds-query-missing", grafana_12_panels),
    ("loki-3.7.6/query_range-bad", loki_3_7_query),
    ("loki-3.7.6/query_range-empty", loki_3_7_line),
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
    ("alertmanager-0.34.0/alerts", "the test alert is looked for in it: its own tests use it"),
    ("alertmanager-0.34.0/receivers", "the configuration is compared whole"),
    ("alertmanager-0.34.0/silences", "silences are the operator's"),
    ("alloy-1.19.0/healthy", "it is as Alloy's own health check sees it"),
    ("alloy-1.19.0/metrics", "Prometheus reads it"),
    ("cadvisor-0.60.5/healthz", "it is as the container's health check sees it"),
    ("cadvisor-0.60.5/metrics", "the dashboards' tests compare their queries with it"),
    ("grafana-12.4.0/dashboard", "that a dashboard is there is seen by the search"),
    ("grafana-12.4.0/datasource-health-alertmanager", "its type is not asked for its health"),
    ("grafana-12.4.0/datasources", "each datasource is asked by its uid"),
    ("grafana-12.4.0/login-ok", "the login goes with each question"),
    ("grafana-12.4.0/login-wrong", "the login goes with each question"),
    ("grafana-12.4.0/metrics", "Prometheus reads it"),
    ("grafana-12.4.0/reload-dashboards", "Grafana picks dashboards up by itself"),
    ("loki-3.7.6/buildinfo", "the image says which version runs"),
    ("loki-3.7.6/label-values", "lines are found by their text"),
    ("loki-3.7.6/labels", "lines are found by their text"),
    ("loki-3.7.6/metrics", "Prometheus reads it"),
    ("loki-3.7.6/query-structured", "lines are found by their text"),
    ("loki-3.7.6/query-vector", "lines are asked for, not metrics"),
    ("node_exporter-1.12.1/metrics", "the dashboards' tests compare their queries with it"),
    ("postgres_exporter-0.20.1/metrics", "the dashboards' tests compare their queries with it"),
    ("prometheus-3.13.2/status-buildinfo", "the image says which version runs"),
    ("prometheus-3.13.2/status-flags", "the retention that runs is in runtimeinfo"),
    ("promtail-3.6.15/metrics", "Prometheus reads it"),
    ("traefik-3.7.15/metrics", "the dashboards' tests compare their queries with it"),
];

/// The verdict of a check. `give` gives the answer to a question.
fn verdict(asked: &Asked, mut give: impl FnMut(&Ask) -> Answer) -> Verdict {
    let question = asked.question.clone();
    let check = Check { name: "x".to_owned(), service: "service".to_owned(), question };
    let now: Timestamp = asked.now.parse().unwrap();
    let mut answers = Answers::new();
    loop {
        match ask::next(&check, &answers, now) {
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
    for (name, check, from, to, names) in [PROMETHEUS, ALERTMANAGER, GRAFANA, LOKI].concat() {
        let asked = check();
        let look = |change| found(&verdict(&asked, |ask| answer(&asked, ask, change)));
        let (before, after) = (look(("", "", "")), look((name, from, to)));
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
        let after = found(&verdict(&asked, |ask| {
            if std::mem::take(&mut first) { parse(&text(name)) } else { answer(&asked, ask, ("", "", "")) }
        }));
        assert!(!after.starts_with("holds"), "{name}: {after}");
        let _ = writeln!(table, "{name}\n  {after}");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn every_recording_is_in_a_table_here() {
    let changed = [PROMETHEUS, ALERTMANAGER, GRAFANA, LOKI].concat().into_iter().map(|(name, ..)| name);
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

/// Every answer that is read, changed again and again (`crate::fuzz`).
#[test]
fn no_answer_of_a_service_breaks_what_reads_it() {
    let tables = [PROMETHEUS, ALERTMANAGER, GRAFANA, LOKI].into_iter().flatten();
    let mut all: Vec<(&str, Make)> =
        tables.map(|(name, make, ..)| (*name, *make)).chain(ERRORS.iter().copied()).collect();
    all.dedup_by_key(|(name, _)| *name);
    let seeds: Vec<Vec<u8>> = all.iter().map(|(name, _)| parse(&text(name)).body).collect();
    let checks: Vec<Asked> = all.iter().map(|(_, make)| make()).collect();
    let next = std::cell::Cell::new(0);
    crate::fuzz::run("answers", &seeds, &|data| {
        next.set((next.get() + 1) % checks.len());
        let give = |status| Answer { status, content_type: String::new(), date: None, body: data.to_vec() };
        for status in [200, 500] {
            let _ = verdict(&checks[next.get()], |_| give(status));
        }
    });
    let queries = [&b"sum by (job) (rate(up{job=\"a\"}[5m])) > 0.5"[..], b"1 +\n\t2 # x", b"'a\\'b'"];
    crate::fuzz::run("promql", &queries.map(<[u8]>::to_vec), &|data| {
        let text = String::from_utf8_lossy(data).into_owned();
        assert!(super::promql::same(&text, &text));
    });
}
