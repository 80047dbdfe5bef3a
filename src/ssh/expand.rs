//! `%x` and `${NAME}` in OpenSSH's settings, which `ssh -G` prints as they were written (`ssh_config(5)`, TOKENS and
//! ENVIRONMENT VARIABLES). What OpenSSH would refuse is refused.

use crate::error::{Error, Result};

/// What the tokens stand for.
pub(super) struct Expansion<'a> {
    /// A token's letter and its value.
    pub tokens: Vec<(char, String)>,
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Expansion<'_> {
    /// `text`, the value of `setting`, with tokens and variables replaced.
    ///
    /// # Errors
    /// Usage: a variable that is not set, a token that is not known.
    pub(super) fn path(&self, setting: &str, text: &str) -> Result<String> {
        self.expand(text, true).map_err(|cause| refused(setting, text, cause))
    }

    /// The same for a command line, whose variables are left to the shell.
    ///
    /// # Errors
    /// Usage: a token that is not known.
    pub(super) fn command(&self, setting: &str, text: &str) -> Result<String> {
        self.expand(text, false).map_err(|cause| refused(setting, text, cause))
    }

    fn expand(&self, text: &str, variables: bool) -> std::result::Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            out.push_str(&rest[..at]);
            let (mark, after) = rest[at..].split_at(1);
            rest = after;
            if mark == "$" {
                let Some(inner) = after.strip_prefix('{').filter(|_| variables) else {
                    out.push('$');
                    continue;
                };
                let (name, left) = inner.split_once('}').ok_or("a `${` without its `}`")?;
                let value = (self.variable)(name);
                out.push_str(&value.ok_or_else(|| format!("the environment has no variable {name}"))?);
                rest = left;
                continue;
            }
            let Some(token) = after.chars().next() else {
                return Err("it ends with a single `%`".to_owned());
            };
            if token == '%' {
                out.push('%');
            } else {
                let known = self.tokens.iter().find(|(name, _)| *name == token);
                let (_, value) =
                    known.ok_or_else(|| format!("provision does not know the token `%{token}`"))?;
                out.push_str(value);
            }
            rest = &after[token.len_utf8()..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn refused(setting: &str, text: &str, cause: String) -> Error {
    Error::usage(format!("read `{setting} {text}` of the SSH configuration"))
        .cause(cause)
        .hint(format!("Write {setting} out in ~/.ssh/config, or set the variable where provision runs."))
}

/// The files in `text`, which `ssh -G` prints one after the other without quotes: a name with a blank is one that
/// exists, or whose next word does not begin a path of its own.
pub(super) fn files(text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let words: Vec<&str> = text.split(' ').collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let join = |to: usize| words[at..to].join(" ");
        let there = (at + 1..=words.len()).rev().find(|to| exists(&join(*to)));
        let to = there.unwrap_or_else(|| {
            let next = words[at + 1..].iter().position(|word| word.starts_with(['/', '~', '$', '%']));
            next.map_or(words.len(), |next| at + 1 + next)
        });
        found.push(join(to));
        at = to;
    }
    found.retain(|file| !file.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expansion() -> Expansion<'static> {
        Expansion {
            tokens: vec![('h', "10.0.0.7".to_owned()), ('r', "deploy".to_owned())],
            variable: &|name| (name == "KEYS").then(|| "/srv/my keys".to_owned()),
        }
    }

    #[test]
    fn tokens_and_variables_are_replaced() {
        let expansion = expansion();
        let path = |text| expansion.path("IdentityFile", text).unwrap();
        assert_eq!(path("${KEYS}/%r@%h"), "/srv/my keys/deploy@10.0.0.7");
        assert_eq!(path("/a%%b$c/$KEYS"), "/a%b$c/$KEYS");
        let command = expansion.command("ProxyCommand", "sh -c 'exec ${X:-nc} %h' 100%%").unwrap();
        assert_eq!(command, "sh -c 'exec ${X:-nc} 10.0.0.7' 100%");
    }

    #[test]
    fn what_openssh_would_refuse_is_refused_by_name() {
        let expansion = expansion();
        let refused = |text| expansion.path("IdentityFile", text).unwrap_err();
        insta::assert_snapshot!(refused("${HOMES}/id"), @"read `IdentityFile ${HOMES}/id` of the SSH configuration: the environment has no variable HOMES");
        insta::assert_snapshot!(refused("/keys/%C"), @"read `IdentityFile /keys/%C` of the SSH configuration: provision does not know the token `%C`");
        assert!(refused("${KEYS").to_string().contains("without its"));
        assert!(refused("/a%").to_string().contains("single"));
    }

    #[test]
    fn a_blank_in_a_file_s_name_does_not_make_two_of_it() {
        let none = |_: &str| false;
        assert_eq!(files("/root/my known /root/.ssh/k2", &none), ["/root/my known", "/root/.ssh/k2"]);
        assert_eq!(files("~/a ~/b c", &none), ["~/a", "~/b c"]);
        let there = |file: &str| ["/x/a /y", "known"].contains(&file);
        assert_eq!(files("/x/a /y known other", &there), ["/x/a /y", "known", "other"]);
        assert!(files("", &none).is_empty());
    }
}
