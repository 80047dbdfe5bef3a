//! Reads a rendered compose file: its services, and the rules that it has to keep.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::release::{File, digest};
use super::{Mount, Reload, SecretFile, Service, Verify};
use crate::error::{Place, Problem};
use crate::secrets::token;
use crate::yaml::{Document, Value};

/// The program's own part of a service: `x-provision`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Extension {
    uid: u32,
    secrets: BTreeMap<String, SecretSource>,
    reload: Option<Reload>,
    watch: Vec<String>,
    verify: Option<Verify>,
    one_shot: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum SecretSource {
    Secret(String),
    Template { template: String },
}

/// What is read of a compose file.
pub(super) struct Compose {
    pub services: BTreeMap<String, Service>,
    pub volumes: BTreeSet<String>,
    pub networks: BTreeSet<String>,
}

/// Reads and checks the compose file.
///
/// `files` are all rendered files of the stack, those with placeholders included.
///
/// # Errors
/// Every broken rule, with its place in the rendered file.
pub(super) fn read(
    document: &Document,
    compose_file: &str,
    project: &str,
    secrets_dir: &str,
    files: &BTreeMap<String, File>,
) -> Result<Compose, Vec<Problem>> {
    let mut reader = Reader { document, compose_file, project, secrets_dir, files, problems: Vec::new() };
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
    secrets_dir: &'a str,
    files: &'a BTreeMap<String, File>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, path: &[&str], what: impl Into<String>, hint: impl Into<String>) {
        let problem = self.document.problem(path, what, hint);
        self.problems.push(problem);
    }

    fn compose(&mut self) -> Compose {
        let mut value = self.document.value().clone();
        if let Err(error) = value.apply_merge() {
            self.problem(&[], error.to_string(), "");
        }
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

    fn service(&mut self, name: &str, definition: &Value) -> Service {
        let at = ["services", name];
        let text = |key: &str| definition.get(key).and_then(Value::as_str).map(str::to_owned);
        let image = text("image").unwrap_or_default();
        self.image(name, &image, definition);
        // These become words of the lists that the host carries out.
        if !is_plain(name) {
            self.problem(
                &at,
                format!("{name:?} is not a service name"),
                "Letters, digits, `-`, `_` and `.`.",
            );
        }
        if let Some(container) = text("container_name").filter(|container| !is_plain(container)) {
            let what = format!("{container:?} is not a container name");
            self.problem(&["services", name, "container_name"], what, "Letters, digits, `-`, `_` and `.`.");
        }
        if definition.get("privileged").and_then(Value::as_bool) == Some(true) {
            self.problem(
                &["services", name, "privileged"],
                format!("`{name}` asks for everything with `privileged`"),
                "Ask for capabilities (`cap_add`) and devices by name.",
            );
        }
        let extension = self.extension(name, definition);
        if let Some(reload) = extension.reload.as_ref().filter(|reload| !is_signal(&reload.signal)) {
            let what = format!("{:?} is not a signal", reload.signal);
            self.problem(
                &["services", name, "x-provision", "reload", "signal"],
                what,
                "Without SIG: HUP or USR1.",
            );
        }
        let restart = text("restart");
        if restart.is_none() && !extension.one_shot {
            self.problem(
                &at,
                format!("`{name}` has no `restart:`"),
                "`restart: unless-stopped`, or `x-provision: {one_shot: true}` for one that runs once.",
            );
        }
        let mounts = self.mounts(name, definition);
        let ports = self.ports(name, definition);
        let secrets = self.secrets(name, &extension, &mounts);
        Service {
            name: name.to_owned(),
            container: container(name, definition, self.project),
            definition: digest(canonical(definition).as_bytes()),
            image,
            uid: extension.uid,
            secrets,
            mounts,
            ports,
            reload: extension.reload,
            watch: extension.watch,
            verify: extension.verify,
            depends_on: names_of(definition.get("depends_on")),
            one_shot: extension.one_shot,
        }
    }

    fn image(&mut self, name: &str, image: &str, definition: &Value) {
        let path = ["services", name, "image"];
        if definition.get("build").is_some() {
            self.problem(
                &["services", name, "build"],
                format!("`{name}` is built on the host"),
                "Build and push the image elsewhere; a server only pulls.",
            );
        } else if image.is_empty() {
            self.problem(&path, format!("`{name}` has no `image:`"), "Name one with a tag.");
        } else if image.contains(|c: char| c.is_whitespace() || c.is_control()) {
            self.problem(
                &path,
                format!("{image:?} is not an image"),
                "Like docker.io/prom/prometheus:v3.13.3.",
            );
        } else {
            let last = image.rsplit('/').next().unwrap_or(image);
            let pinned = image.contains('@') || last.split_once(':').is_some_and(|(_, tag)| tag != "latest");
            if !pinned {
                self.problem(
                    &path,
                    format!("the image `{image}` has no tag that says which version"),
                    "Pin it, like prom/prometheus:v3.13.3.",
                );
            }
        }
    }

    fn extension(&mut self, name: &str, definition: &Value) -> Extension {
        let Some(value) = definition.get("x-provision") else { return Extension::default() };
        match serde_yaml::from_value(value.clone()) {
            Ok(extension) => extension,
            Err(error) => {
                let (what, hint) = crate::yaml::explain(&error);
                let hint = if hint.is_empty() { "See docs/stack.md.".to_owned() } else { hint };
                self.problem(&["services", name, "x-provision"], what, hint);
                Extension::default()
            }
        }
    }

    fn mounts(&mut self, name: &str, definition: &Value) -> Vec<Mount> {
        let mut mounts = Vec::new();
        let list = definition.get("volumes").and_then(Value::as_sequence).cloned().unwrap_or_default();
        for (index, volume) in list.iter().enumerate() {
            let index = index.to_string();
            let path = ["services", name, "volumes", &index];
            if let Some(short) = volume.as_str() {
                if short.starts_with(['.', '/', '~', '$']) {
                    self.problem(
                        &path,
                        format!("`{short}` is a bind in the short syntax, which makes a folder where a file is missing"),
                        "Long syntax: {type: bind, source: …, target: …, bind: {create_host_path: false}}.",
                    );
                }
                continue;
            }
            if volume.get("type").and_then(Value::as_str) != Some("bind") {
                continue;
            }
            let source = volume.get("source").and_then(Value::as_str).unwrap_or_default();
            let target = volume.get("target").and_then(Value::as_str).unwrap_or_default();
            if volume.get("bind").and_then(|b| b.get("create_host_path")).and_then(Value::as_bool)
                != Some(false)
            {
                self.problem(
                    &path,
                    format!("the bind of `{source}` may create its source"),
                    "Add `bind: {create_host_path: false}`.",
                );
            }
            let own = source.strip_prefix("./").map(|path| path.trim_end_matches('/').to_owned());
            if let Some(own) = &own {
                if self.files.contains_key(own) {
                    self.problem(
                        &path,
                        format!("`{source}` is a file, and a mounted file keeps showing its old content"),
                        "Mount the folder that it lies in.",
                    );
                } else if !self.files.keys().any(|file| file.starts_with(&format!("{own}/"))) {
                    self.problem(&path, format!("the stack has no folder `{source}`"), "");
                }
            } else if !source.starts_with('/') {
                self.problem(&path, format!("`{source}` is neither absolute nor begins with ./"), "");
            }
            mounts
                .push(Mount { source: own.unwrap_or_else(|| source.to_owned()), target: target.to_owned() });
        }
        mounts
    }

    /// Published ports have to name 127.0.0.1: Docker's rules come before a host firewall's.
    fn ports(&mut self, name: &str, definition: &Value) -> Vec<u16> {
        let mut ports = Vec::new();
        let list = definition.get("ports").and_then(Value::as_sequence).cloned().unwrap_or_default();
        for (index, port) in list.iter().enumerate() {
            let (address, published) = if let Value::Mapping(_) = port {
                (
                    port.get("host_ip").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    port.get("published").map(|p| {
                        p.as_str().map_or_else(|| p.as_u64().unwrap_or(0).to_string(), str::to_owned)
                    }),
                )
            } else {
                let text =
                    port.as_str().map_or_else(|| port.as_u64().unwrap_or(0).to_string(), str::to_owned);
                let mut fields = text.rsplitn(3, ':').skip(1);
                let published = fields.next().map(str::to_owned);
                (fields.next().unwrap_or_default().to_owned(), published)
            };
            let number = published.as_deref().and_then(|p| p.parse::<u16>().ok());
            let index = index.to_string();
            let path = ["services", name, "ports", &index];
            if address == "127.0.0.1"
                && let Some(number) = number
            {
                ports.push(number);
            } else if address == "127.0.0.1" {
                self.problem(&path, "the published port is not one number", "Like \"127.0.0.1:9090:9090\".");
            } else {
                self.problem(
                    &path,
                    format!("a port of `{name}` is published to the world"),
                    "Publish on loopback only: \"127.0.0.1:9090:9090\". `provision tunnel` reaches it.",
                );
            }
        }
        ports
    }

    fn secrets(
        &mut self,
        name: &str,
        extension: &Extension,
        mounts: &[Mount],
    ) -> BTreeMap<String, SecretFile> {
        let folder = format!("{}/{name}", self.secrets_dir);
        if !extension.secrets.is_empty() && !mounts.iter().any(|mount| mount.source == folder) {
            self.problem(
                &["services", name, "x-provision"],
                format!("`{name}` has secrets but does not mount them"),
                format!("Add a bind of {folder} to /run/secrets, read-only, with create_host_path: false."),
            );
        }
        let mut result = BTreeMap::new();
        for (file, source) in &extension.secrets {
            if file.is_empty() || file.starts_with('.') || file.contains(|c: char| c == '/' || c.is_control())
            {
                self.problem(
                    &["services", name, "x-provision", "secrets", file],
                    format!("`{file}` is not a file name"),
                    "",
                );
            }
            let value = match source {
                SecretSource::Secret(secret) => SecretFile::Secret(secret.clone()),
                SecretSource::Template { template } => {
                    let Some(found) = self.files.get(template) else {
                        self.problem(
                            &["services", name, "x-provision", "secrets", file],
                            format!("the stack has no file `{template}`"),
                            "",
                        );
                        continue;
                    };
                    let text = String::from_utf8_lossy(&found.content);
                    SecretFile::Template { path: template.clone(), names: token::names_in(&text) }
                }
            };
            result.insert(file.clone(), value);
        }
        result
    }

    /// A placeholder in the compose file would end up in `docker inspect`.
    fn tokens(&mut self) {
        let Some(file) = self.files.get(self.compose_file) else { return };
        let text = String::from_utf8_lossy(&file.content).into_owned();
        for (index, line) in text.lines().enumerate() {
            let Some(at) = line.find(token::PREFIX) else { continue };
            let place = Place {
                file: self.document.file().to_owned(),
                line: index + 1,
                column: at + 1,
                text: format!("{}<secret>", &line[..at]),
            };
            self.problems.push(Problem::new(
                place,
                "a secret stands in the compose file, where `docker inspect` shows it",
                by_file(line),
            ));
        }
    }
}

