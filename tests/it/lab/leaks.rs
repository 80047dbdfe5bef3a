//! No secret value anywhere but in tmpfs, in whatever form.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::secrets::set;
use super::tiny::{remove, tiny};
use super::{Lab, ROOT, Run, container, forms, vps};
use crate::schema;

/// Each secret, the service that reads it, and the file that it is there.
pub(super) const READERS: [(&str, &str, &str); 4] = [
    ("grafana_admin_password", "grafana", "admin_password"),
    ("smtp_password", "alertmanager", "smtp_password"),
    ("postgres_exporter_password", "postgres-exporter", "postgres_exporter_password"),
    ("metrics_token", "prometheus", "metrics_token"),
];

/// Looks at the arguments and environments of all processes, again and again.
const WATCH: &str = "while [ ! -e /dev/shm/enough ]; do \
    for kind in cmdline environ; do \
      cat /proc/[0-9]*/$kind 2>/dev/null | tr '\\0' '\\n' | grep -aF -f /dev/shm/wanted | sed \"s/^/$kind: /\" >>/dev/shm/hits; \
    done; echo >>/dev/shm/rounds; done";

/// Every file that is not in tmpfs, docker's data included (but for `merged`, a second look at the same layers); every
/// process; all that docker tells; the journal.
const HUNT: &str = "grep -rlaF -f WANTED --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev --exclude-dir=run --exclude-dir=merged / 2>/dev/null; \
    for process in /proc/[0-9]*; do for kind in cmdline environ; do \
      tr '\\0' '\\n' <\"$process/$kind\" 2>/dev/null | grep -aqF -f WANTED && echo \"a process: $kind\"; \
    done; done; \
    { docker ps -aq; docker image ls -q; docker volume ls -q; docker network ls -q; } | sort -u | xargs docker inspect | \
      grep -aqF -f WANTED && echo 'docker inspect'; \
    journalctl --no-pager | grep -aqF -f WANTED && echo 'the journal'; true";

/// Runs a program that gets `input` on standard input (as an argument it would be found) and gives what it prints.
fn fed(command: &mut Command, input: &str) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn vps_fed(script: &str, input: &str) -> String {
    fed(Command::new("docker").args(["exec", "-i", &container("vps"), "sh", "-c", script]), input)
}

/// What is found in the VPS. The application's own copies (its database password and token) are not ours.
fn hunt_vps() -> Vec<String> {
    hunt_all("/dev/shm/wanted")
}

/// What is found in the VPS of the lines of a file in its memory.
pub(super) fn hunt_all(wanted: &str) -> Vec<String> {
    let found = vps(&HUNT.replace("WANTED", wanted));
    found.lines().filter(|line| !line.starts_with("/opt/koprogo/app")).map(str::to_owned).collect()
}

/// What is found on this machine: in the home folder and project, the temporary folders as far as they were written
/// since the beginning, and the repository.
fn hunt_here(lab: &Lab, wanted: &str) -> Vec<String> {
    let project = lab.project.path().to_str().unwrap();
    let everywhere = format!(
        "cat >/dev/shm/provision-wanted.$$; trap 'rm -f /dev/shm/provision-wanted.$$' EXIT; \
         {{ find '{project}' '{ROOT}' -name target -prune -o -type f -print0; \
            find /tmp /var/tmp /dev/shm -type f -newer '{project}/begun' ! -name 'provision-wanted.*' -print0; }} 2>/dev/null | \
           xargs -0 grep -laF -f /dev/shm/provision-wanted.$$ 2>/dev/null"
    );
    fed(Command::new("sh").args(["-c", &everywhere]), wanted).lines().map(str::to_owned).collect()
}

/// Looks at the processes of this machine until it is told to stop; gives what was found and how often it looked.
struct Watch {
    enough: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<Vec<String>>,
}

impl Watch {
    fn start(wanted: Vec<String>) -> Self {
        let (enough, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stop, count) = (enough.clone(), rounds.clone());
        let thread = std::thread::spawn(move || {
            let mut hits = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc").unwrap().flatten() {
                    for kind in ["cmdline", "environ"] {
                        let Ok(bytes) = std::fs::read(process.path().join(kind)) else { continue };
                        let text = String::from_utf8_lossy(&bytes);
                        if wanted.iter().any(|form| text.contains(form.as_str())) {
                            hits.push(format!("{kind} of {}", text.split('\0').next().unwrap_or_default()));
                        }
                    }
                }
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            hits
        });
        Self { enough, rounds, thread }
    }

    fn end(self) -> (usize, Vec<String>) {
        self.enough.store(true, Ordering::Relaxed);
        let hits = self.thread.join().unwrap();
        (self.rounds.load(Ordering::Relaxed), hits)
    }
}

