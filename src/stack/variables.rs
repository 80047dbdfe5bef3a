//! What a stack lets the inventory set: `variables.yml` in its folder, with types, defaults and help.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::kinds::{Bounds, Kind};
use super::{Fact, FromHost};
use crate::error::{Place, Problem};
use crate::inventory::Variables;
use crate::yaml::{Document, Value, did_you_mean, suggestion};

/// The file in a stack's folder that declares its variables; it is not part of the release.
pub(super) const FILE: &str = "variables.yml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declarations {
    variables: BTreeMap<String, Declaration>,
}

/// One variable, or one entry of a map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declaration {
    #[serde(rename = "type")]
    kind: Kind,
    /// Absent: the inventory must set it. Null: it is optional.
    #[serde(default, deserialize_with = "present")]
    default: Option<Value>,
    /// Whether null takes away what the default gives.
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    help: String,
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    /// Of the name of a docker network that the inventory may leave out: how the one is called that is then looked
    /// for on the host, its compose project's name aside.
    #[serde(default)]
    find: Option<String>,
    /// What of the host is the value, unless the inventory says otherwise; the default stands in for it until the
    /// host was asked.
    #[serde(default)]
    from_host: Option<Fact>,
    /// What a choice may be.
    #[serde(default)]
    values: Vec<String>,
    /// What each item of a list, or each entry of a map without `keys`, is.
    #[serde(default)]
    items: Option<Kind>,
    /// The entries that a map may have; without them its default says which.
    #[serde(default)]
    keys: BTreeMap<String, Declaration>,
    /// Of these entries of a map at least one must say something.
    #[serde(default)]
    any_of: Vec<String>,
}

/// `default: null` is a default, and no `default:` is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Declaration {
    fn bounds(&self) -> Bounds<'_> {
        Bounds { min: self.min, max: self.max, values: &self.values }
    }

    fn is_optional(&self) -> bool {
        self.optional || self.default.as_ref().is_some_and(Value::is_null)
    }
}

/// What the variables come to.
#[derive(Debug)]
pub(super) struct Resolved {
    /// The declared variables with the inventory's values over their defaults; null for what is missing.
    pub values: BTreeMap<String, Value>,
    /// What is missing, unknown or of the wrong type, with its place in the inventory.
    pub problems: Vec<Problem>,
    /// Variables whose value is to be found on the host → the name of the docker network that is looked for,
    /// which also stands in `values` until then.
    pub sought: BTreeMap<String, String>,
    /// Variables whose value the host tells, with the defaults that stand for them until then.
    pub from_host: BTreeMap<String, FromHost>,
    /// The variables that are ports: name, value, and where the inventory sets it, if it does.
    pub ports: Vec<(String, u16, Option<Place>)>,
}

/// Puts the inventory's values over the defaults and checks each.
///
/// # Errors
/// What is wrong in the declarations.
pub(super) fn resolve(
    declared: &Document,
    given: &Variables,
    environment: &str,
) -> Result<Resolved, Problem> {
    let declarations = declared.to::<Declarations>()?.variables;
    let mut resolver = Resolver { given, environment, problems: Vec::new() };
    let known: Vec<&str> = declarations.keys().map(String::as_str).collect();
    for name in given.values.keys().filter(|name| !declarations.contains_key(*name)) {
        let what = format!("the stack has no variable `{name}`");
        let hint = did_you_mean(name, known.iter().copied()).map_or_else(
            || format!("{} has all that can be set.", declared.file()),
            |near| format!("Did you mean `{near}`?"),
        );
        resolver.problems.push(Problem::new(given.place(&[name]), what, hint));
    }
    let mut values = BTreeMap::new();
    let mut sought = BTreeMap::new();
    let mut from_host = BTreeMap::new();
    let mut ports = Vec::new();
    for (name, declaration) in &declarations {
        let mut value = resolver.value(&[name], declaration, given.values.get(name));
        if let (Value::Null, Some(find)) = (&value, &declaration.find) {
            sought.insert(name.clone(), find.clone());
            value = Value::from(find.as_str());
        }
        if let (Some(fact), None, Some(default)) =
            (declaration.from_host, given.values.get(name), value.as_str())
        {
            from_host.insert(name.clone(), FromHost { fact, value: default.to_owned() });
        }
        let port = value.as_u64().and_then(|port| u16::try_from(port).ok());
        if let (Kind::Port, Some(port)) = (declaration.kind, port) {
            let place = given.values.contains_key(name).then(|| given.place(&[name]));
            ports.push((name.clone(), port, place));
        }
        values.insert(name.clone(), value);
    }
    Ok(Resolved { values, problems: resolver.problems, sought, from_host, ports })
}

