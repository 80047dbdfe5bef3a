//! The key that opens secrets files.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use age::ssh;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{open, passphrase};
use crate::error::{Error, Result};
use crate::text;

/// The variable that holds a key or the path of one.
const VARIABLE: &str = "PROVISION_IDENTITY";
/// Where `keygen` writes and others look, below the home folder.
const DEFAULT: &str = ".config/provision/identity.txt";

/// The most work that a passphrase may take, as the base-2 logarithm of scrypt's rounds: as much as the `age` command accepts
/// (<https://github.com/FiloSottile/age/blob/main/scrypt.go>). The library's own limit follows from how fast the machine is
/// at this moment, so on a busy one the file of `age -p` would be refused.
const MOST_WORK: u8 = 22;

/// Asks for a passphrase; the argument says which.
pub(super) type Ask = fn(&str) -> Result<SecretString>;

/// One or more private keys from one place. `Debug` shows the place and the public halves only.
pub struct Identity {
    source: String,
    keys: Vec<Key>,
    /// The numbers of the lines that hold keys of age plugins: they are not used.
    passed_over: Vec<usize>,
    ask: Ask,
}

/// One private key.
enum Key {
    X25519(age::x25519::Identity),
    Ssh(Box<ssh::Identity>),
    /// An SSH key under a passphrase, which is asked for only when the key is the one that fits.
    Locked(Box<(ssh::EncryptedKey, OnceLock<ssh::Identity>)>),
}

/// Where an identity is looked for in the home folder.
const USUAL: [&str; 2] = [DEFAULT, ".ssh/id_ed25519"];

fn none_given() -> Error {
    Error::usage("find your identity, the key that opens secrets files")
        .cause(format!("there is no --identity, no {VARIABLE}, no ~/{} and no ~/{}", USUAL[0], USUAL[1]))
        .hint("Run `provision secrets keygen`. In a project that has secrets already, give the line that it prints to somebody who can open them; in a new one put it into secrets/recipients.txt.")
}

impl Identity {
    /// The identity to use: `flag` (a file), else `PROVISION_IDENTITY` (a key or the path of a file), else
    /// `~/.config/provision/identity.txt`, else `~/.ssh/id_ed25519`. The first that is there is taken.
    ///
    /// Files may be age identity files, also under a passphrase, or SSH keys (ed25519, RSA).
    ///
    /// # Errors
    /// Usage: none is there, it cannot be read, or it is no key that age can use.
    pub fn find(flag: Option<&Path>) -> Result<Self> {
        let variable = std::env::var_os(VARIABLE);
        Self::find_in(flag, variable.as_deref(), std::env::home_dir().as_deref(), passphrase::ask)
    }

    fn find_in(flag: Option<&Path>, variable: Option<&OsStr>, home: Option<&Path>, ask: Ask) -> Result<Self> {
        if let Some(path) = flag {
            return Self::read(path, &path.display().to_string(), ask);
        }
        if let Some(value) = variable {
            return Self::from_variable(value, ask);
        }
        for name in USUAL {
            let Some(path) = home.map(|home| home.join(name)) else { break };
            if path.exists() {
                return Self::read(&path, &format!("~/{name}"), ask);
            }
        }
        Err(none_given())
    }

    /// Whether there is anything to take: a flag, the variable, or one of the usual files. Not whether it is good.
    #[must_use]
    pub fn is_given(flag: Option<&Path>) -> bool {
        flag.is_some()
            || std::env::var_os(VARIABLE).is_some()
            || std::env::home_dir().is_some_and(|home| USUAL.iter().any(|name| home.join(name).exists()))
    }

    fn from_variable(value: &OsStr, ask: Ask) -> Result<Self> {
        let doing = || format!("read the identity in {VARIABLE}");
        let text = text::without_mark(value.to_str().unwrap_or_default()).trim();
        if text.is_empty() {
            return Err(Error::usage(doing()).cause("the variable is set but empty").hint(
                "In CI: is the secret there, and is this job allowed to see it? Else unset the variable.",
            ));
        }
        if text.contains("AGE-SECRET-KEY-") || text.starts_with("-----BEGIN ") {
            return Self::parse(VARIABLE, text, ask);
        }
        let path = PathBuf::from(text);
        if path.is_file() {
            return Self::read(&path, text, ask);
        }
        Err(Error::usage(doing())
            .cause("it holds neither a key nor the path of a file (its text is not shown: it may be a key)")
            .hint("Set it to `AGE-SECRET-KEY-1…`, to the text of an SSH key, or to the path of an identity file."))
    }

