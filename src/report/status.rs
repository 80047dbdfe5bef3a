//! How a host is, as text and for JSON.

use std::collections::BTreeSet;

use serde::Serialize;

use super::clean::{self, Clean};
use super::history::time;
use crate::host::{KeptRelease, Record, Status, Unit};
use crate::plan::HostState;
use crate::words::count;

/// A service of the current release and its container.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Service {
    name: String,
    /// docker's word, or `missing`.
    state: String,
    health: String,
    restarts: u32,
    started: Option<String>,
    memory: Option<u64>,
    /// What is not as the release declares it.
    drift: Option<&'static str>,
}

/// A file that is not as the release has it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Drift {
    path: String,
    /// edited, removed or added.
    what: &'static str,
}

/// All that `status` shows of a host.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Look {
    release: Option<String>,
    now: i64,
    deployed: Option<Record>,
    services: Vec<Service>,
    drift: Vec<Drift>,
    /// Who holds the lock.
    lock: Option<String>,
    /// The release whose activation was interrupted and is not ended yet.
    interrupted: Option<String>,
    disk_free: u64,
    docker_free: u64,
    docker: bool,
    records: u64,
    secrets_open: bool,
    units: Vec<Unit>,
    kept: Vec<KeptRelease>,
}

impl Look {
    /// Whether every service of the release is as it should be. While somebody deploys that cannot be said.
    pub(super) fn is_well(&self) -> bool {
        self.lock.is_some()
            || (self.docker || self.release.is_none())
                && self.services.iter().all(|service| {
                    service.drift.is_none() && service.health != "unhealthy" && service.state != "restarting"
                })
    }

    pub(super) fn new(state: &HostState, status: &Status) -> Self {
        let names: BTreeSet<&String> = status
            .services
            .keys()
            .chain(state.containers.iter().map(|container| &container.service))
            .filter(|name| !name.is_empty())
            .collect();
        let services = names.into_iter().map(|name| service(name, state, status)).collect();
        // What a deploy is at work on is nobody's edit, and its journal is none that was left.
        let is_at_work = state.holder.is_some();
        let drift = state
            .declared
            .keys()
            .map(|path| (path, if state.files.contains_key(path) { "edited" } else { "removed" }))
            .chain(
                state
                    .foreign
                    .iter()
                    .filter(|path| !state.declared.contains_key(*path))
                    .map(|path| (path, "added")),
            )
            .filter(|_| !is_at_work)
            .map(|(path, what)| Drift { path: path.clone(), what })
            .collect();
        Self {
            release: state.current.as_ref().map(ToString::to_string),
            now: status.now,
            deployed: status.deployed.clone(),
            services,
            drift,
            lock: state.holder.clone(),
            interrupted: state.interrupted.clone().filter(|_| !is_at_work),
            disk_free: state.disk_free,
            docker_free: state.docker_free,
            docker: state.docker.is_some(),
            records: status.records,
            secrets_open: state.unsealed,
            units: status.units.clone(),
            kept: status.kept.clone(),
        }
    }

    /// The deploy that brought the current release.
    #[cfg(test)]
    pub(super) fn deployed(&self) -> impl Iterator<Item = &Record> {
        self.deployed.iter()
    }

    /// The same with each text that the host gave as `clean` gives it, on one line.
    pub(super) fn map_text(mut self, clean: Clean<'_>) -> Self {
        let line = |text: &mut String| *text = clean::line(text, clean);
        self.deployed = self.deployed.as_ref().map(|record| clean::record(record, clean));
        self.release.iter_mut().chain(&mut self.lock).chain(&mut self.interrupted).for_each(line);
        for Service { name, state, health, started, restarts: _, memory: _, drift: _ } in &mut self.services {
            [name, state, health].into_iter().chain(started).for_each(line);
        }
        self.drift.iter_mut().for_each(|drift| line(&mut drift.path));
        for Unit { name, state, words } in &mut self.units {
            [name, state, words].into_iter().for_each(line);
        }
        for KeptRelease { release, confirmed: _, gone } in &mut self.kept {
            std::iter::once(release).chain(gone).for_each(line);
        }
        self
    }

