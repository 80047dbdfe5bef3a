//! The placeholder that stands for a secret in everything but the sealed bundle.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::map::Secrets;
use crate::error::{Error, Kind, Result};

/// How every placeholder begins.
const PREFIX: &str = "PROVISIONSECRET";
/// Hexadecimal digits after the prefix.
const DIGITS: usize = 32;

/// The placeholder of the secret `name`: letters and digits only, 47 of them, the same on every machine and at
/// every time, and independent of the value.
#[must_use]
pub fn token(name: &str) -> String {
    let digest = Sha256::new().chain_update(b"provision placeholder v1\0").chain_update(name).finalize();
    format!("{PREFIX}{}", hex::encode_upper(&digest[..DIGITS / 2]))
}

/// The placeholders in `text` and whose they are, by byte offset. Only those of `names` are found.
pub fn find<'n>(text: impl AsRef<[u8]>, names: impl IntoIterator<Item = &'n str>) -> Vec<(usize, &'n str)> {
    let by_token: HashMap<Vec<u8>, &str> =
        names.into_iter().map(|name| (token(name).into_bytes(), name)).collect();
    let text = text.as_ref();
    offsets(text, PREFIX.as_bytes())
        .filter_map(|at| {
            let candidate = text.get(at..at + PREFIX.len() + DIGITS)?;
            by_token.get(candidate).map(|name| (at, *name))
        })
        .collect()
}

/// `text` with every placeholder of `names` replaced by its value.
///
/// The value is put in as it is: whether it fits the place (quotes in YAML, a line end in an INI file) is for
/// the caller to see, by parsing the result.
///
/// # Errors
/// Usage: a secret without a value. Internal: a placeholder that was changed, or is of none of `names`; both
/// should have been refused when the text was rendered.
pub fn substitute<'n>(
    text: impl AsRef<[u8]>,
    names: impl IntoIterator<Item = &'n str>,
    secrets: &Secrets,
) -> Result<Zeroizing<Vec<u8>>> {
    let text = text.as_ref();
    let doing = "put the secrets into their files";
    let found = find(text, names);
    if let Some(at) = mangled(text)
        .or_else(|| offsets(text, PREFIX.as_bytes()).find(|at| !found.iter().any(|(known, _)| known == at)))
    {
        return Err(Error::new(Kind::Internal, doing).cause(format!("an unknown placeholder at byte {at}")));
    }
    let mut values = Vec::with_capacity(found.len());
    for (at, name) in found {
        let value = secrets.get(name).ok_or_else(|| {
            Error::usage(doing)
                .cause(format!("the secret `{name}` has no value"))
                .hint(format!("`provision secrets set ENVIRONMENT {name}` gives it one."))
        })?;
        values.push((at, value.expose_secret().as_bytes()));
    }
    // The exact size, so that the buffer never moves and leaves a copy behind.
    let length = PREFIX.len() + DIGITS;
    let size =
        text.len() - values.len() * length + values.iter().map(|(_, value)| value.len()).sum::<usize>();
    let mut output = Zeroizing::new(Vec::with_capacity(size));
    let mut rest = 0;
    for (at, value) in values {
        output.extend_from_slice(&text[rest..at]);
        output.extend_from_slice(value);
        rest = at + length;
    }
    output.extend_from_slice(&text[rest..]);
    Ok(output)
}

/// The byte offset of the first placeholder that something changed: cut, in other letters, reversed, or as
/// base64 or hexadecimal text. Its value could not be put in, or would be put in where it must not be.
///
/// What leaves no trace of the prefix (its length, its first letters, a hash) cannot be seen here.
#[must_use]
pub fn mangled(text: impl AsRef<[u8]>) -> Option<usize> {
    let text = text.as_ref();
    let plain = offsets_ignoring_case(text, PREFIX.as_bytes()).filter(|at| !is_token(text, *at));
    let reversed: Vec<u8> = PREFIX.bytes().rev().collect();
    let reversed = offsets_ignoring_case(text, &reversed);
    let hexadecimal = hex::encode(PREFIX);
    let hexadecimal = offsets_ignoring_case(text, hexadecimal.as_bytes());
    let base64 = base64_forms();
    let base64 = base64.iter().flat_map(|form| offsets(text, form.as_bytes()));
    plain.chain(reversed).chain(hexadecimal).chain(base64).min()
}

