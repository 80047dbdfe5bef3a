//! Tokens to a selector and the steps behind it: the half of the parser that is about lines.

use regex_lite::Regex;

use super::lexer::Token;
use super::matcher::Matcher;
use super::parser::Parser;
use super::pipeline::{Condition, Step};

impl Parser {
    /// `{job="docker", …}`. At least one matcher must narrow something down.
    pub(super) fn selector(&mut self) -> Result<Vec<Matcher>, String> {
        self.need("{")?;
        let mut matchers = Vec::new();
        while !self.sign("}") {
            let label = self.name("IDENTIFIER or }")?;
            let sign = ["=~", "!~", "!=", "="].into_iter().find(|sign| self.sign(sign));
            let sign = sign.ok_or_else(|| self.unexpected("= or =~ or !~ or !="))?;
            let value = self.text()?;
            matchers.push(Matcher::new(label, sign, value)?);
            if !self.sign(",") && *self.peek() != Token::Sign("}") {
                return Err(self.unexpected("} or ,"));
            }
        }
        if !matchers.iter().any(Matcher::selects) {
            return Err("parse error : queries require at least one regexp or equality matcher that does not have an \
                        empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but \
                        app=~\".+\" will"
                .to_owned());
        }
        Ok(matchers)
    }

    pub(super) fn steps(&mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        loop {
            let filter = ["|=", "!=", "|~", "!~"].into_iter().find(|sign| self.sign(sign));
            if let Some(sign) = filter {
                steps.push(line_filter(sign, self.text()?)?);
            } else if self.sign("|") {
                steps.push(self.stage()?);
            } else {
                return Ok(steps);
            }
        }
    }

    /// What stands behind a single `|`.
    fn stage(&mut self) -> Result<Step, String> {
        let ahead = self.behind();
        let compares =
            matches!(ahead, Some(Token::Sign("=" | "!=" | "=~" | "!~" | ">" | "<" | ">=" | "<=" | "==")));
        match self.peek().clone() {
            Token::Word(word) if !compares => {
                self.next();
                match word.as_str() {
                    "json" => Ok(Step::Json),
                    "logfmt" => Ok(Step::Logfmt),
                    "drop" => Ok(Step::Drop(self.names()?)),
                    "keep" => Ok(Step::Keep(self.names()?)),
                    other => Err(format!("the stand-in for Loki does not know `| {other}`")),
                }
            }
            Token::Word(_) => self.conditions(),
            _ => Err(self.unexpected("")),
        }
    }

    fn names(&mut self) -> Result<Vec<String>, String> {
        let mut names = vec![self.name("IDENTIFIER")?];
        while self.sign(",") {
            names.push(self.name("IDENTIFIER")?);
        }
        Ok(names)
    }

    fn conditions(&mut self) -> Result<Step, String> {
        let mut groups = vec![vec![self.condition()?]];
        loop {
            if self.word("and") || self.sign(",") {
                let condition = self.condition()?;
                if let Some(group) = groups.last_mut() {
                    group.push(condition);
                }
            } else if self.word("or") {
                groups.push(vec![self.condition()?]);
            } else {
                return Ok(Step::Labels(groups));
            }
        }
    }

    fn condition(&mut self) -> Result<Condition, String> {
        let label = self.name("IDENTIFIER")?;
        let Token::Sign(sign) = self.next() else { return Err(self.unexpected("= or =~ or !~ or !=")) };
        match self.next() {
            Token::Text(text) => Ok(Condition::Text(Matcher::new(label, sign, text)?)),
            Token::Number(number) => Ok(Condition::Number(label, sign, number)),
            _ => Err(self.unexpected("STRING or NUMBER")),
        }
    }
}

fn line_filter(sign: &str, text: String) -> Result<Step, String> {
    let wanted = sign.starts_with('|');
    if sign.ends_with('=') {
        return Ok(Step::Contains(text, wanted));
    }
    let expression =
        Regex::new(&text).map_err(|cause| format!("parse error : error parsing regexp: {cause}"))?;
    Ok(Step::Matches(expression, wanted))
}
