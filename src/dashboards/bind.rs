//! Makes a dashboard of grafana.com one of ours: its inputs and datasource variables become our datasources.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::panels;

/// A dashboard that can be provisioned.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The dashboard.
    pub dashboard: Value,
    /// Its title.
    pub title: String,
    /// What its user should know: old panel types, what could not be bound.
    pub remarks: Vec<String>,
}

/// Binds the dashboard `id` to `datasources` (type → our uid).
///
/// An input or a variable of a datasource is replaced by the uid wherever it is used, and taken away; so are
/// constants that are asked for at import. References by name, or to somebody else's uid, are bound by their
/// type. The uid becomes `community-ID`: the same with each revision, and nobody else's.
///
/// # Errors
/// A fragment: what was fetched is no dashboard that Grafana can provision from a file.
pub fn bind(id: u32, fetched: Value, datasources: &BTreeMap<String, String>) -> Result<Bound, String> {
    let Value::Object(mut dashboard) = unwrapped(fetched)? else {
        return Err("it is not a dashboard: no JSON object".to_owned());
    };
    let title = dashboard.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
    if title.is_empty() || !(dashboard.contains_key("panels") || dashboard.contains_key("rows")) {
        return Err("it is not a dashboard: it has no title or no panels".to_owned());
    }
    let mut binder = Binder { datasources, names: BTreeMap::new(), remarks: Vec::new() };
    binder.inputs(dashboard.remove("__inputs").as_ref());
    binder.variables(&mut dashboard);
    if dashboard.remove("__elements").is_some_and(|elements| !is_empty(&elements)) {
        binder.remark(
            "it brings library panels, which a provisioned dashboard cannot have: they stay empty".to_owned(),
        );
    }
    for key in ["__requires", "id", "iteration", "version"] {
        dashboard.remove(key);
    }
    let mut dashboard = Value::Object(dashboard);
    binder.values(&mut dashboard);
    dashboard["uid"] = json!(format!("community-{id}"));
    dashboard["gnetId"] = json!(id);
    let mut remarks = binder.remarks;
    remarks.extend(panels::remarks(&dashboard));
    Ok(Bound { dashboard, title, remarks })
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// A dashboard in the form of Grafana's newer API holds the one that we know in its `spec`, in version 1.
fn unwrapped(mut fetched: Value) -> Result<Value, String> {
    let Some(version) = fetched["apiVersion"].as_str() else { return Ok(fetched) };
    let version = version.rsplit('/').next().unwrap_or_default().to_owned();
    if version.starts_with("v0") || version.starts_with("v1") {
        return Ok(fetched["spec"].take());
    }
    Err(format!("it has the form {version} of Grafana's newer API, which cannot be provisioned from a file"))
}

/// What a name in a dashboard stands for.
enum Meaning {
    /// A datasource: its type and our uid.
    Datasource(String, String),
    /// A constant.
    Constant(String),
}

struct Binder<'a> {
    datasources: &'a BTreeMap<String, String>,
    names: BTreeMap<String, Meaning>,
    remarks: Vec<String>,
}

