//! Asks a person for something that must not be seen.

use std::io::{IsTerminal, stderr, stdin};

use secrecy::SecretString;

use crate::error::{Error, Result};
use crate::prompt;

/// Asks on the terminal for `what` ("the passphrase of key.txt") without showing what is typed.
///
/// # Errors
/// Usage, where there is no terminal: a question nobody can answer must not hang a CI job.
pub(crate) fn ask(what: &str) -> Result<SecretString> {
    if !stdin().is_terminal() && !stderr().is_terminal() {
        return Err(Error::usage(format!("ask for {what}")).cause("there is no terminal to ask on"));
    }
    prompt::secret(&format!("Enter {what}: "))
        .map(|mut typed| SecretString::from(std::mem::take(&mut *typed)))
        .map_err(|error| Error::usage(format!("ask for {what}")).cause(error))
}
