//! What an inventory chooses shows in the dashboards: thresholds are the alerts', and what is off is not asked for.

use std::collections::BTreeSet;

use provision::stack::Release;
use regex_lite::Regex;

use super::super::rules::rules;
use super::super::{load, variants};
use super::{dashboards, queries, steps, string};
use crate::support::{INVENTORY, Project};

/// A threshold of an alert, another value for it, what a panel shows then, and the panels that show it.
const THRESHOLDS: [(&str, f64, f64, &[&str]); 18] = [
    ("cpu_percent", 84.0, 84.0, &["koprogo-overview/CPU"]),
    ("memory_percent", 83.0, 83.0, &["koprogo-overview/Memory in use"]),
    ("memory_stall_percent", 11.0, 11.0, &["koprogo-overview/Memory pressure"]),
    ("disk_free_percent", 21.0, 21.0, &["koprogo-overview/Free disk space"]),
    ("disk_free_critical_percent", 9.0, 9.0, &["koprogo-overview/Free disk space"]),
    ("inodes_free_percent", 12.0, 12.0, &["koprogo-overview/Free inodes"]),
    ("clock_skew_seconds", 0.07, 0.07, &["koprogo-overview/Clock"]),
    (
        "postgres_connections_percent",
        89.0,
        89.0,
        &["koprogo-overview/Connections", "postgres/Connections in use"],
    ),
    (
        "postgres_mean_query_ms",
        6.0,
        6.0,
        &[
            "koprogo-overview/Mean query time",
            "postgres/Mean query time",
            "postgres/Slowest statements in 24 h",
        ],
    ),
    (
        "postgres_cache_hit_percent",
        94.0,
        94.0,
        &["koprogo-overview/Cache hits", "postgres/Cache hits", "postgres/Cache hits over time"],
    ),
    (
        "backup_max_age_hours",
        27.0,
        27.0,
        &["koprogo-overview/Age of the last good backup", "koprogo-overview/Last backup"],
    ),
    (
        "container_memory_percent",
        88.0,
        88.0,
        &["docker/Containers", "docker/Memory of limit", "koprogo-overview/Container memory of limit"],
    ),
    (
        "container_restarts",
        4.0,
        4.0,
        &["docker/Restarts in 15 minutes", "koprogo-overview/Restarts in 15 minutes"],
    ),
    // What an objective allows: what is left of 100.
    (
        "error_budget_percent",
        99.9,
        0.1,
        &["koprogo-overview/Failed requests", "traefik/Failed in 1 h", "traefik/Failed requests by service"],
    ),
    (
        "api_latency_p99_seconds",
        1.5,
        1.5,
        &["koprogo-overview/Latency", "traefik/P99", "traefik/P99 by service", "traefik/Percentiles"],
    ),
    ("certificate_days", 13.0, 13.0, &["traefik/Certificates", "traefik/Next certificate ends"]),
    ("logs_lost_per_minute", 2.0, 2.0, &["logs/Lines given up", "logs/Lines lost"]),
    ("loki_compactor_hours", 5.0, 5.0, &["logs/Old logs last deleted"]),
];

#[test]
fn a_threshold_is_drawn_where_the_alert_has_it() {
    let project = Project::new();
    let before = drawn(&chosen(&project, ""));
    for (variable, value, shown, panels) in THRESHOLDS {
        let after = drawn(&chosen(&project, &format!("  {variable}: {value}\n")));
        let moved: BTreeSet<&str> =
            after.symmetric_difference(&before).map(|(panel, _)| panel.as_str()).collect();
        assert_eq!(moved.into_iter().collect::<Vec<_>>(), panels, "{variable}: {value}");
        for panel in panels {
            let values = after.iter().find(|(name, _)| name == panel).map(|(_, values)| values);
            assert!(
                values.unwrap().contains(&shown.to_string()),
                "{panel} does not show {shown}: {values:?}"
            );
        }
    }
}

/// With all of them moved no other value is left, but for "none" and "any".
#[test]
fn no_threshold_is_a_constant() {
    let lines: Vec<String> =
        THRESHOLDS.iter().map(|(variable, value, _, _)| format!("  {variable}: {value}\n")).collect();
    for (panel, values) in drawn(&chosen(&Project::new(), &lines.concat())) {
        for value in values.split_whitespace().filter(|value| !["-", "0", "1"].contains(value)) {
            assert!(
                THRESHOLDS
                    .iter()
                    .any(|(_, _, shown, panels)| shown.to_string() == *value
                        && panels.contains(&panel.as_str())),
                "{panel} has a threshold {value} that is no alert's"
            );
        }
    }
}

