//! The placeholder that stands for a secret until the last moment.
//!
//! `secret(name="x")` in a template gives a token: alphanumeric, so that no quoting or escaping changes it; made
//! of the name alone, so that the same stack renders to the same text; closed by a checksum, so that a
//! filter that changed it is noticed.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What every token begins with.
pub const PREFIX: &str = "PROVISIONSECRET";

/// Hex digits of the checksum at the end.
const SUM: usize = 8;

/// The token of the secret `name`.
#[must_use]
pub fn token(name: &str) -> String {
    let hex = hex::encode_upper(name);
    format!("{PREFIX}{hex}Z{}", checksum(&hex))
}

fn checksum(hex: &str) -> String {
    hex::encode_upper(&Sha256::digest(format!("provision placeholder {hex}"))[..SUM / 2])
}

/// A token found in a text: where it is and whose it is.
struct Found {
    start: usize,
    end: usize,
    name: Option<String>,
}

fn scan(text: &str) -> impl Iterator<Item = Found> {
    text.match_indices(PREFIX).map(|(start, _)| {
        let body = start + PREFIX.len();
        let rest = &text[body..];
        let hex_len =
            rest.find(|c: char| !c.is_ascii_hexdigit() || c.is_ascii_lowercase()).unwrap_or(rest.len());
        let (hex, tail) = rest.split_at(hex_len);
        let whole =
            tail.strip_prefix('Z').and_then(|tail| tail.get(..SUM)).is_some_and(|sum| sum == checksum(hex));
        let name = hex::decode(hex).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if whole {
            Found { start, end: body + hex_len + 1 + SUM, name }
        } else {
            Found { start, end: body, name: None }
        }
    })
}

/// The names of the secrets whose tokens `text` holds.
#[must_use]
pub fn names_in(text: &str) -> BTreeSet<String> {
    scan(text).filter_map(|found| found.name).collect()
}

/// Where in `text` a token was changed by a filter, so that it would not be found again: byte offset.
#[must_use]
pub fn mangled(text: &str) -> Option<usize> {
    let broken = scan(text).find(|found| found.name.is_none()).map(|found| found.start);
    let reversed: String = PREFIX.chars().rev().collect();
    let forms = [PREFIX.to_lowercase(), reversed, hex::encode(PREFIX), hex::encode_upper(PREFIX)];
    // A name in hexadecimal is part of every token, and the prefix never is.
    broken.or_else(|| forms.iter().find_map(|form| text.find(form))).or_else(|| base64_offset(text))
}

/// The prefix in base64, at each of its three alignments (the characters that do not depend on neighbours).
fn base64_offset(text: &str) -> Option<usize> {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    (0..3).find_map(|shift| {
        let padded = [&vec![b'x'; shift], PREFIX.as_bytes()].concat();
        let code = encode(&padded);
        let from = (shift * 8).div_ceil(6);
        let until = padded.len() / 3 * 4;
        text.find(&code[from..until])
    })
}

/// `text` with every token replaced by what `value` gives for its name; `None` where it gives nothing.
#[must_use]
pub fn substitute<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> Option<Zeroizing<String>> {
    // Room for all of it from the start, so that no half-filled copy is left behind by growing.
    let mut size = text.len();
    let tokens: Vec<(Found, &str)> = scan(text)
        .map(|found| {
            let value = value(found.name.as_deref()?)?;
            size += value.len();
            Some((found, value))
        })
        .collect::<Option<_>>()?;
    let mut result = Zeroizing::new(String::with_capacity(size));
    let mut done = 0;
    for (found, value) in tokens {
        result.push_str(&text[done..found.start]);
        result.push_str(value);
        done = found.end;
    }
    result.push_str(&text[done..]);
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    #[test]
    fn a_token_is_found_again_beside_anything() {
        let text = format!("pass={}AB0{}\n", token("smtp_password"), token("x"));
        assert_eq!(names_in(&text), BTreeSet::from(["smtp_password".to_owned(), "x".to_owned()]));
        assert_eq!(mangled(&text), None);
        let values = |name: &str| Some(if name == "x" { "one" } else { "two" });
        assert_eq!(substitute(&text, values).unwrap().as_str(), "pass=twoAB0one\n");
        assert!(substitute(&text, |_| None).is_none());
    }

    #[test]
    fn a_token_that_a_filter_changed_is_noticed() {
        let token = token("smtp_password");
        assert!(token.chars().all(|c| c.is_ascii_alphanumeric()));
        for text in
            [token.to_lowercase(), token[..token.len() - 1].to_owned(), token.replacen("736D", "736E", 1)]
        {
            assert!(mangled(&text).is_some(), "{text}");
        }
        for before in ["", "a", "ab"] {
            let code = base64::engine::general_purpose::STANDARD.encode(format!("{before}{token}"));
            assert!(mangled(&code).is_some(), "{code}");
        }
    }
}
