//! An instant query to Prometheus that must give 1.

use serde::Deserialize;

use super::http::Answer;
use super::verdict::{Verdict, json, unless_ok};

/// Where a query is asked.
#[must_use]
pub fn path(query: &str) -> String {
    format!("/api/v1/query?query={}", encoded(query))
}

/// A text as a value in a URL.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut value = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            value.push(char::from(byte));
        } else {
            let _ = write!(value, "%{byte:02X}");
        }
    }
    value
}

#[derive(Deserialize)]
struct Envelope {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    value: (f64, String),
}

/// Judges the answer of [`path`]: every series of the result is 1, and there is at least one.
#[must_use]
pub fn judge(service: &str, query: &str, remedy: &str, answer: &Answer) -> Verdict {
    let path = path(query);
    if let Some(verdict) = unless_ok(service, &path, answer) {
        return verdict;
    }
    let samples = match json::<Envelope>(service, &path, answer) {
        Ok(envelope) => envelope.data.result,
        Err(verdict) => return verdict,
    };
    match samples.iter().find(|sample| sample.value.1 != "1") {
        Some(other) => Verdict::not_yet(format!("{query}: value is {}, not 1", other.value.1), remedy),
        None if samples.is_empty() => Verdict::not_yet(format!("{query}: result is empty"), remedy),
        None => Verdict::Holds(format!("{query} is 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::recorded::{recorded, show};

    fn judged(from: &str, to: &str) -> String {
        let mut answer = recorded("prometheus-2.42/query-up");
        let body = String::from_utf8(answer.body).unwrap();
        assert!(body.contains(from));
        answer.body = body.replace(from, to).into_bytes();
        show(&judge("prometheus", "up", "Start it.", &answer))
    }

    #[test]
    fn a_query_goes_into_a_url() {
        assert_eq!(path("pg_up{a=\"b\"} == 1"), "/api/v1/query?query=pg_up%7Ba%3D%22b%22%7D%20%3D%3D%201");
    }

    #[test]
    fn only_ones_hold() {
        insta::assert_snapshot!(judged("\"0\"", "\"1\""), @"holds: up is 1");
        insta::assert_snapshot!(judged("\"0\"", "\"0\""), @r"
        not yet: up: value is 0, not 1
        Start it.
        ");
        let mut answer = recorded("prometheus-2.42/query-up");
        answer.body = br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#.to_vec();
        insta::assert_snapshot!(show(&judge("prometheus", "up", "Start it.", &answer)), @r"
        not yet: up: result is empty
        Start it.
        ");
        insta::assert_snapshot!(show(&judge("prometheus", "up", "Start it.", &recorded("prometheus-2.42/query-bad"))), @r#"
        refused: prometheus: 400 from /api/v1/query, invalid parameter "query": 1:5: parse error: unclosed left parenthesis
        Read what the service says: `provision logs prometheus`.
        "#);
    }
}
