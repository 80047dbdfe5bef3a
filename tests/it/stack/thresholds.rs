//! A threshold, or a duration, that somebody changes by mistake makes a unit test of the rules fail.
//!
//! The texts of the alerts name their thresholds: they are taken out, here and from the unit tests, so that only
//! what fires can tell.

use std::collections::BTreeSet;
use std::path::Path;

use provision::stack::Release;
use serde_yaml::Value;

use super::prometheus::unit_tests;
use super::rules::rule_files;
use super::tools::in_image_of;
use super::{full, load, text};
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

    let folder = tempfile::tempdir().unwrap();
    let unmoved = full();
    write_rules(&unmoved, None, &folder.path().join("unmoved"));
    let project = Project::new();
    for (number, line) in lines.iter().enumerate() {
        project.write("inventory/test.yml", &format!("{INVENTORY}  {line}\n"));
        write_rules(&load(&project, line), Some(&unmoved), &folder.path().join(number.to_string()));
    }
    let printed = in_image_of(
        "prometheus",
        &[(folder.path(), "/rules")],
        "for folder in /rules/*; do
             ! promtool test rules $folder/test-*.yml >/tmp/said 2>&1 || echo \"${folder##*/}\"
         done",
    );
    let unnoticed: Vec<&str> = printed
        .lines()
        .map(|folder| folder.parse::<usize>().map_or(folder, |number| lines[number].as_str()))
        .collect();
    assert_eq!(unnoticed, ["unmoved"]);
}

/// Writes the rule files that differ from those of `other`, with their unit tests, all without annotations.
fn write_rules(release: &Release, other: Option<&Release>, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for path in rule_files(release) {
        if other.is_some_and(|other| text(other, path) == text(release, path)) {
            continue;
        }
        let file = path.rsplit('/').next().unwrap();
        std::fs::write(folder.join(file), without("annotations", text(release, path))).unwrap();
        for (name, tests) in unit_tests() {
            if tests.contains(&format!("rule_files: [{file}]")) {
                std::fs::write(folder.join(format!("test-{name}")), without("exp_annotations", &tests)).unwrap();
            }
        }
    }
}

/// The YAML text without any entry of that name.
fn without(name: &str, text: &str) -> String {
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
    let mut value: Value = serde_yaml::from_str(text).unwrap();
    strip(name, &mut value);
    serde_yaml::to_string(&value).unwrap()
}
