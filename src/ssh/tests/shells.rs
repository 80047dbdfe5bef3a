//! The bootstrap under every login shell that a server may have.

use std::io::Write as _;
use std::process::{Command as Process, Stdio};

use crate::ssh::Command;

/// Shell, how it is started with a line, and Debian's package.
const SHELLS: [(&[&str], &str); 6] = [
    (&["bash", "-c"], "bash"),
    (&["dash", "-c"], "dash"),
    (&["zsh", "-c"], "zsh"),
    (&["fish", "-c"], "fish"),
    (&["tcsh", "-c"], "tcsh"),
    (&["busybox", "ash", "-c"], "busybox"),
];

fn run(shell: &[&str], package: &str, command: &Command, stdin: &[u8]) -> (Vec<u8>, Option<i32>) {
    let mut child = Process::new(shell[0])
        .args(&shell[1..])
        .arg(command.line(!stdin.is_empty()).unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; install it: apt-get install {package}", shell[0]));
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&stdin));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    (output.stdout, output.status.code())
}

#[test]
fn arguments_and_stdin_arrive_as_they_were_under_every_login_shell() {
    let all: Vec<u8> = (1..=255).collect();
    let args: [&[u8]; 7] =
        [b"plain", b"", b"it's !1 \\ \"x\" $HOME `id` *", b"ends in newlines\n\n", b"-n", b"~", &all];
    let mut command = Command::script("printf '%s|' \"$#\" \"$@\"\ncat\nexit 7");
    let mut expected = b"7|".to_vec();
    for arg in args {
        command = command.arg(arg);
        expected.extend_from_slice(arg);
        expected.push(b'|');
    }
    expected.extend_from_slice(b"payload\n\0\xff");
    for (shell, package) in SHELLS {
        let (stdout, status) = run(shell, package, &command, b"payload\n\0\xff");
        assert_eq!(status, Some(7), "{shell:?}");
        assert_eq!(stdout, expected, "{shell:?}: {}", String::from_utf8_lossy(&stdout));
    }
}

#[test]
fn what_is_not_fed_reads_nothing_though_nobody_sends_an_end() {
    for (shell, package) in SHELLS {
        let line = Command::script("cat\necho end").line(false).unwrap();
        let mut process = Process::new(shell[0]);
        let piped = process.args(&shell[1..]).arg(line).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|error| panic!("{package}: {error}"));
        let held = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, b"end\n", "{shell:?}");
        drop(held);
    }
}

#[test]
fn a_long_script_arrives_under_every_login_shell() {
    let filler = format!(": {}\n", "x".repeat(70)).repeat(800);
    let script: &'static str = Box::leak(format!("{filler}echo end").into_boxed_str());
    for (shell, package) in SHELLS {
        let (stdout, status) = run(shell, package, &Command::script(script), b"");
        assert_eq!((stdout.as_slice(), status), (b"end\n".as_slice(), Some(0)), "{shell:?}");
    }
}

#[test]
fn a_host_without_base64_is_an_error_and_not_an_empty_success() {
    let line = Command::script("echo no").line(true).unwrap().replace("base64 -d", "no-such-program -d");
    let status = Process::new("sh").args(["-c", &line]).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(127));
}
