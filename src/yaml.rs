//! YAML as users write it: the one module that parses it.
//!
//! `serde_yaml` gives the values; a second, event-based pass adds what it lacks: duplicate keys in maps are
//! errors, and every path knows its line and column, so that a semantic error can point at the text. Where the text
//! merges maps (`<<`), [`merge`] does that first.

mod merge;

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, Span};
use serde::de::DeserializeOwned;

use crate::error::{Place, Problem};

/// A value of any shape.
pub type Value = serde_yaml::Value;

/// The steps from the root to a node: map keys, and list indexes as decimal numbers.
pub type Path = Vec<String>;

/// A parsed file with the place of each of its nodes.
#[derive(Debug, Clone)]
pub struct Document {
    file: String,
    source: String,
    value: Value,
    places: BTreeMap<Path, (usize, usize)>,
    /// The text without `<<`, where the file has some, and where its lines were written.
    merged: Option<merge::Merged>,
}

impl Document {
    /// Parses `source`; `file` is its name in messages.
    ///
    /// # Errors
    /// One problem for a syntax error (it ends the file), or one for each duplicate key.
    pub fn parse(file: &str, source: &str) -> Result<Self, Vec<Problem>> {
        Self::read(file, source, false)
    }

    /// The same without the keys at the top that begin with `x-`: as in compose files they hold what is merged elsewhere.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_without_extensions(file: &str, source: &str) -> Result<Self, Vec<Problem>> {
        Self::read(file, source, true)
    }

    fn read(file: &str, source: &str, without_extensions: bool) -> Result<Self, Vec<Problem>> {
        let walk = Walk::over(file, source);
        if !walk.problems.is_empty() {
            return Err(walk.problems);
        }
        let is_extension = |path: &Path| path.len() == 1 && path[0].starts_with("x-");
        let has_extensions = without_extensions && walk.places.keys().any(is_extension);
        let mut document = Self {
            file: file.to_owned(),
            source: source.to_owned(),
            value: Value::Null,
            places: walk.places,
            merged: None,
        };
        document.value = document.to().map_err(|problem| vec![problem])?;
        if has_extensions || document.places.keys().any(|path| path.last().is_some_and(|key| key == "<<")) {
            let merged = merge::merge(source, has_extensions).map_err(|((line, column), what, hint)| {
                vec![Problem::new(Place::at(file, source, line, column), what, hint)]
            })?;
            document.places.clone_from(&merged.places);
            document.merged = Some(merged);
            document.value = document.to().map_err(|problem| vec![problem])?;
        }
        Ok(document)
    }

    /// The whole file as a value; `Null` for an empty one.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The file's name.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether the file has a node at `path`.
    #[must_use]
    pub fn has(&self, path: &[&str]) -> bool {
        self.places.contains_key(&owned(path))
    }

    /// Where the node at `path` is, or the nearest one above it that the file has.
    #[must_use]
    pub fn place(&self, path: &[&str]) -> Place {
        let mut path = owned(path);
        loop {
            if let Some((line, column)) = self.places.get(&path) {
                return Place::at(&self.file, &self.source, *line, *column);
            }
            if path.pop().is_none() {
                return Place::file(&self.file);
            }
        }
    }

    /// A problem at `path`.
    #[must_use]
    pub fn problem(&self, path: &[&str], what: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem::new(self.place(path), what, hint)
    }

    /// The file as a `T`.
    ///
    /// # Errors
    /// The first thing that does not fit, with its line; an unknown field with the nearest known name.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        // From the text and not from the value: only so the error knows its line.
        let Some(merged) = &self.merged else {
            return serde_yaml::from_str(&self.source)
                .map_err(|error| syntax_problem(&self.file, &self.source, &error));
        };
        serde_yaml::from_str(&merged.text).map_err(|error| {
            let line = error.location().and_then(|at| merged.lines.get(at.line().checked_sub(1)?));
            let place = line.map_or_else(
                || Place::file(&self.file),
                |(line, column)| Place::at(&self.file, &self.source, *line, *column),
            );
            let (what, hint) = explain(&error);
            Problem::new(place, what, hint)
        })
    }
}

fn owned(path: &[&str]) -> Path {
    path.iter().map(|step| (*step).to_owned()).collect()
}

/// The nearest of `known` to `word`, if one is near enough to be meant.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// "Did you mean …?" or the list of what is known.
#[must_use]
pub fn suggestion(word: &str, known: &[&str]) -> String {
    match did_you_mean(word, known.iter().copied()) {
        Some(near) => format!("Did you mean `{near}`?"),
        None if known.is_empty() => String::new(),
        None => format!("Known here: {}.", known.join(", ")),
    }
}

fn syntax_problem(file: &str, source: &str, error: &serde_yaml::Error) -> Problem {
    let place = error
        .location()
        .map_or_else(|| Place::file(file), |at| Place::at(file, source, at.line(), at.column()));
    let (what, hint) = explain(error);
    Problem::new(place, what, hint)
}

/// What an error of reading YAML into a type says, without its place, and what to do about it.
#[must_use]
pub fn explain(error: &serde_yaml::Error) -> (String, String) {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    let hint = unknown_name_hint(text);
    if !hint.is_empty() {
        // The hint has the names that are known.
        let what = text.split(", expected ").next().unwrap_or(text);
        return (what.to_owned(), hint);
    }
    let hint = if text.ends_with("expected u16") { "A number from 0 to 65535." } else { "" };
    (text.to_owned(), hint.to_owned())
}

