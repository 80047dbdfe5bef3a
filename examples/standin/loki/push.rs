//! The body of `/loki/api/v1/push` in its JSON form.

use serde_json::Value;

use super::logql::parse_selector;
use super::store::{Labels, Line};

/// Reads the streams of a body, each with its labels and lines.
pub(super) fn read(body: &[u8]) -> Result<Vec<(Labels, Vec<Line>)>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|cause| cause.to_string())?;
    let streams = body["streams"].as_array().ok_or("no `streams` in the body")?;
    streams.iter().map(stream).collect()
}

fn stream(stream: &Value) -> Result<(Labels, Vec<Line>), String> {
    let labels = match &stream["stream"] {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect::<Option<Labels>>()
            .ok_or("a label's value is no text")?,
        // The older form: `labels: '{job="x"}'`.
        _ => parse_selector(stream["labels"].as_str().ok_or("a stream without labels")?)?,
    };
    if labels.is_empty() {
        return Err("error at least one label pair is required per stream".to_owned());
    }
    let values = stream["values"].as_array().ok_or("a stream without `values`")?;
    Ok((labels, values.iter().map(line).collect::<Result<_, _>>()?))
}

fn line(value: &Value) -> Result<Line, String> {
    let stamp =
        value[0].as_str().and_then(|text| text.parse().ok()).ok_or("a line's time is no number as text")?;
    let text = value[1].as_str().ok_or("a line is no text")?.to_owned();
    let metadata = match &value[2] {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        _ => Labels::new(),
    };
    Ok(Line { stamp, text, metadata })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_streams_with_metadata() {
        let body = r#"{"streams": [{"stream": {"job": "docker"},
            "values": [["5", "hello"], ["6", "there", {"trace": "7"}]]}]}"#;
        let streams = read(body.as_bytes()).unwrap();
        assert_eq!(streams[0].0["job"], "docker");
        assert_eq!((streams[0].1[0].stamp, streams[0].1[0].text.as_str()), (5, "hello"));
        assert_eq!(streams[0].1[1].metadata["trace"], "7");
    }

    #[test]
    fn refuses_what_is_no_push() {
        for wrong in [
            "",
            "{}",
            r#"{"streams": [{"stream": {}, "values": []}]}"#,
            r#"{"streams": [{"stream": {"a": "b"}}]}"#,
            r#"{"streams": [{"stream": {"a": "b"}, "values": [[5, "x"]]}]}"#,
        ] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
