//! The rules that are rendered, and the cases that the unit tests have for each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use provision::stack::{Release, is_yaml};
use serde_yaml::Value;

use super::{full, text};

/// An alert rule.
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Rule {
    /// Name and labels: several rules have one name.
    pub(crate) fn shown(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", self.name, labels.join(" "))
    }
}

/// The rendered files that hold rules.
pub(super) fn rule_files(release: &Release) -> Vec<&str> {
    let is_rules = |path: &str| {
        is_yaml(path) && serde_yaml::from_str::<Value>(text(release, path)).unwrap().get("groups").is_some()
    };
    release.files.keys().map(String::as_str).filter(|path| is_rules(path)).collect()
}

/// All rules of a file, those that record as well.
pub(super) fn rules_of(release: &Release, path: &str) -> Vec<Value> {
    let file: Value = serde_yaml::from_str(text(release, path)).unwrap();
    let groups = file["groups"].as_sequence().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_sequence().unwrap().clone()).collect()
}

/// All alert rules of a release.
pub(crate) fn rules(release: &Release) -> Vec<Rule> {
    let all = rule_files(release).into_iter().flat_map(|path| rules_of(release, path));
    all.filter(|rule| rule.get("record").is_none())
        .map(|rule| Rule {
            name: rule["alert"].as_str().unwrap().to_owned(),
            labels: strings(&rule["labels"]),
            annotations: strings(&rule["annotations"]),
        })
        .collect()
}

fn strings(map: &Value) -> BTreeMap<String, String> {
    let map = map.as_mapping().unwrap();
    map.iter()
        .map(|(key, value)| (key.as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// What a unit test expects of one name at one moment: the labels of each alert that fires.
struct Case {
    name: String,
    firing: Vec<BTreeMap<String, String>>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rules")).unwrap()
    {
        let file: Value =
            serde_yaml::from_str(&std::fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        for test in file["tests"].as_sequence().unwrap() {
            for case in test.get("alert_rule_test").and_then(Value::as_sequence).into_iter().flatten() {
                let firing = case["exp_alerts"].as_sequence().unwrap();
                cases.push(Case {
                    name: case["alertname"].as_str().unwrap().to_owned(),
                    firing: firing.iter().map(|alert| strings(&alert["exp_labels"])).collect(),
                });
            }
        }
    }
    cases
}

#[test]
fn every_rule_has_a_case_that_fires_and_one_that_does_not() {
    let rules = rules(&full());
    let cases = cases();
    let mut missing = Vec::new();
    for rule in &rules {
        let of_this_rule = |case: &Case| {
            case.firing
                .iter()
                .any(|labels| rule.labels.iter().all(|(name, value)| labels.get(name) == Some(value)))
        };
        let mut same_name = cases.iter().filter(|case| case.name == rule.name);
        if !same_name.clone().any(of_this_rule) {
            missing.push(format!("{} never fires", rule.shown()));
        }
        // The Watchdog is the one that never stops.
        if rule.name != "Watchdog" && same_name.all(of_this_rule) {
            missing.push(format!("{} always fires", rule.shown()));
        }
    }
    assert_eq!(missing, Vec::<String>::new());

    // promtool says nothing about a name that no rule has.
    let known: BTreeSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let tested: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(tested, known);
}
