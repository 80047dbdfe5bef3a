//! What a plan means for a person: services, images, secrets, files with their difference, and drift.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Generated, HostState, OVERRIDE_FILE, values};
use crate::inventory::Environment;
use crate::stack::{Release, has_extension};
use crate::words::count;

/// So many lines of one file's difference are shown as text.
const LONGEST: usize = 120;
/// And so many characters of each.
const WIDEST: usize = 160;

/// What happens to one service, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ServiceChange {
    /// The service.
    pub service: String,
    /// create, recreate, reload, start, remove.
    pub action: &'static str,
    /// Why, for a person.
    pub because: Vec<String>,
}

/// Another image for a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ImageChange {
    /// The service.
    pub service: String,
    /// The image that its container runs, as it was declared.
    pub from: String,
    /// That image's id.
    pub from_id: String,
    /// The image that it will run.
    pub to: String,
}

/// What becomes of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct SecretChange {
    /// Its name.
    pub name: String,
    /// added, changed or removed.
    pub change: &'static str,
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FileChange {
    /// Its path in the remote folder.
    pub path: String,
    /// What the release does: added, changed, removed, or unchanged where only somebody's edit goes.
    pub change: &'static str,
    /// What somebody did to it on the host since the last deploy: edited, removed or added.
    pub drift: Option<&'static str>,
    /// The unified difference between what lies on the host and what will; `None` until [`Changes::compare`].
    pub diff: Option<String>,
    /// Of a JSON file that is there before and after: what changed, value by value.
    pub values: Vec<String>,
}

/// All that changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
pub struct Changes {
    /// Services, sorted by name.
    pub services: Vec<ServiceChange>,
    /// Services that get another image.
    pub images: Vec<ImageChange>,
    /// Secrets by name.
    pub secrets: Vec<SecretChange>,
    /// Files, sorted by path.
    pub files: Vec<FileChange>,
    /// What else is put right.
    pub notes: Vec<String>,
}

/// Compares a release with what the probe found; `services` are what `plan::make` found of them.
pub(super) fn changes(
    release: &Release,
    generated: &Generated,
    state: &HostState,
    services: Vec<ServiceChange>,
) -> Changes {
    let images = release
        .services
        .values()
        .filter_map(|service| {
            let container = state.container(&service.name)?;
            (container.image != service.image).then(|| ImageChange {
                service: service.name.clone(),
                from: container.image.clone(),
                from_id: container.image_id.clone(),
                to: service.image.clone(),
            })
        })
        .collect();
    let mut notes = Vec::new();
    if let Some(old) = &state.moves_from {
        notes.push(format!(
            "an older provision deployed to {old}: records and files move to {}/{}; files there that were edited, or \
             that provision did not place, stay",
            Environment::HOME,
            release.project
        ));
    }
    // The journal of a deploy that runs is none that was left.
    if let Some(id) = state.interrupted.as_ref().filter(|_| state.holder.is_none()) {
        notes.push(format!("the activation of release {id} was interrupted: it is taken up and ended"));
    }
    if state.current.is_some() && !state.unsealed {
        notes.push(
            "the secrets are not in place on the host, or sealed to another host key: sealed anew".to_owned(),
        );
    }
    Changes {
        services,
        images,
        secrets: secrets(generated, state),
        files: files(release, generated, state),
        notes,
    }
}

fn secrets(generated: &Generated, state: &HostState) -> Vec<SecretChange> {
    let names: BTreeSet<&String> = generated.fingerprints.keys().chain(state.fingerprints.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let change = match (state.fingerprints.get(name), generated.fingerprints.get(name)) {
                (None, Some(_)) => "added",
                (Some(_), None) => "removed",
                (old, new) if old != new => "changed",
                _ => return None,
            };
            Some(SecretChange { name: name.clone(), change })
        })
        .collect()
}

fn files(release: &Release, generated: &Generated, state: &HostState) -> Vec<FileChange> {
    let paths: BTreeSet<&String> =
        generated.files.keys().chain(state.files.keys()).chain(state.declared.keys()).collect();
    paths
        .into_iter()
        // What somebody put in a folder that this release does not mount is left alone.
        .filter(|path| {
            !state.is_strange(path) || generated.files.contains_key(*path) || release.is_configuration(path)
        })
        .filter_map(|path| {
            let placed = state.files.get(path);
            let change = match (state.released(path), generated.files.get(path)) {
                (None, Some(_)) => "added",
                (Some(_), None) => "removed",
                (Some(old), Some(new)) if *old != new.digest => "changed",
                _ => "unchanged",
            };
            let drift = match (state.declared.contains_key(path), state.foreign.contains(path)) {
                (true, _) if placed.is_some() => Some("edited"),
                (true, _) => Some("removed"),
                (false, true) => Some("added"),
                (false, false) => None,
            };
            // The generated file says by its labels what the services say already.
            let shown = drift.is_some() || (change != "unchanged" && path != OVERRIDE_FILE);
            shown.then(|| FileChange { path: path.clone(), change, drift, diff: None, values: Vec::new() })
        })
        .collect()
}

