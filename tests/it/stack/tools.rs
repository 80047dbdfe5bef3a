//! Runs the programs that will read the rendered files.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::lab::{container, image_of};

/// Runs a shell script in a throw-away container of a component's image; each folder is mounted, read-only, at the
/// place beside it. Gives what it printed; the script has to succeed.
pub(super) fn in_image_of(component: &str, mounts: &[(&Path, &str)], script: &str) -> String {
    let mut command = Command::new("docker");
    // The engine's root reads a temporary folder whoever made it.
    command.args(["run", "--rm", "--network", "none", "--user", "0:0", "--entrypoint", "/bin/sh"]);
    for (folder, target) in mounts {
        command.arg("--volume").arg(format!("{}:{target}:ro", folder.display()));
    }
    // As a file: it may be longer than an argument.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, script).unwrap();
    command.arg("--volume").arg(format!("{}:/script:ro", file.path().display()));
    command.args([&image_of(component), "-e", "/script"]);
    succeeded(&command.output().unwrap())
}

/// Runs compose in the VPS with a compose file as its input. Gives what it printed; it has to succeed, and not warn.
pub(super) fn compose(file: &str, arguments: &[&str]) -> String {
    let mut child = Command::new("docker")
        .args(["exec", "--interactive", &container("vps"), "docker", "compose"])
        .args(["--project-directory", "/opt/koprogo/monitoring", "--file", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "compose has something to say");
    succeeded(&output)
}

fn succeeded(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    stdout
}
