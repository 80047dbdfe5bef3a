//! Who we are: keys, in an order that needs few attempts, since a server allows about six.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::sync::watch;

use super::agent::{self, Agent, ByKey};
use super::config::Target;
use super::host_key::{Watch, fingerprint, in_words};
use super::keys::{self, KeyFile};
use super::refused::{Refused, refused};
use super::said::Said;
use super::surroundings::Surroundings;
use crate::error::{Result, quoted};

/// Signing may wait for a person: a security key to touch, an agent that asks.
const SIGN_TIMEOUT: Duration = Duration::from_secs(60);

/// OpenSSH's `MaxAuthTries` is 6, and the last of them already ends the connection.
const MOST_ATTEMPTS: usize = 5;

/// What the server says apart from yes and no.
pub(super) struct Server<'a> {
    /// Its text for whoever logs in.
    pub banner: &'a Said,
    /// Why the connection ended; closed when it did.
    pub gone: &'a watch::Receiver<Option<String>>,
}

/// Logs in as `target.user`. Errors: [`crate::error::Kind::Unreachable`] with all that was tried.
pub(super) async fn authenticate(
    handle: &mut Handle<Watch>,
    target: &Target,
    around: &Surroundings,
    timeout: Duration,
    server: &Server<'_>,
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
        certificates: Vec::new(),
    };
    let cause = match login.run().await {
        Ok(true) => return Ok(()),
        Ok(false) => None,
        Err(cause) => Some(cause),
    };
    let mut gone = server.gone.clone();
    let closed = login.handle.is_closed();
    if closed {
        // Its reason is told when the connection's task has ended.
        let _ = tokio::time::timeout(Duration::from_secs(1), async {
            while gone.borrow_and_update().is_none() && gone.changed().await.is_ok() {}
        })
        .await;
    }
    let ended = gone.borrow().clone();
    Err(refused(&Refused {
        target,
        partial: login.partial,
        attempts: login.attempts,
        tried: login.tried,
        cause: cause.filter(|cause| !cause.is_empty()),
        methods: login.methods,
        banner: server.banner.quoted(),
        closed,
        ended,
    }))
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
    /// Those that the configuration names.
    certificates: Vec<Certificate>,
}

/// Logged in, or not; an error ends all attempts.
type Attempt = std::result::Result<bool, String>;

