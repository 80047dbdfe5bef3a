//! Keys that no host may show: the file of OpenSSH's `RevokedHostKeys`.

use std::fs;
use std::path::Path;

use russh::keys::PublicKey;

use super::known_hosts::{Known, Role, plain_text};
use crate::error::{Error, Result};

/// How a key revocation list begins that `ssh-keygen -k` made (OpenSSH's PROTOCOL.krl).
const KRL: &[u8] = b"SSHKRL\n\0";

/// The keys in `file`, one a line.
///
/// # Errors
/// Usage: the file cannot be read, which revokes every key as in OpenSSH (`ssh_config(5)`), or is a binary list.
pub(super) fn read(file: &Path) -> Result<Vec<Known>> {
    let refused =
        || Error::usage(format!("read {}, the RevokedHostKeys of the SSH configuration", file.display()));
    let bytes = fs::read(file).map_err(|error| {
        refused()
            .cause(error)
            .hint("Without it no host key is accepted, as in OpenSSH: mend the file or the setting in ~/.ssh/config.")
    })?;
    if bytes.starts_with(KRL) {
        return Err(refused()
            .cause("it is a binary key revocation list (KRL), which provision does not read")
            .hint("Name a file with one public key a line, or revoke the key with an `@revoked` line in a known_hosts file."));
    }
    let text = plain_text(&bytes);
    let keys = text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim();
        let key = PublicKey::from_openssh(line).ok().filter(|_| !line.starts_with('#'))?;
        let (file, line) = (file.to_path_buf(), index + 1);
        Some(Known { role: Role::Revoked, key, file, line, own: false, binding: false })
    });
    Ok(keys.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::tests::key;

    #[test]
    fn keys_are_read_and_what_cannot_be_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("revoked");
        let shown = |error: Error| error.to_string().replace(&dir.path().display().to_string(), "DIR");
        insta::assert_snapshot!(shown(read(&file).unwrap_err()), @"read DIR/revoked, the RevokedHostKeys of the SSH configuration: No such file or directory (os error 2)");
        fs::write(&file, KRL).unwrap();
        insta::assert_snapshot!(shown(read(&file).unwrap_err()), @"read DIR/revoked, the RevokedHostKeys of the SSH configuration: it is a binary key revocation list (KRL), which provision does not read");
        let line = key(3).public_key().to_openssh().unwrap();
        fs::write(&file, format!("\u{feff}# lost\n{line} ana\n")).unwrap();
        let found = read(&file).unwrap();
        assert_eq!((found.len(), found[0].line), (1, 2));
        assert_eq!(found[0].key.key_data(), key(3).public_key().key_data());
    }
}
