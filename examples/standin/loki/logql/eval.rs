//! Answers a query from the store.

use std::collections::BTreeMap;

use super::super::store::{Labels, Line, Store};
use super::expression::{Expression, Over, Selection};
use super::metric::{Operand, Values, aggregate, binary};
use super::pipeline;

/// One series: labels, and points of seconds and value.
pub(in super::super) type Series = (Labels, Vec<(f64, f64)>);

/// What a query of numbers gives.
pub(in super::super) enum Answer {
    Scalar(f64),
    Series(Vec<Series>),
}

/// The lines of a query of lines in `start..end` (nanoseconds), at most `limit`, the newest or the oldest ones,
/// by the labels that they have at the end.
pub(in super::super) fn lines<'a>(
    store: &'a Store,
    selection: &'a Selection,
    (start, end): (i64, i64),
    limit: usize,
    newest_first: bool,
) -> BTreeMap<Labels, Vec<&'a Line>> {
    let mut all: Vec<(Labels, &Line)> = selected(store, selection, start, end).collect();
    all.sort_by_key(|(_, line)| line.stamp);
    if newest_first {
        all.reverse();
    }
    let mut result: BTreeMap<Labels, Vec<&Line>> = BTreeMap::new();
    for (labels, line) in all.into_iter().take(limit) {
        result.entry(labels).or_default().push(line);
    }
    result
}

fn selected<'a>(
    store: &'a Store,
    selection: &'a Selection,
    start: i64,
    end: i64,
) -> impl Iterator<Item = (Labels, &'a Line)> {
    store
        .streams()
        .filter(|(labels, _)| selection.matchers.iter().all(|one| one.matches(labels)))
        .flat_map(move |(labels, lines)| {
            let from = lines.partition_point(|line| line.stamp < start);
            let to = lines.partition_point(|line| line.stamp < end);
            lines.range(from..to.max(from)).map(move |line| (labels, line))
        })
        .filter_map(move |(labels, line)| Some((pipeline::run(&selection.steps, labels, line)?, line)))
}

/// The value of a query of numbers at one moment (nanoseconds).
pub(in super::super) fn instant(store: &Store, query: &Expression, at: i64) -> Answer {
    match value(store, query, at) {
        Operand::Number(number) => Answer::Scalar(number),
        Operand::Values(values) => Answer::Series(
            values.into_iter().map(|(labels, number)| (labels, vec![(seconds(at), number)])).collect(),
        ),
    }
}

