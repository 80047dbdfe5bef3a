//! A threshold, or a duration, that somebody changes by mistake makes a unit test of the rules fail.
//!
//! The texts of the alerts name their thresholds: they are taken out, here and from the unit tests, so that only
//! what fires can tell.

use std::collections::BTreeSet;
use std::path::Path;

use provision::stack::Release;
use serde_json::json;
use serde_yaml::Value;

use super::prometheus::unit_tests;
use super::rules::{rule_files, rules_of};
use super::tools::in_image_of;
use super::load;
use crate::support::{INVENTORY, Project};

/// Each threshold, moved to where a unit test has to notice it: by a step above and, since the value at the threshold
/// itself is good, by a little more than a step below; only one of the two where the other is no mistake.
const MOVED: [(&str, &[&str]); 26] = [
    ("cpu_percent", &["83.9", "86"]),
    ("memory_percent", &["83.9", "86"]),
    ("memory_stall_percent", &["8.9", "11"]),
    ("disk_free_percent", &["19", "21.1"]),
    ("disk_free_critical_percent", &["9", "11.1"]),
    ("inodes_free_percent", &["9", "11.1"]),
    ("disk_forecast_free_percent", &["39", "41.1"]),
    ("clock_skew_seconds", &["0.039", "0.06"]),
    ("postgres_connections_percent", &["89", "91"]),
    ("postgres_mean_query_ms", &["3.9", "6"]),
    ("postgres_min_calls_per_second", &["0.08", "0.12"]),
    ("postgres_cache_hit_percent", &["94", "96.1"]),
    ("postgres_min_reads_per_second", &["0.8", "1.2"]),
    ("postgres_capacity_days", &["29", "31"]),
    ("backup_max_age_hours", &["25", "27"]),
    ("container_unseen_seconds", &["60", "105"]),
    ("container_restarts", &["2", "4"]),
    ("container_memory_percent", &["88.9", "91"]),
    ("error_budget_percent", &["99.4", "99.6"]),
    ("api_latency_p99_seconds", &["0.9", "1.1"]),
    ("traefik_min_requests", &["99", "101"]),
    ("certificate_days", &["13", "15"]),
    ("logs_lost_per_minute", &["1"]),
    ("loki_compactor_hours", &["2", "4"]),
    // Neither a number nor a step: the disk that is looked at.
    ("postgres_mountpoint", &["/data"]),
    // Each entry of it is moved below.
    ("alert_for", &[]),
];

/// The declarations from the heading of the thresholds on.
fn declared() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/stack/monitoring/variables.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, thresholds) = text.split_once("# --- thresholds").unwrap();
    let (_, thresholds) = thresholds.split_once('\n').unwrap();
    serde_yaml::from_str(thresholds).unwrap()
}

