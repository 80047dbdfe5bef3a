//! The scripts by themselves, under dash and busybox.

use std::time::{Duration, Instant};

use super::broken::Login;
use super::scripts;
use super::testing::{SHELLS, Stand, printed};
use crate::plan::HostState;

/// `docker` of a host with an application and nothing of ours: what Docker 26.1 of Debian 13 answered.
const DOCKER: &str = "case $1 in
network) printf 'bridge\\nhost\\nkoprogo_koprogo-network\\nnone\\n' ;;
ps) ;;
version) echo '26.1.5+dfsg1 1.45' ;;
compose) echo 2.26.1-4 ;;
info) printf '/var/lib/docker\\nname=seccomp,profile=builtin\\n' ;;
*) echo \"unexpected: $*\" >&2; exit 1 ;;
esac";

/// What `ip` says of docker0 there.
const DOCKER0: &str =
    "echo '2: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0\\  valid_lft forever'";

/// What the probe finds of a host, under each shell; `change` makes the host another one.
pub(super) fn probed(change: impl Fn(&Stand)) -> Vec<HostState> {
    probed_with(scripts::PROBE.text, change)
}

fn probed_with(text: &str, change: impl Fn(&Stand)) -> Vec<HostState> {
    let stand = Stand::new();
    stand.docker(DOCKER);
    stand.program("ip", DOCKER0);
    change(&stand);
    let login = Login { user: "deploy".to_owned(), by_hand: "ssh deploy@vps true".to_owned() };
    let answers = stand.run(text, &[], "");
    let left = std::fs::read_dir(stand.path("run")).unwrap().count();
    assert_eq!(left, 0, "the probe leaves nothing");
    answers
        .into_iter()
        .map(|(shell, output)| {
            super::probe::parse(&output, &login).unwrap_or_else(|error| panic!("{shell}: {error} {output:?}"))
        })
        .collect()
}

/// The scripts that only look, with arguments beside the folder and the project, and what they answer on a host
/// where nothing of ours is.
const LOOKING: [(&str, &str, &[&str], &str); 6] = [
    ("texts, in place", scripts::TEXTS.text, &[""], ""),
    ("texts, of a release", scripts::TEXTS.text, &["0123456789abcdef"], ""),
    ("history", scripts::HISTORY, &["20"], "end\n"),
    ("unlock", scripts::UNLOCK, &["ann"], "outcome\tfree\n"),
    ("await-lock", scripts::AWAIT_LOCK, &["1"], "free\n"),
    ("resume", scripts::RESUME, &["0123456789abcdef", "1"], "outcome\tvanished\n"),
];

#[test]
fn what_only_looks_finds_nothing_on_a_fresh_host_and_makes_nothing() {
    for (name, text, args, answer) in LOOKING {
        let stand = Stand::new();
        for (shell, output) in stand.run(text, args, "prometheus/prometheus.yml\n") {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status, &*said), (0, ""), "{name} under {shell}");
            if name.starts_with("texts") {
                assert_eq!(super::texts::read(&output.stdout).unwrap().len(), 0, "{name} under {shell}");
            } else {
                assert_eq!(printed(&output), answer, "{name} under {shell}");
            }
        }
        assert!(!stand.path("opt/stack").exists() && !stand.path("run/provision").exists(), "{name}");
    }
}

#[test]
fn texts_are_those_in_place_or_those_of_a_kept_release() {
    let stand = Stand::new();
    stand.write("lib/p/live/a b.yml", "in place\n");
    stand.write("lib/p/records/releases/0a/files/a b.yml", "kept\n");
    let paths = "a b.yml\nfiles/a b.yml\nmissing\n";
    for (folder, path, text) in [("", "a b.yml", "in place\n"), ("0a", "files/a b.yml", "kept\n")] {
        for (shell, output) in stand.run(scripts::TEXTS.text, &[folder], paths) {
            let texts = super::texts::read(&output.stdout).unwrap();
            assert_eq!(texts.len(), 1, "{shell}");
            assert_eq!(texts[path], text.as_bytes(), "{shell}");
        }
    }
}

