//! Reads the recordings for contract tests, and compares shapes.

use std::collections::BTreeSet;

use serde_json::Value;

/// Status and JSON body of one recording, named by its path below `tests/fixtures/recordings`.
pub(crate) fn answer(name: &str) -> (u16, Value) {
    let (status, body) = text(name);
    (status, serde_json::from_str(&body).unwrap())
}

/// The names of the metrics in a recording of `/metrics`.
pub(crate) fn metric_names(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    samples.map(|line| line.split(['{', ' ']).next().unwrap_or_default().to_owned()).collect()
}

/// Status and body of one recording.
pub(crate) fn text(name: &str) -> (u16, String) {
    let path = format!("{}/tests/fixtures/recordings/{name}.http", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    let (head, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("{path}: no blank line"));
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// The paths of all values with their types, `[].uid: string`; what a reader of the answer may rely on.
pub(crate) fn shape(value: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                into.insert(format!("{path}: object"));
                for (key, value) in map {
                    walk(value, &format!("{path}.{key}"), into);
                }
            }
            Value::Array(items) => {
                into.insert(format!("{path}: array"));
                for item in items {
                    walk(item, &format!("{path}[]"), into);
                }
            }
            Value::String(_) => drop(into.insert(format!("{path}: string"))),
            Value::Number(_) => drop(into.insert(format!("{path}: number"))),
            Value::Bool(_) => drop(into.insert(format!("{path}: bool"))),
            Value::Null => drop(into.insert(format!("{path}: null"))),
        }
    }
    let mut paths = BTreeSet::new();
    walk(value, "", &mut paths);
    paths
}
