//! Asks all checks at once and polls each until it holds, cannot hold, or the time is up.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::ask::{self, Answers, Next};
use super::client::{Connections, Silence};
use super::http::Request;
use super::verdict::{Reason, Verdict, see_log};
use super::{grafana, join};
use crate::event::{self, Event};
use crate::plan::check::{Check, Finding, Status};

/// The first pause between two looks; each next one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The same for a probe: it asks much at once, and what it waits for comes every few seconds.
const LONGEST_PROBE_PAUSE: Duration = Duration::from_secs(5);

/// How long checks are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// When to give up.
    pub limit: Duration,
    /// Whether the first answer counts. A probe whose answer takes its time is waited for all the same.
    pub once: bool,
}

impl From<Duration> for Patience {
    fn from(limit: Duration) -> Self {
        Self { limit, once: false }
    }
}

/// Opens a byte stream to a loopback port of the host: over SSH in the program, local in tests.
pub trait Forward: Send + Sync {
    /// What it opens.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Opens one. The error says why not, a fragment: "connection refused".
    fn open(&self, port: u16) -> impl Future<Output = Result<Self::Stream, String>> + Send;
}

/// What all checks of one host share.
pub struct Run<'a, F: Forward> {
    /// The host's name, for events.
    pub host: &'a str,
    /// The connections to the host's services.
    pub connections: &'a Connections<F>,
    /// The value of a secret by its name.
    pub login: &'a (dyn Fn(&str) -> Option<SecretString> + Sync),
    /// When to give up.
    pub deadline: Instant,
    /// Whether the first answer counts (see [`Patience`]).
    pub once: bool,
    /// The time, for servers that do not tell theirs.
    pub now: Timestamp,
    /// Gets [`Event::Waiting`] whenever the reason of a check changes, and [`Event::Checked`].
    pub events: &'a event::Sender,
}

