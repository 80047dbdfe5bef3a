//! Helpers of this room's tests.

use std::path::Path;
use std::process::{Command, Stdio};

use secrecy::ExposeSecret;

use super::Identity;
use crate::error::Error;

/// An error as text, whole, for snapshots.
pub(super) fn show(error: &Error) -> String {
    let mut text = format!("[{:?}] {error}", error.kind());
    for hint in error.hints() {
        text.push_str("\n→ ");
        text.push_str(hint);
    }
    for problem in error.all_problems().iter().filter(|problem| !problem.hint.is_empty()) {
        text.push_str("\n→ ");
        text.push_str(&problem.hint);
    }
    text
}

/// A new X25519 identity and its recipient.
pub(super) fn identity() -> (Identity, String) {
    let key = age::x25519::Identity::generate();
    let recipient = key.to_public().to_string();
    let identity = Identity::parse("key.txt", key.to_string().expose_secret(), |_| panic!("asked")).unwrap();
    (identity, recipient)
}

/// A project folder with a recipients file.
pub(super) fn project(recipients: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("secrets")).unwrap();
    write(root.path(), "secrets/recipients.txt", recipients.join("\n").as_bytes());
    root
}

/// Writes a file below `root`.
pub(super) fn write(root: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(root.join(name), bytes).unwrap();
}

/// Runs a program with `stdin` and gives its stdout; panics where it fails.
pub(super) fn run(program: &str, arguments: &[&str], stdin: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

/// Runs a program that asks for a passphrase on its terminal, by way of `script`, and types it as often as it is asked.
pub(super) fn run_typing(line: &str, passphrase: &str) {
    use std::io::{Read, Write};
    let mut child = Command::new("script")
        .args(["-q", "-e", "-c", line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("script is needed by this test: {error}"));
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = Vec::new();
    let mut asked = 0;
    let mut buffer = [0; 256];
    while let Ok(count) = output.read(&mut buffer) {
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen).to_lowercase();
        let questions = text.matches("passphrase (").count()
            + text.matches("confirm passphrase:").count()
            + text.matches("enter passphrase:").count();
        while asked < questions {
            asked += 1;
            writeln!(input, "{passphrase}").unwrap();
        }
    }
    assert!(child.wait().unwrap().success(), "{line}: {}", String::from_utf8_lossy(&seen));
    assert!(asked > 0, "{line} asked for nothing: {}", String::from_utf8_lossy(&seen));
}

/// Makes an SSH key pair with `ssh-keygen` and gives the private file's path and the public line.
pub(super) fn ssh_key(folder: &Path, kind: &str, passphrase: &str) -> (std::path::PathBuf, String) {
    let path = folder.join(format!("id_{kind}"));
    let name = path.to_str().unwrap();
    run("ssh-keygen", &["-q", "-t", kind, "-N", passphrase, "-C", "someone", "-f", name], b"");
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    (path, public.trim().to_owned())
}
