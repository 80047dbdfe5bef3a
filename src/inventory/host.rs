//! One server of an environment.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The name of a host in the inventory: letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostName(pub String);

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How one server is reached. What is not set here comes from `~/.ssh/config` (`ssh -G`), then from defaults.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The name in the inventory.
    #[serde(skip)]
    pub name: HostName,
    /// DNS name, IP address, or a `Host` alias of `~/.ssh/config`.
    pub address: String,
    /// TCP port; 22 unless the SSH configuration says otherwise.
    #[serde(default)]
    pub port: Option<u16>,
    /// Login name.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether to become root by `sudo` after the login. Not for root itself.
    #[serde(default)]
    pub sudo: bool,
    /// A private key, relative to the project root; `~/` is the home folder. The agent is asked as well.
    #[serde(default)]
    pub identity_file: Option<PathBuf>,
    /// Jump host, as OpenSSH's `ProxyJump` writes it: `[user@]host[:port]`.
    #[serde(default)]
    pub jump: Option<String>,
}

impl Default for HostName {
    fn default() -> Self {
        Self("unnamed".to_owned())
    }
}
