//! Encrypted bytes + identity → text. Every way in which that fails has a message of its own.

use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor, Encryptor};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::file::SecretsFile;
use super::identity::Identity;
use super::recipients::Recipients;
use super::{bound, document, recipients};
use crate::error::{Error, Result};
use crate::text;

/// The first line of an armored age file.
pub(super) const ARMOR_BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const ARMOR_END: &str = "-----END AGE ENCRYPTED FILE-----";
/// How a binary age file begins.
const BINARY_BEGIN: &[u8] = b"age-encryption.org/";

/// The whole decrypted text of `secrets/<environment>.yml.age`, as it was written.
///
/// # Errors
/// As [`Secrets::load`](super::Secrets::load), but the text need not be valid.
pub fn view(root: &std::path::Path, environment: &str, identity: &Identity) -> Result<SecretString> {
    let (_, text) = read(&SecretsFile::new(root, environment)?, identity)?;
    Ok(SecretString::from(text.as_str()))
}

/// The encrypted bytes and the decrypted text of a file that must be there.
pub(super) fn read(file: &SecretsFile, identity: &Identity) -> Result<(Vec<u8>, Zeroizing<String>)> {
    let bytes = file.read()?.ok_or_else(|| no_such_file(file))?;
    let text = decrypt_file(file, &bytes, identity)?;
    Ok((bytes, text))
}

/// The error of a file that must be there.
pub(super) fn no_such_file(file: &SecretsFile) -> Error {
    Error::usage(format!("read {}", file.label()))
        .cause("there is no such file")
        .hint(format!("Run `provision secrets edit {}`: it makes one.", file.environment()))
}

/// `error`, for a name that is not there: it says which are.
pub(super) fn no_such_secret<'a>(error: Error, names: impl Iterator<Item = &'a str>) -> Error {
    let names: Vec<&str> = names.collect();
    error.cause("there is no such secret").hint(format!("There are: {}.", names.join(", ")))
}

/// Opens `bytes`, the content of `file`, and sees that they are that environment's.
pub(super) fn decrypt_file(
    file: &SecretsFile,
    bytes: &[u8],
    identity: &Identity,
) -> Result<Zeroizing<String>> {
    let text = decrypt_any(file, bytes, identity)?;
    // A text with mistakes can be opened, since it must be possible to correct them.
    if let Ok(document) = document::parse(file.label(), &text) {
        bound::check(&document, file)?;
    }
    Ok(text)
}

/// Opens `bytes`, whosever they are; `file` is only for messages.
pub(super) fn decrypt_any(
    file: &SecretsFile,
    bytes: &[u8],
    identity: &Identity,
) -> Result<Zeroizing<String>> {
    let failed = |what: &str| Error::usage(format!("open {}", file.label())).cause(what);
    let restore =
        |error: Error| error.hint(format!("Take it from git again: `git checkout -- {}`.", file.label()));

    if let Err(unreadable @ text::Unreadable::Utf16(_)) = text::decode(bytes) {
        return Err(restore(failed(&unreadable.what())));
    }
    if let Some((what, hint)) = not_age(bytes) {
        return Err(failed(what).hint(hint));
    }
    let bytes = without_mark(bytes);
    let binary = dearmor(bytes).map_err(|what| restore(failed(&what)))?;
    let Some(sealed) = sealed(&binary) else {
        return Err(restore(failed("it is cut short: it ends within its header")));
    };
    let decryptor = Decryptor::new_buffered(&binary[..]).map_err(|error| match error {
        DecryptError::UnknownFormat => {
            failed("it is a version of age files that this program does not know").hint("Update provision.")
        }
        DecryptError::Io(_) => restore(failed("it is cut short: it ends within its header")),
        _ => restore(failed("it is damaged: its header is not what age writes")),
    })?;
    if decryptor.is_scrypt() {
        return Err(failed("it is encrypted with a passphrase, not to keys")
            .hint("Decrypt it with `age -d` and encrypt it again with `age -a -R secrets/recipients.txt`."));
    }
    let keys = identity.unlocked(&sealed.ssh)?;
    let plain = decrypt(decryptor, keys.into_iter(), binary.len()).map_err(|error| match error {
        DecryptError::NoMatchingKeys => not_for_us(file, identity),
        DecryptError::InvalidMac => {
            restore(failed("it is damaged: its header was changed after it was encrypted"))
        }
        DecryptError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            restore(failed("it is cut short: its end is missing"))
        }
        _ => restore(failed("it is damaged: a part of it was cut off or changed after it was encrypted")),
    })?;
    let text = text::decode(&plain)
        .map_err(|unreadable| failed(&format!("what it holds is {}", unreadable.kind())))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Why `bytes` are no age file at all, and what to do.
fn not_age(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = without_mark(bytes).trim_ascii_start();
    if text.starts_with(BINARY_BEGIN) || text.starts_with(ARMOR_BEGIN.as_bytes()) {
        None
    } else if text.is_empty() {
        Some(("it is empty", "Take it from git again, or remove it to begin a new one."))
    } else if bytes.windows(8).any(|window| window == b"<<<<<<< ") {
        Some((
            "it holds git's conflict markers: two encrypted files cannot be merged",
            "Take one side (`git checkout --ours` or `--theirs`) and make the other's change with `provision secrets edit`.",
        ))
    } else {
        Some((
            "it is not an age file",
            "If it is plain text: encrypt it with `age -a -R secrets/recipients.txt`, and change every secret that was ever committed that way.",
        ))
    }
}

