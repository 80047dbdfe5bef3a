//! Cuts a query into tokens, each with the column at which it begins.

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or a key word.
    Word(String),
    /// A text in double quotes or backticks.
    Text(String),
    Number(f64),
    /// A duration, in nanoseconds.
    Duration(i64),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

impl Token {
    /// The token as an error message names it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(_) => "IDENTIFIER".to_owned(),
            Self::Text(_) => "STRING".to_owned(),
            Self::Number(_) => "NUMBER".to_owned(),
            Self::Duration(_) => "DURATION".to_owned(),
            Self::Sign(sign) => (*sign).to_owned(),
            Self::End => "$end".to_owned(),
        }
    }
}

/// Longer signs first.
const SIGNS: [&str; 27] = [
    "|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", "{", "}", "(", ")", "[", "]", ",", "|", "=",
    ">", "<", "+", "-", "*", "/", "%", "^",
];

/// Gives the tokens with their columns, counted from 1, and `End` last.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, String> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let (rest, column) = (&text[at..], at + 1);
        let length;
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if first == '"' || first == '`' {
            let (value, used) =
                quoted(rest).ok_or(format!("parse error at line 1, col {column}: literal not terminated"))?;
            all.push((Token::Text(value), column));
            length = used;
        } else if first.is_ascii_digit() {
            length = rest
                .find(|it: char| !it.is_ascii_alphanumeric() && it != '.' && it != 'µ')
                .unwrap_or(rest.len());
            let word = &rest[..length];
            let number = word.parse().map(Token::Number).ok();
            let token = number.or_else(|| super::super::duration::parse(word).map(Token::Duration));
            all.push((
                token.ok_or(format!("parse error at line 1, col {column}: bad number {word}"))?,
                column,
            ));
        } else if first.is_alphabetic() || first == '_' {
            length = rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
            all.push((Token::Word(rest[..length].to_owned()), column));
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            length = sign.len();
            all.push((Token::Sign(sign), column));
        } else {
            return Err(format!(
                "parse error at line 1, col {column}: syntax error: unexpected character {first:?}"
            ));
        }
        at += length;
    }
    all.push((Token::End, text.len() + 1));
    Ok(all)
}

/// A quoted text at the beginning: its value, and how many bytes it takes.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    let (_, quote) = letters.next()?;
    while let Some((at, letter)) = letters.next() {
        match letter {
            it if it == quote => return Some((value, at + 1)),
            '\\' if quote == '"' => value.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_a_query() {
        let found: Vec<Token> =
            tokens(r#"rate({a="x\"y"} |~ `\d` [5m]) > 0.5"#).unwrap().into_iter().map(|(it, _)| it).collect();
        assert_eq!(found[0], Token::Word("rate".to_owned()));
        assert_eq!(found[5], Token::Text("x\"y".to_owned()));
        assert_eq!(found[8], Token::Text("\\d".to_owned()));
        assert_eq!(found[10], Token::Duration(300_000_000_000));
        assert_eq!(found[14], Token::Number(0.5));
        assert!(tokens("{a=\"x").is_err());
        assert!(tokens("1e5x").is_err());
    }
}
