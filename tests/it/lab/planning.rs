//! What a plan says of a host, and what becomes of it when the host changes meanwhile.

use std::process::{Command, Stdio};

use super::{Lab, RECORDS, container, vps};

const ALERTMANAGER: &str = "/opt/koprogo/monitoring/alertmanager/alertmanager.yml";

#[test]
fn a_plan_shows_each_difference_and_what_somebody_did_on_the_host() {
    let lab = Lab::take();
    vps(&format!("echo '# edited' >>{ALERTMANAGER}; docker stop koprogo-monitoring-node-exporter-1"));
    let before = lab.snapshot();
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  cpu_percent: 81");
    lab.provision(&["secrets", "set", "lab", "smtp_password", "--generate"]).ends_with(0, &[]);
    let plan = lab.provision(&["plan", "lab", "--detailed-exitcode"]);
    assert_eq!(plan.code, 10, "{}", plan.stderr);
    let dry = lab.provision(&["deploy", "lab", "--dry-run"]);
    dry.ends_with(0, &[]);
    for run in [&plan, &dry] {
        for line in [
            "prometheus: reload (prometheus/alerts/koprogo.yml changed)",
            "node-exporter: start (drift: its container was stopped on the host",
            "secret smtp_password: changed",
            "file prometheus/alerts/koprogo.yml: changed",
            "> 85\n",
            "> 81\n",
            "drift: alertmanager/alertmanager.yml was edited on the host and will be put back",
            "-# edited",
        ] {
            assert!(run.stdout.contains(line), "`{line}` is not in\n{}", run.stdout);
        }
    }
    assert_eq!(lab.snapshot(), before, "a plan changes nothing");
    lab.deploy().ends_with(0, &[]);
    assert_eq!(vps(&format!("grep -c edited {ALERTMANAGER} || true")), "0");
    assert_eq!(lab.provision(&["plan", "lab", "--detailed-exitcode"]).code, 0);
}

#[test]
fn a_host_that_changes_after_the_plan_is_planned_for_again() {
    let lab = Lab::take();
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  cpu_percent: 82");
    // As soon as the release arrives, and before it is activated, somebody edits a file.
    let edit = format!(
        "until ls -d {RECORDS}/incoming.* >/dev/null 2>&1; do :; done; echo '# meanwhile' >>{ALERTMANAGER}"
    );
    let mut somebody = Command::new("docker")
        .args(["exec", &container("vps"), "sh", "-c", &edit])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let run = lab.deploy();
    assert!(somebody.wait().unwrap().success());
    run.ends_with(0, &[]);
    assert!(run.stdout.contains("planning again"), "{}", run.stdout);
    assert!(run.stdout.contains("alertmanager/alertmanager.yml was edited on the host"), "{}", run.stdout);
    assert_eq!(vps(&format!("grep -c meanwhile {ALERTMANAGER} || true")), "0");
    assert_ne!(vps(&format!("grep -rl meanwhile {RECORDS}/set-aside")), "");
    lab.nothing_is_left_over();
}
