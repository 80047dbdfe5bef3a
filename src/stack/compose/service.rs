//! One service: its names, its image, and all that the other rules find in its definition.

use std::collections::BTreeMap;

use super::definition::{canonical, depends_on, is_plain};
use super::extension::{Extension, SecretSource};
use super::isolation::User;
use super::{Reader, container};
use crate::stack::{SecretValue, Service, digest, health};
use crate::yaml::Value;

/// What the service can read of its secrets, by their names.
fn values(extension: &Extension) -> BTreeMap<String, SecretValue> {
    let of = |source: &SecretSource| match source {
        SecretSource::Read { secret, value } => Some((secret.clone(), *value)),
        _ => None,
    };
    extension.secrets.values().filter_map(of).collect()
}

impl Reader<'_> {
    pub(super) fn service(&mut self, name: &str, definition: &Value) -> Service {
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
        let validate = self.validate(name, &extension, definition);
        let secrets = self.secrets(name, &extension, &mounts);
        let user = User::of(definition);
        if let (Some(uid), Some(reader)) = (user.uid, extension.uid)
            && uid != reader
        {
            self.problem(
                &["services", name, "user"],
                format!("`{name}` runs as user {uid}, and its `x-provision` says that user {reader} reads its secrets"),
                "Say the same number in both, or leave `uid` out of `x-provision`.",
            );
        }
        if let Some(database) = &extension.database {
            self.database(name, database);
        }
        Service {
            name: name.to_owned(),
            container: container(name, definition, self.project),
            definition: digest(canonical(definition).as_bytes()),
            image,
            uid: extension.uid.or(user.uid).unwrap_or_default(),
            gid: user.gid,
            secrets,
            secret_values: values(&extension),
            on_secret: extension.on_secret,
            mounts,
            ports,
            reload: extension.reload,
            validate,
            watch: extension.watch,
            verify: extension.verify,
            database: extension.database,
            depends_on: depends_on(definition),
            patience: health::patience(definition),
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
}
