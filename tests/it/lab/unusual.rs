//! Servers that are not as the lab's is: another login, another docker, a docker that hangs.

use std::time::{Duration, Instant};

use super::{Lab, Run, try_vps, vps, wait_for};

#[test]
fn a_login_that_is_not_root_is_never_told_that_nothing_is_there() {
    let lab = Lab::take();
    let before = lab.snapshot();
    // pwsudo may use sudo with a password only, and docker as it likes.
    vps("gpasswd -a pwsudo docker >/dev/null");
    lab.edit("inventory/lab.yml", "user: deploy", "user: pwsudo");
    lab.edit("inventory/lab.yml", "sudo: true", "sudo: false");
    for command in [
        &["status"][..],
        &["history"],
        &["plan"],
        &["verify"],
        &["deploy"],
        &["unlock"],
        &["rollback"],
        &["logs", "grafana"],
    ] {
        let mut arguments = command.to_vec();
        arguments.insert(1, "lab");
        let run = lab.provision(&arguments);
        run.ends_with(3, &["vps", "the login is pwsudo, which is not root", "Set `sudo: true` for `vps`"]);
        assert!(!run.stdout.contains("nothing"), "{command:?}: {}", run.stdout);
    }
    vps("gpasswd -d pwsudo docker >/dev/null");
    assert_eq!(lab.snapshot(), before);
}

#[test]
#[ignore = "long: make test-all"]
fn a_docker_that_hangs_is_named_by_every_command() {
    let lab = Lab::take();
    let begun = Instant::now();
    vps("kill -STOP $(pidof dockerd)");
    let children = [&["status", "lab"][..], &["plan", "lab"], &["verify", "lab"], &["deploy", "lab"]]
        .map(|arguments| (arguments, lab.spawn(arguments)));
    let runs = children.map(|(arguments, child)| (arguments, Run::from(&child.wait_with_output().unwrap())));
    vps("kill -CONT $(pidof dockerd)");
    for (arguments, run) in runs {
        if arguments[0] == "status" {
            assert_eq!(run.code, 7, "{}", run.stderr);
            assert!(run.stdout.contains("does not answer"), "{}", run.stdout);
            assert!(!run.stdout.contains("missing"), "{}", run.stdout);
        } else {
            run.ends_with(5, &["did not answer within 20 s", "systemctl restart docker"]);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", begun.elapsed());
    lab.deploy().ends_with(0, &[]);
}

/// Restarts docker with `lines` in its configuration, and waits until the application is back.
fn docker_with(lines: &str) {
    vps(&format!(
        "[ -f /root/daemon.json ] || cp /etc/docker/daemon.json /root/daemon.json; \
         sed 's|^{{|{{{lines}|' /root/daemon.json >/etc/docker/daemon.json; systemctl restart docker"
    ));
    wait_for("the application", Duration::from_secs(60), || {
        try_vps("docker exec koprogo-postgres pg_isready -q && docker exec koprogo-traefik true")
            .status
            .success()
    });
}

#[test]
#[ignore = "long: make test-all"]
fn dockers_own_address_and_folder_are_found_on_the_host() {
    let lab = Lab::take();
    vps("mkdir -p /srv/docker && mount --bind /var/lib/docker /srv/docker");
    docker_with("\"bip\": \"10.201.0.1/24\", \"data-root\": \"/srv/docker\",");
    let run = lab.deploy();
    let listens = vps("ss -Hltn 'sport = :9100'");
    let mounts = vps(
        "docker inspect koprogo-monitoring-alloy-1 koprogo-monitoring-promtail-1 2>/dev/null --format '{{range .Mounts}}{{.Source}} {{end}}' || true",
    );
    let again = lab.provision(&["plan", "lab", "--detailed-exitcode"]);
    docker_with("");
    vps("umount -l /srv/docker; rm /root/daemon.json");
    run.ends_with(0, &[]);
    assert!(listens.contains("10.201.0.1:9100"), "{listens}");
    assert!(mounts.contains("/srv/docker/containers"), "{mounts}");
    assert_eq!(again.code, 0, "{}", again.stdout);
    lab.deploy().ends_with(0, &[]);
}
