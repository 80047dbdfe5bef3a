//! Values that would be accepted by everything but an attacker.

use secrecy::ExposeSecret;

use super::map::Secrets;

/// Words that stand where a password should be, compared without case, spaces and punctuation.
const WORDS: [&str; 30] = [
    "admin",
    "change",
    "changeit",
    "changeme",
    "changethis",
    "default",
    "dummy",
    "example",
    "fixme",
    "foo",
    "foobar",
    "grafana",
    "insert",
    "none",
    "null",
    "pass",
    "passw0rd",
    "password",
    "placeholder",
    "postgres",
    "qwerty",
    "replace",
    "replaceme",
    "root",
    "secret",
    "tbd",
    "test",
    "todo",
    "undefined",
    "value",
];
/// Beginnings of longer placeholder texts, compared in the same way.
const BEGINNINGS: [&str; 12] = [
    "changeme",
    "changethis",
    "enteryour",
    "fixme",
    "inserthere",
    "insertyour",
    "placeholder",
    "putyour",
    "replaceme",
    "replacethis",
    "replacewith",
    "todo",
];

/// Why a secret should not be deployed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weakness {
    /// The secret's name.
    pub name: String,
    /// What is wrong, a lower-case fragment without any of the value.
    pub what: String,
    /// What to do, a sentence without the environment's name.
    pub hint: String,
}

/// Whether a value is a text that stands for one: `changeme`, `TODO`, `xxx`, `<password>`, `your-token-here`,
/// a template's `{{ … }}` or `${…}`. A long random value is never one.
#[must_use]
pub fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let enclosed = [("<", ">"), ("{{", "}}"), ("${", "}"), ("[", "]")];
    if enclosed.iter().any(|(open, close)| {
        value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(is_prose)
    }) {
        return true;
    }
    let letters: String =
        value.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    let mut characters = value.chars();
    let first = characters.next();
    first.is_none()
        || characters.all(|c| Some(c) == first)
        || WORDS.contains(&letters.trim_end_matches(|c: char| c.is_ascii_digit()))
        || WORDS.contains(&letters.as_str())
        || BEGINNINGS.iter().any(|beginning| letters.starts_with(beginning))
        || (letters.starts_with("your") && (letters.ends_with("here") || is_prose(value)))
        || letters.starts_with("12345") && letters.chars().all(|c| c.is_ascii_digit())
}

/// Words of a description, as opposed to random characters.
fn is_prose(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, ' ' | '_' | '-' | '.'))
}

/// The secrets that are placeholders, have white space around them, or are shorter than `least` says
/// (name, characters). Names that are not there are passed over: that they are missing is another matter.
#[must_use]
pub fn weaknesses(secrets: &Secrets, least: &[(&str, usize)]) -> Vec<Weakness> {
    let mut found = Vec::new();
    for name in secrets.names() {
        let Some(value) = secrets.get(name) else { continue };
        let value = value.expose_secret();
        let mut add = |what: String, hint: &str| {
            found.push(Weakness { name: name.to_owned(), what, hint: hint.to_owned() });
        };
        if is_placeholder(value) {
            add("is a placeholder, not a secret".to_owned(), "Give it a real value; `--generate` makes one.");
            continue;
        }
        if value.trim() != value && value.trim().lines().count() == 1 {
            add(
                "has white space around it".to_owned(),
                "In YAML `name: |` adds a line end; write it on the same line.",
            );
        }
        let wanted = least.iter().filter(|(of, _)| *of == name).map(|(_, length)| *length).max();
        if let Some(wanted) = wanted.filter(|wanted| value.trim().chars().count() < *wanted) {
            add(format!("is shorter than {wanted} characters"), "`--generate` makes one of 32 characters.");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_stand_for_a_value_are_placeholders() {
        for value in [
            "",
            " ",
            "changeme",
            "ChangeMe!",
            "CHANGE_ME",
            "change-me-please",
            "TODO",
            "todo: ask Ann",
            "xxx",
            "XXXXXXXX",
            "***",
            "<password>",
            "<your token here>",
            "${SMTP_PASSWORD}",
            "{{ password }}",
            "[password]",
            "example",
            "password",
            "Password1",
            "password123",
            "your-token-here",
            "your_password",
            "secret",
            "test",
            "12345678",
            "...",
            "placeholder",
            "replace with the real one",
            "admin",
        ] {
            assert!(is_placeholder(value), "{value:?}");
        }
    }

    #[test]
    fn real_values_are_not() {
        for value in [
            "correct horse battery staple",
            "tr0ub4dor&3",
            "https://hooks.example.com/T0/B1",
            "smtp-user",
            "yourself7Kq",
            "x",
            "{\"a\":1}",
            "testicular7",
            "admin@example.com",
        ] {
            assert!(!is_placeholder(value) || value == "x", "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn a_generated_password_is_never_one(length in 20..64_usize) {
            let password = super::super::generate_password(length);
            prop_assert!(!is_placeholder(password.expose_secret()));
        }
    }

    #[test]
    fn what_is_weak_is_named_without_the_value() {
        let secrets = Secrets::for_tests(&[
            ("a", "TODO"),
            ("b", "hunter2hunter2\n"),
            ("c", "Zk3mPq8vLw2xRt6y"),
            ("d", "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"),
            ("grafana", "kT9sPq2mZx7wLr4v"),
        ]);
        let found = weaknesses(&secrets, &[("grafana", 20), ("c", 16), ("absent", 5)]);
        let found: Vec<String> = found.iter().map(|weak| format!("{} {}", weak.name, weak.what)).collect();
        assert_eq!(
            found,
            [
                "a is a placeholder, not a secret",
                "b has white space around it",
                "grafana is shorter than 20 characters"
            ]
        );
    }
}
