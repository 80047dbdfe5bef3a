//! Replaces files of the project as wholes: all of them or none.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// One file and what it is to become.
pub(super) struct Change {
    /// Where it is.
    pub(super) path: PathBuf,
    /// The path relative to the project root, for messages.
    pub(super) label: String,
    /// Its content when it was read; `None` where there was no such file.
    pub(super) before: Option<Vec<u8>>,
    /// Its new content: ciphertext or public keys.
    pub(super) after: Vec<u8>,
}

/// The content of a file, `None` where there is none.
pub(super) fn read(path: &Path, label: &str) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::usage(format!("read {label}")).cause(error)),
    }
}

/// Writes all of `changes` beside the files first and renames them then. Nothing is written where a file is no
/// longer what it was: somebody else's change would be lost. A rename that fails takes back those before it.
pub(super) fn all(changes: &[Change]) -> Result<()> {
    for change in changes {
        if read(&change.path, &change.label)? != change.before {
            return Err(Error::usage(format!("write {}", change.label))
                .cause("the file changed meanwhile; it was left as it is now, and your change was not saved")
                .hint("Make your change again on top of the other one."));
        }
    }
    let mut prepared: Vec<(PathBuf, &Change)> = Vec::new();
    let failed = |change: &Change, prepared: &[(PathBuf, &Change)], error: std::io::Error| {
        // They hold ciphertext and public keys only, so a leftover would be litter, not a leak.
        for (temporary, _) in prepared {
            let _ = fs::remove_file(temporary);
        }
        let kept = if changes.len() == 1 { "The old file was kept." } else { "All files are as they were." };
        Error::usage(format!("write {}", change.label)).cause(error).hint(kept)
    };
    for change in changes {
        let temporary = beside(&change.path);
        let written = prepare(&temporary, &change.after);
        prepared.push((temporary, change));
        written.map_err(|error| failed(change, &prepared, error))?;
    }
    for (done, (temporary, change)) in prepared.iter().enumerate() {
        if let Err(error) = fs::rename(temporary, &change.path) {
            for (_, earlier) in &prepared[..done] {
                take_back(earlier);
            }
            return Err(failed(change, &prepared[done..], error));
        }
    }
    for change in changes {
        if let Some(folder) = change.path.parent() {
            // The renames themselves may not be on the disk yet; what they are renames of is.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
    }
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{:016x}", rand::random::<u64>()))
}

fn prepare(temporary: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = temporary.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn take_back(change: &Change) {
    let Some(before) = &change.before else {
        let _ = fs::remove_file(&change.path);
        return;
    };
    let temporary = beside(&change.path);
    let _ = prepare(&temporary, before).and_then(|()| fs::rename(&temporary, &change.path));
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::testing::show;
    use super::*;

    fn change(root: &Path, name: &str, before: Option<&str>, after: &str) -> Change {
        Change {
            path: root.join(name),
            label: name.to_owned(),
            before: before.map(|text| text.as_bytes().to_vec()),
            after: after.as_bytes().to_vec(),
        }
    }

    fn tree(root: &Path) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_file())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn all_files_change_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        all(&[change(root, "a", None, "1"), change(root, "b", None, "1")]).unwrap();
        let pairs = |a: &str, b: &str| vec![("a".to_owned(), a.to_owned()), ("b".to_owned(), b.to_owned())];
        assert_eq!(tree(root), pairs("1", "1"));
        let error = all(&[change(root, "a", Some("1"), "2"), change(root, "b", Some("0"), "2")]).unwrap_err();
        assert_snapshot!(show(&error), @r"
        [Usage] write b: the file changed meanwhile; it was left as it is now, and your change was not saved
        → Make your change again on top of the other one.
        ");
        assert_eq!(tree(root), pairs("1", "1"));
        // One that turns out to be a folder: its rename fails, after two that went well.
        let blocked = [
            change(root, "a", Some("1"), "2"),
            change(root, "new", None, "2"),
            change(root, "e", None, "2"),
            change(root, "e/x", None, "2"),
        ];
        let error = all(&blocked).unwrap_err();
        assert_snapshot!(show(&error), @r"
        [Usage] write e: Is a directory (os error 21)
        → All files are as they were.
        ");
        assert_eq!(fs::read_dir(root.join("e")).unwrap().count(), 0);
        assert_eq!(tree(root), pairs("1", "1"));
    }
}
