//! Grafana: health, login, datasources, dashboards.
//!
//! Answers as Grafana 7.5.5 gave them (recorded); the health question of a datasource exists from version 9
//! (<https://grafana.com/docs/grafana/latest/developers/http_api/data_source>).

use serde::Deserialize;

use super::http::Answer;
use super::verdict::{Verdict, count, json, message, see_log, unless_ok};

/// Where its own health is.
pub const HEALTH: &str = "/api/health";
/// Who is logged in.
pub const USER: &str = "/api/user";
/// All dashboards; 5000 is the most that one answer holds.
pub const SEARCH: &str = "/api/search?type=dash-db&limit=5000";

/// The type of datasource that has no health question: Grafana 9 and later answer 500, `plugin.unavailable`, and log
/// an error.
pub const NO_HEALTH: &str = "alertmanager";

/// Where a datasource is described.
#[must_use]
pub fn datasource_path(uid: &str) -> String {
    format!("/api/datasources/uid/{uid}")
}

/// Where a datasource is asked whether it works.
#[must_use]
pub fn datasource_health_path(uid: &str) -> String {
    format!("/api/datasources/uid/{uid}/health")
}

#[derive(Deserialize)]
struct Health {
    database: String,
}

/// Judges [`HEALTH`].
#[must_use]
pub fn health(service: &str, answer: &Answer) -> Verdict {
    // With a broken database the status is 503 and the body the same.
    if answer.status != 503
        && let Some(verdict) = unless_ok(service, HEALTH, answer)
    {
        return verdict;
    }
    match json::<Health>(service, HEALTH, answer) {
        Err(verdict) => verdict,
        Ok(health) if answer.status == 200 && health.database == "ok" => {
            Verdict::Holds("healthy, database ok".to_owned())
        }
        Ok(health) => Verdict::not_yet(
            format!("{service}: {}, database is \"{}\"", answer.status, health.database),
            format!(
                "Its database is a file in its volume: look for a full disk or wrong rights. {}",
                see_log(service)
            ),
        ),
    }
}

#[derive(Deserialize)]
struct User {
    login: String,
}

/// Judges [`USER`], asked with the login.
#[must_use]
pub fn login(service: &str, user: &str, secret: &str, answer: &Answer) -> Verdict {
    if let Some(verdict) = unless_let_in(service, USER, user, secret, answer) {
        return verdict;
    }
    match json::<User>(service, USER, answer) {
        Err(verdict) => verdict,
        Ok(found) if found.login == user => Verdict::Holds(format!("{user} can log in")),
        Ok(found) => Verdict::refused(
            format!("{service}: the login of {user} is answered as login \"{}\"", found.login),
            "Something before Grafana logs in as somebody else: look at auth.proxy and auth.anonymous in grafana.ini.",
        ),
    }
}

/// As [`unless_ok`], with what to do about a wrong password.
pub(super) fn unless_let_in(
    service: &str,
    path: &str,
    user: &str,
    secret: &str,
    answer: &Answer,
) -> Option<Verdict> {
    match answer.status {
        401 => Some(Verdict::refused(
            format!("{service}: 401 for the user {user}, {}", message(answer)),
            format!(
                "The password {secret} in the secrets file is not the one in Grafana's database: the file acts only at Grafana's first start. \
                 Set it with `grafana cli admin reset-admin-password --password-from-stdin` in the container of {service}. \
                 After five wrong passwords Grafana refuses the right one, too, for five minutes."
            ),
        )),
        403 => Some(Verdict::refused(
            format!("{service}: 403 for the user {user}, {}", message(answer)),
            format!("Make {user} an administrator of Grafana again, or name another user."),
        )),
        _ => unless_ok(service, path, answer),
    }
}

#[derive(Deserialize)]
struct DatasourceHealth {
    status: String,
}

#[derive(Deserialize)]
struct Datasource {
    #[serde(rename = "type")]
    kind: String,
}

/// Whether the description of a datasource ([`datasource_path`]) says more than this answer to its health question:
/// that it is not there (Grafana 12 answers 500 for it), or that its type has no such question.
#[must_use]
pub fn health_says_little(health: &Answer) -> bool {
    health.status >= 400 && !matches!(health.status, 401 | 403)
}

/// Whether the health question found no one to answer it: Grafana has none (404), or the plugin.
fn health_is_no_question(health: &Answer) -> bool {
    let body = String::from_utf8_lossy(&health.body);
    health.status == 404
        || (health.status >= 400
            && (body.contains("plugin.unavailable") || body.contains("plugin.notImplemented")))
}

