//! One server of an environment.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::jump;
use super::merge::Wrong;

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

impl Host {
    /// What is wrong with it; the empty key is its own name.
    pub(super) fn mistakes(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if !is_plain(&self.name.0) {
            wrong.push((
                "",
                format!("`{}` is not a host name", self.name),
                "Letters, digits, `-`, `_`, `.`.",
            ));
        }
        if !is_plain(&self.address) {
            wrong.push((
                "address",
                format!("`{}` is not an address", self.address),
                "A DNS name, an IP address or a Host of ~/.ssh/config, without a scheme or a port.",
            ));
        }
        if let Some(user) = self.user.as_ref().filter(|user| !is_user(user)) {
            wrong.push((
                "user",
                format!("{user:?} is not a login name"),
                "As `ssh -l` takes it: koprogo, ana@corp.example, 'CORP\\ana'. No quotes, blanks or ;&<>|(){}.",
            ));
        }
        if let Some((jump, what)) = self.jump.as_ref().and_then(|text| Some((text, jump::mistake(text)?))) {
            wrong.push((
                "jump",
                format!("{jump:?} is no jump host: {what}"),
                "As OpenSSH's ProxyJump: user@host:port, user and port as needed, several with commas; or none.",
            ));
        }
        wrong
    }
}

/// What is a word of a command line and no option.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:%".contains(c))
}

/// What OpenSSH takes as a login name (`valid_ruser` in its ssh.c), blanks aside: names of a directory service have `@` or
/// `\\` in them.
pub(super) fn is_user(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('\\')
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || "'`\";&<>|(){}".contains(c))
}

impl Default for HostName {
    fn default() -> Self {
        Self("unnamed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_host_is_written_as_openssh_writes_it() {
        let mistakes = |jump: &str| {
            let host = Host {
                name: HostName("vps".to_owned()),
                address: "192.0.2.1".to_owned(),
                port: None,
                user: None,
                sudo: false,
                identity_file: None,
                jump: Some(jump.to_owned()),
            };
            host.mistakes().into_iter().map(|(key, what, _)| format!("{key}: {what}")).collect::<Vec<_>>()
        };
        for good in ["none", "gate", "ana@corp.example@gate:2222", "ssh://ana@gate", "a,b@c,[2001:db8::1]:22"]
        {
            assert_eq!(mistakes(good), [""; 0], "{good}");
        }
        insta::assert_snapshot!(mistakes("gate,https://x,ana@b")[0], @r#"jump: "gate,https://x,ana@b" is no jump host: the port is not a number from 1 to 65535"#);
        insta::assert_snapshot!(mistakes("ana@-oProxyCommand=x,b")[0], @r#"jump: "ana@-oProxyCommand=x,b" is no jump host: the host is not a DNS name, an IP address or an alias"#);
    }

    #[test]
    fn a_login_name_may_be_one_of_a_directory_service() {
        for good in ["root", "ana@corp.example", "CORP\\ana", "ana.b-c_d+e", "Jürgen", "%admin$"] {
            assert!(is_user(good), "{good}");
        }
        for bad in ["", "-oProxyCommand=x", "a b", "a;b", "a`b", "a\nb", "CORP\\", "a'b", "a|b"] {
            assert!(!is_user(bad), "{bad}");
        }
    }
}