/// The way by file for the settings that people put into an environment.
fn by_file(line: &str) -> &'static str {
    if line.contains("GF_") {
        "Grafana reads it from a file: `admin_password = $__file{/run/secrets/admin_password}` in grafana.ini, \
         with `x-provision: {uid: 472, secrets: {admin_password: …}}`."
    } else if line.contains("DATA_SOURCE") {
        "postgres-exporter reads it from a file: DATA_SOURCE_PASS_FILE=/run/secrets/password, \
         with `x-provision: {secrets: {password: …}}`."
    } else if line.contains("POSTGRES_") {
        "PostgreSQL's image reads it from a file: POSTGRES_PASSWORD_FILE=/run/secrets/password, \
         with `x-provision: {secrets: {password: …}}`."
    } else {
        "Give it as a file: name it in `x-provision: {secrets: {file: secret}}` and let the program read \
         /run/secrets/<file>."
    }
}

/// What docker takes as a name.
fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_signal(name: &str) -> bool {
    !name.starts_with("SIG")
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
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
fn canonical(definition: &Value) -> String {
    let mut definition = definition.clone();
    if let Value::Mapping(map) = &mut definition {
        map.remove("x-provision");
    }
    // serde_json's map is sorted by key.
    serde_json::to_value(&definition).map(|value| value.to_string()).unwrap_or_default()
}
