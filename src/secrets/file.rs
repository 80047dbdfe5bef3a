//! Where the files are, and how one is replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Whether `environment` has a secrets file below `root`.
#[must_use]
pub fn exists(root: &Path, environment: &str) -> bool {
    SecretsFile::new(root, environment).is_ok_and(|file| file.path.exists())
}

/// The secrets file of one environment.
pub(super) struct SecretsFile {
    root: PathBuf,
    environment: String,
    path: PathBuf,
    label: String,
}

impl SecretsFile {
    /// The file, whether it is there or not.
    ///
    /// # Errors
    /// Usage: a name that no environment can have. It would lead out of the folder.
    pub(super) fn new(root: &Path, environment: &str) -> Result<Self> {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if environment.is_empty() || !environment.chars().all(good) {
            return Err(Error::usage("find the secrets file")
                .cause(format!("{environment:?} is not the name of an environment"))
                .hint("An environment is the name of a file in inventory/ without `.yml`."));
        }
        let label = format!("secrets/{environment}.yml.age");
        Ok(Self {
            root: root.to_owned(),
            environment: environment.to_owned(),
            path: root.join(&label),
            label,
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn environment(&self) -> &str {
        &self.environment
    }

    /// The path relative to the project root, for messages.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// The encrypted bytes, `None` where there is no such file.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::usage(format!("read {}", self.label)).cause(error)),
        }
    }

    /// Puts `encrypted` in the place of `before`: as a whole or not at all. Nothing is written where the file
    /// is no longer `before`, since somebody else's change would be lost.
    pub(super) fn replace(&self, before: Option<&[u8]>, encrypted: &[u8]) -> Result<()> {
        let doing = || format!("write {}", self.label);
        if self.read()?.as_deref() != before {
            return Err(Error::usage(doing())
                .cause("the file changed meanwhile; it was left as it is now, and your change was not saved")
                .hint("Make your change again on top of the other one."));
        }
        let folder = self.root.join("secrets");
        fs::create_dir_all(&folder).map_err(|error| Error::usage(doing()).cause(error))?;
        let temporary = folder.join(format!(".{}.yml.age.{:016x}", self.environment, rand::random::<u64>()));
        let written = write_and_rename(&temporary, &self.path, encrypted)
            .and_then(|()| File::open(&folder)?.sync_all());
        if written.is_err() {
            // It holds ciphertext only, so a leftover would be litter, not a leak.
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(|error| Error::usage(doing()).cause(error).hint("The old file was kept."))
    }
}

fn write_and_rename(temporary: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::testing::show;
    use super::*;

    #[test]
    fn a_file_is_replaced_only_where_it_is_still_the_one_that_was_read() {
        let root = tempfile::tempdir().unwrap();
        let file = SecretsFile::new(root.path(), "prod").unwrap();
        assert!(!exists(root.path(), "prod"));
        file.replace(None, b"one").unwrap();
        assert!(exists(root.path(), "prod"));
        file.replace(Some(b"one"), b"two").unwrap();
        assert_snapshot!(show(&file.replace(Some(b"one"), b"three").unwrap_err()), @r"
        [Usage] write secrets/prod.yml.age: the file changed meanwhile; it was left as it is now, and your change was not saved
        → Make your change again on top of the other one.
        ");
        file.replace(None, b"three").unwrap_err();
        assert_eq!(file.read().unwrap().unwrap(), b"two");
        let names: Vec<_> = fs::read_dir(root.path().join("secrets"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["prod.yml.age"]);
    }

    #[test]
    fn an_environment_cannot_lead_out_of_the_folder() {
        for name in ["", "..", "a/b", "../prod", "a b", "prod.yml"] {
            assert!(SecretsFile::new(Path::new("/nowhere"), name).is_err(), "{name:?}");
        }
        let error = SecretsFile::new(Path::new("/nowhere"), "../prod").err().unwrap();
        assert_snapshot!(show(&error), @r#"
        [Usage] find the secrets file: "../prod" is not the name of an environment
        → An environment is the name of a file in inventory/ without `.yml`.
        "#);
    }
}
