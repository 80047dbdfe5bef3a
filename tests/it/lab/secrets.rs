//! What becomes of a secret that changes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;

use super::interruptions::{goes_back_by_itself, kill_at};
use super::{Lab, vps};

/// Service → the id of its container.
fn containers() -> BTreeMap<String, String> {
    let list = vps("docker ps --no-trunc --filter label=com.docker.compose.project=koprogo-monitoring \
         --format '{{.Label \"com.docker.compose.service\"}} {{.ID}}'");
    list.lines().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// The services whose containers are others than before.
fn changed(before: &BTreeMap<String, String>) -> Vec<String> {
    let now = containers();
    assert!(before.keys().eq(now.keys()), "{before:?} {now:?}");
    now.into_iter()
        .filter(|(service, id)| before.get(service) != Some(id))
        .map(|(service, _)| service)
        .collect()
}

/// Sets a secret of the test's project, by standard input.
pub(super) fn set(lab: &Lab, name: &str, value: &str) {
    let mut child = lab.command(&["secrets", "set", "lab", name]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn a_changed_grafana_password_acts_and_recreates_grafana_alone() {
    let lab = Lab::take();
    let before = containers();
    set(&lab, "grafana_admin_password", "it's a \"new\" pa$$word, 20+");
    let run = lab.deploy();
    run.ends_with(0, &[]);
    assert!(run.stdout.contains("took its changed secret admin_password"), "{}", run.stdout);
    assert_eq!(changed(&before), ["grafana"]);
    lab.provision(&["verify", "lab"]).ends_with(0, &[]);
    // Once more: Grafana is not told again.
    assert!(lab.deploy().stdout.contains("nothing was touched"));
}

#[test]
fn a_release_that_nobody_confirms_takes_the_grafana_password_back() {
    let lab = Lab::take();
    let before = lab.snapshot();
    lab.edit("inventory/lab.yml", "verify_timeout: 60s", "verify_timeout: 20s\n  confirm_timeout: 5s");
    set(&lab, "grafana_admin_password", "kT9sPq2mZx7wLr4vBn4cXy");
    kill_at(&lab, &["deploy", "lab"], "took its changed secret admin_password");
    goes_back_by_itself();
    // It verifies with the old password.
    lab.is_as_before(&before);
}

#[test]
fn a_secret_that_is_gone_is_removed_from_the_host() {
    let lab = Lab::take();
    let before = containers();
    let folder = "ls -d /run/provision/koprogo-monitoring/alertmanager/* 2>/dev/null || true";
    assert!(vps(folder).contains("smtp_password"));
    let user = std::fs::read_to_string(lab.path("inventory/lab.yml")).unwrap();
    let user = user.lines().find(|line| line.contains("smtp_username:")).unwrap().to_owned();
    lab.edit("inventory/lab.yml", &format!("{user}\n"), "");
    lab.provision(&["secrets", "unset", "lab", "smtp_password"]).ends_with(0, &[]);
    lab.deploy().ends_with(0, &[]);
    assert_eq!(vps(folder), "");
    assert_eq!(changed(&before), ["alertmanager"]);
}
