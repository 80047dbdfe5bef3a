//! Tests against the lab: a real VPS with its own systemd, sshd, dockerd and compose (tests/lab).
//!
//! They share one VPS and so run one after the other. Each begins with the stack deployed and healthy, works on
//! a copy of the project, and leaves the VPS as it found it.

// What the VPS is asked belongs to whoever has the turn.
#![allow(clippy::unused_self)]

mod a_new_server;
mod alerts;
mod budget;
mod dashboards;
mod database;
mod exposed;
mod failures;
mod forms;
mod found;
mod happy;
mod interruptions;
mod isolation;
mod leaks;
mod lock;
mod matrix;
mod moved;
mod panels;
mod pipeline;
mod planning;
mod reboot;
mod registry;
mod retention;
mod rollback;
mod secrets;
mod status;
mod tiny;
mod unusual;
mod verify;
mod vm;
mod way;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    fn from(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Ends the test unless the run ended with `code`, and its error says all of `texts`.
    pub(crate) fn ends_with(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "`{text}` is not in the error:\n{}", self.stderr);
        }
    }
}

/// What runs on the VPS: enough to say whether it is the same as before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) release: String,
    /// Digest and path of every file of the stack.
    pub(crate) files: String,
    /// Service → image, label and state of its container.
    pub(crate) containers: BTreeMap<String, String>,
}

/// The lab with the stack deployed, and a project of the test's own.
pub(crate) struct Lab {
    pub(crate) project: tempfile::TempDir,
    _turn: File,
}

/// The place of our records on the VPS.
pub(crate) const RECORDS: &str = "/var/lib/provision/koprogo-monitoring/records";

/// Waits for its turn at the VPS, which lasts as long as the file is open: for a test that asks its programs something
/// and leaves the stack alone. A file, as the tests may be spread over several processes.
pub(crate) fn turn() -> File {
    let file = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab.turn")).unwrap();
    file.lock().unwrap();
    file
}

impl Lab {
    /// Waits for its turn, and for the stack to run as the repository has it.
    pub(crate) fn take() -> Self {
        let turn = turn();
        assert!(
            Path::new(ROOT).join("inventory/lab.yml").exists(),
            "the lab is not up: run `make lab` first, or `make test`, which does"
        );
        let lab = Self { project: copy_of_project(), _turn: turn };
        // What a failed test began may still be on its way back.
        wait_for("the lock", Duration::from_secs(120), lock_is_free);
        let run = lab.provision(&["deploy", "lab"]);
        assert_eq!(run.code, 0, "the stack cannot be deployed:\n{}\n{}", run.stdout, run.stderr);
        lab
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.project.path().join(path)
    }

    /// Replaces `from` by `to` in a file of the project.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(from), "{path} does not hold `{from}`");
        std::fs::write(self.path(path), text.replacen(from, to, 1)).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command_in(self.project.path(), arguments)
    }

    pub(crate) fn provision(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        Run::from(&output)
    }

    pub(crate) fn deploy(&self) -> Run {
        self.provision(&["deploy", "lab"])
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let release = vps(&format!("cat {RECORDS}/current 2>/dev/null || true"));
        let files = vps(
            "cd /var/lib/provision/koprogo-monitoring/live && find . -type f -exec sha256sum {} + | sort -k 2",
        );
        let mut containers = BTreeMap::new();
        let list = vps(
            "docker ps -aq --filter label=com.docker.compose.project=koprogo-monitoring | xargs -r docker inspect \
             --format '{{index .Config.Labels \"com.docker.compose.service\"}} {{.Config.Image}} \
             {{index .Config.Labels \"provision.digest\"}} {{.State.Status}}'",
        );
        for line in list.lines() {
            let (service, rest) = line.split_once(' ').unwrap();
            assert!(
                containers.insert(service.to_owned(), rest.to_owned()).is_none(),
                "two containers of {service}"
            );
        }
        Snapshot { release, files, containers }
    }

    /// After a failure: exactly what ran before, the lock free, nothing left over, and all checks hold.
    pub(crate) fn is_as_before(&self, before: &Snapshot) {
        assert_eq!(&self.snapshot(), before);
        self.nothing_is_left_over();
        let pristine = copy_of_project();
        let output = Command::new(env!("CARGO_BIN_EXE_provision"))
            .args(["verify", "lab", "-C"])
            .arg(pristine.path())
            .env("PROVISION_IDENTITY", Path::new(ROOT).join("tests/lab/.state/identity.txt"))
            .output()
            .unwrap();
        let run = Run::from(&output);
        assert_eq!(run.code, 0, "what ran before does not verify:\n{}\n{}", run.stdout, run.stderr);
    }

    pub(crate) fn nothing_is_left_over(&self) {
        vps(&format!("flock -n {RECORDS}/lock true"));
        let left = vps(&format!(
            "ls -d {RECORDS}/incoming.* {RECORDS}/activation* 2>/dev/null || true; \
             systemctl list-units --no-legend 'provision-koprogo-monitoring.service'; \
             find /var/lib/provision/koprogo-monitoring -name '*.provision-new'"
        ));
        assert_eq!(left, "");
    }
}

