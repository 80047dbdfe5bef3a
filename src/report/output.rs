//! Where all output goes: stdout and stderr, without known secrets and without what steers a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};

use super::sanitize::sanitize;
use super::{Here, clean, github, public};
use crate::error::Error;
use crate::secrets::Redactor;

/// Writes for the whole program. Cheap to clone.
#[derive(Clone, Default)]
pub struct Output {
    secrets: Arc<RwLock<Redactor>>,
    /// Whether the lines are read by GitHub's runner, which takes some for commands.
    runner: bool,
    /// Whether everybody can read it.
    public: bool,
    /// What the run is about, for the commands in its texts.
    here: Arc<Here>,
}

impl Output {
    /// The output of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let runner = std::env::var("GITHUB_ACTIONS").as_deref() == Ok("true");
        Self { runner, public: public::is_public(), ..Self::default() }
    }

    /// Whether everybody can read what is printed.
    pub(super) fn is_public(&self) -> bool {
        self.public
    }

    /// The same output, for a run about `here`.
    #[must_use]
    pub fn about(mut self, here: Here) -> Self {
        self.here = Arc::new(here);
        self
    }

    /// A text of an event, a finding or an error as it is shown: without secrets, its commands complete.
    pub(super) fn shown(&self, text: &str) -> String {
        self.here.complete(&self.clean(text))
    }

    /// How wide stderr is, where a person watches it.
    fn width() -> Option<usize> {
        console::Term::stderr().size_checked().map(|(_, width)| usize::from(width))
    }

    /// `text`, clean and styled by us, as it may be printed.
    fn printable(&self, text: &str) -> String {
        let text = self.without_secrets(text);
        if self.runner { github::tame(&text) } else { text }
    }

    /// Lines for GitHub's runner: commands of ours.
    pub(super) fn commands(&self, text: &str) {
        if !text.is_empty() {
            let _ = writeln!(std::io::stdout().lock(), "{}", self.without_secrets(text));
        }
    }

    /// From now on these values are taken out of everything that is printed. A host's log is not ours: an
    /// application may print what it was given.
    pub fn redact(&self, values: impl IntoIterator<Item = SecretString>) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        for value in values {
            secrets.add(&value);
        }
    }

    /// `text` without any known secret, in whatever form, and without what steers a terminal or cannot be seen. Texts are
    /// cleaned before they are styled, encoded or cut.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let text = self.without_secrets(text);
        match sanitize(&text) {
            std::borrow::Cow::Borrowed(_) => text,
            // What stood between its characters may have hidden a secret.
            std::borrow::Cow::Owned(text) => self.without_secrets(&text),
        }
    }

    fn without_secrets(&self, text: &str) -> String {
        self.secrets.read().unwrap_or_else(PoisonError::into_inner).clean(text)
    }

    /// A JSON line on stdout, whose values are clean already: in its syntax nothing may be replaced.
    pub(super) fn json(&self, line: &str) {
        let line = if self.runner { github::tame(line) } else { line.to_owned() };
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    /// A text on stdout, cleaned. A closed pipe ends nothing: the deploy goes on.
    pub fn line(&self, text: &str) {
        self.styled(&self.clean(text));
    }

    /// A text on stdout of which each part is clean and that has our own styling.
    pub(super) fn styled(&self, text: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{}", self.printable(text));
    }

    /// A text on stderr, cleaned.
    pub fn complain(&self, text: &str) {
        self.complain_styled(&self.clean(text));
    }

    fn complain_styled(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", self.printable(text));
    }

    /// A secret that the operator asked for, as it is, on stdout.
    pub fn secret(&self, value: &SecretString) {
        let mut stdout = std::io::stdout().lock();
        let text = value.expose_secret();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let _ = write!(stdout, "{text}{end}");
        let _ = stdout.flush();
    }

    /// An error with all that belongs to it, on stderr.
    pub fn error(&self, error: &Error) {
        let colors = console::colors_enabled_stderr();
        let width = if std::io::stderr().is_terminal() { Self::width() } else { None };
        let error = clean::error(error, &|text| self.shown(text));
        self.complain_styled(super::errors::render(&error, colors, width).trim_end());
    }

    /// Asks a question on the terminal; `None` where there is none.
    #[must_use]
    pub fn ask(question: &str) -> Option<String> {
        if !std::io::stdin().is_terminal() {
            return None;
        }
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{question}");
        let _ = stderr.flush();
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok().map(|_| answer)
    }

    /// Whether a person watches stderr.
    #[must_use]
    pub fn is_watched() -> bool {
        std::io::stderr().is_terminal() && std::io::stdout().is_terminal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_secret_is_taken_out() {
        let output = Output::default();
        output.redact([SecretString::from("hunter2hunter2"), SecretString::from("a")]);
        assert_eq!(output.clean("a log: hunter2hunter2!"), "a log: <redacted>!");
        let hidden = "a log: hun\u{1b}[0mter2\u{200b}hunter2!";
        assert_eq!(output.clean(hidden), "a log: <redacted>!", "whatever stands between its characters");
    }
}
