//! The one line that a login shell of any kind is given, and that ends up running our script.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Kind, Result};

/// Linux takes no single argument over 128 KiB, and sshd gives the whole line to the login shell as one.
const LONGEST_LINE: usize = 120 * 1024;

/// How long a host may say nothing, unless the command allows more.
const SILENCE: Duration = Duration::from_secs(90);

/// How long a command that is run to its end may take in all, unless it allows more: a host that says a little now and
/// then is never silent. Files of some MiB come within it over a slow line.
const LONGEST_RUN: Duration = Duration::from_secs(600);

/// How much a command that is run to its end may print, in bytes, unless it allows less. What the probe of a host with
/// ten thousand files prints is 1 MiB.
const MOST_OUTPUT: usize = 16 * 1024 * 1024;

/// What `/bin/sh` does with its arguments: decode the script and all of its arguments, then run the script.
///
/// The `x` keeps a newline at an argument's end, which `$(…)` would cut off. A host without `base64` or `gzip` ends
/// with 127 instead of running an empty script with success. It may hold neither `!` (history in tcsh), nor
/// a backslash (fish), nor a newline, nor a single quote.
const DECODE: &str = r#"s=$(printf %s "$1"|base64 -d|gzip -dc);[ -n "$s" ]||exit 127;shift;for a do shift;a=$(printf %s "$a"|base64 -d&&printf x)||exit 127;set -- "$@" "${a%x}";done;unset a;eval "$s""#;

/// A POSIX sh script and its arguments, to be run on a host.
///
/// The script is ours and fixed; no value is ever pasted into it. What varies goes through [`Command::arg`],
/// which the script sees as `$1`, `$2`, …, or through stdin, which is free for the payload.
#[derive(Debug, Clone)]
pub struct Command {
    script: &'static str,
    args: Vec<Vec<u8>>,
    sudo: Sudo,
    announced: bool,
    silence: Duration,
    longest: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sudo {
    No,
    WithoutPassword,
    PasswordOnStdin,
}

impl Command {
    /// The script itself.
    #[must_use]
    pub fn script(script: &'static str) -> Self {
        Self { script, args: Vec::new(), sudo: Sudo::No, announced: false, silence: SILENCE, longest: None }
    }

    /// One more argument. Any bytes but NUL, which no command line can carry.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<[u8]>) -> Self {
        self.args.push(arg.as_ref().to_vec());
        self
    }

    /// Whether to become root by `sudo -n`, which fails where a password is needed.
    #[must_use]
    pub fn sudo(mut self, sudo: bool) -> Self {
        self.sudo = if sudo { Sudo::WithoutPassword } else { Sudo::No };
        self
    }

    /// Become root by `sudo -S`: the first line of stdin is the password. sudo reads it only where it asks,
    /// so the caller puts a sentinel line behind it and lets the script read up to that.
    #[must_use]
    pub fn sudo_with_password(mut self) -> Self {
        self.sudo = Sudo::PasswordOnStdin;
        self
    }

    /// How long the host may say nothing while the command runs; 90 seconds are given. A host's scripts have limits of
    /// their own for what they wait for, so this is for what comes before them: a login shell that sleeps.
    #[must_use]
    pub fn silent_for(mut self, limit: Duration) -> Self {
        self.silence = limit;
        self
    }

    /// See [`Command::silent_for`].
    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    /// How long the command may take in all, whatever it says meanwhile; ten minutes are given, and twice as long as it
    /// may be silent. A stream has no such limit unless one is set here.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.longest = Some(limit);
        self
    }

    /// See [`Command::within`]; of a command that is run to its end.
    pub(super) fn longest_run(&self) -> Duration {
        self.longest.unwrap_or(LONGEST_RUN.max(self.silence * 2))
    }

    /// See [`Command::within`]; of a stream.
    pub(super) fn longest_stream(&self) -> Option<Duration> {
        self.longest
    }

    /// How much a command that is run to its end may print.
    pub(super) fn most_output() -> usize {
        MOST_OUTPUT
    }

    /// Says on stderr, by an empty line, that it has begun: for a command that may be silent for as long as it likes.
    pub(super) fn announced(mut self) -> Self {
        self.announced = true;
        self
    }

    /// The line as a server gets it.
    #[cfg(test)]
    pub(crate) fn sent(&self, fed: bool) -> String {
        self.line(fed).unwrap()
    }

    /// The line for the login shell; where nothing is `fed` to the command its stdin is empty, so that nobody has to
    /// send its end. Errors: an argument with a NUL, or more than a line can carry; both are bugs of ours.
    pub(super) fn line(&self, fed: bool) -> Result<String> {
        let bug = |cause: String| Error::new(Kind::Internal, "build a remote command").cause(cause);
        let sudo = match self.sudo {
            Sudo::No => "",
            Sudo::WithoutPassword => "sudo -n ",
            Sudo::PasswordOnStdin => "sudo -S -p '' ",
        };
        let begun = if self.announced { "echo >&2;" } else { "" };
        let mut line =
            format!("exec {sudo}/bin/sh -c '{begun}{DECODE}' sh {}", STANDARD.encode(packed(self.script)?));
        for arg in &self.args {
            if arg.contains(&0) {
                return Err(bug("an argument holds a NUL byte".to_owned()));
            }
            line.push(' ');
            // An empty argument has an empty encoding, which needs quotes to be a word at all.
            line.push_str(&if arg.is_empty() { "''".to_owned() } else { STANDARD.encode(arg) });
        }
        if !fed {
            line.push_str(" </dev/null");
        }
        if line.len() > LONGEST_LINE {
            return Err(bug(format!("{} bytes; what is long belongs on stdin", line.len())));
        }
        Ok(line)
    }
}

/// The script without the lines that are only comments, packed with gzip: it is sent with each command.
fn packed(script: &str) -> Result<Vec<u8>> {
    use std::io::Write as _;
    let bug = |error: std::io::Error| Error::new(Kind::Internal, "pack a script").cause(error);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for line in script.lines().filter(|line| !line.trim_start().starts_with('#')) {
        packer.write_all(line.as_bytes()).and_then(|()| packer.write_all(b"\n")).map_err(bug)?;
    }
    packer.finish().map_err(bug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_nothing_that_some_login_shell_would_read_its_own_way() {
        let line =
            Command::script("echo \"it's !1 \\ \n\"").arg("a'b\\\n!").arg("").sudo(true).line(false).unwrap();
        assert!(line.starts_with("exec sudo -n /bin/sh -c '"), "{line}");
        assert!(!line.contains(['!', '\\', '\n', '\r', '\0', '\t']), "{line}");
        assert_eq!(line.matches('\'').count(), 4, "the script's two and an empty argument's two: {line}");
    }

    #[test]
    fn what_no_line_can_carry_is_refused() {
        let error = Command::script(":").arg(b"a\0b").line(true).unwrap_err();
        assert_eq!(error.to_string(), "build a remote command: an argument holds a NUL byte");
        let error = Command::script(":").arg(vec![b'a'; 100_000]).line(true).unwrap_err();
        assert_eq!(error.kind(), Kind::Internal);
    }
}
