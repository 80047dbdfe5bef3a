//! What a secret may be called.

use std::fmt;
use std::str::FromStr;

/// The longest name: it becomes the name of a file on the host.
const MAX_LENGTH: usize = 64;

/// The reserved entry that holds the key of [`Secrets::fingerprint`](super::Secrets::fingerprint).
pub(super) const FINGERPRINT_KEY: &str = "_fingerprint_key";

/// The reserved entry that says whose secrets a file holds.
pub(super) const ENVIRONMENT: &str = "_environment";

/// The reserved entry that says for whom a file was last written.
pub(super) const RECIPIENTS: &str = "_recipients";

/// All names that belong to provision.
pub(super) const RESERVED: [&str; 3] = [FINGERPRINT_KEY, ENVIRONMENT, RECIPIENTS];

/// The name of a secret: `[a-z][a-z0-9_]*`, at most 64 characters. Names that start with `_` belong to
/// provision and are not names that a user can give.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = String;

    /// The name, or what is wrong with it as a lower-case fragment. The text itself is not repeated: a value
    /// that slipped into the place of a name must not be shown.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut characters = text.chars();
        match characters.next() {
            None => return Err("an empty name".to_owned()),
            Some('_') => {
                return Err("a name that starts with `_`: those belong to provision".to_owned());
            }
            Some('a'..='z') => {}
            Some(_) => return Err("a name that does not start with a letter a-z".to_owned()),
        }
        if !characters.all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_')) {
            return Err("a name with other characters than a-z, 0-9 and `_`".to_owned());
        }
        if text.len() > MAX_LENGTH {
            return Err(format!("a name of more than {MAX_LENGTH} characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_letters_digits_and_underscores() {
        for good in ["a", "smtp_password", "s3_key", "a__"] {
            assert_eq!(good.parse::<SecretName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(65);
        for bad in ["", "_key", "1a", "A", "aB", "a-b", "a b", "ä", "a.b", "../a", &long] {
            bad.parse::<SecretName>().unwrap_err();
        }
    }
}
