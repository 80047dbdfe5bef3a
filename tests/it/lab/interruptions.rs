//! Controllers that end in the middle, and two at once.

use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::time::Duration;

use super::{Lab, RECORDS, lock_is_free, vps, wait_for};

/// Reads the child's output until a line holds `text`.
pub(super) fn until(child: &mut Child, text: &str) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = lines.by_ref().map_while(Result::ok).any(|line| line.contains(text));
    assert!(found, "the deploy ended without `{text}`");
    // The rest has to be read, or the child blocks.
    std::thread::spawn(move || lines.for_each(drop));
}

/// Runs the program until its output holds `text`, and kills it.
pub(super) fn kill_at(lab: &Lab, arguments: &[&str], text: &str) {
    let mut child = lab.spawn(arguments);
    until(&mut child, text);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Waits until the host, which nobody confirms, has ended its activation.
pub(super) fn goes_back_by_itself() {
    wait_for("the host to go back by itself", Duration::from_secs(120), lock_is_free);
}

/// A change that recreates two services.
pub(super) fn change(lab: &Lab) {
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  memory: {alertmanager: 72, grafana: 300}");
    lab.edit("inventory/lab.yml", "verify_timeout: 60s", "verify_timeout: 20s\n  confirm_timeout: 5s");
}

#[test]
fn a_controller_killed_during_activation_leaves_the_old_release() {
    let lab = Lab::take();
    let before = lab.snapshot();
    change(&lab);
    for step in ["place ", "up ", "settle "] {
        kill_at(&lab, &["deploy", "lab"], step);
        goes_back_by_itself();
        lab.is_as_before(&before);
    }
}

#[test]
fn a_supervisor_killed_during_activation_is_mended_by_the_host() {
    let lab = Lab::take();
    let before = lab.snapshot();
    change(&lab);
    let mut child = lab.spawn(&["deploy", "lab"]);
    until(&mut child, "settle ");
    vps("pkill -9 -f '[a]ctivate.sh'");
    assert_eq!(child.wait().unwrap().code(), Some(6), "what became of it is not known to the controller");
    wait_for("the host to go back by itself", Duration::from_secs(120), || {
        lock_is_free() && vps(&format!("ls {RECORDS}")).lines().all(|line| !line.starts_with("activation"))
    });
    lab.is_as_before(&before);
}

#[test]
fn two_deploys_at_once_exclude_each_other() {
    let lab = Lab::take();
    change(&lab);
    let mut first = lab.spawn(&["deploy", "lab"]);
    until(&mut first, "settle ");
    let second = lab.deploy();
    second.ends_with(4, &["vps", "held by"]);
    assert!(first.wait().unwrap().success());
}

#[test]
fn ctrl_c_asks_the_host_to_go_back_and_waits() {
    let lab = Lab::take();
    let before = lab.snapshot();
    change(&lab);
    let mut child = lab.spawn(&["deploy", "lab"]);
    until(&mut child, "settle ");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    lab.is_as_before(&before);
}

#[test]
fn a_lost_connection_is_taken_up_again() {
    let lab = Lab::take();
    change(&lab);
    let mut child = lab.spawn(&["deploy", "lab"]);
    until(&mut child, "settle ");
    // Every login's process of sshd ends; the listener stays.
    vps("pkill -f '[s]shd-session: deploy' || pkill -f '[s]shd: deploy'");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    lab.nothing_is_left_over();
}
