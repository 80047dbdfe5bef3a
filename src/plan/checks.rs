//! Derives the checks of a release: nothing is asked of a component that it does not have.

use jiff::Timestamp;

use crate::error::{Place, Problem};
use crate::plan::check::{Check, ConfigurationOf, Question};
use crate::plan::declared::{dashboards, datasources, flags, jobs, rule_groups};
use crate::plan::{Plan, Step, panels};
use crate::stack::{Release, Service, Verify};
use crate::yaml::{Document, Value};

/// The checks of a release, in the order of its services.
///
/// # Errors
/// What makes a check impossible to derive: a configuration that is missing, a rule pattern that matches no
/// file of the release.
pub fn checks(release: &Release) -> Result<Vec<Check>, Vec<Problem>> {
    let mut checks = Vec::new();
    let mut problems = Vec::new();
    for (name, service) in &release.services {
        let asked = service.verify.as_ref().map(|verify| questions(release, service, verify));
        let asked = asked.unwrap_or_else(|| Ok(Vec::new())).map(|mut list| {
            list.extend(database(release, service));
            list
        });
        match asked {
            Ok(questions) => checks.extend(questions.into_iter().map(|(what, question)| Check {
                name: format!("{name}.{what}"),
                service: name.clone(),
                question,
            })),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(checks) } else { Err(problems) }
}

/// `checks` as they are asked after an activation of `plan` that began at `begun`, by the host's clock: a service that
/// it tells to reload must have reloaded since. One whose container is made anew read its files when it started, and
/// its label says of which release it is.
#[must_use]
pub fn after(checks: &[Check], plan: &Plan, begun: Option<Timestamp>) -> Vec<Check> {
    let is_told = |check: &Check| {
        plan.forward
            .iter()
            .any(|step| matches!(step, Step::Signal { service, .. } if *service == check.service))
    };
    let one = |check: &Check| match begun.filter(|_| is_told(check)) {
        Some(begun) => check.clone().reloaded_since(begun),
        None => check.clone(),
    };
    checks.iter().map(one).collect()
}

/// What the probe of a service's panels is called.
pub const PANELS: &str = "panels";

/// The checks of a release that act or take a while (`provision verify --probes`). `nonce` is a word that
/// stands nowhere else; whoever asks writes it where the checks look for it.
#[must_use]
pub fn probes(release: &Release, nonce: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, service) in &release.services {
        let (what, question) = match &service.verify {
            Some(Verify::Loki { port, .. }) => {
                let jobs = collected(release);
                if jobs.is_empty() {
                    continue;
                }
                ("canary", Question::LogLine { port: *port, nonce: nonce.to_owned(), jobs })
            }
            Some(Verify::Grafana { port, user, password, may_be_empty, empty_until }) => {
                let queries = panels::queries(release, service, may_be_empty, empty_until);
                if queries.is_empty() {
                    continue;
                }
                let (port, user, password) = (*port, user.clone(), password.clone());
                (PANELS, Question::Panels { port, user, password, queries })
            }
            _ => continue,
        };
        checks.push(Check { name: format!("{name}.{what}"), service: name.clone(), question });
    }
    checks
}

/// Whether a service of the release reads what the host's containers log.
#[must_use]
pub fn collects_containers(release: &Release) -> bool {
    collected(release).iter().any(|job| job == "docker")
}

/// The jobs under which a collector of the release sends what containers and the journal say: whoever reads
/// them mounts where they are.
fn collected(release: &Release) -> Vec<String> {
    let is_read = |folders: &[&str]| {
        release
            .services
            .values()
            .flat_map(|service| &service.mounts)
            .any(|mount| folders.iter().any(|folder| mount.source.trim_end_matches('/') == *folder))
    };
    let places: [(&str, &[&str]); 2] = [
        ("docker", &["/var/lib/docker/containers", "/var/lib/docker"]),
        ("journal", &["/var/log/journal", "/run/log/journal", "/var/log"]),
    ];
    places.into_iter().filter(|(_, folders)| is_read(folders)).map(|(job, _)| job.to_owned()).collect()
}

