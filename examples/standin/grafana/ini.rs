//! Reads grafana.ini: sections, `key = value`, comments, and the expansions `$__file{…}`, `$__env{…}`, `${…}`.

use std::collections::BTreeMap;

/// The values by section and key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ini(BTreeMap<(String, String), String>);

impl Ini {
    /// Parses the text. The error names the line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut section = String::new();
        let mut values = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with([';', '#']) {
                continue;
            }
            if let Some(rest) = line.strip_prefix('[') {
                let name = rest.split_once(']').ok_or_else(|| format!("line {number}: unclosed section"))?.0;
                name.trim().clone_into(&mut section);
                continue;
            }
            let (key, value) =
                line.split_once('=').ok_or_else(|| format!("line {number}: no `=` in `{line}`"))?;
            values.insert((section.clone(), key.trim().to_owned()), plain(value.trim()).to_owned());
        }
        Ok(Self(values))
    }

    /// Expands every value, whether it will be used or not, as Grafana does: a missing file anywhere stops it.
    pub(super) fn expand(mut self, environment: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        for ((section, key), value) in &mut self.0 {
            *value = expand(value, &environment)
                .map_err(|cause| format!("got error while expanding {section}.{key}: {cause}"))?;
        }
        Ok(self)
    }

    pub(super) fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.0.get(&(section.to_owned(), key.to_owned())).map(String::as_str)
    }
}

/// A value without its quotes or without the comment behind it. Outside quotes `;` and `#` begin a comment
/// even in the middle of a word: a well-known trap for passwords, kept so that the lab falls into it too.
fn plain(value: &str) -> &str {
    for quote in ["\"\"\"", "\"", "`"] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner;
        }
    }
    value.split([';', '#']).next().unwrap_or_default().trim_end()
}

/// Replaces the expansions in one value.
pub(super) fn expand(value: &str, environment: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some(begin) = rest.find('$') {
        let (before, from) = rest.split_at(begin);
        expanded.push_str(before);
        let opening = ["$__file{", "$__env{", "${"].into_iter().find(|opening| from.starts_with(opening));
        let parts = opening.and_then(|opening| Some((opening, from[opening.len()..].split_once('}')?)));
        let Some((opening, (argument, after))) = parts else {
            expanded.push('$');
            rest = &from[1..];
            continue;
        };
        if opening == "$__file{" {
            let text =
                std::fs::read_to_string(argument).map_err(|cause| format!("open {argument}: {cause}"))?;
            expanded.push_str(text.trim());
        } else {
            expanded.push_str(&environment(argument).unwrap_or_default());
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_environment(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn reads_sections_comments_and_quotes() {
        let ini = Ini::parse(
            "; a comment\n# another\ntop = 1\n\n[security]\nadmin_user = admin ; who\n\
             admin_password=\"\"\"a;b#c\"\"\"\n[ server ]\n  http_port =  3001  \nempty =\n",
        )
        .unwrap();
        assert_eq!(ini.get("", "top"), Some("1"));
        assert_eq!(ini.get("security", "admin_user"), Some("admin"));
        assert_eq!(ini.get("security", "admin_password"), Some("a;b#c"));
        assert_eq!(ini.get("server", "http_port"), Some("3001"));
        assert_eq!(ini.get("server", "empty"), Some(""));
        assert_eq!(ini.get("server", "admin_user"), None);
    }

    #[test]
    fn an_unquoted_password_ends_at_a_comment_sign() {
        assert_eq!(Ini::parse("p = abc#def").unwrap().get("", "p"), Some("abc"));
    }

    #[test]
    fn a_line_that_is_nothing_is_an_error_with_its_number() {
        assert_eq!(Ini::parse("[a]\nb"), Err("line 2: no `=` in `b`".to_owned()));
        assert_eq!(Ini::parse("[a"), Err("line 1: unclosed section".to_owned()));
    }

    #[test]
    fn expands_files_and_variables() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "from the file\n").unwrap();
        let text = format!("[s]\na = $__file{{{}}}\nb = x$__env{{NAME}}y${{NAME}}\nc = 5$ a", file.display());
        let environment = |name: &str| (name == "NAME").then(|| "value".to_owned());
        let ini = Ini::parse(&text).unwrap().expand(environment).unwrap();
        assert_eq!(ini.get("s", "a"), Some("from the file"));
        assert_eq!(ini.get("s", "b"), Some("xvalueyvalue"));
        assert_eq!(ini.get("s", "c"), Some("5$ a"));
    }

    #[test]
    fn a_file_that_is_missing_is_named_with_its_key() {
        let ini = Ini::parse("[security]\nadmin_password = $__file{/nowhere/password}").unwrap();
        let message = ini.expand(no_environment).unwrap_err();
        assert!(
            message.starts_with("got error while expanding security.admin_password: open /nowhere/password:"),
            "{message}"
        );
    }
}
