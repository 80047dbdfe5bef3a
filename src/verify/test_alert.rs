//! A synthetic alert, followed through Alertmanager to the mail server (`provision verify --send-test-alert`).
//!
//! Alertmanager counts each attempt to send a mail, and each that failed, from 0.22 on
//! (`alertmanager_notification_requests_total`); an attempt that did not fail was taken by the mail server.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::client::{Connections, Silence};
use super::http::{Answer, Request};
use super::run::Forward;
use super::verdict::{Verdict, message, see_log, unless_ok};
use crate::event::{self, Event};
use crate::plan::check::{Finding, Status};

/// The name of the check.
pub const NAME: &str = "alertmanager.test_alert";

const ALERTS: &str = "/api/v2/alerts";
const METRICS: &str = "/metrics";
/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends the alert and follows it.
pub struct TestAlert<'a, F: Forward> {
    /// The host's name, for events.
    pub host: &'a str,
    /// The connections to the host's services.
    pub connections: &'a Connections<F>,
    /// Alertmanager's port on the host's loopback address.
    pub port: u16,
    /// The service's name.
    pub service: &'a str,
    /// A word of letters and digits that makes the alert the only one of its name.
    pub nonce: &'a str,
    /// When to give up: longer than the `group_wait` of the alert's route.
    pub deadline: Instant,
    /// The time of this machine; the server's own is taken where it tells it.
    pub now: Timestamp,
    /// Gets [`Event::Waiting`] at each hop, and [`Event::Checked`].
    pub events: &'a event::Sender,
}

/// Mails so far.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mails {
    tried: f64,
    failed: f64,
}

#[derive(Deserialize)]
struct Alert {
    labels: std::collections::BTreeMap<String, String>,
}

