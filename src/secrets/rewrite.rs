//! Changes or removes one value in the decrypted text and leaves the rest, comments included, as its author wrote it.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::document::{self, Document};

/// `text` (which reads as `document`) with `name` set to `value`; where the name is new, a line is added after
/// `comment`. A text whose form does not allow that is written anew, without its comments.
pub(super) fn with_value(
    text: &str,
    document: &Document,
    name: &str,
    value: &SecretString,
    comment: &str,
) -> Zeroizing<String> {
    let quoted = quote(value.expose_secret());
    let room = text.len() + quoted.len() + name.len() + comment.len() + 8;
    let mut changed = Zeroizing::new(String::with_capacity(room));
    if let Some(entry) = document.entries.iter().find(|entry| entry.name == name) {
        changed.push_str(&text[..entry.value_at.start]);
        changed.push_str(&quoted);
        if entry.block && text[entry.value_at.clone()].ends_with('\n') {
            changed.push('\n');
        }
        changed.push_str(&text[entry.value_at.end..]);
    } else if document.lines {
        changed.push_str(text);
        if !text.is_empty() && !text.ends_with('\n') {
            changed.push('\n');
        }
        changed.push_str(comment);
        push_line(&mut changed, name, &quoted);
    }
    let wanted = wanted(document, name, value);
    if reads_as(&changed, &wanted) { changed } else { anew(&wanted) }
}

/// `text` (which reads as `document`) without `name`, whose line goes with the comment on it. A text whose form does
/// not allow that is written anew, without its comments.
pub(super) fn without(text: &str, document: &Document, name: &str) -> Zeroizing<String> {
    let mut changed = Zeroizing::new(String::with_capacity(text.len()));
    if let Some(entry) = document.entries.iter().find(|entry| entry.name == name).filter(|_| document.lines) {
        let start = text[..entry.name_at].rfind('\n').map_or(0, |end| end + 1);
        let value_end = entry.value_at.end;
        let end = if text[..value_end].ends_with('\n') {
            value_end
        } else {
            text[value_end..].find('\n').map_or(text.len(), |end| value_end + end + 1)
        };
        changed.push_str(&text[..start]);
        changed.push_str(&text[end..]);
    }
    let wanted: Vec<(&str, &str)> = document
        .entries
        .iter()
        .filter(|entry| entry.name != name)
        .map(|entry| (entry.name.as_str(), entry.value.expose_secret()))
        .collect();
    if reads_as(&changed, &wanted) { changed } else { anew(&wanted) }
}

/// The pairs that the changed text has to read as.
fn wanted<'a>(document: &'a Document, name: &'a str, value: &'a SecretString) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<(&str, &str)> =
        document.entries.iter().map(|entry| (entry.name.as_str(), entry.value.expose_secret())).collect();
    match pairs.iter_mut().find(|pair| pair.0 == name) {
        Some(pair) => pair.1 = value.expose_secret(),
        None => pairs.push((name, value.expose_secret())),
    }
    pairs
}

fn reads_as(text: &str, wanted: &[(&str, &str)]) -> bool {
    document::parse("", text).is_ok_and(|document| {
        let pairs = document.entries.iter().map(|entry| (entry.name.as_str(), entry.value.expose_secret()));
        pairs.eq(wanted.iter().copied())
    })
}

fn anew(pairs: &[(&str, &str)]) -> Zeroizing<String> {
    let lines: Vec<_> = pairs.iter().map(|(name, value)| (name, quote(value))).collect();
    let room = lines.iter().map(|(name, quoted)| name.len() + quoted.len() + 3).sum();
    let mut text = Zeroizing::new(String::with_capacity(room));
    for (name, quoted) in lines {
        push_line(&mut text, name, &quoted);
    }
    text
}

fn push_line(text: &mut String, name: &str, quoted: &str) {
    text.push_str(name);
    text.push_str(": ");
    text.push_str(quoted);
    text.push('\n');
}

