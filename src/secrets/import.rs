//! Takes secrets over from files that `ansible-vault` encrypted.

use std::collections::BTreeMap;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::document::{self, Document};
use super::file::SecretsFile;
use super::identity::Identity;
use super::name::SecretName;
use super::{open, rewrite, save, set, vault};
use crate::error::{Error, Place, Problem, Result};
use crate::text;

/// Maps in maps deeper than this are nobody's variables.
const DEEPEST: usize = 8;

/// One import into an environment.
pub struct Import<'a> {
    /// The project.
    pub root: &'a Path,
    /// The environment.
    pub environment: &'a str,
    /// Who imports.
    pub identity: &'a Identity,
    /// The names that the stack needs: `vault_x` becomes `x` where that is one of them.
    pub names: &'a [String],
    /// Whether a value that is there already is replaced.
    pub force: bool,
}

/// What an import did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// What was taken: the variable in Ansible's file, and the secret that it became.
    pub taken: Vec<(String, SecretName)>,
    /// Secrets that had that value already.
    pub unchanged: Vec<SecretName>,
    /// What was left out: the variable, and why.
    pub left: Vec<(String, String)>,
}

/// A variable of Ansible's file.
struct Variable {
    /// Its name; below a map with a dot.
    path: String,
    /// Its value, or why there is none to take.
    value: std::result::Result<SecretString, String>,
}

impl Import<'_> {
    /// Imports `text`, the content of `file`: encrypted as a whole, or with single values (`!vault`) that are. Nothing
    /// is written where anything is refused.
    ///
    /// # Errors
    /// Usage: no vault, a wrong password, two variables for one secret, a secret that has another value already
    /// (without `force`), or a secrets file that cannot be written.
    pub fn run(&self, file: &str, text: &str, password: &SecretString) -> Result<Imported> {
        let variables = read(file, text, password)?;
        let mut imported = Imported::default();
        let mut wanted: BTreeMap<String, (SecretName, String, SecretString)> = BTreeMap::new();
        let mut problems = Vec::new();
        for Variable { path, value } in variables {
            let (name, value) = match (self.name_for(&path), value) {
                (Ok(name), Ok(value)) => (name, value),
                (_, Err(why)) | (Err(why), _) => {
                    imported.left.push((path, why));
                    continue;
                }
            };
            match wanted.get(name.as_str()) {
                Some((_, _, known)) if known.expose_secret() == value.expose_secret() => {}
                Some((_, other, _)) => problems.push(Problem::new(
                    Place::file(file),
                    format!("`{other}` and `{path}` would both be the secret `{name}`"),
                    "Rename one of them there, or take it over with `provision secrets set`.",
                )),
                None => {
                    wanted.insert(name.as_str().to_owned(), (name, path, value));
                }
            }
        }
        let doing = format!("import {file} into {}", self.environment);
        if !problems.is_empty() {
            return Err(Error::problems(doing, problems).hint("Nothing was saved."));
        }
        self.write(&doing, wanted, &mut imported)?;
        Ok(imported)
    }

    fn write(
        &self,
        doing: &str,
        wanted: BTreeMap<String, (SecretName, String, SecretString)>,
        imported: &mut Imported,
    ) -> Result<()> {
        let target = SecretsFile::new(self.root, self.environment)?;
        let present = match target.read()? {
            Some(bytes) => save::read(&target, &open::decrypt_file(&target, &bytes, self.identity)?)?,
            None => save::read(&target, "")?,
        };
        let mut differing = Vec::new();
        let mut values = Vec::new();
        for (name, path, value) in wanted.into_values() {
            match present.get(name.as_str()) {
                Some(known) if known.expose_secret() == value.expose_secret() => {
                    imported.unchanged.push(name);
                }
                known => {
                    if known.is_some() {
                        differing.push(format!("`{name}`"));
                    }
                    imported.taken.push((path, name.clone()));
                    values.push((name, value));
                }
            }
        }
        if !differing.is_empty() && !self.force {
            return Err(Error::usage(doing)
                .cause(format!("{} has another value already for {}", target.label(), differing.join(", ")))
                .hint("Nothing was saved. `--force` replaces them."));
        }
        if values.is_empty() {
            return Ok(());
        }
        set::rewritten(&target, self.identity, |text, document| {
            let mut text = Zeroizing::new(text.to_owned());
            let mut changed: Option<Document> = None;
            for (name, value) in &values {
                text = rewrite::with_value(
                    &text,
                    changed.as_ref().unwrap_or(document),
                    name.as_str(),
                    value,
                    "",
                );
                changed = Some(save::read(&target, &text)?);
            }
            Ok(text)
        })
    }

    /// The secret that a variable becomes, or why it cannot be one.
    fn name_for(&self, path: &str) -> std::result::Result<SecretName, String> {
        let name: String =
            path.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        if let Some(short) =
            name.strip_prefix("vault_").filter(|short| self.names.iter().any(|known| known == short))
        {
            return short.parse();
        }
        name.parse().map_err(|why| format!("would be {why}"))
    }
}

