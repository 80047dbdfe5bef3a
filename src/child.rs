//! The programs that we start on the operator's machine: they are not given what opens the secrets.

use std::ffi::OsStr;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

/// Variables that hold a secret of ours (the second is that of docs/ci.md). No other program has a use for them, and what a program is given its own
/// children, its crash reports and `/proc` have too.
const SECRET: [&str; 2] = ["PROVISION_IDENTITY", "PROVISION_SSH_KEY"];

/// A command for `program`, without our secrets in its environment.
pub(crate) fn command(program: impl AsRef<OsStr>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    for name in SECRET {
        command.env_remove(name);
    }
    command
}

/// The most that a program may print where all of it is read, in bytes.
const MOST_OUTPUT: u64 = 1024 * 1024;

/// Runs `command` to its end within `limit`, and gives what it printed. It is ended where it takes longer.
///
/// # Errors
/// It cannot be started (the error's own kind), takes longer (`TimedOut`), or prints more than 1 MiB (`FileTooLarge`).
pub(crate) async fn output(mut command: tokio::process::Command, limit: Duration) -> std::io::Result<Output> {
    let command =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let read = async {
        let (stdout, stderr) = tokio::try_join!(all(out), all(err))?;
        Ok(Output { status: child.wait().await?, stdout, stderr })
    };
    let late = || {
        std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs()))
    };
    tokio::time::timeout(limit, read).await.unwrap_or_else(|_| Err(late()))
}

/// All that comes from `source`, at most [`MOST_OUTPUT`].
async fn all(source: Option<impl tokio::io::AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        source.take(MOST_OUTPUT + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > MOST_OUTPUT {
        let text = format!("it printed more than {} MiB", MOST_OUTPUT >> 20);
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The source files below `folder`, without tests.
    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if name != "tests" {
                    sources(&path, found);
                }
            } else if path.extension().is_some_and(|it| it == "rs")
                && !name.ends_with("tests.rs")
                && name != "testing.rs"
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path.display().to_string(), text));
            }
        }
    }

    #[test]
    fn every_program_is_started_without_our_secrets() {
        let mut found = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let starts = |(_, text): &&(String, String)| text.contains("Command::new(");
        let files: Vec<&str> = found.iter().filter(starts).map(|(path, _)| path.as_str()).collect();
        assert!(files.len() == 1 && files[0].ends_with("src/child.rs"), "{files:?}: use child::command");
    }

    #[tokio::test]
    async fn a_child_does_not_see_the_identity() {
        // The variable cannot be set in this process; that it is taken out of what is handed on can be asked.
        let command = super::command("env");
        let removed: Vec<_> = command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed, super::SECRET.map(|name| (std::ffi::OsStr::new(name), None)));
    }

    #[tokio::test]
    async fn a_program_without_end_is_ended() {
        use std::time::Duration;
        let run = async |script: &str, limit: u64| {
            let mut command = super::command("/bin/sh");
            command.args(["-c", script]);
            super::output(command, Duration::from_secs(limit)).await
        };
        assert_eq!(run("exec yes", 60).await.unwrap_err().to_string(), "it printed more than 1 MiB");
        assert_eq!(run("exec yes >&2", 60).await.unwrap_err().to_string(), "it printed more than 1 MiB");
        assert_eq!(run("exec sleep 60", 1).await.unwrap_err().to_string(), "no answer within 1 s");
        let output = run("echo a; echo b >&2; exit 3", 60).await.unwrap();
        assert_eq!(
            (output.stdout, output.stderr, output.status.code()),
            (b"a\n".into(), b"b\n".into(), Some(3))
        );
    }
}