/// A component, its dashboard, and what only its queries mention.
const COMPONENTS: [(&str, Option<&str>, &str); 8] = [
    ("alertmanager", None, r"\balertmanager_"),
    ("node_exporter", None, r"\b(node|koprogo_backup)_"),
    ("postgres_exporter", Some("postgres"), r"\bpg_"),
    ("backend", None, r#"job="koprogo-backend"|\bhttp_request|\bkoprogo_build"#),
    ("loki", Some("logs"), r#"\b(loki|loki_write)_|\{job="(docker|journal)""#),
    ("collector", None, r"\bloki_write_"),
    ("cadvisor", Some("docker"), r"\bcontainer_"),
    ("traefik", Some("traefik"), r"\btraefik_"),
];

#[test]
fn nothing_asks_for_a_component_that_is_off() {
    let project = Project::new();
    let all = chosen(&project, "");
    for (component, dashboard, mention) in COMPONENTS {
        let mention = Regex::new(mention).unwrap();
        let asks = |release: &Release| -> Vec<String> {
            let found = queries(release).into_iter().filter(|query| mention.is_match(&query.expr));
            found.map(|query| format!("{}/{}: {}", query.dashboard, query.panel, query.expr)).collect()
        };
        let names = |release: &Release| -> Vec<String> {
            dashboards(release).into_iter().map(|dashboard| dashboard.name).collect()
        };
        assert_ne!(asks(&all), Vec::<String>::new(), "{component} is shown nowhere");
        let without = chosen(&project, &format!("  components: {{{component}: false}}\n"));
        assert_eq!(asks(&without), Vec::<String>::new(), "{component} is off");
        let mut expected = names(&all);
        expected.retain(|name| Some(name.as_str()) != dashboard);
        assert_eq!(names(&without), expected, "{component} is off");
    }
    assert!(dashboards(&chosen(&project, "  components: {grafana: false}\n")).is_empty());
}

#[test]
fn the_collector_that_runs_is_the_one_that_is_asked() {
    let asks =
        |release: &Release, metric: &str| queries(release).iter().any(|query| query.expr.contains(metric));
    let project = Project::new();
    let (alloy, promtail) = (chosen(&project, ""), chosen(&project, "  log_collector: promtail\n"));
    assert!(asks(&alloy, "loki_write_sent_entries_total") && !asks(&alloy, "promtail_"));
    assert!(asks(&promtail, "promtail_sent_entries_total") && !asks(&promtail, "loki_write_"));
}

/// An alert that a description names can fire.
#[test]
fn descriptions_name_alerts_that_are_there() {
    let name = Regex::new(r"\b[A-Z][a-z]+[A-Z]\w+").unwrap();
    let mut named = 0;
    for (variant, release) in variants() {
        let alerts: BTreeSet<String> = rules(&release).into_iter().map(|rule| rule.name).collect();
        for dashboard in dashboards(&release) {
            for panel in dashboard.panels() {
                let words = name.find_iter(string(&panel["description"])).map(|found| found.as_str());
                for word in words.filter(|word| !["PostgreSQL", "KoproGo", "WebSocket"].contains(word)) {
                    let shown = format!("{variant}: {}/{}", dashboard.name, string(&panel["title"]));
                    assert!(alerts.contains(word), "{shown} names {word}");
                    named += 1;
                }
            }
        }
    }
    assert!(named > 100, "only {named} were found");
}

fn chosen(project: &Project, lines: &str) -> Release {
    project.write("inventory/test.yml", &format!("{INVENTORY}{lines}"));
    load(project, lines)
}

/// Each panel with its thresholds' values, `-` where the lowest colour begins.
fn drawn(release: &Release) -> BTreeSet<(String, String)> {
    let mut drawn = BTreeSet::new();
    for dashboard in dashboards(release) {
        for panel in dashboard.panels() {
            let values: Vec<String> = steps(panel)
                .iter()
                .map(|(value, _)| value.map_or_else(|| "-".to_owned(), |v| v.to_string()))
                .collect();
            drawn.insert((format!("{}/{}", dashboard.name, string(&panel["title"])), values.join(" ")));
        }
    }
    drawn
}
