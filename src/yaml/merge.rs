//! `<<`: the merge keys of YAML 1.1 (<https://yaml.org/type/merge.html>), which neither parser of ours carries out.
//!
//! The file becomes a tree, maps are merged in it, and it is written out again, one node a line. So whoever reads it into a
//! type meets the same scalars, and an error in a line of the new text is one at the place where its node was written.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::Path;

/// A file whose aliases make more nodes than these is an attack or a mistake.
const MOST_NODES: usize = 100_000;

/// Line and column, counted from 1.
type At = (usize, usize);

/// The same file without `<<`.
#[derive(Debug, Clone, Default)]
pub(super) struct Merged {
    /// Its text, made of the tree.
    pub(super) text: String,
    /// Where what stands in each line of `text` was written.
    pub(super) lines: Vec<At>,
    /// Where each node was written.
    pub(super) places: BTreeMap<Path, At>,
}

/// What is wrong, and where.
pub(super) type Wrong = (At, &'static str, &'static str);

#[derive(Clone)]
struct Node {
    at: At,
    tag: Option<String>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// Keys are scalars.
    Map(Vec<(Node, Node)>),
}

/// Merges the maps of `source`, which both parsers have read without an error. With `without_extensions` the keys at the
/// top that begin with `x-` are left out: they hold what others merge.
///
/// # Errors
/// The first `<<` that cannot be carried out.
pub(super) fn merge(source: &str, without_extensions: bool) -> Result<Merged, Wrong> {
    let mut composer = Composer { events: Parser::new_from_str(source), anchors: HashMap::new(), nodes: 0 };
    let Some(mut root) = composer.root()? else { return Ok(Merged::default()) };
    if let (true, Kind::Map(entries)) = (without_extensions, &mut root.kind) {
        entries.retain(|(key, _)| !key.text().starts_with("x-"));
    }
    let mut merged = Merged::default();
    merged.places.insert(Vec::new(), root.at);
    merged.node(&root, root.at, 0, &mut Vec::new());
    Ok(merged)
}

impl Node {
    fn text(&self) -> &str {
        if let Kind::Scalar { text, .. } = &self.kind { text } else { "" }
    }
}

struct Composer<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a> Composer<'a> {
    /// The next event; `None` at the end of the file.
    fn next(&mut self) -> Option<(Event<'a>, At)> {
        let (event, span): (Event<'a>, Span) = self.events.next()?.ok()?;
        Some((event, (span.start.line(), span.start.col() + 1)))
    }

    fn root(&mut self) -> Result<Option<Node>, Wrong> {
        while let Some((event, at)) = self.next() {
            if !matches!(event, Event::StreamStart | Event::DocumentStart(_)) {
                return self.node(event, at);
            }
        }
        Ok(None)
    }

    /// The node that begins with `event`; `None` where that ends the collection around it.
    fn node(&mut self, event: Event<'a>, at: At) -> Result<Option<Node>, Wrong> {
        self.count(1, at)?;
        let tag_of =
            |tag: Option<std::borrow::Cow<'a, Tag>>| tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
        let (anchor, tag, kind) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                (anchor, tag_of(tag), kind)
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                while let Some((event, at)) = self.next() {
                    let Some(item) = self.node(event, at)? else { break };
                    items.push(item);
                }
                (anchor, tag_of(tag), Kind::List(items))
            }
            Event::MappingStart(anchor, tag) => (anchor, tag_of(tag), Kind::Map(self.entries()?)),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err((at, "an alias of what it stands in", "Write the values out."));
                };
                self.count(size(&node), at)?;
                return Ok(Some(node));
            }
            _ => return Ok(None),
        };
        let node = Node { at, tag, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(Some(node))
    }

    fn count(&mut self, nodes: usize, at: At) -> Result<(), Wrong> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES {
            return Err((
                at,
                "the aliases make more than 100000 values",
                "Write the file with fewer of them.",
            ));
        }
        Ok(())
    }

    /// The entries of a map up to its end, those of its `<<` among them: its own win, then the first that has a key.
    fn entries(&mut self) -> Result<Vec<(Node, Node)>, Wrong> {
        let mut own: Vec<(Node, Node)> = Vec::new();
        let mut merged: Vec<(Node, Node)> = Vec::new();
        while let Some((event, at)) = self.next() {
            let Some(key) = self.node(event, at)? else { break };
            if !matches!(key.kind, Kind::Scalar { .. }) {
                return Err((at, "a key that is a list or a map", "A key is plain text."));
            }
            let Some((event, value_at)) = self.next() else { break };
            let Some(value) = self.node(event, value_at)? else { break };
            if key.text() == "<<" && matches!(key.kind, Kind::Scalar { plain: true, .. }) {
                merged.extend(merging(value).ok_or((
                    value_at,
                    "`<<` merges maps, and this is none",
                    "Like `<<: *base`, or `<<: [*base, *more]`, where `&base` marks a map.",
                ))?);
            } else {
                own.push((key, value));
            }
        }
        for (key, value) in merged {
            if !own.iter().any(|(known, _)| known.text() == key.text()) {
                own.push((key, value));
            }
        }
        Ok(own)
    }
}

