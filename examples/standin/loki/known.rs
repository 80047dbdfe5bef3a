//! What fields Loki's configuration has: those of a recorded `/config`, which prints all with their values.
//!
//! A field that is not there is refused, as Loki refuses it, and a value of another kind as well. Fields that
//! came after the recorded version have to be added to `NOT_SHOWN`.

use serde_yaml::Value;

use super::duration;

const RECORDED: &str = include_str!("../../../tests/fixtures/recordings/loki-3.4.6/config.http");

/// Fields that the recording does not show: those that Loki leaves out where they are false, and those of later
/// versions. As dotted paths.
const NOT_SHOWN: [&str; 1] = ["auth_enabled"];

/// The recorded configuration as a tree. What had been set for the recording is back at Loki's default.
pub(super) fn defaults() -> Value {
    let body = RECORDED.split_once("\n\n").map_or("", |(_, body)| body);
    let mut tree: Value = serde_yaml::from_str(body).unwrap_or_default();
    for (path, value) in [
        ("limits_config.retention_period", Value::from("0s")),
        ("compactor.retention_enabled", Value::from(false)),
        ("compactor.delete_request_store", Value::from("")),
        ("analytics.reporting_enabled", Value::from(true)),
    ] {
        if let Some(place) = at_mut(&mut tree, path) {
            *place = value;
        }
    }
    tree
}

/// The value at a dotted path.
pub(super) fn at<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |tree, key| tree.get(key))
}

fn at_mut<'a>(tree: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(tree, |tree, key| tree.get_mut(key))
}

/// Lays `ours` over the tree, checked field by field. `path` is where we are, for errors.
pub(super) fn overlay(tree: &mut Value, ours: &Value, path: &str, wrong: &mut Vec<(String, String)>) {
    match (&mut *tree, ours) {
        (_, Value::Null) => {}
        (Value::Mapping(known), Value::Mapping(given)) => {
            // An empty map in the recording takes any key: tags, overrides.
            let open = known.is_empty();
            for (key, value) in given {
                let name = key.as_str().unwrap_or_default();
                let below = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                match known.get_mut(key) {
                    Some(place) => overlay(place, value, &below, wrong),
                    // Left out again where it is false.
                    None if !open
                        && value.as_bool() == Some(false)
                        && NOT_SHOWN.contains(&below.as_str()) => {}
                    None if open || NOT_SHOWN.contains(&below.as_str()) => {
                        known.insert(key.clone(), value.clone());
                    }
                    None => wrong.push((name.to_owned(), format!("field {name} not found in `{path}`"))),
                }
            }
        }
        (Value::Sequence(known), Value::Sequence(given)) => {
            let template = known.first().cloned();
            *known = given
                .iter()
                .map(|one| match &template {
                    Some(template) if template.is_mapping() => {
                        let mut place = template.clone();
                        overlay(&mut place, one, path, wrong);
                        place
                    }
                    _ => one.clone(),
                })
                .collect();
        }
        (Value::Null, given) => *tree = given.clone(),
        (place, given) => match scalar(place, given, path) {
            Ok(value) => *place = value,
            Err(kind) => {
                let name = path.rsplit('.').next().unwrap_or(path).to_owned();
                wrong.push((name, format!("cannot unmarshal {} into {kind} at `{path}`", shown(given))));
            }
        },
    }
}

fn shown(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap_or_default().trim_end().to_owned()
}

/// The given value in the form in which Loki prints it, or what kind was expected.
fn scalar(known: &Value, given: &Value, path: &str) -> Result<Value, &'static str> {
    match (known, given) {
        (Value::Bool(_), Value::Bool(_)) | (Value::Number(_), Value::Number(_)) => Ok(given.clone()),
        (Value::Bool(_), _) => Err("bool"),
        (Value::Number(_), _) => Err("a number"),
        (Value::String(text), given) => {
            let new = match given {
                Value::String(new) => new.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                _ => return Err("string"),
            };
            // The recorded value tells the kind: `10m0s` and `1w` are durations, `256KB` is a size.
            match duration::parse(text) {
                Some(_) if text != "0" => {
                    let length = duration::parse(&new).ok_or("a duration")?;
                    // Two kinds of duration print differently; the limits are of Prometheus' kind.
                    let prometheus = !text.ends_with('s') || path.starts_with("limits_config.");
                    Ok(Value::from(if prometheus {
                        duration::as_prometheus(length)
                    } else {
                        duration::as_go(length)
                    }))
                }
                _ if text.ends_with('B') && duration::bytes(text).is_some() => {
                    duration::bytes(&new).map(|_| Value::from(new)).ok_or("a size")
                }
                _ => Ok(Value::from(new)),
            }
        }
        _ => Err("a field of another kind"),
    }
}
