//! Tokens to a query.

use regex_lite::Regex;

use super::expression::{Aggregate, Expression, Grouping, Over, Selection};
use super::lexer::{Token, tokens};
use super::matcher::Matcher;
use super::pipeline::{Condition, Step};

/// Reads one query.
pub(super) struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
}

/// Signs between operands, those that bind least first.
const LEVELS: [&[&str]; 6] =
    [&["or"], &["and", "unless"], &["==", "!=", ">", "<", ">=", "<="], &["+", "-"], &["*", "/", "%"], &["^"]];

impl Parser {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        Ok(Self { tokens: tokens(text)?, at: 0 })
    }

    /// A whole query and nothing behind it.
    pub(super) fn whole(mut self) -> Result<Expression, String> {
        let query = self.level(0)?;
        self.end()?;
        Ok(query)
    }

    pub(super) fn end(&self) -> Result<(), String> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.unexpected("")) }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn unexpected(&self, expected: &str) -> String {
        let (token, column) = &self.tokens[self.at];
        let expected = if expected.is_empty() { String::new() } else { format!(", expecting {expected}") };
        format!("parse error at line 1, col {column}: syntax error: unexpected {}{expected}", token.shown())
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(it) if *it == sign);
        if found {
            self.at += 1;
        }
        found
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(it) if it == word);
        if found {
            self.at += 1;
        }
        found
    }

    fn name(&mut self, expected: &str) -> Result<String, String> {
        match self.peek() {
            Token::Word(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::Text(text) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.unexpected("STRING")),
        }
    }

    /// One of the signs of a level of precedence, if it is next.
    fn operator(&mut self, level: usize) -> Option<&'static str> {
        let found = LEVELS[level].iter().find(|wanted| match self.peek() {
            Token::Sign(sign) => sign == *wanted,
            Token::Word(word) => word == **wanted,
            _ => false,
        })?;
        self.at += 1;
        Some(found)
    }

    fn level(&mut self, level: usize) -> Result<Expression, String> {
        if level == LEVELS.len() {
            return self.operand();
        }
        let mut left = self.level(level + 1)?;
        while let Some(sign) = self.operator(level) {
            let truth = self.word("bool");
            if matches!(self.peek(), Token::Word(word) if word == "on" || word == "ignoring") {
                return Err("the stand-in does not know `on` and `ignoring`".to_owned());
            }
            let right = self.level(level + 1)?;
            if left.is_lines() || right.is_lines() {
                return Err(format!("parse error : unexpected type for binary operation ({sign}): lines"));
            }
            left = Expression::Binary { sign, left: Box::new(left), right: Box::new(right), truth };
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expression, String> {
        match self.peek().clone() {
            Token::Sign("{") => Ok(Expression::Lines(self.selection()?)),
            Token::Sign("(") => {
                self.next();
                let inner = self.level(0)?;
                self.need(")")?;
                Ok(inner)
            }
            Token::Sign("-") => {
                self.next();
                match self.next() {
                    Token::Number(number) => Ok(Expression::Number(-number)),
                    _ => Err(self.unexpected("NUMBER")),
                }
            }
            Token::Number(number) => {
                self.next();
                Ok(Expression::Number(number))
            }
            Token::Word(name) => {
                self.next();
                self.call(&name)
            }
            _ => Err(self.unexpected("")),
        }
    }

    fn call(&mut self, name: &str) -> Result<Expression, String> {
        let over = match name {
            "count_over_time" => Some(Over::Count),
            "rate" => Some(Over::Rate),
            "bytes_over_time" => Some(Over::Bytes),
            "bytes_rate" => Some(Over::BytesRate),
            "absent_over_time" => Some(Over::Absent),
            _ => None,
        };
        if let Some(function) = over {
            self.need("(")?;
            let query = self.over(function)?;
            self.need(")")?;
            return Ok(query);
        }
        if name == "vector" {
            self.need("(")?;
            let Token::Number(number) = self.next() else { return Err(self.unexpected("NUMBER")) };
            self.need(")")?;
            return Ok(Expression::Vector(number));
        }
        let takes_number = matches!(name, "topk" | "bottomk");
        let known = ["sum", "min", "max", "avg", "count", "sort", "sort_desc"].contains(&name);
        if !takes_number && !known {
            return Err(format!("the stand-in for Loki does not know `{name}`"));
        }
        let mut grouping = self.grouping()?;
        self.need("(")?;
        let mut most = 0;
        if takes_number {
            let Token::Number(number) = self.next() else { return Err(self.unexpected("NUMBER")) };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of series")]
            let count = number.max(0.0) as usize;
            most = count;
            self.need(",")?;
        }
        let of = self.level(0)?;
        if of.is_lines() {
            return Err(format!("parse error : syntax error: {name} needs numbers and got lines"));
        }
        self.need(")")?;
        if matches!(grouping, Grouping::All) {
            grouping = self.grouping()?;
        }
        let function = match name {
            "sum" => Aggregate::Sum,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "avg" => Aggregate::Mean,
            "count" => Aggregate::Count,
            "topk" => Aggregate::Top(most),
            "bottomk" => Aggregate::Bottom(most),
            _ => Aggregate::Sort { down: name == "sort_desc" },
        };
        Ok(Expression::Aggregate { function, grouping, of: Box::new(of) })
    }

    /// The inside of `rate(…)`. The range stands behind the selector or behind the pipeline.
    fn over(&mut self, function: Over) -> Result<Expression, String> {
        if self.sign("(") {
            let inner = self.over(function)?;
            self.need(")")?;
            return Ok(inner);
        }
        let matchers = self.selector()?;
        let mut range = self.range()?;
        let mut offset = self.offset()?;
        let steps = self.steps()?;
        if range.is_none() {
            range = self.range()?;
            offset = offset.or(self.offset()?);
        }
        let range = range.ok_or_else(|| self.unexpected("["))?;
        let selection = Selection { matchers, steps };
        Ok(Expression::Over { function, selection, range, offset: offset.unwrap_or(0) })
    }

    fn range(&mut self) -> Result<Option<i64>, String> {
        if !self.sign("[") {
            return Ok(None);
        }
        match self.next() {
            Token::Duration(length) if length > 0 => self.need("]").map(|()| Some(length)),
            _ => Err(self.unexpected("DURATION")),
        }
    }

    fn offset(&mut self) -> Result<Option<i64>, String> {
        if !self.word("offset") {
            return Ok(None);
        }
        match self.next() {
            Token::Duration(length) => Ok(Some(length)),
            _ => Err(self.unexpected("DURATION")),
        }
    }

    fn grouping(&mut self) -> Result<Grouping, String> {
        let by = self.word("by");
        if !by && !self.word("without") {
            return Ok(Grouping::All);
        }
        self.need("(")?;
        let mut names = Vec::new();
        while !self.sign(")") {
            names.push(self.name("IDENTIFIER or )")?);
            self.sign(",");
        }
        Ok(if by { Grouping::By(names) } else { Grouping::Without(names) })
    }

    fn selection(&mut self) -> Result<Selection, String> {
        Ok(Selection { matchers: self.selector()?, steps: self.steps()? })
    }

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

    fn steps(&mut self) -> Result<Vec<Step>, String> {
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
        let ahead = self.tokens.get(self.at + 1).map(|(token, _)| token.clone());
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
