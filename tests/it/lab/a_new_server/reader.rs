//! Whoever follows README.md: a person's folder, terminal and keyboard.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::succeeded;
use crate::lab::{ROOT, Run, wait_for};

/// What a person types, once `question` is shown; `is_hidden` where the terminal must not show it.
pub(super) struct Answer<'a> {
    pub(super) question: &'a str,
    pub(super) text: &'a str,
    pub(super) is_hidden: bool,
}

/// Whoever follows the page: a home folder, a clone of the repository, and the program in the `PATH`.
pub(super) struct Reader {
    folder: tempfile::TempDir,
}

impl Reader {
    /// A clone has what git knows, and what is about to be committed.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let reader = Self { folder };
        std::fs::create_dir_all(reader.project()).unwrap();
        std::fs::create_dir_all(reader.home().join(".ssh")).unwrap();
        let key = reader.home().join(".ssh/id_ed25519");
        std::fs::copy(Path::new(ROOT).join("tests/lab/.state/id_ed25519"), &key).unwrap();
        let copied = Command::new("sh")
            .args(["-c", "git ls-files -z --cached --others --exclude-standard -- stack inventory secrets .gitignore | xargs -0 cp --parents -t \"$1\"", "sh"])
            .arg(reader.project())
            .current_dir(ROOT)
            .status();
        assert!(copied.unwrap().success());
        reader.does("git init -q && git config user.name reader && git config user.email reader@koprogo.lab && git add . && git commit -qm begin");
        reader
    }

    pub(super) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(super) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let tools = Path::new(env!("CARGO_BIN_EXE_provision")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.project())
            .env_clear()
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("HOME", self.home())
            .env("NO_COLOR", "1")
            .env("TERM", "dumb")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a line in a shell, with `input` on its standard input.
    pub(super) fn fed(&self, line: &str, input: &str) -> Run {
        let mut child = self.command("sh", &["-c", line]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Run::from(&child.wait_with_output().unwrap())
    }

    /// The same on a terminal, where each answer is typed once its question is there.
    pub(super) fn typed(&self, line: &str, answers: &[Answer]) -> Run {
        let line = format!("tty >\"$HOME/tty\"; {line}");
        let mut child =
            self.command("script", &["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).spawn().unwrap();
        let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut shown, mut asked, mut open) = (Vec::new(), 0, answers.iter());
        let mut next = open.next();
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            shown.extend_from_slice(&bytes[..count]);
            let Some(answer) = next else { continue };
            if String::from_utf8_lossy(&shown[asked..]).contains(answer.question) {
                if answer.is_hidden {
                    wait_for("the terminal does not echo", Duration::from_secs(10), || !self.echoes());
                }
                asked = shown.len();
                writeln!(keyboard, "{}", answer.text).unwrap();
                next = open.next();
            }
        }
        let code = child.wait().unwrap().code().unwrap_or(-1);
        Run { code, stdout: String::from_utf8_lossy(&shown).into_owned(), stderr: String::new() }
    }

    /// Whether the terminal of [`Reader::typed`] shows what is typed.
    fn echoes(&self) -> bool {
        let terminal = std::fs::read_to_string(self.home().join("tty")).unwrap();
        let settings = Command::new("stty").args(["-a", "-F", terminal.trim()]).output().unwrap();
        !String::from_utf8_lossy(&settings.stdout).split_whitespace().any(|word| word == "-echo")
    }

    /// Runs a line that has to succeed; its output.
    pub(super) fn does(&self, line: &str) -> String {
        succeeded(line, self.fed(line, ""))
    }

    pub(super) fn edit(&self, path: &str, from: &str, to: &str) {
        let path = self.project().join(path);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{} does not hold `{from}`", path.display());
        std::fs::write(path, text.replace(from, to)).unwrap();
    }
}
