//! Connections that are begun while the project is still being read: a login waits for the network, rendering for the
//! processor.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

use super::reach::{self, Clock};
use crate::error::{Error, Kind, Result};
use crate::event::{self, Stage};
use crate::inventory::{Environment, Host};
use crate::ssh::Session;

/// One connection that is being made for each host, until somebody takes it. What nobody takes ends with this value,
/// as it does when the project turns out to have a mistake: nothing was asked of the host then.
#[derive(Default)]
pub(super) struct Early(Mutex<BTreeMap<String, JoinSet<Result<Session>>>>);

impl Early {
    /// Begins to connect to each host of `environment`. Must run inside of the runtime.
    pub(super) fn begin(&self, environment: &Environment) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for host in &environment.hosts {
            let options = reach::options(environment);
            let wanted = host.clone();
            let mut task = JoinSet::new();
            task.spawn(async move { Session::connect(&wanted, &options).await });
            pending.insert(host.name.to_string(), task);
        }
    }

    /// The connection to `host` that was begun, the first time; another one after that.
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
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        let Some(mut task) = begun else { return reach::connect(environment, host, events).await };
        let clock = Clock::start(events, &name, Stage::Connect);
        let session = match task.join_next().await {
            Some(Ok(session)) => session?,
            Some(Err(error)) => return Err(Error::new(Kind::Internal, "connect").cause(error)),
            None => return reach::connect(environment, host, events).await,
        };
        clock.done(format!("{} is {}", host.address, session.fingerprint()));
        Ok(session)
    }
}
