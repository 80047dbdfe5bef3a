//! What the panels ask, as Prometheus and Loki read it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use provision::stack::Release;
use regex_lite::Regex;

use super::super::tools::in_image_of;
use super::super::{full, text, variants};
use super::{dashboards, list, queries, string};

/// Metrics that the recorded servers do not have, and why.
const NOT_RECORDED: [(&str, &str); 10] = [
    ("loki_discarded_samples_total", "born with the first refused line"),
    ("pg_stat_bgwriter_checkpoints_req_total", "PostgreSQL 17 counts them elsewhere"),
    ("pg_stat_bgwriter_checkpoints_timed_total", "PostgreSQL 17 counts them elsewhere"),
    ("pg_stat_user_tables_idx_scan", NO_TABLES),
    ("pg_stat_user_tables_index_size_bytes", NO_TABLES),
    ("pg_stat_user_tables_n_dead_tup", NO_TABLES),
    ("pg_stat_user_tables_n_live_tup", NO_TABLES),
    ("pg_stat_user_tables_seq_scan", NO_TABLES),
    ("pg_stat_user_tables_size_bytes", "up to 0.17, and the recorded database had no tables"),
    ("pg_stat_user_tables_table_size_bytes", NO_TABLES),
];
const NO_TABLES: &str = "the recorded database had no tables";

/// As recording rules, which `promtool check rules` parses.
#[test]
fn prometheus_reads_every_expression() {
    let mut expressions = BTreeSet::new();
    for (_, release) in variants() {
        expressions.extend(
            queries(&release)
                .into_iter()
                .filter(|query| query.datasource == "prometheus")
                .map(|query| query.expr),
        );
        for dashboard in dashboards(&release) {
            expressions.extend(
                list(&dashboard.json["annotations"]["list"])
                    .iter()
                    .map(|note| string(&note["expr"]).to_owned()),
            );
            let series = Regex::new(r"^label_values\((.*), \w+\)$").unwrap();
            for variable in
                dashboard.variables().iter().filter(|variable| variable["datasource"]["uid"] == "prometheus")
            {
                expressions.insert(series.captures(string(&variable["definition"])).unwrap()[1].to_owned());
            }
        }
    }
    assert!(expressions.len() > 100, "only {} expressions were found", expressions.len());
    let mut rules = "groups:\n  - name: dashboards\n    rules:\n".to_owned();
    for (number, expression) in expressions.iter().enumerate() {
        let expression = serde_json::to_string(expression).unwrap();
        writeln!(rules, "      - {{record: 'panel:{number}', expr: {expression}}}").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("panels.yml"), rules).unwrap();
    let printed =
        in_image_of("prometheus", &[(folder.path(), "/rules")], "promtool check rules /rules/panels.yml");
    assert!(printed.contains(&format!("SUCCESS: {} rules found", expressions.len())), "{printed}");
}

