//! Whether the configuration that runs means what was sent.
//!
//! Prometheus and Alertmanager print the configuration they run with: parsed, with defaults filled in, paths
//! made absolute, secrets hidden. So what was sent must be contained in it, value by value; and where there
//! are no defaults, nothing else may be there.

use serde_yaml::{Mapping, Value};

use super::scalar;
use super::verdict::{Verdict, few, see_log};

/// Fields that no server fills in by itself: what runs there and was not sent is left from before.
const NO_DEFAULTS: &[&str] = &[
    "active_time_intervals",
    "alert_relabel_configs",
    "alertmanagers",
    "email_configs",
    "equal",
    "external_labels",
    "group_by",
    "inhibit_rules",
    "labels",
    "match",
    "match_re",
    "matchers",
    "metric_relabel_configs",
    "mute_time_intervals",
    "params",
    "receivers",
    "relabel_configs",
    "remote_read",
    "remote_write",
    "routes",
    "rule_files",
    "scrape_config_files",
    "scrape_configs",
    "slack_configs",
    "source_matchers",
    "static_configs",
    "target_matchers",
    "templates",
    "time_intervals",
    "webhook_configs",
    "write_relabel_configs",
];

/// Maps whose keys are the user's, with plain strings as values.
const FREE_MAPS: &[&str] = &["external_labels", "labels", "match", "match_re"];

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
    comparison.values("", "", &sent, &running);
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
    /// Notes where `running` does not mean `sent`. `field` is the nearest key above.
    fn values(&mut self, path: &str, field: &str, sent: &Value, running: &Value) {
        match (sent, running) {
            (Value::Mapping(sent), Value::Mapping(running)) => self.maps(path, field, sent, running),
            (Value::Sequence(sent), Value::Sequence(running)) => {
                if field.ends_with("matchers") {
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
                    self.values(&format!("{path}[{}]", place(index, sent)), field, sent, running);
                }
                for (index, missing) in sent.iter().enumerate().skip(running.len()) {
                    self.differences
                        .push(format!("{path}[{}] was sent and does not run", place(index, missing)));
                }
                for (index, extra) in running.iter().enumerate().skip(sent.len()) {
                    self.differences.push(format!("{path}[{}] runs and was not sent", place(index, extra)));
                }
            }
            _ if self.same_scalar(field, sent, running) => {}
            _ => self.differences.push(differs(path, sent, running)),
        }
    }

    fn maps(&mut self, path: &str, field: &str, sent: &Mapping, running: &Mapping) {
        let below = |key: &Value| {
            if path.is_empty() { plain(key) } else { format!("{path}.{}", plain(key)) }
        };
        let fold = |key: &Value| if field == "headers" { plain(key).to_lowercase() } else { plain(key) };
        let field_of = |key: &Value| if FREE_MAPS.contains(&field) { field.to_owned() } else { plain(key) };
        for (key, value) in sent {
            // Alertmanager capitalises mail headers.
            match running.iter().find(|(other, _)| fold(other) == fold(key)) {
                Some((_, running)) => self.values(&below(key), &field_of(key), value, running),
                // A printed configuration leaves out what is empty, false or zero.
                None if is_zero(value) => {}
                None => {
                    self.differences.push(format!("{}: sent {}, running nothing", below(key), short(value)));
                }
            }
        }
        let strict = FREE_MAPS.contains(&field) || field == "params";
        for (key, value) in running {
            let left = strict || NO_DEFAULTS.contains(&plain(key).as_str());
            if left && !is_zero(value) && !sent.iter().any(|(other, _)| plain(other) == plain(key)) {
                self.differences.push(format!("{}: sent nothing, running {}", below(key), short(value)));
            }
        }
    }

    fn same_scalar(&mut self, field: &str, sent: &Value, running: &Value) -> bool {
        if matches!(sent, Value::Null) {
            // Not set: the default runs, or nothing.
            return !NO_DEFAULTS.contains(&field) || is_zero(running);
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
        if FREE_MAPS.contains(&field) {
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
fn place(index: usize, value: &Value) -> String {
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