/// Judges one datasource by the answers of [`datasource_health_path`] and, where [`health_says_little`], of
/// [`datasource_path`].
#[must_use]
pub fn datasource(
    service: &str,
    user: &str,
    secret: &str,
    uid: &str,
    health: &Answer,
    described: Option<&Answer>,
) -> Verdict {
    let path = datasource_health_path(uid);
    if let Some(described) = described {
        match kind(service, user, secret, uid, described) {
            Err(verdict) => return verdict,
            Ok(kind) if health_is_no_question(health) => return unasked(service, uid, &kind, health),
            Ok(_) => {}
        }
    }
    let remedy = || {
        format!(
            "Look at the datasource's url in its provisioning file, whether its service runs, and whether {service} shares a network with it. {}",
            see_log(service)
        )
    };
    if health.status == 400 || health.status >= 500 {
        return Verdict::not_yet(
            format!("datasource {uid}: {}, {}", health.status, message(health)),
            remedy(),
        );
    }
    if let Some(verdict) = unless_let_in(service, &path, user, secret, health) {
        return verdict;
    }
    match json::<DatasourceHealth>(service, &path, health) {
        Err(verdict) => verdict,
        Ok(found) if found.status.eq_ignore_ascii_case("ok") => Verdict::Holds(format!("{uid} answers")),
        Ok(found) => Verdict::not_yet(
            format!("datasource {uid}: status is \"{}\", {}", found.status, message(health)),
            remedy(),
        ),
    }
}

/// The type of a datasource, by the answer of [`datasource_path`].
fn kind(service: &str, user: &str, secret: &str, uid: &str, described: &Answer) -> Result<String, Verdict> {
    let path = datasource_path(uid);
    if described.status == 404 {
        return Err(Verdict::refused(
            format!("datasource {uid} is not there (404, {})", message(described)),
            format!(
                "Look at the provisioning file of the datasources: it must set uid: {uid}. {}",
                see_log(service)
            ),
        ));
    }
    if let Some(verdict) = unless_let_in(service, &path, user, secret, described) {
        return Err(verdict);
    }
    json::<Datasource>(service, &path, described).map(|found| found.kind)
}

/// Judges a datasource whose type has no health question, by the answer of [`datasource_path`]. It must not be asked
/// all the same: Grafana would log an error each time.
#[must_use]
pub fn described(service: &str, user: &str, secret: &str, uid: &str, described: &Answer) -> Verdict {
    match kind(service, user, secret, uid, described) {
        Err(verdict) => verdict,
        Ok(kind) if kind == NO_HEALTH => present(uid),
        Ok(kind) => Verdict::not_yet(
            format!("datasource {uid} is of type {kind}, not of type {NO_HEALTH}"),
            format!(
                "It was provisioned by another file before: Grafana must start anew. {}",
                see_log(service)
            ),
        ),
    }
}

fn present(uid: &str) -> Verdict {
    Verdict::Holds(format!("{uid} present; its type has no health question"))
}

fn unasked(service: &str, uid: &str, kind: &str, health: &Answer) -> Verdict {
    if kind == NO_HEALTH {
        return present(uid);
    }
    let found =
        format!("datasource {uid} of type {kind} cannot be asked: {}, {}", health.status, message(health));
    if health.status == 404 {
        return Verdict::refused(
            found,
            "Grafana answers for datasources from version 9 on: use a newer image.",
        );
    }
    Verdict::not_yet(found, format!("Its plugin {kind} did not start. {}", see_log(service)))
}

/// Judges several datasources as one check: the worst of them, else all that hold.
#[must_use]
pub fn worst(verdicts: Vec<Verdict>) -> Verdict {
    let (mut held, mut reasons, mut refused) = (Vec::new(), Vec::new(), false);
    for verdict in verdicts {
        match verdict {
            Verdict::Holds(found) => held.push(found),
            Verdict::NotYet(reason) => reasons.push(reason),
            Verdict::Refused(reason) => {
                refused = true;
                reasons.push(reason);
            }
        }
    }
    if reasons.is_empty() {
        return Verdict::Holds(held.join(", "));
    }
    let join = |texts: Vec<&str>, between: &str| {
        let mut unique: Vec<&str> = Vec::new();
        for text in texts {
            if !unique.contains(&text) {
                unique.push(text);
            }
        }
        unique.join(between)
    };
    let found = join(reasons.iter().map(|reason| reason.found.as_str()).collect(), "; ");
    let remedy = join(reasons.iter().map(|reason| reason.remedy.as_str()).collect(), " ");
    if refused { Verdict::refused(found, remedy) } else { Verdict::not_yet(found, remedy) }
}

#[derive(Deserialize)]
struct Hit {
    uid: String,
}

/// Judges [`SEARCH`]: all of `uids` are there. Grafana reads its dashboard files after it started to listen.
#[must_use]
pub fn dashboards(service: &str, user: &str, secret: &str, uids: &[String], answer: &Answer) -> Verdict {
    if let Some(verdict) = unless_let_in(service, SEARCH, user, secret, answer) {
        return verdict;
    }
    let hits = match json::<Vec<Hit>>(service, SEARCH, answer) {
        Ok(hits) => hits,
        Err(verdict) => return verdict,
    };
    let missing: Vec<&str> =
        uids.iter().map(String::as_str).filter(|uid| !hits.iter().any(|hit| hit.uid == *uid)).collect();
    if missing.is_empty() {
        return Verdict::Holds(count(uids.len(), "dashboard"));
    }
    Verdict::not_yet(
        format!("no dashboard with uid {}", missing.join(", ")),
        format!(
            "Grafana skips a file whose uid or title another dashboard has, and says so in its log. {}",
            see_log(service)
        ),
    )
}

#[cfg(test)]
#[path = "grafana_tests.rs"]
mod tests;
