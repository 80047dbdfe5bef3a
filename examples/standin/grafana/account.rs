//! The admin's account, kept in the data folder. The configured password acts only when there is none yet:
//! whoever changes the secret and forgets the reset keeps the old password, here as with the real Grafana.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The shortest password that Grafana takes for a change.
const SHORTEST: usize = 4;

/// Login and salted hash. One round of SHA-256 is enough here and only here: the lab's passwords are random,
/// at least twenty characters long and thrown away with the lab, so there is nothing to guess and nothing to
/// protect. A program that keeps people's passwords takes a slow hash (argon2, scrypt).
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    note: String,
    pub(super) login: String,
    salt: String,
    sha256: String,
}

impl Account {
    fn new(login: &str, password: &str) -> Self {
        let mut salt = [0; 16];
        rand::fill(&mut salt);
        let salt = hex::encode(salt);
        let sha256 = hash(&salt, password);
        Self { note: "a stand-in's account, not Grafana's".to_owned(), login: login.to_owned(), salt, sha256 }
    }

    /// Reads the account; `None` before the first start.
    pub(super) fn load(data: &Path) -> Result<Option<Self>, String> {
        let path = file(data);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|cause| in_file(&path, &cause)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(in_file(&path, &cause)),
        }
    }

    /// Reads the account or makes it, and tells whether it was made.
    pub(super) fn load_or_create(data: &Path, login: &str, password: &str) -> Result<bool, String> {
        if Self::load(data)?.is_some() {
            return Ok(false);
        }
        Self::new(login, password).save(data)?;
        Ok(true)
    }

    /// Sets a new password. The running server sees it at its next request, as it reads the file each time.
    pub(super) fn reset(data: &Path, password: &str) -> Result<(), String> {
        if password.chars().count() < SHORTEST {
            return Err("New password is too short".to_owned());
        }
        let account = Self::load(data)?.ok_or("there is no account yet: start the server first")?;
        Self::new(&account.login, password).save(data)
    }

    pub(super) fn admits(&self, login: &str, password: &str) -> bool {
        login == self.login && hash(&self.salt, password) == self.sha256
    }

    /// Writes beside and renames, so that a server that reads at this moment sees the old or the new account.
    fn save(&self, data: &Path) -> Result<(), String> {
        let (path, beside) = (file(data), data.join("standin.json.new"));
        let text = serde_json::to_string_pretty(self).map_err(|cause| cause.to_string())?;
        std::fs::create_dir_all(data)
            .and_then(|()| std::fs::write(&beside, text))
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(|cause| format!("the data folder {} is not writable: {cause}", data.display()))
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("standin.json")
}

fn in_file(path: &Path, cause: &dyn std::fmt::Display) -> String {
    format!("cannot use {}: {cause}", path.display())
}

fn hash(salt: &str, password: &str) -> String {
    hex::encode(Sha256::new().chain_update(salt).chain_update(password).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(data: &Path, password: &str) -> bool {
        Account::load(data).unwrap().unwrap().admits("admin", password)
    }

    #[test]
    fn the_configured_password_acts_only_at_the_first_start() {
        let data = tempfile::tempdir().unwrap();
        assert!(Account::load_or_create(data.path(), "admin", "the first").unwrap());
        assert!(!Account::load_or_create(data.path(), "admin", "the second").unwrap());
        assert!(admits(data.path(), "the first"));
        assert!(!admits(data.path(), "the second"));
        assert!(!Account::load(data.path()).unwrap().unwrap().admits("root", "the first"));
    }

    #[test]
    fn a_reset_changes_it() {
        let data = tempfile::tempdir().unwrap();
        Account::load_or_create(data.path(), "admin", "the first").unwrap();
        Account::reset(data.path(), "the second").unwrap();
        assert!(admits(data.path(), "the second"));
        assert!(!admits(data.path(), "the first"));
        assert_eq!(Account::reset(data.path(), "abc"), Err("New password is too short".to_owned()));
        assert!(admits(data.path(), "the second"));
    }

    #[test]
    fn a_reset_before_the_first_start_is_refused() {
        let data = tempfile::tempdir().unwrap();
        assert!(Account::reset(data.path(), "password").unwrap_err().contains("start the server first"));
    }

    #[test]
    fn the_password_is_not_in_the_file_and_two_accounts_differ() {
        let data = tempfile::tempdir().unwrap();
        let text = || std::fs::read_to_string(file(data.path())).unwrap();
        Account::load_or_create(data.path(), "admin", "the first").unwrap();
        let first = text();
        Account::reset(data.path(), "the first").unwrap();
        assert!(!first.contains("the first"));
        assert_ne!(first, text());
    }
}
