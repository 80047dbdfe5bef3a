//! Servers that commit 6ef571a deployed to (tests/fixtures/hosts/6ef571a, recorded from a run of that program) are
//! moved over by the first deploy; and folders whose owner is not root's friend.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::tiny::remove;
use super::{ROOT, Run, command_in, container, copy_of_project, try_vps, turn, vps, wait_for};

/// What the recorded program deployed, but for `broken`, which a new release may set.
const COMPOSE: &str = r#"
services:
  web:
    image: {{ image }}
    entrypoint: ["/bin/sh", "-c", "{{ web }}"]
    restart: unless-stopped
    stop_grace_period: 1s
    volumes:
      - {type: bind, source: ./web, target: /web, read_only: true, bind: {create_host_path: false}}
      - data:/data
  still:
    image: {{ image }}
    entrypoint: ["/bin/sh", "-c", "{{ command }}"]
    restart: unless-stopped
    stop_grace_period: 1s
volumes:
  data: {}
"#;

/// The two releases that the recorded program deployed, the older one first.
const BEFORE: [&str; 2] = ["42d62f8cce28f19d", "f3c6a90346e89a4f"];

const RECORDS: &str = "/var/lib/provision/tiny/records";
const LIVE: &str = "/var/lib/provision/tiny/live";

/// The recorded stack's project, and the turn at the VPS. The real stack is left alone.
struct Project {
    folder: tempfile::TempDir,
    _turn: std::fs::File,
}

impl Project {
    fn new() -> Self {
        let turn = turn();
        let folder = copy_of_project();
        let stack = folder.path().join("stack/tiny");
        std::fs::create_dir_all(stack.join("web")).unwrap();
        std::fs::write(stack.join("docker-compose.tiny.yml.tera"), COMPOSE).unwrap();
        for file in ["lab.yml.age", "lab.recipients.txt"] {
            std::fs::remove_file(folder.path().join("secrets").join(file)).unwrap();
        }
        std::fs::write(folder.path().join("inventory/all.yml"), "").unwrap();
        let project = Self { folder, _turn: turn };
        project.is("/opt/koprogo/tiny", "two", false);
        remove();
        vps("docker tag \"$(docker inspect -f '{{.Image}}' koprogo-visitor)\" provision-test/tiny:1");
        project
    }

    /// What it deploys from here on, and where to.
    fn is(&self, remote: &str, page: &str, is_broken: bool) {
        self.named("tiny", remote);
        let stack = self.folder.path().join("stack/tiny");
        std::fs::write(stack.join("web/page.txt"), format!("{page}\n")).unwrap();
        let command = "trap : TERM; while :; do sleep 1; done";
        let web = if is_broken { "exit 3" } else { command };
        std::fs::write(
            stack.join("variables.yml"),
            format!(
                "variables:\n  image: {{type: string, default: provision-test/tiny:1}}\n  \
                 command: {{type: string, default: \"{command}\"}}\n  web: {{type: string, default: \"{web}\"}}\n"
            ),
        )
        .unwrap();
    }

    fn named(&self, project: &str, remote: &str) {
        let file = self.folder.path().join("inventory/lab.yml");
        let text = std::fs::read_to_string(&file).unwrap();
        let hosts = text.split("variables:").next().unwrap().split("project:").next().unwrap();
        let hosts = hosts.replace("settle: 2s", "settle: 1s");
        std::fs::write(file, format!("{hosts}project: {project}\nstack: tiny\nremote: {{path: {remote}}}\n"))
            .unwrap();
    }

    fn provision(&self, arguments: &[&str]) -> Run {
        Run::from(&command_in(self.folder.path(), arguments).output().unwrap())
    }

    fn deploy(&self) -> Run {
        self.provision(&["deploy", "lab"])
    }
}