impl Login<'_> {
    async fn run(&mut self) -> Attempt {
        for file in &self.target.certificates {
            match keys::certificate(file) {
                Ok(certificate) => self.certificates.push(certificate),
                Err(why) => self.tried.push(format!("{}: {why}", file.display())),
            }
        }
        let (mut agent, identities) = self.agent().await;
        if let Some(file) = self.target.identity.clone()
            && self.file(&file, true, agent.as_mut(), &identities).await?
        {
            return Ok(true);
        }
        if let Some(agent) = agent.as_mut() {
            for identity in self.worth_asking(&identities) {
                if self.with_agent(agent, &identity, None).await? {
                    return Ok(true);
                }
            }
        }
        for file in self.target.identities.clone() {
            if self.file(&file, self.target.identities_named, agent.as_mut(), &identities).await? {
                return Ok(true);
            }
        }
        if self.attempts == 0 { self.without_key().await } else { Ok(false) }
    }

    /// Asks the server what it would take, as OpenSSH does first of all: it may even be nothing.
    async fn without_key(&mut self) -> Attempt {
        let answer = self.handle.authenticate_none(self.target.user.clone());
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(AuthResult::Success)) => Ok(true),
            Ok(Ok(AuthResult::Failure { remaining_methods, .. })) => {
                self.methods = Some(remaining_methods);
                Ok(false)
            }
            Ok(Err(error)) => Err(in_words(&error)),
            Err(_) => Err(format!("no answer to the first question within {} s", self.timeout.as_secs())),
        }
    }

    async fn agent(&mut self) -> (Option<Agent>, Vec<AgentIdentity>) {
        let Some(socket) = &self.target.agent else { return (None, Vec::new()) };
        match agent::open(socket, self.handle.agent_session_binding(), self.timeout).await {
            Ok((agent, identities)) => (Some(agent), identities),
            Err(why) => {
                self.tried.push(format!("the agent at {}: {why}", socket.display()));
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
        let print = key.public().map(fingerprint);
        let held = || identities.iter().find(|it| Some(fingerprint(&it.public_key())) == print);
        let key = match key {
            KeyFile::Open(key) => key,
            KeyFile::Public(_) => {
                if let (Some(agent), Some(identity)) = (agent, held()) {
                    return self.with_agent(agent, identity, Some(file)).await;
                }
                self.tried.push(format!("{shown}: a public key, and no agent here has the private one"));
                return Ok(false);
            }
            KeyFile::Locked(_) => {
                if let (Some(agent), Some(identity)) = (agent, held()) {
                    return self.with_agent(agent, identity, Some(file)).await;
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
        for certificate in self.certificates_of(key.public_key(), Some(file)) {
            if self.with_certificate(file, &key, certificate).await? {
                return Ok(true);
            }
        }
        self.with_key(file, key).await
    }

    /// The certificates of `key`: those of the configuration, and the one beside its file.
    fn certificates_of(&self, key: &PublicKey, file: Option<&Path>) -> Vec<Certificate> {
        let beside = file.and_then(keys::certificate_beside);
        let all = self.certificates.iter().cloned().chain(beside);
        all.filter(|certificate| certificate.public_key() == key.key_data()).collect()
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
        let answer = within(self.timeout, answer).await;
        self.judge(&label, answer.map(|it| it.map_err(|error| in_words(&error))))
    }

    async fn with_certificate(
        &mut self,
        file: &Path,
        key: &Arc<PrivateKey>,
        certificate: Certificate,
    ) -> Attempt {
        let label = format!("{} with its certificate {}", file.display(), named(certificate.key_id()));
        if !self.may_try_once_more() {
            return Ok(false);
        }
        let user = self.target.user.clone();
        let answer = self.handle.authenticate_openssh_cert(user, Arc::clone(key), certificate);
        let answer = within(self.timeout, answer).await;
        self.judge(&label, answer.map(|it| it.map_err(|error| in_words(&error))))
    }

    /// Lets the agent sign for `identity`, which stands in `file` where a file names it.
    async fn with_agent(
        &mut self,
        agent: &mut Agent,
        identity: &AgentIdentity,
        file: Option<&Path>,
    ) -> Attempt {
        let public = identity.public_key().into_owned();
        let name = format!("the agent's {}", named(identity.comment()));
        let certificates = match identity {
            AgentIdentity::PublicKey { .. } => self.certificates_of(&public, file),
            AgentIdentity::Certificate { certificate, .. } => vec![certificate.clone()],
        };
        for certificate in certificates {
            let label = format!("{name} with the certificate {}", named(certificate.key_id()));
            // Its key may come by itself, too, and then is another attempt.
            if !self.may_try_once_more() {
                return Ok(false);
            }
            let hash = self.hash(&public.algorithm()).await?;
            let user = self.target.user.clone();
            let mut signer = ByKey { agent: &mut *agent, key: identity };
            let answer = self.handle.authenticate_certificate_with(user, certificate, hash, &mut signer);
            let answer = within(self.timeout.max(SIGN_TIMEOUT), answer).await;
            if self.judge(&label, answer.map(|it| it.map_err(|error| unsigned(&error))))? {
                return Ok(true);
            }
        }
        let AgentIdentity::PublicKey { key, .. } = identity else { return Ok(false) };
        let label = Self::label(&name, &public);
        if !self.may_try(&label, &public) {
            return Ok(false);
        }
        let hash = self.hash(&public.algorithm()).await?;
        let user = self.target.user.clone();
        let answer = self.handle.authenticate_publickey_with(user, key.clone(), hash, agent);
        let answer = within(self.timeout.max(SIGN_TIMEOUT), answer).await;
        self.judge(&label, answer.map(|it| it.map_err(|error| unsigned(&error))))
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
        answer: std::result::Result<std::result::Result<AuthResult, String>, Duration>,
    ) -> Attempt {
        match answer {
            Ok(Ok(AuthResult::Success)) => Ok(true),
            Ok(Ok(AuthResult::Failure { remaining_methods, partial_success })) => {
                // Without any method it is russh's word for a connection that has ended.
                let ended = remaining_methods.is_empty() && !partial_success;
                let what = match (partial_success, ended) {
                    (true, _) => "accepted, but not enough",
                    (_, true) => "the host ended the connection",
                    _ => "refused",
                };
                self.tried.push(format!("{label}: {what}"));
                let stop = !remaining_methods.contains(&MethodKind::PublicKey);
                self.partial |= partial_success;
                if !ended {
                    self.methods = Some(remaining_methods);
                }
                if stop { Err(String::new()) } else { Ok(false) }
            }
            Ok(Err(why)) => {
                self.tried.push(format!("{label}: {why}"));
                Ok(false)
            }
            Err(limit) => Err(format!("no answer to {label} within {} s", limit.as_secs())),
        }
    }
}

/// A name that somebody else gave, in quotes.
fn named(text: &str) -> String {
    quoted(text).unwrap_or_else(|| "\"\"".to_owned())
}

/// What `work` comes to, or the limit that it did not keep.
async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> std::result::Result<T, Duration> {
    tokio::time::timeout(limit, work).await.map_err(|_| limit)
}

fn unsigned(error: &impl std::fmt::Display) -> String {
    format!("the agent does not sign: {error}")
}
