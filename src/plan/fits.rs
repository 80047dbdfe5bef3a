//! Whether the values of secrets fit into the sealed files that they are put into: a quote or a line end in a value
//! could end a string there and begin something else.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret as _;

use crate::secrets::{Secrets, token};
use crate::stack::{Release, SecretFile, has_extension, is_yaml};
use crate::yaml::{Document, Value};

/// A value that a sealed file cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unfit {
    /// The secret.
    pub name: String,
    /// The file's path in the stack.
    pub path: String,
    /// What is wrong, a lower-case fragment without any of the value.
    pub what: &'static str,
}

/// The secrets whose values would change the meaning of a sealed file of the release. Secrets that are not there are
/// passed over: that they are missing is another matter.
#[must_use]
pub fn unfit(release: &Release, secrets: &Secrets) -> Vec<Unfit> {
    let templates: BTreeSet<(&String, &BTreeSet<String>)> = release
        .services
        .values()
        .flat_map(|service| service.secrets.values())
        .filter_map(|file| match file {
            SecretFile::Template { path, names } => Some((path, names)),
            SecretFile::Secret(_) => None,
        })
        .collect();
    let mut found = BTreeSet::new();
    for (path, names) in templates {
        let Some(file) = release.sealed.get(path).or_else(|| release.files.get(path)) else { continue };
        let text = String::from_utf8_lossy(&file.content);
        for name in names {
            let Some(value) = secrets.get(name) else { continue };
            if let Some(what) = misfit(path, &text, name, value.expose_secret()) {
                found.insert(Unfit { name: name.clone(), path: path.clone(), what });
            }
        }
    }
    found.into_iter().collect()
}

/// What is wrong with `value` in the place of the secret `name` in `text`.
fn misfit(path: &str, text: &str, name: &str, value: &str) -> Option<&'static str> {
    if is_yaml(path) || has_extension(path, &["json"]) {
        return (!keeps_its_shape(path, text, name, value))
            .then_some("would be read as something else there");
    }
    if has_extension(path, &["ini", "conf", "cnf", "cfg", "env", "properties", "toml"]) {
        return in_a_line(value);
    }
    // A key or a certificate may have lines where it stands alone.
    let token = token::token(name);
    let alone = text.lines().filter(|line| line.contains(&token)).all(|line| line.trim() == token);
    (!alone && value.trim_end().contains('\n')).then_some("has line ends, and stands in the middle of a line")
}

/// What a line of settings cannot hold, whatever the program's way of quoting is.
fn in_a_line(value: &str) -> Option<&'static str> {
    if value.contains(['\n', '\r']) {
        Some("has line ends")
    } else if value.trim() != value {
        Some("has white space around it")
    } else if value.contains(['#', ';']) {
        Some("has # or ;, which may begin a comment")
    } else if value.contains(['"', '\'', '`', '\\']) {
        Some("has quotes or backslashes")
    } else if value.contains("%(") || value.contains("${") || value.contains("$__") {
        Some("has %( or ${, which stand for other values")
    } else {
        None
    }
}

/// Whether the file with the value is the file without it but for the texts that hold the placeholder.
fn keeps_its_shape(path: &str, text: &str, name: &str, value: &str) -> bool {
    let others: BTreeMap<String, String> =
        token::names_in(text).into_iter().map(|other| (other.clone(), token::token(&other))).collect();
    let put = |text: &str| {
        token::substitute(text, |found| {
            if found == name { Some(value) } else { others.get(found).map(String::as_str) }
        })
    };
    let parse = |text: &str| -> Option<Value> {
        if is_yaml(path) {
            // Without a message: it would quote the text.
            Document::parse("", text).ok().map(|document| document.value().clone())
        } else {
            serde_json::from_str(text).ok()
        }
    };
    let (Some(mut wanted), Some(filled)) = (parse(text), put(text).and_then(|text| parse(&text))) else {
        return false;
    };
    replace(&mut wanted, &|text| put(text).map_or_else(|| text.to_owned(), |text| text.to_string()));
    wanted == filled
}

/// Replaces every text in `value`, keys included.
fn replace(value: &mut Value, with: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = with(text),
        Value::Sequence(list) => list.iter_mut().for_each(|item| replace(item, with)),
        Value::Mapping(map) => {
            let pairs: Vec<(Value, Value)> = std::mem::take(map).into_iter().collect();
            for (mut key, mut item) in pairs {
                replace(&mut key, with);
                replace(&mut item, with);
                map.insert(key, item);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str, value: &str) -> Option<&'static str> {
        misfit(path, &text.replace("TOKEN", &token::token("a")), "a", value)
    }

    #[test]
    fn a_value_that_ends_a_string_is_noticed_in_yaml() {
        let other = "would be read as something else there";
        for (text, value, expected) in [
            ("x: 'TOKEN'\n", "plain", None),
            ("x: 'TOKEN'\n", "it's", Some(other)),
            ("x: 'TOKEN'\n", "a: \"b\" # c\\n", None),
            ("x: \"TOKEN\"\n", "it's", None),
            ("x: \"TOKEN\"\n", "say \"x\"", Some(other)),
            ("x: \"TOKEN\"\n", "back\\slash", Some(other)),
            ("x: \"TOKEN\"\n", "back\\\\", Some(other)),
            ("x: TOKEN\n", "plain", None),
            ("x: TOKEN\n", "123", Some(other)),
            ("x: TOKEN\n", "true", Some(other)),
            ("x: TOKEN\n", "a: b", Some(other)),
            ("x: TOKEN\n", "a # b", Some(other)),
            ("x: TOKEN\n", "a\nadmin: true", Some(other)),
            ("x: 'TOKEN'\n", "a'\nadmin: 'true", Some(other)),
            ("x: |\n  TOKEN\n", "one: 'two'", None),
            ("x: |\n  TOKEN\n", "one\n  two", Some(other)),
            ("x: |\n  TOKEN\n", "one\ntwo: three", Some(other)),
            ("TOKEN: 1\n", "x", None),
        ] {
            assert_eq!(said("a.yml", text, value), expected, "{text:?} {value:?}");
        }
    }

    #[test]
    fn json_settings_and_others_have_their_own_limits() {
        assert_eq!(said("a.json", "{\"x\": \"TOKEN\"}", "it's"), None);
        assert!(said("a.json", "{\"x\": \"TOKEN\"}", "say \"x\"").is_some());
        assert!(said("a.json", "{\"x\": \"TOKEN\"}", "a\nb").is_some());
        assert_eq!(said("a.ini", "x = TOKEN\n", "pa$$w0rd%!"), None);
        assert_eq!(said("a.ini", "x = TOKEN\n", "a\n[admin]"), Some("has line ends"));
        assert_eq!(said("a.ini", "x = TOKEN\n", "a#b"), Some("has # or ;, which may begin a comment"));
        assert_eq!(said("a.ini", "x = TOKEN\n", "a\"b"), Some("has quotes or backslashes"));
        assert_eq!(
            said("a.ini", "x = TOKEN\n", "${PATH}"),
            Some("has %( or ${, which stand for other values")
        );
        assert_eq!(said("key.pem", "TOKEN\n", "-----BEGIN\nx\n"), None);
        assert!(said("users", "ann:TOKEN\n", "a\nben:b").is_some());
        assert_eq!(said("users", "ann:TOKEN\n", "a\n"), None);
    }
}
