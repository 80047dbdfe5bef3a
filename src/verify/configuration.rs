//! Whether the configuration that runs means what was sent.
//!
//! Prometheus, Alertmanager and Loki print the configuration they run with: parsed, with defaults filled in, paths
//! made absolute, secrets hidden; and a newer version prints defaults that an older one did not know. So what was sent
//! must be contained in it, value by value. What runs beside it is a default, but for what no version fills in by
//! itself and what would act: that is left from before.

use serde_yaml::{Mapping, Value};

use super::scalar;
use super::verdict::{Verdict, few, see_log};

/// What acts where it runs and was not sent, by the key that it stands below (empty: at the top). In a list of maps
/// that is the list's key. Everything else is taken for a default.
const ACTS: &[(&str, &[&str])] = &[
    // Prometheus and Alertmanager.
    (
        "",
        &[
            "inhibit_rules",
            "mute_time_intervals",
            "receivers",
            "remote_read",
            "remote_write",
            "rule_files",
            "scrape_config_files",
            "scrape_configs",
            "templates",
            "time_intervals",
        ],
    ),
    // Prometheus.
    ("global", &["external_labels"]),
    ("alerting", &["alert_relabel_configs", "alertmanagers"]),
    ("alertmanagers", &["alert_relabel_configs", "authorization", "basic_auth", "oauth2", "relabel_configs"]),
    (
        "scrape_configs",
        &["authorization", "basic_auth", "metric_relabel_configs", "oauth2", "params", "relabel_configs"],
    ),
    ("static_configs", &["labels", "targets"]),
    ("remote_write", &["authorization", "basic_auth", "oauth2", "write_relabel_configs"]),
    // Alertmanager.
    ("route", ROUTE),
    ("routes", ROUTE),
    (
        "inhibit_rules",
        &[
            "equal",
            "source_match",
            "source_match_re",
            "source_matchers",
            "target_match",
            "target_match_re",
            "target_matchers",
        ],
    ),
];

const ROUTE: &[&str] =
    &["active_time_intervals", "group_by", "match", "match_re", "matchers", "mute_time_intervals", "routes"];

/// Maps whose keys are the user's, with the key above them: each key acts. Those of a receiver's `labels` do not: they
/// are for who asks for receivers, and Alertmanager 0.34 adds its name there.
const FREE_MAPS: &[(&str, &str)] = &[
    ("global", "external_labels"),
    ("scrape_configs", "params"),
    ("static_configs", "labels"),
    ("route", "match"),
    ("route", "match_re"),
    ("routes", "match"),
    ("routes", "match_re"),
];

/// Maps whose values are words, and no durations or sizes.
const WORDS: &[&str] = &["external_labels", "labels", "match", "match_re"];

/// Where a value stands: its nearest key, and the one above that. Empty at the top.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    above: &'a str,
    field: &'a str,
}

impl Place<'_> {
    /// Whether `key` in a map here, with a value that was not sent, is left from before.
    fn is_left(self, key: &str) -> bool {
        let Self { above, field } = self;
        if FREE_MAPS.contains(&(above, field)) {
            return true;
        }
        let found = match field {
            // Ways to find targets, and ways to tell people.
            "scrape_configs" | "alertmanagers" => key.ends_with("_sd_configs") || key == "static_configs",
            "receivers" => key.ends_with("_configs"),
            _ => false,
        };
        found || ACTS.iter().any(|(place, keys)| *place == field && keys.contains(&key))
    }
}

/// Compares the text sent with the text that runs, both YAML.
#[must_use]
pub fn judge(service: &str, sent: &str, running: &str) -> Verdict {
    let parse = |text: &str| {
        let mut value: Value = serde_yaml::from_str(text)?;
        value.apply_merge()?;
        Ok(value)
    };
    let sent = match parse(sent) {
        Ok(value) => value,
        Err(error) => return unreadable(service, "configuration of the release", &error),
    };
    let running = match parse(running) {
        Ok(value) => value,
        Err(error) => return unreadable(service, "running configuration", &error),
    };
    let mut comparison = Comparison::default();
    comparison.values("", Place { above: "", field: "" }, &sent, &running);
    let differences = comparison.differences;
    if differences.is_empty() {
        return Verdict::Holds("runs as sent".to_owned());
    }
    Verdict::not_yet(
        format!("{service} runs another configuration: {}", few(&differences, 3)),
        format!("It did not reload, or refused the new file and kept the old one. {}", see_log(service)),
    )
    .with_detail(differences)
}

