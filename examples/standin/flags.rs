//! Command lines as Go's `flag` package reads them: `-name=value`, `--name value`, `-switch`.

use std::collections::BTreeMap;

/// What stood on a command line.
#[derive(Debug)]
pub(crate) struct Flags {
    values: BTreeMap<String, Vec<String>>,
    /// What is no flag.
    pub(crate) rest: Vec<String>,
}

impl Flags {
    /// Reads the words. `switches` need no value, `valued` do; a name in neither list is an error, as it is for
    /// the real programs: a typo in a compose file must show.
    pub(crate) fn parse(words: &[String], switches: &[&str], valued: &[&str]) -> Result<Self, String> {
        let mut flags = Self { values: BTreeMap::new(), rest: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(text) =
                word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|it| !it.is_empty())
            else {
                flags.rest.push(word.clone());
                continue;
            };
            let (name, given) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text, None),
            };
            let value = if switches.contains(&name) {
                given.unwrap_or_else(|| "true".to_owned())
            } else if valued.contains(&name) {
                given.or_else(|| words.next().cloned()).ok_or(format!("flag needs an argument: -{name}"))?
            } else {
                return Err(format!("flag provided but not defined: -{name}"));
            };
            if switches.contains(&name) && !matches!(value.as_str(), "true" | "false" | "1" | "0" | "t" | "f")
            {
                return Err(format!("invalid boolean value {value:?} for -{name}"));
            }
            flags.values.entry(name.to_owned()).or_default().push(value);
        }
        Ok(flags)
    }

    /// The last value given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|all| all.last()).map(String::as_str)
    }

    /// The last value given, or the default.
    pub(crate) fn or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.get(name).unwrap_or(default)
    }

    /// Every value given.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a switch is on.
    pub(crate) fn on(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| matches!(value, "true" | "1" | "t"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Flags::parse(&words, &["v", "health"], &["config.file", "allow"])
    }

    #[test]
    fn both_spellings_and_both_numbers_of_dashes() {
        let flags = parse("-config.file=/a --allow x run -allow=y=z -health").unwrap();
        assert_eq!(flags.get("config.file"), Some("/a"));
        assert_eq!(flags.all("allow"), ["x", "y=z"]);
        assert_eq!(flags.rest, ["run"]);
        assert!(flags.on("health", false) && !flags.on("v", false));
    }

    #[test]
    fn a_typo_is_an_error() {
        assert_eq!(parse("-confg.file=/a").unwrap_err(), "flag provided but not defined: -confg.file");
        assert_eq!(parse("-allow").unwrap_err(), "flag needs an argument: -allow");
        assert_eq!(parse("-health=maybe").unwrap_err(), "invalid boolean value \"maybe\" for -health");
    }
}