    /// The text for a person.
    pub(super) fn render(&self, host: &str) -> String {
        let mut lines = vec![format!("{host}: {}", self.headline())];
        if !self.docker {
            lines.push("  docker       does not answer".to_owned());
        }
        for service in &self.services {
            lines.push(format!("  {:<20} {}", service.name, self.describe(service)));
        }
        for drift in &self.drift {
            lines.push(format!("  drift        {} was {} by hand", drift.path, drift.what));
        }
        match &self.lock {
            None => lines.push("  lock         free".to_owned()),
            Some(holder) => {
                lines.push(format!("  lock         held by {holder}"));
                lines.push("               it is at work: files and containers are on their way".to_owned());
            }
        }
        if let Some(release) = &self.interrupted {
            lines.push(format!(
                "  interrupted  the activation of release {release}; the host, or the next deploy, ends it"
            ));
        }
        lines.push(format!(
            "  disk         {} free, docker's {}; records take {}",
            size(self.disk_free),
            size(self.docker_free),
            size(self.records)
        ));
        if self.release.is_some() && !self.secrets_open {
            lines.push(
                "  secrets      not in place, or sealed to a host key that is no more: deploy again"
                    .to_owned(),
            );
        }
        for unit in self.units.iter().filter(|unit| unit.state != "active" && unit.state != "inactive") {
            lines.push(format!("  boot         {} is {}: {}", unit.name, unit.state, unit.words));
        }
        for kept in &self.kept {
            let runs = if self.release.as_ref() == Some(&kept.release) { ", runs" } else { "" };
            lines.push(format!("  kept         {} of {}{runs}", kept.release, time(kept.confirmed)));
            for gone in &kept.gone {
                lines.push(format!(
                    "               its image is gone: {gone}; going back would pull it again"
                ));
            }
        }
        lines.join("\n")
    }

    fn headline(&self) -> String {
        let Some(release) = &self.release else { return "nothing is deployed there".to_owned() };
        match &self.deployed {
            Some(record) => format!(
                "release {release} since {} ({}), by {}",
                time(record.time),
                age(self.now.saturating_sub(record.time)),
                record.by.user
            ),
            None => format!("release {release}"),
        }
    }

    fn describe(&self, service: &Service) -> String {
        let mut words = vec![service.state.clone()];
        if !service.health.is_empty() {
            words.push(service.health.clone());
        }
        if !["missing", "not known"].contains(&service.state.as_str()) {
            words.push(count(service.restarts as usize, "restart"));
        }
        let started = service.started.as_ref().and_then(|time| time.parse::<jiff::Timestamp>().ok());
        if let Some(started) = started {
            words.push(format!("up {}", age(self.now.saturating_sub(started.as_second()))));
        }
        if let Some(bytes) = service.memory {
            words.push(size(bytes));
        }
        if let Some(drift) = service.drift {
            words.push(format!("drift: {drift}"));
        }
        words.join(", ")
    }
}

fn service(name: &str, state: &HostState, status: &Status) -> Service {
    let declared = status.services.get(name);
    let container = state.container(name);
    let drift = match (declared, container) {
        // An engine that does not answer says nothing of its containers.
        _ if state.holder.is_some() || state.docker.is_none() => None,
        (None, _) => Some("the release has no such service"),
        (Some(_), None) => Some("its container was removed"),
        (Some((label, _)), Some(container)) if *label != container.digest => {
            Some("its container is not of this release")
        }
        // An end of a one-shot is how it should be.
        (Some((_, false)), Some(container)) if container.state != "running" => {
            Some("it was stopped by hand, or ended")
        }
        _ => None,
    };
    Service {
        name: name.to_owned(),
        state: match container {
            Some(container) => container.state.clone(),
            None if state.docker.is_none() => "not known".to_owned(),
            None => "missing".to_owned(),
        },
        health: container.map_or(String::new(), |container| container.health.clone()),
        restarts: container.map_or(0, |container| container.restarts),
        started: status.started.get(name).cloned(),
        memory: status.memory.get(name).copied(),
        drift,
    }
}

/// Bytes in the unit that fits.
#[allow(clippy::cast_precision_loss)] // for a person
fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KB", bytes / 1024),
        1_048_576..1_073_741_824 => format!("{} MB", bytes / 1_048_576),
        _ => format!("{:.1} GB", bytes as f64 / 1_073_741_824.0),
    }
}