fn unreadable(service: &str, what: &str, error: &serde_yaml::Error) -> Verdict {
    Verdict::refused(
        format!("{service}: the {what} is not YAML: {error}"),
        "This is a bug of provision or of the server's answer: please report it.",
    )
}

/// One comparison under way.
#[derive(Default)]
struct Comparison {
    differences: Vec<String>,
    /// The folder below which relative paths are printed: the same for all, known from the first.
    folder: Option<String>,
}

impl Comparison {
    /// Notes where `running` does not mean `sent`.
    fn values(&mut self, path: &str, place: Place<'_>, sent: &Value, running: &Value) {
        match (sent, running) {
            (Value::Mapping(sent), Value::Mapping(running)) => self.maps(path, place, sent, running),
            // A file that says nothing sends nothing.
            (Value::Null, Value::Mapping(running)) => self.maps(path, place, &Mapping::new(), running),
            (Value::Sequence(sent), Value::Sequence(running)) => {
                if place.field.ends_with("matchers") {
                    if matchers(sent) != matchers(running) {
                        self.differences.push(differs(
                            path,
                            &Value::from(sent.clone()),
                            &Value::from(running.clone()),
                        ));
                    }
                    return;
                }
                for (index, (sent, running)) in sent.iter().zip(running).enumerate() {
                    self.values(&format!("{path}[{}]", name(index, sent)), place, sent, running);
                }
                for (index, missing) in sent.iter().enumerate().skip(running.len()) {
                    self.differences
                        .push(format!("{path}[{}] was sent and does not run", name(index, missing)));
                }
                for (index, extra) in running.iter().enumerate().skip(sent.len()) {
                    self.differences.push(format!("{path}[{}] runs and was not sent", name(index, extra)));
                }
            }
            _ if self.same_scalar(place.field, sent, running) => {}
            _ => self.differences.push(differs(path, sent, running)),
        }
    }

    fn maps(&mut self, path: &str, place: Place<'_>, sent: &Mapping, running: &Mapping) {
        let field = place.field;
        let below = |key: &Value| {
            if path.is_empty() { plain(key) } else { format!("{path}.{}", plain(key)) }
        };
        let fold = |key: &Value| if field == "headers" { plain(key).to_lowercase() } else { plain(key) };
        let field_of = |key: &Value| if WORDS.contains(&field) { field.to_owned() } else { plain(key) };
        // A key without a value says nothing.
        let said = || sent.iter().filter(|(_, value)| !value.is_null());
        for (key, value) in said() {
            // Alertmanager capitalises mail headers.
            match running.iter().find(|(other, _)| fold(other) == fold(key)) {
                Some((_, running)) => {
                    let place = Place { above: field, field: &field_of(key) };
                    self.values(&below(key), place, value, running);
                }
                // A printed configuration leaves out what is empty, false or zero.
                None if is_zero(value) => {}
                None => {
                    self.differences.push(format!("{}: sent {}, running nothing", below(key), short(value)));
                }
            }
        }
        for (key, value) in running {
            if is_zero(value) || said().any(|(other, _)| fold(other) == fold(key)) {
                continue;
            }
            let key_name = plain(key);
            if place.is_left(&key_name) {
                self.differences.push(format!("{}: sent nothing, running {}", below(key), short(value)));
            } else if let Value::Mapping(inside) = value {
                let place = Place { above: field, field: &key_name };
                self.maps(&below(key), place, &Mapping::new(), inside);
            }
        }
    }

