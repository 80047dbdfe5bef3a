//! What a stack lets the inventory set: `variables.yml` in its folder, with types, defaults and help.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Place, Problem};
use crate::inventory::{Variables, units};
use crate::yaml::{Document, Value, did_you_mean, suggestion};

/// The file in a stack's folder that declares its variables; it is not part of the release.
pub(super) const FILE: &str = "variables.yml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declarations {
    variables: BTreeMap<String, Declaration>,
}

/// One variable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declaration {
    #[serde(rename = "type")]
    kind: Kind,
    /// Absent: the inventory must set it. Null: it is optional.
    #[serde(default, deserialize_with = "present")]
    default: Option<Value>,
    #[serde(default)]
    help: String,
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    /// Of a docker network that the inventory may leave out: how the one is called that is then looked for on
    /// the host, its compose project's name aside.
    #[serde(default)]
    find: Option<String>,
}

/// `default: null` is a default, and no `default:` is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    String,
    Text,
    Bool,
    Int,
    Number,
    Percent,
    Duration,
    Size,
    Email,
    Domain,
    Url,
    Address,
    HostPort,
    Port,
    DockerNetwork,
    List,
    Map,
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
    let mut problems = Vec::new();
    let known: Vec<&str> = declarations.keys().map(String::as_str).collect();
    for name in given.values.keys().filter(|name| !declarations.contains_key(*name)) {
        let what = format!("the stack has no variable `{name}`");
        let hint = did_you_mean(name, known.iter().copied()).map_or_else(
            || format!("{} has all that can be set.", declared.file()),
            |near| format!("Did you mean `{near}`?"),
        );
        problems.push(Problem::new(given.place(&[name]), what, hint));
    }
    let mut values = BTreeMap::new();
    let mut sought = BTreeMap::new();
    let mut ports = Vec::new();
    for (name, declaration) in &declarations {
        let mut value = match (given.values.get(name), &declaration.default) {
            (Some(value), default) => {
                let found = problems.len();
                check(name, declaration, value, given, &mut problems);
                if declaration.kind == Kind::Map && problems.len() == found {
                    merged(name, default.as_ref(), value, given, &mut problems)
                } else {
                    value.clone()
                }
            }
            (None, Some(default)) => default.clone(),
            (None, None) => {
                problems.push(missing(name, declaration, environment));
                Value::Null
            }
        };
        if let (Kind::DockerNetwork, Value::Null, Some(find)) = (declaration.kind, &value, &declaration.find)
        {
            sought.insert(name.clone(), find.clone());
            value = Value::from(find.as_str());
        }
        let port = value.as_u64().and_then(|port| u16::try_from(port).ok());
        if let (Kind::Port, Some(port)) = (declaration.kind, port) {
            let place = given.values.contains_key(name).then(|| given.place(&[name]));
            ports.push((name.clone(), port, place));
        }
        values.insert(name.clone(), value);
    }
    Ok(Resolved { values, problems, sought, ports })
}

fn missing(name: &str, declaration: &Declaration, environment: &str) -> Problem {
    let place = Place::file(format!("inventory/{environment}.yml"));
    let example = match declaration.kind {
        Kind::Email => "ops@example.org",
        Kind::Domain => "koprogo.com",
        Kind::Duration => "15s",
        Kind::Size => "1GB",
        Kind::Port | Kind::Int | Kind::Number | Kind::Percent => "1",
        Kind::Url => "https://…",
        _ => "…",
    };
    Problem::new(
        place,
        format!("the variable `{name}` is missing"),
        format!("Set it below `variables:`, like `{name}: {example}`. {}", declaration.help),
    )
}

