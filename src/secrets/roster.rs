//! Adds people to the lists of recipients and takes them off, and encrypts again what they may, or may no longer, open.

use std::path::Path;

use super::file::{self, SecretsFile};
use super::identity::Identity;
use super::recipients::{self, Recipients, SHARED};
use super::replace::{self, Change};
use super::{agreed, document, open, rekey};
use crate::error::{Error, Result};
use crate::text;

/// What became of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The list, relative to the project root.
    pub list: String,
    /// The public key that was added or taken off, without its comment.
    pub key: String,
    /// The environments whose files were encrypted again, with the names of their secrets.
    pub environments: Vec<(String, Vec<String>)>,
}

/// One list of recipients and what it goes for.
pub struct Roster<'a> {
    root: &'a Path,
    label: String,
    text: String,
    before: Option<Vec<u8>>,
    /// The environments with secrets for which it goes.
    environments: Vec<String>,
}

impl<'a> Roster<'a> {
    /// The list of `environment` alone, else the shared one. An own list that is not there yet begins as a copy of
    /// the shared one.
    ///
    /// # Errors
    /// Usage: it cannot be read, or that is no environment's name.
    pub fn of(root: &'a Path, environment: Option<&str>) -> Result<Self> {
        let label = match environment {
            Some(environment) => {
                SecretsFile::new(root, environment)?;
                recipients::own_list(environment)
            }
            None => SHARED.to_owned(),
        };
        let read = |label: &str| replace::read(&root.join(label), label);
        let before = read(&label)?;
        let (from, bytes) = match &before {
            Some(bytes) => (label.as_str(), bytes.clone()),
            None => (SHARED, read(SHARED)?.unwrap_or_default()),
        };
        let text = text::decode(&bytes).map_err(|unreadable| unreadable.error(from))?.to_owned();
        let environments = file::environments(root)
            .into_iter()
            .filter(|name| match environment {
                Some(environment) => name == environment,
                None => Recipients::list_of(root, name) == SHARED,
            })
            .collect();
        Ok(Self { root, label, text, before, environments })
    }

    /// The list, relative to the project root.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The environments with secrets for which it goes.
    #[must_use]
    pub fn environments(&self) -> &[String] {
        &self.environments
    }

    /// Its keys, each with its comment.
    ///
    /// # Errors
    /// Usage: a line of it is no key, all such lines at once.
    pub fn people(&self) -> Result<Vec<(String, String)>> {
        if self.entries().next().is_some() {
            Recipients::parse(&self.label, &self.text)?;
        }
        Ok(self
            .entries()
            .filter_map(|line| {
                Some((recipients::key_of(line).ok()?, recipients::comment_of(line).to_owned()))
            })
            .collect())
    }

    fn entries(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    /// Adds the public key `line` (a comment may follow it) and encrypts the files again. `identity` is asked for only
    /// where there are files.
    ///
    /// # Errors
    /// Usage: no key that age can encrypt to, one that is there already, or files that cannot be encrypted again. All
    /// files are then as they were.
    pub fn add(self, line: &str, identity: impl FnOnce() -> Result<Identity>) -> Result<Listed> {
        let doing = format!("add a recipient to {}", self.label);
        let line = line.trim();
        if line.lines().count() > 1 {
            return Err(Error::usage(doing).cause("more than one line").hint("Add one key at a time."));
        }
        let key =
            recipients::key_of(line).map_err(|(what, hint)| Error::usage(&*doing).cause(what).hint(hint))?;
        if self.people()?.iter().any(|(known, _)| *known == key) {
            return Err(Error::usage(doing)
                .cause("that key is there already")
                .hint("`provision secrets rekey` encrypts the secrets again to everyone who is there."));
        }
        let mut text = self.text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
        self.change(&text, key, identity)
    }

    /// Takes off whom `who` names, by the public key or by what stands behind it, and encrypts the files again.
    ///
    /// # Errors
    /// Usage: nobody or more than one is meant, our own last key, or files that cannot be encrypted again. All files
    /// are then as they were.
    pub fn remove(self, who: &str, identity: impl FnOnce() -> Result<Identity>) -> Result<Listed> {
        let doing = format!("take a recipient off {}", self.label);
        let people = self.people()?;
        let wanted = recipients::key_of(who).ok();
        let mut keys: Vec<&str> = people
            .iter()
            .filter(|(key, comment)| wanted.as_ref() == Some(key) || comment == who.trim())
            .map(|(key, _)| key.as_str())
            .collect();
        keys.dedup();
        let key = match keys.as_slice() {
            [key] => (*key).to_owned(),
            [] => {
                return Err(Error::usage(doing)
                    .cause("nobody there has that key or that comment")
                    .hint("`provision secrets recipients list` shows who is there."));
            }
            _ => {
                return Err(Error::usage(doing)
                    .cause(format!("{} keys have that comment", keys.len()))
                    .hint("Name the public key itself."));
            }
        };
        let text: String = self
            .text
            .lines()
            .filter(|line| recipients::key_of(line).ok().as_deref() != Some(&key))
            .flat_map(|line| [line, "\n"])
            .collect();
        self.change(&text, key, identity)
    }

    fn change(self, text: &str, key: String, identity: impl FnOnce() -> Result<Identity>) -> Result<Listed> {
        let mut changes = Vec::new();
        let mut environments = Vec::new();
        if !self.environments.is_empty() {
            let identity = identity()?;
            changes = rekey::again(self.root, &self.environments, &identity, |_| {
                Recipients::parse(&self.label, text)
            })?;
            for name in &self.environments {
                let file = SecretsFile::new(self.root, name)?;
                let (_, plain) = open::read(&file, &identity)?;
                let document = document::parse(file.label(), &plain).ok();
                if let Some(document) = &document {
                    // The one change that was asked for, and no other that waited in the list.
                    let wanted = Recipients::parse(&self.label, text)?;
                    let mut others = agreed::differences_of(document, &wanted);
                    others.retain(|(other, _)| *other != key);
                    if !others.is_empty() {
                        return Err(agreed::refusal(&file, others.into_iter().map(|(_, what)| what)));
                    }
                }
                let names = document
                    .map(|document| document.names().map(str::to_owned).collect())
                    .unwrap_or_default();
                environments.push((name.clone(), names));
            }
        }
        changes.push(Change {
            path: self.root.join(&self.label),
            label: self.label.clone(),
            before: self.before,
            after: text.as_bytes().to_vec(),
        });
        replace::all(&changes)?;
        Ok(Listed { list: self.label, key, environments })
    }
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
