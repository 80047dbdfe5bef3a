//! What a plan says of a host, and what becomes of it when the host changes meanwhile.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Lab, RECORDS, Run, container, vps};

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

/// A client of OpenSSH's at the lab's VPS with one key, whatever else the machine has.
fn openssh(program: &str, key: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]);
    command.args(["-o", "IdentityAgent=none", "-o", "StrictHostKeyChecking=no", "-o", "ConnectTimeout=20"]);
    command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=INFO"]).arg("-i").arg(key);
    command.arg("-o").arg(format!("Port={port}")).stdin(Stdio::null());
    command
}

#[test]
fn a_key_that_may_only_plan_plans_and_does_nothing_else() {
    let lab = Lab::take();
    let inventory: serde_yaml::Value =
        serde_yaml::from_str(&std::fs::read_to_string(lab.path("inventory/lab.yml")).unwrap()).unwrap();
    let host = &inventory["hosts"]["vps"];
    let text = |name: &str| host[name].as_str().unwrap().to_owned();
    let (address, user, old_key) = (text("address"), text("user"), text("identity_file"));
    let port = host["port"].as_u64().map_or(22, |port| u16::try_from(port).unwrap());
    let key = lab.path("plan-key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let line = lab.provision(&["plan", "lab", "--authorize", lab.path("plan-key.pub").to_str().unwrap()]);
    line.ends_with(0, &[]);
    let authorized = format!("$(getent passwd {user} | cut -d: -f 6)/.ssh");
    vps(&format!(
        "install -d -m 0700 -o {user} {authorized}; umask 077; cat >{authorized}/authorized_keys <<'END'\n{}END\n\
         chown {user} {authorized}/authorized_keys",
        line.stdout
    ));

    vps(&format!("echo 'password: hunter2' >>{ALERTMANAGER}"));
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  cpu_percent: 84");
    lab.edit("inventory/lab.yml", &old_key, key.to_str().unwrap());
    let before = lab.snapshot();
    let mut command = lab.command(&["plan", "lab", "--without-secrets", "--detailed-exitcode"]);
    command.env("PROVISION_IDENTITY", "/there/is/none").env_remove("SSH_AUTH_SOCK");
    let plan = Run::from(&command.output().unwrap());
    assert_eq!(plan.code, 10, "{plan:?}");
    for line in [
        "the secrets were not opened",
        "prometheus: reload (prometheus/alerts/koprogo.yml changed)",
        "> 85\n",
        "> 84\n",
        "drift: alertmanager/alertmanager.yml was edited on the host and will be put back",
        "vps: 2 services (2 reload), 2 files, 1 file changed on the host",
    ] {
        assert!(plan.stdout.contains(line), "`{line}` is not in\n{}", plan.stdout);
    }
    assert!(!plan.stdout.contains("hunter2") && !plan.stdout.contains("secret "), "{}", plan.stdout);

    // Everything else of provision's.
    let only_plan = "this key may only plan";
    lab.provision(&["status", "lab"]).ends_with(3, &[only_plan]);
    lab.provision(&["history", "lab"]).ends_with(3, &[only_plan]);
    for command in ["deploy", "verify", "rollback"] {
        lab.provision(&[command, "lab"]).ends_with(3, &[]);
    }
    // And of SSH's.
    let there = format!("{user}@{address}");
    let refused = |command: &mut Command, what: &str| {
        let output = command.output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "{what}: {said}");
        said
    };
    for (what, arguments) in [
        ("a shell", &[][..]),
        ("a command", &["id"]),
        ("the receiving script", &["sh -c ': ' sh receive.sh"]),
    ] {
        let said = refused(openssh("ssh", &key, port).arg(&there).args(arguments), what);
        assert!(said.contains(only_plan) && !said.contains("uid="), "{what}: {said}");
    }
    let pty = refused(openssh("ssh", &key, port).arg("-tt").arg(&there).arg("id"), "a terminal");
    assert!(pty.contains("PTY allocation request failed") && !pty.contains("uid="), "{pty}");
    let forward = refused(openssh("ssh", &key, port).args(["-W", "127.0.0.1:9090"]).arg(&there), "a forward");
    assert!(forward.contains("administratively prohibited"), "{forward}");
    let back = ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:39391:127.0.0.1:1"];
    refused(openssh("ssh", &key, port).args(back).arg(&there), "a forward back");
    let (file, remote) = (lab.path("plan-key.pub"), format!("{there}:/tmp/plan-only"));
    refused(openssh("scp", &key, port).arg("-O").arg(&file).arg(&remote), "scp's old protocol");
    refused(openssh("scp", &key, port).arg("-s").arg(&file).arg(&remote), "scp");
    refused(openssh("sftp", &key, port).arg(&there), "sftp");
    assert_eq!(vps("ls /tmp/plan-only 2>/dev/null || true"), "");
    assert_eq!(lab.snapshot(), before, "nothing was changed");
    vps(&format!("rm {authorized}/authorized_keys"));
}
