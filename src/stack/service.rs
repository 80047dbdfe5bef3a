//! What a deploy needs to know of one compose service.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A bind mount of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Relative to the remote folder (without `./`) for the stack's own folders, else absolute.
    pub source: String,
    /// The path in the container.
    pub target: String,
    /// Whether the service may only read it. Releases that an older provision deployed do not say so.
    #[serde(default)]
    pub read_only: bool,
    /// Whether mounts of the host below it appear in the container as they come and go (`propagation: rslave` and its
    /// like). Releases that an older provision deployed do not say it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub propagates: bool,
}

impl Mount {
    /// Whether it is a folder of the stack's own that holds the file at `path` of the stack.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        !self.source.starts_with('/')
            && path.strip_prefix(&self.source).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// What a service can take in without being created anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// Files, or folders with a trailing slash, relative to the stack's root.
    pub paths: Vec<String>,
    /// The signal to its main process, without `SIG`.
    #[serde(default = "hup")]
    pub signal: String,
}

fn hup() -> String {
    "HUP".to_owned()
}

/// A command that tells a running service of a changed secret that it would not read again by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnSecret {
    /// The command and its arguments, run in the container; the secret's file is its standard input.
    pub exec: Vec<String>,
}

/// A command of the service's image that reads its configuration and says what is wrong with it. It runs on the host
/// before the files are put in place, in a container that sees them and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validate {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The service's `user:`.
    pub user: Option<String>,
    /// The service's `mem_limit:`.
    pub memory: Option<String>,
}

/// Where a file in a service's secrets folder comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretFile {
    /// The value of a secret.
    Secret(
        /// Its name.
        String,
    ),
    /// A rendered file that holds placeholders.
    Template {
        /// Its path in the stack.
        path: String,
        /// The secrets whose placeholders it holds.
        names: BTreeSet<String>,
    },
}

/// What a program can read as the value of a secret: most take the white space around it away, and some put it into
/// something that ends at a line end or at a blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretValue {
    /// One line of text.
    Line,
    /// Printable ASCII without blanks.
    Word,
    /// An http or https URL.
    Url,
}

impl SecretValue {
    /// What is wrong with a value, a fragment without any of it. White space around it is looked for elsewhere.
    #[must_use]
    pub fn mistake(self, value: &str) -> Option<&'static str> {
        let value = value.trim();
        let is_url = || {
            let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) && !value.contains(' ')
        };
        if value.contains(['\n', '\r']) {
            return Some("has line ends in it");
        }
        if value.contains(char::is_control) {
            return Some("has control characters in it");
        }
        match self {
            SecretValue::Line => None,
            SecretValue::Word if value.contains(char::is_whitespace) => Some("has a blank in it"),
            SecretValue::Word => (!value.is_ascii()).then_some("has characters that are not ASCII"),
            SecretValue::Url => (!is_url()).then_some("is not an http or https URL"),
        }
    }
}

/// What kind of server a service is, so that it can be asked how it is. Ports are the host's loopback ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verify {
    /// A Prometheus server.
    Prometheus {
        /// Port.
        port: u16,
        /// Its configuration, a path in the stack.
        config: String,
    },
    /// An Alertmanager.
    Alertmanager {
        /// Port.
        port: u16,
        /// Its configuration, a path in the stack.
        config: String,
    },
    /// A Grafana server.
    Grafana {
        /// Port.
        port: u16,
        /// The admin's login name.
        user: String,
        /// The name of the secret that is the admin's password.
        password: String,
        /// What may rightly show nothing → why. `title`, or `dashboard uid/title`, is a whole panel: its queries are
        /// excused where none of them gives data. `title [legend]` is one of its queries.
        #[serde(default)]
        may_be_empty: BTreeMap<String, String>,
        /// What is empty as long as something else is not there.
        #[serde(default)]
        empty_until: Vec<EmptyUntil>,
    },
    /// A Loki server.
    Loki {
        /// Port.
        port: u16,
        /// Its configuration, a path in the stack.
        config: String,
    },
    /// Anything that answers 200 at a path when it is ready.
    Http {
        /// Port.
        port: u16,
        /// Path, with a leading slash.
        path: String,
    },
}

/// Queries that give nothing before a series is born.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyUntil {
    /// The name of the series, of Prometheus.
    pub series: String,
    /// A query is meant that has one of these in it.
    pub asks: Vec<String>,
    /// What it means that the series is not there: "no traffic yet".
    pub why: String,
}

impl EmptyUntil {
    /// Whether a query is one of those that are meant.
    #[must_use]
    pub fn is_about(&self, expr: &str) -> bool {
        self.asks.iter().any(|part| expr.contains(part))
    }
}