/// serde says "unknown field `x`, expected one of `a`, `b`": the hint is made of that text, since serde
/// hands out nothing else.
fn unknown_name_hint(text: &str) -> String {
    if !text.contains("unknown field") && !text.contains("unknown variant") {
        return String::new();
    }
    let mut names = text.split('`').skip(1).step_by(2);
    let Some(unknown) = names.next() else { return String::new() };
    suggestion(unknown, &names.collect::<Vec<_>>())
}

/// One pass over the parser's events.
struct Walk<'a> {
    file: &'a str,
    source: &'a str,
    places: BTreeMap<Path, (usize, usize)>,
    problems: Vec<Problem>,
}

enum Frame {
    /// A map; the key that was read and waits for its value.
    Map(Option<String>),
    /// A list; the index of the next item.
    List(usize),
}

impl<'a> Walk<'a> {
    fn over(file: &'a str, source: &'a str) -> Self {
        let mut walk = Self { file, source, places: BTreeMap::new(), problems: Vec::new() };
        walk.run();
        walk
    }

    fn run(&mut self) {
        let mut frames: Vec<Frame> = Vec::new();
        let mut path: Path = Vec::new();
        let mut documents = 0;
        for event in Parser::new_from_str(self.source) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    let at = error.marker();
                    let place = Place::at(self.file, self.source, at.line(), at.col() + 1);
                    self.problems.push(Problem::new(place, error.info().to_owned(), ""));
                    return;
                }
            };
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let place = self.place(span);
                        self.problems.push(Problem::new(
                            place,
                            "a second YAML document",
                            "One file holds one document: remove the `---`.",
                        ));
                        return;
                    }
                }
                Event::Scalar(text, ..) if !self.take_key(&mut frames, &mut path, &text, span) => {
                    self.enter(&mut frames, &mut path, span);
                    Self::leave(&mut frames, &mut path);
                }
                Event::Alias(_) => {
                    self.enter(&mut frames, &mut path, span);
                    Self::leave(&mut frames, &mut path);
                }
                Event::SequenceStart(..) => {
                    self.enter(&mut frames, &mut path, span);
                    frames.push(Frame::List(0));
                }
                Event::MappingStart(..) => {
                    self.enter(&mut frames, &mut path, span);
                    frames.push(Frame::Map(None));
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    frames.pop();
                    Self::leave(&mut frames, &mut path);
                }
                _ => {}
            }
        }
    }

    fn place(&self, span: Span) -> Place {
        Place::at(self.file, self.source, span.start.line(), span.start.col() + 1)
    }

    /// Takes `text` as a map's next key, if one is due.
    fn take_key(&mut self, frames: &mut [Frame], path: &mut Path, text: &str, span: Span) -> bool {
        let Some(Frame::Map(key @ None)) = frames.last_mut() else { return false };
        *key = Some(text.to_string());
        path.push(text.to_string());
        // `<<` may stand more than once; what it merges is checked by serde.
        let known = self.places.insert(path.clone(), (span.start.line(), span.start.col() + 1));
        if let Some((line, _)) = known.filter(|_| text != "<<") {
            self.problems.push(Problem::new(
                self.place(span),
                format!("`{text}` stands here a second time"),
                format!("It is already set in line {line}: keep one of the two."),
            ));
        }
        true
    }

    /// A value begins: it gets its path and its place (a map's value keeps the place of its key).
    fn enter(&mut self, frames: &mut [Frame], path: &mut Path, span: Span) {
        match frames.last_mut() {
            Some(Frame::List(index)) => {
                path.push(index.to_string());
                *index += 1;
                self.places.insert(path.clone(), (span.start.line(), span.start.col() + 1));
            }
            Some(Frame::Map(_)) => {}
            None => {
                self.places.insert(path.clone(), (span.start.line(), span.start.col() + 1));
            }
        }
    }

    /// A value ended.
    fn leave(frames: &mut [Frame], path: &mut Path) {
        match frames.last_mut() {
            Some(Frame::Map(key)) => {
                *key = None;
                path.pop();
            }
            Some(Frame::List(_)) => {
                path.pop();
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code)]
        scrape_interval: String,
    }

    #[test]
    fn a_path_knows_its_place() {
        let doc = Document::parse("a.yml", "hosts:\n  vps:\n    ports: [1, 2]\n").unwrap();
        assert_eq!(doc.place(&["hosts", "vps", "ports"]).to_string(), "a.yml:3:5");
        assert_eq!(doc.place(&["hosts", "vps", "ports", "1"]).to_string(), "a.yml:3:16");
        assert_eq!(doc.place(&["hosts", "vps", "nothing"]).to_string(), "a.yml:2:3");
    }

    #[test]
    fn a_key_that_stands_twice_is_an_error_with_both_lines() {
        let problems = Document::parse("a.yml", "a: 1\nb: {c: 1, c: 2}\na: 2\n").unwrap_err();
        let text: Vec<String> =
            problems.iter().map(|p| format!("{}: {} {}", p.place, p.what, p.hint)).collect();
        assert_eq!(
            text,
            [
                "a.yml:2:11: `c` stands here a second time It is already set in line 2: keep one of the two.",
                "a.yml:3:1: `a` stands here a second time It is already set in line 1: keep one of the two.",
            ]
        );
    }

    #[test]
    fn a_syntax_error_has_its_line_and_text() {
        let problems = Document::parse("a.yml", "a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place.line, 3);
        assert_eq!(problems[0].place.text, "c: 3");
    }

    #[test]
    fn an_unknown_field_gets_the_nearest_name() {
        let doc = Document::parse("a.yml", "scrape_intervall: 15s\n").unwrap();
        let problem = doc.to::<Sample>().unwrap_err();
        assert_eq!(problem.place.line, 1);
        assert_eq!(problem.hint, "Did you mean `scrape_interval`?");
    }
}