/// Makes the VPS one that the recorded program deployed to, by that program's own unit.
fn as_recorded() {
    let mut pack = Command::new("tar")
        .args(["-C", &format!("{ROOT}/tests/fixtures/hosts/6ef571a"), "-c", "--owner=0", "--group=0", "."])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = Command::new("docker")
        .args(["exec", "-i", &container("vps"), "tar", "-x", "-C", "/", "--no-overwrite-dir"])
        .stdin(pack.stdout.take().unwrap())
        .status();
    assert!(status.unwrap().success() && pack.wait().unwrap().success());
    let [older, newer] = BEFORE;
    vps(&format!(
        "cd /opt/koprogo/tiny && chmod 0700 . .provision && touch -d '2 days ago' .provision/releases/{older}/confirmed && \
         touch .provision/lock .provision/releases/{newer}/confirmed && systemctl daemon-reload && \
         systemctl enable --quiet provision-tiny-unseal provision-tiny-finish && systemctl restart provision-tiny-finish"
    ));
    wait_for("the recorded stack", Duration::from_secs(60), || ids().lines().count() == 2);
    vps("docker exec tiny-web-1 sh -c 'echo kept >/data/marker'");
    assert_eq!(page(), "two");
}

/// Service and id of each container.
fn ids() -> String {
    vps("docker ps --filter label=com.docker.compose.project=tiny --format '{{.Names}} {{.ID}}' | sort")
}

/// What the container sees of the file that it mounts.
fn page() -> String {
    vps("docker exec tiny-web-1 cat /web/page.txt")
}

/// How often a container of the stack was made since then, by name.
fn made_since(moment: &str) -> String {
    vps(&format!(
        "docker events --since {moment} --until $(date +%s) --filter type=container --filter event=create \
         --filter label=com.docker.compose.project=tiny --format '{{{{index .Actor.Attributes \"com.docker.compose.service\"}}}}' | sort | uniq -c"
    ))
}

#[test]
fn a_server_of_the_older_layout_is_moved_over_and_each_container_is_made_anew_once() {
    let project = Project::new();
    as_recorded();
    let before = ids();
    let plan = project.provision(&["plan", "lab", "--detailed-exitcode"]);
    assert_eq!(plan.code, 10, "{}{}", plan.stdout, plan.stderr);
    assert!(plan.stdout.contains("an older provision deployed to /opt/koprogo/tiny"), "{}", plan.stdout);
    assert_eq!(vps("ls -d /var/lib/provision/tiny 2>/dev/null || true"), "", "a plan moves nothing");
    let moment = vps("date +%s");
    project.deploy().ends_with(0, &[]);
    assert_eq!(made_since(&moment).split_whitespace().collect::<Vec<_>>(), ["1", "web"]);
    let still = |ids: &str| ids.lines().find(|line| line.starts_with("tiny-still")).map(str::to_owned);
    assert_eq!(still(&ids()), still(&before), "what mounts nothing runs on");
    assert_eq!((page().as_str(), vps("docker exec tiny-web-1 cat /data/marker").as_str()), ("two", "kept"));
    // What root uses is root's alone, and the old folder has become the link.
    assert_eq!(vps("readlink /opt/koprogo/tiny"), LIVE);
    assert_eq!(
        vps(&format!("stat -c '%U %a' /var/lib/provision /var/lib/provision/tiny {RECORDS} {LIVE}")),
        "root 711\nroot 711\nroot 700\nroot 700"
    );
    assert_eq!(vps("find /var/lib/provision/tiny ! -user root"), "");
    for unit in ["unseal", "finish"] {
        let unit = vps(&format!("cat /etc/systemd/system/provision-tiny-{unit}.service"));
        assert!(unit.contains(&format!("ExecStart=/bin/sh {RECORDS}/bin/boot.sh ")), "{unit}");
    }
    vps("systemctl restart provision-tiny-unseal provision-tiny-finish");
    project.provision(&["plan", "lab", "--detailed-exitcode"]).ends_with(0, &[]);
    let history = project.provision(&["history", "lab"]).stdout;
    assert!(BEFORE.iter().all(|release| history.contains(release)), "{history}");
    // A release from before is gone back to.
    project.provision(&["rollback", "lab"]).ends_with(0, &[]);
    assert_eq!((vps(&format!("cat {RECORDS}/current")), page()), (BEFORE[0].to_owned(), "hello".to_owned()));
    // The host knows its stacks.
    for (path, said) in [
        ("/opt/koprogo/tiny", "has the folder /opt/koprogo/tiny there"),
        (
            "/opt/koprogo/tiny/nested",
            "has the folder /opt/koprogo/tiny there, and /opt/koprogo/tiny/nested lies in it",
        ),
    ] {
        project.named("other", path);
        for command in ["plan", "deploy"] {
            project.provision(&[command, "lab"]).ends_with(5, &["the project tiny", said]);
        }
    }
    remove();
}

