//! What a service's definition says, without rules.

use std::collections::BTreeSet;

use crate::yaml::Value;

/// What docker takes as a name.
pub(super) fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Services whose new container brings this one a new container too: those it depends on, and those whose
/// namespaces it lives in (`network_mode: "service:x"`).
pub(super) fn depends_on(definition: &Value) -> BTreeSet<String> {
    let mut names = names_of(definition.get("depends_on"));
    for key in ["network_mode", "ipc", "pid"] {
        let joined =
            definition.get(key).and_then(Value::as_str).and_then(|mode| mode.strip_prefix("service:"));
        names.extend(joined.map(str::to_owned));
    }
    names
}

/// Names in a `depends_on`, which is a list or a map.
fn names_of(value: Option<&Value>) -> BTreeSet<String> {
    match value {
        Some(Value::Sequence(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::Mapping(map)) => map.keys().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}

/// A text that is the same for the same definition, whatever the order of its keys; the program's own part
/// aside, as it changes nothing in the container.
pub(super) fn canonical(definition: &Value) -> String {
    let mut definition = definition.clone();
    if let Value::Mapping(map) = &mut definition {
        map.remove("x-provision");
    }
    // serde_json's map is sorted by key.
    serde_json::to_value(&definition).map(|value| value.to_string()).unwrap_or_default()
}
#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn a_service_depends_on_those_that_it_names_or_lives_in() {
        let names = |text| depends_on(&yaml(text)).into_iter().collect::<Vec<_>>();
        assert_eq!(names("{depends_on: [b, a]}"), ["a", "b"]);
        assert_eq!(names("{depends_on: {a: {condition: service_started}}, pid: 'service:p'}"), ["a", "p"]);
        assert_eq!(names("{network_mode: 'service:n', ipc: host}"), ["n"]);
    }

    #[test]
    fn the_order_of_keys_and_our_own_part_change_no_definition() {
        let one = canonical(&yaml("{image: i, command: [a, b], x-provision: {uid: 1}}"));
        assert_eq!(one, canonical(&yaml("{command: [a, b], image: i}")));
        assert_ne!(one, canonical(&yaml("{command: [b, a], image: i}")));
    }

    #[test]
    fn docker_names_begin_with_a_letter_or_a_digit() {
        assert!(is_plain("web-1_a.b") && is_plain("1"));
        assert!(!is_plain("-web") && !is_plain("") && !is_plain("a b"));
    }
}
