//! The error of the whole program: what was being done, on which host, what was found, what to do next.
//!
//! An error is a value that is returned, never an event. It has a kind (which decides the exit code), a
//! cause chain and hints; `report/` alone decides how it looks.

use std::fmt;

use crate::outcome::ExitCode;

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Whose fault an error is; it decides the exit code (`docs/exit-codes.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bug in provision.
    Internal,
    /// Wrong usage or configuration: no host was touched.
    Usage,
    /// A host could not be reached, or its identity or ours was refused: nothing was changed there.
    Unreachable,
    /// Another deploy holds the lock.
    Locked,
    /// The deploy failed before or during activation; the host runs what ran before.
    Failed,
    /// The deploy failed and the way back failed too: a person is needed.
    Stuck,
    /// A check does not hold.
    CheckFailed,
    /// Interrupted by the operator.
    Interrupted,
}

impl Kind {
    /// The exit code that this kind ends with.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Kind::Internal => ExitCode::Bug,
            Kind::Usage => ExitCode::Usage,
            Kind::Unreachable => ExitCode::Unreachable,
            Kind::Locked => ExitCode::Locked,
            Kind::Failed => ExitCode::Returned,
            Kind::Stuck => ExitCode::Stuck,
            Kind::CheckFailed => ExitCode::CheckFailed,
            Kind::Interrupted => ExitCode::Interrupted,
        }
    }
}

/// The longest text of others in a message.
const LONGEST_QUOTE: usize = 300;

/// What a host or a program printed, as it may stand in a message: one line in quotes, cut where it is long; none where
/// nothing is left.
#[must_use]
pub fn quoted(text: &str) -> Option<String> {
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    let text = lines.join(" / ");
    match text.char_indices().nth(LONGEST_QUOTE) {
        _ if text.is_empty() => None,
        Some((end, _)) => Some(format!("\"{}…\"", &text[..end])),
        None => Some(format!("\"{text}\"")),
    }
}

/// A place in a file that the user wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, relative to the project root where it lies below it.
    pub file: String,
    /// Line, counted from 1; 0 where only the file is known.
    pub line: usize,
    /// Column, counted from 1; 0 where only the line is known.
    pub column: usize,
    /// The text of that line, without its end.
    pub text: String,
}

impl Place {
    /// A whole file.
    #[must_use]
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0, text: String::new() }
    }

    /// A place in `source`, whose line's text is kept for the message.
    #[must_use]
    pub fn at(file: impl Into<String>, source: &str, line: usize, column: usize) -> Self {
        let text =
            line.checked_sub(1).and_then(|index| source.lines().nth(index)).unwrap_or_default().to_owned();
        Self { file: file.into(), line, column, text }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// One mistake in what the user wrote. All that can be found offline are reported together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// What is wrong, a lower-case fragment.
    pub what: String,
    /// What to do, a sentence; empty where there is nothing to add.
    pub hint: String,
}

impl Problem {
    /// A problem at `place`.
    #[must_use]
    pub fn new(place: Place, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place, what: what.into(), hint: hint.into() }
    }
}

/// What went wrong. See the module's text.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: Kind,
    host: Option<String>,
    doing: String,
    causes: Vec<String>,
    problems: Vec<Problem>,
    notes: Vec<String>,
    hints: Vec<String>,
    output: Vec<String>,
}

impl Error {
    /// An error of `kind`; `doing` is a lower-case fragment that says what failed: "connect to vps".
    #[must_use]
    pub fn new(kind: Kind, doing: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            host: None,
            doing: doing.into(),
            causes: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
            hints: Vec::new(),
            output: Vec::new(),
        }))
    }

    /// Wrong usage or configuration (exit 2).
    #[must_use]
    pub fn usage(doing: impl Into<String>) -> Self {
        Self::new(Kind::Usage, doing)
    }

    /// Mistakes found in the user's files (exit 2). They are sorted by place.
    #[must_use]
    pub fn problems(doing: impl Into<String>, mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        let mut error = Self::new(Kind::Usage, doing);
        error.0.problems = problems;
        error
    }

    /// Adds what was found: one more level of cause.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.causes.push(cause.to_string());
        self
    }

    /// Adds how things are now, such as what the host runs after a failure: a whole sentence.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// Adds what to do next: a whole sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Names the host this happened on.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.0.host.get_or_insert(host.into());
        self
    }

    /// Adds lines that a host printed, such as a failing container's last log lines.
    #[must_use]
    pub fn output(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.0.output.extend(lines);
        self
    }

    /// The same error with other lines of output.
    #[must_use]
    pub fn output_instead(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.0.output = lines.into_iter().collect();
        self
    }

    /// The same error with another kind: what happened decides it, and only the caller knows what did.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same error with each of its texts as `change` gives it.
    #[must_use]
    pub fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        let all = |texts: &[String]| texts.iter().map(|text| change(text)).collect();
        let Inner { kind, host, doing, causes, problems, notes, hints, output } = &*self.0;
        let problem = |Problem { place, what, hint }: &Problem| {
            let Place { file, line, column, text } = place;
            let place = Place { file: change(file), line: *line, column: *column, text: change(text) };
            Problem::new(place, change(what), change(hint))
        };
        Self(Box::new(Inner {
            kind: *kind,
            host: host.clone(),
            doing: change(doing),
            causes: all(causes),
            problems: problems.iter().map(problem).collect(),
            notes: all(notes),
            hints: all(hints),
            output: all(output),
        }))
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The host, where the error belongs to one.
    #[must_use]
    pub fn host_name(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// What was being done.
    #[must_use]
    pub fn doing(&self) -> &str {
        &self.0.doing
    }

    /// What was found, outermost first.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.0.causes
    }

    /// The mistakes in the user's files.
    #[must_use]
    pub fn all_problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// How things are now.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// What to do next.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Lines that a host printed.
    #[must_use]
    pub fn output_lines(&self) -> &[String] {
        &self.0.output
    }
}

impl fmt::Display for Error {
    /// One line, without hints: for logs and for a cause of another error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.doing)?;
        for cause in &self.0.causes {
            write!(f, ": {cause}")?;
        }
        for problem in &self.0.problems {
            write!(f, "; {}: {}", problem.place, problem.what)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_others_print_is_one_line() {
        assert_eq!(quoted("Welcome\t to\r\n\n  vps\n").as_deref(), Some("\"Welcome to / vps\""));
        assert_eq!(quoted(" \n\t\n"), None);
        let long = quoted(&"ä".repeat(1000)).unwrap();
        assert_eq!(long.chars().count(), super::LONGEST_QUOTE + 3);
    }
}