type Questions = Vec<(&'static str, Question)>;

fn questions(release: &Release, service: &Service, verify: &Verify) -> Result<Questions, Problem> {
    let ready = |port: u16, path: &str| ("ready", Question::Ready { port, path: path.to_owned() });
    match verify {
        Verify::Http { port, path } => Ok(vec![ready(*port, path)]),
        Verify::Prometheus { port, config } => {
            let (document, sent) = configuration(release, config)?;
            let mut list = vec![
                ready(*port, "/-/ready"),
                (
                    "configuration",
                    Question::Configuration {
                        port: *port,
                        of: ConfigurationOf::Prometheus,
                        sent,
                        since: None,
                    },
                ),
                ("rules", {
                    let (groups, rules) = rule_groups(release, service, config, &document)?;
                    Question::Rules { port: *port, groups, rules }
                }),
                ("targets", Question::Targets { port: *port, jobs: jobs(&document) }),
            ];
            let prefixes = ["--storage.tsdb.retention.time=", "--storage.tsdb.retention.size="];
            let [time, size] = flags(release, service, prefixes);
            if time.is_some() || size.is_some() {
                list.push(("retention", Question::Retention { port: *port, time, size }));
            }
            let alerting = document.value().get("alerting").and_then(|a| a.get("alertmanagers"));
            if alerting.and_then(Value::as_sequence).is_some_and(|list| !list.is_empty()) {
                list.push(("alertmanagers", Question::Alertmanagers { port: *port }));
            }
            Ok(list)
        }
        Verify::Alertmanager { port, config } => {
            let (_, sent) = configuration(release, config)?;
            Ok(vec![
                ready(*port, "/-/ready"),
                (
                    "configuration",
                    Question::Configuration {
                        port: *port,
                        of: ConfigurationOf::Alertmanager,
                        sent,
                        since: None,
                    },
                ),
            ])
        }
        Verify::Loki { port, config } => {
            let (_, sent) = configuration(release, config)?;
            Ok(vec![
                ready(*port, "/ready"),
                ("configuration", Question::LokiConfiguration { port: *port, sent }),
                ("query", Question::LokiQuery { port: *port }),
            ])
        }
        Verify::Grafana { port, user, password, .. } => {
            let (port, user, password) = (*port, user.clone(), password.clone());
            let mut list = vec![
                ("health", Question::GrafanaHealth { port }),
                ("login", Question::GrafanaLogin { port, user: user.clone(), password: password.clone() }),
            ];
            let sources = datasources(release, service);
            if !sources.is_empty() {
                let (user, password) = (user.clone(), password.clone());
                // The type that has no health question, see `verify::grafana::NO_HEALTH`.
                let without_health = sources
                    .iter()
                    .filter(|(_, kind)| kind == "alertmanager")
                    .map(|(uid, _)| uid.clone())
                    .collect();
                let uids = sources.into_iter().map(|(uid, _)| uid).collect();
                let question = Question::GrafanaDatasources { port, user, password, uids, without_health };
                list.push(("datasources", question));
            }
            let uids = dashboards(release, service);
            if !uids.is_empty() {
                list.push(("dashboards", Question::GrafanaDashboards { port, user, password, uids }));
            }
            Ok(list)
        }
    }
}

/// Whether the role that a service was given in a database can log in, as Prometheus sees it.
fn database(release: &Release, service: &Service) -> Option<(&'static str, Question)> {
    let database = service.database.as_ref()?;
    let query = database.up.clone()?;
    let port = release.services.values().find_map(|service| match service.verify {
        Some(Verify::Prometheus { port, .. }) => Some(port),
        _ => None,
    })?;
    let remedy = format!(
        "`provision bootstrap` makes the role {} in {} and gives it the password of the secrets file; then deploy. \
         If the database itself is down, start it. `provision logs {}` has the reason.",
        database.role, database.name, service.name
    );
    Some(("database", Question::Query { port, query, remedy }))
}

fn configuration(release: &Release, path: &str) -> Result<(Document, String), Problem> {
    let file = release.files.get(path).ok_or_else(|| {
        Problem::new(
            Place::file(path),
            "is named by a `verify:` in the compose file, and the stack has no such file",
            "Correct `config:`; a file that holds a secret cannot be compared.",
        )
    })?;
    let text = String::from_utf8_lossy(&file.content).into_owned();
    let document = Document::parse(&format!("{path} (rendered)"), &text).map_err(|problems| {
        problems.into_iter().next().unwrap_or_else(|| Problem::new(Place::file(path), "is not YAML", ""))
    })?;
    Ok((document, text))
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