#[test]
fn the_way_back_leads_over_the_move_and_files_of_others_stay() {
    let project = Project::new();
    as_recorded();
    // An activation that was interrupted, and two files that are not ours to remove.
    let [older, newer] = BEFORE;
    vps(&format!(
        "cd /opt/koprogo/tiny && mkdir .provision/activation && cd .provision/activation && echo {older} >id && \
         echo {newer} >from && echo 00 >nonce && : >forward && echo 'up\t{newer}' >back && cd ../.. && \
         echo theirs >web/notes.txt && echo edited >docker-compose.tiny.yml"
    ));
    project.is("/opt/koprogo/tiny", "three", true);
    let run = project.deploy();
    run.ends_with(5, &["web: it crashes", &format!("runs release {newer} again")]);
    assert!(
        run.stdout.contains(&format!("the activation of release {older} was interrupted")),
        "{}",
        run.stdout
    );
    for path in ["web/notes.txt", "docker-compose.tiny.yml"] {
        assert!(
            run.stdout.contains(&format!("{path} was not placed by provision, or was edited")),
            "{}",
            run.stdout
        );
    }
    assert_eq!((page().as_str(), vps("docker exec tiny-web-1 cat /data/marker").as_str()), ("two", "kept"));
    assert_eq!(
        vps("cd /opt/koprogo/tiny && find . -type f | sort"),
        "./docker-compose.tiny.yml\n./web/notes.txt"
    );
    assert_eq!(vps(&format!("ls {RECORDS} | grep -c '^activation\\|^incoming\\|^moved' || true")), "0");
    // Once they are away the next deploy makes the link.
    vps("mv /opt/koprogo/tiny /tmp/tiny.theirs");
    project.is("/opt/koprogo/tiny", "three", false);
    project.deploy().ends_with(0, &[]);
    assert_eq!((page(), vps("readlink /opt/koprogo/tiny")), ("three".to_owned(), LIVE.to_owned()));
    vps("rm -r /tmp/tiny.theirs");
    remove();
}

/// A user of the VPS who owns `folder`, and exchanges what is in it as fast as can be until [`Owner::stop`].
struct Owner(Child);

impl Owner {
    fn begin(folder: &str, turn: &str) -> Self {
        vps(&format!("mkdir -p {folder} && chown koprogo: {folder}"));
        let line = format!(
            "exec 2>/dev/null; echo 'while [ ! -e /tmp/owner.stop ]; do {turn}; done' >/tmp/owner.sh; rm -f /tmp/owner.stop; \
             cd {folder} && runuser -u koprogo -- sh /tmp/owner.sh"
        );
        let child =
            Command::new("docker").args(["exec", &container("vps"), "sh", "-c", &line]).spawn().unwrap();
        wait_for("the owner to begin", Duration::from_secs(20), || {
            try_vps("pgrep -u koprogo").status.success()
        });
        Self(child)
    }

    fn stop(mut self) {
        vps("touch /tmp/owner.stop");
        self.0.wait().unwrap();
    }
}

/// All that a link or an exchanged folder could lead root to.
fn outside() -> String {
    vps(
        "id -u koprogo >/dev/null 2>&1 || useradd koprogo; mkdir -p /srv/victim/web /srv/victim/.provision && cd /srv/victim && echo two >web/page.txt && echo hello >web/x && \
         cd / && { find /srv/victim /root /etc ! -path '/etc/systemd/system/*provision-tiny-*' \\( -type f -o -type l \\) | sort; \
         find /srv/victim /etc/cron.d /etc/profile.d -type f -exec sha256sum {} +; } | sha256sum",
    )
}

