//! Connections that are begun while the project is still being read: they wait for the network, rendering waits for the
//! processor. Nobody logs in before the project turned out to have no mistake.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::reach;
use crate::error::{Error, Kind, Result};
use crate::event;
use crate::inventory::{Environment, Host};
use crate::ssh::{Options, Session};

/// sshd hangs up on who has not logged in within two minutes (`LoginGraceTime`), and some have a shorter limit: where
/// somebody was asked for a passphrase meanwhile, another connection is made.
const STALE: Duration = Duration::from_secs(15);

/// One connection that is being made for each host, up to the login, until somebody takes it. What nobody takes ends
/// with this value.
pub(super) struct Early {
    begun: Instant,
    may_log_in: watch::Sender<bool>,
    pending: Mutex<BTreeMap<String, JoinSet<Result<Session>>>>,
}

impl Default for Early {
    fn default() -> Self {
        Self { begun: Instant::now(), may_log_in: watch::Sender::new(false), pending: Mutex::default() }
    }
}

impl Early {
    /// Begins to connect to each host of `environment`. Must run inside of the runtime.
    pub(super) fn begin(&self, environment: &Environment) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for host in &environment.hosts {
            let before_login = Some(self.may_log_in.subscribe());
            let options = Options { before_login, ..reach::options(environment) };
            let wanted = host.clone();
            let mut task = JoinSet::new();
            task.spawn(async move { Session::connect(&wanted, &options).await });
            pending.insert(host.name.to_string(), task);
        }
    }

    /// The connection to `host` that was begun, the first time; another one after that. Who asks for it has read the
    /// project and found no mistake: all that have connected may log in from now on.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) async fn connect(
        &self,
        environment: &Environment,
        host: &Host,
        events: &event::Sender,
    ) -> Result<Session> {
        let name = host.name.to_string();
        let may_log_in = *self.may_log_in.borrow();
        if !may_log_in && self.begun.elapsed() >= STALE {
            self.pending.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        self.may_log_in.send_replace(true);
        let begun = self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        let Some(mut task) = begun else { return reach::connect(environment, host, events).await };
        let connecting = async {
            match task.join_next().await {
                Some(Ok(session)) => session,
                Some(Err(error)) => Err(Error::new(Kind::Internal, "connect").cause(error)),
                None => Session::connect(host, &reach::options(environment)).await,
            }
        };
        reach::connect_by(host, events, connecting).await
    }
}