impl Binder<'_> {
    fn remark(&mut self, text: String) {
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }

    /// Our uid for a type; a type that we do not have is remarked.
    fn uid(&mut self, kind: &str) -> Option<String> {
        let uid = self.datasources.get(kind).cloned();
        if uid.is_none() {
            self.remark(format!("it wants a datasource of the type {kind}, which the stack does not have"));
        }
        uid
    }

    /// What is asked for at import: `{"name": "DS_PROMETHEUS", "type": "datasource", "pluginId": "prometheus"}`.
    fn inputs(&mut self, inputs: Option<&Value>) {
        for input in inputs.and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| input[key].as_str().unwrap_or_default().to_owned();
            let name = text("name");
            if text("type") == "datasource" {
                let kind = text("pluginId");
                if let Some(uid) = self.uid(&kind) {
                    self.names.insert(name, Meaning::Datasource(kind, uid));
                }
            } else {
                let value = text("value");
                self.remark(format!("its input {name} is set to `{value}`, its default"));
                self.names.insert(name, Meaning::Constant(value));
            }
        }
    }

    /// Takes the variables away that choose a datasource.
    fn variables(&mut self, dashboard: &mut Map<String, Value>) {
        let list = dashboard.get_mut("templating").and_then(|templating| templating.get_mut("list"));
        let Some(list) = list.and_then(Value::as_array_mut) else { return };
        let mut kept = Vec::new();
        for variable in list.drain(..) {
            let kind = variable["query"].as_str().unwrap_or_default().to_owned();
            let name = variable["name"].as_str().unwrap_or_default().to_owned();
            match variable["type"].as_str() {
                Some("datasource") => match self.uid(&kind) {
                    Some(uid) => drop(self.names.insert(name, Meaning::Datasource(kind, uid))),
                    None => kept.push(variable),
                },
                _ => kept.push(variable),
            }
        }
        *list = kept;
    }

    fn values(&mut self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    if key == "datasource" {
                        self.reference(value);
                    } else {
                        self.values(value);
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.values(value)),
            Value::String(text) if text.contains(['$', '[']) => *text = self.filled(text),
            _ => {}
        }
    }

    /// What stands at a `datasource:`: nothing, a name, or a type with a uid.
    fn reference(&mut self, value: &mut Value) {
        let (kind, name) = match &*value {
            Value::Null => (None, String::new()),
            Value::String(name) => (None, name.clone()),
            Value::Object(map) => {
                let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
                (text("type"), text("uid").unwrap_or_default())
            }
            _ => return,
        };
        if is_grafanas_own(kind.as_deref(), &name) {
            return;
        }
        let plain = name.trim_start_matches(['$', '{', '[']).trim_end_matches(['}', ']']);
        if let Some(Meaning::Datasource(kind, uid)) = self.names.get(plain) {
            *value = json!({"type": kind, "uid": uid});
            return;
        }
        let kind = kind.or_else(|| self.only_variable(&name)).unwrap_or_else(|| self.kind_by_name(&name));
        if let Some(uid) = self.uid(&kind) {
            *value = json!({"type": kind, "uid": uid});
        }
    }

    /// `$something` that no input and no variable explains: the type of the only datasource there is, if so.
    fn only_variable(&self, name: &str) -> Option<String> {
        let mut kinds = self.names.values().filter_map(|meaning| match meaning {
            Meaning::Datasource(kind, _) => Some(kind.clone()),
            Meaning::Constant(_) => None,
        });
        let first = kinds.next()?;
        (name.starts_with(['$', '[']) && kinds.all(|kind| kind == first)).then_some(first)
    }

    /// The type that a name most likely has; the default datasource is a Prometheus.
    fn kind_by_name(&mut self, name: &str) -> String {
        let lower = name.to_lowercase();
        let named = self.datasources.keys().find(|kind| lower.contains(kind.as_str())).cloned();
        named.unwrap_or_else(|| {
            if !name.is_empty() {
                self.remark(format!("the datasource named `{name}` is taken for a Prometheus"));
            }
            "prometheus".to_owned()
        })
    }

    /// A text with the names in it replaced: `${name}`, `${name:format}`, `$name`, `[[name]]`.
    fn filled(&self, text: &str) -> String {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut result = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', '[']) {
            result.push_str(&rest[..at]);
            rest = &rest[at..];
            let (name, length) = if let Some(inner) = rest.strip_prefix("${") {
                let end = inner.find('}').unwrap_or(inner.len());
                (inner[..end].split([':', '.']).next().unwrap_or_default(), end + 3)
            } else if let Some(inner) = rest.strip_prefix("[[") {
                let end = inner.find("]]").unwrap_or(inner.len());
                (inner[..end].split(':').next().unwrap_or_default(), end + 4)
            } else {
                let inner = &rest[1..];
                let end = inner.find(|c: char| !is_word(c) || c == '-').unwrap_or(inner.len());
                (if rest.starts_with('$') { &inner[..end] } else { "" }, end + 1)
            };
            let value = match self.names.get(name) {
                Some(Meaning::Datasource(_, uid)) => uid,
                Some(Meaning::Constant(value)) => value,
                None => {
                    result.push_str(&rest[..1]);
                    rest = &rest[1..];
                    continue;
                }
            };
            result.push_str(value);
            rest = rest.get(length..).unwrap_or_default();
        }
        result.push_str(rest);
        result
    }
}

/// Datasources that every Grafana has: annotations, mixed panels, another panel's result.
fn is_grafanas_own(kind: Option<&str>, name: &str) -> bool {
    matches!(kind, Some("grafana" | "datasource" | "__expr__"))
        || matches!(name, "grafana" | "__expr__" | "-- Grafana --" | "-- Mixed --" | "-- Dashboard --")
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
