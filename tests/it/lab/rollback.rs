//! Going back to a kept release.

use super::interruptions::{goes_back_by_itself, kill_at};
use super::tiny::{remove, tiny};
use super::{Lab, RECORDS, Snapshot, vps};

const PASSWORD: &str = "cat /run/provision/koprogo-monitoring/alertmanager/smtp_password";

/// The files of a snapshot without the generated one, whose labels follow from the secrets.
fn own_files(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.files.lines().filter(|line| !line.contains("docker-compose.provision.yml")).collect()
}

#[test]
fn a_rollback_brings_files_back_and_keeps_todays_secrets() {
    let lab = Lab::take();
    let before = lab.snapshot();
    let old_password = vps(PASSWORD);
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  cpu_percent: 77");
    lab.provision(&["secrets", "set", "lab", "smtp_password", "--generate"]).ends_with(0, &[]);
    lab.deploy().ends_with(0, &[]);
    let new_password = vps(PASSWORD);
    assert_ne!(new_password, old_password);
    // A release that was never confirmed, as a power cut may leave one, is swept.
    vps(&format!("mkdir {RECORDS}/releases/deadbeefdeadbeef"));

    let dry = lab.provision(&["rollback", "lab", &before.release, "--dry-run"]);
    dry.ends_with(0, &[]);
    assert!(dry.stdout.contains("> 77\n") && dry.stdout.contains("> 85\n"), "{}", dry.stdout);
    lab.provision(&["rollback", "lab"]).ends_with(0, &[]);
    let after = lab.snapshot();
    assert_eq!(own_files(&after), own_files(&before));
    assert_eq!(vps(PASSWORD), new_password, "today's secrets stay");
    assert_ne!(after.release, before.release, "other secrets, another release");
    assert_eq!(vps(&format!("ls {RECORDS}/releases | grep -c deadbeef || true")), "0");

    lab.provision(&["rollback", "lab", &before.release[..6], "--with-secrets"]).ends_with(0, &[]);
    assert_eq!(lab.snapshot(), before);
    assert_eq!(vps(PASSWORD), old_password);
    lab.provision(&["rollback", "lab", "ffff"])
        .ends_with(5, &["the host keeps no release ffff", "It keeps:"]);
    let history = lab.provision(&["history", "lab", "-n", "3"]);
    history.ends_with(0, &[]);
    assert_eq!(history.stdout.matches("deployed  rollback").count(), 2, "{}", history.stdout);
}

#[test]
fn a_rollback_that_is_not_confirmed_returns_and_the_kept_release_stays() {
    let lab = Lab::take();
    let old = lab.snapshot().release;
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  memory: {alertmanager: 74}");
    lab.edit("inventory/lab.yml", "verify_timeout: 60s", "verify_timeout: 20s\n  confirm_timeout: 5s");
    lab.deploy().ends_with(0, &[]);
    let new = lab.snapshot();
    kill_at(&lab, &["rollback", "lab", &old], "settle ");
    goes_back_by_itself();
    assert_eq!(lab.snapshot(), new);
    lab.nothing_is_left_over();
    lab.provision(&["rollback", "lab", &old]).ends_with(0, &[]);
    assert_eq!(lab.snapshot().release, old);
}

#[test]
fn a_rollback_runs_the_image_that_the_release_ran_and_status_says_when_it_is_gone() {
    let lab = Lab::take();
    remove();
    tiny(&lab, "while :; do sleep 1; done");
    // Two images that one tag names in turn.
    let make = |mark: &str| {
        vps(&format!(
            "docker commit -c 'LABEL mark={mark}' $(docker create $(docker ps --filter name=prometheus --format '{{{{.Image}}}}')) lab/tiny-web:1 \
             && docker ps -aq --filter status=created | xargs docker rm >/dev/null"
        ));
        vps("docker image inspect -f '{{.Id}}' lab/tiny-web:1")
    };
    let runs = || vps("docker inspect -f '{{.Image}}' tiny-web-1");
    let one = make("one");
    let stack = std::fs::read_to_string(lab.path("stack/tiny/docker-compose.tiny.yml.tera")).unwrap();
    std::fs::write(
        lab.path("stack/tiny/docker-compose.tiny.yml.tera"),
        stack.replace("{{ image }}", "lab/tiny-web:1"),
    )
    .unwrap();
    lab.deploy().ends_with(0, &[]);
    assert_eq!(runs(), one);
    let two = make("two");
    lab.edit("stack/tiny/web/page.txt", "hello", "hello again");
    lab.deploy().ends_with(0, &[]);
    assert_eq!(runs(), two);
    let second = vps("cat /var/lib/provision/tiny/records/current");
    vps("docker image prune --force");
    let run = lab.provision(&["rollback", "lab"]);
    run.ends_with(0, &[]);
    assert!(run.stdout.contains("its tag names the image of release"), "{}", run.stdout);
    assert_eq!(runs(), one);
    let status = || lab.provision(&["status", "lab"]).stdout;
    assert!(!status().contains("is gone"), "{}", status());
    vps(&format!("docker rmi provision.keep/tiny/web:{second}"));
    assert!(status().contains("its image is gone: web: lab/tiny-web:1"), "{}", status());

    // Releases beyond those that are kept take their tags along.
    lab.edit("inventory/lab.yml", "deploy:", "deploy:\n  keep_releases: 2");
    for page in ["three", "four"] {
        std::fs::write(lab.path("stack/tiny/web/page.txt"), page).unwrap();
        lab.deploy().ends_with(0, &[]);
    }
    let tags = vps("docker images --format '{{.Tag}}' --filter 'reference=provision.keep/tiny/*' | sort");
    assert_eq!(tags, vps("ls /var/lib/provision/tiny/records/releases | sort"));
    assert_eq!(tags.lines().count(), 2);
    remove();
    vps(
        "docker images --format '{{.Repository}}:{{.Tag}}' | grep -E 'provision.keep/tiny|lab/tiny-web' | xargs -r docker rmi -f >/dev/null",
    );
}
