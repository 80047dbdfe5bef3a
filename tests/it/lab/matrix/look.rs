//! What the host runs, and what was left over: asked with one command.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::by_service;
use crate::lab::container;
use crate::lab::leaks::hunt_all;

const LOOK: &str = include_str!("look.sh");

/// One look at the host.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) release: String,
    files: Vec<String>,
    declared: Vec<String>,
    pub(super) containers: Vec<String>,
    started: Vec<String>,
    /// What should not be there: locks, half-sent releases, journals, processes.
    pub(super) left: Vec<String>,
    pub(super) secrets: Vec<String>,
    /// Kilobytes of our records.
    pub(super) disk: u64,
}

impl Look {
    pub(super) fn take() -> Self {
        let text = vps_fed("sh -s", LOOK);
        let mut look = Self::default();
        let mut section = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("== ") {
                section = name;
                continue;
            }
            let line = line.to_owned();
            match section {
                "release" => look.release = line,
                "files" => look.files.push(line),
                "declared" => look.declared.push(line),
                "containers" => look.containers.push(line),
                "started" => look.started.push(line),
                "left" => look.left.push(line),
                "secrets" => look.secrets.push(line),
                "disk" => look.disk = line.parse().unwrap(),
                _ => panic!("{text}"),
            }
        }
        look
    }

    /// Id and start of a service's container.
    pub(super) fn started(&self, service: &str) -> Option<&str> {
        by_service(&self.started).get(service).copied()
    }

    /// File by file and container by container.
    pub(super) fn differences(&self, after: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for (old, new) in [(&self.files, &after.files), (&self.containers, &after.containers)] {
            differences.extend(old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}")));
            differences.extend(new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}")));
        }
        differences
    }

    /// Where the files in place are not those that the current release's manifest declares.
    pub(super) fn not_as_declared(&self) -> Vec<String> {
        let placed: Vec<&String> =
            self.files.iter().filter(|line| line.contains("  /var/lib/provision/matrix/live/")).collect();
        let mut wrong: Vec<String> = Vec::new();
        if self.declared.is_empty() || self.containers.len() != 5 {
            wrong.push(format!("{} files, {} containers", self.declared.len(), self.containers.len()));
        }
        wrong.extend(placed.iter().filter(|line| !self.declared.contains(line)).map(|l| format!("+ {l}")));
        wrong.extend(self.declared.iter().filter(|line| !placed.contains(line)).map(|l| format!("- {l}")));
        wrong
    }

    /// Whether nobody is at work any more and no health check is still in its first seconds.
    fn is_at_rest(&self) -> bool {
        self.left.is_empty() && !self.containers.iter().any(|line| line.ends_with(" starting"))
    }
}

/// A look once everything is at rest; after three minutes whatever there is.
pub(super) fn rest() -> Look {
    let until = Instant::now() + Duration::from_secs(180);
    loop {
        let look = Look::take();
        if look.is_at_rest() || Instant::now() > until {
            return look;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Every file of the VPS that is not in tmpfs and has one of the secrets in it.
pub(super) fn hunt() -> Vec<String> {
    hunt_all("/dev/shm/matrix-wanted")
}

/// Runs a program that gets `input` on standard input and gives what it prints.
pub(super) fn fed(command: &mut Command, input: &str) -> String {
    use std::io::Write as _;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    String::from_utf8(output.stdout).unwrap()
}

pub(super) fn vps_fed(script: &str, input: &str) -> String {
    fed(Command::new("docker").args(["exec", "-i", &container("vps"), "sh", "-c", script]), input)
}
