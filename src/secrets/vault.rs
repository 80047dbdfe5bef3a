//! Opens what `ansible-vault` encrypted: formats 1.1 and 1.2
//! (<https://docs.ansible.com/ansible/latest/vault_guide/vault_using_encrypted_content.html>, "Ansible Vault payload
//! format").

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::text;

/// How a vault begins.
const BEGIN: &str = "$ANSIBLE_VAULT;";

/// Rounds of PBKDF2, which the format fixes.
const ROUNDS: u32 = 10_000;

/// The vault in a file that is one as a whole: what stands there from its header on. Before it may stand what people and
/// editors put at the head of any YAML file: a mark, empty lines, comments and `---`.
pub(super) fn find(text: &str) -> Option<&str> {
    let mut rest = text::without_mark(text);
    loop {
        rest = rest.trim_start();
        if rest.starts_with(BEGIN) {
            return Some(rest);
        }
        let (line, below) = rest.split_once('\n')?;
        if !(line.starts_with('#') || line.trim_end() == "---") {
            return None;
        }
        rest = below;
    }
}

/// The plain text of a vault.
///
/// # Errors
/// What is wrong with it or with the password, a lower-case fragment that quotes nothing of it.
pub(super) fn open(text: &str, password: &SecretString) -> Result<Zeroizing<Vec<u8>>, String> {
    let (header, body) =
        text.trim().split_once('\n').ok_or("a vault that is cut short: there is only its first line")?;
    let mut fields = header.trim().split(';').skip(1);
    let (version, cipher, label) = (fields.next(), fields.next(), fields.next());
    if !matches!(version, Some("1.1" | "1.2")) {
        return Err("a vault of another format than 1.1 and 1.2".to_owned());
    }
    if cipher != Some("AES256") {
        return Err("a vault with another cipher than AES256".to_owned());
    }
    let cut = || "a vault that is cut short or damaged: it is not what ansible-vault writes".to_owned();
    let digits: String = body.split_whitespace().collect();
    let inner = hex::decode(digits).map_err(|_| cut())?;
    let mut parts = inner.split(|byte| *byte == b'\n').map(|part| hex::decode(part).map_err(|_| cut()));
    let mut part = || parts.next().unwrap_or_else(|| Err(cut()));
    let (salt, tag, encrypted) = (part()?, part()?, part()?);

    let mut keys = Zeroizing::new([0_u8; 80]);
    pbkdf2::pbkdf2::<Hmac<Sha256>>(password.expose_secret().as_bytes(), &salt, ROUNDS, &mut keys[..])
        .map_err(|_| cut())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&keys[32..64]).map_err(|_| cut())?;
    mac.update(&encrypted);
    mac.verify_slice(&tag).map_err(|_| match label {
        Some(label) => {
            format!("the password is not that of the vault id `{}`, or the vault is damaged", plain(label))
        }
        None => "the password is not the right one, or the vault is damaged".to_owned(),
    })?;
    let mut plain = Zeroizing::new(encrypted);
    let mut cipher = Ctr128BE::<Aes256>::new_from_slices(&keys[..32], &keys[64..]).map_err(|_| cut())?;
    cipher.apply_keystream(&mut plain);
    // Padded to 16 bytes, each of which says how many they are (PKCS#7).
    let padding = usize::from(plain.last().copied().unwrap_or_default());
    if !(1..=16).contains(&padding) || padding > plain.len() {
        return Err(cut());
    }
    let length = plain.len() - padding;
    plain.truncate(length);
    Ok(plain)
}

/// A vault id as it may be shown.
fn plain(label: &str) -> String {
    label.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `ansible-vault encrypt --vault-id prod@…` of ansible-core 2.19 with the password `correct horse`.
    const VAULT: &str = include_str!("../../tests/fixtures/vault/string.vault");

    #[test]
    fn what_ansible_encrypted_is_opened() {
        let open = |text: &str, password: &str| open(text, &password.into());
        assert_eq!(open(VAULT, "correct horse").unwrap().as_slice(), b"hunter2: \xc3\xa9\n");
        assert_eq!(
            open(VAULT, "wrong").unwrap_err(),
            "the password is not that of the vault id `prod`, or the vault is damaged"
        );
        assert!(open(&VAULT.replace(";prod", "").replace("1.2", "1.1"), "correct horse").is_ok());
        assert!(open(&VAULT.replace('\n', "\r\n"), "correct horse").is_ok());
    }

    #[test]
    fn a_vault_is_found_below_what_stands_at_the_head_of_yaml_files() {
        let end = VAULT.trim_end();
        for above in ["", "\u{feff}", "---\n", "\u{feff}---\r\n", "\n# by hand\n--- \n\n", "  "] {
            assert_eq!(find(&format!("{above}{VAULT}")).map(str::trim_end), Some(end), "{above:?}");
        }
        for other in ["", "---\n", "a: 1\n$ANSIBLE_VAULT;1.1;AES256\n", "--- a\n$ANSIBLE_VAULT;1.1;AES256\n"]
        {
            assert_eq!(find(other), None, "{other:?}");
        }
    }

    #[test]
    fn no_change_goes_unnoticed() {
        let password = "correct horse".into();
        let said = |text: &str| open(text, &password).unwrap_err();
        for length in [0, 10, 30, 40, VAULT.len() / 2, VAULT.len() - 3] {
            said(&VAULT[..length]);
        }
        let header = VAULT.lines().next().unwrap().len();
        for at in (header + 1..VAULT.len()).step_by(7) {
            let mut text = VAULT.as_bytes().to_vec();
            if text[at] == b'\n' {
                continue;
            }
            text[at] = if text[at] == b'3' { b'4' } else { b'3' };
            if text != VAULT.as_bytes() {
                said(std::str::from_utf8(&text).unwrap());
            }
        }
        assert_eq!(said(&VAULT.replace("1.2", "1.0")), "a vault of another format than 1.1 and 1.2");
        assert_eq!(said(&VAULT.replace("AES256", "AES")), "a vault with another cipher than AES256");
    }
}
