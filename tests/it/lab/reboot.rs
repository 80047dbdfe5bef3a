//! The stack comes back after a reboot, without us.

use std::process::Command;
use std::time::Duration;

use super::interruptions::{change, kill_at};
use super::{Lab, RECORDS, ROOT, lock_is_free, try_vps, vps, wait_for};

/// Shows what the host says that it waits for.
const WAITING: &str = "cat /run/provision/koprogo-monitoring.control/waiting";

fn reboot() {
    let status = Command::new(format!("{ROOT}/tests/lab/lab.sh"))
        .arg("reboot")
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success(), "the VPS did not come back");
}

fn verifies(lab: &Lab) -> bool {
    lab.provision(&["verify", "lab", "--timeout", "5s"]).code == 0
}

#[test]
fn a_reboot_brings_the_stack_back_with_its_secrets() {
    let lab = Lab::take();
    let before = lab.snapshot();
    reboot();
    wait_for("the stack to be back", Duration::from_secs(90), || verifies(&lab));
    assert_eq!(lab.snapshot(), before);
}

#[test]
fn a_reboot_in_the_middle_of_an_activation_ends_at_the_old_release() {
    let lab = Lab::take();
    let before = lab.snapshot();
    change(&lab);
    kill_at(&lab, &["deploy", "lab"], "settle ");
    reboot();
    wait_for("the host to end the activation", Duration::from_secs(120), || {
        lock_is_free() && vps(&format!("ls {RECORDS}")).lines().all(|line| !line.starts_with("activation"))
    });
    lab.is_as_before(&before);
}

#[test]
fn a_reboot_with_an_unseal_that_fails_at_first_recovers_by_itself() {
    let lab = Lab::take();
    let before = lab.snapshot();
    // Without `age` nothing can be unsealed.
    vps("mv /usr/bin/age /usr/bin/age.away");
    reboot();
    wait_for("the unseal to fail", Duration::from_secs(60), || {
        String::from_utf8_lossy(
            &try_vps("journalctl -b -u provision-koprogo-monitoring-unseal --no-pager").stdout,
        )
        .contains("provision:")
    });
    // Docker and the application's own containers start regardless.
    wait_for("the application to run", Duration::from_secs(60), || {
        String::from_utf8_lossy(&try_vps("docker inspect -f '{{.State.Status}}' koprogo-backend").stdout)
            .contains("running")
    });
    assert!(!verifies(&lab), "the stack cannot be whole without its secrets");
    let waiting = vps(WAITING);
    assert!(waiting.starts_with("the secrets cannot be unsealed: ") && waiting.contains("age"), "{waiting}");
    assert_eq!(waiting.lines().count(), 1);
    let status = lab.provision(&["status", "lab"]);
    assert!(status.stdout.contains(&waiting), "status does not say what is waited for:\n{}", status.stdout);
    vps("mv /usr/bin/age.away /usr/bin/age");
    wait_for("the stack to be back", Duration::from_secs(120), || verifies(&lab));
    assert_eq!(lab.snapshot(), before);
    // A unit that just brought everything up says so a moment later.
    wait_for("nothing to be waited for", Duration::from_secs(30), || !try_vps(WAITING).status.success());
}
