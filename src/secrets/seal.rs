//! Encrypts what one host may see to that host's own SSH key.

use age::armor::Format;

use super::{open, recipients};
use crate::error::{Error, Kind, Result};

/// `plain` as a binary age file that only the holder of a host key can open
/// (`age -d -i /etc/ssh/ssh_host_ed25519_key`). `host_public_key_openssh` is one line as in
/// `/etc/ssh/ssh_host_ed25519_key.pub`: `ssh-ed25519 …` or `ssh-rsa …`.
///
/// # Errors
/// Usage: a key of another kind (age cannot encrypt to ECDSA), or no key.
pub fn seal_to_host(plain: &[u8], host_public_key_openssh: &str) -> Result<Vec<u8>> {
    let doing = "encrypt the secrets to the host's SSH key";
    let line = host_public_key_openssh.trim();
    let key = recipients::ssh_recipient(line).map_err(|(what, _)| {
        Error::usage(doing).cause(what).hint(
            "Run `ssh-keygen -A` on the host as root: it makes the host keys that are missing, an ed25519 key among them.",
        )
    })?;
    open::encrypt(plain, std::iter::once(&key as &dyn age::Recipient), Format::Binary)
        .map_err(|what| Error::new(Kind::Internal, doing).cause(what))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::testing::{run, show, ssh_key};
    use super::*;

    #[test]
    fn the_age_command_opens_it_with_the_host_key() {
        let folder = tempfile::tempdir().unwrap();
        for kind in ["ed25519", "rsa"] {
            let (path, public) = ssh_key(folder.path(), kind, "");
            let sealed = seal_to_host(b"tar\0bytes", &format!("{public}\n")).unwrap();
            assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
            assert_eq!(run("age", &["-d", "-i", path.to_str().unwrap()], &sealed), b"tar\0bytes");
        }
    }

    #[test]
    fn other_keys_are_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let (_, public) = ssh_key(folder.path(), "ecdsa", "");
        assert_snapshot!(show(&seal_to_host(b"", &public).unwrap_err()), @r"
        [Usage] encrypt the secrets to the host's SSH key: ecdsa-sha2-nistp256: age can encrypt to ed25519 and RSA keys only
        → Run `ssh-keygen -A` on the host as root: it makes the host keys that are missing, an ed25519 key among them.
        ");
        assert_snapshot!(show(&seal_to_host(b"", "ssh-ed25519 AAAA").unwrap_err()), @r"
        [Usage] encrypt the secrets to the host's SSH key: an SSH public key that is cut short or mistyped
        → Run `ssh-keygen -A` on the host as root: it makes the host keys that are missing, an ed25519 key among them.
        ");
        assert_snapshot!(show(&seal_to_host(b"", "").unwrap_err()), @r"
        [Usage] encrypt the secrets to the host's SSH key: no public key
        → Run `ssh-keygen -A` on the host as root: it makes the host keys that are missing, an ed25519 key among them.
        ");
    }
}