impl<F: Forward> TestAlert<'_, F> {
    /// Posts, follows, resolves. The alert is resolved however it ends.
    pub async fn run(&self) -> Finding {
        let start = Instant::now();
        let mut hops = Vec::new();
        let verdict = match self.follow(&mut hops).await {
            Ok(()) => Verdict::Holds(hops.join(", ")),
            Err(verdict) => verdict,
        };
        let (status, found, remedy) = match verdict {
            Verdict::Holds(found) => (Status::Holds, found, String::new()),
            Verdict::NotYet(reason) | Verdict::Refused(reason) => {
                let so_far = if hops.is_empty() { String::new() } else { format!(" ({})", hops.join(", ")) };
                (Status::Fails, format!("{}{so_far}", reason.found), reason.remedy)
            }
        };
        let finding = Finding {
            check: NAME.to_owned(),
            service: self.service.to_owned(),
            status,
            expected: "a test alert reaches the mail server".to_owned(),
            found,
            remedy,
            took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            detail: Vec::new(),
        };
        let event = Event::Checked { host: self.host.to_owned(), finding: finding.clone() };
        self.events.send(event).unwrap_or_default();
        finding
    }

    async fn follow(&self, hops: &mut Vec<String>) -> Result<(), Verdict> {
        let first = self.ask(METRICS, None).await?;
        let before = mails(&first);
        let ahead = first.date.unwrap_or(self.now);
        let start = Instant::now();
        self.ask(ALERTS, Some(self.alert(ahead, SignedDuration::from_mins(10)))).await?;
        let result = self.delivered(hops, before).await;
        let passed = SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::ZERO);
        let ended = self.ask(ALERTS, Some(self.alert(ahead, passed))).await;
        result?;
        ended?;
        let begun = Instant::now();
        self.wait("to be resolved", || async {
            let there = self.is_there().await?;
            Ok((!there).then_some(()).ok_or("it still fires after it was resolved".to_owned()))
        })
        .await?;
        hops.push(format!("resolved in {}", seconds(begun)));
        Ok(())
    }

    async fn delivered(&self, hops: &mut Vec<String>, before: Mails) -> Result<(), Verdict> {
        let begun = Instant::now();
        self.wait("to be taken by Alertmanager", || async {
            Ok(self.is_there().await?.then_some(()).ok_or("Alertmanager does not list it".to_owned()))
        })
        .await?;
        hops.push(format!("listed in {}", seconds(begun)));
        let begun = Instant::now();
        self.wait("to be sent", || async {
            let now = mails(&self.ask(METRICS, None).await?);
            let failed = now.failed - before.failed;
            Ok(if now.tried - before.tried > failed {
                Ok(())
            } else if failed > 0.0 {
                Err(format!("attempts that the mail server refused: {failed}"))
            } else {
                Err("no mail was tried yet".to_owned())
            })
        })
        .await?;
        hops.push(format!("taken by the mail server in {}", seconds(begun)));
        Ok(())
    }

    /// Looks until it holds. `look` gives what it waits for, or a verdict that ends the waiting.
    async fn wait<L, Fut>(&self, what: &str, look: L) -> Result<(), Verdict>
    where
        L: Fn() -> Fut,
        Fut: Future<Output = Result<Result<(), String>, Verdict>>,
    {
        let mut said = String::new();
        loop {
            let Err(found) = look().await? else { return Ok(()) };
            if Instant::now() >= self.deadline {
                return Err(Verdict::not_yet(
                    format!("the test alert waited in vain {what}: {found}"),
                    format!(
                        "Is there a route with an e-mail receiver, and does the mail server take the login and \
                         the sender? {}",
                        see_log(self.service)
                    ),
                ));
            }
            if found != said {
                let event = Event::Waiting {
                    host: self.host.to_owned(),
                    check: NAME.to_owned(),
                    found: format!("waits {what}: {found}"),
                };
                self.events.send(event).unwrap_or_default();
                said = found;
            }
            sleep(PAUSE).await;
        }
    }

    async fn ask(&self, path: &str, body: Option<String>) -> Result<Answer, Verdict> {
        let host = format!("127.0.0.1:{}", self.port);
        let request = Request { path: path.to_owned(), host, basic_auth: None, body };
        // What runs late is still asked: the alert must be resolved.
        let until = self.deadline.max(Instant::now() + Duration::from_secs(5));
        let answer = self.connections.ask(self.port, &request, until).await.map_err(|silence| {
            let why = match silence {
                Silence::Broken(why) => why,
                Silence::Slow(_) | Silence::Deadline => "no answer".to_owned(),
            };
            Verdict::not_yet(format!("port {}: {why}", self.port), see_log(self.service))
        })?;
        match unless_ok(self.service, path, &answer) {
            None => Ok(answer),
            Some(Verdict::Refused(_)) if path == ALERTS && answer.status == 400 => Err(Verdict::refused(
                format!("{}: refused the alert: {}", self.service, message(&answer)),
                see_log(self.service),
            )),
            Some(verdict) => Err(verdict),
        }
    }

    async fn is_there(&self) -> Result<bool, Verdict> {
        let answer = self.ask(ALERTS, None).await?;
        let alerts: Vec<Alert> = super::verdict::json(self.service, ALERTS, &answer)?;
        let name = self.name();
        Ok(alerts.iter().any(|alert| alert.labels.get("alertname") == Some(&name)))
    }

    /// Its own name makes its own group, so that no other mail is waited for or counted.
    fn name(&self) -> String {
        format!("ProvisionTest-{}", self.nonce)
    }

    fn alert(&self, start: Timestamp, lasts: SignedDuration) -> String {
        let end = start.checked_add(lasts).unwrap_or(start);
        json!([{
            "labels": {"alertname": self.name(), "severity": "warning", "instance": self.host},
            "annotations": {
                "summary": "A test of `provision verify --send-test-alert`",
                "description": "Somebody tries whether alerts arrive. There is nothing to do.",
            },
            "startsAt": start.to_string(),
            "endsAt": end.to_string(),
        }])
        .to_string()
    }
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

/// Mails tried and failed, of the text of the metrics.
fn mails(answer: &Answer) -> Mails {
    let text = String::from_utf8_lossy(&answer.body);
    let sum = |name: &str| -> f64 {
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains("integration=\"email\""))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    Mails {
        tried: sum("alertmanager_notification_requests_total{"),
        failed: sum("alertmanager_notification_requests_failed_total{"),
    }
}

#[cfg(test)]
#[path = "test_alert_tests.rs"]
mod tests;
