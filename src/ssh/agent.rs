//! OpenSSH's agent: which keys it has, and its signature.

use std::path::Path;
use std::time::Duration;

use russh::Signer;
use russh::keys::HashAlg;
use russh::keys::agent::client::AgentClient;
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use tokio::net::UnixStream;

/// How long an agent may take to say which keys it has, at most.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) type Agent = AgentClient<UnixStream>;

/// Asks the agent at `socket` for its keys, within `limit` and [`TIMEOUT`]. Errors: a fragment.
pub(super) async fn open(
    socket: &Path,
    binding: Option<&AgentSessionBinding>,
    limit: Duration,
) -> Result<(Agent, Vec<AgentIdentity>), String> {
    let asked = async {
        let mut agent = Agent::connect_uds(socket).await.map_err(|error| error.to_string())?;
        if let Some(binding) = binding {
            // Only keys that are restricted to some hosts need it; an agent that does not know it says no.
            let _ = agent.bind_session(binding, false).await;
        }
        let identities = agent.request_identities().await.map_err(|error| error.to_string())?;
        Ok((agent, identities))
    };
    let limit = limit.min(TIMEOUT);
    tokio::time::timeout(limit, asked)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())))
}

/// Signs for a certificate that the agent does not have with the key that it has.
pub(super) struct ByKey<'a> {
    pub agent: &'a mut Agent,
    pub key: &'a AgentIdentity,
}

impl Signer for ByKey<'_> {
    type Error = <Agent as Signer>::Error;

    async fn auth_sign(
        &mut self,
        _certificate: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        self.agent.auth_sign(self.key, hash, data).await
    }
}