struct Resolver<'a> {
    given: &'a Variables,
    environment: &'a str,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    /// The value at `path` (variable name, then keys), or its default.
    fn value(&mut self, path: &[&str], declaration: &Declaration, value: Option<&Value>) -> Value {
        let Some(value) = value else {
            return declaration.default.clone().unwrap_or_else(|| {
                let problem = self.missing(path, declaration);
                self.problems.push(problem);
                Value::Null
            });
        };
        if value.is_null() && declaration.is_optional() {
            return Value::Null;
        }
        if let Err(wrong) = declaration.kind.fits(value, declaration.bounds()) {
            self.wrong(path, declaration.kind, wrong);
            return value.clone();
        }
        match (value, declaration.items) {
            (Value::Mapping(_), _) if !declaration.keys.is_empty() => self.entries(path, declaration, value),
            (Value::Mapping(_), _) => self.over_default(path, declaration, value),
            (Value::Sequence(items), Some(kind)) => {
                for (index, item) in items.iter().enumerate() {
                    if let Err(wrong) = kind.fits(item, declaration.bounds()) {
                        let index = index.to_string();
                        self.wrong(&[path, &[&index]].concat(), kind, wrong);
                    }
                }
                value.clone()
            }
            _ => declaration.kind.normal(value),
        }
    }

    fn wrong(&mut self, path: &[&str], kind: Kind, (what, hint): (String, String)) {
        let mut place = self.given.place(path);
        if kind.is_private() {
            place.text.clear();
        }
        self.problems.push(Problem::new(place, format!("`{}` {what}", path.join(".")), hint));
    }

    fn missing(&self, path: &[&str], declaration: &Declaration) -> Problem {
        let (place, above) = match path {
            [.., above, _] => (self.given.place(&path[..path.len() - 1]), *above),
            _ => (Place::file(format!("inventory/{}.yml", self.environment)), "variables"),
        };
        let name = path.last().copied().unwrap_or_default();
        Problem::new(
            place,
            format!("the variable `{}` is missing", path.join(".")),
            format!(
                "Set it below `{above}:`, like `{name}: {}`. {}",
                declaration.kind.example(),
                declaration.help
            ),
        )
    }

    /// A map whose entries are declared: each as a variable of its own.
    fn entries(&mut self, path: &[&str], declaration: &Declaration, value: &Value) -> Value {
        let known: Vec<&str> = declaration.keys.keys().map(String::as_str).collect();
        for key in value.as_mapping().into_iter().flatten().map(|(key, _)| key.as_str().unwrap_or_default()) {
            if !declaration.keys.contains_key(key) {
                self.unknown_entry(path, key, &known);
            }
        }
        let mut result = serde_yaml::Mapping::new();
        for (key, declaration) in &declaration.keys {
            let entry = self.value(&[path, &[key]].concat(), declaration, value.get(key.as_str()));
            result.insert(Value::from(key.as_str()), entry);
        }
        let says_something = |key: &String| match result.get(key.as_str()) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Sequence(list)) => !list.is_empty(),
            Some(_) => true,
        };
        if !declaration.any_of.is_empty() && !declaration.any_of.iter().any(says_something) {
            let names: Vec<String> = declaration.any_of.iter().map(|name| format!("`{name}`")).collect();
            self.problems.push(Problem::new(
                self.given.place(path),
                format!("`{}` has neither {}", path.join("."), names.join(" nor ")),
                format!("Give at least one of them. {}", declaration.help),
            ));
        }
        Value::Mapping(result)
    }

    /// A map's default with the given entries over it; one that the default does not have is a mistake.
    fn over_default(&mut self, path: &[&str], declaration: &Declaration, value: &Value) -> Value {
        let (Some(Value::Mapping(default)), Value::Mapping(given)) = (&declaration.default, value) else {
            return value.clone();
        };
        if default.is_empty() {
            return value.clone();
        }
        let known: Vec<&str> = default.keys().filter_map(Value::as_str).collect();
        let mut result = default.clone();
        for (key, value) in given {
            let name = key.as_str().unwrap_or_default();
            let Some(before) = result.insert(key.clone(), value.clone()) else {
                self.unknown_entry(path, name, &known);
                continue;
            };
            // Any text is true in a template's `if`: "off" would switch a component on.
            if let Some(kind) = declaration.items.or_else(|| kind_of(&before))
                && let Err(wrong) = kind.fits(value, declaration.bounds())
            {
                self.wrong(&[path, &[name]].concat(), kind, wrong);
            }
        }
        Value::Mapping(result)
    }

    fn unknown_entry(&mut self, path: &[&str], key: &str, known: &[&str]) {
        self.problems.push(Problem::new(
            self.given.place(&[path, &[key]].concat()),
            format!("`{}` has no entry `{key}`", path.join(".")),
            suggestion(key, known),
        ));
    }
}

/// The type that a map's default shows for an entry.
fn kind_of(default: &Value) -> Option<Kind> {
    match default {
        Value::Bool(_) => Some(Kind::Bool),
        Value::Number(number) if number.is_f64() => Some(Kind::Number),
        Value::Number(_) => Some(Kind::Int),
        Value::String(_) => Some(Kind::String),
        _ => None,
    }
}
