//! A stack of one service beside the real one: first deploys, which the real one has behind it.

use super::{Lab, try_vps, vps};

const COMPOSE: &str = "
services:
  web:
    image: {{ image }}
    entrypoint: [\"/bin/sh\", \"-c\", \"{{ command }}\"]
    restart: unless-stopped
    volumes:
      - {type: bind, source: ./web, target: /web, read_only: true, bind: {create_host_path: false}}
      - data:/data
volumes:
  data: {}
";

/// Makes the project one of `project: tiny` with that stack; `command` is what its service runs.
pub(super) fn tiny(lab: &Lab, command: &str) {
    let image = vps("docker ps --filter name=prometheus --format '{{.Image}}'");
    std::fs::create_dir_all(lab.path("stack/tiny/web")).unwrap();
    std::fs::write(lab.path("stack/tiny/docker-compose.tiny.yml.tera"), COMPOSE).unwrap();
    std::fs::write(lab.path("stack/tiny/web/page.txt"), "hello\n").unwrap();
    std::fs::write(
        lab.path("stack/tiny/variables.yml"),
        format!("variables:\n  image: {{type: string, default: {image}}}\n  command: {{type: string, default: {command}}}\n"),
    )
    .unwrap();
    let lab_file = std::fs::read_to_string(lab.path("inventory/lab.yml")).unwrap();
    let hosts = lab_file.split("variables:").next().unwrap();
    std::fs::write(
        lab.path("inventory/lab.yml"),
        format!("{hosts}project: tiny\nstack: tiny\nremote: {{path: /opt/koprogo/tiny}}\n"),
    )
    .unwrap();
    // The shared file's variables are of the other stack.
    std::fs::write(lab.path("inventory/all.yml"), "").unwrap();
    for file in ["lab.yml.age", "lab.recipients.txt"] {
        std::fs::remove_file(lab.path(&format!("secrets/{file}"))).unwrap();
    }
}

pub(super) fn remove() {
    vps("docker ps -aq --filter label=com.docker.compose.project=tiny | xargs -r docker rm -f >/dev/null; \
         docker volume rm -f tiny_data >/dev/null; docker network rm tiny_default >/dev/null 2>&1; \
         systemctl disable --quiet --now provision-tiny-unseal.service provision-tiny-finish.service 2>/dev/null; \
         rm -rf /opt/koprogo/tiny /var/lib/provision/tiny /etc/systemd/system/provision-tiny-*; systemctl daemon-reload; \
         umount /run/provision/tiny 2>/dev/null; rm -rf /run/provision/tiny /run/provision/tiny.control");
}

#[test]
fn a_first_deploy_that_fails_leaves_nothing_but_its_log() {
    let lab = Lab::take();
    remove();
    tiny(&lab, "exit 3");
    // Of another project, whose name begins as this one's.
    let other = "/etc/systemd/system/provision-tiny-metrics-unseal.service";
    vps(&format!("printf '[Service]\\nType=oneshot\\nExecStart=/bin/true\\n' >{other}"));
    let run = lab.deploy();
    run.ends_with(5, &["vps", "web: it crashes", "nothing of it runs"]);
    assert_eq!(vps("docker ps -aq --filter label=com.docker.compose.project=tiny"), "");
    assert_eq!(vps("ls -d /opt/koprogo/tiny /var/lib/provision/tiny/live 2>/dev/null || true"), "");
    assert_eq!(vps(&format!("ls /etc/systemd/system/provision-tiny*; rm {other}")), other);
    assert_eq!(vps("docker volume ls -q --filter name=tiny_data"), "tiny_data", "volumes are never deleted");
    assert!(!try_vps("grep -q ' /run/provision/tiny ' /proc/mounts").status.success());
    assert_ne!(vps("ls /var/lib/provision/tiny/records/log"), "");
    remove();
}

#[test]
fn a_folder_that_somebody_else_filled_is_not_taken_over() {
    let lab = Lab::take();
    remove();
    tiny(&lab, "while :; do sleep 1; done");
    vps("mkdir -p /opt/koprogo/tiny && echo theirs >/opt/koprogo/tiny/compose.yml");
    let run = lab.deploy();
    run.ends_with(
        5,
        &["vps", "1 file in the remote folder", "were not deployed by provision", "move the folder away"],
    );
    assert_eq!(vps("cat /opt/koprogo/tiny/compose.yml"), "theirs");
    remove();
}

#[test]
fn a_first_deploy_and_files_that_somebody_edited() {
    let lab = Lab::take();
    remove();
    tiny(&lab, "while :; do sleep 1; done");
    let plan = lab.provision(&["plan", "lab", "--detailed-exitcode"]);
    assert_eq!(plan.code, 10, "{}", plan.stderr);
    let dry = lab.provision(&["deploy", "lab", "--dry-run"]);
    dry.ends_with(0, &[]);
    for run in [&plan, &dry] {
        for line in ["web: create (it has no container)", "file web/page.txt: added", "+hello"] {
            assert!(run.stdout.contains(line), "`{line}` is not in\n{}", run.stdout);
        }
    }
    assert!(
        !try_vps("ls -d /opt/koprogo/tiny /var/lib/provision/tiny").status.success(),
        "a plan makes nothing"
    );
    lab.deploy().ends_with(0, &[]);
    // A copy of the environment, alone in its project: the host knows whose it is.
    for end in ["yml", "known_hosts"] {
        std::fs::copy(lab.path(&format!("inventory/lab.{end}")), lab.path(&format!("inventory/copy.{end}")))
            .unwrap();
    }
    lab.provision(&["plan", "copy"])
        .ends_with(2, &["inventory/copy.yml", "`lab` has the folder /opt/koprogo/tiny"]);
    std::fs::rename(lab.path("inventory/lab.yml"), lab.path("away")).unwrap();
    for command in ["plan", "deploy", "verify", "status"] {
        lab.provision(&[command, "copy"])
            .ends_with(5, &["what runs there is the environment lab", "/manifest"]);
    }
    std::fs::rename(lab.path("away"), lab.path("inventory/lab.yml")).unwrap();
    std::fs::remove_file(lab.path("inventory/copy.yml")).unwrap();
    // Somebody edits a file on the host: it is shown as drift, put back, and their edit is kept.
    // What they put into the folder that the service mounts goes, whatever its name; what lies elsewhere stays.
    vps(
        "cd /opt/koprogo/tiny && echo edited >web/page.txt && mkdir data && echo theirs | tee README data/1 >\"$(printf 'web/a\\nb\\\\c')\"",
    );
    let plan = lab.provision(&["plan", "lab"]);
    for line in ["drift: web/page.txt", r"drift: web/a\nb\\c was put there by hand and goes"] {
        assert!(plan.stdout.contains(line), "`{line}` is not in\n{}", plan.stdout);
    }
    assert!(!plan.stdout.contains("README") && !plan.stdout.contains("data"), "{}", plan.stdout);
    lab.deploy().ends_with(0, &[]);
    assert_eq!(
        vps("cd /opt/koprogo/tiny && cat web/page.txt README data/1; ls web"),
        "hello\ntheirs\ntheirs\npage.txt"
    );
    assert_eq!(lab.provision(&["plan", "lab", "--detailed-exitcode"]).code, 0);
    assert_eq!(vps("cat /var/lib/provision/tiny/records/set-aside/*/web/page.txt"), "edited");
    assert_eq!(vps("cat /var/lib/provision/tiny/records/set-aside/*/web/a*"), "theirs");
    remove();
}