/// Whether a whole placeholder, of whatever name, begins at `at`.
fn is_token(text: &[u8], at: usize) -> bool {
    text[at..].starts_with(PREFIX.as_bytes())
        && text
            .get(at + PREFIX.len()..at + PREFIX.len() + DIGITS)
            .is_some_and(|digits| digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')))
}

/// What the prefix looks like inside base64 text, for each of its three alignments: the characters that
/// depend on the prefix alone.
fn base64_forms() -> Vec<String> {
    let form = |before: usize| {
        let encoded = BASE64_STANDARD_NO_PAD.encode(format!("{}{PREFIX}", "\0".repeat(before)));
        let first = (before * 8).div_ceil(6);
        let last = (before + PREFIX.len()) * 8 / 6;
        encoded[first..last].to_owned()
    };
    (0..3).map(form).collect()
}

fn offsets<'t>(text: &'t [u8], wanted: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    text.windows(wanted.len()).enumerate().filter(move |(_, window)| *window == wanted).map(|(at, _)| at)
}

fn offsets_ignoring_case<'t>(text: &'t [u8], wanted: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    text.windows(wanted.len())
        .enumerate()
        .filter(move |(_, window)| window.eq_ignore_ascii_case(wanted))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::super::testing::show;
    use super::*;

    const NAMES: [&str; 3] = ["a", "smtp_password", "b2"];

    fn replaced(text: &str, secrets: &Secrets) -> String {
        String::from_utf8(substitute(text, NAMES, secrets).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_token_never_changes_between_versions() {
        assert_eq!(token("smtp_password"), "PROVISIONSECRET7D9D07F0098749E864E9BA82F4B69906");
    }

    #[test]
    fn every_token_becomes_its_value() {
        let secrets = Secrets::for_tests(&[("a", "one"), ("smtp_password", "$1\\two"), ("unused", "x")]);
        let text = format!("a: {}\nb: \"{}{}x\"\n", token("a"), token("smtp_password"), token("a"));
        assert_eq!(replaced(&text, &secrets), "a: one\nb: \"$1\\twoonex\"\n");
    }

    #[test]
    fn a_missing_value_and_a_foreign_token_are_errors() {
        let secrets = Secrets::for_tests(&[("a", "one")]);
        let error = |text: String| show(&substitute(text, NAMES, &secrets).unwrap_err());
        assert_snapshot!(error(token("b2")), @r"
        [Usage] put the secrets into their files: the secret `b2` has no value
        → `provision secrets set ENVIRONMENT b2` gives it one.
        ");
        assert_snapshot!(error(token("foreign")), @"[Internal] put the secrets into their files: an unknown placeholder at byte 0");
        assert_snapshot!(error(token("a").to_lowercase()), @"[Internal] put the secrets into their files: an unknown placeholder at byte 0");
    }

    proptest! {
        #[test]
        fn a_token_is_alphanumeric_and_found_where_it_stands(
            name in "[a-z][a-z0-9_]{0,40}",
            before in "[^P]{0,40}",
            after in ".{0,40}",
        ) {
            let token = token(&name);
            prop_assert_eq!(token.len(), 47);
            prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            let text = format!("{before}{token}{after}");
            prop_assert_eq!(find(&text, [name.as_str()]), vec![(before.len(), name.as_str())]);
            prop_assert_eq!(mangled(&text), None);
            prop_assert!(find(&text, ["other"]).is_empty() || name == "other");
        }

        #[test]
        fn names_have_different_tokens(one in "[a-z][a-z0-9_]{0,9}", two in "[a-z][a-z0-9_]{0,9}") {
            prop_assert_eq!(one == two, token(&one) == token(&two));
        }

        #[test]
        fn values_come_back_whole(value in ".{0,60}", before in "[^P]{0,20}", after in "[^P]{0,20}") {
            let secrets = Secrets::for_tests(&[("a", &value)]);
            let text = format!("{before}{}{after}", token("a"));
            prop_assert_eq!(replaced(&text, &secrets), format!("{before}{value}{after}"));
        }

        #[test]
        fn text_without_tokens_stays(text in "[^Pp]{0,200}") {
            prop_assert_eq!(mangled(&text), None);
            prop_assert_eq!(replaced(&text, &Secrets::empty()), text);
        }

        #[test]
        fn a_changed_token_is_noticed(
            name in "[a-z][a-z0-9_]{0,40}",
            before in "[a-z: ]{0,20}",
            after in "[a-z: ]{0,20}",
            keep in 15..47_usize,
        ) {
            let token = token(&name);
            let wrapped = format!("{before}{token}{after}");
            let changed = [
                token.to_lowercase(),
                format!("P{}", token[1..].to_lowercase()),
                token.chars().rev().collect(),
                format!("{}…", &token[..keep]),
                token.replace('S', "s"),
                hex::encode(&wrapped),
                hex::encode_upper(&wrapped),
                BASE64_STANDARD.encode(&wrapped),
                BASE64_URL_SAFE.encode(&wrapped),
            ];
            for text in changed {
                prop_assert!(mangled(format!("x {text} y")).is_some(), "{}", text);
            }
        }
    }
}
