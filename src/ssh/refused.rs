//! A login that was refused: what was tried, what the server wants and says, and what to do about it.

use russh::{MethodKind, MethodSet};

use super::config::Target;
use crate::error::{Error, Kind};

/// What came of a login.
pub(super) struct Refused<'a> {
    pub target: &'a Target,
    /// Whether a key was accepted and the server wants more.
    pub partial: bool,
    /// How many keys the server has seen.
    pub attempts: usize,
    /// What came of each key.
    pub tried: Vec<String>,
    /// What ended all attempts.
    pub cause: Option<String>,
    /// What the server would take instead.
    pub methods: Option<MethodSet>,
    /// The server's text for whoever logs in, in quotes.
    pub banner: Option<String>,
    /// Whether the server ended the connection, and its reason.
    pub closed: bool,
    pub ended: Option<String>,
}

impl Refused<'_> {
    /// Whether the server takes no key at all.
    fn wants_no_key(&self) -> bool {
        let keys = |methods: &MethodSet| methods.contains(&MethodKind::PublicKey);
        !self.partial && self.methods.as_ref().is_some_and(|methods| !methods.is_empty() && !keys(methods))
    }

    fn wanted(&self) -> Option<String> {
        let methods = self.methods.as_ref().filter(|methods| !methods.is_empty())?;
        Some(methods.iter().map(String::from).collect::<Vec<_>>().join(", "))
    }

    fn said(&self, word: &str) -> bool {
        let words = [self.banner.as_deref(), self.ended.as_deref()];
        words.into_iter().flatten().any(|text| text.to_ascii_lowercase().contains(word))
    }

    fn what(&self) -> &'static str {
        if self.partial {
            "the host accepted our key and wants more than a key"
        } else if self.wants_no_key() {
            "the host takes no keys for this login"
        } else if self.cause.is_some() {
            "the login did not come to an end"
        } else if self.attempts == 0 {
            "there is no key to log in with"
        } else if self.closed {
            "the host ended the connection during the login"
        } else {
            "the host accepted none of our keys"
        }
    }

    /// What to do, by cause.
    fn hints(&self, causes: &str) -> Vec<String> {
        let user = &self.target.user;
        let mut hints = Vec::new();
        if causes.contains("encrypted") {
            hints.push("Load the key into an agent: eval \"$(ssh-agent)\" && ssh-add KEY".to_owned());
        }
        if causes.contains("Permission denied") {
            hints.push("The key file must be readable by the user who runs provision.".to_owned());
        }
        if self.partial {
            hints.push(format!(
                "provision logs in with keys only. Exempt this login on the host: `Match User {user}` and below it \
                 `AuthenticationMethods publickey` in /etc/ssh/sshd_config, then `systemctl reload ssh`."
            ));
        } else if self.wants_no_key() {
            hints.push(format!(
                "provision logs in with keys only. Let {user} in with one: `PubkeyAuthentication yes` in \
                 /etc/ssh/sshd_config (also look for a `Match` that forbids it), then `systemctl reload ssh`."
            ));
        } else if self.said("too many authentication failures") {
            hints.push(
                "The host allows few attempts (`MaxAuthTries`), and other keys came first: name the right one with \
                 `identity_file:` in the inventory, or `IdentityFile` with `IdentitiesOnly yes` in ~/.ssh/config."
                    .to_owned(),
            );
        } else if self.said("password has expired") || self.said("password change") {
            hints.push(format!(
                "The password of {user} has expired. On the host, as root: chage -M -1 {user}"
            ));
        } else if self.said("expired") {
            hints
                .push(format!("The account of {user} has expired. On the host, as root: chage -E -1 {user}"));
        } else if self.closed && self.attempts > 0 {
            hints.push(format!(
                "The account may be expired or locked (`chage -l {user}`, `passwd -S {user}`), or /etc/nologin or \
                 /run/nologin is there. The reason is in sshd's log on the host: journalctl -u ssh -n 20"
            ));
        } else {
            if self.attempts > 0 {
                hints.push(format!(
                    "The public half of one of the keys must be in ~/.ssh/authorized_keys of {user} on the host."
                ));
                hints.push(
                    "Why it refused a key is in sshd's log on the host: journalctl -u ssh -n 20".to_owned(),
                );
            }
            hints.push(
                "Set `identity_file:` and `user:` for the host in the inventory, or add the key to ssh-agent."
                    .to_owned(),
            );
        }
        hints.extend(
            self.target
                .not_used
                .iter()
                .map(|setting| format!("provision does not use `{setting}` of the SSH configuration.")),
        );
        hints
    }
}

/// The error.
pub(super) fn refused(refused: &Refused<'_>) -> Error {
    let target = refused.target;
    let mut error = Error::new(Kind::Unreachable, format!("log in to {}", target.place()))
        .host(&target.name)
        .cause(refused.what());
    for tried in refused.tried.iter().chain(&refused.cause) {
        error = error.cause(tried);
    }
    if let Some(ended) = &refused.ended {
        error = error.cause(ended);
    }
    if let Some(banner) = &refused.banner {
        error = error.cause(format!("the host's banner says: {banner}"));
    }
    if let Some(wanted) = refused.wanted() {
        error = error.cause(format!("the host would take: {wanted}"));
    }
    let causes = error.causes().join("\n");
    refused.hints(&causes).into_iter().fold(error, Error::hint)
}
