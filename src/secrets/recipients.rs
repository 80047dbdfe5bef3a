//! To whom a secrets file is encrypted.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use age::armor::Format;
use age::ssh::ParseRecipientKeyError;

use super::open::{self, Sealed};
use crate::error::{Error, Kind, Place, Problem, Result};
use crate::text;

/// The recipients of one environment's secrets: everyone who may deploy it.
pub struct Recipients {
    source: String,
    keys: Vec<Recipient>,
}

/// The list for all environments that have none of their own, relative to the project root.
pub(super) const SHARED: &str = "secrets/recipients.txt";

/// The list of one environment alone.
pub(super) fn own_list(environment: &str) -> String {
    format!("secrets/{environment}.recipients.txt")
}

struct Recipient {
    line: String,
    comment: String,
    key: Box<dyn age::Recipient + Send + Sync>,
}

impl Recipients {
    /// Reads `secrets/<environment>.recipients.txt`, else `secrets/recipients.txt`, below `root`: one public
    /// key a line (`age1…`, `ssh-ed25519 …`, `ssh-rsa …`), comments after `#`.
    ///
    /// # Errors
    /// Usage: neither file is there, a line is no key that age can encrypt to (all such lines at once), or
    /// there is no key at all.
    pub fn load(root: &Path, environment: &str) -> Result<Self> {
        let label = Self::list_of(root, environment);
        match std::fs::read(root.join(&label)) {
            Ok(bytes) => {
                let text = text::decode(&bytes).map_err(|unreadable| unreadable.error(&label))?;
                return Self::parse(&label, text);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::usage(format!("read {label}")).cause(error)),
        }
        Err(Error::usage("find out to whom the secrets are encrypted")
            .cause("there is no secrets/recipients.txt")
            .hint("Run `provision secrets keygen` if you have no key yet, and write its public line (`age1…`) into secrets/recipients.txt.")
            .hint("An SSH public key (ssh-ed25519, ssh-rsa) may stand there too; one line for everyone who may deploy."))
    }

    /// The list that goes for an environment: its own where there is one. A path relative to the project root.
    pub(super) fn list_of(root: &Path, environment: &str) -> String {
        let own = own_list(environment);
        if root.join(&own).exists() { own } else { SHARED.to_owned() }
    }

