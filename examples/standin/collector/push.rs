//! Sends lines to Loki, and tries again as the real collectors do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Uri};
use serde_json::json;

use super::metrics::Shared;
use super::{Entry, Labels};
use crate::http;

/// So many bytes of lines go in one push, about.
const BATCH: usize = 256 << 10;

/// How often a push is tried, and how long is waited before the second try; the wait doubles each time.
const TRIES: u32 = 10;
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Sends all entries, in order. What Loki refuses for good, or all tries long, is counted as dropped.
pub(super) async fn send(url: &str, entries: Vec<Entry>, shared: &Shared) {
    let mut batch = Vec::new();
    let mut size = 0;
    for entry in entries {
        size += entry.line.len();
        batch.push(entry);
        if size >= BATCH {
            deliver(url, &std::mem::take(&mut batch), shared).await;
            size = 0;
        }
    }
    if !batch.is_empty() {
        deliver(url, &batch, shared).await;
    }
}

async fn deliver(url: &str, entries: &[Entry], shared: &Shared) {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.and_then(|uri| uri.authority().map(ToString::to_string)).unwrap_or_default();
    let bytes = entries.iter().map(|entry| entry.line.len()).sum();
    let body = Bytes::from(body(entries));
    let mut wait = FIRST_WAIT;
    let mut reason = "ingester_error";
    for attempt in 1..=TRIES {
        let begin = Instant::now();
        let headers: HeaderMap = [(CONTENT_TYPE, "application/json".parse().ok())]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let answer = http::send(Method::POST, url, headers, body.clone()).await;
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        shared.counters().request(&host, status, begin.elapsed());
        let cause = match answer {
            Ok(answer) if answer.status / 100 == 2 => {
                shared.counters().sent(&host, entries.len(), bytes);
                return;
            }
            Ok(answer) => {
                format!("server returned {status}: {}", String::from_utf8_lossy(&answer.body).trim())
            }
            Err(cause) => cause,
        };
        reason = if status == 429 { "rate_limited" } else { "ingester_error" };
        let again = (status == 0 || status == 429 || status >= 500) && attempt < TRIES;
        println!(
            "level={} msg=\"error sending batch{}\" host={host} error={cause:?}",
            if again { "warn" } else { "error" },
            if again { ", will retry" } else { "" }
        );
        if !again {
            break;
        }
        shared.counters().retries += 1;
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    shared.counters().dropped(&host, reason, entries.len(), bytes);
}

/// The JSON form of a push.
fn body(entries: &[Entry]) -> String {
    let mut streams: BTreeMap<&Labels, Vec<serde_json::Value>> = BTreeMap::new();
    for entry in entries {
        let stamp = entry.stamp.to_string();
        let value = if entry.metadata.is_empty() {
            json!([stamp, entry.line])
        } else {
            json!([stamp, entry.line, entry.metadata])
        };
        streams.entry(&entry.labels).or_default().push(value);
    }
    let streams: Vec<_> =
        streams.into_iter().map(|(labels, values)| json!({"stream": labels, "values": values})).collect();
    json!({"streams": streams}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_same_labels_are_one_stream() {
        let entry = |job: &str, line: &str| Entry {
            stamp: 5,
            line: line.to_owned(),
            labels: [("job".to_owned(), job.to_owned())].into(),
            ..Entry::default()
        };
        let with = Entry { metadata: [("a".to_owned(), "b".to_owned())].into(), ..entry("y", "3") };
        let body: serde_json::Value =
            serde_json::from_str(&body(&[entry("x", "1"), with, entry("x", "2")])).unwrap();
        assert_eq!(
            body,
            json!({"streams": [
                {"stream": {"job": "x"}, "values": [["5", "1"], ["5", "2"]]},
                {"stream": {"job": "y"}, "values": [["5", "3", {"a": "b"}]]},
            ]})
        );
    }
}