#[test]
fn no_secret_is_found_outside_of_tmpfs_in_any_form() {
    let lab = Lab::take();
    std::fs::write(lab.path("begun"), "").unwrap();
    // Two values of this run alone, with characters that each encoding changes. The other two are the application's too.
    let marker = |what: &str| format!("{what}/~?>+{:016x}é&=%", rand::random::<u64>());
    let (password, smtp) = (marker("grafana-admin"), marker("smtp"));
    set(&lab, "grafana_admin_password", &password);
    set(&lab, "smtp_password", &smtp);
    let values: Vec<String> = READERS
        .iter()
        .map(|(name, ..)| lab.provision(&["secrets", "view", "lab", name]).stdout.trim().to_owned())
        .collect();
    assert_eq!((&values[0], &values[1]), (&password, &smtp));
    assert!(values.iter().all(|value| value.len() >= 16), "the lab's secrets are too short to look for");
    let all: Vec<String> = values.iter().flat_map(|value| forms::of(value)).collect();
    let wanted = all.join("\n") + "\n";
    vps("rm -f /dev/shm/enough /dev/shm/hits /dev/shm/rounds");
    vps_fed("umask 077; cat >/dev/shm/wanted", &wanted);

    // A deploy that sends all of them, with everything it says kept, and all processes watched on both sides.
    let watcher = Command::new("docker").args(["exec", "-d", &container("vps"), "sh", "-c", WATCH]).status();
    assert!(watcher.unwrap().success());
    let watch = Watch::start(all.clone());
    let mut said = vec![lab.provision(&["plan", "lab"]), lab.deploy()];
    let (rounds, hits) = watch.end();
    assert!(rounds > 20, "this machine's processes were looked at {rounds} times only");
    assert_eq!(hits, Vec::<String>::new());
    let rounds: usize = vps("touch /dev/shm/enough; wc -l </dev/shm/rounds").parse().unwrap();
    assert!(rounds > 20, "the processes were looked at {rounds} times only");
    assert_eq!(vps("cat /dev/shm/hits; rm /dev/shm/hits"), "");

    // The containers do read these values.
    for ((_, service, file), value) in READERS.iter().zip(&values) {
        let inside = vps(&format!("docker exec koprogo-monitoring-{service}-1 cat /run/secrets/{file}"));
        assert_eq!(inside, *value, "{service}");
    }

    // Nothing that we say has them, as text or as JSON.
    for arguments in [
        &["deploy", "lab", "--output", "json"][..],
        &["plan", "lab", "--output", "json"],
        &["verify", "lab"],
        &["verify", "lab", "--output", "json"],
        &["check", "lab"],
        &["secrets", "list", "lab"],
        &["secrets", "check", "lab"],
        &["secrets", "diff", lab.path("secrets/lab.yml.age").to_str().unwrap()],
    ] {
        let run = lab.provision(arguments);
        if arguments.contains(&"json") {
            schema::valid(&run.stdout);
        }
        said.push(run);
    }
    let tells = |run: &Run| all.iter().any(|form| run.stdout.contains(form) || run.stderr.contains(form));
    for run in &said {
        run.ends_with(0, &[]);
        assert!(!tells(run), "a secret is in our output");
    }

    assert_eq!(hunt_vps(), Vec::<String>::new(), "a secret was found in the VPS");
    assert_eq!(hunt_here(&lab, &wanted), Vec::<String>::new(), "a secret was found here");
    planted_ones_are_found(&lab, &password, &wanted, &all);
    vps("rm -f /dev/shm/wanted /dev/shm/rounds");
}