#[test]
fn status_of_a_fresh_host_is_whole() {
    let stand = Stand::new();
    for (shell, output) in stand.run(scripts::STATUS, &[], "") {
        let status = super::status::parse(&output);
        let status = status.unwrap_or_else(|| panic!("{shell}: {output:?}"));
        assert!(status.now > 0 && status.kept.is_empty() && status.services.is_empty(), "{shell}");
    }
}

#[test]
fn who_is_not_root_is_told_so_by_every_script_and_never_that_nothing_is_there() {
    let mut all: Vec<(&str, &str)> = LOOKING.iter().map(|(name, text, ..)| (*name, *text)).collect();
    all.extend([
        ("probe", scripts::PROBE.text),
        ("status", scripts::STATUS),
        ("logs", scripts::LOGS),
        ("receive", scripts::RECEIVE.text),
        ("answer", scripts::ANSWER.text),
        ("role", scripts::ROLE),
        ("canary", scripts::CANARY),
        ("overhead", scripts::OVERHEAD),
    ]);
    let mut stand = Stand::new();
    stand.uid = 1000;
    for (name, text) in all {
        for (shell, output) in
            stand.run(text, &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"], "")
        {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                (output.status, printed(&output).as_str(), said.trim()),
                (91, "", "the login is 1000, which is not root"),
                "{name} under {shell}"
            );
        }
    }
}

/// What findmnt, which the probe does not need, says of this machine's own root.
fn is_root_shared() -> bool {
    let output =
        std::process::Command::new("findmnt").args(["-n", "-o", "PROPAGATION", "/"]).output().unwrap();
    !String::from_utf8_lossy(&output.stdout).trim().starts_with("private")
}

#[test]
fn the_probe_finds_what_docker_is_before_anything_is_sent() {
    for state in probed(|_| {}) {
        assert_eq!(state.docker.as_deref(), Some("26.1.5+dfsg1"));
        assert_eq!((state.docker_api.as_deref(), state.compose.as_deref()), (Some("1.45"), Some("2.26.1-4")));
        assert_eq!(state.docker_root.as_deref(), Some("/var/lib/docker"));
        assert_eq!(state.gateway.as_deref(), Some("172.17.0.1"));
        assert_eq!(state.socket_group, None);
        assert_eq!(state.docker_security, ["seccomp".to_owned()].into());
        assert_eq!(state.root_shared, Some(is_root_shared()));
        assert_eq!(state.networks.len(), 4);
        assert!(state.containers.is_empty() && state.current.is_none() && !state.docker_snap);
        assert!(
            state.disk_free > 0
                && state.docker_free > 0
                && state.run_free.is_some()
                && !state.machine.is_empty()
        );
    }
    let other =
        DOCKER.replace("/var/lib/docker\\n", "/srv/docker/1000.1000\\nname=userns\\nname=rootless\\n");
    for state in probed(|stand| {
        stand.docker(&other.replace("*) echo", "network-none) ;;\n*) echo"));
        // A docker that was told to use another bridge than docker0.
        stand.program("ip", "exit 1");
        stand.docker(
            &other
                .replace("network) printf", "network) [ $2 != inspect ] || { echo 10.9.8.1; exit; }; printf"),
        );
    }) {
        assert_eq!(state.docker_root.as_deref(), Some("/srv/docker/1000.1000"));
        assert_eq!(state.gateway.as_deref(), Some("10.9.8.1"));
        assert!(state.docker_security.contains("userns") && state.docker_security.contains("rootless"));
        assert!(state.docker_free > 0);
    }
}

#[test]
fn the_probe_finds_the_group_of_dockers_socket() {
    for state in probed(|stand| {
        std::os::unix::net::UnixListener::bind(stand.path("docker.sock")).unwrap();
    }) {
        assert_eq!(state.socket_group, Some(rustix::process::getegid().as_raw()));
    }
}

