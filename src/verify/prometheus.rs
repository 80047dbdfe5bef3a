//! Prometheus: targets, rules, running configuration, connected Alertmanagers.
//!
//! Answers as Prometheus 2.42 gave them (recorded); the fields read here are the same in 2.53 and 3.x
//! (<https://prometheus.io/docs/prometheus/latest/querying/api>).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::configuration;
use super::http::Answer;
use super::reload;
use super::scalar;
use super::verdict::{Verdict, count, few, first_line, json, see_log, unless_ok};

/// Where the targets are.
pub const TARGETS: &str = "/api/v1/targets?state=active";
/// Where the rules are.
pub const RULES: &str = "/api/v1/rules";
/// Where the running configuration is.
pub const CONFIG: &str = "/api/v1/status/config";
/// Where the result of the last reload is.
pub const RUNTIME: &str = "/api/v1/status/runtimeinfo";
/// Where the connected Alertmanagers are.
pub const ALERTMANAGERS: &str = "/api/v1/alertmanagers";

/// A job without an own interval and without a global one is scraped each minute.
const DEFAULT_INTERVAL_MS: u64 = 60_000;

/// What every answer of the API is wrapped in.
#[derive(Deserialize)]
pub(super) struct Envelope<T> {
    pub data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Targets {
    active_targets: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    labels: Labels,
    #[serde(default)]
    scrape_pool: String,
    last_error: String,
    #[serde(deserialize_with = "last_scrape")]
    last_scrape: Timestamp,
    health: String,
    #[serde(default)]
    scrape_interval: String,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    job: String,
    #[serde(default)]
    instance: String,
}

fn last_scrape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    timestamp(deserializer, "lastScrape")
}

fn last_config_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    timestamp(deserializer, "lastConfigTime")
}

/// The error names `field`: serde itself only knows the column.
fn timestamp<'de, D: Deserializer<'de>>(deserializer: D, field: &str) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(|error| serde::de::Error::custom(format!("{field}: {error}")))
}

impl Target {
    /// The job in the configuration. Relabelling may change the label, never the pool.
    fn job(&self) -> &str {
        if self.scrape_pool.is_empty() { &self.labels.job } else { &self.scrape_pool }
    }

    /// What is wrong with it at `now`.
    fn complaint(&self, now: Timestamp) -> Option<String> {
        let name = format!("job {} instance {}", self.job(), self.labels.instance);
        match self.health.as_str() {
            "up" => {}
            "unknown" => return Some(format!("{name} was not scraped yet (health is unknown)")),
            health => {
                let error = first_line(self.last_error.as_bytes());
                let error = if error.is_empty() { "lastError is empty" } else { error.as_str() };
                return Some(format!("{name}: health is {health}: {error}"));
            }
        }
        let interval = scalar::milliseconds(&self.scrape_interval).unwrap_or(DEFAULT_INTERVAL_MS);
        let age = u64::try_from(now.as_millisecond() - self.last_scrape.as_millisecond()).unwrap_or(0);
        (age > 3 * interval + 10_000).then(|| {
            format!("{name}: lastScrape is {} s ago at an interval of {} s", age / 1000, interval / 1000)
        })
    }

    /// What to do about it. The texts come from Go's network errors.
    fn remedy(&self, service: &str) -> String {
        let job = self.job();
        let error = self.last_error.as_str();
        let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
        let unreachable =
            ["connection refused", "deadline exceeded", "timeout", "no route to host", "unreachable"];
        if self.health == "unknown" {
            return format!(
                "{service} asks it for the first time within its interval: look again with `provision verify`."
            );
        }
        if self.health == "up" {
            return format!(
                "{service} fell behind with scraping: look whether it lacks CPU or memory. {}",
                see_log(service)
            );
        }
        if job.contains("node") && has(&unreachable) {
            return "The likely cause is a host firewall between the bridge and the gateway address that \
                    node-exporter listens on. Let that bridge reach it: docs/troubleshooting.md has the command. \
                    If it is open, read what the exporter says: `provision logs node-exporter`."
                .to_owned();
        }
        if has(&["no such host", "server misbehaving"]) {
            return format!(
                "{service} cannot resolve the target's name: the service of job {job} does not run, or shares no network with {service}."
            );
        }
        if has(&["status 401", "status 403"]) {
            return format!(
                "The target of job {job} wants another token: compare the credentials file of the job with the application's setting."
            );
        }
        if has(&["status 404"]) {
            return format!(
                "The target of job {job} serves no metrics at that path: compare metrics_path with the application."
            );
        }
        if has(&unreachable) {
            return format!(
                "Nothing answers for job {job}: see whether its service runs (`provision verify`), then its log."
            );
        }
        format!(
            "Read the log of the service behind job {job}: {service} reached it, and could not use what it answered."
        )
    }
}