    fn read(path: &Path, source: &str, ask: Ask) -> Result<Self> {
        let bytes = fs::read(path).map(Zeroizing::new).map_err(|error| {
            let failed = Error::usage(format!("read the identity {source}"));
            if error.kind() == ErrorKind::NotFound {
                failed.cause("there is no such file").hint("`provision secrets keygen` makes one.")
            } else {
                failed.cause(error)
            }
        })?;
        if bytes.starts_with(b"age-encryption.org/") {
            return Self::unlock(source, &bytes, ask);
        }
        Self::parse(source, text_of(source, &bytes)?, ask)
    }

    /// The identity in `text`. `source` names the place in messages.
    pub(super) fn parse(source: &str, text: &str, ask: Ask) -> Result<Self> {
        let text = text.trim_start();
        if text.starts_with(open::ARMOR_BEGIN) {
            return Self::unlock(source, text.as_bytes(), ask);
        }
        if text.starts_with("-----BEGIN ") {
            return Self::parse_ssh(source, text, ask);
        }
        let (mut keys, mut passed_over) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            match line.parse() {
                Ok(key) => keys.push(Key::X25519(key)),
                Err(_) if line.starts_with("AGE-PLUGIN-") => {
                    passed_over.push(number);
                }
                Err(_) if line.starts_with("age1") || line.starts_with("ssh-") => {
                    return Err(not_an_identity(
                        source,
                        &format!("line {number} is a public key; the private one is needed"),
                    ));
                }
                Err(_) => {
                    return Err(not_an_identity(source, &format!("line {number} is not an age secret key")));
                }
            }
        }
        if keys.is_empty() {
            return Err(match passed_over.first() {
                Some(number) => not_an_identity(source, &format!("line {number} is a key of an age plugin")),
                None => not_an_identity(source, "there is no key in it"),
            });
        }
        Ok(Self { source: source.to_owned(), keys, passed_over, ask })
    }

    fn parse_ssh(source: &str, text: &str, ask: Ask) -> Result<Self> {
        // A variable often loses the last line end; the parser wants Unix line ends.
        let text = Zeroizing::new(format!("{}\n", text.trim_end().replace('\r', "")));
        let key = ssh::Identity::from_buffer(text.as_bytes(), None)
            .map_err(|_| not_an_identity(source, "it is not an SSH private key that age can read"))?;
        let key = match key {
            ssh::Identity::Unencrypted(_) => Key::Ssh(Box::new(key)),
            ssh::Identity::Encrypted(key) => Key::Locked(Box::new((key, OnceLock::new()))),
            ssh::Identity::Unsupported(why) => return Err(not_an_identity(source, &unsupported(&why))),
        };
        Ok(Self { source: source.to_owned(), keys: vec![key], passed_over: Vec::new(), ask })
    }

    /// An age file that holds an identity under a passphrase.
    fn unlock(source: &str, bytes: &[u8], ask: Ask) -> Result<Self> {
        let doing = || format!("read the identity {source}");
        let binary = open::dearmor(bytes).map_err(|what| Error::usage(doing()).cause(what))?;
        let decryptor = age::Decryptor::new_buffered(&binary[..])
            .map_err(|_| not_an_identity(source, "it is a damaged age file"))?;
        if !decryptor.is_scrypt() {
            return Err(not_an_identity(source, "it is an age file, but not one under a passphrase"));
        }
        let passphrase = ask(&format!("the passphrase of {source}")).map_err(|error| {
            error.hint(format!(
                "The identity {source} has a passphrase; where nobody can type it, set {VARIABLE} to a key of its own."
            ))
        })?;
        let mut key = age::scrypt::Identity::new(passphrase);
        key.set_max_work_factor(MOST_WORK);
        let text = open::decrypt(decryptor, std::iter::once(&key as &dyn age::Identity), binary.len())
            .map_err(|error| match error {
                age::DecryptError::ExcessiveWork { required, .. } => not_an_identity(
                    source,
                    &format!("its passphrase takes 2^{required} rounds of scrypt, of at most 2^{MOST_WORK}"),
                ),
                _ => wrong_passphrase(source),
            })?;
        let text = text_of(source, &text)?;
        if text.trim_start().starts_with(open::ARMOR_BEGIN) {
            return Err(not_an_identity(source, "it is encrypted twice"));
        }
        Self::parse(source, text, ask)
    }

    /// Where it came from: a path, or the name of the variable.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What of it is not used, a lower-case fragment: "line 2 of key.txt is a key of an age plugin, …".
    #[must_use]
    pub fn passed_over(&self) -> Option<String> {
        let source = &self.source;
        match self.passed_over.as_slice() {
            [] => None,
            [line] => Some(format!(
                "line {line} of {source} is a key of an age plugin, which provision cannot use; the other keys are used"
            )),
            lines => {
                let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
                Some(format!(
                    "lines {} of {source} are keys of age plugins, which provision cannot use; the other keys are used",
                    lines.join(", ")
                ))
            }
        }
    }

    /// The public halves, as they stand in a recipients file.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        self.keys.iter().filter_map(Key::recipient).collect()
    }

    /// The keys, ready to open a file whose header names the SSH keys `tags`: of the keys under a passphrase
    /// only those are unlocked that are named there.
    pub(super) fn unlocked(&self, tags: &[String]) -> Result<Vec<&dyn age::Identity>> {
        let mut ready: Vec<&dyn age::Identity> = Vec::new();
        for key in &self.keys {
            match key {
                Key::X25519(key) => ready.push(key),
                Key::Ssh(key) => ready.push(&**key),
                Key::Locked(locked) => {
                    let named = key.recipient().and_then(|line| open::ssh_tag(&line));
                    if named.is_some_and(|tag| tags.contains(&tag)) {
                        ready.push(self.unlock_ssh(&locked.0, &locked.1)?);
                    }
                }
            }
        }
        Ok(ready)
    }

    fn unlock_ssh<'a>(
        &self,
        locked: &ssh::EncryptedKey,
        unlocked: &'a OnceLock<ssh::Identity>,
    ) -> Result<&'a ssh::Identity> {
        if let Some(key) = unlocked.get() {
            return Ok(key);
        }
        let passphrase = (self.ask)(&format!("the passphrase of {}", self.source)).map_err(|error| {
            error.hint(format!(
                "The key {} has a passphrase, and an SSH agent cannot decrypt; where nobody can type it, set {VARIABLE} to a key of its own.",
                self.source
            ))
        })?;
        let key = locked.decrypt(passphrase).map_err(|_| wrong_passphrase(&self.source))?;
        Ok(unlocked.get_or_init(|| key.into()))
    }
}

