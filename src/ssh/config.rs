//! Where a host is and how to log in: the inventory, then OpenSSH's configuration (`ssh -G`), then defaults.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::known_hosts::{self, DEFAULT_PORT, Names};
use super::surroundings::Surroundings;
use crate::error::{Error, Result};
use crate::inventory::Host;

/// `ssh -G` answers in milliseconds; a `Match exec` in it may hang.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The keys that OpenSSH tries when nothing is configured; ssh(1), `IdentityFile`.
const DEFAULT_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// All that is needed to reach one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Its name in the inventory.
    pub name: String,
    /// As the inventory writes it.
    pub address: String,
    /// DNS name or IP address.
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The inventory's key.
    pub identity: Option<PathBuf>,
    /// The configuration's keys, or the usual ones.
    pub identities: Vec<PathBuf>,
    /// Whether an agent's other keys are to be left alone.
    pub identities_only: bool,
    pub agent: Option<PathBuf>,
    /// The user's and the system's `known_hosts`.
    pub known_hosts: Vec<PathBuf>,
    /// The name to look up there in place of the host's.
    pub alias: Option<String>,
    pub jump: Option<String>,
    /// A command whose stdin and stdout are the connection.
    pub proxy: Option<String>,
    /// Whether OpenSSH's client was asked.
    pub from_openssh: bool,
}

impl Target {
    /// `user@host:port`.
    pub(super) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("{}@[{}]:{}", self.user, self.host, self.port)
        } else {
            format!("{}@{}:{}", self.user, self.host, self.port)
        }
    }

    /// The names under which its keys may be known.
    pub(super) fn names(&self) -> Names {
        let own = known_hosts::name(&self.host, self.port);
        let mut inventory = vec![known_hosts::name(&self.address, self.port), own.clone()];
        inventory.dedup();
        let (user, without_port) = match &self.alias {
            Some(alias) => (alias.to_ascii_lowercase(), None),
            None if self.port == DEFAULT_PORT => (own, None),
            None => (own, Some(known_hosts::name(&self.host, DEFAULT_PORT))),
        };
        Names { inventory, user, without_port }
    }
}

/// Finds out all about `host`. Paths of the inventory are relative to `root`.
///
/// Errors: OpenSSH's client refuses its configuration ([`crate::error::Kind::Usage`]), or no login name is
/// to be found.
pub(super) async fn resolve(host: &Host, root: &Path, around: &Surroundings) -> Result<Target> {
    let answer = ask_client(host, around).await?;
    target(host, root, around, answer.as_deref())
}

async fn ask_client(host: &Host, around: &Surroundings) -> Result<Option<String>> {
    let Some(client) = &around.client else { return Ok(None) };
    let mut command = tokio::process::Command::new(client);
    command.arg("-G");
    if let Some(config) = &around.config {
        command.arg("-F").arg(config);
    }
    if let Some(user) = &host.user {
        command.arg("-l").arg(user);
    }
    if let Some(port) = host.port {
        command.arg("-p").arg(port.to_string());
    }
    command.arg("--").arg(&host.address).stdin(Stdio::null()).kill_on_drop(true);
    let doing = || format!("ask `ssh -G {}` for the SSH configuration", host.address);
    let output = match tokio::time::timeout(CLIENT_TIMEOUT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(Err(error)) => return Err(Error::usage(doing()).cause(error).host(&host.name.0)),
        Err(_) => {
            return Err(Error::usage(doing())
                .host(&host.name.0)
                .cause(format!("no answer within {} s", CLIENT_TIMEOUT.as_secs()))
                .hint("A `Match exec` in ~/.ssh/config may hang."));
        }
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::usage(doing())
            .host(&host.name.0)
            .cause(said.trim())
            .hint("Correct ~/.ssh/config, or the host's address in the inventory."));
    }
    Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The first value of `key` in what `ssh -G` printed, `none` being none.
fn value<'a>(answer: &'a str, key: &str) -> Option<&'a str> {
    values(answer, key).next()
}

fn values<'a>(answer: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    answer
        .lines()
        .filter_map(move |line| line.split_once(' ').filter(|(name, _)| *name == key))
        .map(|(_, value)| value.trim())
        .filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case("none"))
}

fn target(host: &Host, root: &Path, around: &Surroundings, answer: Option<&str>) -> Result<Target> {
    let said = answer.unwrap_or_default();
    let home = around.home.clone();
    let user = host
        .user
        .clone()
        .or_else(|| value(said, "user").map(Into::into))
        .or_else(|| around.user.clone())
        .ok_or_else(|| {
            Error::usage(format!("find the login name for {}", host.name))
                .host(&host.name.0)
                .cause("neither the inventory nor the SSH configuration has a user, and $USER is empty")
                .hint("Set `user:` for the host in the inventory.")
        })?;
    let real = value(said, "hostname").unwrap_or(&host.address).to_owned();
    let port = host.port.or_else(|| value(said, "port")?.parse().ok()).unwrap_or(DEFAULT_PORT);
    let expand = |text: &str| {
        let home = home.as_deref().unwrap_or(Path::new("")).display().to_string();
        tokens(
            text,
            &[('d', &home), ('h', &real), ('n', &host.address), ('r', &user), ('p', &port.to_string())],
        )
    };
    let files = |keys: &[&str]| -> Vec<PathBuf> {
        keys.iter()
            .flat_map(|key| value(said, key).unwrap_or_default().split_ascii_whitespace())
            .map(|file| around.path(Path::new(&expand(file)), root))
            .collect()
    };
    let in_home = |file: &str| home.as_ref().map(|home| home.join(".ssh").join(file));
    let (identities, known_hosts) = if answer.is_some() {
        (
            values(said, "identityfile").map(|file| around.path(Path::new(&expand(file)), root)).collect(),
            files(&["userknownhostsfile", "globalknownhostsfile"]),
        )
    } else {
        let mut known: Vec<_> =
            ["known_hosts", "known_hosts2"].iter().filter_map(|file| in_home(file)).collect();
        known.push(PathBuf::from("/etc/ssh/ssh_known_hosts"));
        (DEFAULT_KEYS.iter().filter_map(|file| in_home(file)).collect(), known)
    };
    let agent = match said.lines().find_map(|line| line.strip_prefix("identityagent ")) {
        None | Some("SSH_AUTH_SOCK" | "$SSH_AUTH_SOCK") => around.agent.clone(),
        Some("none") => None,
        Some(path) => match path.strip_prefix('$') {
            Some(variable) => std::env::var_os(variable).map(PathBuf::from),
            None => Some(around.path(Path::new(&expand(path)), root)),
        },
    };
    let jump = host.jump.clone().or_else(|| value(said, "proxyjump").map(Into::into));
    let proxy = if jump.is_some() { None } else { value(said, "proxycommand").map(&expand) };
    Ok(Target {
        name: host.name.0.clone(),
        address: host.address.clone(),
        identity: host.identity_file.as_ref().map(|file| around.path(file, root)),
        identities,
        identities_only: value(said, "identitiesonly") == Some("yes"),
        agent,
        known_hosts,
        alias: value(said, "hostkeyalias").map(Into::into),
        jump,
        proxy,
        from_openssh: answer.is_some(),
        host: real,
        port,
        user,
    })
}

