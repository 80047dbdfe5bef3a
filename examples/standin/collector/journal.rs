//! Follows the systemd journal with systemd's own reader, `journalctl`.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::{Entry, Journal, Labels, relabel};

/// One entry of the journal, and the cursor behind it.
pub(super) struct Read {
    pub(super) entry: Entry,
    pub(super) cursor: String,
}

/// Starts to follow; the child ends when it is dropped. `cursor` is where the last process ended.
pub(super) fn follow(
    journal: &Journal,
    cursor: Option<&str>,
) -> Result<(Child, mpsc::Receiver<Value>), String> {
    let mut command = Command::new("journalctl");
    command.args(["--follow", "--no-pager", "--quiet", "--output=json", "--all"]);
    if let Some(path) = &journal.path {
        command.arg("--directory").arg(path);
    }
    match cursor {
        Some(cursor) => command.arg(format!("--after-cursor={cursor}")),
        None => command.args(["--lines=all", &format!("--since=-{}s", journal.max_age_seconds)]),
    };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|cause| format!("cannot read the journal: journalctl: {cause}"))?;
    let lines = child.stdout.take().ok_or("journalctl has no output")?;
    let (sender, receiver) = mpsc::channel(1000);
    tokio::spawn(async move {
        let mut lines = BufReader::new(lines).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(value) = serde_json::from_str(&line) else { continue };
            if sender.send(value).await.is_err() {
                break;
            }
        }
    });
    Ok((child, receiver))
}

/// Makes an entry of what journalctl wrote; nothing where a rule drops it.
pub(super) fn read(journal: &Journal, value: &Value) -> Option<Read> {
    let fields = value.as_object()?;
    let mut labels: Labels = journal.labels.clone();
    for (name, value) in fields {
        if let Some(text) = text(value) {
            labels.insert(format!("__journal_{}", name.to_lowercase()), text);
        }
    }
    if let Some(keyword) = fields.get("PRIORITY").and_then(Value::as_str).and_then(keyword) {
        labels.insert("__journal_priority_keyword".to_owned(), keyword.to_owned());
    }
    let labels = relabel::apply(&journal.rules, labels)?;
    let microseconds: i64 = fields.get("__REALTIME_TIMESTAMP")?.as_str()?.parse().ok()?;
    let line = if journal.json { value.to_string() } else { text(fields.get("MESSAGE")?)? };
    let entry = Entry { stamp: microseconds * 1000, line, labels, ..Entry::default() };
    Some(Read { entry, cursor: fields.get("__CURSOR")?.as_str()?.to_owned() })
}

/// A field's text. What is no UTF-8 comes as numbers.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(bytes) => {
            let bytes: Option<Vec<u8>> = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            Some(String::from_utf8_lossy(&bytes?).into_owned())
        }
        _ => None,
    }
}

/// The word for a priority, as the collectors have it.
fn keyword(priority: &str) -> Option<&'static str> {
    let words = ["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"];
    words.get(priority.parse::<usize>().ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::relabel::Rule;
    use serde_json::json;

    fn journal() -> Journal {
        let rule = |source: &str, target: &str| {
            Rule::new(vec![source.to_owned()], None, target, None, None, None).unwrap()
        };
        Journal {
            path: None,
            max_age_seconds: 60,
            labels: [("job".to_owned(), "journal".to_owned())].into(),
            rules: vec![rule("__journal__systemd_unit", "unit"), rule("__journal_priority_keyword", "level")],
            json: false,
        }
    }

    #[test]
    fn an_entry_has_the_labels_of_the_rules() {
        let value = json!({"MESSAGE": "hello", "PRIORITY": "3", "_SYSTEMD_UNIT": "ssh.service", "__CURSOR": "c1",
            "__REALTIME_TIMESTAMP": "1795327362000000"});
        let Read { entry, cursor } = read(&journal(), &value).unwrap();
        assert_eq!(
            (entry.line.as_str(), entry.stamp, cursor.as_str()),
            ("hello", 1_795_327_362_000_000_000, "c1")
        );
        let got: Vec<String> = entry.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(got, ["job=journal", "level=error", "unit=ssh.service"]);
    }

    #[test]
    fn bytes_are_text_and_no_message_is_no_entry() {
        let value = json!({"MESSAGE": [104, 105], "__CURSOR": "c", "__REALTIME_TIMESTAMP": "1"});
        assert_eq!(read(&journal(), &value).unwrap().entry.line, "hi");
        assert!(read(&journal(), &json!({"__CURSOR": "c", "__REALTIME_TIMESTAMP": "1"})).is_none());
    }
}
