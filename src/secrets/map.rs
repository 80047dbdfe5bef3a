//! The values themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::document::Document;
use super::identity::Identity;
use super::name::{ENVIRONMENT, FINGERPRINT_KEY, RECIPIENTS};
use super::recipients::Recipients;
use super::{agreed, document, file, open};
use crate::error::{Error, Result};

/// The secrets of one environment: names and values, in memory only and overwritten when dropped.
///
/// There is no `Display` and no `Serialize`, and `Debug` shows names only.
#[derive(Default)]
pub struct Secrets {
    values: BTreeMap<String, SecretString>,
    fingerprint_key: Option<Zeroizing<Vec<u8>>>,
    is_bound: bool,
    listed: Option<String>,
    remark: Option<String>,
}

impl Secrets {
    /// No secrets: for an environment whose stack needs none.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads `secrets/<environment>.yml.age` below `project_root` with `identity`.
    ///
    /// # Errors
    /// Usage: no such file, not an age file, cut short, damaged, not encrypted to this identity, another
    /// environment's, not a map of names and texts, without `_fingerprint_key`. No error holds any of the decrypted text.
    pub fn load(project_root: &Path, environment: &str, identity: &Identity) -> Result<Self> {
        let file = file::SecretsFile::new(project_root, environment)?;
        let (_, text) = open::read(&file, identity)?;
        let document = document::parse(file.label(), &text)
            .map_err(|problems| Error::problems(format!("read {}", file.label()), problems))?;
        let mut secrets = Self::from_document(document, file.label(), environment)?;
        secrets.remark = identity.passed_over();
        Ok(secrets)
    }

    /// What there is to say of how they were opened: lines of the identity that were passed over.
    #[must_use]
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    pub(super) fn from_document(document: Document, label: &str, environment: &str) -> Result<Self> {
        let mut secrets = Self::empty();
        for entry in document.entries {
            if entry.name == FINGERPRINT_KEY {
                let mut key = Zeroizing::new(vec![0; 32]);
                hex::decode_to_slice(entry.value.expose_secret(), &mut key).map_err(|_| {
                    Error::usage(format!("read {label}"))
                        .cause(format!("`{FINGERPRINT_KEY}` is not 64 hexadecimal digits"))
                        .hint(format!(
                            "Remove its line with `provision secrets edit {environment}`: a new one is added when you save. \
                             The next deploy then takes every secret as changed."
                        ))
                })?;
                secrets.fingerprint_key = Some(key);
            } else if entry.name == ENVIRONMENT {
                secrets.is_bound = true;
            } else if entry.name == RECIPIENTS {
                secrets.listed = Some(entry.value.expose_secret().to_owned());
            } else {
                secrets.values.insert(entry.name, entry.value);
            }
        }
        if secrets.fingerprint_key.is_none() {
            return Err(Error::usage(format!("read {label}"))
                .cause(format!(
                    "`{FINGERPRINT_KEY}` is missing: without it a changed secret would go unnoticed"
                ))
                .hint(format!("Run `provision secrets edit {environment}` and save: it is added.")));
        }
        Ok(secrets)
    }

    /// Whether the file says whose secrets it holds. One that was written before files did is only remarked on.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.is_bound
    }

    /// How `recipients` differ from those for whom the file was last written, a lower-case fragment for each key.
    #[must_use]
    pub fn listed_anew(&self, recipients: &Recipients) -> Vec<String> {
        let found = self.listed.as_deref().map(|listed| agreed::differences(listed, recipients));
        found.into_iter().flatten().map(|(_, what)| what).collect()
    }

    /// The value of `name`. Reserved entries are not found.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.values.get(name)
    }

    /// The names, sorted, without the reserved ones.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// A name for the present value of `name`: 16 hexadecimal digits that change with the value. It is keyed
    /// (HMAC-SHA256 over name, zero byte, value), so that nobody without the file can try guesses against it;
    /// it may be shown in a plan or a label. `None` where there is no such secret.
    #[must_use]
    pub fn fingerprint(&self, name: &str) -> Option<String> {
        let value = self.values.get(name)?;
        let key = self.fingerprint_key.as_ref()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(value.expose_secret().as_bytes());
        Some(hex::encode(&mac.finalize().into_bytes()[..8]))
    }

    /// Secrets for tests of other rooms, with a fixed fingerprint key.
    #[cfg(test)]
    pub(crate) fn for_tests(pairs: &[(&str, &str)]) -> Self {
        Self {
            values: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
            fingerprint_key: Some(Zeroizing::new(vec![7; 32])),
            is_bound: true,
            listed: None,
            remark: None,
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("names", &self.values.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_key_name_and_value() {
        let one = Secrets::for_tests(&[("a", "x"), ("b", "x"), ("ab", "c"), ("abc", "")]);
        let fingerprint = one.fingerprint("a").unwrap();
        // printf 'a\0x' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…
        assert_eq!(fingerprint, "2d48d4a32b86991a");
        assert_ne!(fingerprint, one.fingerprint("b").unwrap());
        assert_ne!(one.fingerprint("ab").unwrap(), one.fingerprint("abc").unwrap());
        assert_ne!(fingerprint, Secrets::for_tests(&[("a", "y")]).fingerprint("a").unwrap());
        let mut other = Secrets::for_tests(&[("a", "x")]);
        other.fingerprint_key = Some(Zeroizing::new(vec![8; 32]));
        assert_ne!(fingerprint, other.fingerprint("a").unwrap());
        assert_eq!(one.fingerprint("z"), None);
    }

    #[test]
    fn debug_shows_names_only() {
        let secrets = Secrets::for_tests(&[("smtp_password", "hunter2")]);
        assert_eq!(format!("{secrets:?}"), r#"Secrets { names: ["smtp_password"], .. }"#);
    }
}