/// The values of a query of numbers from `start` to `end`, every `step` nanoseconds.
pub(in super::super) fn range(
    store: &Store,
    query: &Expression,
    start: i64,
    end: i64,
    step: i64,
) -> Vec<Series> {
    let mut all: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    let mut at = start;
    while at <= end {
        let values = match value(store, query, at) {
            Operand::Number(number) => vec![(Labels::new(), number)],
            Operand::Values(values) => values,
        };
        for (labels, number) in values {
            all.entry(labels).or_default().push((seconds(at), number));
        }
        at += step.max(1);
    }
    all.into_iter().collect()
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds are exact in this range")]
fn seconds(nanoseconds: i64) -> f64 {
    (nanoseconds / 1_000_000) as f64 / 1000.0
}

fn value(store: &Store, query: &Expression, at: i64) -> Operand {
    match query {
        Expression::Number(number) => Operand::Number(*number),
        Expression::Vector(number) => Operand::Values(vec![(Labels::new(), *number)]),
        // The parser lets no lines in here.
        Expression::Lines(_) => Operand::Values(Vec::new()),
        Expression::Over { function, selection, range, offset } => {
            let end = at - offset;
            Operand::Values(over(store, *function, selection, (end - range, end)))
        }
        Expression::Aggregate { function, grouping, of } => match value(store, of, at) {
            Operand::Values(values) => Operand::Values(aggregate(*function, grouping, values)),
            number @ Operand::Number(_) => number,
        },
        Expression::Binary { sign, left, right, truth } => {
            binary(sign, value(store, left, at), value(store, right, at), *truth)
        }
    }
}

fn over(store: &Store, function: Over, selection: &Selection, (start, end): (i64, i64)) -> Values {
    let mut groups: BTreeMap<Labels, (f64, f64)> = BTreeMap::new();
    // A range is open at its beginning and closed at its end.
    for (labels, line) in selected(store, selection, start + 1, end + 1) {
        let group = groups.entry(labels).or_default();
        group.0 += 1.0;
        #[allow(clippy::cast_precision_loss, reason = "a line's length")]
        let size = line.text.len() as f64;
        group.1 += size;
    }
    if function == Over::Absent {
        return if groups.is_empty() { vec![(Labels::new(), 1.0)] } else { Vec::new() };
    }
    #[allow(clippy::cast_precision_loss, reason = "a range")]
    let length = (end - start) as f64 / 1e9;
    let pick = |(count, bytes): (f64, f64)| match function {
        Over::Count | Over::Absent => count,
        Over::Rate => count / length,
        Over::Bytes => bytes,
        Over::BytesRate => bytes / length,
    };
    groups.into_iter().map(|(labels, sums)| (labels, pick(sums))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::config::Limits;
    use super::super::super::store::tests::{labels, limits, line};
    use super::super::parse;
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn store() -> Store {
        let mut store = Store::new(Limits {
            streams: 0,
            line_bytes: 0,
            rate: 0.0,
            oldest: None,
            find_level: false,
            find_service_name: false,
            ..limits()
        });
        let now = 1000 * SECOND;
        let mut push =
            |pairs: &[(&str, &str)], lines: Vec<Line>| store.push(vec![(labels(pairs), lines)], now).unwrap();
        push(
            &[("job", "docker"), ("container", "a")],
            vec![line(910, "GET /x"), line(950, "error: no"), line(1000, "GET /y")],
        );
        push(&[("job", "docker"), ("container", "b")], vec![line(970, r#"{"level":"warn","n":5}"#)]);
        push(&[("job", "journal")], vec![line(980, "unit started")]);
        store
    }

    /// The values of a query at second 1000, as `labels=value`.
    fn ask(query: &str) -> Vec<String> {
        let query = parse(query).unwrap_or_else(|cause| panic!("{query}: {cause}"));
        let show = |(labels, points): (Labels, Vec<(f64, f64)>)| {
            let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{}:{}", labels.join(","), points[0].1)
        };
        match instant(&store(), &query, 1000 * SECOND) {
            Answer::Scalar(number) => vec![number.to_string()],
            Answer::Series(series) => series.into_iter().map(show).collect(),
        }
    }

    #[test]
    fn counts_rates_and_bytes() {
        assert_eq!(
            ask(r#"sum by (container) (count_over_time({job="docker"}[2m]))"#),
            ["container=a:3", "container=b:1"]
        );
        assert_eq!(ask(r#"sum(rate({job=~".+"}[50s]))"#), ["1".replace('1', ":0.06")]);
        assert_eq!(ask(r#"bytes_over_time({job="journal"}[1m])"#), ["job=journal:12"]);
        assert_eq!(
            ask(r#"count_over_time({container="a"} |= "GET" != "/x" [2m])"#),
            ["container=a,job=docker:1"]
        );
        assert_eq!(ask(r#"sum(count_over_time({job="docker"} |~ "(?i)ERROR|warn" [2m]))"#), [":2"]);
        assert_eq!(
            ask(r#"sum by (level) (count_over_time({container="b"} | json | n > 4 [2m]))"#),
            ["level=warn:1"]
        );
        assert_eq!(
            ask(r#"topk(1, sum by (container) (count_over_time({job="docker"}[2m])))"#),
            ["container=a:3"]
        );
        assert_eq!(ask(r#"absent_over_time({job="x"}[2m])"#), [":1"]);
        assert_eq!(ask(r#"count_over_time({job="journal"}[10s] offset 15s)"#), ["job=journal:1"]);
    }

    #[test]
    fn arithmetic() {
        assert_eq!(ask("vector(1)+vector(1)"), [":2"]);
        assert_eq!(ask("1 + 2 * 3"), ["7"]);
        assert_eq!(ask(r#"sum(count_over_time({job="x"}[1m])) or vector(0)"#), [":0"]);
        assert_eq!(
            ask(
                r#"sum(count_over_time({job="docker"}[2m])) / sum(count_over_time({job="docker"} |= "error" [2m]))"#
            ),
            [":4"]
        );
        assert_eq!(ask(r#"sum by (container) (count_over_time({job="docker"}[2m])) > 1"#), ["container=a:3"]);
        assert_eq!(ask(r#"max(sum by (container) (count_over_time({job="docker"}[2m]))) >= bool 4"#), [":0"]);
    }

    #[test]
    fn lines_come_newest_first_and_limited() {
        let Expression::Lines(selection) =
            parse(r#"{job="docker"} | container="a" or container="b""#).unwrap()
        else {
            panic!("no lines")
        };
        let store = store();
        let found = lines(&store, &selection, (900 * SECOND, 1000 * SECOND), 2, true);
        let texts: Vec<&str> = found.values().flatten().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["error: no", r#"{"level":"warn","n":5}"#]);
        assert_eq!(lines(&store, &selection, (0, 2000 * SECOND), 100, false).len(), 2);
    }

    #[test]
    fn a_range_has_a_point_a_step() {
        let query = parse(r#"count_over_time({job="journal"}[20s])"#).unwrap();
        let series = range(&store(), &query, 960 * SECOND, 1000 * SECOND, 10 * SECOND);
        assert_eq!(series[0].1, [(980.0, 1.0), (990.0, 1.0)]);
    }
}
