//! Checks of the real stack, whole and with parts switched off.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::inventory::Environment;
use crate::stack;

/// A component that can be switched off.
struct Component {
    name: &'static str,
    /// The services that it is made of.
    services: &'static [&'static str],
    /// The job that asks it.
    job: &'static str,
    /// What nothing may mention without it.
    words: &'static [&'static str],
}

const COMPONENTS: [Component; 9] = [
    Component {
        name: "alertmanager",
        services: &["alertmanager"],
        job: "alertmanager",
        words: &["alertmanager:9093", "uid: alertmanager", "alertmanager_"],
    },
    Component {
        name: "node_exporter",
        services: &["node-exporter"],
        job: "node-exporter",
        words: &["node-exporter", "node_", "host.docker.internal"],
    },
    Component {
        name: "postgres_exporter",
        services: &["postgres-exporter"],
        job: "postgres-exporter",
        words: &["postgres-exporter", "pg_"],
    },
    Component {
        name: "backend",
        services: &[],
        job: "koprogo-backend",
        // `job!="koprogo-backend"` leaves the backend out where it is, and is true where it is not.
        words: &[
            "job_name: koprogo-backend",
            "job=\"koprogo-backend",
            "job=\\\"koprogo-backend",
            "metrics_token",
        ],
    },
    Component {
        name: "grafana",
        services: &["grafana"],
        job: "grafana",
        words: &["grafana:3000", "grafana_"],
    },
    Component {
        name: "loki",
        services: &["loki"],
        job: "loki",
        words: &["loki:3100", "uid: loki", "\"uid\":\"loki\"", "\"uid\": \"loki\"", "loki_"],
    },
    Component {
        name: "collector",
        services: &["alloy"],
        job: "alloy",
        words: &["alloy:12345", "alloy_", "job=\"alloy"],
    },
    Component {
        name: "cadvisor",
        services: &["cadvisor", "socket-proxy"],
        job: "cadvisor",
        words: &["cadvisor", "docker-api", "container_"],
    },
    Component {
        name: "traefik",
        services: &[],
        job: "traefik",
        words: &["traefik:8082", "traefik_", "job=\"traefik"],
    },
];

/// Every choice of at most two components that are off, and of at most two that are on.
fn choices() -> BTreeSet<BTreeSet<&'static str>> {
    let all: BTreeSet<&str> = COMPONENTS.iter().map(|component| component.name).collect();
    let mut choices = BTreeSet::new();
    for first in &all {
        for second in &all {
            let pair = BTreeSet::from([*first, *second]);
            choices.insert(&all - &pair);
            choices.insert(pair);
        }
    }
    choices.extend([BTreeSet::new(), all]);
    choices
}

/// The repository's stack with these components off.
fn release(off: &BTreeSet<&str>) -> Release {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = tempfile::tempdir().unwrap();
    std::fs::create_dir(project.path().join("inventory")).unwrap();
    std::os::unix::fs::symlink(repository.join("stack"), project.path().join("stack")).unwrap();
    std::fs::copy(repository.join("inventory/all.yml"), project.path().join("inventory/all.yml")).unwrap();
    let components = off.iter().map(|name| format!("{name}: false")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "hosts: {{vps: {{address: 127.0.0.1}}}}\nvariables:\n  domain: a.example\n  application_network: n\n  \
         alert_email: a@a.example\n  smtp_username: u\n  metrics_auth: true\n  components: {{{components}}}\n"
    );
    std::fs::write(project.path().join("inventory/test.yml"), text).unwrap();
    let environment = Environment::load(project.path(), "test").unwrap_or_else(|error| panic!("{error}"));
    stack::load(&environment).unwrap_or_else(|error| panic!("without {off:?}: {error}"))
}

fn jobs_of(checks: &[Check]) -> BTreeSet<String> {
    let jobs = checks.iter().find_map(|check| match &check.question {
        Question::Targets { jobs, .. } => Some(jobs.iter().cloned().collect()),
        _ => None,
    });
    jobs.unwrap()
}

