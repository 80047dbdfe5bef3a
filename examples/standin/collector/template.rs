//! The part of Go's templates that stages use: `{{ .Value }}`, `{{ ToLower .Value }}`, `{{ .Value | TrimSpace }}`,
//! `{{ if eq .level "warning" }}warn{{ else }}{{ .Value }}{{ end }}`.

use std::collections::BTreeMap;

/// A template that was understood.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Value(Pipe),
    If { condition: Condition, then: Vec<Part>, otherwise: Vec<Part> },
}

/// A field or a text, and what is done to it.
#[derive(Debug, Clone)]
struct Pipe(Operand, Vec<Function>);

#[derive(Debug, Clone)]
enum Operand {
    Field(String),
    Text(String),
}

#[derive(Debug, Clone)]
enum Function {
    Lower,
    Upper,
    Trim,
    Replace(String, String),
}

#[derive(Debug, Clone)]
enum Condition {
    /// The field equals one of the texts, or does not.
    Equal(Operand, Vec<Operand>, bool),
    /// The field is not empty.
    Some(Operand),
}

fn unknown(action: &str) -> String {
    format!("the stand-in does not know the template action `{{{{{action}}}}}`")
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (action, after) = after.split_once("}}").ok_or("unclosed action in a template")?;
            tokens.push(Ok(before.to_owned()));
            tokens.push(Err(action.trim_matches('-').trim().to_owned()));
            rest = after;
        }
        tokens.push(Ok(rest.to_owned()));
        let mut tokens = tokens.into_iter().peekable();
        let (parts, end) = parts(&mut tokens)?;
        if let Some(end) = end {
            return Err(format!("unexpected {{{{{end}}}}} in a template"));
        }
        Ok(Self(parts))
    }

    /// Fills it in; a field that is missing is empty.
    pub(super) fn fill(&self, fields: &BTreeMap<String, String>) -> String {
        let mut text = String::new();
        fill(&self.0, fields, &mut text);
        text
    }
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<Result<String, String>>>;

/// Reads up to an `else` or `end`, which is given as well.
fn parts(tokens: &mut Tokens) -> Result<(Vec<Part>, Option<String>), String> {
    let mut all = Vec::new();
    while let Some(token) = tokens.next() {
        let action = match token {
            Ok(text) => {
                if !text.is_empty() {
                    all.push(Part::Text(text));
                }
                continue;
            }
            Err(action) => action,
        };
        if action == "end" || action == "else" || action.starts_with("else if ") {
            return Ok((all, Some(action)));
        }
        all.push(match action.strip_prefix("if ") {
            Some(condition) => branch(condition, tokens)?,
            None => Part::Value(pipe(&action)?),
        });
    }
    Ok((all, None))
}

fn branch(text: &str, tokens: &mut Tokens) -> Result<Part, String> {
    let condition = condition(text)?;
    let (then, end) = parts(tokens)?;
    let otherwise = match end.as_deref() {
        Some("end") => Vec::new(),
        Some("else") => match parts(tokens)? {
            (otherwise, Some(end)) if end == "end" => otherwise,
            _ => return Err("a template's `else` has no `end`".to_owned()),
        },
        Some(other) => vec![branch(other.trim_start_matches("else if "), tokens)?],
        None => return Err("a template's `if` has no `end`".to_owned()),
    };
    Ok(Part::If { condition, then, otherwise })
}

fn condition(text: &str) -> Result<Condition, String> {
    let words = words(text)?;
    match words.split_first() {
        Some((function, [field, values @ ..]))
            if (function == "eq" || function == "ne") && !values.is_empty() =>
        {
            let values = values.iter().map(|word| operand(word)).collect::<Result<_, _>>()?;
            Ok(Condition::Equal(operand(field)?, values, function == "eq"))
        }
        Some((field, [])) => Ok(Condition::Some(operand(field)?)),
        _ => Err(unknown(&format!("if {text}"))),
    }
}

