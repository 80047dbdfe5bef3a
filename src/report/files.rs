//! The files that a run leaves behind, apart from what it prints.

use std::path::{Path, PathBuf};

use super::record::Record;
use super::{junit, page};
use crate::error::{Error, Result};
use crate::outcome::ExitCode;

/// Which reports are asked for, and how a run is called in them.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The command: `provision deploy`.
    pub title: String,
    /// JUnit XML.
    pub junit: Option<PathBuf>,
    /// A page for a browser.
    pub html: Option<PathBuf>,
    /// The project, for places in its files.
    pub root: PathBuf,
}

impl Files {
    /// Makes each file, empty: what cannot be written is known before a host is touched.
    ///
    /// # Errors
    /// Usage, for the first that cannot be written.
    pub fn prepare(&self) -> Result<()> {
        for (option, path) in [("--junit", &self.junit), ("--report", &self.html)] {
            let Some(path) = path else { continue };
            std::fs::write(path, "").map_err(|error| {
                Error::usage(format!("write the report {}", path.display()))
                    .cause(error)
                    .hint(format!("Name a file in a folder that exists: {option} FILE."))
            })?;
        }
        Ok(())
    }

    /// Writes them. Gives a line for each that could not be written.
    pub(super) fn write(&self, record: &Record, code: ExitCode) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut write = |path: &Path, text: String| {
            if let Err(error) = std::fs::write(path, text) {
                complaints.push(format!("warning: the report {} was not written: {error}", path.display()));
            }
        };
        if let Some(path) = &self.junit {
            write(path, junit::render(record));
        }
        if let Some(path) = &self.html {
            write(path, page::render(record, code));
        }
        complaints
    }
}