#[test]
fn where_a_release_runs_docker_is_asked_for_no_version_and_its_containers_tell_its_folder() {
    let id = "1".repeat(64);
    let container = format!(
        r#"{{"service":"web","name":"/p-web-1","id":"{id}","image":"i:1","image_id":"sha256:1","state":"running","health":"","restarts":0,"exit_code":0,"digest":"d","pid":0,"network":"p","ports":{{}},"hostname":"/srv/docker/containers/{id}/hostname"}}"#
    );
    let docker = format!(
        "case $1 in\nnetwork) echo bridge ;;\nps) echo {id} ;;\ninspect) echo '{container}' ;;\ncompose) exit 1 ;;\n\
         *) echo \"unexpected: $*\" >&2; exit 1 ;;\nesac"
    );
    let release = |stand: &Stand| {
        stand.write("lib/p/records/current", "0a\n");
        stand.write("lib/p/records/releases/0a/manifest", "owner\tp\tprod\ncompose\tc.yml\n");
    };
    for state in probed(|stand| {
        release(stand);
        stand.docker(&docker);
    }) {
        assert_eq!((state.docker.as_deref(), state.docker_api.as_deref()), (Some("known"), None));
        assert_eq!(state.docker_root.as_deref(), Some("/srv/docker"));
        assert_eq!(state.containers[0].service, "web");
        assert_eq!(state.owner, Some(("p".to_owned(), "prod".to_owned())));
    }
    // One that is removed between the two questions is no error, and containers that cannot be seen are not "none".
    for (times, seen) in [(1, true), (9, false)] {
        for state in probed(|stand| {
            release(stand);
            let count = stand.path("count").to_str().unwrap().to_owned();
            let gone = format!(
                "inspect) echo x >>{count}; [ $(($(wc -l <{count}) % 10)) -gt {times} ] || {{ echo 'No such object' >&2; exit 1; }}; echo"
            );
            stand.docker(&docker.replace("inspect) echo", &gone));
        }) {
            assert_eq!((state.docker.is_some(), state.containers.len()), (seen, usize::from(seen)));
            assert_eq!(state.docker_error.contains("No such object"), !seen, "{}", state.docker_error);
        }
    }
}

