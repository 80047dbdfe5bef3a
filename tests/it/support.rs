//! A project in a folder of its own, and the binary run in it with nothing of the caller's surroundings.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use provision::secrets::{self, Identity};

/// A run that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// The inventory of the environment `test`: no server listens at its address.
pub(crate) const INVENTORY: &str = "\
hosts:
  vps: {address: 127.0.0.1, port: 1, user: deploy, sudo: true}

variables:
  domain: koprogo.example.com
  application_network: koprogo_default
  alert_email: ops@example.com
  smtp_username: alertmanager@example.com
  metrics_auth: true
";

/// The secrets that the stack needs with [`INVENTORY`].
pub(crate) const SECRETS: [(&str, &str); 4] = [
    ("grafana_admin_password", "Zk3mPq8vLw2xRt6yBn4c"),
    ("metrics_token", "uR5tGh8jKl3pQw9e"),
    ("postgres_exporter_password", "xV7bNm2aSd4fGh6j"),
    ("smtp_password", "kT9sPq2mZx7wLr4v"),
];

/// A project and a home folder, both temporary. The identity is in the home folder's default place.
pub(crate) struct Project {
    folder: tempfile::TempDir,
}

/// How a run of the binary ended. In both texts the project's folder is `<project>`, the home folder
/// `<home>`, and what differs from run to run (milliseconds, times, release ids, keys) is a word in `<>`.
#[derive(Debug)]
pub(crate) struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    /// The repository's stack with [`INVENTORY`] and [`SECRETS`].
    pub(crate) fn new() -> Self {
        let project = Self::bare();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&repository.join("stack"), &project.root().join("stack"));
        project.write(
            "inventory/all.yml",
            &std::fs::read_to_string(repository.join("inventory/all.yml")).unwrap(),
        );
        project.write("inventory/test.yml", INVENTORY);
        for (name, value) in SECRETS {
            project.set(name, value);
        }
        project
    }

    /// A stack of one compose file, and one secret, `a`.
    pub(crate) fn small(compose: &str) -> Self {
        let project = Self::bare();
        project.write("inventory/all.yml", "project: small\nstack: small\n");
        project.write("inventory/test.yml", "hosts: {vps: {address: 127.0.0.1, port: 1}}\n");
        project.write("stack/small/docker-compose.small.yml.tera", compose);
        project.set("a", "kT9sPq2mZx7wLr4v");
        project
    }

    /// Nothing but an identity, and recipients that have it.
    pub(crate) fn bare() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(project.root()).unwrap();
        let (_, public) = secrets::generate_identity(Some(&project.identity())).unwrap();
        project.write("secrets/recipients.txt", &format!("{public}\n"));
        project
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Where the identity file is.
    pub(crate) fn identity(&self) -> PathBuf {
        self.home().join(".config/provision/identity.txt")
    }

    /// Writes a file of the project, with the folders above it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Replaces `from`, which must be there once, in a file of the project.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {path}");
        self.write(path, &text.replace(from, to));
    }

    /// Adds lines at the end of the environment's variables.
    pub(crate) fn variables(&self, lines: &str) {
        let text = self.read("inventory/test.yml");
        self.write("inventory/test.yml", &format!("{text}{lines}\n"));
    }

    /// Sets a secret of the environment.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let identity = Identity::find(Some(&self.identity())).unwrap();
        secrets::set(&self.root(), "test", &identity, &name.parse().unwrap(), &value.into()).unwrap();
    }

    /// The binary with `arguments`, run in the project's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary with `arguments` in the project's folder.
    pub(crate) fn provision(&self, arguments: &[&str]) -> Run {
        self.run(self.command(arguments))
    }

    /// Runs a command made with [`Project::command`].
    pub(crate) fn run(&self, mut command: Command) -> Run {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let id = child.id();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(LONGEST) else {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
            panic!("{:?} hangs", command.get_args().collect::<Vec<_>>());
        };
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| self.normal(&String::from_utf8(bytes).unwrap());
        Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// `text` with what differs from run to run replaced by words.
    fn normal(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (folder, word) in [(self.root(), "<project>"), (self.home(), "<home>")] {
            text = text.replace(folder.to_str().unwrap(), word);
        }
        let mut result = String::new();
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
            if end == 0 {
                result.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let (word, after) = rest.split_at(end);
            let digits = word.chars().all(|c| c.is_ascii_digit());
            result.push_str(match word {
                _ if digits && after.starts_with(" ms") => "<n>",
                _ if word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit()) && !digits => {
                    "<release>"
                }
                _ if word.starts_with("age1") && word.len() == 62 => "<key>",
                _ => word,
            });
            rest = after;
        }
        result
    }

    /// Every file of project and home with its content: equal before and after what must write nothing.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut tree = BTreeMap::new();
        walk(self.folder.path(), &mut tree);
        tree
    }
}

/// A stand-in for grafana.com: answers each path with a status and a body, everything else with 404; its address.
pub(crate) fn stand_in(pages: Vec<(&'static str, u16, String)>) -> String {
    let pages: BTreeMap<&str, (u16, String)> =
        pages.into_iter().map(|(path, status, body)| (path, (status, body))).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut request).unwrap_or(0) > 2 {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = pages.get(path).cloned().unwrap_or((404, "{\"message\":\"no\"}".to_owned()));
            let head = format!(
                "HTTP/1.1 {status} OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    address
}

fn walk(folder: &Path, tree: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tree.insert(path.clone(), Vec::new());
            walk(&path, tree);
        } else {
            tree.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
