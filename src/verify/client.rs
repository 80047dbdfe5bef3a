//! The connections of one check: kept between its questions, opened anew when they turn out dead.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::http::{Answer, Connection, HttpError, Request};
use super::run::Forward;

/// The longest that one question may take, opening included.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Silence {
    /// The stream could not be opened or broke.
    Broken(String),
    /// No answer within these seconds.
    Slow(u64),
    /// The deadline of all checks came first.
    Deadline,
}

/// Asks one port. One client a check.
pub(super) struct Client<'a, F: Forward> {
    forward: &'a F,
    port: u16,
    /// Streams and connections that wait for a question.
    streams: Mutex<Vec<F::Stream>>,
    connections: Mutex<Vec<Connection>>,
}

impl<'a, F: Forward> Client<'a, F> {
    pub(super) fn new(forward: &'a F, port: u16, streams: Vec<F::Stream>) -> Self {
        Self { forward, port, streams: Mutex::new(streams), connections: Mutex::new(Vec::new()) }
    }

    /// Asks until there is an answer, the attempt's time is up or `deadline` passes. A connection that waited
    /// may have died meanwhile, which says nothing about the service: then once more over a new one.
    pub(super) async fn ask(&self, request: &Request, deadline: Instant) -> Result<Answer, Silence> {
        let end = (Instant::now() + ATTEMPT).min(deadline);
        match timeout_at(end, self.once(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(Silence::Broken(why)),
            Err(_) if end == deadline => Err(Silence::Deadline),
            Err(_) => Err(Silence::Slow(ATTEMPT.as_secs())),
        }
    }

    async fn once(&self, request: &Request) -> Result<Answer, String> {
        while let Some(connection) = self.waiting().await {
            match self.over(connection, request).await {
                Err(HttpError::Connection(_)) => {}
                result => return result.map_err(|error| error.to_string()),
            }
        }
        let stream = self.forward.open(self.port).await?;
        let connection = Connection::new(stream).await.map_err(|error| error.to_string())?;
        self.over(connection, request).await.map_err(|error| error.to_string())
    }

    async fn over(&self, mut connection: Connection, request: &Request) -> Result<Answer, HttpError> {
        let answer = connection.get(request).await?;
        lock(&self.connections).push(connection);
        Ok(answer)
    }

    /// A connection that waits for a question and is not known to be dead.
    async fn waiting(&self) -> Option<Connection> {
        loop {
            let connection = lock(&self.connections).pop();
            match connection {
                Some(connection) if connection.is_closed() => {}
                Some(connection) => return Some(connection),
                None => break,
            }
        }
        loop {
            let stream = lock(&self.streams).pop()?;
            if let Ok(connection) = Connection::new(stream).await {
                return Some(connection);
            }
        }
    }
}

/// What is inside stays whole when a holder panics: a list of connections.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
