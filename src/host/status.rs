//! What a probe does not tell: ages, memory, kept releases, what boot waits for.

use std::collections::BTreeMap;

use serde::Serialize;

use super::broken::{Login, broken};
use super::history::{self, Record};
use super::scripts;
use crate::error::Result;
use crate::inventory::{Environment, Host};
use crate::ssh::{Output, Session};

/// A release that the host keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct KeptRelease {
    /// Its id.
    pub release: String,
    /// When it was last confirmed, in seconds since 1970.
    pub confirmed: i64,
    /// Images that it ran and the host has no more: service and image.
    pub gone: Vec<String>,
}

/// One of the two units that bring the stack back at boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Unit {
    /// unseal or finish.
    pub name: String,
    /// systemd's word: active, inactive, activating, failed.
    pub state: String,
    /// Its last words, where it is not done.
    pub words: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Status {
    /// The host's clock, in seconds since 1970.
    pub now: i64,
    /// The deploy that brought the current release.
    pub deployed: Option<Record>,
    /// Kept releases, the newest first.
    pub kept: Vec<KeptRelease>,
    /// Service → the label that its container should have, and whether it runs only once.
    pub services: BTreeMap<String, (String, bool)>,
    /// Service → bytes that its processes have allocated.
    pub memory: BTreeMap<String, u64>,
    /// Service → when its container was started, RFC 3339.
    pub started: BTreeMap<String, String>,
    /// The units of boot.
    pub units: Vec<Unit>,
    /// Bytes that our records take.
    pub records: u64,
}

/// Asks the host.
///
/// # Errors
/// When the session breaks, or root cannot be had.
pub async fn status(session: &Session, host: &Host, environment: &Environment) -> Result<Status> {
    let command = scripts::command(scripts::STATUS, host, environment);
    let output = scripts::exec(session, host, &command, Vec::new()).await?;
    parse(&output).ok_or_else(|| {
        broken("ask the host how it is", &Login::of(session), &output).host(host.name.to_string())
    })
}

pub(super) fn parse(output: &Output) -> Option<Status> {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    if lines.next() != Some("provision-status 1") || !text.ends_with("\nend\n") {
        return None;
    }
    let mut status = Status::default();
    for line in lines {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["now", time] => status.now = time.parse().ok()?,
            ["deployed", ..] => status.deployed = history::record(line.strip_prefix("deployed ")?),
            ["kept", release, time] => status.kept.push(KeptRelease {
                release: (*release).to_owned(),
                confirmed: time.parse().ok()?,
                gone: Vec::new(),
            }),
            ["gone", release, service, image] => {
                let kept = status.kept.iter_mut().find(|kept| kept.release == *release)?;
                kept.gone.push(format!("{service}: {image}"));
            }
            ["service", name, label, once] => {
                status.services.insert((*name).to_owned(), ((*label).to_owned(), *once == "1"));
            }
            ["started", service, time] => {
                status.started.insert((*service).to_owned(), (*time).to_owned());
            }
            ["memory", service, bytes] => {
                status.memory.insert((*service).to_owned(), bytes.parse().ok()?);
            }
            ["unit", name, state, words @ ..] => status.units.push(Unit {
                name: (*name).to_owned(),
                state: (*state).to_owned(),
                words: words.join(" ").trim().to_owned(),
            }),
            ["records", kilobytes] => {
                status.records = kilobytes.parse::<u64>().unwrap_or(0).saturating_mul(1024);
            }
            _ => {}
        }
    }
    status.kept.sort_by_key(|kept| std::cmp::Reverse(kept.confirmed));
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_a_cut_one_is_not() {
        let text = "provision-status 1\nnow 100\nkept 0a 50\ngone 0a web example/web:1\nkept 0b 90\n\
                    service web ff 0\nstarted web 2026-11-24T00:00:00Z\nmemory web 1024\n\
                    unit unseal activating provision: age: no identity\nunit finish active \nrecords 12\nend\n";
        let output = |text: &str| Output { stdout: text.as_bytes().to_vec(), stderr: Vec::new(), status: 0 };
        let status = parse(&output(text)).unwrap();
        assert_eq!(status.kept[0].release, "0b");
        assert_eq!(status.kept[1].gone, ["web: example/web:1"]);
        assert_eq!(status.services["web"], ("ff".to_owned(), false));
        assert_eq!(status.units[0].words, "provision: age: no identity");
        assert_eq!(status.units[1].words, "");
        assert_eq!((status.memory["web"], status.records), (1024, 12_288));
        assert_eq!(parse(&output(&text[..text.len() - 4])), None);
    }
}
