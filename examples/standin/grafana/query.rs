//! What Grafana's backend does with datasources: ask whether they are well, and turn their answers into frames.

use serde_json::{Value, json};

use super::datasources::Datasource;
use crate::http;

/// The scrape interval that Grafana assumes when a datasource names none, in seconds.
const SCRAPE_SECONDS: i64 = 15;

/// Asks a datasource whether it is well, and gives status and body of `/api/datasources/uid/…/health`.
pub(super) async fn health(datasource: &Datasource) -> (u16, Value) {
    let (path, well) = match datasource.kind.as_str() {
        "prometheus" => ("/api/v1/query?query=1", "Successfully queried the Prometheus API."),
        "loki" => ("/loki/api/v1/query?query=vector(1)%2Bvector(1)", "Data source successfully connected."),
        // Alertmanager is one of the types without a backend part; Grafana cannot check them at all. Whoever
        // wants to know asks through the proxy (`/api/datasources/proxy/uid/…/-/ready`).
        _ => {
            let body = json!({
                "message": "Plugin unavailable", "messageId": "plugin.unavailable", "statusCode": 500,
            });
            return (500, body);
        }
    };
    match ask(&datasource.below(path)).await {
        Ok(_) => (200, json!({"message": well, "status": "OK"})),
        Err(cause) => (400, json!({"message": cause, "status": "ERROR"})),
    }
}

/// The `data` of a Prometheus or Loki answer; an error that the server tells is told on.
async fn ask(url: &str) -> Result<Value, String> {
    let answer = http::get(url).await?;
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(body) if answer.status == 200 && body["status"] == "success" => Ok(body["data"].clone()),
        Ok(body) if body["error"].is_string() => {
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            Err(format!("{}: {}", text("errorType"), text("error")))
        }
        _ => Err(format!("unexpected answer with status {} from {url}", answer.status)),
    }
}

/// The time range of a request, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    from: i64,
    to: i64,
}

impl Range {
    /// Reads `from` and `to`: `now`, `now-5m`, or milliseconds as text or number.
    pub(super) fn read(request: &Value, now: i64) -> Option<Self> {
        Some(Self { from: moment(&request["from"], now)?, to: moment(&request["to"], now)? })
    }
}

fn moment(value: &Value, now: i64) -> Option<i64> {
    let Some(text) = value.as_str() else { return value.as_i64() };
    let Some(rest) = text.strip_prefix("now") else { return text.parse().ok() };
    if rest.is_empty() {
        return Some(now);
    }
    let rest = rest.strip_prefix('-')?;
    let unit = match rest.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    Some(now - rest[..rest.len() - 1].parse::<i64>().ok()? * unit * 1000)
}

/// Runs one query of `/api/ds/query` and gives its entry in `results`.
pub(super) async fn run(datasource: &Datasource, query: &Value, range: Range) -> Value {
    let url = match url(datasource, query, range) {
        Ok(url) => url,
        Err(cause) => return failed(&cause),
    };
    match ask(&url).await {
        Ok(data) => {
            let name = query["refId"].as_str().unwrap_or("A");
            json!({"status": 200, "frames": frames(name, &data)})
        }
        Err(cause) => failed(&cause),
    }
}

/// The entry of a query that failed.
pub(super) fn failed(cause: &str) -> Value {
    json!({"error": cause, "errorSource": "downstream", "status": 400})
}

