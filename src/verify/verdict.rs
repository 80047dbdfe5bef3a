//! What one look at a service says of a check, and the judgements that all services share.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::http::Answer;

/// What one look says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds; what was found.
    Holds(String),
    /// It does not hold now, and asking again may help.
    NotYet(Reason),
    /// It does not hold, and asking again cannot help (a wrong password, a thing that is not there).
    Refused(Reason),
}

/// Why a check does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What was found, a fragment.
    pub found: String,
    /// What to do next, whole sentences.
    pub remedy: String,
    /// More of what was found, line by line, where `found` is only the first of it.
    pub detail: Vec<String>,
    /// How long this may last until asking again is given up; `None`: until all checks' time is over.
    pub patience: Option<Duration>,
}

impl Reason {
    fn new(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { found: found.into(), remedy: remedy.into(), detail: Vec::new(), patience: None }
    }
}

impl Verdict {
    /// Does not hold now.
    pub fn not_yet(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Verdict::NotYet(Reason::new(found, remedy))
    }

    /// The same with more lines of what was found.
    #[must_use]
    pub fn with_detail(mut self, lines: Vec<String>) -> Self {
        if let Verdict::NotYet(reason) | Verdict::Refused(reason) = &mut self {
            reason.detail = lines;
        }
        self
    }

    /// The same, where asking again helps only for a while.
    #[must_use]
    pub fn for_at_most(mut self, patience: Duration) -> Self {
        if let Verdict::NotYet(reason) = &mut self {
            reason.patience = Some(patience);
        }
        self
    }

    /// Will not hold however often it is asked.
    pub fn refused(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Verdict::Refused(Reason::new(found, remedy))
    }
}

/// The sentence that leads to a service's log.
#[must_use]
pub fn see_log(service: &str) -> String {
    format!("Read what the service says: `provision logs {service}`.")
}

/// Judges a status other than 200. `None` for 200.
///
/// 401 and 403 are refusals, and so is every other 4xx (the thing asked for must exist, and the question is
/// always the same), except those that say "later": 408, 425, 429. A redirect is a refusal, too.
#[must_use]
pub fn unless_ok(service: &str, path: &str, answer: &Answer) -> Option<Verdict> {
    let path = path.split('?').next().unwrap_or(path);
    let line = message(answer);
    let said = if line.is_empty() { String::new() } else { format!(", {line}") };
    let found = format!("{service}: {} from {path}{said}", answer.status);
    match answer.status {
        200 => None,
        401 | 403 => Some(Verdict::refused(
            found,
            format!(
                "The service asks for a login that `provision` does not have: look for access rules in the configuration of {service}."
            ),
        )),
        404 => Some(Verdict::refused(
            found,
            format!(
                "Something else may listen on that port, or {service} serves below another path: compare the ports and URLs of {service} in the compose file."
            ),
        )),
        408 | 425 | 429 | 500..=599 => Some(Verdict::not_yet(found, see_log(service))),
        300..=399 => Some(Verdict::refused(
            found,
            format!(
                "{service} sends callers elsewhere: look at the external URL and path prefix in its configuration."
            ),
        )),
        _ => Some(Verdict::refused(found, see_log(service))),
    }
}

/// Reads a JSON body.
///
/// # Errors
/// A verdict that names what is wrong with it.
pub fn json<T: DeserializeOwned>(service: &str, path: &str, answer: &Answer) -> Result<T, Verdict> {
    let path = path.split('?').next().unwrap_or(path);
    serde_json::from_slice(&answer.body).map_err(|error| {
        let kind = if answer.content_type.is_empty() { "no content type" } else { &answer.content_type };
        Verdict::not_yet(
            format!("{service}: {path} answered something unexpected ({kind}): {error}"),
            format!(
                "Something else may listen on that port, or this version of {service} answers differently: ask it yourself with `provision tunnel`."
            ),
        )
    })
}

/// What an error answer says: Grafana's `message`, Prometheus' `error`, else the first line of the body.
#[must_use]
pub fn message(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Said {
        #[serde(alias = "error")]
        message: String,
    }
    let said = serde_json::from_slice::<Said>(&answer.body).map(|said| first_line(said.message.as_bytes()));
    said.unwrap_or_else(|_| first_line(&answer.body))
}

/// The first line that says something, at most 200 characters.
#[must_use]
pub fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(2000)]);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// The first `most` items, and how many more there are.
pub(super) fn few(items: &[String], most: usize) -> String {
    let mut text = items[..items.len().min(most)].join("; ");
    if items.len() > most {
        text = format!("{text}; and {} more", items.len() - most);
    }
    text
}

/// "1 target", "2 targets".
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer { status, content_type: String::new(), date: None, body: b"\nno\n more".to_vec() }
    }

    #[test]
    fn only_what_may_change_by_itself_is_asked_again() {
        let retried =
            |status| matches!(unless_ok("loki", "/ready?x", &answer(status)), Some(Verdict::NotYet(_)));
        assert!([408, 429, 500, 502, 503, 504].into_iter().all(retried));
        assert!(![301, 400, 401, 403, 404, 405].into_iter().any(retried));
        assert_eq!(unless_ok("loki", "/ready", &answer(200)), None);
    }

    #[test]
    fn of_a_body_one_line_is_shown_and_no_more() {
        assert_eq!(first_line(&answer(200).body), "no");
        assert_eq!(first_line("ö".repeat(900).as_bytes()).chars().count(), 201);
    }
}
