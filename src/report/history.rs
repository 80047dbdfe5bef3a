//! A host's audit log as a table.

use crate::host::Record;
use crate::words::count;

/// A time of day as people compare it; `seconds` since 1970.
pub(super) fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// One line an activation, oldest first.
pub(super) fn render(host: &str, records: &[Record]) -> String {
    if records.is_empty() {
        return format!("{host}: nothing was deployed there yet");
    }
    let mut lines = vec![format!("{host}: {}, oldest first", count(records.len(), "activation"))];
    for record in records {
        let from = if record.from.is_empty() { "nothing" } else { &record.from };
        let command = if record.by.command.is_empty() { "deploy" } else { &record.by.command };
        let line = format!(
            "  {}  {:<9} {:<8}  {} (before: {from})  {} s  by {}",
            time(record.time),
            record.outcome,
            command,
            record.release,
            record.seconds,
            record.by
        );
        lines.push(line);
        if !record.reason.is_empty() {
            lines.push(format!("      because: {}", record.reason));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Actor;

    #[test]
    fn a_table_says_what_when_and_who() {
        let record = |outcome: &str, from: &str, command: &str| Record {
            time: 1_763_900_000,
            release: "0a0a0a0a0a0a0a0a".to_owned(),
            from: from.to_owned(),
            outcome: outcome.to_owned(),
            seconds: 12,
            by: Actor {
                user: "ann".to_owned(),
                from: "laptop".to_owned(),
                commit: Some("0123456789abcdef0123".to_owned()),
                dirty: command == "rollback",
                command: command.to_owned(),
            },
            reason: if outcome == "deployed" { String::new() } else { "pull: no such image".to_owned() },
        };
        let by_itself = Record {
            by: Actor {
                user: "the host itself".to_owned(),
                command: "finish".to_owned(),
                ..Actor::default()
            },
            ..record("returned", "0b", "")
        };
        let records = [record("deployed", "", ""), record("returned", "0b", "rollback"), by_itself];
        insta::assert_snapshot!(render("vps", &records), @r"
        vps: 3 activations, oldest first
          2025-11-23 12:13:20Z  deployed  deploy    0a0a0a0a0a0a0a0a (before: nothing)  12 s  by ann from laptop, commit 0123456789ab
          2025-11-23 12:13:20Z  returned  rollback  0a0a0a0a0a0a0a0a (before: 0b)  12 s  by ann from laptop, commit 0123456789ab+dirty
              because: pull: no such image
          2025-11-23 12:13:20Z  returned  finish    0a0a0a0a0a0a0a0a (before: 0b)  12 s  by the host itself
              because: pull: no such image
        ");
        insta::assert_snapshot!(render("vps", &[]), @"vps: nothing was deployed there yet");
    }
}