/// The address at which the datasource answers the query, with the macros of a panel's expression filled in.
fn url(datasource: &Datasource, query: &Value, range: Range) -> Result<String, String> {
    let prefix = match datasource.kind.as_str() {
        "prometheus" => "api/v1",
        "loki" => "loki/api/v1",
        kind => return Err(format!("the stand-in puts no queries to datasources of the type {kind}")),
    };
    let expression = query["expr"].as_str().filter(|text| !text.is_empty()).ok_or("the query has no expr")?;
    let seconds = ((range.to - range.from) / 1000).max(1);
    let points = query["maxDataPoints"].as_i64().unwrap_or(100).max(1);
    let step = SCRAPE_SECONDS.max(seconds / points);
    let rate = (step + SCRAPE_SECONDS).max(4 * SCRAPE_SECONDS);
    let mut text = expression.to_owned();
    // Longer names first, as some begin with others.
    for (name, value) in [
        ("__rate_interval", format!("{rate}s")),
        ("__interval_ms", (step * 1000).to_string()),
        ("__interval", format!("{step}s")),
        ("__range_ms", (seconds * 1000).to_string()),
        ("__range_s", seconds.to_string()),
        ("__range", format!("{seconds}s")),
        ("__auto", format!("{step}s")),
    ] {
        text = text.replace(&format!("${{{name}}}"), &value).replace(&format!("${name}"), &value);
    }
    let text = http::encode(&text);
    let instant = query["instant"] == true || query["queryType"] == "instant";
    Ok(if instant && query["range"] != true {
        datasource.below(&format!("{prefix}/query?query={text}&time={}", range.to / 1000))
    } else {
        let (from, to) = (range.from / 1000, range.to / 1000);
        // Loki alone limits lines.
        let limit = query["maxLines"].as_i64().map_or_else(String::new, |most| format!("&limit={most}"));
        datasource
            .below(&format!("{prefix}/query_range?query={text}&start={from}&end={to}&step={step}{limit}"))
    })
}

/// Turns `data` of an answer into frames: one a series, or one for all lines of a log. An answer without series
/// gives one frame without fields, so that counting frames proves nothing.
fn frames(name: &str, data: &Value) -> Value {
    let results: &[Value] = data["result"].as_array().map_or(&[], Vec::as_slice);
    let kind = data["resultType"].as_str().unwrap_or_default();
    let frames: Vec<Value> = match kind {
        "vector" => {
            results.iter().map(|one| series(name, kind, &one["metric"], &[one["value"].clone()])).collect()
        }
        "matrix" => {
            let points = |one: &Value| one["values"].as_array().cloned().unwrap_or_default();
            results.iter().map(|one| series(name, kind, &one["metric"], &points(one))).collect()
        }
        "scalar" => vec![series(name, kind, &json!({}), &[data["result"].clone()])],
        "streams" if !results.is_empty() => vec![lines(name, results)],
        _ => Vec::new(),
    };
    if frames.is_empty() {
        let meta = json!({"custom": {"resultType": kind}});
        return json!([{"schema": {"refId": name, "meta": meta, "fields": []}, "data": {"values": []}}]);
    }
    Value::Array(frames)
}

/// One series. Prometheus writes seconds and text, a frame has milliseconds and numbers; what is no number in
/// JSON (`NaN`, `+Inf`) becomes null.
fn series(name: &str, kind: &str, labels: &Value, points: &[Value]) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
    let times: Value = points
        .iter()
        .map(|point| json!((point[0].as_f64().unwrap_or_default() * 1000.0).round() as i64))
        .collect();
    let number = |point: &Value| point[1].as_str().and_then(|text| text.parse::<f64>().ok());
    let values: Value = points.iter().map(|point| json!(number(point))).collect();
    let value_name = labels["__name__"].as_str().unwrap_or("Value");
    json!({
        "schema": {
            "refId": name,
            "meta": {"type": "timeseries-multi", "typeVersion": [0, 1], "custom": {"resultType": kind}},
            "fields": [
                {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}},
                {"name": value_name, "type": "number", "typeInfo": {"frame": "float64"}, "labels": labels},
            ],
        },
        "data": {"values": [times, values]},
    })
}

