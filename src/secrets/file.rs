//! Where the files are, and how one is replaced.

use std::fs;
use std::path::{Path, PathBuf};

use super::replace::{self, Change};
use crate::error::{Error, Result};

/// Whether `environment` has a secrets file below `root`.
#[must_use]
pub fn exists(root: &Path, environment: &str) -> bool {
    SecretsFile::new(root, environment).is_ok_and(|file| file.path.exists())
}

/// The environments that have a secrets file below `root`, sorted.
#[must_use]
pub fn environments(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root.join("secrets"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".yml.age").map(str::to_owned))
        .filter(|name| SecretsFile::new(root, name).is_ok())
        .collect();
    names.sort();
    names
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

    /// Any age file, by its path: for messages, and for reading it whosever it is.
    pub(super) fn at(path: &Path) -> Self {
        let label = path.display().to_string();
        Self { root: PathBuf::new(), environment: String::new(), path: path.to_owned(), label }
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
        replace::read(&self.path, &self.label)
    }

    /// The file's change from `before` to `encrypted`.
    pub(super) fn change(&self, before: Option<&[u8]>, encrypted: Vec<u8>) -> Change {
        Change {
            path: self.path.clone(),
            label: self.label.clone(),
            before: before.map(<[u8]>::to_vec),
            after: encrypted,
        }
    }

    /// Puts `encrypted` in the place of `before`: as a whole or not at all. Nothing is written where the file
    /// is no longer `before`, since somebody else's change would be lost.
    pub(super) fn replace(&self, before: Option<&[u8]>, encrypted: &[u8]) -> Result<()> {
        replace::all(&[self.change(before, encrypted.to_vec())])
    }
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
