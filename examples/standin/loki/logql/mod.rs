//! A part of `LogQL`: selectors, line filters, `json`, `logfmt`, label filters; counts and rates over a range,
//! sums and the like by labels, arithmetic. What the stand-in does not know it refuses by name.

mod eval;
mod expression;
mod lexer;
mod matcher;
mod metric;
mod parser;
mod pipeline;

pub(super) use eval::{Answer, Series, instant, lines, range};
pub(super) use expression::{Expression, Selection};
pub(super) use matcher::Matcher;

use super::store::Labels;

/// Parses a query.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    parser::Parser::new(text)?.whole()
}

/// Parses a selector alone, as `match[]` has it.
pub(super) fn parse_matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let mut parser = parser::Parser::new(text)?;
    let matchers = parser.selector()?;
    parser.end()?;
    Ok(matchers)
}

/// Parses a selector of which all matchers are `=`: the labels of a stream.
pub(super) fn parse_selector(text: &str) -> Result<Labels, String> {
    Ok(parse_matchers(text)?.into_iter().map(|one| (one.label, one.value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn refuses_in_lokis_words() {
        let (status, text) = recorded::text("loki-3.4.6/query_range-bad");
        assert_eq!(status, 400);
        assert_eq!(parse("{bad").unwrap_err(), text.trim_end());
        let error = |query: &str| parse(query).unwrap_err();
        assert!(error(r#"{a=~".*"}"#).contains("at least one regexp or equality matcher"));
        assert!(error("{}").contains("at least one regexp or equality matcher"));
        assert!(error(r#"{a="x"} |= "y"#).contains("not terminated"));
        assert!(error(r#"{a=~"("}"#).contains("error parsing regexp"));
        assert!(error(r#"sum({a="x"})"#).contains("needs numbers"));
        assert!(error(r#"rate({a="x"})"#).contains("unexpected ), expecting ["));
        assert!(
            error(r#"quantile_over_time(0.9, {a="x"} [1m])"#).contains("does not know `quantile_over_time`")
        );
        assert!(error(r#"{a="x"} | line_format "x""#).contains("does not know `| line_format`"));
        assert!(error(r#"{a="x"} extra"#).contains("unexpected IDENTIFIER"));
    }

    #[test]
    fn reads_what_panels_ask() {
        for query in [
            r#"{job=~"docker|journal", container=~"a|b"} |~ "(?i)x" != "y" | json | level="error" | drop __error__"#,
            r#"sum by (level) (count_over_time({job="docker"} | detected_level=~"warn|error" [5m]))"#,
            r#"topk(10, sum(bytes_over_time({job="docker"}[1h])) by (container))"#,
            r#"sum without (stream) (rate({job="docker"} [1m])) * 60"#,
        ] {
            parse(query).unwrap_or_else(|cause| panic!("{query}: {cause}"));
        }
    }
}