impl Key {
    fn recipient(&self) -> Option<String> {
        let ssh = match self {
            Key::X25519(key) => return Some(key.to_public().to_string()),
            Key::Ssh(key) => (**key).clone(),
            Key::Locked(locked) => locked.0.clone().into(),
        };
        ssh::Recipient::try_from(ssh).ok().map(|recipient| recipient.to_string())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("source", &self.source)
            .field("recipients", &self.recipients())
            .finish_non_exhaustive()
    }
}

/// The text of an identity's file, without what Windows puts before it.
fn text_of<'a>(source: &str, bytes: &'a [u8]) -> Result<&'a str> {
    text::decode(bytes).map_err(|unreadable| {
        Error::problems(format!("read the identity {source}"), vec![unreadable.problem(source)])
    })
}

fn not_an_identity(source: &str, what: &str) -> Error {
    Error::usage(format!("read the identity {source}")).cause(what).hint(
        "An identity is a file from `provision secrets keygen`, or an SSH private key (ed25519 or RSA).",
    )
}

fn wrong_passphrase(source: &str) -> Error {
    Error::usage(format!("unlock the identity {source}")).cause("the passphrase is not the right one")
}

fn unsupported(why: &ssh::UnsupportedKey) -> String {
    match why {
        ssh::UnsupportedKey::EncryptedPem => {
            "it is in the old PEM format under a passphrase (`ssh-keygen -p -f FILE` rewrites it)".to_owned()
        }
        ssh::UnsupportedKey::EncryptedSsh(cipher) => format!("its cipher {cipher} is not supported"),
        ssh::UnsupportedKey::Hardware(kind) => {
            format!("{kind} is a key in a security device, which can sign but not decrypt")
        }
        ssh::UnsupportedKey::Type(kind) => format!("{kind} keys can sign but not decrypt"),
    }
}

/// The file that `keygen` writes when none is named.
pub(super) fn default_path() -> Result<PathBuf> {
    std::env::home_dir().map(|home| home.join(DEFAULT)).ok_or_else(|| {
        Error::usage("find your home folder").cause("HOME is not set").hint("Name a file with --file.")
    })
}

/// The secret text of a key, for the one place that writes it: a new identity file.
pub(super) fn secret_text(key: &age::x25519::Identity) -> Zeroizing<String> {
    Zeroizing::new(key.to_string().expose_secret().to_owned())
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