/// What `<<` brings: a map's entries, or those of several maps.
fn merging(value: Node) -> Option<Vec<(Node, Node)>> {
    match value.kind {
        Kind::Map(entries) => Some(entries),
        Kind::List(items) => {
            let maps = items.into_iter().map(|item| match item.kind {
                Kind::Map(entries) => Some(entries),
                _ => None,
            });
            Some(maps.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
        }
        Kind::Scalar { .. } => None,
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar { .. } => 0,
        Kind::List(items) => items.iter().map(size).sum(),
        Kind::Map(entries) => entries.iter().map(|(_, value)| 1 + size(value)).sum(),
    }
}

impl Merged {
    /// Writes a node: a scalar behind what stands in the line already, a collection in lines of its own.
    /// An error in it is one at `at`.
    fn node(&mut self, node: &Node, at: At, indent: usize, path: &mut Path) {
        if let Some(tag) = &node.tag {
            let _ = write!(self.text, " !<{tag}>");
        }
        match &node.kind {
            Kind::Scalar { text, plain } => {
                let _ = write!(self.text, " {}", scalar(text, *plain));
                self.end_line(at);
            }
            Kind::List(items) if items.is_empty() => {
                self.text.push_str(" []");
                self.end_line(at);
            }
            Kind::Map(entries) if entries.is_empty() => {
                self.text.push_str(" {}");
                self.end_line(at);
            }
            Kind::List(items) => {
                self.begin_lines(at);
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.places.insert(path.clone(), item.at);
                    let _ = write!(self.text, "{:indent$}-", "");
                    self.node(item, item.at, indent + 1, path);
                    path.pop();
                }
            }
            Kind::Map(entries) => {
                self.begin_lines(at);
                for (key, value) in entries {
                    path.push(key.text().to_owned());
                    self.places.insert(path.clone(), key.at);
                    let plain = matches!(key.kind, Kind::Scalar { plain: true, .. });
                    let _ = write!(self.text, "{:indent$}{}:", "", scalar(key.text(), plain));
                    // What is wrong with a value is shown at its key, as elsewhere.
                    self.node(value, key.at, indent + 1, path);
                    path.pop();
                }
            }
        }
    }

    /// Ends the line that a collection stands in, if one was begun.
    fn begin_lines(&mut self, at: At) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.end_line(at);
        }
    }

    fn end_line(&mut self, at: At) {
        self.text.push('\n');
        self.lines.push(at);
    }
}

