//! Arithmetic on series at one moment.

use std::collections::BTreeMap;

use super::super::store::Labels;
use super::expression::{Aggregate, Grouping};

/// The value of each series at one moment.
pub(super) type Values = Vec<(Labels, f64)>;

/// Whether a comparison holds; a sign that is none never does.
pub(super) fn compare(sign: &str, left: f64, right: f64) -> bool {
    match sign {
        "=" | "==" => (left - right).abs() < f64::EPSILON,
        "!=" => (left - right).abs() >= f64::EPSILON,
        ">" => left > right,
        "<" => left < right,
        ">=" => left >= right,
        "<=" => left <= right,
        _ => false,
    }
}

/// The result of a sign between two numbers; nothing where a comparison does not hold.
fn apply(sign: &str, left: f64, right: f64, truth: bool) -> Option<f64> {
    Some(match sign {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" => left / right,
        "%" => left % right,
        "^" => left.powf(right),
        _ if truth => f64::from(u8::from(compare(sign, left, right))),
        _ if compare(sign, left, right) => left,
        _ => return None,
    })
}

/// An operand: a number, or series.
pub(super) enum Operand {
    Number(f64),
    Values(Values),
}

/// Two operands and a sign. Series meet those with the same labels.
pub(super) fn binary(sign: &str, left: Operand, right: Operand, truth: bool) -> Operand {
    match (left, right) {
        (Operand::Number(left), Operand::Number(right)) => {
            Operand::Number(apply(sign, left, right, true).unwrap_or(f64::NAN))
        }
        (Operand::Values(left), Operand::Number(right)) => Operand::Values(
            left.into_iter()
                .filter_map(|(key, left)| Some((key, apply(sign, left, right, truth)?)))
                .collect(),
        ),
        (Operand::Number(left), Operand::Values(right)) => Operand::Values(
            right
                .into_iter()
                .filter_map(|(key, right)| {
                    let value = apply(sign, left, right, truth)?;
                    // A filter keeps the series' value, on whichever side it stands.
                    Some((key, if compare(sign, left, right) && !truth { right } else { value }))
                })
                .collect(),
        ),
        (Operand::Values(left), Operand::Values(right)) => Operand::Values(sets(sign, left, right, truth)),
    }
}

fn sets(sign: &str, left: Values, right: Values, truth: bool) -> Values {
    let has = |values: &Values, key: &Labels| values.iter().any(|(other, _)| other == key);
    match sign {
        "or" => {
            let more: Values = right.into_iter().filter(|(key, _)| !has(&left, key)).collect();
            left.into_iter().chain(more).collect()
        }
        "and" => left.into_iter().filter(|(key, _)| has(&right, key)).collect(),
        "unless" => left.into_iter().filter(|(key, _)| !has(&right, key)).collect(),
        _ => left
            .into_iter()
            .filter_map(|(key, left)| {
                let (_, right) = right.iter().find(|(other, _)| *other == key)?;
                Some((key, apply(sign, left, *right, truth)?))
            })
            .collect(),
    }
}

/// Puts series together.
pub(super) fn aggregate(function: Aggregate, grouping: &Grouping, values: Values) -> Values {
    let key = |labels: &Labels| -> Labels {
        let keep = |name: &String| match grouping {
            Grouping::All => false,
            Grouping::By(names) => names.contains(name),
            Grouping::Without(names) => !names.contains(name),
        };
        labels
            .iter()
            .filter(|(name, _)| keep(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let mut groups: BTreeMap<Labels, Values> = BTreeMap::new();
    for (labels, value) in values {
        groups.entry(key(&labels)).or_default().push((labels, value));
    }
    let mut result = Vec::new();
    for (labels, mut members) in groups {
        let numbers = members.iter().map(|(_, value)| *value);
        #[allow(clippy::cast_precision_loss, reason = "a count of series")]
        let count = members.len() as f64;
        let one = match function {
            Aggregate::Sum => numbers.sum(),
            Aggregate::Min => numbers.fold(f64::INFINITY, f64::min),
            Aggregate::Max => numbers.fold(f64::NEG_INFINITY, f64::max),
            Aggregate::Mean => numbers.sum::<f64>() / count,
            Aggregate::Count => count,
            Aggregate::Top(_) | Aggregate::Bottom(_) | Aggregate::Sort { .. } => {
                let (down, most) = match function {
                    Aggregate::Top(most) => (true, most),
                    Aggregate::Bottom(most) => (false, most),
                    _ => (function == Aggregate::Sort { down: true }, usize::MAX),
                };
                members.sort_by(|(_, one), (_, other)| one.total_cmp(other));
                if down {
                    members.reverse();
                }
                members.truncate(most);
                result.extend(members);
                continue;
            }
        };
        result.push((labels, one));
    }
    result
}
