//! Who we are: keys, in an order that needs few attempts, since a server allows about six.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;

use super::config::Target;
use super::host_key::{Watch, fingerprint, in_words, printable};
use super::keys::{self, KeyFile};
use super::surroundings::Surroundings;
use crate::error::{Error, Kind, Result};

/// OpenSSH's `MaxAuthTries` is 6, and the last of them already ends the connection.
const MOST_ATTEMPTS: usize = 5;

type Agent = AgentClient<UnixStream>;

/// Logs in as `target.user`. Errors: [`Kind::Unreachable`] with all that was tried.
pub(super) async fn authenticate(
    handle: &mut Handle<Watch>,
    target: &Target,
    around: &Surroundings,
    timeout: Duration,
) -> Result<()> {
    let mut login = Login {
        handle,
        target,
        around,
        timeout,
        tried: Vec::new(),
        attempts: 0,
        asked: HashSet::new(),
        methods: None,
        partial: false,
        rsa: None,
    };
    match login.run().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(login.refused(None)),
        Err(cause) => Err(login.refused(Some(cause))),
    }
}

struct Login<'a> {
    handle: &'a mut Handle<Watch>,
    target: &'a Target,
    around: &'a Surroundings,
    timeout: Duration,
    /// What came of each key, for the error.
    tried: Vec<String>,
    attempts: usize,
    /// Fingerprints of keys that the server has seen.
    asked: HashSet<String>,
    /// What the server would take instead.
    methods: Option<MethodSet>,
    partial: bool,
    /// The hash to sign RSA with; asked of the server once, and only when there is an RSA key.
    rsa: Option<HashAlg>,
}

/// Logged in, or not; an error ends all attempts.
type Attempt = std::result::Result<bool, String>;

