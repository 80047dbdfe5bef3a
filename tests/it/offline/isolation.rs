//! The rules of who may look into whom.

use insta::assert_snapshot;

use super::refused;
use crate::support::Project;

const SECRETS: &str = "{type: bind, source: \"{{ secrets_dir }}/web\", target: /run/secrets, read_only: true, bind: {create_host_path: false}}";

/// A service `web` that holds a secret and runs as `user`, and another one, `eye`, with these lines.
fn stack(user: &str, eye: &str) -> String {
    let eye = eye.replace('\n', "\n    ");
    let project = Project::small(&format!(
        "services:\n  web:\n    image: example/web:1\n    restart: unless-stopped\n    user: \"{user}\"\n    \
         volumes: [{SECRETS}]\n    x-provision: {{secrets: {{password: a}}}}\n  \
         eye:\n    image: example/eye:1\n    restart: unless-stopped\n    {eye}\n"
    ));
    refused(&project)
}

fn bind(source: &str) -> String {
    format!(
        "volumes: [{{type: bind, source: {source}, target: /host, read_only: true, bind: {{create_host_path: false}}}}]"
    )
}

#[test]
fn one_that_sees_the_hosts_processes_is_not_the_user_of_one_with_secrets() {
    assert_snapshot!(stack("65534:65534", "user: \"65534:65534\"\npid: host"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):11:5: `eye` sees the host's processes (`pid: host`) and has the user and group of `web`, which holds secrets: it can look into that
        |     user: "65534:65534"
        |     ^
        hint: Give one of the two a group that no other service has: `user: "UID:GID"`.
    "#);
    assert_snapshot!(stack("0:0", &format!("user: 0:0\ncap_drop: [ALL]\n{}", bind("/proc"))), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):11:5: `eye` mounts `/proc` of the host and has the user and group of `web`, which holds secrets: it can look into that
        |     user: 0:0
        |     ^
        hint: Give one of the two a group that no other service has: `user: "UID:GID"`.
    "#);
    assert_snapshot!(stack("65534", &format!("user: \"65534:7\"\n{}", bind("/var/run/../../proc/"))), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):11:5: `eye` mounts `/var/run/../../proc/` of the host and has the user and group of `web`, which holds secrets: it can look into that
        |     user: "65534:7"
        |     ^
        hint: Give one of the two a group that no other service has: `user: "UID:GID"`.
    "#);
}

#[test]
fn one_that_sees_the_host_says_who_it_is_and_is_not_above_users() {
    assert_snapshot!(stack("65534:7", "pid: host"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):8:3: `eye` sees the host's processes (`pid: host`), and its user and group stand only in its image
        |   eye:
        |   ^
        hint: Say them in numbers that no other service has: `user: "65523:65523"`.
    "#);
    assert_snapshot!(stack("65534:7", "pid: host\nuser: nobody"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):12:5: `eye` sees the host's processes (`pid: host`), and its user and group stand only in its image
        |     user: nobody
        |     ^
        hint: Say them in numbers that no other service has: `user: "65523:65523"`.
    "#);
    assert_snapshot!(stack("65534:7", &format!("user: \"0:8\"\ncap_drop: [ALL]\n{}", bind("/"))), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):11:5: `eye` mounts `/` of the host as root, who may read every secret in /run/provision
        |     user: "0:8"
        |     ^
        hint: Give it a user of its own: `user: "65523:65523"`.
    "#);
    assert_snapshot!(stack("65534:7", "user: \"8:8\"\npid: host\ncap_add: [CAP_SYS_PTRACE]"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):13:5: `eye` sees the host's processes (`pid: host`) and has SYS_PTRACE, with which it reads every secret there
        |     cap_add: [CAP_SYS_PTRACE]
        |     ^
        hint: Take the capability away, or what it sees of the host.
    ");
    assert_snapshot!(stack("65534:7", "user: \"0:8\"\npid: host"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):8:3: `eye` sees the host's processes (`pid: host`) as root with the capabilities that docker gives
        |   eye:
        |   ^
        hint: Add `cap_drop: [ALL]`.
    ");
}

#[test]
fn nobody_mounts_what_is_anothers() {
    assert_snapshot!(stack("65534:7", &bind("\"{{ secrets_dir }}/web\"")), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):11:5: `eye` mounts `/run/provision/small/web`, where secrets of others are
        |     volumes: [{type: bind, source: "/run/provision/small/web", target: /host, read_only: true, bind: {create_host_path: false}}]
        |     ^
        hint: Mount /run/provision/small/eye, which has those that its `x-provision` names.
    "#);
    assert_snapshot!(stack("65534:7", &format!("user: \"8:8\"\n{}", bind("/run/provision"))), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):12:5: `eye` mounts `/run/provision`, where secrets of others are
        |     volumes: [{type: bind, source: /run/provision, target: /host, read_only: true, bind: {create_host_path: false}}]
        |     ^
        hint: Mount /run/provision/small/eye, which has those that its `x-provision` names.
    ");
}

#[test]
fn one_that_has_dockers_socket_is_not_the_user_of_one_that_sees_the_host() {
    let project = Project::small(&format!(
        "services:\n  proxy:\n    image: example/proxy:1\n    restart: unless-stopped\n    {}\n  \
         eye:\n    image: example/eye:1\n    restart: unless-stopped\n    user: \"0:0\"\n    cap_drop: [ALL]\n    pid: host\n",
        bind("/var/run/docker.sock")
    ));
    assert_snapshot!(refused(&project), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):9:5: `eye` sees the host's processes (`pid: host`) and has the user and group of `proxy`, which mounts docker's socket: it can look into that
        |     user: "0:0"
        |     ^
        hint: Give one of the two a group that no other service has: `user: "UID:GID"`.
    "#);
}

#[test]
fn who_reads_a_secret_is_who_the_service_runs_as() {
    let project = Project::small(&format!(
        "services:\n  web:\n    image: example/web:1\n    restart: unless-stopped\n    user: \"65534:7\"\n    \
         volumes: [{SECRETS}]\n    x-provision: {{uid: 1000, secrets: {{password: a}}}}\n"
    ));
    assert_snapshot!(refused(&project), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:5: `web` runs as user 65534, and its `x-provision` says that user 1000 reads its secrets
        |     user: "65534:7"
        |     ^
        hint: Say the same number in both, or leave `uid` out of `x-provision`.
    "#);
}