fn read(file: &str, text: &str, password: &SecretString) -> Result<Vec<Variable>> {
    let failed = |what: String| Error::usage(format!("open {file}")).cause(what);
    let Some(vault) = vault::find(text) else { return read_inline(file, text, password) };
    let plain = vault::open(vault, password).map_err(failed)?;
    let plain = text::decode(&plain)
        .map_err(|unreadable| failed(format!("what it holds is {}", unreadable.kind())))?;
    let found = variables(plain).map_err(|error| not_yaml(&format!("{file} (decrypted)"), &error))?;
    let Some(found) = found else {
        return Err(failed("what it holds is no map of names and values".to_owned()).hint(
            "A file that is one secret as a whole: `ansible-vault view FILE | provision secrets set ENVIRONMENT NAME`.",
        ));
    };
    Ok(found.into_iter().map(|variable| variable.open(password).0).collect())
}

/// A file in the clear in which single values are vaults. The others are no secrets.
fn read_inline(file: &str, text: &str, password: &SecretString) -> Result<Vec<Variable>> {
    let failed = |what: &str| Error::usage(format!("open {file}")).cause(what);
    let found = variables(text).map_err(|error| not_yaml(file, &error))?.unwrap_or_default();
    let found: Vec<Found> = found.into_iter().filter(|variable| variable.is_vault).collect();
    if found.is_empty() {
        return Err(failed("it is no vault, and none of its values is one (`!vault`)")
            .hint("`provision secrets set ENVIRONMENT NAME` takes a value that is in the clear."));
    }
    let opened: Vec<(Variable, bool)> = found.into_iter().map(|variable| variable.open(password)).collect();
    // With several vault ids one password opens some; one that opens none is the wrong one.
    if opened.iter().all(|(_, is_open)| !is_open)
        && let Some(Err(why)) = opened.first().map(|(variable, _)| &variable.value)
    {
        return Err(failed(why));
    }
    Ok(opened.into_iter().map(|(variable, _)| variable).collect())
}

fn not_yaml(file: &str, error: &ScanError) -> Error {
    let at = error.marker();
    // Without the text of the line: it may be a secret.
    let place = Place { file: file.to_owned(), line: at.line(), column: at.col() + 1, text: String::new() };
    Error::problems(
        format!("read {file}"),
        vec![Problem::new(place, "not YAML", "Correct it with `ansible-vault edit`.")],
    )
}

/// A scalar as it stands in the file, or why it is none.
struct Found {
    path: String,
    value: std::result::Result<SecretString, &'static str>,
    is_vault: bool,
}

impl Found {
    /// The variable, and whether it could be opened where it is a vault.
    fn open(self, password: &SecretString) -> (Variable, bool) {
        let Self { path, value, is_vault } = self;
        let (value, is_open) = match value {
            Err(why) => (Err(why.to_owned()), true),
            Ok(value) if !is_vault => (Ok(value), true),
            Ok(value) => match vault::open(value.expose_secret(), password) {
                Err(why) => (Err(why), false),
                Ok(plain) => {
                    let text = std::str::from_utf8(&plain).map(SecretString::from);
                    (text.map_err(|_| "what it holds is not text".to_owned()), true)
                }
            },
        };
        let value = match value {
            Ok(value) if value.expose_secret().is_empty() => Err("it is empty".to_owned()),
            other => other,
        };
        (Variable { path, value }, is_open)
    }
}

/// The scalars of a map, those of maps in it included; `None` where the text is no map. A value is the text that was
/// written: `0123` stays that.
fn variables(text: &str) -> std::result::Result<Option<Vec<Found>>, ScanError> {
    let mut events = Parser::new_from_str(text);
    while let Some(event) = events.next() {
        match event?.0 {
            Event::MappingStart(..) => {
                let mut found = Vec::new();
                map(&mut events, "", 1, &mut found)?;
                // To the end, so that a mistake further down is one here.
                events.try_for_each(|event| event.map(drop))?;
                return Ok(Some(found));
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::Alias(_) => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

fn map<'i>(
    events: &mut impl Iterator<Item = std::result::Result<(Event<'i>, Span), ScanError>>,
    above: &str,
    depth: usize,
    found: &mut Vec<Found>,
) -> std::result::Result<(), ScanError> {
    while let Some(event) = events.next() {
        let key = match event?.0 {
            Event::MappingEnd => return Ok(()),
            Event::Scalar(key, ..) => key.into_owned(),
            other => {
                document::skip(&other, events)?;
                "?".to_owned()
            }
        };
        let path = if above.is_empty() { key } else { format!("{above}.{key}") };
        let Some(event) = events.next() else { return Ok(()) };
        let event = event?.0;
        let mut is_vault = false;
        let value = match event {
            Event::Scalar(value, style, _, tag) => {
                is_vault = tag.is_some_and(|tag| matches!(tag.suffix.as_str(), "vault" | "vault-encrypted"));
                let is_null =
                    style == ScalarStyle::Plain && matches!(&*value, "" | "~" | "null" | "Null" | "NULL");
                if is_null { Err("it has no value") } else { Ok(SecretString::from(value.into_owned())) }
            }
            Event::MappingStart(..) if depth < DEEPEST => {
                map(events, &path, depth + 1, found)?;
                continue;
            }
            other => {
                document::skip(&other, events)?;
                Err(if matches!(other, Event::Alias(_)) {
                    "it is an alias"
                } else {
                    "it is a list or nested too deep"
                })
            }
        };
        found.push(Found { path, value, is_vault });
    }
    Ok(())
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
