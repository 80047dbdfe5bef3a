//! The connections to the services of one host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::ask::{self, Answers, Next};
use super::http::{Answer, Budget, Connection, Held, HttpError, Request};
use super::run::Forward;
use super::{grafana, join};
use crate::plan::check::Check;

/// The longest that one question may take, opening included.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The longest that a login may take which is tried while the host is looked at.
const AHEAD: Duration = Duration::from_secs(2);

/// What a login was answered. Each is tried once: a service that is asked again and again with a wrong password shuts
/// its door for the right one too.
type Login = Arc<OnceCell<Answer>>;

/// What a login came to that may come to something else when it is tried again.
enum Unsure {
    Answer(Answer),
    Silence(Silence),
}

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
    /// By port and user.
    logins: Mutex<BTreeMap<(u16, String), Login>>,
    /// What all answers hold at once.
    budget: Budget,
}

enum Waiting<S> {
    /// Opened ahead; nothing was said over it yet.
    Stream(S),
    Connection(Connection),
}

impl<F: Forward> Connections<F> {
    /// None yet; `forward` opens them.
    pub fn new(forward: F) -> Self {
        Self { forward, waiting: Mutex::default(), logins: Mutex::default(), budget: Budget::default() }
    }

    /// Tries the logins of `checks`, each once, so that no check has to wait for that. `value` gives a secret by its
    /// name. What does not answer soon is tried again when it is asked.
    pub async fn log_in_for(&self, checks: &[Check], value: &(dyn Fn(&str) -> Option<SecretString> + Sync)) {
        let logins = checks.iter().filter_map(|check| {
            let (user, secret) = (ask::user(check)?, check.secret()?);
            Some((check.port(), (user.to_owned(), value(secret)?)))
        });
        let once: BTreeMap<_, _> = logins.map(|(port, login)| ((port, login.0.clone()), login)).collect();
        let deadline = Instant::now() + AHEAD;
        join::all(once.into_iter().map(|((port, _), login)| async move {
            // Whoever needs it asks again.
            let _ = self.login(port, &login, deadline).await;
        }))
        .await;
    }

    /// What the service at `port` answers to a login. Whether it lets in is asked once; what is neither a yes nor a no
    /// is not kept.
    pub(super) async fn login(
        &self,
        port: u16,
        login: &(String, SecretString),
        deadline: Instant,
    ) -> Result<Answer, Silence> {
        let cell = Arc::clone(self.lock_logins().entry((port, login.0.clone())).or_default());
        let answer = cell
            .get_or_try_init(|| async {
                let (path, host) = (grafana::USER.to_owned(), format!("127.0.0.1:{port}"));
                let request = Request { path, host, basic_auth: Some(login.clone()), body: None };
                match self.ask(port, &request, deadline).await {
                    Ok(answer) if matches!(answer.status, 200 | 401 | 403) => Ok(answer),
                    Ok(answer) => Err(Unsure::Answer(answer)),
                    Err(silence) => Err(Unsure::Silence(silence)),
                }
            })
            .await;
        match answer {
            Ok(answer) => Ok(answer.clone()),
            Err(Unsure::Answer(answer)) => Ok(answer),
            Err(Unsure::Silence(silence)) => Err(silence),
        }
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

    /// Closes those to `port`, and forgets what logins were answered there: its service is made anew.
    pub fn close(&self, port: u16) {
        self.lock().remove(&port);
        self.lock_logins().retain(|(other, _), _| *other != port);
    }

    /// Asks until there is an answer, the attempt's time is up or `deadline` passes. A connection that waited
    /// may have died meanwhile, which says nothing about the service: then once more over a new one.
    pub(super) async fn ask(
        &self,
        port: u16,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, Silence> {
        self.ask_and_hold(port, request, deadline).await.map(|(answer, _)| answer)
    }

    /// As [`Connections::ask`], for an answer that is kept beside others: with what counts its bytes as long.
    pub(super) async fn ask_and_hold(
        &self,
        port: u16,
        request: &Request,
        deadline: Instant,
    ) -> Result<(Answer, Held), Silence> {
        let end = (Instant::now() + ATTEMPT).min(deadline);
        match timeout_at(end, self.once(port, request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(Silence::Broken(why)),
            Err(_) if end == deadline => Err(Silence::Deadline),
            Err(_) => Err(Silence::Slow(ATTEMPT.as_secs())),
        }
    }

    async fn once(&self, port: u16, request: &Request) -> Result<(Answer, Held), String> {
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
    ) -> Result<(Answer, Held), HttpError> {
        let answer = connection.ask(request, &self.budget).await?;
        self.keep(port, Waiting::Connection(connection));
        Ok(answer)
    }

    fn keep(&self, port: u16, waiting: Waiting<F::Stream>) {
        self.lock().entry(port).or_default().push(waiting);
    }

    fn take(&self, port: u16) -> Option<Waiting<F::Stream>> {
        self.lock().get_mut(&port)?.pop()
    }

    fn lock_logins(&self) -> MutexGuard<'_, BTreeMap<(u16, String), Login>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is inside stays whole when a holder panics: lists of connections.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, Vec<Waiting<F::Stream>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
