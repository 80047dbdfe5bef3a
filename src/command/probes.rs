//! The probes of `provision verify`: checks that act on the host or take a while.

use std::sync::Arc;
use std::time::Duration;

use super::project::Loaded;
use super::reach;
use crate::error::Error;
use crate::event::{Event, Sender};
use crate::host;
use crate::inventory::Host;
use crate::plan;
use crate::plan::check::{Check, Finding, Question, Status};
use crate::ssh::Session;
use crate::stack::Verify;
use crate::verify::test_alert::TestAlert;
use crate::verify::{Connections, Patience, exposure, log_drivers, overhead, test_alert};

/// How long CPU time is watched.
const WINDOW: Duration = Duration::from_secs(10);

/// The probes that a release has, or those of them that were chosen.
pub(super) struct Probes {
    /// A word that stands nowhere else.
    nonce: String,
    /// Questions to services.
    checks: Vec<Check>,
    /// Names of those that are no questions.
    others: Vec<String>,
    /// Alertmanager's name and port.
    alertmanager: Option<(String, u16)>,
}

impl Probes {
    /// All that the release has.
    pub(super) fn of(loaded: &Loaded) -> Self {
        let nonce = hex::encode(rand::random::<[u8; 6]>());
        let alertmanager = loaded.release.services.values().find_map(|service| match service.verify {
            Some(Verify::Alertmanager { port, .. }) => Some((service.name.clone(), port)),
            _ => None,
        });
        let mut others: Vec<String> = overhead::NAMES.iter().map(|name| (*name).to_owned()).collect();
        others.push(exposure::OUTSIDE.to_owned());
        if plan::collects_containers(&loaded.release) {
            others.push(log_drivers::NAME.to_owned());
        }
        others.extend(alertmanager.as_ref().map(|_| test_alert::NAME.to_owned()));
        Self { checks: plan::probes(&loaded.release, &nonce), nonce, others, alertmanager }
    }

    /// The names.
    pub(super) fn names(&self) -> Vec<String> {
        self.checks.iter().map(|check| check.name.clone()).chain(self.others.iter().cloned()).collect()
    }

    /// Only those that `takes` takes.
    pub(super) fn chosen(mut self, takes: impl Fn(&str) -> bool) -> Self {
        self.checks.retain(|check| takes(&check.name));
        self.others.retain(|name| takes(name));
        self
    }

    fn has(&self, name: &str) -> bool {
        self.others.iter().any(|other| other == name)
    }
}

/// Where probes run.
pub(super) struct Place<'a> {
    pub loaded: &'a Arc<Loaded>,
    pub host: &'a Host,
    pub session: &'a Session,
    pub connections: &'a Connections<reach::OverSsh>,
    pub patience: Patience,
    pub events: &'a Sender,
}

