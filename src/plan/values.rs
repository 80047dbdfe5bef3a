//! What changed in a JSON file, value by value: a dashboard is often one line, of which a difference by lines says nothing.

use std::collections::BTreeSet;

use serde_json::Value;

/// So many characters of a value are shown.
const LONGEST: usize = 60;

/// The keys by which an element of a list is the same one, wherever it stands: tried in this order.
const NAMES: [&str; 6] = ["uid", "id", "refId", "title", "name", "text"];

/// What changed from `old` to `new`, a line each: `panels[CPU].targets[A].expr: "up" → "up == 1"`. None where one of them
/// is no JSON.
pub(super) fn changed(old: &[u8], new: &[u8]) -> Option<Vec<String>> {
    let (old, new) = (serde_json::from_slice(old).ok()?, serde_json::from_slice(new).ok()?);
    let mut lines = Vec::new();
    compare("", &old, &new, &mut lines);
    Some(lines)
}

fn compare(path: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                either(&path, before.get(key), after.get(key), lines);
            }
        }
        (Value::Array(before), Value::Array(after)) => match name_of_all(before, after) {
            Some(name) => {
                let find =
                    |list: &'_ [Value], wanted: &Value| list.iter().position(|one| one[name] == *wanted);
                let gone = before.iter().filter(|one| find(after, &one[name]).is_none());
                gone.for_each(|one| either(&element(path, name, one), Some(one), None, lines));
                for one in after {
                    let was = find(before, &one[name]).map(|at| &before[at]);
                    either(&element(path, name, one), was, Some(one), lines);
                }
            }
            None => {
                for at in 0..before.len().max(after.len()) {
                    either(&format!("{path}[{at}]"), before.get(at), after.get(at), lines);
                }
            }
        },
        _ if old == new => {}
        (Value::String(before), Value::String(after)) => {
            let from = difference(before, after);
            let part = |text: &str| {
                let rest: String = text.chars().skip(from).collect();
                let begin = if from > 0 { "…" } else { "" };
                shown(&Value::from(format!("{begin}{rest}")))
            };
            lines.push(format!("{}: {} → {}", place(path), part(before), part(after)));
        }
        _ => lines.push(format!("{}: {} → {}", place(path), shown(old), shown(new))),
    }
}

/// From which character on two long texts are shown: shortly before they begin to differ.
fn difference(old: &str, new: &str) -> usize {
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let longest = old.chars().count().max(new.chars().count());
    if longest <= LONGEST { 0 } else { same.saturating_sub(LONGEST / 3) }
}

fn either(path: &str, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    match (old, new) {
        (Some(old), Some(new)) => compare(path, old, new, lines),
        (Some(old), None) => lines.push(format!("{}: removed, was {}", place(path), shown(old))),
        (None, Some(new)) => lines.push(format!("{}: added: {}", place(path), shown(new))),
        (None, None) => {}
    }
}

fn place(path: &str) -> &str {
    if path.is_empty() { "the whole" } else { path }
}

/// The key that tells the elements of both lists apart.
fn name_of_all(before: &[Value], after: &[Value]) -> Option<&'static str> {
    if before.is_empty() || after.is_empty() {
        return None;
    }
    let tells_apart = |list: &[Value], name: &str| {
        let names: BTreeSet<String> = list.iter().map(|one| one[name].to_string()).collect();
        names.len() == list.len() && list.iter().all(|one| one[name].is_string() || one[name].is_number())
    };
    NAMES.into_iter().find(|name| tells_apart(before, name) && tells_apart(after, name))
}

/// An element by what a person knows it by: its title, where it has one.
fn element(path: &str, name: &str, one: &Value) -> String {
    let known =
        ["title", "name"].iter().find_map(|name| one[*name].as_str().filter(|title| !title.is_empty()));
    let known = known.map_or_else(|| shown(&one[name]), str::to_owned);
    format!("{path}[{}]", known.trim_matches('"'))
}

/// A value in one short line.
fn shown(value: &Value) -> String {
    let one = match value {
        Value::Object(map) => {
            let title = ["title", "name", "expr"].iter().find_map(|name| map.get(*name)?.as_str());
            return title.map_or_else(
                || crate::words::count(map.len(), "key"),
                |title| Value::from(title).to_string(),
            );
        }
        Value::Array(list) if list.iter().any(|one| one.is_object() || one.is_array()) => {
            return crate::words::count(list.len(), "element");
        }
        value => value.to_string(),
    };
    let mut cut: String = one.chars().take(LONGEST).collect();
    if cut.len() < one.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_of_one_line_says_what_changed() {
        let old = r#"{"title":"Host","refresh":"30s","panels":[{"id":1,"title":"CPU","targets":[{"refId":"A","expr":"up"}]},{"id":2,"title":"Old"},{"id":3,"title":"Moved","gridPos":{"x":0}}],"tags":["a","b"],"list":[1,2,3],"text":"All CPUs together have been busier than the limit, which is 85 % of all."}"#;
        let new = r#"{"title":"Host","panels":[{"id":3,"title":"Moved","gridPos":{"x":12}},{"id":1,"title":"CPU","targets":[{"refId":"A","expr":"up == 1 and a very long expression that goes on and on and on, on and on"}]},{"id":4,"title":"New"}],"tags":["a","c"],"list":[1,2],"text":"All CPUs together have been busier than the limit, which is 71 % of all.","time":{"from":"now-1h"},"x":[{}]}"#;
        let lines = changed(old.as_bytes(), new.as_bytes()).unwrap();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        list[2]: removed, was 3
        panels[Old]: removed, was "Old"
        panels[Moved].gridPos.x: 0 → 12
        panels[CPU].targets[A].expr: "up" → "up == 1 and a very long expression that goes on and on and …
        panels[New]: added: "New"
        refresh: removed, was "30s"
        tags[1]: "b" → "c"
        text: "…the limit, which is 85 % of all." → "…the limit, which is 71 % of all."
        time: added: 1 key
        x: added: 1 element
        "#);
        assert_eq!(changed(old.as_bytes(), old.as_bytes()), Some(Vec::new()));
        assert_eq!(changed(b"{", old.as_bytes()), None);
        assert_eq!(changed(b"1", b"2"), Some(vec!["the whole: 1 → 2".to_owned()]));
    }
}