impl Changes {
    /// Puts the difference to every file: `old` is what lies on the host, `generated` what will.
    pub fn compare(&mut self, old: &BTreeMap<String, Vec<u8>>, generated: &Generated) {
        for file in &mut self.files {
            let new = generated.files.get(&file.path).map_or(&[][..], |new| &new.content);
            let old = old.get(&file.path).map_or(&[][..], Vec::as_slice);
            file.diff = Some(difference(old, new));
            if has_extension(&file.path, &["json"]) {
                file.values = values::changed(old, new).unwrap_or_default();
            }
        }
    }

    /// All of it in one line: `3 services (1 create, 2 reload), 4 files, 1 secret`.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut actions: BTreeMap<&str, usize> = BTreeMap::new();
        for service in &self.services {
            *actions.entry(service.action).or_default() += 1;
        }
        let actions: Vec<String> =
            actions.iter().map(|(action, number)| format!("{number} {action}")).collect();
        let mut parts = Vec::new();
        if !self.services.is_empty() {
            parts.push(format!("{} ({})", count(self.services.len(), "service"), actions.join(", ")));
        }
        let drift = self.files.iter().filter(|file| file.drift.is_some()).count();
        for (number, what) in
            [(self.images.len(), "image"), (self.files.len() - drift, "file"), (self.secrets.len(), "secret")]
        {
            if number > 0 {
                parts.push(count(number, what));
            }
        }
        if drift > 0 {
            parts.push(format!("{} changed on the host", count(drift, "file")));
        }
        if parts.is_empty() { self.notes.join(", ") } else { parts.join(", ") }
    }

    /// All of it as lines: what changes first, then what somebody did on the host.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for change in &self.services {
            lines.push(format!("{}: {} ({})", change.service, change.action, change.because.join(", ")));
        }
        for image in &self.images {
            let id = image.from_id.trim_start_matches("sha256:");
            let id = if id.is_empty() { String::new() } else { format!(" ({})", &id[..id.len().min(12)]) };
            lines.push(format!("image of {}: {}{id} → {}", image.service, image.from, image.to));
        }
        for secret in &self.secrets {
            lines.push(format!("secret {}: {}", secret.name, secret.change));
        }
        for file in self.files.iter().filter(|file| file.drift.is_none()) {
            lines.push(format!("file {}: {}", file.path, file.change));
            lines.extend(shown(file));
        }
        for file in &self.files {
            let Some(drift) = file.drift else { continue };
            lines.push(format!("drift: {} {}", file.path, fate(file, drift)));
            lines.extend(shown(file));
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }
}

/// What was done to a file by hand, and what becomes of that.
fn fate(file: &FileChange, drift: &str) -> &'static str {
    match (drift, file.change) {
        ("removed", "removed") => "was removed on the host; the release has it no longer either",
        ("removed", _) => "was removed on the host and will be put back",
        ("added", "added") => {
            "was put there by hand; the release has its own, theirs is kept in records/set-aside"
        }
        ("added", _) => "was put there by hand and goes; it is kept in records/set-aside",
        (_, "removed") => {
            "was edited on the host and goes with this release; the edit is kept in records/set-aside"
        }
        (_, "unchanged") => {
            "was edited on the host and will be put back; the edit is kept in records/set-aside"
        }
        _ => "was edited on the host, and this release changes it; the edit is kept in records/set-aside",
    }
}

/// The lines of a file's difference, as many as a person reads.
fn shown(file: &FileChange) -> Vec<String> {
    let Some(diff) = &file.diff else { return Vec::new() };
    // Of a JSON file lines say little: it may be one.
    let all: Vec<&str> = match file.values.as_slice() {
        [] => diff.lines().collect(),
        values => values.iter().map(String::as_str).collect(),
    };
    let cut = |line: &&str| match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("    {}…", &line[..end]),
        None => format!("    {line}"),
    };
    let mut lines: Vec<String> = all.iter().take(LONGEST).map(cut).collect();
    if all.len() > LONGEST {
        lines.push(format!("    … {} more lines; `--output json` has all", all.len() - LONGEST));
    }
    lines
}

/// The unified difference of two contents.
fn difference(old: &[u8], new: &[u8]) -> String {
    match (std::str::from_utf8(old), std::str::from_utf8(new)) {
        (Ok(old), Ok(new)) => {
            similar::TextDiff::from_lines(old, new).unified_diff().context_radius(3).to_string()
        }
        _ => format!("not text: {} bytes, will be {} bytes\n", old.len(), new.len()),
    }
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
