//! Tests over a wire: an in-process server, a real sshd, real login shells.

mod agent;
mod configuration;
mod errors;
mod limits;
mod odd;
mod real;
mod server;
mod shells;
mod sshd;
mod wire;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;

use super::connect::Options;
use super::session::Session;
use super::surroundings::Surroundings;
use crate::error::{Error, Result};
use crate::inventory::{Host, HostName};

/// A key that is the same in every run, so that its fingerprint can stand in a snapshot.
pub(super) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// The operator's machine: a project folder, a home, a key (`key(1)`), no agent, no `ssh`, no terminal.
struct Machine {
    dir: tempfile::TempDir,
    around: Surroundings,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("home/.ssh")).unwrap();
        fs::create_dir_all(dir.path().join("inventory")).unwrap();
        let around = Surroundings {
            home: Some(dir.path().join("home")),
            user: Some(user()),
            agent: None,
            client: None,
            config: None,
            terminal: false,
            machine: None,
            variable: |_| None,
        };
        let machine = Self { dir, around };
        machine.write_key("id", &key(1));
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A private key with its public half beside it.
    fn write_key(&self, name: &str, key: &PrivateKey) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.write(name, &key.to_openssh(LineEnding::LF).unwrap());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        self.write(&format!("{name}.pub"), &key.public_key().to_openssh().unwrap());
        file
    }

    /// Makes `key` the only one that the host at `port` is known by.
    fn know(&self, port: u16, key: &PrivateKey) {
        self.known(&known_line(port, key));
    }

    fn known(&self, text: &str) {
        self.write("inventory/lab.known_hosts", text);
    }

    fn options(&self) -> Options {
        Options {
            project_root: self.dir.path().to_path_buf(),
            known_hosts: self.path("inventory/lab.known_hosts"),
            environment: "lab".to_owned(),
            connect_timeout: Duration::from_secs(10),
            brief: false,
            before_login: None,
        }
    }

    async fn connect(&self, host: &Host) -> Result<Session> {
        Session::connect_from(host, &self.options(), &self.around).await
    }

    async fn refused(&self, host: &Host) -> Error {
        match self.connect(host).await {
            Ok(_) => panic!("connected"),
            Err(error) => error,
        }
    }

    /// All that a user sees of `error`, without what differs from run to run.
    fn told(&self, error: &Error, ports: &[u16]) -> String {
        let head = format!("{:?} on {}", error.kind(), error.host_name().unwrap_or("-"));
        let mut lines = vec![head, format!("failed to {}", error.doing())];
        lines.extend(error.causes().iter().map(|cause| format!("  {cause}")));
        lines.extend(error.hints().iter().map(|hint| format!("hint: {hint}")));
        let mut text = lines.join("\n");
        for port in ports {
            text = text.replace(&port.to_string(), "PORT");
        }
        text = text.replace(&format!("{}@", user()), "USER@").replace(&format!("of {} ", user()), "of USER ");
        text.replace(&self.dir.path().display().to_string(), "DIR")
    }
}

fn user() -> String {
    let output = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn known_line(port: u16, key: &PrivateKey) -> String {
    format!("[127.0.0.1]:{port} {}\n", key.public_key().to_openssh().unwrap())
}

/// A host at 127.0.0.1.
fn host(port: u16) -> Host {
    Host {
        name: HostName("vps".to_owned()),
        address: "127.0.0.1".to_owned(),
        port: Some(port),
        user: Some(user()),
        sudo: false,
        identity_file: Some(PathBuf::from("id")),
        jump: None,
    }
}