impl Drop for Lab {
    /// The next test finds what the repository has, whatever this one did.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.nothing_is_left_over();
    }
}

/// The program with `arguments`, for a project of the lab.
pub(crate) fn command_in(project: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command
        .args(arguments)
        // As a person does: with -C the commands in messages would have it, too.
        .current_dir(project)
        .env("PROVISION_IDENTITY", Path::new(ROOT).join("tests/lab/.state/identity.txt"))
        .env("HOME", project)
        .env("NO_COLOR", "1")
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A copy of what makes the project, with the lab's key by its absolute path.
fn copy_of_project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(ROOT);
    for folder in ["stack", "inventory", "secrets"] {
        let status = Command::new("cp").arg("-r").arg(root.join(folder)).arg(dir.path()).status().unwrap();
        assert!(status.success());
    }
    let key = root.join("tests/lab/.state/id_ed25519");
    // The virtual machine's is there while that is.
    for inventory in ["inventory/lab.yml", "inventory/vm.yml"].map(|name| dir.path().join(name)) {
        if let Ok(text) = std::fs::read_to_string(&inventory) {
            std::fs::write(inventory, text.replace("tests/lab/.state/id_ed25519", key.to_str().unwrap()))
                .unwrap();
        }
    }
    dir
}

/// The image of a component in the lab, Debian's, upstream's or a stand-in's.
pub(crate) fn image_of(component: &str) -> String {
    let text = std::fs::read_to_string(Path::new(ROOT).join("inventory/lab.yml"))
        .expect("the lab is not up: run `make lab` first, or `make test`, which does");
    let inventory: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    inventory["variables"]["images"][component].as_str().unwrap().to_owned()
}

/// Whether nobody activates anything.
pub(crate) fn lock_is_free() -> bool {
    lock_is_free_at(RECORDS)
}

/// The same for the records of another project.
pub(crate) fn lock_is_free_at(records: &str) -> bool {
    try_vps(&format!("[ ! -f {records}/lock ] || flock -n {records}/lock true")).status.success()
}

/// Runs a shell line as root in the VPS and gives its output; the line has to succeed.
pub(crate) fn vps(line: &str) -> String {
    let output = try_vps(line);
    assert!(
        output.status.success(),
        "`{line}` failed in the VPS:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Asks Prometheus of the VPS; `query` is one in its own language.
pub(crate) fn prometheus(path: &str, query: &str) -> serde_json::Value {
    asked(&format!("http://127.0.0.1:9090{path}?query={}", percent_encoded(query)))
}

/// Waits for all containers: one that stood still is unhealthy until its next health check.
pub(crate) fn is_healthy() {
    wait_for("the stack is healthy", Duration::from_secs(90), || {
        vps("docker ps -aq --filter health=unhealthy --filter health=starting").is_empty()
    });
}

/// What an address answers that Prometheus' container reaches. An error of the program asked is its answer.
pub(crate) fn asked(url: &str) -> serde_json::Value {
    let output =
        try_vps(&format!("timeout 20 docker exec koprogo-monitoring-prometheus-1 wget -q -O - '{url}'"));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{url} answers no JSON: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Every byte but letters and digits as `%xx`.
pub(crate) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// What the lab's inventory renders to.
pub(crate) fn rendered() -> provision::stack::Release {
    let environment = provision::inventory::Environment::load(Path::new(ROOT), "lab").unwrap();
    provision::stack::load(&environment).unwrap()
}

pub(crate) fn try_vps(line: &str) -> Output {
    Command::new("docker").args(["exec", &container("vps"), "sh", "-c", line]).output().unwrap()
}

/// Statements as the application's superuser, each a transaction of its own.
pub(crate) fn sql(statements: &str) {
    vps(&format!(
        "docker exec -i koprogo-postgres psql -X -q -v ON_ERROR_STOP=1 -U koprogo -d koprogo_db >/dev/null <<'SQL'\n{statements}\nSQL"
    ));
}

/// The name of one of the lab's containers: `vps`, `mail` or `registry`.
pub(crate) fn container(part: &str) -> String {
    let name = std::fs::read_to_string(Path::new(ROOT).join("tests/lab/.state/name")).unwrap();
    format!("{}-{part}", name.trim())
}

/// Waits until `condition` holds.
pub(crate) fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < until, "waited {limit:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
