//! What a query means.

use super::super::store::{Labels, Line};
use super::matcher::Matcher;
use super::pipeline::{self, Step};

/// A query.
#[derive(Debug, Clone)]
pub(in super::super) enum Expression {
    /// Lines.
    Lines(Selection),
    /// A number a series, from the lines of a range.
    Over {
        function: Over,
        selection: Selection,
        range: i64,
        offset: i64,
    },
    /// Series put together.
    Aggregate {
        function: Aggregate,
        grouping: Grouping,
        of: Box<Expression>,
    },
    /// Two operands and a sign; with `bool` a comparison gives 0 or 1.
    Binary {
        sign: &'static str,
        left: Box<Expression>,
        right: Box<Expression>,
        truth: bool,
    },
    Number(f64),
    /// `vector(5)`.
    Vector(f64),
}

/// Which lines.
#[derive(Debug, Clone)]
pub(in super::super) struct Selection {
    pub(super) matchers: Vec<Matcher>,
    pub(super) steps: Vec<Step>,
}

impl Selection {
    /// Whether a line with these labels passes.
    pub(in super::super) fn matches(&self, labels: &Labels, line: &str) -> bool {
        let line = Line { stamp: 0, text: line.to_owned(), metadata: Labels::new() };
        self.matchers.iter().all(|one| one.matches(labels))
            && pipeline::run(&self.steps, labels, &line).is_some()
    }
}

/// What is done with the lines of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Over {
    Count,
    Rate,
    Bytes,
    BytesRate,
    Absent,
}

/// How series become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum Aggregate {
    Sum,
    Min,
    Max,
    Mean,
    Count,
    Top(usize),
    Bottom(usize),
    Sort { down: bool },
}

/// Which labels series are put together by.
#[derive(Debug, Clone, Default)]
pub(in super::super) enum Grouping {
    #[default]
    All,
    By(Vec<String>),
    Without(Vec<String>),
}

impl Expression {
    /// Whether the query gives lines and not numbers.
    pub(in super::super) fn is_lines(&self) -> bool {
        matches!(self, Self::Lines(_))
    }
}
