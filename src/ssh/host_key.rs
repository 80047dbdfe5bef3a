//! Whether the key that a host shows is one that it is known by; if not, the error that says what to do.

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use russh::client;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};
use tokio::sync::watch;

use super::config::Target;
use super::known_hosts::{self, HostKeys, Role, same_family, wildcard};
use super::said::Said;
use crate::error::{Error, Kind, quoted};

/// A host key as the host shows it; nobody has said yet that it is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The name to know it by: `host` or `[host]:port`.
    pub name: String,
    /// `ssh-ed25519` and the like.
    pub algorithm: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The line for a `known_hosts` file, without its end.
    pub line: String,
    /// The names that the host may have in the environment's file.
    pub names: Vec<String>,
    /// What the files say of it.
    pub standing: Standing,
}

/// What the files say of a key that a host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The environment's file has it.
    Known,
    /// No file knows the host.
    New,
    /// Only a file of the operator's own has it, at this place: other machines do not know it.
    KnownElsewhere(String),
    /// The host is known by other keys.
    Changed(Vec<OldKey>),
    /// It must not be accepted; the place that says so.
    Revoked(String),
}

/// A key that a host is known by and does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldKey {
    /// `file:line`.
    pub place: String,
    /// Whether that is the environment's file.
    pub own: bool,
    /// `ssh-ed25519` and the like.
    pub algorithm: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The key as a `known_hosts` file has it.
    pub key: String,
}

impl Offered {
    /// The command that prints the fingerprint on the host itself.
    #[must_use]
    pub fn at_console(&self) -> String {
        Algorithm::new(&self.algorithm).map_or_else(|_| at_console(&Algorithm::Ed25519), |it| at_console(&it))
    }

    /// The keys that the host is known by and does not show, as a `known_hosts` file has them.
    pub(super) fn old_keys(&self) -> Vec<String> {
        match &self.standing {
            Standing::Changed(old) => old.iter().map(|old| old.key.clone()).collect(),
            _ => Vec::new(),
        }
    }
}

/// `SHA256:…`, as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// What is awaited of the host, and what it turned out to be.
pub(super) struct Watch {
    pub target: Arc<Target>,
    pub environment: String,
    pub keys: Arc<HostKeys>,
    /// What is learnt of the host.
    pub watched: Watched,
    /// Whether the key is only to be looked at; it is then never accepted.
    pub looking: bool,
    /// Dropped with the connection; before that, why it ended.
    pub gone: watch::Sender<Option<String>>,
}

/// What a host shows and says; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    /// The fingerprint of the key that was accepted.
    pub seen: Arc<OnceLock<String>>,
    /// The key that was only looked at.
    pub look: Arc<OnceLock<Offered>>,
    /// What sshd tells whoever logs in.
    pub banner: Said,
}

/// Why a connection ended before it was one.
#[derive(Debug)]
pub(super) enum Stop {
    /// The host's identity was refused.
    Refused(Error),
    /// Anything that russh says.
    Protocol(russh::Error),
}

impl From<russh::Error> for Stop {
    fn from(error: russh::Error) -> Self {
        Stop::Protocol(error)
    }
}

impl client::Handler for Watch {
    type Error = Stop;

    async fn auth_banner(&mut self, banner: &str, _: &mut client::Session) -> Result<(), Stop> {
        self.watched.banner.note(banner.as_bytes());
        Ok(())
    }

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Stop> {
        if self.looking {
            let _ = self.watched.look.set(offered(&self.target, &self.keys, &shown.public_key()));
            return Ok(false);
        }
        judge(&self.target, &self.environment, &self.keys, shown).map_err(Stop::Refused)?;
        let _ = self.watched.seen.set(fingerprint(&shown.public_key()));
        Ok(true)
    }

