//! No secret value anywhere but in tmpfs.

use std::process::Command;

use super::{Lab, vps};

/// Runs a script in the VPS that gets the values on standard input: as an argument they would be found.
fn vps_with_input(script: &str, input: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("docker")
        .args(["exec", "-i", "provision-lab-vps", "sh", "-c", script])
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
    lab.provision(&["secrets", "set", "lab", "smtp_password"]).ends_with(2, &[]);
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  memory: {alertmanager: 70}");
    let text = lab.deploy();
    let json = lab.provision(&["deploy", "lab", "--output", "json"]);
    for run in [&text, &json] {
        run.ends_with(0, &[]);
        for (name, value) in names.iter().zip(&values) {
            assert!(!run.stdout.contains(value) && !run.stderr.contains(value), "{name} is in our output");
        }
    }

    // The hunt: every file that is not in tmpfs, every argument and environment, docker inspect. The
    // application's own copies (its database password and token files) are not ours: /opt/koprogo/app.
    let hunt = "cat >/dev/shm/values; \
        grep -rlaF -f /dev/shm/values --exclude-dir=app /etc /opt /root /home /srv /tmp /usr/local /var/log /var/tmp /var/lib/docker/containers /var/lib/docker/volumes /var/lib/systemd 2>/dev/null; \
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
