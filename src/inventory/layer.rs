//! One inventory file as it is written; `all.yml` and `<env>.yml` are two layers of an environment.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Host;
use crate::yaml::Value;

/// What an inventory file may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Layer {
    /// The environment that is meant when none is named. Only in all.yml.
    pub default: Option<String>,
    /// The compose project's name.
    pub project: Option<String>,
    /// The folder under `stack/`.
    pub stack: Option<String>,
    /// Where the stack lives on a host.
    pub remote: RemoteLayer,
    /// How a deploy behaves.
    pub deploy: DeployLayer,
    /// What `provision verify` leaves out, and what the stack may use.
    pub verify: VerifyLayer,
    /// The servers. Only in <env>.yml.
    pub hosts: BTreeMap<String, Host>,
    /// Values of the stack's variables.
    pub variables: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RemoteLayer {
    pub path: Option<String>,
    pub owner: Option<String>,
    pub group: Option<String>,
    pub mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeployLayer {
    pub settle: Option<String>,
    pub verify_timeout: Option<String>,
    pub confirm_timeout: Option<String>,
    pub pull_timeout: Option<String>,
    pub keep_releases: Option<u32>,
    pub min_free_disk: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct VerifyLayer {
    pub skip: Option<Vec<String>>,
    pub memory: Option<String>,
    pub cpu_percent: Option<f64>,
    pub disk: Option<String>,
}