/// The hunt finds what is planted in each kind of place, and each form.
fn planted_ones_are_found(lab: &Lab, password: &str, wanted: &str, all: &[String]) {
    let planted = forms::of(password);
    // Each form in a file of its own; one in docker's data, in a container's labels, in the journal, and as an argument
    // and an environment of a process.
    vps_fed(
        "mkdir /var/tmp/planted; number=0; while IFS= read -r form; do number=$((number + 1)); \
           printf 'x%sx' \"$form\" >\"/var/tmp/planted/$number\"; done; \
         volume=$(docker volume create planted); \
         head -n 1 /dev/shm/wanted >\"$(docker volume inspect -f '{{.Mountpoint}}' \"$volume\")/data\"; \
         form=$(head -n 1 /dev/shm/wanted); \
         docker create --name planted --label \"planted=$form\" \"$(docker image ls -q | head -n 1)\" true >/dev/null; \
         printf '%s\\n' \"$form\" | systemd-cat; \
         PLANTED=\"$form\" sleep 60 & echo $! >/dev/shm/planted; sh -c 'sleep 60; :' \"$form\" & echo $! >>/dev/shm/planted",
        &(planted.join("\n") + "\n"),
    );
    super::wait_for("the planted one to be in the journal", std::time::Duration::from_secs(10), || {
        vps("journalctl --no-pager -n 50 | grep -acF -f /dev/shm/wanted || true") != "0"
    });
    let found = hunt_vps();
    vps(
        "kill $(cat /dev/shm/planted); rm /dev/shm/planted; docker rm planted >/dev/null; docker volume rm planted >/dev/null; rm -r /var/tmp/planted",
    );
    for number in 1..=planted.len() {
        let file = format!("/var/tmp/planted/{number}");
        assert!(found.contains(&file), "`{}` is not found", planted[number - 1]);
    }
    for place in ["a process: cmdline", "a process: environ", "docker inspect", "the journal"] {
        assert!(found.iter().any(|line| line == place), "nothing is found in {place}: {found:?}");
    }
    assert!(
        found.iter().any(|line| line.contains("/volumes/planted/")),
        "nothing is found in docker's data: {found:?}"
    );

    let repository = std::path::Path::new(ROOT).join("tests/lab/.state/planted");
    let temporary = tempfile::NamedTempFile::new().unwrap();
    let places =
        [lab.path("planted"), lab.path("stack/planted"), repository.clone(), temporary.path().to_owned()];
    for (place, form) in places.iter().zip(all) {
        std::fs::write(place, format!("x{form}x")).unwrap();
    }
    let found = hunt_here(lab, wanted);
    std::fs::remove_file(repository).unwrap();
    for place in &places {
        assert!(
            found.iter().any(|line| line == place.to_str().unwrap()),
            "{} is not found: {found:?}",
            place.display()
        );
    }
    let watch = Watch::start(all.to_vec());
    let mut child = Command::new("sleep").arg("60").env("PLANTED", &all[0]).spawn().unwrap();
    super::wait_for("a look at the processes", std::time::Duration::from_secs(10), || {
        watch.rounds.load(Ordering::Relaxed) > 2
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!watch.end().1.is_empty(), "the watch sees no environment");
}

/// A service that crashes and prints the secret before that: as it is, and as programs escape it in their messages.
const SAYS: &str = r#"pw=$(cat /run/secrets/pw)
printf 'plain: %s\n' "$pw"
printf %s "$pw" | sed 's/[\\"]/\\&/g; s/</\\u003c/g; s/^/json: /'; echo
printf %s "$pw" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/"/\&quot;/g; s/^/html: /'; echo
printf %s "$pw" | sed 's/%/%25/g; s/"/%22/g; s/\\/%5C/g; s/</%3C/g; s/^/url: /'; echo
echo "that was all"
exit 3
"#;

#[test]
fn a_secret_that_a_crashing_service_prints_escaped_is_in_nothing_that_we_say_or_write() {
    let lab = Lab::take();
    remove();
    let recipients = std::fs::read(lab.path("secrets/lab.recipients.txt")).unwrap();
    tiny(&lab, "unused");
    std::fs::write(lab.path("secrets/lab.recipients.txt"), recipients).unwrap();
    let compose = lab.path("stack/tiny/docker-compose.tiny.yml.tera");
    let text = std::fs::read_to_string(&compose).unwrap();
    let text = text.replace("[\"/bin/sh\", \"-c\", \"{{ command }}\"]", "[/bin/sh, /web/say.sh]").replace(
        "    restart: unless-stopped\n",
        "    restart: unless-stopped\n    x-provision: {uid: 65534, secrets: {pw: pw}}\n",
    );
    let mount = "      - {type: bind, source: '{{ secrets_dir }}/web', target: /run/secrets, read_only: true, bind: {create_host_path: false}}\n";
    std::fs::write(&compose, text.replace("      - data:/data\n", &format!("{mount}      - data:/data\n")))
        .unwrap();
    lab.edit("stack/tiny/variables.yml", "  command: {type: string, default: unused}\n", "");
    std::fs::write(lab.path("stack/tiny/web/say.sh"), SAYS).unwrap();
    // Each run of letters is a word of this run's own, so that any part of the value is seen.
    let words: Vec<String> = (0..5).map(|_| format!("{:08x}", rand::random::<u32>())).collect();
    let value = format!("{}\"{}\\{}<{}%{}", words[0], words[1], words[2], words[3], words[4]);
    set(&lab, "pw", &value);
    let path = |name: &str| lab.path(name).to_str().unwrap().to_owned();
    let mut said = String::new();
    for format in ["text", "json"] {
        let mut command = lab.command(&["deploy", "lab", "--output", format]);
        command.args(["--junit", &path("run.xml"), "--report", &path("run.html")]);
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", path("summary.md"));
        // A team that reads its own log: what everybody reads has no line of a container at all.
        command.env("PROVISION_PUBLIC_OUTPUT", "false");
        let run = Run::from(&command.output().unwrap());
        assert_eq!(run.code, 5, "{run:?}");
        said += &(run.stdout + &run.stderr);
        for file in ["run.xml", "run.html", "summary.md"] {
            said += &std::fs::read_to_string(lab.path(file)).unwrap();
        }
    }
    for what in ["plain: ", "json: ", "html: ", "url: "] {
        assert!(said.matches(what).count() >= 5, "the service's words are missing: {said}");
    }
    assert!(said.matches("redacted").count() >= 20, "{said}");
    for word in words {
        assert!(!said.contains(&word), "{word} of {value} is in\n{said}");
    }
    remove();
}
