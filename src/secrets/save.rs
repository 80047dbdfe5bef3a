//! Text → encrypted file: the one way in which a secrets file is written.

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::document::Document;
use super::file::SecretsFile;
use super::generate;
use super::identity::Identity;
use super::name::FINGERPRINT_KEY;
use super::recipients::Recipients;
use super::rewrite;
use crate::error::{Error, Result};

/// What stands above the key in the file.
const COMMENT: &str =
    "# Made by provision: tells whether a secret changed. A new one makes every secret look changed.\n";

/// The recipients of `file`, seen to include `identity`: else its owner could not open what they just wrote.
pub(super) fn recipients(file: &SecretsFile, identity: &Identity) -> Result<Recipients> {
    let recipients = Recipients::load(file.root(), file.environment())?;
    let ours = identity.recipients();
    if ours.iter().any(|our| recipients.contains(our)) {
        return Ok(recipients);
    }
    Err(Error::usage(format!("encrypt {}", file.label()))
        .cause(format!(
            "{} does not have the key of your identity {}: you could not open the file again",
            recipients.source(),
            identity.source()
        ))
        .hint(format!("Add this line to it: {}", ours.first().map_or("", String::as_str))))
}

/// `text` with a fingerprint key: its own, else `former`, else a new one.
pub(super) fn with_fingerprint_key(
    text: &str,
    document: &Document,
    former: Option<&SecretString>,
) -> Zeroizing<String> {
    if document.get(FINGERPRINT_KEY).is_some() {
        return Zeroizing::new(text.to_owned());
    }
    let key = former.cloned().unwrap_or_else(|| SecretString::from(generate::fingerprint_key().as_str()));
    rewrite::with_value(text, document, FINGERPRINT_KEY, &key, COMMENT)
}
