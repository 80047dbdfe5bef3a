//! Which checks are asked: `--only` and `--skip` with patterns of names.

use crate::error::{Error, Result};
use crate::yaml::did_you_mean;

/// A choice among the names of checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    only: Vec<String>,
    skip: Vec<String>,
}

impl Selection {
    /// Chooses among `known` names: those that a pattern of `only` matches (all without any), less those of
    /// `skip`. A pattern is a name with `*` for any text, or a service for all of its checks.
    ///
    /// # Errors
    /// Usage: a pattern that matches nothing, with what was meant; or when nothing is left.
    pub fn new(known: &[String], only: &[String], skip: &[String]) -> Result<Self> {
        for (option, patterns) in [("--only", only), ("--skip", skip)] {
            for pattern in patterns {
                if known.iter().any(|name| matches(pattern, name)) {
                    continue;
                }
                let mut names: Vec<&str> = known.iter().map(String::as_str).collect();
                names.extend(known.iter().filter_map(|name| name.split('.').next()));
                names.dedup();
                let meant = did_you_mean(pattern, names.iter().copied());
                return Err(Error::usage(format!("choose checks by {option} {pattern}"))
                    .cause("no check has such a name")
                    .hint(meant.map_or_else(
                        || format!("The checks are: {}.", known.join(", ")),
                        |name| format!("Did you mean `{name}`?"),
                    )));
            }
        }
        let selection = Self { only: only.to_vec(), skip: skip.to_vec() };
        if !known.iter().any(|name| selection.takes(name)) {
            return Err(Error::usage("choose checks")
                .cause("--skip leaves none of them")
                .hint("Leave out a --skip."));
        }
        Ok(selection)
    }

    /// Whether a check is asked.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|pattern| matches(pattern, name)))
            && !self.skip.iter().any(|pattern| matches(pattern, name))
    }

    /// Whether `--only` has the full name of a check: then it is asked though it is a probe. A pattern is not
    /// enough: nobody should send a mail by `--only alertmanager`.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.only.iter().any(|pattern| pattern == name)
    }
}

/// A check's name against a pattern: a service stands for all of its checks, `*` for any text.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains(['.', '*']) {
        return name.split('.').next() == Some(pattern);
    }
    glob(pattern, name)
}

fn glob(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && glob(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(only: &[&str], skip: &[&str]) -> Result<Vec<String>> {
        let known: Vec<String> =
            ["grafana.login", "grafana.panels", "loki.ready", "loki.canary"].map(str::to_owned).to_vec();
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let selection = Selection::new(&known, &own(only), &own(skip))?;
        Ok(known.into_iter().filter(|name| selection.takes(name)).collect())
    }

    #[test]
    fn patterns_choose() {
        assert_eq!(choose(&[], &[]).unwrap().len(), 4);
        assert_eq!(choose(&["grafana"], &[]).unwrap(), ["grafana.login", "grafana.panels"]);
        assert_eq!(choose(&["*.ready", "grafana.p*"], &[]).unwrap(), ["grafana.panels", "loki.ready"]);
        assert_eq!(choose(&["loki.*"], &["*.canary"]).unwrap(), ["loki.ready"]);
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_an_error() {
        let told = |only: &[&str], skip: &[&str]| {
            let error = choose(only, skip).unwrap_err();
            format!("{error}\n{}", error.hints().join(" "))
        };
        insta::assert_snapshot!(told(&["grafana.logn"], &[]), @r"
        choose checks by --only grafana.logn: no check has such a name
        Did you mean `grafana.login`?
        ");
        insta::assert_snapshot!(told(&[], &["graphana"]), @r"
        choose checks by --skip graphana: no check has such a name
        Did you mean `grafana`?
        ");
        insta::assert_snapshot!(told(&["nothing.like.it"], &[]), @r"
        choose checks by --only nothing.like.it: no check has such a name
        The checks are: grafana.login, grafana.panels, loki.ready, loki.canary.
        ");
        insta::assert_snapshot!(told(&["loki"], &["*"]), @r"
        choose checks: --skip leaves none of them
        Leave out a --skip.
        ");
    }
}