/// A value as a YAML double-quoted scalar (YAML 1.2, chapter 5.7) on one line.
fn quote(value: &str) -> Zeroizing<String> {
    // The longest escape of a character is ten bytes; twice the room spares nothing, a move would leave a copy.
    let mut quoted = Zeroizing::new(String::with_capacity(2 + value.len() * 10));
    quoted.push('"');
    for character in value.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                quoted.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = (u32::from(c) >> shift) & 0xf;
                    quoted.push(char::from_digit(digit, 16).unwrap_or('0'));
                }
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(text: &str, name: &str, value: &str) -> String {
        let document = document::parse("f", text).ok().unwrap();
        with_value(text, &document, name, &value.into(), "").to_string()
    }

    #[test]
    fn comments_and_the_other_values_stay() {
        let text = "# mine\na: 1 # why\nb: |\n  two\n  lines\n\n# last\nc: 'x'\n";
        assert_eq!(change(text, "a", "new"), text.replace("a: 1 ", "a: \"new\" "));
        assert_eq!(change(text, "c", "n\"w"), text.replace("'x'", "\"n\\\"w\""));
        assert_eq!(change(text, "d", "4"), format!("{text}d: \"4\"\n"));
        let block = change(text, "b", "one");
        assert!(block.starts_with("# mine\na: 1 # why\nb: \"one\"\n"), "{block}");
        assert!(block.ends_with("c: 'x'\n"), "{block}");
    }

    #[test]
    fn a_text_of_another_form_is_written_anew() {
        assert_eq!(change("{a: 1, b: 2}\n", "c", "3"), "a: \"1\"\nb: \"2\"\nc: \"3\"\n");
        assert_eq!(change("  a: 1\n", "c", "3"), "a: \"1\"\nc: \"3\"\n");
        assert_eq!(change("a: 1\n...\n", "c", "3"), "a: \"1\"\nc: \"3\"\n");
        assert_eq!(change("{a: 1, b: 2}\n", "b", "3"), "{a: 1, b: \"3\"}\n");
        assert_eq!(change("{}", "b", "3"), "b: \"3\"\n");
        assert_eq!(change("", "b", "3"), "b: \"3\"\n");
        assert_eq!(change("a: 1", "b", "3"), "a: 1\nb: \"3\"\n");
    }

    #[test]
    fn a_value_is_removed_and_the_rest_stays() {
        let remove = |text: &str, name: &str| {
            let document = document::parse("f", text).ok().unwrap();
            without(text, &document, name).to_string()
        };
        let text = "# mine\na: 1 # why\nb: |\n  two\n  lines\n# last\nc: 'x'\n";
        assert_eq!(remove(text, "a"), text.replace("a: 1 # why\n", ""));
        assert_eq!(remove(text, "b"), text.replace("b: |\n  two\n  lines\n", ""));
        assert_eq!(remove(text, "c"), text.replace("c: 'x'\n", ""));
        assert_eq!(remove("a: 1\nb: \"x\n  y\" # z", "b"), "a: 1\n");
        assert_eq!(remove("{a: 1, b: 2}\n", "a"), "b: \"2\"\n");
        assert_eq!(remove("a: 1\n", "a"), "");
    }

    proptest! {
        #[test]
        fn any_text_can_be_a_value(
            value in "(.|[\\x00-\\x20]|\u{85}|\u{2028}|\u{feff}){1,40}",
            old in "[ -~]{1,20}",
        ) {
            let start = change("# c\nz: 1\n", "a", &old);
            for text in ["", "# c\nz: 1\n", "{z: 1}", "a: |\n  x\n\nz: 1\n", "a: >-\n  x\n  y", &start] {
                let changed = change(text, "a", &value);
                let document = document::parse("f", &changed).ok().unwrap();
                prop_assert_eq!(document.get("a").unwrap().expose_secret(), value.as_str());
            }
        }
    }
}
