//! Reads a rendered compose file: its services, and the rules that it has to keep. One file a kind of rule.

mod definition;
mod dollars;
mod extension;
mod isolation;
mod mounts;
mod ports;
mod secrets;
mod service;

use std::collections::{BTreeMap, BTreeSet};

use super::Service;
use super::release::File;
use crate::error::{Place, Problem};
use crate::yaml::{Document, Value};

/// What is read of a compose file.
pub(super) struct Compose {
    pub services: BTreeMap<String, Service>,
    pub volumes: BTreeSet<String>,
    pub networks: BTreeSet<String>,
}

/// Reads and checks the compose file.
///
/// `remote` and `secrets_dir` are folders of the host, `files` are all rendered files of the stack, those with placeholders included; `port_variables` the stack's
/// variables that are ports, with their places in the inventory.
///
/// # Errors
/// Every broken rule, with its place in the rendered file.
pub(super) fn read(
    document: &Document,
    compose_file: &str,
    project: &str,
    (remote, secrets_dir): (&str, &str),
    files: &BTreeMap<String, File>,
    port_variables: &[(String, u16, Option<Place>)],
) -> Result<Compose, Vec<Problem>> {
    let mut reader = Reader {
        document,
        compose_file,
        project,
        remote,
        secrets_dir,
        files,
        port_variables,
        published: BTreeMap::new(),
        problems: Vec::new(),
    };
    let compose = reader.compose();
    if reader.problems.is_empty() { Ok(compose) } else { Err(reader.problems) }
}

/// The services of a compose file as templates see them: a list of `{name, container, one_shot}`, empty where
/// the text is no compose file.
pub(super) fn declared(text: &str, project: &str) -> Value {
    let compose: Value = serde_yaml::from_str(text).unwrap_or_default();
    let services = compose.get("services").and_then(Value::as_mapping).into_iter().flatten();
    let entry = |(name, definition): (&Value, &Value)| {
        let name = name.as_str()?;
        let one_shot = definition.get("x-provision").and_then(|own| own.get("one_shot"));
        let entry = [
            ("name", Value::from(name)),
            ("container", Value::from(container(name, definition, project))),
            ("one_shot", Value::from(one_shot.and_then(Value::as_bool).unwrap_or_default())),
        ];
        Some(Value::Mapping(entry.into_iter().map(|(key, value)| (Value::from(key), value)).collect()))
    };
    Value::Sequence(services.filter_map(entry).collect())
}

/// The name of a service's container.
fn container(name: &str, definition: &Value, project: &str) -> String {
    let own = definition.get("container_name").and_then(Value::as_str);
    own.map_or_else(|| format!("{project}-{name}-1"), str::to_owned)
}

struct Reader<'a> {
    document: &'a Document,
    compose_file: &'a str,
    project: &'a str,
    /// The remote folder.
    remote: &'a str,
    secrets_dir: &'a str,
    files: &'a BTreeMap<String, File>,
    port_variables: &'a [(String, u16, Option<Place>)],
    /// Port of the host → the service that publishes it.
    published: BTreeMap<u16, String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, path: &[&str], what: impl Into<String>, hint: impl Into<String>) {
        let problem = self.document.problem(path, what, hint);
        self.problems.push(problem);
    }

    fn compose(&mut self) -> Compose {
        let value = self.document.value().clone();
        if value.get("version").is_some() {
            self.problem(&["version"], "`version:` is obsolete", "Remove the line.");
        }
        if value.get("secrets").is_some() {
            self.problem(
                &["secrets"],
                "compose's own `secrets:` ignore owner and mode of a file",
                "Name the secret in the service's `x-provision: {secrets: {file: secret}}`.",
            );
        }
        let mut services = BTreeMap::new();
        match value.get("services").and_then(Value::as_mapping) {
            Some(map) if !map.is_empty() => {
                for (name, definition) in map {
                    let name = name.as_str().unwrap_or_default().to_owned();
                    let service = self.service(&name, definition);
                    services.insert(name, service);
                }
            }
            _ => self.problem(&[], "no `services:`", "A stack has at least one service."),
        }
        self.isolation(&services);
        self.volumes(value.get("volumes"));
        self.dollars();
        let volumes = value
            .get("volumes")
            .and_then(Value::as_mapping)
            .into_iter()
            .flatten()
            .filter_map(|(name, definition)| {
                let own = definition.get("name").and_then(Value::as_str).map(str::to_owned);
                Some(own.unwrap_or(format!("{}_{}", self.project, name.as_str()?)))
            })
            .collect();
        let networks = value
            .get("networks")
            .and_then(Value::as_mapping)
            .into_iter()
            .flatten()
            .filter(|(_, definition)| definition.get("external").and_then(Value::as_bool) == Some(true))
            .filter_map(|(name, definition)| {
                definition.get("name").unwrap_or(name).as_str().map(str::to_owned)
            })
            .collect();
        self.tokens();
        Compose { services, volumes, networks }
    }
}
