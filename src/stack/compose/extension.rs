//! The program's own part of a service, `x-provision`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Reader;
use super::definition::is_plain;
use super::dollars;
use crate::stack::{Database, OnSecret, Reload, SecretValue, Validate, Verify};
use crate::yaml::Value;

/// The program's own part of a service: `x-provision`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Extension {
    pub(super) uid: Option<u32>,
    pub(super) secrets: BTreeMap<String, SecretSource>,
    pub(super) on_secret: BTreeMap<String, OnSecret>,
    pub(super) reload: Option<Reload>,
    pub(super) validate: Option<Vec<String>>,
    pub(super) watch: Vec<String>,
    pub(super) verify: Option<Verify>,
    pub(super) database: Option<Database>,
    pub(super) one_shot: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum SecretSource {
    Secret(String),
    Read { secret: String, value: SecretValue },
    Template { template: String },
}

impl Reader<'_> {
    pub(super) fn extension(&mut self, name: &str, definition: &Value) -> Extension {
        let Some(value) = definition.get("x-provision") else { return Extension::default() };
        match serde_yaml::from_value(dollars::read(value)) {
            Ok(extension) => {
                self.reload(name, &extension);
                extension
            }
            Err(error) => {
                let (what, hint) = crate::yaml::explain(&error);
                let hint = if hint.is_empty() { "See docs/stack.md.".to_owned() } else { hint };
                self.problem(&["services", name, "x-provision"], what, hint);
                Extension::default()
            }
        }
    }

    fn reload(&mut self, name: &str, extension: &Extension) {
        if let Some(reload) = extension.reload.as_ref().filter(|reload| !is_signal(&reload.signal)) {
            let what = format!("{:?} is not a signal", reload.signal);
            self.problem(
                &["services", name, "x-provision", "reload", "signal"],
                what,
                "Without SIG: HUP or USR1.",
            );
        }
    }

    /// What the image is asked to read the configuration with. Its words become words of the manifest.
    pub(super) fn validate(
        &mut self,
        name: &str,
        extension: &Extension,
        definition: &Value,
    ) -> Option<Validate> {
        let command = extension.validate.clone()?;
        if command.is_empty() || command.iter().any(|word| word.is_empty() || word.contains(char::is_control))
        {
            self.problem(
                &["services", name, "x-provision", "validate"],
                "`validate` is no list of words",
                "Like [promtool, check, config, /etc/prometheus/prometheus.yml].",
            );
        }
        let scalar = |key: &str| match definition.get(key)? {
            Value::String(text) if !text.is_empty() && !text.contains(char::is_control) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Some(Validate { command, user: scalar("user"), memory: scalar("mem_limit") })
    }

    /// Names that psql is given as words, and its file.
    pub(super) fn database(&mut self, name: &str, database: &Database) {
        let at = |key| ["services", name, "x-provision", "database", key];
        for (key, value) in [
            ("container", &database.container),
            ("user", &database.user),
            ("name", &database.name),
            ("role", &database.role),
        ] {
            if !is_plain(value.trim_start_matches('_')) {
                let what = format!("{value:?} cannot be the {key} of a database");
                self.problem(&at(key), what, "Letters, digits, `-`, `_` and `.`.");
            }
        }
        if !self.files.contains_key(&database.sql) {
            self.problem(&at("sql"), format!("the stack has no file `{}`", database.sql), "");
        }
    }
}

fn is_signal(name: &str) -> bool {
    !name.starts_with("SIG")
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}
