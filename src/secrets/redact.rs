//! Takes known secret values out of texts, however the program that printed them had written them.
//!
//! A value is looked for character by character, and each character in every spelling of [`super::spelling`]: so a
//! mixture of escapes, or one escape inside another, is found as well. Base64 and hexadecimal hide the characters and
//! are looked for as texts of their own.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{Secrets, spelling};

/// What stands where a secret stood.
const REDACTED: &str = "<redacted>";

/// A shorter value, or line of one, is not looked for: it would take half of a text with it.
const SHORTEST: usize = 6;

/// Known values and their forms.
#[derive(Default)]
pub struct Redactor {
    /// Values, and the lines of those that have several: looked for in every spelling.
    values: Vec<SecretString>,
    /// What is looked for as it is.
    forms: Vec<SecretString>,
}

impl Redactor {
    /// From now on `value` is taken out, and each of its lines by itself.
    pub fn add(&mut self, value: &SecretString) {
        let whole = value.expose_secret().trim();
        let lines: Vec<&str> = whole.lines().map(str::trim).filter(|line| line.len() >= SHORTEST).collect();
        let all = (whole.len() >= SHORTEST).then_some(whole).into_iter().chain(lines);
        for text in all {
            if self.values.iter().any(|known| known.expose_secret() == text) {
                continue;
            }
            self.forms.extend(encoded(text).into_iter().map(SecretString::from));
            self.values.push(SecretString::from(text));
        }
    }

    /// `text` without any known value. Where two overlap, both are gone whole.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for value in &self.values {
            let value = value.expose_secret();
            // Letters and digits have one spelling: without its longest run of them a text has not the value. One that
            // was cut may have its beginning.
            if text.contains(longest_run(value)) || text.contains('…') {
                spans.extend(spelled(value, text));
            }
        }
        for form in &self.forms {
            let form = form.expose_secret();
            spans.extend(text.match_indices(form).map(|(start, found)| (start, start + found.len())));
        }
        if spans.is_empty() {
            return text.to_owned();
        }
        spans.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for (from, to) in spans {
            if from >= end {
                out.push_str(&text[end..from]);
                out.push_str(REDACTED);
            }
            end = end.max(to);
        }
        out.push_str(&text[end..]);
        out
    }
}

impl Secrets {
    /// What takes these values out of a text.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        self.names().filter_map(|name| self.get(name)).for_each(|value| redactor.add(value));
        redactor
    }
}

/// The longest run of ASCII letters and digits.
fn longest_run(value: &str) -> &str {
    value.split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|run| run.len()).unwrap_or_default()
}

/// Where `value` stands in `text`.
fn spelled(value: &str, text: &str) -> Vec<(usize, usize)> {
    let mut characters = value.chars();
    let Some(first) = characters.next() else { return Vec::new() };
    let mut spans = Vec::new();
    for (start, c) in text.char_indices() {
        // Most positions end here. An escape begins with a character that is neither letter nor digit.
        if c != first && c.is_alphanumeric() {
            continue;
        }
        let mut ends: Vec<usize> =
            spelling::lengths(first, &text[start..]).into_iter().map(|n| start + n).collect();
        // Every way to read on is followed: how many backslashes belong to a character shows only later.
        for (read, c) in characters.clone().enumerate() {
            let next = ends.iter().flat_map(|end| {
                spelling::lengths(c, &text[*end..]).into_iter().map(move |length| end + length)
            });
            let mut next: Vec<usize> = next.collect();
            next.sort_unstable();
            next.dedup();
            if next.is_empty() {
                // The beginning of a value at the end of a text that was cut.
                ends.retain(|end| read + 1 >= SHORTEST && text[*end..].starts_with('…'));
                break;
            }
            ends = next;
        }
        if let Some(end) = ends.into_iter().max() {
            spans.push((start, end));
        }
    }
    spans
}

/// `value` in hexadecimal and base64: both alphabets, at each of three alignments, without the characters that depend
/// on their neighbours.
fn encoded(value: &str) -> Vec<String> {
    let mut forms = vec![hex::encode(value), hex::encode_upper(value)];
    for shift in 0..3 {
        let bytes = Zeroizing::new([&vec![0; shift][..], value.as_bytes()].concat());
        let (from, until) = ((shift * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&bytes)[from..until].to_owned());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
