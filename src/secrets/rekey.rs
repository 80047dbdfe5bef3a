//! Encrypts files again: to the people that are on the lists now.

use std::path::Path;

use super::file::{self, SecretsFile};
use super::identity::Identity;
use super::recipients::Recipients;
use super::replace::{self, Change};
use super::{agreed, document, open, save};
use crate::error::{Error, Place, Problem, Result};

/// Encrypts the secrets of all environments again, or of `only` one, each to its recipients, with the same values.
/// All files change or none. Gives the environments.
///
/// # Errors
/// Usage: no environment has secrets, or one of the files cannot be opened or encrypted; all such files at once.
pub fn rekey(root: &Path, only: Option<&str>, identity: &Identity) -> Result<Vec<String>> {
    let environments = only.map_or_else(|| file::environments(root), |name| vec![name.to_owned()]);
    if environments.is_empty() {
        return Err(Error::usage("encrypt the secrets again")
            .cause("no environment has a secrets file")
            .hint("`provision secrets edit ENVIRONMENT` makes one."));
    }
    let changes = again(root, &environments, identity, |file| Recipients::load(root, file.environment()))?;
    replace::all(&changes)?;
    Ok(environments)
}

/// The changes that encrypt `environments` again to what `recipients` gives for each.
pub(super) fn again(
    root: &Path,
    environments: &[String],
    identity: &Identity,
    recipients: impl Fn(&SecretsFile) -> Result<Recipients>,
) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut failures: Vec<(String, Error)> = Vec::new();
    for environment in environments {
        let file = SecretsFile::new(root, environment)?;
        match one(&file, identity, &recipients) {
            Ok(change) => changes.push(change),
            Err(error) => failures.push((file.label().to_owned(), error)),
        }
    }
    let Some((_, first)) = failures.first() else { return Ok(changes) };
    if failures.len() == 1 {
        return Err(first.clone().hint("No file was changed."));
    }
    let problems = failures
        .iter()
        .map(|(label, error)| {
            let what =
                std::iter::once(format!("failed to {}", error.doing())).chain(error.causes().iter().cloned());
            Problem::new(Place::file(label), what.collect::<Vec<_>>().join(": "), error.hints().join(" "))
        })
        .collect();
    Err(Error::problems("encrypt the secrets again", problems).hint("No file was changed."))
}

fn one(
    file: &SecretsFile,
    identity: &Identity,
    recipients: impl Fn(&SecretsFile) -> Result<Recipients>,
) -> Result<Change> {
    let (before, text) = open::read(file, identity)?;
    let recipients = recipients(file)?;
    save::includes(&recipients, file, identity)?;
    // A text with mistakes is for `edit` to put right; whom it is encrypted to is another matter.
    let text = match document::parse(file.label(), &text) {
        Ok(_) => save::complete(file, &text, None, &recipients)?,
        Err(_) => text,
    };
    Ok(file.change(Some(&before), recipients.encrypt(text.as_bytes())?))
}

/// What a [`rekey`] of the same environments would change in whom they are encrypted to, a lower-case fragment for each
/// key. A file that cannot be read has none: the rekey says what is wrong with it.
#[must_use]
pub fn listed_anew(root: &Path, only: Option<&str>, identity: &Identity) -> Vec<String> {
    let environments = only.map_or_else(|| file::environments(root), |name| vec![name.to_owned()]);
    let of = |environment: &String| {
        let file = SecretsFile::new(root, environment).ok()?;
        let (_, text) = open::read(&file, identity).ok()?;
        let document = document::parse(file.label(), &text).ok()?;
        let recipients = Recipients::load(root, environment).ok()?;
        let found = agreed::differences_of(&document, &recipients);
        Some(found.into_iter().map(move |(_, what)| format!("{}: {what}", file.label())))
    };
    environments.iter().filter_map(of).flatten().collect()
}

/// How the file of an environment is encrypted to others than its list has, a lower-case fragment; `None` where it
/// is not.
///
/// # Errors
/// Usage: the list cannot be read, or the file is no age file.
pub fn outdated(root: &Path, environment: &str) -> Result<Option<String>> {
    let file = SecretsFile::new(root, environment)?;
    let recipients = Recipients::load(root, environment)?;
    let Some(bytes) = file.read()? else { return Ok(None) };
    let sealed = open::dearmor(&bytes).ok().and_then(|binary| open::sealed(&binary));
    let sealed = sealed.ok_or_else(|| {
        Error::usage(format!("open {}", file.label())).cause("it is not an age file, or cut short")
    })?;
    Ok(recipients.difference(&sealed))
}