impl Place<'_> {
    /// Runs `probes`: what the stack uses first, since the others are work for it, and then those all at once.
    /// `ports` are those of the stack on the host.
    pub(super) async fn run(&self, probes: &Probes, ports: &[u16]) -> Vec<Finding> {
        let overhead = self.overhead(probes).await;
        let (mut findings, outside, drivers, alert) = tokio::join!(
            self.questions(probes),
            self.outside(probes, ports),
            self.log_drivers(probes),
            self.test_alert(probes)
        );
        findings.extend(outside.into_iter().chain(overhead).chain(drivers).chain(alert));
        findings
    }

    async fn questions(&self, probes: &Probes) -> Vec<Finding> {
        let mut checks = probes.checks.clone();
        let mut findings = Vec::new();
        let looks_for_line = |check: &Check| matches!(check.question, Question::LogLine { .. });
        if checks.iter().any(looks_for_line) {
            match self.write_line(&probes.nonce).await {
                Ok(true) => {}
                // Without a journal there is nothing to find in it.
                Ok(false) => {
                    let text = "the host has no journal: only the container's line is looked for".to_owned();
                    let _ = self.events.send(Event::Warning { host: self.host.name.to_string(), text });
                    for check in &mut checks {
                        if let Question::LogLine { jobs, .. } = &mut check.question {
                            jobs.retain(|job| job != "journal");
                        }
                    }
                }
                Err(error) => {
                    let (asked, not): (Vec<_>, Vec<_>) =
                        checks.into_iter().partition(|check| !looks_for_line(check));
                    checks = asked;
                    findings.extend(not.iter().map(|check| broken(&check.name, &check.service, &error)));
                }
            }
        }
        let host = self.host.name.to_string();
        let asked =
            reach::ask(self.loaded, &host, self.connections, &checks, self.patience, self.events).await;
        findings.extend(asked);
        findings
    }

    /// Writes the line that is looked for, into the log of a service that stays, Prometheus before others.
    async fn write_line(&self, nonce: &str) -> Result<bool, Error> {
        let services = self.loaded.release.services.values().filter(|service| !service.one_shot);
        let service = services
            .min_by_key(|service| !matches!(service.verify, Some(Verify::Prometheus { .. })))
            .ok_or_else(|| Error::new(crate::error::Kind::Failed, "write a line into a log"))?;
        let text = format!("provision looks for this line again: {nonce}");
        host::write_line(self.session, self.host, &self.loaded.environment, &service.name, &text).await
    }

    async fn outside(&self, probes: &Probes, ports: &[u16]) -> Option<Finding> {
        if !probes.has(exposure::OUTSIDE) {
            return None;
        }
        let finding = if self.host.jump.is_some() {
            Finding {
                status: Status::Skipped,
                ..Finding::fact(
                    exposure::OUTSIDE,
                    "none of the stack's ports can be reached from here",
                    Ok("behind a jump host: it cannot be tried from here".to_owned()),
                )
            }
        } else {
            // `user@address:port`, as the SSH configuration resolved it. The SSH port itself is never tried.
            let place = self.session.place();
            let address = place.rsplit_once('@').map_or(place.as_str(), |(_, rest)| rest);
            let (address, ssh) = address.rsplit_once(':').unwrap_or((address, "22"));
            let ports: Vec<u16> = ports.iter().copied().filter(|port| port.to_string() != ssh).collect();
            exposure::outside(address.trim_matches(['[', ']']), &ports).await
        };
        Some(self.checked(finding))
    }

    async fn overhead(&self, probes: &Probes) -> Vec<Finding> {
        if !overhead::NAMES.iter().any(|name| probes.has(name)) {
            return Vec::new();
        }
        let environment = &self.loaded.environment;
        let measured = host::overhead(self.session, self.host, environment, WINDOW).await;
        let findings = match measured {
            Ok(usage) => overhead::judge(&usage, environment.verify.budget).to_vec(),
            Err(error) => overhead::NAMES.iter().map(|name| broken(name, "", &error)).collect(),
        };
        findings.into_iter().filter(|f| probes.has(&f.check)).map(|f| self.checked(f)).collect()
    }

    async fn log_drivers(&self, probes: &Probes) -> Option<Finding> {
        if !probes.has(log_drivers::NAME) {
            return None;
        }
        let drivers = host::log_drivers(self.session, self.host, &self.loaded.environment).await;
        let finding = match drivers {
            Ok(drivers) => log_drivers::judge(&drivers),
            Err(error) => broken(log_drivers::NAME, "", &error),
        };
        Some(self.checked(finding))
    }

    async fn test_alert(&self, probes: &Probes) -> Option<Finding> {
        let (service, port) = probes.alertmanager.as_ref().filter(|_| probes.has(test_alert::NAME))?;
        let test = TestAlert {
            host: &self.host.name.to_string(),
            connections: self.connections,
            port: *port,
            service,
            nonce: &probes.nonce,
            deadline: tokio::time::Instant::now() + self.patience.limit,
            now: jiff::Timestamp::now(),
            events: self.events,
        };
        Some(test.run().await)
    }

    fn checked(&self, finding: Finding) -> Finding {
        let host = self.host.name.to_string();
        let _ = self.events.send(Event::Checked { host, finding: finding.clone() });
        finding
    }
}

/// The finding of a probe that could not be made.
fn broken(check: &str, service: &str, error: &Error) -> Finding {
    let hint = error.hints().first().cloned().unwrap_or_else(|| {
        "Look at the host: the probe needs docker and its cgroups; `--skip` leaves it out.".to_owned()
    });
    let verdict = Err((format!("cannot tell: failed to {error}"), hint));
    Finding { service: service.to_owned(), ..Finding::fact(check, "the probe can be made", verdict) }
}