    async fn disconnected(&mut self, reason: client::DisconnectReason<Stop>) -> Result<(), Stop> {
        match reason {
            client::DisconnectReason::ReceivedDisconnect(said) => {
                let words = quoted(&said.message).unwrap_or_else(|| "goodbye".to_owned());
                self.gone.send_replace(Some(format!("the host said: {words}")));
                Ok(())
            }
            client::DisconnectReason::Error(stop) => {
                self.gone.send_replace(Some(match &stop {
                    Stop::Refused(error) => error.to_string(),
                    Stop::Protocol(error) => in_words(error),
                }));
                Err(stop)
            }
        }
    }
}

/// russh's errors, as fragments that follow a colon.
pub(super) fn in_words(error: &russh::Error) -> String {
    match error {
        russh::Error::KeepaliveTimeout => "the host has not answered for a minute".to_owned(),
        russh::Error::Disconnect | russh::Error::HUP | russh::Error::SendError => {
            "the connection was closed by the host".to_owned()
        }
        russh::Error::NoCommonAlgo { kind, theirs, .. } => {
            let theirs = quoted(&theirs.join(", ")).unwrap_or_else(|| "none".to_owned());
            format!("no {kind:?} algorithm in common: the host offers {theirs}")
        }
        russh::Error::Version => "what answered is not an SSH server".to_owned(),
        russh::Error::WrongServerSig => "the host could not prove that its key is its own".to_owned(),
        russh::Error::IO(error) => error.to_string(),
        other => {
            let text = other.to_string();
            let mut chars = text.chars();
            chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
        }
    }
}

/// The key without a comment, as a `known_hosts` file has it.
fn plain(key: &PublicKey) -> String {
    PublicKey::new(key.key_data().clone(), "").to_openssh().unwrap_or_default()
}

fn offered(target: &Target, keys: &HostKeys, key: &PublicKey) -> Offered {
    let name = known_hosts::name(&target.host, target.port);
    let known = keys.find(Role::Key, key);
    let old = || {
        keys.binding().map(|known| OldKey {
            place: known.place(),
            own: known.own,
            algorithm: known.key.algorithm().as_str().to_owned(),
            fingerprint: fingerprint(&known.key),
            key: plain(&known.key),
        })
    };
    let standing = match (keys.find(Role::Revoked, key), known) {
        (Some(line), _) => Standing::Revoked(line.place()),
        (None, Some(known)) if known.own => Standing::Known,
        (None, Some(known)) => Standing::KnownElsewhere(known.place()),
        (None, None) if keys.binding().next().is_some() => Standing::Changed(old().collect()),
        (None, None) => Standing::New,
    };
    Offered {
        line: format!("{name} {}", plain(key)),
        name,
        algorithm: key.algorithm().as_str().to_owned(),
        fingerprint: fingerprint(key),
        names: target.names().inventory,
        standing,
    }
}

/// Accepts `shown` or says why not.
pub(super) fn judge(
    target: &Target,
    environment: &str,
    keys: &HostKeys,
    shown: &PublicKeyOrCertificate,
) -> Result<(), Error> {
    let key = shown.public_key();
    let error = || Error::new(Kind::Unreachable, format!("connect to {}", target.place())).host(&target.name);
    let authority = shown.certificate().map(|it| PublicKey::new(it.signature_key().clone(), ""));
    for revoked in [Some(&key), authority.as_ref()].into_iter().flatten() {
        if let Some(line) = keys.find(Role::Revoked, revoked) {
            return Err(error()
                .cause(format!("the host shows the key {}, which is revoked", fingerprint(revoked)))
                .cause(format!("{} revokes it", line.place()))
                .hint(
                    "A revoked key may be in somebody else's hands. Give the host a new key at its console.",
                )
                .hint(trust(environment, "Then record the new key")));
        }
    }
    if keys.find(Role::Key, &key).is_some() {
        return Ok(());
    }
    if let Some(certificate) = shown.certificate()
        && let Some(authority) = authority
        && keys.find(Role::Authority, &authority).is_some()
    {
        return certified(target, certificate, &authority).map_err(|why| {
            error()
                .cause(format!("the host's certificate {:?} does not hold", certificate.key_id()))
                .cause(why)
                .hint(
                    "Sign the host's key anew: ssh-keygen -s CA -h -n NAMES -V +52w ssh_host_ed25519_key.pub",
                )
        });
    }
    Err(stranger(target, environment, keys, &key, error()))
}