/// A script of theirs that tells who ran it.
const THEIRS: &str =
    "echo touch /root/owned >T/.provision/bin/boot.sh; echo services: >T/docker-compose.tiny.yml";

#[test]
fn an_owner_who_exchanges_folders_changes_nothing_that_root_executes_or_touches() {
    let project = Project::new();
    project.is("/opt/theirs/tiny", "two", false);
    vps("rm -rf /opt/theirs /root/owned");
    let before = outside();
    let theirs = THEIRS.replace('T', "tiny");
    // A folder with a script, a link to the system's, a link to somebody's, and nothing.
    let owner = Owner::begin(
        "/opt/theirs",
        &format!(
            "mkdir -p tiny/.provision/bin tiny/web; {theirs}; mv tiny \"old.$$\"; rm -rf \"old.$$\"; ln -s /etc tiny; \
             rm tiny; ln -s /srv/victim tiny; rm tiny"
        ),
    );
    let run = project.deploy();
    owner.stop();
    if run.code != 0 {
        // Their folder, their link or their files in the way, and what to do about it.
        run.ends_with(5, &["vps", "hint: "]);
        vps("rm -rf /opt/theirs/tiny");
        project.deploy().ends_with(0, &[]);
    }
    assert_eq!(outside(), before);
    // What boots the stack, with their folder in the link's place.
    vps("rm -rf /opt/theirs/tiny");
    vps(&format!(
        "cd /opt/theirs && runuser -u koprogo -- sh -c 'mkdir -p tiny/.provision/bin tiny/web; {theirs}'"
    ));
    vps("systemctl restart provision-tiny-unseal provision-tiny-finish");
    assert_eq!(ids().lines().count(), 2);
    project.is("/opt/theirs/tiny", "three", false);
    let run = project.deploy();
    run.ends_with(0, &[]);
    assert!(run.stdout.contains("no link was made there"), "{}", run.stdout);
    assert_eq!((page().as_str(), outside()), ("three", before));
    assert_eq!(vps("ls -d /root/owned 2>/dev/null; find /var/lib/provision ! -user root"), "");
    vps("rm -rf /opt/theirs");
    remove();
}

#[test]
fn an_owner_who_exchanges_folders_while_they_are_moved_from_changes_nothing_outside() {
    let project = Project::new();
    vps("rm -rf /root/owned");
    as_recorded();
    let before = outside();
    // The records, and a folder with the very files that root removes here, lead elsewhere.
    let owner = Owner::begin(
        "/opt/koprogo/tiny",
        "mv .provision r; ln -s /srv/victim/.provision .provision; mv web w; ln -s /srv/victim/web web; rm web; mv w web; \
         rm .provision; mkdir -p .provision/bin; echo touch /root/owned >.provision/bin/boot.sh; mv .provision \"p.$$\"; \
         rm -rf \"p.$$\"; mv r .provision",
    );
    let run = project.deploy();
    owner.stop();
    assert!([0, 5].contains(&run.code), "{}{}", run.stdout, run.stderr);
    vps("cd /opt/koprogo && if [ -d tiny/r ]; then rm -rf tiny/.provision; mv tiny/r tiny/.provision; fi; \
         if [ -d tiny/w ]; then rm -rf tiny/web; mv tiny/w tiny/web; fi");
    project.deploy().ends_with(0, &[]);
    assert_eq!((page().as_str(), outside()), ("two", before));
    assert_eq!(vps("ls -d /root/owned 2>/dev/null; find /var/lib/provision ! -user root"), "");
    vps("rm -rf /opt/koprogo/tiny; userdel koprogo 2>/dev/null || true");
    remove();
}

#[test]
fn the_recording_is_whole() {
    for path in
        ["opt/koprogo/tiny/.provision/bin/boot.sh", "etc/systemd/system/provision-tiny-finish.service"]
    {
        assert!(Path::new(ROOT).join("tests/fixtures/hosts/6ef571a").join(path).exists(), "{path}");
    }
}
