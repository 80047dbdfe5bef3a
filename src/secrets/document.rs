//! The decrypted text → its entries. An own reader on top of the YAML parser's events, for two reasons: a value
//! stays the text that was written (`0123`, `yes`), and no message can quote what it found.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};
use secrecy::{ExposeSecret, SecretString};

use super::name::{RESERVED, SecretName};
use crate::error::{Place, Problem};

/// One `name: value` of the file.
pub(super) struct Entry {
    /// The name; reserved ones included.
    pub(super) name: String,
    /// The value.
    pub(super) value: SecretString,
    /// Where the name begins in the text, as a byte offset.
    pub(super) name_at: usize,
    /// Where the value is in the text, as byte offsets.
    pub(super) value_at: std::ops::Range<usize>,
    /// Whether the value is a block scalar (`|`, `>`), whose text runs to the end of a line.
    pub(super) block: bool,
}

/// The entries of a file in its order, and whether lines can be appended to it.
pub(super) struct Document {
    /// The entries.
    pub(super) entries: Vec<Entry>,
    /// Whether the map is written with one name a line (or is empty), not as `{a: b}`.
    pub(super) lines: bool,
}

impl Document {
    /// The value of an entry.
    pub(super) fn get(&self, name: &str) -> Option<&SecretString> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| &entry.value)
    }

    /// Whether the file has all of provision's own entries.
    pub(super) fn is_complete(&self) -> bool {
        RESERVED.iter().all(|name| self.get(name).is_some())
    }

    /// The names that are not provision's, in the file's order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str()).filter(|name| !RESERVED.contains(name))
    }
}

/// Reads `text`, the decrypted text of `file`. All mistakes are returned together, with line and column but
/// never with any of the text.
pub(super) fn parse(file: &str, text: &str) -> Result<Document, Vec<Problem>> {
    let mut reader =
        Reader { file, text, document: Document { entries: Vec::new(), lines: true }, problems: Vec::new() };
    let outcome = reader.read();
    if let Err(error) = outcome {
        reader.syntax(&error);
    }
    if reader.problems.is_empty() { Ok(reader.document) } else { Err(reader.problems) }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    document: Document,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), ScanError> {
        let text = self.text;
        let mut events = Parser::new_from_str(text);
        let mut documents = 0;
        while let Some(event) = events.next() {
            let (event, span) = event?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        self.problem(span.start, "a second YAML document", "Keep one map; remove the `---`.");
                        return Ok(());
                    }
                }
                Event::MappingStart(..) => {
                    self.document.lines = !text[self.byte(span.start)..].starts_with('{');
                    self.map(&mut events)?;
                }
                // A file with nothing but comments is a map without entries.
                Event::Scalar(value, ScalarStyle::Plain, ..) if value.is_empty() => {}
                Event::Scalar(..) | Event::SequenceStart(..) | Event::Alias(_) => {
                    self.problem(span.start, "no map of names and values", "Write one `name: value` a line.");
                    return Ok(());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn map<'i>(
        &mut self,
        events: &mut impl Iterator<Item = Result<(Event<'i>, Span), ScanError>>,
    ) -> Result<(), ScanError> {
        while let Some(event) = events.next() {
            let (event, key_span) = event?;
            let name = match event {
                Event::MappingEnd => return Ok(()),
                Event::Scalar(name, _, _, None) => Some(name.into_owned()),
                other => {
                    self.problem(key_span.start, "a name that is not plain text", "");
                    skip(&other, events)?;
                    None
                }
            };
            let Some(event) = events.next() else { return Ok(()) };
            let (event, span) = event?;
            let name = name.filter(|name| self.name_is_good(name, key_span.start));
            match event {
                Event::Scalar(value, style, anchor, tag) => {
                    let value = SecretString::from(value.into_owned());
                    if let Some(what) = refused(value.expose_secret(), style, anchor, tag.as_deref()) {
                        // An empty value has no place of its own.
                        let at = if span.is_empty() { key_span.start } else { span.start };
                        self.problem(at, what.0, what.1);
                    } else if let Some(name) = name {
                        let name_at = self.byte(key_span.start);
                        let value_at = self.value_start(key_span.end)..self.byte(span.end);
                        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                        self.document.entries.push(Entry { name, value, name_at, value_at, block });
                    }
                }
                Event::Alias(_) => {
                    self.problem(
                        span.start,
                        "an alias",
                        "Write the value itself, quoted if it begins with `*`.",
                    );
                }
                other => {
                    self.problem(
                        span.start,
                        "a value that is a list or a map",
                        "A secret is one text; write a long one as a block (`name: |`).",
                    );
                    skip(&other, events)?;
                }
            }
        }
        Ok(())
    }

    fn name_is_good(&mut self, name: &str, at: Marker) -> bool {
        if !RESERVED.contains(&name)
            && let Err(what) = name.parse::<SecretName>()
        {
            self.problem(
                at,
                &what,
                "A name is lower-case letters, digits and `_`, and begins with a letter.",
            );
            return false;
        }
        if self.document.entries.iter().any(|entry| entry.name == name) {
            self.problem(at, &format!("a second value for `{name}`"), "Remove one of the two.");
            return false;
        }
        true
    }

    fn syntax(&mut self, error: &ScanError) {
        // The parser's own text is a constant but in this one case, where it quotes a character of the value.
        if error.info().contains("unexpected character") {
            self.problem(
                *error.marker(),
                "a value that begins with %, @ or ` without quotes",
                "Put the value in double quotes.",
            );
        } else {
            let what = format!("not YAML: {}", error.info());
            self.problem(*error.marker(), &what, "Put values with special characters in single quotes.");
        }
    }

    /// A problem whose place has no text: it would be a secret.
    fn problem(&mut self, at: Marker, what: &str, hint: &str) {
        let place = Place {
            file: format!("{} (decrypted)", self.file),
            line: at.line(),
            column: at.col() + 1,
            text: String::new(),
        };
        self.problems.push(Problem::new(place, what, hint));
    }

    /// Where the value after a key begins, with what stands before its text (`|`, a tag): behind the colon.
    fn value_start(&self, key_end: Marker) -> usize {
        let key_end = self.byte(key_end);
        let rest = &self.text[key_end..];
        let after = rest.find(':').map_or(rest, |colon| &rest[colon + 1..]);
        self.text.len() - after.trim_start_matches([' ', '\t']).len()
    }

    /// The byte offset of a marker, which counts characters.
    fn byte(&self, marker: Marker) -> usize {
        self.text.char_indices().nth(marker.index()).map_or(self.text.len(), |(offset, _)| offset)
    }
}