/// A scalar as it stands in one line: a plain one as it was, so that it is the same number or the same nothing.
fn scalar(text: &str, plain: bool) -> String {
    if plain && !text.contains('\n') {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            ' '..='~' if !matches!(letter, '"' | '\\') => quoted.push(letter),
            _ => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(letter));
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;
    use serde::Deserialize;

    fn value(source: &str) -> serde_json::Value {
        let document = Document::parse("a.yml", source).unwrap_or_else(|problems| panic!("{problems:?}"));
        serde_json::to_value(document.value()).unwrap()
    }

    #[test]
    fn a_map_has_what_it_merges_unless_it_says_otherwise() {
        let source = "base: &base {a: 1, b: [x, {c: 0750}]}\nmore: &more\n  b: 2\n  d: ~\n\
                      one:\n  <<: *base\n  a: \"1\"\ntwo:\n  <<: [*more, *base]\nthree:\n  <<:\n    e: |\n      two\n      lines\n";
        insta::assert_snapshot!(value(source), @r#"{"base":{"a":1,"b":["x",{"c":"0750"}]},"more":{"b":2,"d":null},"one":{"a":"1","b":["x",{"c":"0750"}]},"three":{"e":"two\nlines\n"},"two":{"a":1,"b":2,"d":null}}"#);
    }

    #[test]
    fn a_merged_file_is_read_as_the_same_one_without_merging() {
        let values = "a: 0750\nb: 1.10\nc: yes\nd: ''\ne: \"\\t\\u00e9\\x7f\"\nf: !!str 5\ng: ~\nh:\ni: [1, [], {}, [2, {j: k}]]\n\
                      l: >\n  folded\n  text\nm: it's\nn: a\n  b\n\n  c\n\"o p\": - q\n? r\n: -1\n"
            .replace("- q", "'- q'");
        let merged = format!("{values}<<: {{z: 1}}\n");
        let plain = format!("{values}z: 1\n");
        let read = |source: &str| serde_yaml::from_str::<serde_yaml::Value>(source).unwrap();
        assert_eq!(Document::parse("a.yml", &merged).unwrap().value(), &read(&plain));
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        one: One,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct One {
        port: u16,
        mode: String,
    }

    #[test]
    fn what_is_wrong_stands_where_it_was_written() {
        let read = |source: &str| {
            let document =
                Document::parse_without_extensions("a.yml", source).map_err(|problems| problems[0].clone());
            let problem =
                document.and_then(|document| document.to::<Sample>()).map(|sample| format!("{sample:?}"));
            problem.unwrap_or_else(|problem| {
                format!("{}: {} | {}", problem.place, problem.what, problem.place.text)
            })
        };
        let base = "x-base: &base\n  port: 22\n  mode: 0750\n";
        insta::assert_snapshot!(read(&format!("{base}one:\n  <<: *base\n")), @r#"Sample { one: One { port: 22, mode: "0750" } }"#);
        insta::assert_snapshot!(read(&format!("{base}one:\n  <<: *base\n  port: no\n")), @r#"a.yml:6:3: one.port: invalid type: string "no", expected u16 |   port: no"#);
        insta::assert_snapshot!(read("x-base: &base\n  port: no\n  mode: 0750\none:\n  <<: *base\n"), @r#"a.yml:2:3: one.port: invalid type: string "no", expected u16 |   port: no"#);
        insta::assert_snapshot!(read("x-base: &base\n  prt: 1\n  mode: 0750\none:\n  <<: *base\n"), @"a.yml:2:3: one: unknown field `prt` |   prt: 1");
        insta::assert_snapshot!(read("x-base: &base [1]\none:\n  <<: *base\n"), @"a.yml:3:7: `<<` merges maps, and this is none |   <<: *base");
        insta::assert_snapshot!(read("x-base: 5\none: {port: 1, mode: a}\n"), @r#"Sample { one: One { port: 1, mode: "a" } }"#);
        insta::assert_snapshot!(read("one: &one\n  <<: *one\n"), @"a.yml:1:6: recursion limit exceeded | one: &one");
        insta::assert_snapshot!(read("one:\n  <<: *nobody\n"), @"a.yml:2:7: while parsing node, found unknown anchor |   <<: *nobody");
    }

    #[test]
    fn aliases_of_aliases_are_counted() {
        let mut source = "a0: &a0 {x: 1}\n".to_owned();
        for depth in 1..40 {
            let _ = writeln!(source, "a{depth}: &a{depth} {{p: *a{0}, q: *a{0}}}", depth - 1);
        }
        source.push_str("<<: {x: 1}\n");
        let wrong = merge(&source, false).err().unwrap();
        assert_eq!(wrong.1, "the aliases make more than 100000 values");
    }
}
