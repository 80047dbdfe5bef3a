//! What compose would replace: `$NAME` and `${NAME}` become values of the environment that it runs in, which on a server is
//! root's and has none of them. `$$` is one dollar.

use super::Reader;
use crate::yaml::Value;

impl Reader<'_> {
    /// No value of a service has a dollar that is not doubled.
    pub(super) fn dollars(&mut self) {
        let mut path = Vec::new();
        let value = self.document.value().clone();
        self.dollars_in(&value, &mut path);
    }

    fn dollars_in(&mut self, value: &Value, path: &mut Vec<String>) {
        match value {
            Value::String(text) => {
                if let Some(odd) = replaced(text) {
                    let path: Vec<&str> = path.iter().map(String::as_str).collect();
                    let what = format!(
                        "compose would put a variable of its environment in the place of `{odd}`, and there is none"
                    );
                    self.problem(
                        &path,
                        what,
                        "Write `$$` where a dollar is meant, and `{{ name | replace(from=\"$\", to=\"$$\") }}` where the inventory gives it.",
                    );
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.dollars_in(item, path);
                    path.pop();
                }
            }
            Value::Mapping(map) => {
                for (key, value) in map {
                    path.push(key.as_str().unwrap_or_default().to_owned());
                    self.dollars_in(value, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}

/// The first word of a text that begins with a single dollar.
fn replaced(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        if rest[at + 1..].starts_with('$') {
            rest = &rest[at + 2..];
            continue;
        }
        let odd = &rest[at..];
        let end = odd.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(odd.len());
        return Some(&odd[..end]);
    }
    None
}

/// A value as compose would read it: `$$` is one dollar.
pub(super) fn read(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(text.replace("$$", "$")),
        Value::Sequence(items) => Value::Sequence(items.iter().map(read).collect()),
        Value::Mapping(map) => {
            Value::Mapping(map.iter().map(|(key, value)| (key.clone(), read(value))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_dollar_is_found_and_doubled_ones_are_not() {
        for (text, odd) in [
            ("a$b c", Some("$b")),
            ("$", Some("$")),
            ("$$$x", Some("$x")),
            ("${HOME:-x}/y z", Some("${HOME:-x}/y")),
            ("$$status == $$$$", None),
            ("none", None),
        ] {
            assert_eq!(replaced(text), odd, "{text}");
        }
    }

    #[test]
    fn what_we_read_is_what_compose_reads() {
        let value: Value = serde_yaml::from_str("{a: [x$$y, 1], b: {c: $$$$}}").unwrap();
        assert_eq!(read(&value), serde_yaml::from_str::<Value>("{a: [x$y, 1], b: {c: $$}}").unwrap());
    }
}