/// A map's default with the given keys over it; a key that the default does not have is a mistake.
fn merged(
    name: &str,
    default: Option<&Value>,
    value: &Value,
    given: &Variables,
    problems: &mut Vec<Problem>,
) -> Value {
    let (Some(Value::Mapping(default)), Value::Mapping(value)) = (default, value) else {
        return value.clone();
    };
    if default.is_empty() {
        return Value::Mapping(value.clone());
    }
    let mut result = default.clone();
    for (key, value) in value {
        let key_text = key.as_str().unwrap_or_default();
        if let Some(before) = result.insert(key.clone(), value.clone()) {
            // Any text is true in a template's `if`: "off" would switch a component on.
            if let Err((what, hint)) = alike(&before, value) {
                problems.push(Problem::new(
                    given.place(&[name, key_text]),
                    format!("`{name}.{key_text}` {what}"),
                    hint,
                ));
            }
        } else {
            let known: Vec<&str> = default.keys().filter_map(Value::as_str).collect();
            problems.push(Problem::new(
                given.place(&[name, key_text]),
                format!("`{name}` has no entry `{key_text}`"),
                suggestion(key_text, &known),
            ));
        }
    }
    Value::Mapping(result)
}

/// Whether an entry of a map is of its default's type.
fn alike(default: &Value, value: &Value) -> Result<(), (String, String)> {
    let kind = match default {
        Value::Bool(_) => Kind::Bool,
        Value::Number(number) if number.is_f64() => Kind::Number,
        Value::Number(_) => Kind::Int,
        Value::String(_) => Kind::String,
        _ => return Ok(()),
    };
    fits(&Declaration { kind, default: None, help: String::new(), min: None, max: None, find: None }, value)
}

fn check(
    name: &str,
    declaration: &Declaration,
    value: &Value,
    given: &Variables,
    problems: &mut Vec<Problem>,
) {
    if value.is_null() && declaration.default.as_ref().is_some_and(Value::is_null) {
        return;
    }
    if let Err((what, hint)) = fits(declaration, value) {
        problems.push(Problem::new(given.place(&[name]), format!("`{name}` {what}"), hint));
    }
}

/// The value as text, for a message and for the checks of text.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim().to_owned(),
    }
}

fn fits(declaration: &Declaration, value: &Value) -> Result<(), (String, String)> {
    let text = shown(value);
    let is_text = value.is_string();
    let wrong = |what: &str, hint: &str| Err((format!("is `{text}`, which {what}"), hint.to_owned()));
    match declaration.kind {
        Kind::String if is_text && !text.contains('\n') => Ok(()),
        Kind::String => wrong("is not a text of one line", "Quote it if it looks like a number or a list."),
        Kind::Text if is_text => Ok(()),
        Kind::Text => wrong("is not a text", "Quote it, or use a block: `name: |`."),
        Kind::Bool if value.is_bool() => Ok(()),
        Kind::Bool => wrong("is neither true nor false", "Write true or false, without quotes."),
        Kind::Int if value.is_i64() || value.is_u64() => within(declaration, value, &text),
        Kind::Int => wrong("is not a whole number", "Digits, without quotes."),
        Kind::Number if value.is_number() => within(declaration, value, &text),
        Kind::Number => wrong("is not a number", "Digits, without quotes."),
        Kind::Percent if value.as_f64().is_some_and(|n| (0.0..=100.0).contains(&n)) => Ok(()),
        Kind::Percent => wrong("is not between 0 and 100", "A number without the sign: 85."),
        Kind::Duration if is_text && units::duration(&text).is_some() => Ok(()),
        Kind::Duration => wrong("is not a duration", "It needs a unit: 15s, 5m, 12h or 30d."),
        Kind::Size if is_text && units::size(&text).is_some() => Ok(()),
        Kind::Size => wrong("is not a size", "It needs a unit: 500MB or 10GB."),
        Kind::Email if is_text && is_email(&text) => Ok(()),
        Kind::Email => wrong("is not an e-mail address", "Like ops@koprogo.com."),
        Kind::Domain if is_text && is_domain(&text) => Ok(()),
        Kind::Domain if text.contains("://") => {
            wrong("has a scheme in it", "Only the name: koprogo.com instead of https://koprogo.com/.")
        }
        Kind::Domain => wrong("is not a host name", "Letters, digits, `-` and `.`, like koprogo.com."),
        Kind::Url if is_text && is_url(&text) => Ok(()),
        Kind::Url => wrong("is not a URL", "It begins with http:// or https:// and a host name."),
        Kind::Address if text.parse::<std::net::IpAddr>().is_ok() => Ok(()),
        Kind::Address => wrong("is not an IP address", "Like 172.17.0.1."),
        Kind::HostPort if is_text && is_host_port(&text) => Ok(()),
        Kind::HostPort => wrong("is not a host name with a port", "Like smtp.gmail.com:587."),
        Kind::Port if value.as_u64().is_some_and(|port| (1..=65535).contains(&port)) => Ok(()),
        Kind::Port => wrong("is not a port", "A number from 1 to 65535."),
        Kind::DockerNetwork if is_text && is_network(&text) => Ok(()),
        Kind::DockerNetwork => {
            wrong("is not a docker network's name", "As `docker network ls` shows it, like koprogo_default.")
        }
        Kind::List if value.is_sequence() => Ok(()),
        Kind::List => wrong("is not a list", "Like [one, two]."),
        Kind::Map if value.is_mapping() => Ok(()),
        Kind::Map => wrong("is not a map", "Like {key: value}."),
    }
}

