//! The published schema of `--output json`, and real lines held against it.

use serde_json::Value;

/// `docs/output.schema.json`, ready to be asked.
fn published() -> jsonschema::Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/output.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// The lines of a run with `--output json`, each of which is as the schema says. There is at least one.
pub(crate) fn valid(stdout: &str) -> Vec<Value> {
    let lines: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(!lines.is_empty(), "nothing was printed");
    let schema = published();
    for line in &lines {
        if let Err(error) = schema.validate(line) {
            panic!("{error}: {line}");
        }
    }
    lines
}

#[test]
fn the_schema_refuses_a_line_with_a_wrong_field() {
    let good = serde_json::json!({"version": 1, "time": "2026-11-24T10:00:00Z", "event": "end", "exit_code": 0, "meaning": "ok"});
    let schema = published();
    assert!(schema.is_valid(&good));
    for (field, value) in
        [("exit_code", Value::from("0")), ("meaning", "fine".into()), ("event", "over".into())]
    {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(!schema.is_valid(&bad), "{bad}");
    }
}