/// A role in a database of the application that a service logs in with. `provision bootstrap` applies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The container of the PostgreSQL server.
    pub container: String,
    /// A superuser there, who needs no password inside the container.
    pub user: String,
    /// The database.
    pub name: String,
    /// The role.
    pub role: String,
    /// The name of the secret that is its password.
    pub password: String,
    /// A file of the stack for psql; it gets the variables `role` and `verifier`.
    pub sql: String,
    /// A query of Prometheus that is 1 while the role can log in.
    #[serde(default)]
    pub up: Option<String>,
}

/// One compose service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its image with the tag.
    pub image: String,
    /// The name that its container will have.
    pub container: String,
    /// SHA-256 of its definition in the compose file, whatever the order of the keys there.
    pub definition: String,
    /// The numeric user that reads its secret files.
    pub uid: u32,
    /// The group of its secret files, which only root can change then: the one that its `user:` says. Where it says
    /// none, and in releases that an older provision deployed, the files belong to `uid`.
    #[serde(default)]
    pub gid: Option<u32>,
    /// File name in its secrets folder → where that comes from.
    pub secrets: BTreeMap<String, SecretFile>,
    /// Name of a secret that it reads from a file → what it can read as its value, where that is declared.
    #[serde(default)]
    pub secret_values: BTreeMap<String, SecretValue>,
    /// File name in its secrets folder → what is run in the container when its content changed.
    pub on_secret: BTreeMap<String, OnSecret>,
    /// Bind mounts.
    pub mounts: Vec<Mount>,
    /// Loopback ports that it publishes on the host.
    pub ports: Vec<u16>,
    /// What it can reload.
    pub reload: Option<Reload>,
    /// How its image reads its configuration beforehand. Releases that an older provision deployed have none.
    #[serde(default)]
    pub validate: Option<Validate>,
    /// Paths in the stack that it picks up by itself.
    pub watch: Vec<String>,
    /// How it is asked how it is.
    pub verify: Option<Verify>,
    /// The role that it has in a database.
    pub database: Option<Database>,
    /// Services that it depends on: compose creates it anew with each of them.
    pub depends_on: BTreeSet<String>,
    /// How long it may take to become well, in seconds: as long as its health check takes to give up.
    pub patience: u64,
    /// Whether it runs once and ends, instead of staying.
    pub one_shot: bool,
}

/// Whether `path` is `pattern`, or lies below it where `pattern` ends with a slash.
fn covers(pattern: &str, path: &str) -> bool {
    if pattern.ends_with('/') { path.starts_with(pattern) } else { path == pattern }
}

impl Service {
    /// Whose its secret files are: `0:GID`, or `UID` where no group is said.
    #[must_use]
    pub fn secrets_owner(&self) -> String {
        self.gid.map_or_else(|| self.uid.to_string(), |gid| format!("0:{gid}"))
    }

    /// Whether the file at `path` of the stack is visible in the container.
    #[must_use]
    pub fn mounts_file(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| mount.holds(path))
    }

    /// Whether a change of the file at `path` is reloaded by a signal.
    #[must_use]
    pub fn reloads(&self, path: &str) -> bool {
        self.reload.as_ref().is_some_and(|reload| reload.paths.iter().any(|pattern| covers(pattern, path)))
    }

    /// Whether the service picks a change of the file at `path` up by itself.
    #[must_use]
    pub fn watches(&self, path: &str) -> bool {
        self.watch.iter().any(|pattern| covers(pattern, path))
    }
}

#[cfg(test)]
mod tests {
    use super::SecretValue::{Line, Url, Word};

    #[test]
    fn a_secret_is_what_its_program_can_read() {
        for good in ["abc", "a b\"c\\d$e'f#g", "Größe", " a "] {
            assert_eq!(Line.mistake(good), None, "{good}");
        }
        assert_eq!(Line.mistake("a\nb"), Some("has line ends in it"));
        assert_eq!(Line.mistake("a\rb"), Some("has line ends in it"));
        assert_eq!(Line.mistake("a\tb"), Some("has control characters in it"));
        assert_eq!(Word.mistake("a\"b\\c$d'e#%&=?@:/"), None);
        assert_eq!(Word.mistake("a b"), Some("has a blank in it"));
        assert_eq!(Word.mistake("Größe"), Some("has characters that are not ASCII"));
        assert_eq!(Url.mistake("https://hc-ping.com/0123?a=b"), None);
        for bad in ["hc-ping.com/0123", "https://", "https:///x", "https://a b/"] {
            assert_eq!(Url.mistake(bad), Some("is not an http or https URL"), "{bad}");
        }
    }
}
