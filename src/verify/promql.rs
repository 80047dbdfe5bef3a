//! Whether two texts are one PromQL expression: a server prints an expression its own way.

use super::scalar;

/// Whether `sent` and `running` consist of the same words, texts, numbers and operators.
///
/// Prometheus moves `by (…)` in front, spells durations and numbers its own way, and sets spaces and
/// parentheses anew. So order and grouping are not compared; a changed name, threshold, window or operator is seen.
pub(super) fn same(sent: &str, running: &str) -> bool {
    words(sent) == words(running)
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' | '`' => {
                let (value, end) = quoted(rest, first);
                words.push(format!("\"{value}\""));
                end
            }
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) => {
                let end = number(rest);
                words.push(value(&rest[..end]));
                end
            }
            c if is_name(c) => {
                let end = rest.find(|c: char| !is_name(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
                words.push(rest[..end].to_lowercase());
                end
            }
            '=' | '!' | '<' | '>' | '-' | '*' | '/' | '%' | '^' | '@' => {
                let end = if rest[1..].starts_with(['=', '~']) && "=!<>".contains(first) { 2 } else { 1 };
                words.push(rest[..end].to_owned());
                end
            }
            // Spaces, grouping, and a plus, which is printed before Inf.
            c => c.len_utf8(),
        };
        rest = &rest[end..];
    }
    words.sort();
    words
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

/// The value of a quoted text, and where it ends.
fn quoted(text: &str, quote: char) -> (String, usize) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return (value, at + 1),
            '\\' if quote != '`' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c)) => value.push(c),
                None => {}
            },
            c => value.push(c),
        }
    }
    (value, text.len())
}

/// Where a number or a duration ends: `1e+06`, `0.5`, `1h30m`.
fn number(text: &str) -> usize {
    let mut before = ' ';
    text.find(|c: char| {
        let inside =
            c.is_ascii_alphanumeric() || c == '.' || (matches!(c, '+' | '-') && matches!(before, 'e' | 'E'));
        before = c;
        !inside
    })
    .unwrap_or(text.len())
}

fn value(text: &str) -> String {
    if let Some(milliseconds) = scalar::milliseconds(text).filter(|_| text != "0") {
        return format!("{milliseconds}ms");
    }
    text.parse::<f64>().map_or_else(|_| text.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_expression_in_two_spellings() {
        for (sent, running) in [
            ("sum(rate(x{a='b'}[5m])) by (job) > 0.80", "sum by (job) (rate(x{a=\"b\"}[300s])) > 0.8"),
            ("x  offset 90m # why\n or vector(0)", "x offset 1h30m or vector(0)"),
            ("x > 1000000", "x > 1e+06"),
            ("a{b=~\"c\\\\.d\"}", "a{b=~`c\\.d`}"),
            ("(a AND b) unless on(c) d", "(a and b) unless on (c) d"),
            ("x < .5", "x < 0.5"),
        ] {
            assert!(same(sent, running), "{sent} | {running}: {:?} {:?}", words(sent), words(running));
        }
    }

    #[test]
    fn what_means_something_else_is_seen() {
        for (sent, running) in [
            ("x > 84", "x > 85"),
            ("x > 84", "x >= 84"),
            ("rate(x[5m])", "rate(x[10m])"),
            ("rate(x[5m])", "increase(x[5m])"),
            ("x{a=\"b\"}", "x{a=\"c\"}"),
            ("x{a=\"b\"}", "x{a!=\"b\"}"),
            ("sum by (a) (x)", "sum by (b) (x)"),
            ("x - y", "x / y"),
        ] {
            assert!(!same(sent, running), "{sent} | {running}");
        }
    }
}
