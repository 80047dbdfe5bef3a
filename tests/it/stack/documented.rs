//! Every alert says how bad it is, what is wrong and where to read on, and docs/alerts.md has just these alerts.

use std::collections::BTreeSet;

use super::{full, text};
use super::rules::rules;
use super::thresholds::thresholds;

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.md")).unwrap()
}

#[test]
fn every_alert_has_a_severity_and_what_a_mail_shows() {
    for rule in rules(&full()) {
        let severity = rule.labels.get("severity").map(String::as_str);
        match rule.name.as_str() {
            "Watchdog" => assert_eq!(severity, Some("none")),
            _ => assert!(matches!(severity, Some("warning" | "critical")), "{}: {severity:?}", rule.shown()),
        }
        let annotations: Vec<&str> = rule.annotations.keys().map(String::as_str).collect();
        assert_eq!(annotations, ["dashboard", "description", "runbook_url", "summary"], "{}", rule.shown());
        assert!(rule.annotations.values().all(|text| !text.trim().is_empty()), "{}", rule.shown());
        let (_, section) = rule.annotations["runbook_url"].split_once('#').unwrap();
        assert_eq!(section, rule.name.to_lowercase(), "{}", rule.shown());
    }
}

#[test]
fn the_dashboard_that_an_alert_names_is_there() {
    let release = full();
    let boards: BTreeSet<String> = release
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("grafana/dashboards/"))
        .map(|(path, _)| serde_json::from_str::<serde_json::Value>(text(&release, path)).unwrap())
        .map(|board| format!("/d/{}", board["uid"].as_str().unwrap()))
        .collect();
    let named: BTreeSet<String> =
        rules(&release).into_iter().map(|rule| rule.annotations["dashboard"].clone()).collect();
    assert_eq!(named.difference(&boards).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn each_alert_has_a_section_and_each_section_an_alert() {
    let document = document();
    // A heading of several words is none of an alert's.
    let sections: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .filter(|heading| !heading.contains(' '))
        .collect();
    let rules = rules(&full());
    let names: BTreeSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(sections.len(), names.len(), "a section is there twice, or missing: {sections:?}");
    assert_eq!(sections.into_iter().collect::<BTreeSet<_>>(), names);
}

#[test]
fn the_table_of_thresholds_has_each_alert_with_its_severities() {
    let document = document();
    let table = document.split("\n## Thresholds\n").nth(1).unwrap().split("\n**To tune").next().unwrap();
    let mut rows = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        for name in cells[0].split(", ") {
            let name = name.split(" (").next().unwrap();
            rows.extend(cells[1].split(", ").map(|severity| (name.to_owned(), severity.to_owned())));
        }
    }
    let rules = rules(&full());
    let alerts = rules
        .iter()
        .filter(|rule| rule.name != "Watchdog")
        .map(|rule| (rule.name.clone(), rule.labels["severity"].clone()));
    assert_eq!(rows, alerts.collect());
}

/// What can be tuned is a variable, and the page says of which alert.
#[test]
fn each_threshold_is_named_in_the_table() {
    let document = document();
    let table = document.split("\n## Thresholds\n").nth(1).unwrap().split("\n**To tune").next().unwrap();
    let missing: Vec<String> =
        thresholds().into_iter().filter(|name| !table.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, Vec::<String>::new());
}
