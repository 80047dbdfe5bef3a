//! Runs the scripts of a host against a folder of the test's own, under each shell that a host may have, with a
//! `docker` that gives recorded answers.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ssh::Output;

/// The shells that a host may have as /bin/sh.
pub(super) const SHELLS: [&[&str]; 2] = [&["dash"], &["busybox", "sh"]];

/// A folder that stands for a host: `opt/stack` is the remote folder, `lib` stands for /var/lib/provision, `run` for /run,
/// `bin` has its commands.
pub(super) struct Stand {
    folder: tempfile::TempDir,
    /// Who the login is there: 0 is root.
    pub uid: u32,
}

impl Stand {
    /// A host where nothing of ours is, with a docker that has nothing.
    pub(super) fn new() -> Self {
        let stand = Self { folder: tempfile::tempdir().unwrap(), uid: 0 };
        for folder in ["opt", "run", "bin", "lib"] {
            std::fs::create_dir(stand.path(folder)).unwrap();
        }
        stand.docker("exit 0");
        stand
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The remote folder.
    pub(super) fn remote(&self) -> String {
        self.path("opt/stack").to_str().unwrap().to_owned()
    }

    /// Writes a file, with the folders above it.
    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Makes a command of the host that runs `lines` of shell.
    pub(super) fn program(&self, name: &str, lines: &str) {
        self.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{lines}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.path(&format!("bin/{name}")), mode).unwrap();
    }

    /// Makes the host's `docker` run `lines` of shell.
    pub(super) fn docker(&self, lines: &str) {
        self.program("docker", lines);
    }

    /// Runs a script under one shell, as root would, with the remote folder, the project `p` and `args` as its
    /// arguments.
    pub(super) fn run_in(&self, shell: &[&str], text: &str, args: &[&str], input: &str) -> Output {
        let text = self.placed(text);
        // A script that never ends fails its test.
        let mut command = Command::new("timeout");
        command
            .arg("60")
            .args(shell)
            .args(["-c", &text, "sh", &self.remote(), "p"])
            .args(args)
            .current_dir("/")
            .env("HOME", self.path("root"))
            .env_remove("DOCKER_CONFIG");
        fed(&mut command, input)
    }

    /// Puts a script into a file of the host, as it runs there.
    pub(super) fn install(&self, path: &str, text: &str) {
        self.write(path, &self.placed(text));
    }

    /// Runs a file of the host under each shell, with `args` alone as its arguments.
    pub(super) fn run_file(&self, path: &str, args: &[&str], input: &str) -> Vec<(&'static str, Output)> {
        let one = |shell: &[&'static str]| {
            let mut command = Command::new("timeout");
            command.arg("60").args(shell).arg(self.path(path)).args(args).current_dir("/");
            (shell[0], fed(&mut command, input))
        };
        SHELLS.iter().map(|shell| one(shell)).collect()
    }

    /// Holds a lock, as a script in another process would, until the child is killed.
    pub(super) fn hold(&self, path: &str) -> std::process::Child {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut holder = Command::new("flock")
            .arg(&path)
            .args(["sh", "-c", "echo held; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 5];
        holder.stdout.take().unwrap().read_exact(&mut said).unwrap();
        holder
    }

    /// Runs a script under each shell and gives every answer, with the shell's name.
    pub(super) fn run(&self, text: &str, args: &[&str], input: &str) -> Vec<(&'static str, Output)> {
        SHELLS.iter().map(|shell| (shell[0], self.run_in(shell, text, args, input))).collect()
    }

    /// The script with this folder in place of the host's own. The scripts take no such places from outside, so
    /// that nothing in a login's environment can lead them astray.
    fn placed(&self, text: &str) -> String {
        let folder = |path: &Path| path.to_str().unwrap().to_owned();
        let text = text
            .replace("PATH=/usr/local/sbin:", &format!("PATH={}:/usr/local/sbin:", folder(&self.path("bin"))))
            .replace("/run/provision", &folder(&self.path("run/provision")))
            .replace("/run/docker.sock", &folder(&self.path("docker.sock")))
            .replace("/var/lib/provision", &folder(&self.path("lib")))
            .replace("/etc/ssh/", &folder(&self.path("etc/ssh/")))
            .replace("/etc/systemd/", &folder(&self.path("etc/systemd/")))
            .replace("/run/systemd/", &folder(&self.path("run-systemd/")))
            .replace("/snap/bin/", &folder(&self.path("snap/bin/")));
        // The tests may run as anybody, and busybox' shell takes its own commands before those of the PATH.
        let mut functions = format!("id() {{ echo {}; }}\n", self.uid);
        // Whose folders are is asked of this, unless a test is about just that: whoever runs the tests stands for root.
        if !self.path("bin/stat").exists() {
            functions += "stat() { case $* in *%n*) echo '0 0 755 x' ;; *%u*) echo '0 0 755' ;; *) command stat \"$@\" ;; esac; }\n";
        }
        for name in ["date", "df", "ip", "stat", "timeout"] {
            let path = self.path(&format!("bin/{name}"));
            if path.exists() {
                writeln!(functions, "{name}() {{ {} \"$@\"; }}", folder(&path)).unwrap();
            }
        }
        functions + &text
    }
}

/// Runs a command with `input`.
fn fed(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A script that reads nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let status = u32::try_from(output.status.code().unwrap()).unwrap();
    Output { stdout: output.stdout, stderr: output.stderr, status }
}

/// What a command printed.
pub(super) fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