fn within(declaration: &Declaration, value: &Value, text: &str) -> Result<(), (String, String)> {
    let number = value.as_f64().unwrap_or_default();
    let low = declaration.min.is_some_and(|min| number < min);
    let high = declaration.max.is_some_and(|max| number > max);
    if !low && !high {
        return Ok(());
    }
    let range = match (declaration.min, declaration.max) {
        (Some(min), Some(max)) => format!("Between {min} and {max}."),
        (Some(min), None) => format!("At least {min}."),
        (None, Some(max)) => format!("At most {max}."),
        (None, None) => String::new(),
    };
    Err((format!("is {text}, which is out of range"), range))
}

fn is_email(text: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>,;\"'".contains(c));
    text.split_once('@').is_some_and(|(local, domain)| plain(local) && is_domain(domain))
}

fn is_domain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
}

fn is_network(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    is_domain(host) && !text.contains(char::is_whitespace)
}

fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        (is_domain(host) || host.parse::<std::net::IpAddr>().is_ok())
            && port.parse::<u16>().is_ok_and(|p| p > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declaration(kind: &str) -> Declaration {
        serde_yaml::from_str(&format!("type: {kind}")).unwrap()
    }

    fn takes(kind: &str, value: &str) -> bool {
        fits(&declaration(kind), &serde_yaml::from_str::<Value>(value).unwrap()).is_ok()
    }

    #[test]
    fn each_type_takes_what_it_means_and_refuses_its_usual_mistake() {
        for (kind, good, bad) in [
            ("email", "ops@koprogo.com", "ops.koprogo.com"),
            ("duration", "30d", "30"),
            ("domain", "koprogo.com", "https://koprogo.com"),
            ("port", "3001", "99999"),
            ("size", "10GB", "10"),
            ("percent", "85", "850"),
            ("host_port", "smtp.gmail.com:587", "smtp.gmail.com"),
            ("url", "https://a.example/x", "a.example"),
            ("address", "172.17.0.1", "172.17.0"),
            ("bool", "true", "'true'"),
            ("int", "5", "five"),
            ("docker_network", "koprogo_koprogo-network", "koprogo network"),
            ("list", "[a]", "a"),
            ("map", "{a: 1}", "[a]"),
            ("string", "a", "5"),
        ] {
            assert!(takes(kind, good), "{kind} {good}");
            assert!(!takes(kind, bad), "{kind} {bad}");
        }
    }
}
