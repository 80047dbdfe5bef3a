//! Checks of the real stack, whole and with parts switched off.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::inventory::Environment;
use crate::stack;

/// The components that can be switched off: the service of each, and what nothing may mention without it.
const COMPONENTS: [(&str, &str, &[&str]); 5] = [
    ("alertmanager", "alertmanager", &["alertmanager:9093", "uid: alertmanager", "alertmanager_"]),
    ("node_exporter", "node-exporter", &["node-exporter", "node_", "host.docker.internal"]),
    ("postgres_exporter", "postgres-exporter", &["postgres-exporter", "pg_"]),
    // `job!="koprogo-backend"` leaves the backend out where it is, and is true where it is not.
    (
        "backend",
        "",
        &["job_name: koprogo-backend", "job=\"koprogo-backend", "job=\\\"koprogo-backend", "metrics_token"],
    ),
    ("grafana", "grafana", &["grafana:3000", "grafana_"]),
];

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
fn every_combination_of_components_leaves_nothing_of_what_is_off() {
    for bits in 0..1_u32 << COMPONENTS.len() {
        let is_off = |index: usize| bits & (1 << index) != 0;
        let off: BTreeSet<&str> = COMPONENTS
            .iter()
            .enumerate()
            .filter(|(index, _)| is_off(*index))
            .map(|(_, part)| part.0)
            .collect();
        let release = release(&off);
        let checks = checks(&release).unwrap_or_else(|problems| panic!("without {off:?}: {problems:?}"));
        let mut services = BTreeSet::from(["prometheus".to_owned()]);
        let mut jobs = services.clone();
        for (component, service, words) in COMPONENTS {
            if !off.contains(component) {
                jobs.insert(if service.is_empty() { "koprogo-backend" } else { service }.to_owned());
                services.extend((!service.is_empty()).then(|| service.to_owned()));
                continue;
            }
            for (path, file) in &release.files {
                let text = String::from_utf8_lossy(&file.content);
                for word in words {
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
        let with_network = !(off.contains("backend") && off.contains("postgres_exporter"));
        assert_eq!(!release.networks.is_empty(), with_network, "without {off:?}");
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
    assert_eq!(sources.unwrap(), ["alertmanager", "prometheus"]);
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
fn a_star_stays_inside_its_folder() {
    assert!(matches("prometheus/alerts/*.yml", "prometheus/alerts/koprogo.yml"));
    assert!(!matches("prometheus/alerts/*.yml", "prometheus/alerts/more/koprogo.yml"));
    assert!(!matches("prometheus/alerts/*.yml", "prometheus/alerts/koprogo.yaml"));
    assert!(matches("a/b*c*.yml", "a/bxcx.yml"));
}
