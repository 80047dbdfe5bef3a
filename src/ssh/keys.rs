//! Private key files: read, matched with a certificate beside them, unlocked.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use russh::keys::{Certificate, PrivateKey, PublicKey, decode_secret_key};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::surroundings::Surroundings;
use crate::prompt;

/// Keys that a passphrase opened. A deploy connects more than once, and to many hosts: it asks once a key.
static OPENED: LazyLock<Mutex<HashMap<PathBuf, Arc<PrivateKey>>>> = LazyLock::new(Mutex::default);

/// A key file as found.
pub(super) enum KeyFile {
    /// Ready to sign.
    Open(Arc<PrivateKey>),
    /// A passphrase is needed. The public half, where the file tells it.
    Locked(Option<PublicKey>),
    /// Only the public half: it says which of an agent's keys is meant.
    Public(PublicKey),
}

impl KeyFile {
    /// The public half, where it is known.
    pub(super) fn public(&self) -> Option<&PublicKey> {
        match self {
            KeyFile::Open(key) => Some(key.public_key()),
            KeyFile::Locked(key) => key.as_ref(),
            KeyFile::Public(key) => Some(key),
        }
    }
}

/// Reads `file`; none if there is no such file. Errors: a fragment that says what is wrong with it.
pub(super) fn read(file: &Path) -> Result<Option<KeyFile>, String> {
    let text = match fs::read_to_string(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if let Ok(key) = PrivateKey::from_openssh(text.as_str()) {
        return Ok(Some(if key.is_encrypted() {
            KeyFile::Locked(Some(key.public_key().clone()))
        } else {
            KeyFile::Open(Arc::new(key))
        }));
    }
    if let Ok(key) = PublicKey::from_openssh(text.trim()) {
        return Ok(Some(KeyFile::Public(key)));
    }
    match decode_secret_key(&text, None) {
        Ok(key) => Ok(Some(KeyFile::Open(Arc::new(key)))),
        Err(russh::keys::Error::KeyIsEncrypted) => Ok(Some(KeyFile::Locked(public_beside(file)))),
        // PEM says so in its own ways, and not all of them reach us as that error.
        Err(_) if text.contains("ENCRYPTED") => Ok(Some(KeyFile::Locked(public_beside(file)))),
        Err(error) => Err(format!("not a private key that can be read: {error}")),
    }
}

/// The public half in `FILE.pub`, or in `FILE` itself.
pub(super) fn public_beside(file: &Path) -> Option<PublicKey> {
    let read = |file: &Path| PublicKey::from_openssh(fs::read_to_string(file).ok()?.trim()).ok();
    read(&with_suffix(file, ".pub")).or_else(|| read(file))
}

/// The certificate in `FILE-cert.pub`, also where `FILE` is the public half.
pub(super) fn certificate_beside(file: &Path) -> Option<Certificate> {
    let private = file.extension().filter(|it| *it == "pub").map(|_| file.with_extension(""));
    [Some(file), private.as_deref()]
        .into_iter()
        .flatten()
        .find_map(|file| certificate(&with_suffix(file, "-cert.pub")).ok())
}

/// The certificate in `file`. Errors: a fragment.
pub(super) fn certificate(file: &Path) -> Result<Certificate, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    Certificate::from_openssh(text.trim()).map_err(|error| format!("not a certificate: {error}"))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Asks on the terminal for the passphrase of `file`, three times at most. Errors: a fragment.
pub(super) async fn unlock(file: &Path, around: &Surroundings) -> Result<Arc<PrivateKey>, String> {
    // Held while asking: hosts connect at once, and one key is asked for once.
    let mut opened = OPENED.lock().await;
    if let Some(key) = opened.get(file) {
        return Ok(Arc::clone(key));
    }
    if !around.terminal {
        return Err("encrypted, and there is no terminal to ask for its passphrase".to_owned());
    }
    let asked = file.to_path_buf();
    let key = tokio::task::spawn_blocking(move || ask(&asked)).await.map_err(|error| error.to_string())??;
    let key = Arc::new(key);
    opened.insert(file.to_path_buf(), Arc::clone(&key));
    Ok(key)
}

fn ask(file: &Path) -> Result<PrivateKey, String> {
    let text = Zeroizing::new(fs::read_to_string(file).map_err(|error| error.to_string())?);
    for _ in 0..3 {
        let prompt = format!("Passphrase for {}: ", file.display());
        let passphrase = prompt::secret(&prompt).map_err(|error| error.to_string())?;
        if passphrase.is_empty() {
            return Err("encrypted, and no passphrase was given".to_owned());
        }
        if let Ok(key) = decode_secret_key(&text, Some(&passphrase)) {
            return Ok(key);
        }
    }
    Err("encrypted, and the passphrase was wrong three times".to_owned())
}
