//! A query's parameters, and its answer in JSON.

use serde_json::{Value, json};

use super::api::Parameters;
use super::duration;
use super::logql::{self, Answer, Expression, Series};
use super::store::Store;

/// `start` and `end`, by default the last `seconds`.
pub(super) fn span(asked: &Parameters, now: i64, seconds: i64) -> Result<(i64, i64), String> {
    let end = moment(asked, "end", now)?;
    Ok((moment(asked, "start", end - seconds * 1_000_000_000)?, end))
}

fn one<'a>(asked: &'a Parameters, name: &str) -> Option<&'a str> {
    asked.get(name).and_then(|all| all.first()).map(String::as_str).filter(|it| !it.is_empty())
}

/// A time: RFC 3339, seconds with a fraction, seconds of at most ten digits, or nanoseconds.
fn moment(asked: &Parameters, name: &str, default: i64) -> Result<i64, String> {
    let Some(value) = one(asked, name) else { return Ok(default) };
    if let Ok(number) = value.parse::<i64>() {
        return Ok(if value.len() <= 10 { number * 1_000_000_000 } else { number });
    }
    #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    if let Ok(number) = value.parse::<f64>() {
        return Ok((number * 1e9) as i64);
    }
    let time: Result<jiff::Timestamp, _> = value.parse();
    time.ok()
        .and_then(|time| i64::try_from(time.as_nanosecond()).ok())
        .ok_or_else(|| format!("could not parse '{name}' parameter: {value}"))
}

/// Answers `/query`, or `/query_range` where `ranged`: the `data` of the answer.
pub(super) fn answer(store: &Store, asked: &Parameters, now: i64, ranged: bool) -> Result<Value, String> {
    let expression = logql::parse(one(asked, "query").unwrap_or_default())?;
    if let Expression::Lines(selection) = &expression {
        let limit =
            one(asked, "limit").map_or(Ok(100), str::parse).map_err(|_| "limit must be a positive value")?;
        if !ranged {
            return Err(
                "log queries are not supported as an instant query type, please change your query to a \
                        range query type"
                    .to_owned(),
            );
        }
        let newest_first = one(asked, "direction").is_none_or(|it| !it.eq_ignore_ascii_case("forward"));
        let found = logql::lines(store, selection, span(asked, now, 3600)?, limit, newest_first);
        let streams: Vec<Value> = found
            .iter()
            .map(|(labels, lines)| {
                let values: Vec<Value> =
                    lines.iter().map(|line| json!([line.stamp.to_string(), line.text])).collect();
                json!({"stream": labels, "values": values})
            })
            .collect();
        let total: usize = found.values().map(Vec::len).sum();
        let stats = json!({"summary": {"totalEntriesReturned": total}});
        return Ok(json!({"resultType": "streams", "result": streams, "stats": stats}));
    }
    let empty = json!({"summary": {"totalEntriesReturned": 0}});
    if ranged {
        let (start, end) = span(asked, now, 3600)?;
        let step = match one(asked, "step") {
            None => ((end - start) / 250).max(1_000_000_000),
            Some(text) => match text.parse::<f64>() {
                #[allow(clippy::cast_possible_truncation, reason = "a step")]
                Ok(number) => (number * 1e9) as i64,
                Err(_) => {
                    duration::parse(text).ok_or(format!("cannot parse {text:?} to a valid duration"))?
                }
            },
        };
        if step <= 0 || (end - start) / step > 11_000 {
            return Err(
                "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of \
                        the step parameter"
                    .to_owned(),
            );
        }
        let series = logql::range(store, &expression, start, end, step);
        let result: Vec<Value> = series.iter().map(|one| shown(one, true)).collect();
        return Ok(json!({"resultType": "matrix", "result": result, "stats": empty}));
    }
    let at = moment(asked, "time", now)?;
    Ok(match logql::instant(store, &expression, at) {
        Answer::Scalar(number) => {
            json!({"resultType": "scalar", "result": [at / 1_000_000_000, number.to_string()], "stats": empty})
        }
        Answer::Series(series) => {
            let result: Vec<Value> = series.iter().map(|one| shown(one, false)).collect();
            json!({"resultType": "vector", "result": result, "stats": empty})
        }
    })
}

fn shown((labels, points): &Series, many: bool) -> Value {
    let points: Vec<Value> = points.iter().map(|(time, value)| json!([time, value.to_string()])).collect();
    if many {
        json!({"metric": labels, "values": points})
    } else {
        json!({"metric": labels, "value": points[0]})
    }
}
