//! Where a host is and how to log in: the inventory, then OpenSSH's configuration (`ssh -G`), then defaults.

use std::path::{Path, PathBuf};

use super::expand::{self, Expansion};
use super::known_hosts::{self, DEFAULT_PORT, Names};
use super::openssh::{self, Settings};
use super::surroundings::Surroundings;
use crate::error::{Error, Result};
use crate::inventory::Host;

/// The keys that OpenSSH tries when nothing is configured; ssh(1), `IdentityFile`.
const DEFAULT_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Those that `ssh -G` names beside them where nothing is configured.
const OTHER_DEFAULT_KEYS: [&str; 4] = ["id_ecdsa_sk", "id_ed25519_sk", "id_xmss", "id_dsa"];

/// What a shell would take for more than a name: OpenSSH refuses it in a user or host that a `ProxyCommand` is given.
const SHELL: &[char] = &['\'', '`', '"', '$', '\\', ';', '&', '<', '>', '|', '(', ')', '{', '}', '\n'];

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
    /// Whether somebody wrote `identities` down, so that a file that is not there is a mistake.
    pub identities_named: bool,
    /// The configuration's certificates (`CertificateFile`), for the keys that they are of.
    pub certificates: Vec<PathBuf>,
    /// Whether an agent's other keys are to be left alone.
    pub identities_only: bool,
    pub agent: Option<PathBuf>,
    /// The user's and the system's `known_hosts`.
    pub known_hosts: Vec<PathBuf>,
    /// Keys that no host may show (`RevokedHostKeys`).
    pub revoked: Option<PathBuf>,
    /// The name to look up there in place of the host's.
    pub alias: Option<String>,
    pub jump: Option<String>,
    /// A command whose stdin and stdout are the connection.
    pub proxy: Option<String>,
    /// Whether OpenSSH's client was asked.
    pub from_openssh: bool,
    /// Settings of the SSH configuration that provision passes over.
    pub not_used: Vec<String>,
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

    /// The command that tries the login by hand.
    pub(super) fn by_hand(&self) -> String {
        let port = if self.port == DEFAULT_PORT { String::new() } else { format!("-p {} ", self.port) };
        format!("ssh {port}{}@{} true", self.user, self.address)
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
    let settings = openssh::ask(host, around).await?;
    target(host, root, around, settings.as_ref())
}

fn target(host: &Host, root: &Path, around: &Surroundings, settings: Option<&Settings>) -> Result<Target> {
    let nothing = Settings::default();
    let said = settings.unwrap_or(&nothing);
    let home = around.home.clone();
    let user = host
        .user
        .clone()
        .or_else(|| said.value("user").map(Into::into))
        .or_else(|| around.user.clone())
        .ok_or_else(|| {
            Error::usage(format!("find the login name for {}", host.name))
                .host(&host.name.0)
                .cause("neither the inventory nor the SSH configuration has a user, and $USER is empty")
                .hint("Set `user:` for the host in the inventory.")
        })?;
    let real = said.value("hostname").unwrap_or(&host.address).to_owned();
    let port = host.port.or_else(|| said.value("port")?.parse().ok()).unwrap_or(DEFAULT_PORT);
    let alias = said.value("hostkeyalias");
    let jump = host.jump.clone().or_else(|| said.value("proxyjump").map(Into::into));
    let tokens = tokens(host, around, &real, port, &user, alias, jump.as_deref());
    let expansion = Expansion { tokens, variable: &around.variable };
    let path = |setting: &str, text: &str| -> Result<PathBuf> {
        let text = expansion.path(setting, text)?;
        if text.starts_with('~') && text != "~" && !text.starts_with("~/") {
            return Err(Error::usage(format!("read `{setting} {text}` of the SSH configuration"))
                .cause("provision does not know the home folders of others")
                .hint("Write the path out in ~/.ssh/config."));
        }
        Ok(around.path(Path::new(&text), root))
    };
    let paths = |setting: &str, key: &str| -> Result<Vec<PathBuf>> {
        said.values(key).map(|file| path(setting, file)).collect()
    };
    let in_home = |file: &str| home.as_ref().map(|home| home.join(".ssh").join(file));
    let usual = || DEFAULT_KEYS.iter().filter_map(|file| in_home(file)).collect::<Vec<_>>();
    let (identities, known_hosts) = if settings.is_some() {
        let exists = |file: &str| path("", file).is_ok_and(|file| file.is_file());
        let mut known = Vec::new();
        for (key, setting) in
            [("userknownhostsfile", "UserKnownHostsFile"), ("globalknownhostsfile", "GlobalKnownHostsFile")]
        {
            for file in expand::files(said.value(key).unwrap_or_default(), &exists) {
                known.push(path(setting, &file)?);
            }
        }
        (paths("IdentityFile", "identityfile")?, known)
    } else {
        let mut known: Vec<_> =
            ["known_hosts", "known_hosts2"].iter().filter_map(|file| in_home(file)).collect();
        known.push(PathBuf::from("/etc/ssh/ssh_known_hosts"));
        (usual(), known)
    };
    let defaults: Vec<PathBuf> =
        DEFAULT_KEYS.iter().chain(&OTHER_DEFAULT_KEYS).filter_map(|file| in_home(file)).collect();
    let agent = match said.0.lines().find_map(|line| line.strip_prefix("identityagent ")) {
        None | Some("SSH_AUTH_SOCK" | "$SSH_AUTH_SOCK") => around.agent.clone(),
        Some("none") => None,
        Some(text) => match text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            Some(variable) => (around.variable)(variable).map(PathBuf::from),
            None => Some(path("IdentityAgent", text)?),
        },
    };
    let proxy = match said.value("proxycommand").filter(|_| jump.is_none()) {
        Some(command) => {
            if let Some(odd) = [&user, &real].into_iter().find(|name| name.contains(SHELL)) {
                return Err(Error::usage("read ProxyCommand of the SSH configuration")
                    .host(&host.name.0)
                    .cause(format!("the shell that runs it would not take {odd:?} for a name")));
            }
            Some(expansion.command("ProxyCommand", command)?)
        }
        None => None,
    };
    Ok(Target {
        name: host.name.0.clone(),
        address: host.address.clone(),
        identity: host.identity_file.as_ref().map(|file| around.path(file, root)),
        identities_named: identities.iter().any(|file| !defaults.contains(file)),
        identities,
        certificates: paths("CertificateFile", "certificatefile")?,
        identities_only: said.value("identitiesonly") == Some("yes"),
        agent,
        known_hosts,
        revoked: said.value("revokedhostkeys").map(|file| path("RevokedHostKeys", file)).transpose()?,
        alias: alias.map(Into::into),
        jump,
        proxy,
        from_openssh: settings.is_some(),
        not_used: said.not_used(),
        host: real,
        port,
        user,
    })
}