/// Judges [`TARGETS`]: each of `jobs` has a target, and each target of it is up and freshly scraped.
///
/// The age of a scrape is taken by the server's own clock (the answer's `Date`), else by `now`.
#[must_use]
pub fn targets(service: &str, jobs: &[String], answer: &Answer, now: Timestamp) -> Verdict {
    if let Some(verdict) = unless_ok(service, TARGETS, answer) {
        return verdict;
    }
    let targets = match json::<Envelope<Targets>>(service, TARGETS, answer) {
        Ok(envelope) => envelope.data.active_targets,
        Err(verdict) => return verdict,
    };
    let now = answer.date.unwrap_or(now);
    let mut complaints = Vec::new();
    let mut remedies = Vec::new();
    let mut seen = 0;
    for job in jobs {
        let mut of_job = targets.iter().filter(|target| target.job() == job).peekable();
        if of_job.peek().is_none() {
            complaints.push(format!("job {job} has no target (no scrapePool of that name)"));
            remedies.push(format!(
                "See whether job {job} is in the running configuration, and what its service discovery finds."
            ));
        }
        for target in of_job {
            seen += 1;
            if let Some(complaint) = target.complaint(now) {
                complaints.push(complaint);
                let remedy = target.remedy(service);
                if !remedies.contains(&remedy) {
                    remedies.push(remedy);
                }
            }
        }
    }
    if !complaints.is_empty() {
        remedies.truncate(3);
        return Verdict::not_yet(few(&complaints, 5), remedies.join(" "));
    }
    let mut others: Vec<&str> =
        targets.iter().map(Target::job).filter(|job| !jobs.iter().any(|expected| expected == job)).collect();
    others.sort_unstable();
    others.dedup();
    let also =
        if others.is_empty() { String::new() } else { format!("; also scraped: {}", others.join(", ")) };
    Verdict::Holds(format!("{} of {} up{also}", count(seen, "target"), count(jobs.len(), "job")))
}

#[derive(Deserialize)]
struct Config {
    yaml: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Runtime {
    reload_config_success: bool,
    /// Of the last reload that succeeded, or of the start; whole seconds.
    #[serde(deserialize_with = "last_config_time")]
    last_config_time: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Storage {
    storage_retention: String,
}

/// Judges [`RUNTIME`]: data is kept for `time` or `size`, whichever comes first, as sent.
///
/// It prints `30d or 4GiB`, and both in its own notation.
#[must_use]
pub fn retention(service: &str, time: Option<&str>, size: Option<&str>, answer: &Answer) -> Verdict {
    if let Some(verdict) = unless_ok(service, RUNTIME, answer) {
        return verdict;
    }
    let found = match json::<Envelope<Storage>>(service, RUNTIME, answer) {
        Ok(envelope) => envelope.data.storage_retention,
        Err(verdict) => return verdict,
    };
    let is_there = |sent: Option<&str>, value: fn(&str) -> Option<u64>| {
        sent.is_none_or(|sent| {
            found
                .split(" or ")
                .any(|part| part == sent || value(part) == value(sent) && value(sent).is_some())
        })
    };
    if is_there(time, scalar::milliseconds) && is_there(size, scalar::bytes) {
        return Verdict::Holds(format!("keeps {found}"));
    }
    let sent: Vec<&str> = [time, size].into_iter().flatten().collect();
    Verdict::not_yet(
        format!(
            "{service} keeps data for another time: storageRetention: sent {}, running {found}",
            sent.join(" or ")
        ),
        format!(
            "Retention is set when it starts: look at `command:` of {service} in the compose file, and deploy."
        ),
    )
}

/// Judges [`CONFIG`] and [`RUNTIME`]: what runs means `sent`, and the last reload succeeded; where `since` is given, not
/// before that time of the host's clock, which is the server's too.
#[must_use]
pub fn configuration(
    service: &str,
    sent: &str,
    since: Option<Timestamp>,
    config: &Answer,
    runtime: &Answer,
) -> Verdict {
    let refused = unless_ok(service, CONFIG, config).or_else(|| unless_ok(service, RUNTIME, runtime));
    if let Some(verdict) = refused {
        return verdict;
    }
    let Runtime { reload_config_success, last_config_time } =
        match json::<Envelope<Runtime>>(service, RUNTIME, runtime) {
            Ok(envelope) => envelope.data,
            Err(verdict) => return verdict,
        };
    if !reload_config_success {
        return reload::failed(service, "reloadConfigSuccess is false");
    }
    if let Some(verdict) = reload::not_since(service, "lastConfigTime", last_config_time, since) {
        return verdict;
    }
    match json::<Envelope<Config>>(service, CONFIG, config) {
        Ok(envelope) => configuration::judge(service, sent, &envelope.data.yaml),
        Err(verdict) => verdict,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alertmanagers {
    active_alertmanagers: Vec<Alertmanager>,
    dropped_alertmanagers: Vec<Alertmanager>,
}

#[derive(Deserialize)]
struct Alertmanager {
    url: String,
}

/// Judges [`ALERTMANAGERS`]: at least one is connected, none dropped.
#[must_use]
pub fn alertmanagers(service: &str, answer: &Answer) -> Verdict {
    if let Some(verdict) = unless_ok(service, ALERTMANAGERS, answer) {
        return verdict;
    }
    let found = match json::<Envelope<Alertmanagers>>(service, ALERTMANAGERS, answer) {
        Ok(envelope) => envelope.data,
        Err(verdict) => return verdict,
    };
    let urls = |list: &[Alertmanager]| list.iter().map(|one| one.url.clone()).collect::<Vec<_>>().join(", ");
    if !found.dropped_alertmanagers.is_empty() {
        return Verdict::not_yet(
            format!(
                "{service} dropped the Alertmanager {} (droppedAlertmanagers)",
                urls(&found.dropped_alertmanagers)
            ),
            "Look at the relabelling below alerting.alertmanagers in prometheus.yml.",
        );
    }
    if found.active_alertmanagers.is_empty() {
        return Verdict::not_yet(
            format!("{service} knows no Alertmanager (activeAlertmanagers is empty)"),
            "Look at alerting.alertmanagers in prometheus.yml: without it no alert leaves the host.",
        );
    }
    Verdict::Holds(format!("connected to {}", urls(&found.active_alertmanagers)))
}

#[cfg(test)]
#[path = "prometheus_tests.rs"]
mod tests;