fn pipe(action: &str) -> Result<Pipe, String> {
    let mut stages = action.split('|').map(str::trim);
    let first = words(stages.next().unwrap_or_default())?;
    let (subject, mut functions) = match first.as_slice() {
        [subject] => (operand(subject)?, Vec::new()),
        [function, subject] => (operand(subject)?, vec![simple(function, action)?]),
        [function, subject, from, to, _] if function == "Replace" => {
            (operand(subject)?, vec![Function::Replace(literal(from)?, literal(to)?)])
        }
        _ => return Err(unknown(action)),
    };
    for stage in stages {
        functions.push(simple(stage, action)?);
    }
    Ok(Pipe(subject, functions))
}

fn simple(name: &str, action: &str) -> Result<Function, String> {
    match name {
        "ToLower" => Ok(Function::Lower),
        "ToUpper" => Ok(Function::Upper),
        "TrimSpace" => Ok(Function::Trim),
        _ => Err(unknown(action)),
    }
}

fn operand(word: &str) -> Result<Operand, String> {
    match word.strip_prefix('.') {
        Some(field) if field.chars().all(|it| it.is_alphanumeric() || it == '_') => {
            Ok(Operand::Field(field.to_owned()))
        }
        _ => literal(word).map(Operand::Text),
    }
}

fn literal(word: &str) -> Result<String, String> {
    let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
    inner.map(str::to_owned).ok_or_else(|| unknown(word))
}

/// Words at spaces, quoted ones whole with their quotes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('"') {
            Some(inner) => inner.find('"').ok_or_else(|| unknown(text))? + 2,
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        all.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Ok(all)
}

impl Operand {
    fn get(&self, fields: &BTreeMap<String, String>) -> String {
        match self {
            Self::Field(name) => fields.get(name).cloned().unwrap_or_default(),
            Self::Text(text) => text.clone(),
        }
    }
}

fn fill(parts: &[Part], fields: &BTreeMap<String, String>, into: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => into.push_str(text),
            Part::Value(Pipe(subject, functions)) => {
                let value = functions.iter().fold(subject.get(fields), |value, function| match function {
                    Function::Lower => value.to_lowercase(),
                    Function::Upper => value.to_uppercase(),
                    Function::Trim => value.trim().to_owned(),
                    Function::Replace(from, to) => value.replace(from, to),
                });
                into.push_str(&value);
            }
            Part::If { condition, then, otherwise } => {
                let holds = match condition {
                    Condition::Equal(field, values, wanted) => {
                        values.iter().any(|value| value.get(fields) == field.get(fields)) == *wanted
                    }
                    Condition::Some(field) => !field.get(fields).is_empty(),
                };
                fill(if holds { then } else { otherwise }, fields, into);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, value: &str) -> String {
        let fields = [("Value".to_owned(), value.to_owned()), ("level".to_owned(), value.to_owned())].into();
        Template::parse(text).unwrap_or_else(|cause| panic!("{text}: {cause}")).fill(&fields)
    }

    #[test]
    fn fills_in() {
        assert_eq!(filled("{{ ToLower .Value }}", "WARN"), "warn");
        assert_eq!(filled("<{{ .Value | ToUpper | TrimSpace }}>", " a "), "<A>");
        assert_eq!(filled("plain", "x"), "plain");
        assert_eq!(filled("{{ .missing }}", "x"), "");
        assert_eq!(filled(r#"{{ Replace .Value "a" "b" -1 }}"#, "aca"), "bcb");
        let level = r#"{{ if eq .level "warning" "w" }}warn{{ else if eq .level "err" }}error{{ else }}{{ .level }}{{ end }}"#;
        assert_eq!(
            (filled(level, "w"), filled(level, "err"), filled(level, "info")),
            ("warn".to_owned(), "error".to_owned(), "info".to_owned())
        );
        assert_eq!(filled("{{ if .Value }}some{{ else }}none{{ end }}", ""), "none");
    }

    #[test]
    fn what_it_does_not_know_it_refuses() {
        for wrong in [
            "{{ .Value",
            "{{ range .x }}{{ end }}",
            "{{ Sha2Hash \"salt\" .Value }}",
            "{{ if .x }}",
            "{{ end }}",
        ] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}
