//! What `status` says of a host.

use std::time::Duration;

use super::{Lab, vps, wait_for};
use crate::schema;

#[test]
fn status_says_what_runs_and_how_it_is() {
    let lab = Lab::take();
    // No key to the secrets is needed for it.
    std::fs::rename(lab.path("secrets/lab.yml.age"), lab.path("away")).unwrap();
    let run = lab.provision(&["status", "lab"]);
    run.ends_with(0, &[]);
    let release = lab.snapshot().release;
    assert!(run.stdout.contains(&format!("vps: release {release} since ")), "{}", run.stdout);
    for service in ["alertmanager", "grafana", "node-exporter", "postgres-exporter", "prometheus"] {
        let line = run.stdout.lines().find(|line| line.trim_start().starts_with(service)).unwrap();
        assert!(line.contains("running, healthy, 0 restarts, up ") && line.ends_with(" MB"), "{line}");
    }
    assert!(run.stdout.contains("lock         free"), "{}", run.stdout);
    assert!(!run.stdout.contains("drift") && !run.stdout.contains("boot "), "{}", run.stdout);

    vps(
        "echo edited >>/opt/koprogo/monitoring/prometheus/prometheus.yml; docker stop koprogo-monitoring-grafana-1",
    );
    // A service that is not there is no success.
    let run = lab.provision(&["status", "lab", "--output", "json"]);
    run.ends_with(7, &[]);
    let lines = schema::valid(&run.stdout);
    let status = lines.iter().find(|line| line["event"] == "status").unwrap();
    assert_eq!(status["drift"][0]["path"], "prometheus/prometheus.yml");
    let grafana = status["services"].as_array().unwrap().iter().find(|s| s["name"] == "grafana").unwrap();
    assert_eq!(
        (&grafana["state"], &grafana["drift"]),
        (&"exited".into(), &"it was stopped by hand, or ended".into())
    );
    std::fs::rename(lab.path("away"), lab.path("secrets/lab.yml.age")).unwrap();
    lab.deploy().ends_with(0, &[]);
}

#[test]
fn status_says_what_boot_waits_for() {
    let lab = Lab::take();
    let unit = "provision-koprogo-monitoring-unseal.service";
    vps(&format!("mv /usr/bin/age /usr/bin/age.away; systemctl restart --no-block {unit}"));
    let mut said = String::new();
    wait_for("status to say that the secrets cannot be opened", Duration::from_secs(30), || {
        said = lab.provision(&["status", "lab"]).stdout;
        said.contains("unseal is activating: the secrets cannot be unsealed: ") && said.contains("age")
    });
    vps(&format!("mv /usr/bin/age.away /usr/bin/age; systemctl restart {unit}"));
    let said = lab.provision(&["status", "lab"]).stdout;
    assert!(!said.contains("boot "), "{said}");
}
