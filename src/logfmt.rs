//! Log lines in logfmt, as Go's services write them: `level=error msg="what happened" err="why"`.

/// The value of a field, without its quotes and in one line; `None` where the line has no such field.
#[must_use]
pub fn field(line: &str, key: &str) -> Option<String> {
    let mark = format!("{key}=");
    let start = line.match_indices(&mark).find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']))?;
    let value = &line[start.0 + mark.len()..];
    if !value.starts_with('"') {
        return value.split(' ').next().map(str::to_owned);
    }
    let mut escaped = false;
    let end = value.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    let quoted = match end {
        Some((end, _)) => &value[..=end],
        // The line itself was cut, and says so.
        None if value.ends_with('…') => value,
        None => return None,
    };
    // Go's quotes are JSON's but for a few escapes, which are then shown as they are.
    let text: String = serde_json::from_str(quoted).unwrap_or_else(|_| quoted.trim_matches('"').to_owned());
    Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_read_with_or_without_quotes() {
        let line = r#"ts=1 level=error msg="a \"b\" = c" err="one:\n\ttwo" empty="" last=x"#;
        let of = |key| field(line, key);
        assert_eq!(of("level").as_deref(), Some("error"));
        assert_eq!(of("msg").as_deref(), Some("a \"b\" = c"));
        assert_eq!(of("err").as_deref(), Some("one:; two"));
        assert_eq!(of("empty").as_deref(), Some(""));
        assert_eq!(of("last").as_deref(), Some("x"));
        assert_eq!(of("rr"), None);
        assert_eq!(field(r#"err="no end"#, "err"), None);
        assert_eq!(field(r#"err="cut o…"#, "err").as_deref(), Some("cut o…"));
    }
}
