//! No secret value anywhere but in tmpfs.

use std::process::Command;

use super::{Lab, container, vps};

/// Runs a script in the VPS that gets the values on standard input: as an argument they would be found.
fn vps_with_input(script: &str, input: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("docker")
        .args(["exec", "-i", &container("vps"), "sh", "-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn no_secret_is_found_outside_of_tmpfs() {
    let lab = Lab::take();
    let names = ["grafana_admin_password", "smtp_password", "postgres_exporter_password", "metrics_token"];
    let values: Vec<String> = names
        .iter()
        .map(|name| lab.provision(&["secrets", "view", "lab", name]).stdout.trim().to_owned())
        .collect();
    assert!(values.iter().all(|value| value.len() >= 16), "the lab's secrets are too short to look for");

    // First the proof that the containers do read these values: each secret file, seen from inside.
    let read = vps("for file in /run/provision/koprogo-monitoring/*/*; do cat \"$file\"; echo; done");
    for (name, value) in names.iter().zip(&values) {
        assert!(read.contains(value), "{name} is in no secrets folder");
    }
    let inside = vps("docker exec koprogo-monitoring-alertmanager-1 cat /run/secrets/smtp_password");
    assert_eq!(inside, values[1]);

    // A deploy that sends all of them anew, with everything it says kept.
    // Meanwhile every process's arguments and environment are looked at, again and again.
    vps_with_input("cat >/dev/shm/wanted", &(values.join("\n") + "\n"));
    let watch = "while [ ! -e /dev/shm/enough ]; do \
          for process in /proc/[0-9]*; do \
            tr '\\0' '\\n' <\"$process/cmdline\" 2>/dev/null | grep -aqF -f /dev/shm/wanted && echo \"$process cmdline\" >>/dev/shm/hits; \
            tr '\\0' '\\n' <\"$process/environ\" 2>/dev/null | grep -aqF -f /dev/shm/wanted && echo \"$process environ\" >>/dev/shm/hits; \
          done; echo >>/dev/shm/rounds; done";
    vps("rm -f /dev/shm/enough /dev/shm/hits /dev/shm/rounds");
    let watcher = Command::new("docker").args(["exec", "-d", &container("vps"), "sh", "-c", watch]).status();
    assert!(watcher.unwrap().success());
    // A secret that is gone from tmpfs makes the deploy seal and send all of them again.
    vps("rm /run/provision/koprogo-monitoring/alertmanager/smtp_password");
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  memory: {alertmanager: 70}");
    let text = lab.deploy();
    let rounds: usize = vps("touch /dev/shm/enough; wc -l </dev/shm/rounds").parse().unwrap();
    assert!(rounds > 3, "the processes were looked at {rounds} times only");
    assert_eq!(vps("cat /dev/shm/hits 2>/dev/null; rm -f /dev/shm/wanted /dev/shm/rounds"), "");
    let json = lab.provision(&["deploy", "lab", "--output", "json"]);
    for run in [&text, &json] {
        run.ends_with(0, &[]);
        for (name, value) in names.iter().zip(&values) {
            assert!(!run.stdout.contains(value) && !run.stderr.contains(value), "{name} is in our output");
        }
    }

    // The hunt: every file that is not in tmpfs, docker's data included, every argument and environment, docker
    // inspect, the journal. The application's own copies (its database password and token files) are not ours: /opt/koprogo/app.
    let hunt = "cat >/dev/shm/values; \
        grep -rlaF -f /dev/shm/values --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev --exclude-dir=run / 2>/dev/null; \
        for process in /proc/[0-9]*; do \
          for file in cmdline environ; do tr '\\0' '\\n' <\"$process/$file\" 2>/dev/null | grep -aqF -f /dev/shm/values && echo \"$process/$file\"; done; \
        done; \
        docker ps -aq | xargs docker inspect | grep -aF -f /dev/shm/values; \
        journalctl --no-pager | grep -aF -f /dev/shm/values; \
        rm /dev/shm/values";
    let list = values.join("\n") + "\n";
    let found = vps_with_input(hunt, &list);
    let found: Vec<&str> = found.lines().filter(|line| !line.starts_with("/opt/koprogo/app")).collect();
    assert_eq!(found, Vec::<&str>::new(), "a secret was found");

    // And the hunt does find one that is planted.
    vps_with_input("cat >/var/tmp/planted", &values[0]);
    let found = vps_with_input(hunt, &list);
    vps("rm /var/tmp/planted");
    assert!(found.contains("/var/tmp/planted"), "the hunt finds nothing: {found}");
}
