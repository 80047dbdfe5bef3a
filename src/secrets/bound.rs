//! A secrets file says inside whose it is: in the place of another environment's it is refused.

use secrecy::ExposeSecret;

use super::document::Document;
use super::file::SecretsFile;
use super::name::ENVIRONMENT;
use crate::error::{Error, Result};

/// What stands above the entry in the file.
pub(super) const COMMENT: &str =
    "# Made by provision: in the place of another environment's file this one is refused.\n";

/// Whether `document`, which was read from `file`, is that environment's. One that does not say is let pass: it was
/// written before files said so, and the next write adds it.
///
/// # Errors
/// Usage: it says that it is another's.
pub(super) fn check(document: &Document, file: &SecretsFile) -> Result<()> {
    let Some(found) = document.get(ENVIRONMENT).map(ExposeSecret::expose_secret) else { return Ok(()) };
    if found == file.environment() {
        return Ok(());
    }
    // What is no name could be anything, a value that slipped into this place too.
    let whose = if SecretsFile::new(file.root(), found).is_ok() {
        format!("the environment `{found}`")
    } else {
        "another environment".to_owned()
    };
    Err(Error::usage(format!("open {}", file.label()))
        .cause(format!("it holds the secrets of {whose}, as its entry `{ENVIRONMENT}` says"))
        .hint(format!(
            "Files were swapped, or one was copied over another. Take it from git again: `git checkout -- {}`.",
            file.label()
        ))
        .hint(format!(
            "Where a copy is meant: decrypt it with `age -d`, remove the line `{ENVIRONMENT}`, and encrypt it again."
        )))
}
