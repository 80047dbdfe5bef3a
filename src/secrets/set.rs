//! Sets, adds and removes values: each a change of the decrypted text that leaves the rest as its author wrote it.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::document::Document;
use super::file::SecretsFile;
use super::identity::Identity;
use super::name::SecretName;
use super::{agreed, open, rewrite, save};
use crate::error::{Error, Result};

/// Gives the secret `name` of `environment` a value and encrypts the file again; makes the file where there is
/// none. The other values and the comments stay. Returns whether the name is new.
///
/// # Errors
/// Usage: an empty value, a file that cannot be opened or read, no recipients or not ourselves among them, or a
/// file that somebody else changed meanwhile. The old file is then kept.
pub fn set(
    root: &Path,
    environment: &str,
    identity: &Identity,
    name: &SecretName,
    value: &SecretString,
) -> Result<bool> {
    if value.expose_secret().is_empty() {
        return Err(Error::usage(format!("set {name}")).cause("the value is empty"));
    }
    let file = SecretsFile::new(root, environment)?;
    let mut is_new = false;
    rewritten(&file, identity, |text, document| {
        is_new = document.get(name.as_str()).is_none();
        Ok(rewrite::with_value(text, document, name.as_str(), value, ""))
    })?;
    Ok(is_new)
}

/// Removes the secret `name` of `environment` and encrypts the file again.
///
/// # Errors
/// Usage: there is no such file or secret; else as [`set`].
pub fn unset(root: &Path, environment: &str, identity: &Identity, name: &SecretName) -> Result<()> {
    let file = SecretsFile::new(root, environment)?;
    if file.read()?.is_none() {
        return Err(open::no_such_file(&file));
    }
    rewritten(&file, identity, |text, document| {
        if document.get(name.as_str()).is_none() {
            let error = Error::usage(format!("remove the secret `{name}` of {environment}"));
            return Err(open::no_such_secret(error, document.names()));
        }
        Ok(rewrite::without(text, document, name.as_str()))
    })
}

/// Changes the text of a file, or of one that is not there yet, and encrypts it again.
pub(super) fn rewritten(
    file: &SecretsFile,
    identity: &Identity,
    change: impl FnOnce(&str, &Document) -> Result<Zeroizing<String>>,
) -> Result<()> {
    let recipients = save::recipients(file, identity)?;
    let before = file.read()?;
    let text = match &before {
        Some(bytes) => open::decrypt_file(file, bytes, identity)?,
        None => Zeroizing::new(String::new()),
    };
    let document = save::read(file, &text)?;
    agreed::check(&document, &recipients, file)?;
    let text = save::complete(file, &change(&text, &document)?, Some(&document), &recipients)?;
    file.replace(before.as_deref(), &recipients.encrypt(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::testing::{identity, project, show, write};
    use super::super::{Secrets, view};
    use super::*;

    #[test]
    fn a_value_is_set_in_a_new_file_and_in_an_old_one() {
        let (identity, recipient) = identity();
        let root = project(&[&recipient]);
        let root = root.path();
        let set = |name: &str, value: &str| {
            set(root, "prod", &identity, &name.parse().unwrap(), &value.into()).unwrap()
        };
        assert!(set("smtp_password", "first"));
        let key = Secrets::load(root, "prod", &identity).unwrap().fingerprint("smtp_password").unwrap();
        assert!(set("other", "x"));
        let secrets = Secrets::load(root, "prod", &identity).unwrap();
        assert_eq!(secrets.fingerprint("smtp_password").unwrap(), key, "the key stays");
        assert!(!set("smtp_password", "second\nline"));
        let secrets = Secrets::load(root, "prod", &identity).unwrap();
        assert_eq!(secrets.get("smtp_password").unwrap().expose_secret(), "second\nline");
        assert_eq!(secrets.names().collect::<Vec<_>>(), ["other", "smtp_password"]);
        assert!(secrets.get("_fingerprint_key").is_none());
        let text = view(root, "prod", &identity).unwrap();
        assert_eq!(text.expose_secret().matches("_fingerprint_key").count(), 1);
    }

    #[test]
    fn what_cannot_be_set_says_why() {
        let (ours, recipient) = identity();
        let (_, stranger) = identity();
        let name = "a".parse().unwrap();
        let nobody = tempfile::tempdir().unwrap();
        let attempt = |root: &Path, value: &str| {
            let error = set(root, "prod", &ours, &name, &value.into()).unwrap_err();
            show(&error).replace(&recipient, "OURS")
        };
        assert_snapshot!(attempt(nobody.path(), "x"), @r"
        [Usage] find out to whom the secrets are encrypted: there is no secrets/recipients.txt
        → Run `provision secrets keygen` if you have no key yet, and write its public line (`age1…`) into secrets/recipients.txt.
        → An SSH public key (ssh-ed25519, ssh-rsa) may stand there too; one line for everyone who may deploy.
        ");
        let without_us = project(&[&stranger]);
        assert_snapshot!(attempt(without_us.path(), "x"), @r"
        [Usage] encrypt secrets/prod.yml.age: secrets/recipients.txt does not have the key of your identity key.txt: you could not open the file again
        → Add this line to it: OURS
        ");
        let root = project(&[&recipient]);
        assert_snapshot!(attempt(root.path(), ""), @"[Usage] set a: the value is empty");
        let recipients = super::super::Recipients::load(root.path(), "prod").unwrap();
        write(root.path(), "secrets/prod.yml.age", &recipients.encrypt(b"a: [hunter2]\n").unwrap());
        assert_snapshot!(attempt(root.path(), "x"), @r"
        [Usage] read secrets/prod.yml.age; secrets/prod.yml.age (decrypted):1:4: a value that is a list or a map
        → Correct it with `provision secrets edit prod`.
        → A secret is one text; write a long one as a block (`name: |`).
        ");
    }
}
