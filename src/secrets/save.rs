//! Text → encrypted file: the one way in which a secrets file is written.

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::document::{self, Document};
use super::file::SecretsFile;
use super::identity::Identity;
use super::name::{ENVIRONMENT, FINGERPRINT_KEY, RECIPIENTS};
use super::recipients::Recipients;
use super::{agreed, bound, generate, rewrite};
use crate::error::{Error, Result};

/// What stands above the key in the file.
const COMMENT: &str =
    "# Made by provision: tells whether a secret changed. A new one makes every secret look changed.\n";

/// The recipients of `file`, seen to include `identity`: else its owner could not open what they just wrote.
pub(super) fn recipients(file: &SecretsFile, identity: &Identity) -> Result<Recipients> {
    let recipients = Recipients::load(file.root(), file.environment())?;
    includes(&recipients, file, identity)?;
    Ok(recipients)
}

/// Whether `identity` is among `recipients`.
///
/// # Errors
/// Usage: it is not, and its owner would be locked out of `file`.
pub(super) fn includes(recipients: &Recipients, file: &SecretsFile, identity: &Identity) -> Result<()> {
    let ours = identity.recipients();
    if ours.iter().any(|our| recipients.contains(our)) {
        return Ok(());
    }
    Err(Error::usage(format!("encrypt {}", file.label()))
        .cause(format!(
            "{} does not have the key of your identity {}: you could not open the file again",
            recipients.source(),
            identity.source()
        ))
        .hint(format!("Add this line to it: {}", ours.first().map_or("", String::as_str))))
}

/// `text` with provision's own entries: the fingerprint key (its own, else that of `former`, else a new one), whose
/// file it is, and for whom it is written.
///
/// # Errors
/// Usage: the text has mistakes, or says that it is another environment's.
pub(super) fn complete(
    file: &SecretsFile,
    text: &str,
    former: Option<&Document>,
    recipients: &Recipients,
) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(text.to_owned());
    let mut document = read(file, &text)?;
    bound::check(&document, file)?;
    if document.get(FINGERPRINT_KEY).is_none() {
        let key = former
            .and_then(|document| document.get(FINGERPRINT_KEY).cloned())
            .unwrap_or_else(|| generate::fingerprint_key().as_str().into());
        text = rewrite::with_value(&text, &document, FINGERPRINT_KEY, &key, COMMENT);
        document = read(file, &text)?;
    }
    if document.get(ENVIRONMENT).is_none() {
        text = rewrite::with_value(&text, &document, ENVIRONMENT, &file.environment().into(), bound::COMMENT);
        document = read(file, &text)?;
    }
    let listed = agreed::entry(recipients);
    if document.get(RECIPIENTS).is_none_or(|value| value.expose_secret() != listed) {
        text = rewrite::with_value(&text, &document, RECIPIENTS, &listed.into(), agreed::COMMENT);
    }
    Ok(text)
}

/// The entries of a decrypted text.
///
/// # Errors
/// Usage: all its mistakes, and where they can be corrected.
pub(super) fn read(file: &SecretsFile, text: &str) -> Result<Document> {
    document::parse(file.label(), text).map_err(|problems| {
        Error::problems(format!("read {}", file.label()), problems)
            .hint(format!("Correct it with `provision secrets edit {}`.", file.environment()))
    })
}
