//! New keys and passwords.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::distr::Alphanumeric;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::identity;
use crate::error::{Error, Result};

/// A random text of `length` letters and digits, each of the 62 as likely as the others.
#[must_use]
pub fn generate_password(length: usize) -> SecretString {
    let mut text = Zeroizing::new(String::with_capacity(length));
    let mut random = rand::rng();
    for _ in 0..length {
        text.push(char::from(random.sample(Alphanumeric)));
    }
    SecretString::from(text.as_str())
}

/// A new key for fingerprints: 64 hexadecimal digits.
pub(super) fn fingerprint_key() -> Zeroizing<String> {
    let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
    Zeroizing::new(hex::encode(bytes.as_slice()))
}

/// Makes an age X25519 identity and writes it to `output` (`~/.config/provision/identity.txt` where `None`),
/// readable by its owner alone. Gives the file and the public key, the line for a recipients file.
///
/// # Errors
/// Usage: the file is there already (it is never overwritten), or cannot be written.
pub fn generate_identity(output: Option<&Path>) -> Result<(PathBuf, String)> {
    let path = match output {
        Some(path) => path.to_owned(),
        None => identity::default_path()?,
    };
    let failed = |error: std::io::Error| {
        let failed = Error::usage(format!("write the identity {}", path.display()));
        if error.kind() == ErrorKind::AlreadyExists {
            failed
                .cause("the file is there already, and a key that is overwritten is gone for good")
                .hint("Use that key, or name another file with --file.")
        } else {
            failed.cause(error)
        }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let key = age::x25519::Identity::generate();
    let public = key.to_public().to_string();
    let text = Zeroizing::new(format!(
        "# created: {}\n# public key: {public}\n{}\n",
        jiff::Timestamp::now().strftime("%FT%TZ"),
        *identity::secret_text(&key)
    ));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok((path, public))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use insta::assert_snapshot;
    use secrecy::ExposeSecret;

    use super::super::Identity;
    use super::super::testing::{run, show};
    use super::*;

    #[test]
    fn a_password_is_alphanumeric_and_uses_all_62() {
        let long = generate_password(20_000);
        let long = long.expose_secret();
        assert_eq!(long.len(), 20_000);
        let kinds: std::collections::BTreeSet<char> = long.chars().collect();
        assert_eq!(kinds.len(), 62);
        assert!(kinds.iter().all(char::is_ascii_alphanumeric));
        assert_ne!(generate_password(32).expose_secret(), generate_password(32).expose_secret());
    }

    #[test]
    fn an_identity_is_private_usable_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/key.txt");
        let (written, public) = generate_identity(Some(&path)).unwrap();
        assert_eq!(written, path);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let theirs = run("age-keygen", &["-y", path.to_str().unwrap()], b"");
        assert_eq!(String::from_utf8(theirs).unwrap().trim(), public);
        assert_eq!(Identity::find(Some(&path)).unwrap().recipients(), [public]);

        let before = std::fs::read(&path).unwrap();
        let error = show(&generate_identity(Some(&path)).unwrap_err());
        assert_snapshot!(error.replace(folder.path().to_str().unwrap(), "FOLDER"), @r"
        [Usage] write the identity FOLDER/deep/er/key.txt: the file is there already, and a key that is overwritten is gone for good
        → Use that key, or name another file with --file.
        ");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