impl<F: Forward> Run<'_, F> {
    /// Asks `checks`, all at once. The findings come in their order, one each.
    pub async fn checks(&self, checks: &[Check]) -> Vec<Finding> {
        // Says that a service refused what it was told to reload: then this deploy fails whatever the others come to.
        let end = watch::Sender::new(false);
        join::all(checks.iter().map(|check| self.check(check, &end))).await
    }

    async fn check(&self, check: &Check, end: &watch::Sender<bool>) -> Finding {
        let start = Instant::now();
        let mut ended = end.subscribe();
        let verdict = tokio::select! {
            biased;
            verdict = self.poll(check) => Some(verdict),
            _ = ended.wait_for(|ended| *ended) => None,
        };
        if check.is_of_a_reload() && matches!(verdict, Some(Verdict::Refused(_))) {
            end.send_replace(true);
        }
        let plain = |found| Reason { found, remedy: String::new(), detail: Vec::new(), patience: None };
        let (status, reason) = match verdict {
            Some(Verdict::Holds(found)) => (Status::Holds, plain(found)),
            Some(Verdict::NotYet(reason) | Verdict::Refused(reason)) => (Status::Fails, reason),
            None => (Status::Skipped, plain("not waited for: another service refused its reload".to_owned())),
        };
        let finding = Finding {
            check: check.name.clone(),
            service: check.service.clone(),
            status,
            expected: ask::expected(check),
            found: reason.found,
            remedy: reason.remedy,
            detail: reason.detail,
            took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        // Nobody listens any more when the operator interrupted; the finding is returned all the same.
        self.events
            .send(Event::Checked { host: self.host.to_owned(), finding: finding.clone() })
            .unwrap_or_default();
        finding
    }

    /// Looks until it is known. At the deadline the last reason stands.
    async fn poll(&self, check: &Check) -> Verdict {
        let basic_auth = match self.credentials(check) {
            Ok(credentials) => credentials,
            Err(verdict) => return verdict,
        };
        let start = Instant::now();
        let deadline = check.patience().map_or(self.deadline, |patience| self.deadline.min(start + patience));
        let longest = if check.patience().is_some() { LONGEST_PROBE_PAUSE } else { LONGEST_PAUSE };
        let mut pause = FIRST_PAUSE;
        let mut last: Option<Reason> = None;
        // Since when it fails for a reason that is not waited for until the end.
        let mut failing: Option<Instant> = None;
        loop {
            let reason = match self.look(check, basic_auth.as_ref(), (start, deadline)).await {
                Ok(Verdict::NotYet(reason)) => reason,
                Ok(verdict) => return verdict,
                Err(silence) => self.silent(check, &silence, last.as_ref()),
            };
            if self.once && check.patience().is_none() {
                return Verdict::NotYet(reason);
            }
            if last.as_ref() != Some(&reason) {
                let (host, name) = (self.host.to_owned(), check.name.clone());
                self.events
                    .send(Event::Waiting { host, check: name, found: reason.found.clone() })
                    .unwrap_or_default();
            }
            let now = Instant::now();
            if now >= deadline {
                return Verdict::NotYet(reason);
            }
            match reason.patience {
                Some(patience) if now >= *failing.get_or_insert(now) + patience => {
                    return Verdict::Refused(reason);
                }
                Some(_) => {}
                None => failing = None,
            }
            last = Some(reason);
            let jitter = rand::random_range(0.8..1.2);
            sleep_until((Instant::now() + pause.mul_f64(jitter)).min(deadline)).await;
            if let Some(reason) = last.take_if(|_| Instant::now() >= deadline) {
                return Verdict::NotYet(reason);
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// One look: its questions, those that do not depend on each other at once.
    async fn look(
        &self,
        check: &Check,
        basic_auth: Option<&(String, SecretString)>,
        (start, deadline): (Instant, Instant),
    ) -> Result<Verdict, Silence> {
        let (mut answers, mut held) = (Answers::new(), Vec::new());
        if let Some(login) = basic_auth {
            let answer = self.connections.login(check.port(), login, deadline).await?;
            if ask::is_login(check) {
                answers.insert(ask::login(), answer);
            } else if matches!(answer.status, 401 | 403) {
                return Ok(grafana::login(
                    &check.service,
                    &login.0,
                    check.secret().unwrap_or_default(),
                    &answer,
                ));
            }
        }
        loop {
            let elapsed = i64::try_from(start.elapsed().as_secs()).unwrap_or(0);
            let now = self.now.checked_add(jiff::SignedDuration::from_secs(elapsed)).unwrap_or(self.now);
            let paths = match ask::next(check, &answers, now) {
                Next::Known(verdict) => return Ok(verdict),
                Next::Ask(paths) => paths,
            };
            let asked = paths.into_iter().map(|ask| async move {
                let host = format!("127.0.0.1:{}", check.port());
                let (path, body) = (ask.path.clone(), ask.body.clone());
                let request = Request { path, host, basic_auth: basic_auth.cloned(), body };
                (ask, self.connections.ask_and_hold(check.port(), &request, deadline).await)
            });
            for (ask, answer) in join::all(asked).await {
                let (answer, bytes) = answer?;
                answers.insert(ask, answer);
                held.push(bytes);
            }
        }
    }

    fn credentials(&self, check: &Check) -> Result<Option<(String, SecretString)>, Verdict> {
        let (Some(user), Some(secret)) = (ask::user(check), check.secret()) else { return Ok(None) };
        (self.login)(secret).map(|password| Some((user.to_owned(), password))).ok_or_else(|| {
            Verdict::refused(
                format!("not asked: there is no secret {secret}"),
                format!("Put {secret} into the secrets file, or give the identity that opens it."),
            )
        })
    }

    fn silent(&self, check: &Check, silence: &Silence, last: Option<&Reason>) -> Reason {
        let port = check.port();
        let found = match (silence, last) {
            // What it said before tells more than that the time was up.
            (Silence::Deadline, Some(reason)) => return reason.clone(),
            (Silence::Deadline, None) => format!("port {port}: no answer before the time was up"),
            (Silence::Slow(seconds), _) => format!("port {port}: no answer within {seconds} s"),
            (Silence::Broken(why), _) => format!("port {port}: {why}"),
        };
        let slow = matches!(silence, Silence::Slow(_)).then(|| ask::when_slow(check)).flatten();
        let remedy = slow.unwrap_or_else(|| {
            format!(
            "See whether the container of {service} runs, and whether it publishes port {port} on 127.0.0.1 of {}. {}",
            self.host,
            see_log(&check.service),
            service = check.service,
        )
        });
        Reason { found, remedy, detail: Vec::new(), patience: None }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