/// An armored file may have passed through an editor that marks UTF-8.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

fn not_for_us(file: &SecretsFile, identity: &Identity) -> Error {
    let environment = file.environment();
    let ours = identity.recipients();
    let error = Error::usage(format!("open {}", file.label())).cause(format!(
        "it is not encrypted to your identity {} (public key: {})",
        identity.source(),
        ours.join(", ")
    ));
    let error = match identity.passed_over() {
        Some(lines) => error.cause(lines),
        None => error,
    };
    let listed = Recipients::load(file.root(), environment);
    let label =
        listed.as_ref().map_or_else(|_| recipients::SHARED.to_owned(), |listed| listed.source().to_owned());
    if listed.is_ok_and(|listed| ours.iter().any(|our| listed.contains(our))) {
        return error.hint(format!(
            "{label} has your key, but the file was not encrypted again since: ask a colleague who can open it to \
             run `provision secrets rekey`."
        ));
    }
    let own =
        if label == recipients::SHARED { String::new() } else { format!("--environment {environment} ") };
    error
        .hint(format!(
            "Ask a colleague who can open it to run: provision secrets recipients add {own}{}",
            ours.first().map_or("", String::as_str)
        ))
        .hint("If you have another key that is meant for it, name it with --identity.")
}

/// The decrypted bytes. `limit` is the size of the encrypted file: the buffer never has to grow, which would
/// leave a copy behind.
pub(super) fn decrypt<'a>(
    decryptor: Decryptor<&[u8]>,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
    limit: usize,
) -> std::result::Result<Zeroizing<Vec<u8>>, DecryptError> {
    let mut reader = decryptor.decrypt(identities)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(limit));
    reader.read_to_end(&mut plain)?;
    Ok(plain)
}

/// The binary form of an age file that may be armored, or what is wrong with its armor.
pub(super) fn dearmor(bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let trimmed = bytes.trim_ascii();
    if !trimmed.starts_with(ARMOR_BEGIN.as_bytes()) {
        return Ok(bytes.to_vec());
    }
    if !trimmed.ends_with(ARMOR_END.as_bytes()) {
        return Err(if trimmed.windows(ARMOR_END.len()).any(|window| window == ARMOR_END.as_bytes()) {
            "it is damaged: there is something after its last line".to_owned()
        } else {
            "it is cut short: its last line (END AGE ENCRYPTED FILE) is missing".to_owned()
        });
    }
    let mut binary = Vec::with_capacity(trimmed.len());
    ArmoredReader::new(trimmed)
        .read_to_end(&mut binary)
        .map_err(|_| "it is damaged: its text is not what age writes (base64 in lines of 64)".to_owned())?;
    Ok(binary)
}

/// Encrypts `plain` to `recipients`; armored, or binary.
pub(super) fn encrypt<'a>(
    plain: &[u8],
    recipients: impl Iterator<Item = &'a dyn age::Recipient>,
    format: Format,
) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let encryptor = Encryptor::with_recipients(recipients).map_err(|error| error.to_string())?;
    let write = |bytes: &mut Vec<u8>| {
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(bytes, format)?)?;
        writer.write_all(plain)?;
        writer.finish()?.finish().map(|_| ())
    };
    write(&mut bytes).map_err(|error: std::io::Error| error.to_string())?;
    Ok(bytes)
}

/// To whom a file is encrypted, as far as its header says.
pub(super) struct Sealed {
    /// How many X25519 keys: the header does not say which.
    pub(super) x25519: usize,
    /// The tags of the SSH keys.
    pub(super) ssh: Vec<String>,
}

/// What an age header says of its recipients (<https://c2sp.org/age>: `-> X25519 …`, `-> ssh-ed25519 TAG …`); `None`
/// where the header does not end.
pub(super) fn sealed(binary: &[u8]) -> Option<Sealed> {
    let mut sealed = Sealed { x25519: 0, ssh: Vec::new() };
    for line in binary.split(|byte| *byte == b'\n') {
        if line.starts_with(b"---") {
            return Some(sealed);
        }
        let line = String::from_utf8_lossy(line);
        let mut words = line.split(' ');
        if words.next() != Some("->") {
            continue;
        }
        match words.next() {
            Some("X25519") => sealed.x25519 += 1,
            Some(kind) if kind.starts_with("ssh-") => sealed.ssh.extend(words.next().map(str::to_owned)),
            _ => {}
        }
    }
    None
}

/// The tag under which a header names the SSH key of a public key line: the first four bytes of its SHA-256.
pub(super) fn ssh_tag(line: &str) -> Option<String> {
    let key = BASE64_STANDARD.decode(line.split(' ').nth(1)?).ok()?;
    Some(BASE64_STANDARD_NO_PAD.encode(&Sha256::digest(key)[..4]))
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
