//! The folder of a stack that holds dashboards of grafana.com, and its lock file.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::lock::{LOCK, Lock, Pin, path_of};
use super::{Bound, Fetched};
use crate::error::{Error, Result};
use crate::text;

/// The dashboards of one stack.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    shown: String,
    /// What the lock file says.
    pub lock: Lock,
    digest: fn(&[u8]) -> String,
}

/// How a dashboard of the lock file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it was fetched.
    Here,
    /// Wanted and not fetched yet, or its file is gone.
    Missing,
    /// Not what was fetched.
    Edited,
}

impl State {
    /// The word for a person.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Here => "here",
            State::Missing => "missing",
            State::Edited => "edited",
        }
    }
}

impl Shelf {
    /// Opens the stack's shelf. `digest` gives a file's SHA-256 in hex digits.
    ///
    /// # Errors
    /// Usage: no lock file, or one that cannot be read.
    pub fn open(root: &Path, stack: &str, digest: fn(&[u8]) -> String) -> Result<Self> {
        let shown = format!("stack/{stack}");
        let folder = root.join(&shown);
        let doing = format!("read {shown}/{LOCK}");
        let bytes = std::fs::read(folder.join(LOCK)).map_err(|error| {
            Error::usage(&doing)
                .cause(error)
                .hint("A stack that has it says so by that file: `datasources: {prometheus: prometheus}`.")
        })?;
        let text = text::decode(&bytes).map_err(|unreadable| unreadable.error(&format!("{shown}/{LOCK}")))?;
        let lock = Lock::parse(&format!("{shown}/{LOCK}"), text)
            .map_err(|problems| Error::problems(doing, problems))?;
        Ok(Self { folder, shown, lock, digest })
    }

    /// How the dashboard `id` is; `None` for one that the lock file does not have.
    #[must_use]
    pub fn state(&self, id: u32) -> Option<State> {
        let entry = self.lock.dashboards.get(&id)?;
        // A checkout on Windows may have other line ends; what is deployed has not.
        let here = std::fs::read(self.folder.join(path_of(id))).ok().map(text::for_server);
        Some(match (&entry.fetched, here) {
            (_, None) => State::Missing,
            (Some(pin), Some(Ok(bytes))) if pin.sha256 == (self.digest)(&bytes) => State::Here,
            _ => State::Edited,
        })
    }

    /// Puts a dashboard in its place and into the lock file; says whether anything is new. A title that
    /// another one has already gets the number behind it, as Grafana refuses two of one title in a folder.
    ///
    /// # Errors
    /// Usage, when a file cannot be written.
    pub fn store(&mut self, id: u32, fetched: &Fetched, bound: &Bound) -> Result<bool> {
        let taken = self
            .lock
            .dashboards
            .iter()
            .any(|(other, entry)| *other != id && entry.fetched.is_some() && entry.title == bound.title);
        let title = if taken { format!("{} ({id})", bound.title) } else { bound.title.clone() };
        let mut dashboard = bound.dashboard.clone();
        dashboard["title"] = Value::from(title.as_str());
        // On lines of its own each: a new revision shows as a diff.
        let text = format!("{dashboard:#}\n");
        let pin = Pin {
            revision: fetched.revision,
            sha256: (self.digest)(text.as_bytes()),
            from: fetched.from.clone(),
        };
        let same_file = self.state(id) == Some(State::Here);
        let entry = self.lock.dashboards.entry(id).or_default();
        if same_file && entry.fetched.as_ref() == Some(&pin) {
            return Ok(false);
        }
        entry.title = title;
        entry.fetched = Some(pin);
        self.write(&path_of(id), &text)?;
        self.write(LOCK, &self.lock.render())?;
        Ok(true)
    }

    /// Whole or not at all: by a rename.
    fn write(&self, path: &str, text: &str) -> Result<()> {
        let target = self.folder.join(path);
        let beside = target.with_extension("new~");
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, &target))
            .map_err(|error| Error::usage(format!("write {}/{path}", self.shown)).cause(error))
    }
}