/// Seconds in the unit that fits.
fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::host::Actor;
    use crate::plan::{Container, ReleaseId};

    /// A host of which there is something to say in every line.
    fn host() -> (HostState, Status) {
        let container = |service: &str, state: &str, digest: &str| Container {
            service: service.to_owned(),
            state: state.to_owned(),
            health: if state == "running" { "healthy".to_owned() } else { String::new() },
            digest: digest.to_owned(),
            restarts: 1,
            ..Container::default()
        };
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<String>>();
        let state = HostState {
            docker: Some("known".to_owned()),
            current: Some(ReleaseId("0b".to_owned())),
            containers: vec![
                container("web", "running", "ff"),
                container("db", "exited", "ff"),
                container("init", "exited", "ff"),
                container("old", "running", "ff"),
            ],
            files: BTreeMap::from([
                ("a.yml".to_owned(), "1".to_owned()),
                ("x.yml".to_owned(), "2".to_owned()),
            ]),
            declared: BTreeMap::from([
                ("a.yml".to_owned(), "0".to_owned()),
                ("b.yml".to_owned(), "0".to_owned()),
            ]),
            foreign: text(&["a.yml", "x.yml"]),
            disk_free: 12 << 30,
            docker_free: 700 << 20,
            interrupted: Some("0c".to_owned()),
            ..HostState::default()
        };
        let service = |once: bool| ("ff".to_owned(), once);
        let status = Status {
            now: 1_763_900_000,
            deployed: Some(Record {
                time: 1_763_890_000,
                release: "0b".to_owned(),
                from: "0a".to_owned(),
                outcome: "deployed".to_owned(),
                seconds: 9,
                by: Actor { user: "ann".to_owned(), ..Actor::default() },
                reason: String::new(),
            }),
            kept: vec![
                KeptRelease { release: "0b".to_owned(), confirmed: 1_763_890_000, gone: Vec::new() },
                KeptRelease {
                    release: "0a".to_owned(),
                    confirmed: 1_763_800_000,
                    gone: vec!["web: example/web:1".to_owned()],
                },
            ],
            services: BTreeMap::from([
                ("web".to_owned(), service(false)),
                ("db".to_owned(), service(false)),
                ("init".to_owned(), service(true)),
                ("gone".to_owned(), service(false)),
            ]),
            memory: BTreeMap::from([("web".to_owned(), 90 << 20)]),
            started: BTreeMap::from([("web".to_owned(), "2025-11-23T11:13:20.5Z".to_owned())]),
            units: vec![
                Unit {
                    name: "unseal".to_owned(),
                    state: "activating".to_owned(),
                    words: "provision: age: no identity matched".to_owned(),
                },
                Unit { name: "finish".to_owned(), state: "active".to_owned(), words: String::new() },
            ],
            records: 300 << 10,
        };
        (state, status)
    }

    /// What is to be seen of that host.
    pub(in crate::report) fn look() -> Look {
        let (state, status) = host();
        Look::new(&state, &status)
    }

    #[test]
    fn a_host_is_shown_whole() {
        let (state, status) = host();
        insta::assert_snapshot!(Look::new(&state, &status).render("vps"), @r"
        vps: release 0b since 2025-11-23 09:26:40Z (2 h), by ann
          db                   exited, 1 restart, drift: it was stopped by hand, or ended
          gone                 missing, drift: its container was removed
          init                 exited, 1 restart
          old                  running, healthy, 1 restart, drift: the release has no such service
          web                  running, healthy, 1 restart, up 60 min, 90 MB
          drift        a.yml was edited by hand
          drift        b.yml was removed by hand
          drift        x.yml was added by hand
          lock         free
          interrupted  the activation of release 0c; the host, or the next deploy, ends it
          disk         12.0 GB free, docker's 700 MB; records take 300 KB
          secrets      not in place, or sealed to a host key that is no more: deploy again
          boot         unseal is activating: provision: age: no identity matched
          kept         0b of 2025-11-23 09:26:40Z, runs
          kept         0a of 2025-11-22 08:26:40Z
                       its image is gone: web: example/web:1; going back would pull it again
        ");
        assert!(!Look::new(&state, &status).is_well());
        let nothing = Look::new(&HostState::default(), &Status::default()).render("vps");
        insta::assert_snapshot!(nothing, @r"
        vps: nothing is deployed there
          docker       does not answer
          lock         free
          disk         0 KB free, docker's 0 KB; records take 0 KB
        ");
    }

    #[test]
    fn a_docker_that_does_not_answer_says_nothing_of_its_containers() {
        let (state, status) = host();
        let state = HostState { docker: None, containers: Vec::new(), ..state };
        let look = Look::new(&state, &status);
        assert!(!look.is_well());
        let text = look.render("vps");
        assert!(text.contains("docker       does not answer") && text.contains("not known"), "{text}");
        assert!(!text.contains("missing") && !text.contains("its container"), "{text}");
    }

    #[test]
    fn while_somebody_deploys_nothing_is_anybodys_edit_or_was_left_over() {
        let (state, status) = host();
        let state = HostState { holder: Some("the deploy of release 0c by ann".to_owned()), ..state };
        let look = Look::new(&state, &status);
        assert!(look.is_well());
        let text = look.render("vps");
        assert!(!text.contains("drift") && !text.contains("interrupted"), "{text}");
        insta::assert_snapshot!(text.lines().skip(6).take(2).collect::<Vec<_>>().join("\n"), @r"
          lock         held by the deploy of release 0c by ann
                       it is at work: files and containers are on their way
        ");
    }
}