/// The names of the thresholds.
pub(super) fn thresholds() -> BTreeSet<String> {
    declared().as_mapping().unwrap().keys().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Twice as long and half as long.
fn other_durations(duration: &str) -> [String; 2] {
    let (number, unit) = duration.split_at(duration.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("{duration}"),
    };
    let seconds = number.parse::<u64>().unwrap() * seconds;
    [format!("{}s", seconds * 2), format!("{}s", seconds / 2)]
}

#[test]
fn a_threshold_or_a_duration_that_moves_is_noticed() {
    let declared = declared();
    assert_eq!(MOVED.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), thresholds());

    let mut lines: Vec<String> = Vec::new();
    for (name, values) in MOVED {
        lines.extend(values.iter().map(|value| format!("{name}: {value}")));
    }
    for (alert, duration) in declared["alert_for"]["default"].as_mapping().unwrap() {
        for other in other_durations(duration.as_str().unwrap()) {
            lines.push(format!("alert_for: {{{}: {other}}}", alert.as_str().unwrap()));
        }
    }

    let project = Project::new();
    // They are most of the work of rendering, which is done for each line.
    std::fs::remove_dir_all(project.root().join("stack/monitoring/grafana/dashboards")).unwrap();
    let unmoved = all_rules(&load(&project, "unmoved"));
    let mut moved = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        project.write("inventory/test.yml", &format!("{INVENTORY}  {line}\n"));
        let rules = all_rules(&load(&project, line));
        let changed: BTreeSet<&str> =
            rules.iter().filter(|rule| !unmoved.contains(rule)).filter_map(|rule| rule["alert"].as_str()).collect();
        assert!(!changed.is_empty(), "`{line}` changes no alert");
        // All of the name: a unit test says what fires under a name.
        let of_these = |rule: &&Value| rule["alert"].as_str().is_some_and(|name| changed.contains(name));
        moved.extend(rules.iter().filter(of_these).map(|rule| renamed(rule, number)));
    }

    let folder = tempfile::tempdir().unwrap();
    for (name, text) in unit_tests() {
        write_case(folder.path(), &name, &text, &unmoved, &moved);
    }
    let printed = in_image_of(
        "prometheus",
        &[(folder.path(), "/rules")],
        "promtool test rules /rules/test-*.yml 2>&1 || true",
    );
    let failed: BTreeSet<&str> = printed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("alertname: ")?.split(',').next())
        .collect();
    let noticed: BTreeSet<usize> =
        failed.iter().filter_map(|name| name.split_once(MARK)?.1.parse().ok()).collect();
    let unnoticed: Vec<&String> =
        (0..lines.len()).filter(|number| !noticed.contains(number)).map(|number| &lines[number]).collect();
    assert_eq!(unnoticed, Vec::<&String>::new(), "{printed}");
    // The unit tests hold as long as nothing moves: what is taken out of them does not make them fail.
    assert!(failed.iter().all(|name| name.contains(MARK)), "{failed:?}");
}

/// Between an alert's name and the number of the line that moved it.
const MARK: &str = "__";

/// All rules, without annotations.
fn all_rules(release: &Release) -> Vec<Value> {
    let mut rules: Vec<Value> =
        rule_files(release).into_iter().flat_map(|path| rules_of(release, path)).collect();
    rules.iter_mut().for_each(|rule| strip("annotations", rule));
    rules
}

fn renamed(rule: &Value, number: usize) -> Value {
    let mut rule = rule.clone();
    rule["alert"] = format!("{}{MARK}{number}", rule["alert"].as_str().unwrap()).into();
    rule
}

/// Writes a file of unit tests with the rules that it is about. What it expects of an alert it expects of that alert's
/// moved forms too.
fn write_case(folder: &Path, name: &str, text: &str, unmoved: &[Value], moved: &[Value]) {
    let mut tests: Value = serde_yaml::from_str(text).unwrap();
    strip("exp_annotations", &mut tests);
    strip("promql_expr_test", &mut tests);
    let mut alerts = BTreeSet::new();
    for group in tests["tests"].as_sequence_mut().unwrap() {
        let Some(cases) = group.get_mut("alert_rule_test").and_then(Value::as_sequence_mut) else { continue };
        for case in cases.clone() {
            let alert = case["alertname"].as_str().unwrap().to_owned();
            let names: BTreeSet<&str> = moved.iter().filter_map(|rule| rule["alert"].as_str()).collect();
            for name in names.into_iter().filter(|name| name.split(MARK).next() == Some(&alert)) {
                let mut case = case.clone();
                case["alertname"] = name.into();
                cases.push(case);
            }
            alerts.insert(alert);
        }
    }
    let is_about = |rule: &&Value| {
        rule["alert"].as_str().is_none_or(|alert| alerts.contains(alert.split(MARK).next().unwrap()))
    };
    let rules: Vec<&Value> = unmoved.iter().chain(moved).filter(is_about).collect();
    tests["rule_files"] = Value::Sequence(vec![name.into()]);
    std::fs::write(folder.join(name), json!({"groups": [{"name": "all", "rules": rules}]}).to_string()).unwrap();
    std::fs::write(folder.join(format!("test-{name}")), serde_yaml::to_string(&tests).unwrap()).unwrap();
}

/// Takes every entry of that name out.
fn strip(name: &str, value: &mut Value) {
    match value {
        Value::Mapping(map) => {
            map.remove(name);
            map.values_mut().for_each(|value| strip(name, value));
        }
        Value::Sequence(list) => list.iter_mut().for_each(|value| strip(name, value)),
        _ => {}
    }
}