/// Why a scalar is not taken as a value, and what to do.
fn refused(
    value: &str,
    style: ScalarStyle,
    anchor: usize,
    tag: Option<&Tag>,
) -> Option<(&'static str, &'static str)> {
    let is_text = tag.is_none_or(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    if anchor != 0 {
        Some(("a value with an anchor", "Quote the value if it begins with `&`."))
    } else if !is_text {
        Some(("a value with a tag", "Quote the value if it begins with `!`."))
    } else if value.is_empty() {
        Some(("a name without a value", "Give it a value or remove the line."))
    } else if style == ScalarStyle::Plain && matches!(value, "null" | "Null" | "NULL" | "~") {
        Some(("null as a value", "Quote it if the value is that text, else remove the line."))
    } else {
        None
    }
}

/// Reads on to the end of what `start` began.
pub(super) fn skip<'i>(
    start: &Event<'i>,
    events: &mut impl Iterator<Item = Result<(Event<'i>, Span), ScanError>>,
) -> Result<(), ScanError> {
    let opens = |event: &Event<'_>| matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
    let mut depth = usize::from(opens(start));
    while depth > 0 {
        let Some(event) = events.next() else { return Ok(()) };
        let (event, _) = event?;
        if opens(&event) {
            depth += 1;
        } else if matches!(event, Event::MappingEnd | Event::SequenceEnd) {
            depth -= 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn problems(text: &str) -> String {
        let Err(problems) = parse("secrets/prod.yml.age", text) else { panic!("accepted") };
        assert!(problems.iter().all(|problem| problem.place.text.is_empty()));
        problems
            .iter()
            .map(|problem| format!("{}: {}. {}", problem.place, problem.what, problem.hint))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn values(text: &str) -> Vec<(String, String)> {
        let document = parse("f", text).unwrap_or_else(|problems| panic!("{problems:?}"));
        document
            .entries
            .into_iter()
            .map(|entry| (entry.name, entry.value.expose_secret().to_owned()))
            .collect()
    }

    #[test]
    fn values_stay_the_text_that_was_written() {
        let text = "# comment\na: 0123\nb: yes\nc: \"x: y\\n\"\nd: |\n  one\n  two\ne: 'it''s'\nf: !!str 1\n_fingerprint_key: k\n";
        let pairs = values(text);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            pairs,
            [
                ("a", "0123"),
                ("b", "yes"),
                ("c", "x: y\n"),
                ("d", "one\ntwo\n"),
                ("e", "it's"),
                ("f", "1"),
                ("_fingerprint_key", "k"),
            ]
        );
    }

    #[test]
    fn a_file_of_comments_has_no_entries() {
        for text in ["", "# nothing\n", "---\n", "{}\n"] {
            assert!(values(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn all_mistakes_are_named_at_once_and_nothing_is_quoted() {
        let text = "Bad: hunter2\nempty:\nnothing: null\nlist: [hunter2]\nmap:\n  deep: {a: hunter2}\ntwice: hunter2\ntwice: hunter2\n\
                    anchor: &a hunter2\nalias: *a\ntag: !secret hunter2\n_own: hunter2\n? [hunter2]\n: hunter2\n";
        let found = problems(text);
        assert!(!found.contains("hunter2"));
        assert_snapshot!(found, @r"
        secrets/prod.yml.age (decrypted):1:1: a name that does not start with a letter a-z. A name is lower-case letters, digits and `_`, and begins with a letter.
        secrets/prod.yml.age (decrypted):2:1: a name without a value. Give it a value or remove the line.
        secrets/prod.yml.age (decrypted):3:10: null as a value. Quote it if the value is that text, else remove the line.
        secrets/prod.yml.age (decrypted):4:7: a value that is a list or a map. A secret is one text; write a long one as a block (`name: |`).
        secrets/prod.yml.age (decrypted):6:3: a value that is a list or a map. A secret is one text; write a long one as a block (`name: |`).
        secrets/prod.yml.age (decrypted):8:1: a second value for `twice`. Remove one of the two.
        secrets/prod.yml.age (decrypted):9:9: a value with an anchor. Quote the value if it begins with `&`.
        secrets/prod.yml.age (decrypted):10:8: an alias. Write the value itself, quoted if it begins with `*`.
        secrets/prod.yml.age (decrypted):11:6: a value with a tag. Quote the value if it begins with `!`.
        secrets/prod.yml.age (decrypted):12:1: a name that starts with `_`: those belong to provision. A name is lower-case letters, digits and `_`, and begins with a letter.
        secrets/prod.yml.age (decrypted):13:3: a name that is not plain text.
        ");
    }

    #[test]
    fn syntax_errors_quote_nothing() {
        assert_snapshot!(problems("a: \"hunter2\nb: c\n"), @"secrets/prod.yml.age (decrypted):1:4: not YAML: invalid indentation in quoted scalar. Put values with special characters in single quotes.");
        assert_snapshot!(problems("a: @hunter2\n"), @"secrets/prod.yml.age (decrypted):1:4: a value that begins with %, @ or ` without quotes. Put the value in double quotes.");
        assert_snapshot!(problems("a: b: hunter2\n"), @"secrets/prod.yml.age (decrypted):1:5: not YAML: mapping values are not allowed in this context. Put values with special characters in single quotes.");
        assert_snapshot!(problems("- hunter2\n"), @"secrets/prod.yml.age (decrypted):1:1: no map of names and values. Write one `name: value` a line.");
        assert_snapshot!(problems("hunter2\n"), @"secrets/prod.yml.age (decrypted):1:1: no map of names and values. Write one `name: value` a line.");
        assert_snapshot!(problems("a: b\n---\nhunter2: c\n"), @"secrets/prod.yml.age (decrypted):2:1: a second YAML document. Keep one map; remove the `---`.");
    }
}