/// The lines of all streams, newest first.
fn lines(name: &str, streams: &[Value]) -> Value {
    let mut all = Vec::new();
    for stream in streams {
        for entry in stream["values"].as_array().into_iter().flatten() {
            let stamp = entry[0].as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
            all.push((stamp, &stream["stream"], &entry[1]));
        }
    }
    all.sort_by_key(|line| std::cmp::Reverse(line.0));
    let column = |pick: &dyn Fn(&(i64, &Value, &Value)) -> Value| all.iter().map(pick).collect::<Value>();
    json!({
        "schema": {
            "refId": name,
            "meta": {"custom": {"frameType": "LabeledTimeValues"}},
            "fields": [
                {"name": "labels", "type": "other", "typeInfo": {"frame": "json.RawMessage"}},
                {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}},
                {"name": "Line", "type": "string", "typeInfo": {"frame": "string"}},
                {"name": "tsNs", "type": "string", "typeInfo": {"frame": "string"}},
            ],
        },
        "data": {"values": [
            column(&|line| line.1.clone()),
            column(&|line| json!(line.0 / 1_000_000)),
            column(&|line| line.2.clone()),
            column(&|line| json!(line.0.to_string())),
        ]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    const NOW: i64 = 1_795_327_510_000;

    fn prometheus() -> Datasource {
        let folder = tempfile::tempdir().unwrap();
        let text = "datasources: [{name: P, type: prometheus, uid: p, url: 'http://prometheus:9090'}]";
        std::fs::write(folder.path().join("p.yml"), text).unwrap();
        super::super::datasources::load(folder.path()).unwrap().remove(0)
    }

    fn range(from: &str) -> Range {
        Range::read(&json!({"from": from, "to": "now"}), NOW).unwrap()
    }

    #[test]
    fn reads_moments() {
        let read = |value: Value| moment(&value, NOW);
        assert_eq!(read(json!("now")), Some(NOW));
        assert_eq!(read(json!("now-5m")), Some(NOW - 300_000));
        assert_eq!(read(json!("now-2d")), Some(NOW - 172_800_000));
        assert_eq!(read(json!("123")), Some(123));
        assert_eq!(read(json!(123)), Some(123));
        assert_eq!(read(json!("now-5x")), None);
        assert_eq!(read(json!("yesterday")), None);
        assert_eq!(read(Value::Null), None);
    }

    #[test]
    fn asks_for_an_instant_or_a_range() {
        let ask = |query: Value| url(&prometheus(), &query, range("now-5m")).unwrap();
        assert_eq!(
            ask(json!({"expr": "up", "instant": true})),
            "http://prometheus:9090/api/v1/query?query=up&time=1795327510"
        );
        assert_eq!(
            ask(json!({"expr": "up"})),
            "http://prometheus:9090/api/v1/query_range?query=up&start=1795327210&end=1795327510&step=15"
        );
    }

    #[test]
    fn fills_in_the_macros_of_a_panel() {
        let query = json!({"expr": "rate(a[$__rate_interval]) ${__interval} $__range", "instant": true});
        let url = url(&prometheus(), &query, range("now-1h")).unwrap();
        assert!(url.contains(&http::encode("rate(a[60s]) 36s 3600s")), "{url}");
    }

    #[test]
    fn a_recorded_answer_becomes_frames() {
        let (_, recorded) = recorded::answer("prometheus-2.42/query-up");
        let frames = frames("A", &recorded["data"]);
        assert_eq!(frames.as_array().unwrap().len(), 5);
        assert_eq!(frames[0]["schema"]["refId"], "A");
        assert_eq!(frames[0]["schema"]["fields"][1]["labels"]["job"], "dead");
        assert_eq!(frames[0]["data"]["values"], json!([[1_795_327_510_496_i64], [0.0]]));
        assert_eq!(frames[1]["data"]["values"][1], json!([1.0]));
    }

    #[test]
    fn recorded_log_lines_become_one_frame() {
        let (_, recorded) = recorded::answer("loki-3.4.6/query_range");
        let frames = frames("A", &recorded["data"]);
        assert_eq!(frames[0]["data"]["values"][1], json!([1_795_327_362_000_i64]));
        assert_eq!(frames[0]["data"]["values"][2], json!(["canary 7f3a"]));
    }

    #[test]
    fn nothing_is_a_frame_without_fields_and_no_number_is_null() {
        let empty = frames("A", &json!({"resultType": "vector", "result": []}));
        assert_eq!(empty[0]["schema"]["fields"], json!([]));
        let data =
            json!({"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "NaN"], [2.5, "3"]]}]});
        assert_eq!(frames("A", &data)[0]["data"]["values"], json!([[1000, 2500], [null, 3.0]]));
    }
}