    /// The recipients in `text`, the content of the list `source`.
    pub(super) fn parse(source: &str, text: &str) -> Result<Self> {
        let mut keys: Vec<Recipient> = Vec::new();
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(line) {
                Ok(recipient) => {
                    if !keys.iter().any(|known| known.line == recipient.line) {
                        keys.push(recipient);
                    }
                }
                Err((what, hint)) => {
                    let mut place = Place::at(source, text, index + 1, 0);
                    if line.contains("SECRET") || line.contains("PRIVATE") {
                        place.text.clear();
                    }
                    problems.push(Problem::new(place, what, hint));
                }
            }
        }
        if !problems.is_empty() {
            return Err(Error::problems(format!("read {source}"), problems));
        }
        if keys.is_empty() {
            return Err(Error::usage(format!("read {source}"))
                .cause("it names nobody")
                .hint("Write at least your own public key into it; `provision secrets keygen` prints one."));
        }
        Ok(Self { source: source.to_owned(), keys })
    }

    /// The file that they come from, relative to the project root.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The public keys without their comments, in the file's order, each once.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.line.as_str())
    }

    /// The same, each with what stands behind it in the list.
    pub(super) fn described(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|key| match key.comment.as_str() {
            "" => key.line.clone(),
            comment => format!("{} # {comment}", key.line),
        })
    }

    /// Whether this public key is one of them; a comment after it does not matter.
    #[must_use]
    pub fn contains(&self, line: &str) -> bool {
        parse_line(line.trim()).is_ok_and(|wanted| self.keys.iter().any(|key| key.line == wanted.line))
    }

    /// How a file that is encrypted to `sealed` differs from this list, a lower-case fragment; `None` where it does
    /// not. Which X25519 keys it is encrypted to an age header does not say, only how many.
    pub(super) fn difference(&self, sealed: &Sealed) -> Option<String> {
        let (ssh, x25519): (Vec<&str>, Vec<&str>) = self.lines().partition(|line| line.starts_with("ssh-"));
        let mut wanted: Vec<String> = ssh.into_iter().filter_map(open::ssh_tag).collect();
        let mut found = sealed.ssh.clone();
        wanted.sort();
        found.sort();
        if wanted == found && x25519.len() == sealed.x25519 {
            return None;
        }
        let (is, should) = (found.len() + sealed.x25519, self.keys.len());
        let keys = |count: usize| if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
        Some(if is == should {
            format!("is encrypted to other keys than {} lists", self.source)
        } else {
            format!("is encrypted to {}, and {} lists {should}", keys(is), self.source)
        })
    }

    /// `plain` as an armored age file that all of them can open.
    pub(super) fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>> {
        open::encrypt(plain, self.keys.iter().map(|key| &*key.key as &dyn age::Recipient), Format::AsciiArmor)
            .map_err(|what| Error::new(Kind::Internal, "encrypt the secrets").cause(what))
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipients")
            .field("source", &self.source)
            .field("lines", &self.lines().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A public key as it is compared, without its comment; what is wrong with it and what to do otherwise.
pub(super) fn key_of(line: &str) -> std::result::Result<String, (String, String)> {
    parse_line(line.trim()).map(|recipient| recipient.line)
}

/// What stands behind the key of a line.
pub(super) fn comment_of(line: &str) -> &str {
    let words = if line.trim_start().starts_with("ssh-") { 2 } else { 1 };
    let mut rest = line.trim();
    for _ in 0..words {
        rest = rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
    }
    rest.trim_start_matches('#').trim()
}

fn parse_line(line: &str) -> std::result::Result<Recipient, (String, String)> {
    if line.starts_with("age1") {
        let word = line.split_whitespace().next().unwrap_or_default();
        return match word.parse::<age::x25519::Recipient>() {
            Ok(key) => Ok(Recipient {
                line: key.to_string(),
                comment: comment_of(line).to_owned(),
                key: Box::new(key),
            }),
            Err(_) if word.matches('1').count() > 1 => Err((
                "a key of an age plugin, or a mistyped one".to_owned(),
                "Only plain X25519 keys (age1 and 58 characters) and SSH keys are supported.".to_owned(),
            )),
            Err(_) => Err((
                "a mistyped age public key: its checksum is wrong".to_owned(),
                "Copy it again; `age-keygen -y FILE` prints it.".to_owned(),
            )),
        };
    }
    if line.contains("AGE-SECRET-KEY-") || line.contains("PRIVATE KEY") {
        return Err((
            "a private key".to_owned(),
            "Take it out and make a new one: a private key that was in the repository is no secret any more."
                .to_owned(),
        ));
    }
    let key = ssh_recipient(line)?;
    Ok(Recipient { line: key.to_string(), comment: comment_of(line).to_owned(), key: Box::new(key) })
}

/// An SSH public key line as a recipient, or what is wrong with it and what to do.
pub(super) fn ssh_recipient(line: &str) -> std::result::Result<age::ssh::Recipient, (String, String)> {
    let kind = line.split_whitespace().next().unwrap_or_default();
    if kind.starts_with("sk-") {
        return Err((
            format!("{kind} is a key in a security device, which can sign but not decrypt"),
            "Use an ed25519 key, or one from `provision secrets keygen`.".to_owned(),
        ));
    }
    if kind.starts_with("ecdsa-") || kind == "ssh-dss" || kind.contains("-cert-") {
        return Err((
            format!("{kind}: age can encrypt to ed25519 and RSA keys only"),
            "Use an ed25519 key, or one from `provision secrets keygen`.".to_owned(),
        ));
    }
    let words: Vec<&str> = line.split_whitespace().take(2).collect();
    words.join(" ").parse().map_err(|error| match error {
        ParseRecipientKeyError::RsaModulusTooSmall => (
            "an RSA key of less than 2048 bits".to_owned(),
            "Make an ed25519 key: `ssh-keygen -t ed25519`.".to_owned(),
        ),
        ParseRecipientKeyError::RsaModulusTooLarge => (
            "an RSA key of more than 4096 bits".to_owned(),
            "Make an ed25519 key: `ssh-keygen -t ed25519`.".to_owned(),
        ),
        _ if matches!(kind, "ssh-ed25519" | "ssh-rsa") => (
            "an SSH public key that is cut short or mistyped".to_owned(),
            "Copy the whole line again.".to_owned(),
        ),
        _ => (
            "no public key".to_owned(),
            "A line is `age1…`, `ssh-ed25519 …` or `ssh-rsa …`; comments begin with #.".to_owned(),
        ),
    })
}

#[cfg(test)]
#[path = "recipients_tests.rs"]
mod tests;
