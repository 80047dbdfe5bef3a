//! Finds keys that a map does not have in a template's text: tera takes `{% if components.graphana %}` for
//! false, and what should be there is silently not.

use std::collections::BTreeMap;

use crate::error::{Place, Problem};
use crate::yaml::{Value, suggestion};

/// Every `map.key` in a tag of `text` whose map is one of `values` and has no such key. `file` names the
/// template in messages.
pub(super) fn unknown(file: &str, text: &str, values: &BTreeMap<String, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, map, key) in accesses(text) {
        let Some(Value::Mapping(known)) = values.get(map) else { continue };
        if known.is_empty() || known.contains_key(key) {
            continue;
        }
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let names: Vec<&str> = known.keys().filter_map(Value::as_str).collect();
        problems.push(Problem::new(
            Place::at(file, text, line, column),
            format!("`{map}` has no entry `{key}`"),
            suggestion(key, &names),
        ));
    }
    problems
}

/// The `map.key` pairs in the tags of a template, with the offset of each; texts in quotes aside.
fn accesses(text: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(['{']).map(|offset| at + offset) {
        at = start + 1;
        let close = match text[at..].chars().next() {
            Some('{') => "}}",
            Some('%') => "%}",
            Some('#') => "#}",
            _ => continue,
        };
        let Some(end) = text[at..].find(close).map(|offset| at + offset) else { break };
        let tag = &text[at + 1..end];
        if close == "%}" && tag.trim_matches(['-', ' ']) == "raw" {
            at = text[end..].find("endraw").map_or(text.len(), |offset| end + offset);
            continue;
        }
        if close != "#}" {
            in_tag(at + 1, tag, &mut found);
        }
        at = end;
    }
    found
}

fn in_tag<'a>(offset: usize, tag: &'a str, found: &mut Vec<(usize, &'a str, &'a str)>) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut at = 0;
    while let Some(first) = tag[at..].chars().next() {
        if matches!(first, '"' | '\'' | '`') {
            let rest = at + 1;
            at = tag[rest..].find(first).map_or(tag.len(), |end| rest + end + 1);
        } else if is_word(first) {
            let path = &tag[at..];
            let path = &path[..path.find(|c: char| !is_word(c) && c != '.').unwrap_or(path.len())];
            let mut parts = path.split('.');
            if let (Some(map), Some(key)) = (parts.next(), parts.next()) {
                found.push((offset + at, map, key));
            }
            at += path.len();
        } else {
            at += first.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_a_map_does_not_have_is_found_in_tags_only() {
        let values = BTreeMap::from([
            ("parts".to_owned(), serde_yaml::from_str::<Value>("{grafana: true, loki: false}").unwrap()),
            ("name".to_owned(), Value::from("x")),
        ]);
        let places = |text: &str| -> Vec<String> {
            unknown("a.tera", text, &values)
                .iter()
                .map(|p| format!("{}: {} {}", p.place, p.what, p.hint))
                .collect()
        };
        assert_eq!(
            places("x\n{%- if parts.loki and parts.graphana -%}"),
            ["a.tera:2:23: `parts` has no entry `graphana` Did you mean `grafana`?"]
        );
        for good in [
            "{{ parts.grafana }} parts.nothing",
            "{{ 'parts.nothing' ~ name }}",
            "{% raw %}{{ parts.nothing }}{% endraw %}",
            "{# parts.nothing #}",
            "{{ other.nothing }} { parts.nothing }",
        ] {
            assert_eq!(places(good), Vec::<String>::new(), "{good}");
        }
    }
}
