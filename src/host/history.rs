//! The audit log of a host.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::broken::{Login, broken};
use super::scripts;
use crate::error::Result;
use crate::inventory::{Environment, Host};
use crate::ssh::Session;

/// Who deployed, from where and from which commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Actor {
    /// The login name there, or who started the CI job.
    pub user: String,
    /// The machine.
    pub from: String,
    /// The git commit, where there was one.
    pub commit: Option<String>,
    /// Whether inventory, stack or secrets were not as that commit has them.
    pub dirty: bool,
    /// deploy or rollback; finish or mend where the host acted by itself.
    pub command: String,
}

/// One activation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Record {
    /// When it ended, in seconds since 1970.
    pub time: i64,
    /// The release that was activated.
    pub release: String,
    /// The release that ran before; empty at a first deploy.
    pub from: String,
    /// deployed, returned, stuck, stale or refused.
    pub outcome: String,
    /// How long it took.
    pub seconds: u64,
    /// Who asked for it.
    pub by: Actor,
    /// Why it did not stay; empty where it did, or where the host did not note it yet.
    #[serde(default)]
    pub reason: String,
}

impl fmt::Display for Actor {
    /// "ann from laptop, commit 0123456789ab+dirty".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)?;
        if !self.from.is_empty() {
            write!(f, " from {}", self.from)?;
        }
        if let Some(commit) = &self.commit {
            let dirty = if self.dirty { "+dirty" } else { "" };
            write!(f, ", commit {}{dirty}", commit.chars().take(12).collect::<String>())?;
        }
        Ok(())
    }
}

/// The last `lines` activations, oldest first. A line that cannot be read (a disk that was full) is left out.
///
/// # Errors
/// When the session breaks, or root cannot be had.
pub async fn history(
    session: &Session,
    host: &Host,
    environment: &Environment,
    lines: u32,
) -> Result<Vec<Record>> {
    let command = scripts::command(scripts::HISTORY, host, environment).arg(lines.to_string());
    let output = scripts::exec(session, host, &command, Vec::new()).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(text) = text.strip_suffix("end\n") else {
        return Err(broken("read the audit log", &Login::of(session), &output).host(host.name.to_string()));
    };
    let mut records: Vec<Record> = text.lines().filter_map(record).collect();
    // No more than was asked for, whatever came.
    records.drain(..records.len().saturating_sub(lines as usize));
    Ok(records)
}

/// A line of the audit log.
pub(super) fn record(line: &str) -> Option<Record> {
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_half_a_line_is_not() {
        let line = r#"{"time":1763900000,"release":"0a","from":"","outcome":"deployed","seconds":7,"by":{"user":"ann","from":"laptop","commit":null}}"#;
        let found = record(line).unwrap();
        assert_eq!((found.by.user.as_str(), found.by.commit, found.seconds), ("ann", None, 7));
        assert_eq!((found.reason.as_str(), found.by.dirty), ("", false));
        assert_eq!(record(&line[..40]), None);
    }
}