/// Replaces `%x` by its value, `%%` by `%`; what is not known stays as it is.
fn tokens(text: &str, known: &[(char, &str)]) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match rest.next() {
            None | Some('%') => out.push('%'),
            Some(token) => match known.iter().find(|(name, _)| *name == token) {
                Some((_, value)) => out.push_str(value),
                None => out.extend(['%', token]),
            },
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::HostName;

    const ANSWER: &str = "host web\nuser deploy\nhostname 10.0.0.7\nport 2222\nidentitiesonly yes\n\
        identityfile ~/.ssh/work_%r\nidentityfile /keys/%h\nproxyjump ana@gate:22\nproxycommand nc %h %p\n\
        userknownhostsfile ~/.ssh/known_hosts /srv/known\nglobalknownhostsfile none\nidentityagent none\n";

    fn around() -> Surroundings {
        Surroundings {
            home: Some(PathBuf::from("/home/ana")),
            user: Some("ana".to_owned()),
            agent: Some(PathBuf::from("/run/agent")),
            client: None,
            config: None,
            terminal: false,
        }
    }

    fn host() -> Host {
        Host {
            name: HostName("vps".to_owned()),
            address: "web".to_owned(),
            port: None,
            user: None,
            sudo: false,
            identity_file: None,
            jump: None,
        }
    }

    #[test]
    fn what_openssh_says_is_taken() {
        let target = target(&host(), Path::new("/srv/project"), &around(), Some(ANSWER)).unwrap();
        assert_eq!(target.place(), "deploy@10.0.0.7:2222");
        assert_eq!(target.identities, [Path::new("/home/ana/.ssh/work_deploy"), Path::new("/keys/10.0.0.7")]);
        assert_eq!(target.known_hosts, [Path::new("/home/ana/.ssh/known_hosts"), Path::new("/srv/known")]);
        assert_eq!((target.agent.as_deref(), target.identities_only), (None, true));
        assert_eq!((target.jump.as_deref(), target.proxy.as_deref()), (Some("ana@gate:22"), None));
        assert_eq!(target.names().inventory, ["[web]:2222", "[10.0.0.7]:2222"]);
        assert_eq!(target.names().user, "[10.0.0.7]:2222");
        assert_eq!(target.names().without_port.as_deref(), Some("10.0.0.7"));
    }

    #[test]
    fn the_inventory_wins_over_openssh() {
        let mut host = host();
        (host.port, host.user, host.jump) = (Some(22), Some("root".to_owned()), Some("none".to_owned()));
        host.identity_file = Some(PathBuf::from("keys/ci"));
        let target = target(&host, Path::new("/srv/project"), &around(), Some(ANSWER)).unwrap();
        assert_eq!(target.place(), "root@10.0.0.7:22");
        assert_eq!(target.jump.as_deref(), Some("none"));
        assert_eq!(target.identity.as_deref(), Some(Path::new("/srv/project/keys/ci")));
    }

    #[test]
    fn without_openssh_the_inventory_and_the_usual_places_count() {
        let found = target(&host(), Path::new("/srv/project"), &around(), None).unwrap();
        assert_eq!(found.place(), "ana@web:22");
        assert_eq!(found.identities[0], Path::new("/home/ana/.ssh/id_ed25519"));
        assert_eq!(found.known_hosts[0], Path::new("/home/ana/.ssh/known_hosts"));
        assert_eq!(found.agent.as_deref(), Some(Path::new("/run/agent")));
        let nobody = Surroundings { user: None, ..around() };
        let error = target(&host(), Path::new("/"), &nobody, None).unwrap_err();
        assert!(error.hints()[0].contains("user:"), "{error}");
    }

    #[test]
    fn a_host_key_alias_is_looked_up_in_place_of_the_name() {
        let answer = format!("{ANSWER}hostkeyalias Prod-Web\n");
        let target = target(&host(), Path::new("/"), &around(), Some(&answer)).unwrap();
        assert_eq!(target.names().user, "prod-web");
        assert_eq!(target.names().without_port, None);
    }

    #[test]
    fn tokens_are_replaced_and_unknown_ones_kept() {
        assert_eq!(tokens("nc %h %p 100%% %z %", &[('h', "vps"), ('p', "22")]), "nc vps 22 100% %z %");
    }
}
