//! The connections to the services of one host.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::ask::{self, Answers, Next};
use super::http::{Answer, Connection, HttpError, Request};
use super::join;
use super::run::Forward;
use crate::plan::check::Check;

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

/// The connections to the services of one host, each for one question at a time: kept between the questions of all
/// checks and opened anew when they turn out dead. Dropped, they are closed; where that costs a packet each, drop them
/// after what they run through.
pub struct Connections<F: Forward> {
    forward: F,
    /// Those that wait for a question, by port.
    waiting: Mutex<BTreeMap<u16, Vec<Waiting<F::Stream>>>>,
}

enum Waiting<S> {
    /// Opened ahead; nothing was said over it yet.
    Stream(S),
    Connection(Connection),
}

impl<F: Forward> Connections<F> {
    /// None yet; `forward` opens them.
    pub fn new(forward: F) -> Self {
        Self { forward, waiting: Mutex::default() }
    }

    /// Opens, all at once, what the first questions of `checks` need (one a question), so that asking then costs one
    /// round trip. What cannot be opened is left out: it is tried again when it is asked.
    ///
    /// Only worth it where nothing restarts in between. A stream to a container that was replaced is noticed when
    /// it breaks, but one that hangs costs an attempt of ten seconds: see [`Connections::close`].
    pub async fn open_for(&self, checks: &[Check]) {
        let now = Timestamp::UNIX_EPOCH;
        let ports = checks.iter().flat_map(|check| match ask::next(check, &Answers::new(), now) {
            Next::Ask(paths) => vec![check.port(); paths.len()],
            Next::Known(_) => Vec::new(),
        });
        join::all(ports.map(|port| async move {
            if let Ok(stream) = self.forward.open(port).await {
                self.keep(port, Waiting::Stream(stream));
            }
        }))
        .await;
    }

    /// Closes those to `port`.
    pub fn close(&self, port: u16) {
        self.lock().remove(&port);
    }

    /// Asks until there is an answer, the attempt's time is up or `deadline` passes. A connection that waited
    /// may have died meanwhile, which says nothing about the service: then once more over a new one.
    pub(super) async fn ask(
        &self,
        port: u16,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, Silence> {
        let end = (Instant::now() + ATTEMPT).min(deadline);
        match timeout_at(end, self.once(port, request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(Silence::Broken(why)),
            Err(_) if end == deadline => Err(Silence::Deadline),
            Err(_) => Err(Silence::Slow(ATTEMPT.as_secs())),
        }
    }

    async fn once(&self, port: u16, request: &Request) -> Result<Answer, String> {
        while let Some(waiting) = self.take(port) {
            let connection = match waiting {
                Waiting::Connection(connection) if connection.is_closed() => continue,
                Waiting::Connection(connection) => connection,
                Waiting::Stream(stream) => match Connection::new(stream).await {
                    Ok(connection) => connection,
                    Err(_) => continue,
                },
            };
            match self.over(port, connection, request).await {
                Err(HttpError::Connection(_)) => {}
                result => return result.map_err(|error| error.to_string()),
            }
        }
        let stream = self.forward.open(port).await?;
        let connection = Connection::new(stream).await.map_err(|error| error.to_string())?;
        self.over(port, connection, request).await.map_err(|error| error.to_string())
    }

    async fn over(
        &self,
        port: u16,
        mut connection: Connection,
        request: &Request,
    ) -> Result<Answer, HttpError> {
        let answer = connection.get(request).await?;
        self.keep(port, Waiting::Connection(connection));
        Ok(answer)
    }

    fn keep(&self, port: u16, waiting: Waiting<F::Stream>) {
        self.lock().entry(port).or_default().push(waiting);
    }

    fn take(&self, port: u16) -> Option<Waiting<F::Stream>> {
        self.lock().get_mut(&port)?.pop()
    }

    /// What is inside stays whole when a holder panics: lists of connections.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, Vec<Waiting<F::Stream>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