    fn same_scalar(&mut self, field: &str, sent: &Value, running: &Value) -> bool {
        if matches!(sent, Value::Null) {
            // Not set: the default runs, or nothing.
            return !is_collection(running) || is_zero(running);
        }
        if is_zero(sent) && matches!(running, Value::Null) {
            return true;
        }
        if is_collection(sent) || is_collection(running) {
            return is_zero(sent) && is_zero(running);
        }
        if boolean(sent).is_some() && boolean(sent) == boolean(running) {
            return true;
        }
        let (sent, running) = (plain(sent), plain(running));
        if sent == running || (running == "<secret>" && !sent.is_empty()) {
            return true;
        }
        if WORDS.contains(&field) {
            return false;
        }
        let equal = |read: fn(&str) -> Option<u64>| read(&sent).is_some() && read(&sent) == read(&running);
        let number = |text: &str| text.parse::<f64>().ok().map(f64::to_bits);
        equal(scalar::milliseconds)
        || equal(scalar::bytes)
        || (number(&sent).is_some() && number(&sent) == number(&running))
        || (is_path(field) && self.same_path(&sent, &running))
        || (sent.contains("://") && sent.trim_end_matches('/') == running.trim_end_matches('/'))
        // Printed in lower case by both.
        || (matches!(field, "action" | "weekdays" | "months") && sent.eq_ignore_ascii_case(&running))
    }

    fn same_path(&mut self, sent: &str, running: &str) -> bool {
        let sent = sent.trim_start_matches("./");
        if sent.is_empty() || sent.starts_with('/') {
            return false;
        }
        let Some(folder) = running.strip_suffix(sent).filter(|folder| folder.ends_with('/')) else {
            return false;
        };
        self.folder.get_or_insert_with(|| folder.to_owned()) == folder
    }
}

fn differs(path: &str, sent: &Value, running: &Value) -> String {
    format!("{path}: sent {}, running {}", short(sent), short(running))
}

/// What Go's YAML reader takes for a boolean.
fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.as_str() {
            "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
            "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn is_collection(value: &Value) -> bool {
    matches!(value, Value::Sequence(_) | Value::Mapping(_))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => {
            boolean(value) == Some(false)
                || text.is_empty()
                || scalar::milliseconds(text) == Some(0)
                || scalar::bytes(text) == Some(0)
        }
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(map) => map.iter().all(|(_, value)| is_zero(value)),
        Value::Tagged(tagged) => is_zero(&tagged.value),
    }
}

/// Whether a field names files, which are printed below the folder of the configuration.
fn is_path(field: &str) -> bool {
    field == "files"
        || field == "templates"
        || field == "directory"
        || field.ends_with("_file")
        || field.ends_with("_files")
}

/// Alertmanager's matchers, one by one, without quotes and spaces, sorted: it prints `a="b"` for `a = b`, and
/// one string may hold several.
fn matchers(items: &[Value]) -> Vec<String> {
    let mut all = Vec::new();
    for item in items {
        let text = plain(item);
        let text = text.trim();
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let (mut one, mut quoted, mut escaped) = (String::new(), false, false);
        for c in inner.chars() {
            match c {
                _ if escaped => {
                    one.push(c);
                    escaped = false;
                }
                '\\' if quoted => {
                    one.push(c);
                    escaped = true;
                }
                '"' => quoted = !quoted,
                ',' if !quoted => all.push(std::mem::take(&mut one)),
                c if c.is_whitespace() && !quoted => {}
                c => one.push(c),
            }
        }
        all.push(one);
    }
    all.retain(|one| !one.is_empty());
    all.sort();
    all
}

/// How an element of a list is called: by its name where it has one.
fn name(index: usize, value: &Value) -> String {
    ["job_name", "name", "receiver"]
        .iter()
        .find_map(|key| value.get(key).and_then(Value::as_str))
        .map_or_else(|| index.to_string(), str::to_owned)
}

/// A scalar as text, without YAML's quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => serde_json::to_string(value).unwrap_or_else(|_| "a map".to_owned()),
    }
}

/// The same, short enough for a message.
fn short(value: &Value) -> String {
    let text = plain(value);
    if text.chars().count() <= 60 {
        return text;
    }
    let mut cut: String = text.chars().take(59).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
#[path = "configuration_tests.rs"]
mod tests;
