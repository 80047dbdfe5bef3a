//! Label matchers: `name="value"` and its three relatives.

use regex_lite::Regex;

use super::super::store::Labels;

/// How a value is compared.
#[derive(Debug, Clone)]
pub(in super::super) enum Comparison {
    Equal,
    NotEqual,
    Like(Regex),
    NotLike(Regex),
}

/// One matcher.
#[derive(Debug, Clone)]
pub(in super::super) struct Matcher {
    pub(in super::super) label: String,
    pub(in super::super) value: String,
    comparison: Comparison,
}

impl Matcher {
    /// Makes one; expressions are anchored at both ends, as in Loki.
    pub(super) fn new(label: String, sign: &str, value: String) -> Result<Self, String> {
        let whole = || {
            Regex::new(&format!("^(?s:{value})$"))
                .map_err(|cause| format!("parse error : error parsing regexp: {cause}"))
        };
        let comparison = match sign {
            "=" | "==" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            "=~" => Comparison::Like(whole()?),
            _ => Comparison::NotLike(whole()?),
        };
        Ok(Self { label, value, comparison })
    }

    /// Whether a value passes; a label that is missing has the empty value.
    fn accepts(&self, value: &str) -> bool {
        match &self.comparison {
            Comparison::Equal => value == self.value,
            Comparison::NotEqual => value != self.value,
            Comparison::Like(expression) => expression.is_match(value),
            Comparison::NotLike(expression) => !expression.is_match(value),
        }
    }

    pub(in super::super) fn matches(&self, labels: &Labels) -> bool {
        self.accepts(labels.get(&self.label).map_or("", String::as_str))
    }

    /// Whether it narrows anything down: Loki refuses a selector in which no matcher does.
    pub(super) fn selects(&self) -> bool {
        matches!(self.comparison, Comparison::Equal | Comparison::Like(_)) && !self.accepts("")
    }
}