/// Loki has no checker to run offline; these are the mistakes that it refuses.
#[test]
fn loki_would_read_every_expression() {
    let release = full();
    let selector =
        Regex::new(r#"\{\s*\w+\s*(=|!=|=~|!~)\s*"[^"]*"(\s*,\s*\w+\s*(=|!=|=~|!~)\s*"[^"]*")*\s*\}"#)
            .unwrap();
    let ranged = Regex::new(r"(rate|count_over_time|bytes_over_time|bytes_rate)\(").unwrap();
    let mut count = 0;
    for query in queries(&release).iter().filter(|query| query.datasource == "loki") {
        let (shown, expr) = (format!("{}/{}: {}", query.dashboard, query.panel, query.expr), &query.expr);
        assert_eq!(selector.find_iter(expr).count(), 1, "one stream selector: {shown}");
        assert!(!query.instant || !expr.starts_with('{'), "lines cannot be asked for at an instant: {shown}");
        // A selector needs a matcher that the empty text does not match.
        assert!(Regex::new(r#"(=|=~)"[^".*]+""#).unwrap().is_match(expr), "selects everything: {shown}");
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            let depth = |wanted| expr.matches(wanted).count();
            assert_eq!(depth(open), depth(close), "{open}{close}: {shown}");
        }
        assert_eq!(expr.matches('`').count() % 2, 0, "{shown}");
        assert_eq!(
            ranged.find_iter(expr).count(),
            expr.matches(['[']).count(),
            "a range for each rate: {shown}"
        );
        for pattern in Regex::new(r#"=~\s*"([^"]*)"|\|~\s*`([^`]*)`"#).unwrap().captures_iter(expr) {
            let pattern = pattern.get(1).or(pattern.get(2)).unwrap().as_str();
            Regex::new(pattern).unwrap_or_else(|error| panic!("{shown}: {error}"));
        }
        count += 1;
    }
    assert!(count >= 10, "only {count} expressions were found");
}

/// A misspelt metric is an empty panel for ever.
#[test]
fn the_metrics_are_those_that_real_servers_gave() {
    let recorded = [
        "alloy-1.19.0",
        "cadvisor-0.60.5",
        "loki-3.7.6",
        "node_exporter-1.12.1",
        "postgres_exporter-0.20.1",
        "traefik-3.7.15",
    ]
    .map(|server| {
        let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings");
        std::fs::read_to_string(recordings.join(server).join("metrics.http")).unwrap()
    });
    let given = |name: &str| {
        let is_series = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        recorded.iter().any(|text| text.lines().any(is_series))
    };
    let mut used = metrics(&full(), "container|loki|node|pg|traefik");
    assert!(used.len() > 40, "{used:?}");
    used.retain(|name| !given(name));
    let excepted: BTreeSet<String> = NOT_RECORDED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(used, excepted);
}

/// Prometheus drops at the scrape what nobody looks at.
#[test]
fn the_metrics_are_kept() {
    let release = full();
    let prometheus: serde_yaml::Value =
        serde_yaml::from_str(text(&release, "prometheus/prometheus.yml")).unwrap();
    let mut lost = Vec::new();
    let jobs = [("container", "cadvisor"), ("loki_write", "alloy"), ("loki", "loki"), ("traefik", "traefik")];
    for (prefix, job) in jobs {
        let mut metrics = metrics(&release, prefix);
        metrics.retain(|name| prefix != "loki" || !name.starts_with("loki_write_"));
        assert!(!metrics.is_empty(), "{prefix}");
        let jobs = prometheus["scrape_configs"].as_sequence().unwrap();
        let job = jobs.iter().find(|found| found["job_name"] == job).unwrap();
        for rule in job["metric_relabel_configs"].as_sequence().into_iter().flatten() {
            if rule["source_labels"] != serde_yaml::Value::from(vec!["__name__"]) {
                continue;
            }
            let pattern = Regex::new(&format!("^(?:{})$", rule["regex"].as_str().unwrap())).unwrap();
            let keeps = rule["action"] == "keep";
            lost.extend(metrics.iter().filter(|name| pattern.is_match(name) != keeps).cloned());
        }
    }
    assert_eq!(lost, Vec::<String>::new());
}

/// The metrics that the panels ask Prometheus for, of those that begin with one of `prefixes` (`a|b`).
fn metrics(release: &Release, prefixes: &str) -> BTreeSet<String> {
    let metric = Regex::new(&format!(r"\b({prefixes})_\w+")).unwrap();
    // Labels have such names too.
    let label = Regex::new(r"\b(container_label_\w+|by \([^)]*\))").unwrap();
    let mut used = BTreeSet::new();
    for query in queries(release).iter().filter(|query| query.datasource == "prometheus") {
        let expr = label.replace_all(&query.expr, "");
        used.extend(metric.find_iter(&expr).map(|found| found.as_str().to_owned()));
    }
    used
}