#[test]
fn a_docker_that_hangs_is_waited_for_so_long_and_no_longer() {
    let begun = Instant::now();
    let text = scripts::PROBE.text.replace("limited 20 ", "limited 1 ");
    for state in probed_with(&text, |stand| stand.docker("exec sleep 60")) {
        assert_eq!((state.docker, state.compose), (None, None));
        let said = &state.docker_error;
        assert!(said.contains("`docker network` did not answer within 1 s"), "{said}");
        assert!(said.contains("`docker ps` did not answer within 1 s"), "{said}");
    }
    let stand = Stand::new();
    stand.docker("exec sleep 60");
    for (name, text) in [
        ("status", scripts::STATUS),
        ("logs", scripts::LOGS),
        ("role", scripts::ROLE),
        ("canary", scripts::CANARY),
    ] {
        let text = text.replace("limited 20 ", "limited 1 ");
        for (shell, output) in stand.run(&text, &["web", "10", "no"], "") {
            let said = String::from_utf8_lossy(&output.stderr);
            if name == "status" {
                assert!(super::status::parse(&output).is_some(), "{shell}: {output:?}");
            } else {
                assert!(
                    output.status != 0 && said.contains("did not answer within 1 s"),
                    "{name} {shell}: {output:?}"
                );
                assert!(
                    !said.contains("does not run") && !said.contains("no container"),
                    "{name} {shell}: {said}"
                );
            }
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[test]
fn a_host_key_without_its_public_half_is_derived_or_named() {
    for state in probed(|stand| {
        stand.write("etc/ssh/ssh_host_ed25519_key", "private");
        stand.program("ssh-keygen", "echo 'ssh-ed25519 AAAAC3 root@vps'");
    }) {
        assert_eq!((state.host_key.as_deref(), state.half_key), (Some("ssh-ed25519 AAAAC3"), None));
    }
    for state in probed(|stand| {
        stand.write("etc/ssh/ssh_host_ed25519_key", "private");
        stand.program("ssh-keygen", "exit 1");
    }) {
        assert_eq!(state.host_key, None);
        assert!(state.half_key.unwrap().ends_with("/etc/ssh/ssh_host_ed25519_key"));
    }
}

#[test]
fn room_is_read_from_every_kind_of_df() {
    // The name of a share with a blank; btrfs, which has no inodes to count; busybox, which prints one blank less.
    let df = "if [ $2 = -k ]; then kind='1K-blocks Used Available'; else kind='Inodes IUsed IFree'; fi
echo \"Filesystem $kind Capacity Mounted on\"
shift 2
for path in \"$@\"; do
case $kind in
1K*) echo '//nas/My share 2000 1000 1000 50% /mnt' ;;
*) echo '/dev/sda1 0 0 0 - /mnt' ;;
esac
done";
    for state in probed(|stand| stand.program("df", df)) {
        assert_eq!(
            (state.disk_free, state.docker_free, state.run_free),
            (1_024_000, 1_024_000, Some(1_024_000))
        );
        assert!(state.inodes.is_empty(), "{:?}", state.inodes);
    }
    let df = df.replace("My share", "share").replace("0 0 0 -", "500 493 7 99%");
    for state in probed(|stand| stand.program("df", &df)) {
        assert_eq!((state.disk_free, state.inodes["remote"], state.inodes["run"]), (1_024_000, 7, 7));
    }
    let stand = Stand::new();
    stand.program("df", &df);
    let text = concat!(scripts::lib!(), "room_at \"$1\"\n");
    for (shell, output) in stand.run(text, &[], "") {
        assert_eq!(printed(&output), "/mnt has 0 MB free, and room for 7 new files\n", "{shell}");
    }
}

#[test]
fn deadlines_do_not_follow_a_clock_that_somebody_sets() {
    let stand = Stand::new();
    stand.program("date", "echo 0");
    let mut holder = stand.hold("lib/p/records/lock");
    for (shell, output) in stand.run(scripts::AWAIT_LOCK, &["1"], "") {
        assert_eq!(printed(&output), "held\n", "{shell}");
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    for script in [
        include_str!("scripts/activate.sh"),
        include_str!("scripts/verbs.sh"),
        include_str!("scripts/await-lock.sh"),
        include_str!("scripts/boot.sh"),
    ] {
        // The time of day is for people to read.
        let read: Vec<&str> = script.lines().filter(|line| line.contains("date +%s")).collect();
        assert!(
            read.iter().all(|line| line.starts_with("begun=") || line.contains("\"$id\" \"$current\"")),
            "{read:?}"
        );
    }
}

#[test]
fn what_was_arriving_when_the_power_went_is_swept_and_what_arrives_now_is_not() {
    let text = concat!(scripts::lib!(), "use \"$1\" \"$2\"\nsweep_incoming \"$3\"\n");
    for shell in SHELLS {
        let stand = Stand::new();
        for word in ["dead", "cut", "alive", "own"] {
            stand.write(&format!("lib/p/records/incoming.{word}/tar"), "half");
        }
        // Of this boot, but whoever held it is gone.
        stand.write("run/provision/p.control/receiving.cut", "");
        let mut receiver = stand.hold("run/provision/p.control/receiving.alive");
        let output = stand.run_in(shell, text, &["own"], "");
        receiver.kill().unwrap();
        receiver.wait().unwrap();
        assert_eq!(output.status, 0, "{shell:?}: {output:?}");
        let entries = std::fs::read_dir(stand.path("lib/p/records")).unwrap();
        let mut left: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["incoming.alive", "incoming.own"], "{shell:?}");
        assert!(!stand.path("run/provision/p.control/receiving.cut").exists());
    }
}

#[test]
fn containers_do_not_inherit_the_proxies_of_roots_own_configuration() {
    let text = concat!(
        scripts::lib!(),
        include_str!("scripts/verbs.sh"),
        "use \"$1\" \"$2\"\nmkdir -p \"$control\"\nmanifest=$3\ncompose up -d\necho \"after: ${DOCKER_CONFIG:-its own}\"\n"
    );
    let stand = Stand::new();
    stand.write("manifest", "compose\tc.yml\n");
    let manifest = stand.path("manifest").to_str().unwrap().to_owned();
    stand.docker(
        "if [ \"$1\" = context ]; then echo far; exit; fi
config=${DOCKER_CONFIG:-$HOME/.docker}
grep -c proxies $config/config.json 2>/dev/null || :
ls $config/cli-plugins
echo \"${DOCKER_CONTEXT:-the usual engine}: $*\"",
    );
    stand.write("root/.docker/cli-plugins/docker-compose", "");
    let own = "{\"auths\": {}, \"proxies\": {\"default\": {\"httpProxy\": \"http://10.0.0.1:3128\"}}}";
    for (config, said) in [
        (own, "docker-compose\nfar: compose"),
        ("{\"auths\": {}}", "0\ndocker-compose\nthe usual engine: compose"),
    ] {
        stand.write("root/.docker/config.json", config);
        for (shell, output) in stand.run(text, &[&manifest], "") {
            let printed = printed(&output);
            assert!(printed.starts_with(said), "{shell}: {printed} {output:?}");
            // What pulls images needs the logins.
            assert!(printed.ends_with("after: its own\n"), "{shell}: {printed}");
        }
    }
}

#[test]
fn what_a_told_secret_leaves_behind_is_nothing() {
    let text = concat!(
        scripts::lib!(),
        include_str!("scripts/verbs.sh"),
        "use \"$1\" \"$2\"\nmkdir -p \"$control\"\nlog=$control/log.n\nverb_tell web \"$3\" || echo failed\nls -A \"$control\"; cat \"$log\"\n"
    );
    let stand = Stand::new();
    stand.write("run/provision/p/web/password", "hunter2-and-more");
    // It prints what it is told, and its own words, and the words that it was called with.
    let docker = "case $1 in ps) echo 1 ;; exec) cat; echo; echo mine; shift 3; printf '[%s]' \"$@\"; exit CODE ;; esac";
    let words = "password\ttell\t--to=a b\t$(echo x)\t*\t\\n";
    for code in ["0", "3"] {
        stand.docker(&docker.replace("CODE", code));
        for shell in SHELLS {
            let output = stand.run_in(shell, text, &[words], "");
            let printed = printed(&output);
            assert!(!printed.contains("hunter2"), "{shell:?} {code}: {printed}");
            assert_eq!(printed.contains("failed"), code != "0", "{shell:?}: {printed} {output:?}");
            assert!(printed.lines().any(|line| line == "log.n"), "{shell:?}: {printed}");
            assert!(
                !printed.lines().any(|line| line.starts_with("tell") || line == "told"),
                "{shell:?}: {printed}"
            );
            if code != "0" {
                assert!(printed.contains(r"[tell][--to=a b][$(echo x)][*][\n]"), "{shell:?}: {printed}");
            }
            std::fs::remove_dir_all(stand.path("run/provision/p.control")).unwrap();
        }
    }
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_no_canary_and_a_file_is_not_emptied() {
    let stand = Stand::new();
    for name in ["systemd-cat", "logger"] {
        stand.program(name, "cat >/dev/null");
    }
    let text = scripts::CANARY.replace("limited 10 ", "limited 1 ");
    let of = |stdout: std::fs::File| {
        std::process::Command::new("sleep").arg("120").stdout(stdout).spawn().unwrap()
    };
    let fifo = stand.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Open for both, so that the child's end can be opened; then nobody reads it.
    let both = std::fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let only_written = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    let mut unread = of(only_written);
    drop(both);
    stand.write("file", "before\n");
    let file = std::fs::OpenOptions::new().append(true).open(stand.path("file")).unwrap();
    let mut filed = of(file);
    let begun = Instant::now();
    for (process, status) in [(unread.id(), 1), (filed.id(), 0)] {
        stand.docker(&format!("case $1 in ps) echo 1 ;; inspect) echo {process} ;; esac"));
        for (shell, output) in stand.run(&text, &["web", "a line"], "") {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status, status, "{shell}: {output:?}");
            assert_eq!(
                said.contains("the standard output of web takes no line"),
                status == 1,
                "{shell}: {said}"
            );
        }
    }
    for child in [&mut unread, &mut filed] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(std::fs::read_to_string(stand.path("file")).unwrap(), "before\na line\na line\n");
}