#[test]
fn whatever_is_off_nothing_of_it_is_left() {
    for off in choices() {
        let release = release(&off);
        let checks = checks(&release).unwrap_or_else(|problems| panic!("without {off:?}: {problems:?}"));
        let mut services = BTreeSet::from(["prometheus".to_owned()]);
        let mut jobs = services.clone();
        for component in &COMPONENTS {
            // Nothing collects logs that nobody takes.
            let is_off =
                off.contains(component.name) || (component.name == "collector" && off.contains("loki"));
            if !is_off {
                jobs.insert(component.job.to_owned());
                services.extend(component.services.iter().map(|name| (*name).to_owned()));
                continue;
            }
            for (path, file) in &release.files {
                let text = String::from_utf8_lossy(&file.content);
                for word in component.words {
                    assert!(!text.contains(word), "without {off:?}: {path} has {word}");
                }
            }
        }
        assert_eq!(release.services.keys().cloned().collect::<BTreeSet<_>>(), services, "without {off:?}");
        assert_eq!(jobs_of(&checks), jobs, "without {off:?}");
        for check in &checks {
            assert!(services.contains(&check.service), "without {off:?}: {}", check.name);
        }
        let names: BTreeSet<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names.len(), checks.len(), "a name stands twice");
        assert_eq!(
            names.contains("prometheus.alertmanagers"),
            !off.contains("alertmanager"),
            "without {off:?}"
        );
        assert_eq!(names.contains("grafana.datasources"), !off.contains("grafana"), "without {off:?}");
        let with_network = ["backend", "postgres_exporter", "traefik"].iter().any(|name| !off.contains(name));
        assert_eq!(!release.networks.is_empty(), with_network, "without {off:?}");
        for volume in &release.volumes {
            let of = |service: &String| volume.ends_with(&format!("_{service}_data"));
            assert!(services.iter().any(of), "without {off:?}: {volume}");
        }
    }
}

#[test]
fn the_whole_stack_is_asked_everything() {
    let checks = checks(&release(&BTreeSet::new())).unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    alertmanager.ready
    alertmanager.configuration
    alloy.ready
    grafana.health
    grafana.login
    grafana.datasources
    grafana.dashboards
    loki.ready
    loki.configuration
    loki.query
    postgres-exporter.database
    prometheus.ready
    prometheus.configuration
    prometheus.rules
    prometheus.targets
    prometheus.retention
    prometheus.alertmanagers
    ");
    let sources = checks.iter().find_map(|check| match &check.question {
        Question::GrafanaDatasources { uids, .. } => Some(uids.clone()),
        _ => None,
    });
    assert_eq!(sources.unwrap(), ["alertmanager", "loki", "prometheus"]);
}

#[test]
fn no_secret_is_needed_for_what_is_off() {
    let names = |off: &[&'static str]| release(&off.iter().copied().collect()).secret_names();
    let all = names(&[]);
    for (component, secret) in [
        ("alertmanager", "smtp_password"),
        ("backend", "metrics_token"),
        ("grafana", "grafana_admin_password"),
        ("postgres_exporter", "postgres_exporter_password"),
    ] {
        assert!(all.contains(secret));
        assert!(!names(&[component]).contains(secret), "{component}");
    }
}

#[test]
fn probes_are_those_of_what_is_there() {
    let names = |off: &[&'static str]| -> Vec<String> {
        let release = release(&off.iter().copied().collect());
        probes(&release, "7f3a").into_iter().map(|check| check.name).collect()
    };
    assert_eq!(names(&[]), ["grafana.panels", "loki.canary"]);
    assert_eq!(names(&["collector"]), ["grafana.panels"]);
    assert_eq!(names(&["grafana"]), ["loki.canary"]);
    assert!(names(&["grafana", "loki"]).is_empty());
    let all = probes(&release(&BTreeSet::new()), "7f3a");
    let jobs = all.iter().find_map(|check| match &check.question {
        Question::LogLine { jobs, nonce, .. } if nonce == "7f3a" => Some(jobs.clone()),
        _ => None,
    });
    assert_eq!(jobs.unwrap(), ["docker", "journal"]);
}
