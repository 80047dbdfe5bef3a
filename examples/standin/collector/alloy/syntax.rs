//! Alloy's language: blocks with a name, perhaps a label, attributes and further blocks.

use std::collections::BTreeMap;

/// A block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    /// The name with its dots: `loki.process`.
    pub(super) name: String,
    pub(super) label: Option<String>,
    pub(super) attributes: BTreeMap<String, Term>,
    pub(super) blocks: Vec<Block>,
    pub(super) line: usize,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Text(String),
    Number(f64),
    Truth(bool),
    Null,
    List(Vec<Term>),
    Map(BTreeMap<String, Term>),
    /// `loki.write.default.receiver`
    Reference(String),
    /// `sys.env("HOSTNAME")`
    Call(String, Vec<Term>),
}

/// Reads a file. An error begins with the line.
pub(super) fn parse(text: &str) -> Result<Vec<Block>, String> {
    let mut reader = Reader { rest: text, line: 1 };
    let (attributes, blocks) = reader.body(false)?;
    match attributes.keys().next() {
        Some(name) => Err(format!("1: attribute `{name}` is not allowed outside of a block")),
        None => Ok(blocks),
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn error(&self, what: &str) -> String {
        format!("{}: {what}", self.line)
    }

    fn advance(&mut self, bytes: usize) {
        self.line += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }

    fn space(&mut self) -> Result<(), String> {
        loop {
            let trimmed = self.rest.trim_start();
            self.advance(self.rest.len() - trimmed.len());
            if self.rest.starts_with("//") {
                self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                let end = self.rest.find("*/").ok_or_else(|| self.error("comment not terminated"))?;
                self.advance(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn sign(&mut self, sign: char) -> Result<bool, String> {
        self.space()?;
        let found = self.rest.starts_with(sign);
        if found {
            self.advance(sign.len_utf8());
        }
        Ok(found)
    }

    fn need(&mut self, sign: char) -> Result<(), String> {
        if self.sign(sign)? {
            Ok(())
        } else {
            Err(self.error(&format!("expected {sign:?}, got {:?}", self.ahead())))
        }
    }

    fn ahead(&self) -> String {
        self.rest.chars().take(12).collect()
    }

    /// A name with dots.
    fn name(&mut self) -> Result<String, String> {
        self.space()?;
        let end = self
            .rest
            .find(|it: char| !it.is_alphanumeric() && it != '_' && it != '.')
            .unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.error(&format!("expected a name, got {:?}", self.ahead())));
        }
        let name = self.rest[..end].to_owned();
        self.advance(end);
        Ok(name)
    }

    fn body(&mut self, inside: bool) -> Result<(BTreeMap<String, Term>, Vec<Block>), String> {
        let (mut attributes, mut blocks) = (BTreeMap::new(), Vec::new());
        loop {
            self.space()?;
            if inside && self.sign('}')? {
                return Ok((attributes, blocks));
            }
            if self.rest.is_empty() {
                return if inside {
                    Err(self.error("a block is not closed"))
                } else {
                    Ok((attributes, blocks))
                };
            }
            let line = self.line;
            let name = self.name()?;
            if self.sign('=')? {
                let value = self.term()?;
                if attributes.insert(name.clone(), value).is_some() {
                    return Err(format!("{line}: attribute `{name}` is given twice"));
                }
                continue;
            }
            let label = if self.rest.starts_with('"') { Some(self.quoted()?) } else { None };
            self.need('{')?;
            let (attributes, inner) = self.body(true)?;
            blocks.push(Block { name, label, attributes, blocks: inner, line });
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let quote = self.rest.chars().next().unwrap_or('"');
        let mut value = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                it if it == quote => {
                    self.advance(at + 1);
                    return Ok(value);
                }
                '\n' if quote == '"' => break,
                '\\' if quote == '"' => match letters.next().map(|(_, letter)| letter) {
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('r') => value.push('\r'),
                    Some(plain @ ('\\' | '"' | '\'')) => value.push(plain),
                    // As in Go: `"\b"` in a regular expression must be written `"\\b"`.
                    _ => return Err(self.error("unknown escape sequence in a string")),
                },
                other => value.push(other),
            }
        }
        Err(self.error("string not terminated"))
    }

    fn list(&mut self, end: char) -> Result<Vec<Term>, String> {
        let mut all = Vec::new();
        while !self.sign(end)? {
            all.push(self.term()?);
            if !self.sign(',')? {
                self.need(end)?;
                break;
            }
        }
        Ok(all)
    }

    fn map(&mut self) -> Result<BTreeMap<String, Term>, String> {
        let mut all = BTreeMap::new();
        while !self.sign('}')? {
            self.space()?;
            let key = if self.rest.starts_with('"') { self.quoted()? } else { self.name()? };
            self.need('=')?;
            all.insert(key, self.term()?);
            if !self.sign(',')? {
                self.need('}')?;
                break;
            }
        }
        Ok(all)
    }

    fn term(&mut self) -> Result<Term, String> {
        self.space()?;
        match self.rest.chars().next() {
            Some('"' | '`') => self.quoted().map(Term::Text),
            Some('[') => {
                self.advance(1);
                self.list(']').map(Term::List)
            }
            Some('{') => {
                self.advance(1);
                self.map().map(Term::Map)
            }
            Some(first) if first.is_ascii_digit() || first == '-' => {
                let end = self.rest[1..]
                    .find(|it: char| !it.is_ascii_digit() && it != '.')
                    .map_or(self.rest.len(), |at| at + 1);
                let number = self.rest[..end].parse().map_err(|_| self.error("no number"))?;
                self.advance(end);
                Ok(Term::Number(number))
            }
            _ => {
                let name = self.name()?;
                Ok(match name.as_str() {
                    "true" => Term::Truth(true),
                    "false" => Term::Truth(false),
                    "null" => Term::Null,
                    _ if self.rest.starts_with('(') => {
                        self.advance(1);
                        Term::Call(name, self.list(')')?)
                    }
                    _ => Term::Reference(name),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_blocks_attributes_and_values() {
        let text = "// a comment\nlogging { level = \"warn\" }\n/* more */\nloki.process \"p\" {\n  forward_to = [loki.write.w.receiver]\n  \
                    stage.replace {\n    expression = `(\\d+)`\n    replace = \"a\\\\b\"\n  }\n  x = {a = 1, \"b c\" = sys.env(\"H\"),}\n}\n";
        let blocks = parse(text).unwrap();
        assert_eq!((blocks[0].name.as_str(), blocks[0].line), ("logging", 2));
        let process = &blocks[1];
        assert_eq!((process.label.as_deref(), process.line), (Some("p"), 4));
        assert_eq!(
            process.attributes["forward_to"],
            Term::List(vec![Term::Reference("loki.write.w.receiver".to_owned())])
        );
        assert_eq!(process.blocks[0].name, "stage.replace");
        assert_eq!(process.blocks[0].attributes["expression"], Term::Text("(\\d+)".to_owned()));
        assert_eq!(process.blocks[0].attributes["replace"], Term::Text("a\\b".to_owned()));
        let Term::Map(map) = &process.attributes["x"] else { panic!("no map") };
        assert_eq!(map["a"], Term::Number(1.0));
        assert_eq!(map["b c"], Term::Call("sys.env".to_owned(), vec![Term::Text("H".to_owned())]));
    }

    #[test]
    fn mistakes_have_their_line() {
        for (text, wanted) in [
            ("a {\n x = \"\\b\"\n}", "2: unknown escape"),
            ("a {\n x = 1\n x = 2\n}", "3: attribute `x` is given twice"),
            ("a {\n", "2: a block is not closed"),
            ("a {\n x = [1 2]\n}", "2: expected ']'"),
            ("x = 1", "1: attribute `x` is not allowed"),
            ("a {\n x = \"y\n}", "2: string not terminated"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.starts_with(wanted), "{text}: {message}");
        }
    }
}