fn stranger(target: &Target, environment: &str, keys: &HostKeys, key: &PublicKey, error: Error) -> Error {
    let algorithm = key.algorithm();
    let shows = format!("it shows the {algorithm} key {}", fingerprint(key));
    let same = keys.binding().find(|known| same_family(&known.key.algorithm(), &algorithm));
    let Some(known) = same.or_else(|| keys.binding().next()) else {
        return error
            .cause(format!("the host {} is not known", known_hosts::name(&target.host, target.port)))
            .cause(shows)
            .hint(trust(environment, "To record its key"))
            .hint(format!(
                "Compare the fingerprint first, at the host's console: {}",
                at_console(&algorithm)
            ));
    };
    let (what, warning) = if same.is_some() {
        (
            "the host's key has changed",
            "Somebody may be in the middle of this connection. Nothing was sent to the host.",
        )
    } else {
        (
            "the host shows none of the keys it is known by",
            "Somebody may be in the middle of this connection, or the host has lost a key. Nothing was sent to it.",
        )
    };
    error
        .cause(what)
        .cause(shows)
        .cause(format!(
            "{} knows the {} key {}",
            known.place(),
            known.key.algorithm(),
            fingerprint(&known.key)
        ))
        .hint(warning)
        .hint(format!("Compare the fingerprint at the host's console: {}", at_console(&algorithm)))
        .hint(trust(environment, "If the host was reinstalled, and the fingerprint is the one there"))
}

fn trust(environment: &str, lead: &str) -> String {
    format!("{lead}: provision trust {environment}")
}

fn at_console(algorithm: &Algorithm) -> String {
    let kind = match algorithm {
        Algorithm::Ecdsa { .. } => "ecdsa",
        Algorithm::Rsa { .. } => "rsa",
        _ => "ed25519",
    };
    format!("ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub")
}

/// Whether the certificate of a known authority is one for this host, now. The rules are those of OpenSSH's
/// PROTOCOL.certkeys, and a principal is the host's name itself, not a pattern (its `sshkey_cert_check_host`). An
/// empty list of principals, which would mean any host, is not accepted.
fn certified(target: &Target, certificate: &Certificate, authority: &PublicKey) -> Result<(), String> {
    if certificate.cert_type() != CertType::Host {
        return Err("it is not a host certificate".to_owned());
    }
    if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return Err("it is signed with SHA-1".to_owned());
    }
    if let Some((name, _)) = certificate.critical_options().iter().next() {
        return Err(format!("it has the unknown critical option {name:?}"));
    }
    // OpenSSH has the name in lower case by then.
    let name = target.alias.as_deref().unwrap_or(&target.host).to_ascii_lowercase();
    if !certificate.valid_principals().contains(&name) {
        let for_whom =
            quoted(&certificate.valid_principals().join(", ")).unwrap_or_else(|| "nobody".to_owned());
        let pattern = certificate.valid_principals().iter().any(|it| it != "*" && wildcard(it, &name));
        let literally = if pattern { " (a pattern means only itself, as in OpenSSH)" } else { "" };
        return Err(format!("it is for {for_whom}, not for {name}{literally}"));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if now < certificate.valid_after() || now >= certificate.valid_before() {
        return Err("it is not valid yet, or no longer".to_owned());
    }
    certificate
        .validate_at(now, &[authority.fingerprint(HashAlg::Sha256)])
        .map_err(|_| "its signature is not the authority's".to_owned())
}
