//! The bootstrap under every login shell that a server may have.

use std::io::Write as _;
use std::process::{Command as Process, Stdio};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

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

/// Any bytes that a command line can carry, and what shells read in a way of their own.
fn argument() -> impl Strategy<Value = Vec<u8>> {
    let special = vec![
        "$(touch ran)",
        "`touch ran`",
        ";touch ran;",
        "|touch ran",
        "&& touch ran\n",
        "'",
        "\"",
        "\\",
        "$IFS",
        "${x:=y}",
        "*",
        "~",
        "!!",
        "-n",
        "--",
        "\n\n",
        " ",
        "\t",
        "#",
        "%s%n",
        "\r",
    ];
    let part = prop_oneof![
        prop::sample::select(special).prop_map(|part| part.as_bytes().to_vec()),
        prop::collection::vec(1..=255_u8, 0..12),
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(13), cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_reach_a_script_unchanged_and_execute_nothing(
        args in prop::collection::vec(argument(), 0..5), input in prop::collection::vec(any::<u8>(), 1..64)
    ) {
        let mut command = Command::script("printf '%s\\0' \"$#\" \"$@\"\ncat\nls -A >&2\n");
        let mut expected = format!("{}\0", args.len()).into_bytes();
        for arg in &args {
            command = command.arg(arg);
            expected.extend_from_slice(arg);
            expected.push(0);
        }
        expected.extend_from_slice(&input);
        let line = command.line(true).unwrap();
        // The login shell, and the shell that runs the script.
        for shell in [["dash", "-c"], ["bash", "-c"]] {
            for run_by in ["dash", "busybox sh"] {
                let folder = tempfile::tempdir().unwrap();
                let mut child = Process::new(shell[0])
                    .args(&shell[1..])
                    .arg(line.replace("/bin/sh", run_by))
                    .current_dir(folder.path())
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                child.stdin.take().unwrap().write_all(&input).unwrap();
                let output = child.wait_with_output().unwrap();
                prop_assert_eq!(&output.stdout, &expected, "{} {}", shell[0], run_by);
                prop_assert_eq!(&*output.stderr, b"", "{} {}: something was made, or said", shell[0], run_by);
            }
        }
    }
}