impl Login<'_> {
    async fn run(&mut self) -> Attempt {
        let (mut agent, identities) = self.agent().await;
        if let Some(file) = self.target.identity.clone()
            && self.file(&file, true, agent.as_mut(), &identities).await?
        {
            return Ok(true);
        }
        if let Some(agent) = agent.as_mut() {
            for identity in self.worth_asking(&identities) {
                if self.with_agent(agent, &identity).await? {
                    return Ok(true);
                }
            }
        }
        for file in self.target.identities.clone() {
            if self.file(&file, false, agent.as_mut(), &identities).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn agent(&mut self) -> (Option<Agent>, Vec<AgentIdentity>) {
        let Some(socket) = &self.target.agent else { return (None, Vec::new()) };
        let mut agent = match Agent::connect_uds(socket).await {
            Ok(agent) => agent,
            Err(error) => {
                self.tried.push(format!("the agent at {}: {error}", socket.display()));
                return (None, Vec::new());
            }
        };
        if let Some(binding) = self.handle.agent_session_binding() {
            // Only keys that are restricted to some hosts need it; an agent that does not know it says no.
            let _ = agent.bind_session(binding, false).await;
        }
        match agent.request_identities().await {
            Ok(identities) => (Some(agent), identities),
            Err(error) => {
                self.tried.push(format!("the agent at {}: {error}", socket.display()));
                (None, Vec::new())
            }
        }
    }

    /// The agent's keys that the configuration names first, then the others unless it forbids them.
    fn worth_asking(&self, identities: &[AgentIdentity]) -> Vec<AgentIdentity> {
        let named: HashSet<String> = self
            .target
            .identities
            .iter()
            .chain(&self.target.identity)
            .filter_map(|file| keys::public_beside(file))
            .map(|key| fingerprint(&key))
            .collect();
        let is_named = |identity: &&AgentIdentity| named.contains(&fingerprint(&identity.public_key()));
        let (first, rest): (Vec<_>, Vec<_>) = identities.iter().partition(is_named);
        let rest = if self.target.identities_only { Vec::new() } else { rest };
        first.into_iter().chain(rest).cloned().collect()
    }

    async fn file(
        &mut self,
        file: &Path,
        named: bool,
        agent: Option<&mut Agent>,
        identities: &[AgentIdentity],
    ) -> Attempt {
        let shown = file.display();
        let key = match keys::read(file) {
            Ok(Some(key)) => key,
            Ok(None) => {
                // The usual names need not exist; the one in the inventory should.
                if named {
                    self.tried.push(format!("{shown}: no such file"));
                }
                return Ok(false);
            }
            Err(why) => {
                self.tried.push(format!("{shown}: {why}"));
                return Ok(false);
            }
        };
        if let Some(public) = key.public()
            && self.asked.contains(&fingerprint(public))
        {
            return Ok(false);
        }
        let certificate = keys::certificate_beside(file);
        let key = match key {
            KeyFile::Open(key) => key,
            KeyFile::Locked(public) => {
                let print = public.as_ref().map(fingerprint);
                let held = identities.iter().find(|it| Some(fingerprint(&it.public_key())) == print);
                if let (Some(agent), Some(identity)) = (agent, held) {
                    return self.with_agent(agent, identity).await;
                }
                match keys::unlock(file, self.around).await {
                    Ok(key) => key,
                    Err(why) => {
                        self.tried.push(format!("{shown}: {why}"));
                        return Ok(false);
                    }
                }
            }
        };
        if let Some(certificate) = certificate
            && self.with_certificate(file, &key, certificate).await?
        {
            return Ok(true);
        }
        self.with_key(file, key).await
    }

    async fn with_key(&mut self, file: &Path, key: Arc<PrivateKey>) -> Attempt {
        let label = Self::label(&file.display().to_string(), key.public_key());
        if !self.may_try(&label, key.public_key()) {
            return Ok(false);
        }
        let hash = self.hash(&key.algorithm()).await?;
        let user = self.target.user.clone();
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let answer = self.handle.authenticate_publickey(user, key);
        let answer = tokio::time::timeout(self.timeout, answer).await;
        self.judge(&label, answer.map(|it| it.map_err(|error| in_words(&error))))
    }

    async fn with_certificate(
        &mut self,
        file: &Path,
        key: &Arc<PrivateKey>,
        certificate: Certificate,
    ) -> Attempt {
        let label = format!("{} with its certificate {:?}", file.display(), printable(certificate.key_id()));
        if !self.may_try_once_more() {
            return Ok(false);
        }
        let user = self.target.user.clone();
        let answer = self.handle.authenticate_openssh_cert(user, Arc::clone(key), certificate);
        let answer = tokio::time::timeout(self.timeout, answer).await;
        self.judge(&label, answer.map(|it| it.map_err(|error| in_words(&error))))
    }

    async fn with_agent(&mut self, agent: &mut Agent, identity: &AgentIdentity) -> Attempt {
        let public = identity.public_key().into_owned();
        let label = Self::label(&format!("the agent's {:?}", printable(identity.comment())), &public);
        let left = match identity {
            AgentIdentity::PublicKey { .. } => self.may_try(&label, &public),
            // Its key may come by itself, too, and then is another attempt.
            AgentIdentity::Certificate { .. } => self.may_try_once_more(),
        };
        if !left {
            return Ok(false);
        }
        let hash = self.hash(&public.algorithm()).await?;
        let user = self.target.user.clone();
        let answer = async {
            match identity {
                AgentIdentity::PublicKey { key, .. } => {
                    self.handle.authenticate_publickey_with(user, key.clone(), hash, agent).await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    self.handle.authenticate_certificate_with(user, certificate.clone(), hash, agent).await
                }
            }
        };
        // Signing may wait for a person: a security key to touch, an agent that asks.
        let answer = tokio::time::timeout(self.timeout.max(Duration::from_secs(60)), answer).await;
        self.judge(&label, answer.map(|it| it.map_err(|error| format!("the agent does not sign: {error}"))))
    }

    fn label(name: &str, key: &PublicKey) -> String {
        format!("{name} ({} {})", key.algorithm(), fingerprint(key))
    }

    /// Whether there is an attempt left for this key; counts it.
    fn may_try(&mut self, label: &str, key: &PublicKey) -> bool {
        if self.handle.is_closed() || !self.asked.insert(fingerprint(key)) {
            return false;
        }
        if self.attempts >= MOST_ATTEMPTS {
            self.tried.push(format!("{label}: not tried, a server allows only so many"));
            return false;
        }
        self.attempts += 1;
        true
    }

    /// Whether there is an attempt left; counts it.
    fn may_try_once_more(&mut self) -> bool {
        let left = self.attempts < MOST_ATTEMPTS && !self.handle.is_closed();
        self.attempts += usize::from(left);
        left
    }

    async fn hash(&mut self, algorithm: &Algorithm) -> std::result::Result<Option<HashAlg>, String> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return Ok(None);
        }
        if self.rsa.is_none() {
            let best = self.handle.best_supported_rsa_hash().await.map_err(|error| in_words(&error))?;
            // A server that says nothing, or knows only SHA-1, is tried with what all current ones take.
            self.rsa = Some(best.flatten().unwrap_or(HashAlg::Sha512));
        }
        Ok(self.rsa)
    }

    fn judge(
        &mut self,
        label: &str,
        answer: std::result::Result<std::result::Result<AuthResult, String>, tokio::time::error::Elapsed>,
    ) -> Attempt {
        match answer {
            Ok(Ok(AuthResult::Success)) => Ok(true),
            Ok(Ok(AuthResult::Failure { remaining_methods, partial_success })) => {
                self.tried.push(format!(
                    "{label}: {}",
                    if partial_success { "accepted, but not enough" } else { "refused" }
                ));
                let stop = !remaining_methods.contains(&MethodKind::PublicKey);
                self.partial |= partial_success;
                self.methods = Some(remaining_methods);
                if stop { Err(String::new()) } else { Ok(false) }
            }
            Ok(Err(why)) => {
                self.tried.push(format!("{label}: {why}"));
                Ok(false)
            }
            Err(_) => Err(format!("no answer to {label} within {} s", self.timeout.as_secs())),
        }
    }

    fn refused(&mut self, cause: Option<String>) -> Error {
        let target = self.target;
        let mut error = Error::new(Kind::Unreachable, format!("log in to {}", target.place()))
            .host(&target.name)
            .cause(if self.partial {
                "the host wants more than a key"
            } else if self.attempts == 0 {
                "there is no key to log in with"
            } else {
                "the host accepted none of our keys"
            });
        for tried in std::mem::take(&mut self.tried) {
            error = error.cause(tried);
        }
        if let Some(cause) = cause.filter(|cause| !cause.is_empty()) {
            error = error.cause(cause);
        }
        if let Some(methods) = self.methods.as_ref().filter(|methods| !methods.is_empty()) {
            let names: Vec<String> = methods.iter().map(String::from).collect();
            error = error.cause(format!("the host would take: {}", names.join(", ")));
        }
        let causes = error.causes().join("\n");
        if causes.contains("encrypted") {
            error = error.hint("Load the key into an agent: eval \"$(ssh-agent)\" && ssh-add KEY");
        }
        if causes.contains("Permission denied") {
            error = error.hint("The key file must be readable by the user who runs provision.");
        }
        if self.attempts > 0 {
            error = error.hint(format!(
                "The public half of one of the keys must be in ~/.ssh/authorized_keys of {} on the host.",
                target.user
            ));
        }
        error.hint(
            "Set `identity_file:` and `user:` for the host in the inventory, or add the key to ssh-agent.",
        )
    }
}