/// What OpenSSH's tokens stand for (`ssh_config(5)`, TOKENS). `%C` is not among them: its meaning changed in
/// OpenSSH 9.6.
fn tokens(
    host: &Host,
    around: &Surroundings,
    real: &str,
    port: u16,
    user: &str,
    alias: Option<&str>,
    jump: Option<&str>,
) -> Vec<(char, String)> {
    let machine = around.machine.clone().unwrap_or_default();
    let short = machine.split('.').next().unwrap_or_default().to_owned();
    let mut tokens = vec![
        ('h', real.to_owned()),
        ('n', host.address.clone()),
        ('k', alias.unwrap_or(&host.address).to_owned()),
        ('p', port.to_string()),
        ('r', user.to_owned()),
        ('i', rustix::process::getuid().as_raw().to_string()),
        ('j', jump.unwrap_or_default().to_owned()),
        ('L', short),
        ('l', machine),
    ];
    tokens.extend(around.user.clone().map(|name| ('u', name)));
    tokens.extend(around.home.as_ref().map(|home| ('d', home.display().to_string())));
    tokens
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
            machine: Some("desk.example.net".to_owned()),
            variable: |name| (name == "KEYS").then(|| "/srv/keys".to_owned()),
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
        let target =
            target(&host(), Path::new("/srv/project"), &around(), Some(&Settings(ANSWER.to_owned())))
                .unwrap();
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
        let target =
            target(&host, Path::new("/srv/project"), &around(), Some(&Settings(ANSWER.to_owned()))).unwrap();
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
        let target = target(&host(), Path::new("/"), &around(), Some(&Settings(answer))).unwrap();
        assert_eq!(target.names().user, "prod-web");
        assert_eq!(target.names().without_port, None);
    }

    #[test]
    fn what_openssh_leaves_to_the_client_is_expanded() {
        let answer = "identityfile ${KEYS}/%u_%i_%L\ncertificatefile ~/certs/my cert.pub\nrevokedhostkeys /srv/%h\n\
            userknownhostsfile /home/ana/my known /home/ana/.ssh/known_hosts2\nbindaddress 10.0.0.2\n\
            proxycommand nc -x $PROXY %h %p\n";
        let settings = Settings(answer.to_owned());
        let target = target(&host(), Path::new("/"), &around(), Some(&settings)).unwrap();
        let uid = rustix::process::getuid().as_raw();
        assert_eq!(target.identities, [PathBuf::from(format!("/srv/keys/ana_{uid}_desk"))]);
        assert!(target.identities_named);
        assert_eq!(target.certificates, [Path::new("/home/ana/certs/my cert.pub")]);
        assert_eq!(target.revoked.as_deref(), Some(Path::new("/srv/web")));
        assert_eq!(
            target.known_hosts,
            [Path::new("/home/ana/my known"), Path::new("/home/ana/.ssh/known_hosts2")]
        );
        assert_eq!(target.proxy.as_deref(), Some("nc -x $PROXY web 22"));
        assert_eq!(target.not_used, ["BindAddress 10.0.0.2"]);
    }

    #[test]
    fn what_a_shell_would_take_apart_is_not_given_to_a_proxy_command() {
        let settings = Settings("proxycommand nc %h %p\nhostname x;reboot\n".to_owned());
        let error = target(&host(), Path::new("/"), &around(), Some(&settings)).unwrap_err();
        assert!(error.to_string().contains("x;reboot"), "{error}");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let settings = Settings("identityfile ${NOKEYS}/id\n".to_owned());
        let error = target(&host(), Path::new("/"), &around(), Some(&settings)).unwrap_err();
        assert!(error.to_string().contains("NOKEYS"), "{error}");
        let settings = Settings("identityfile ~bob/id\n".to_owned());
        let error = target(&host(), Path::new("/"), &around(), Some(&settings)).unwrap_err();
        assert!(error.to_string().contains("home folders of others"), "{error}");
    }
}
