//! A release: what a rendered stack consists of.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::{SecretFile, Service, Verify};

/// SHA-256 of `bytes`, 64 hex digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The first half of [`digest`], 32 hex digits: enough against accidents, for what is sent with each command.
#[must_use]
pub fn short_digest(bytes: &[u8]) -> String {
    let mut digest = digest(bytes);
    digest.truncate(32);
    digest
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The content, without any secret.
    pub content: Vec<u8>,
    /// Its SHA-256, 64 hex digits.
    pub digest: String,
}

impl File {
    /// A file with its digest.
    #[must_use]
    pub fn new(content: Vec<u8>) -> Self {
        let digest = digest(&content);
        Self { content, digest }
    }
}

/// A rendered file with placeholders is text; its digest follows from it.
impl Serialize for File {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.content))
    }
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(String::deserialize(deserializer)?.into_bytes()))
    }
}

/// A rendered stack. The same inputs give the same release; there is no secret in it.
///
/// As JSON it lies beside its files on a host, without them: enough to plan the way back to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The compose project.
    pub project: String,
    /// The environment that it was made for; empty where an older provision wrote it.
    #[serde(default)]
    pub environment: String,
    /// The compose file, a key of `files`.
    pub compose_file: String,
    /// Path relative to the remote folder → file.
    #[serde(skip)]
    pub files: BTreeMap<String, File>,
    /// Rendered files that hold a placeholder: they exist on a host only in tmpfs.
    pub sealed: BTreeMap<String, File>,
    /// The compose services by name.
    pub services: BTreeMap<String, Service>,
    /// Named volumes of the project, as docker names them.
    pub volumes: BTreeSet<String>,
    /// External networks that have to be there before, as docker names them.
    pub networks: BTreeSet<String>,
    /// Variables of the stack whose value the inventory leaves to be found on the host → the docker network
    /// that is looked for. Until then its name stands in `files` and `networks`.
    #[serde(skip)]
    pub sought: BTreeMap<String, String>,
    /// Variables of the stack whose value the host tells, unless the inventory sets them.
    #[serde(skip)]
    pub from_host: BTreeMap<String, FromHost>,
    /// What the operator should know, and what stops nothing.
    #[serde(skip)]
    pub remarks: Vec<String>,
}

/// A variable whose value the host tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromHost {
    /// What it is.
    pub fact: Fact,
    /// What stands for it in the rendered files.
    pub value: String,
}

/// What a host can tell for a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The host's address on docker's own bridge.
    Docker0Address,
    /// The folder in which docker keeps its data.
    DockerDataRoot,
    /// The number of the group that may open docker's socket.
    DockerSocketGroup,
}

impl Release {
    /// The names of all secrets that the release needs on a host or for its checks.
    #[must_use]
    pub fn secret_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for service in self.services.values() {
            for file in service.secrets.values() {
                match file {
                    SecretFile::Secret(name) => {
                        names.insert(name.clone());
                    }
                    SecretFile::Template { names: used, .. } => names.extend(used.iter().cloned()),
                }
            }
            names.extend(service.database.iter().map(|database| database.password.clone()));
            if let Some(Verify::Grafana { password, .. }) = &service.verify {
                names.insert(password.clone());
            }
        }
        names
    }

    /// Secrets with the least number of characters that each must have.
    #[must_use]
    pub fn secret_rules(&self) -> Vec<(String, usize)> {
        self.services
            .values()
            .filter_map(|service| match &service.verify {
                // As the request has it: the Grafana password has at least 20 characters.
                Some(Verify::Grafana { password, .. }) => Some((password.clone(), 20)),
                _ => None,
            })
            .collect()
    }

    /// The folders that services mount as their configuration, those inside others left out: what lies there and is
    /// not the release's own changes what a service does.
    #[must_use]
    pub fn configuration(&self) -> BTreeSet<&str> {
        let mounts = || self.services.values().flat_map(|service| &service.mounts);
        let read_only = mounts().filter(|mount| mount.read_only && !mount.source.starts_with('/'));
        let inside = |source: &str| {
            mounts().any(|other| other.read_only && other.source != source && other.holds(source))
        };
        read_only.map(|mount| mount.source.as_str()).filter(|source| !inside(source)).collect()
    }

    /// Whether a file at `path` in the remote folder would be part of a service's configuration.
    #[must_use]
    pub fn is_configuration(&self, path: &str) -> bool {
        let mut mounts = self.services.values().flat_map(|service| &service.mounts);
        mounts.any(|mount| mount.read_only && mount.holds(path))
    }

    /// The images, sorted, each once.
    #[must_use]
    pub fn images(&self) -> BTreeSet<&str> {
        self.services.values().map(|service| service.image.as_str()).collect()
    }
}
