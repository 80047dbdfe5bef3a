//! What a check asks, and when it knows enough: a pure function from the answers so far to the next step.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::http::Answer;
use super::verdict::Verdict;
use super::{alertmanager, grafana, loki, panels, prometheus, proxied, query, ready, rules};
use crate::plan::check::{Check, ConfigurationOf, PanelQuery, Question};

/// One question: a path to get, or with a body to post to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    /// Path and query, with a leading slash.
    pub path: String,
    /// JSON to post.
    pub body: Option<String>,
}

/// Answers so far.
pub type Answers = BTreeMap<Ask, Answer>;

/// What to do next for a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask these, at once.
    Ask(Vec<Ask>),
    /// It is known.
    Known(Verdict),
}

/// The next step of one look at `check`. Without answers it gives the first questions, so it can be asked
/// before there is a connection.
#[must_use]
pub fn next(check: &Check, answers: &Answers, now: Timestamp) -> Next {
    let mut look = Look { answers, missing: Vec::new() };
    let verdict = judge(check, &mut look, now);
    if look.missing.is_empty() { Next::Known(verdict) } else { Next::Ask(look.missing) }
}

/// Hands out answers and notes which were not there.
struct Look<'a> {
    answers: &'a Answers,
    missing: Vec<Ask>,
}

impl Look<'_> {
    fn at(&mut self, path: &str) -> Answer {
        self.ask(Ask { path: path.to_owned(), body: None })
    }

    fn post(&mut self, path: &str, body: String) -> Answer {
        self.ask(Ask { path: path.to_owned(), body: Some(body) })
    }

    fn ask(&mut self, ask: Ask) -> Answer {
        self.answers.get(&ask).cloned().unwrap_or_else(|| {
            self.missing.push(ask);
            // Judged with the missing answer and thrown away: `next` asks first.
            Answer { status: 200, content_type: String::new(), date: None, body: Vec::new() }
        })
    }
}

fn judge(check: &Check, look: &mut Look<'_>, now: Timestamp) -> Verdict {
    let service = check.service.as_str();
    match &check.question {
        Question::Ready { path, .. } => ready::judge(service, path, &look.at(path)),
        Question::Targets { jobs, .. } => {
            prometheus::targets(service, jobs, &look.at(prometheus::TARGETS), now)
        }
        Question::Rules { groups, rules: sent, .. } => {
            rules::rules(service, groups, sent, &look.at(prometheus::RULES))
        }
        Question::Configuration { of: ConfigurationOf::Prometheus, sent, since, .. } => {
            let config = look.at(prometheus::CONFIG);
            prometheus::configuration(service, sent, *since, &config, &look.at(prometheus::RUNTIME))
        }
        Question::Configuration { of: ConfigurationOf::Alertmanager, sent, since, .. } => {
            // Only its metrics know of a reload that failed.
            let metrics = look.at(alertmanager::METRICS);
            alertmanager::configuration(service, sent, *since, &metrics, &look.at(alertmanager::STATUS))
        }
        Question::Alertmanagers { .. } => {
            prometheus::alertmanagers(service, &look.at(prometheus::ALERTMANAGERS))
        }
        Question::Query { query, remedy, .. } => {
            query::judge(service, query, remedy, &look.at(&query::path(query)))
        }
        Question::GrafanaHealth { .. } => grafana::health(service, &look.at(grafana::HEALTH)),
        Question::GrafanaLogin { user, password, .. } => {
            grafana::login(service, user, password, &look.at(grafana::USER))
        }
        Question::GrafanaDatasources { user, password, uids, without_health, .. } => {
            let verdicts = uids.iter().map(|uid| {
                if without_health.contains(uid) {
                    let described = look.at(&grafana::datasource_path(uid));
                    return grafana::described(service, user, password, uid, &described);
                }
                let health = look.at(&grafana::datasource_health_path(uid));
                let described =
                    grafana::health_says_little(&health).then(|| look.at(&grafana::datasource_path(uid)));
                grafana::datasource(service, user, password, uid, &health, described.as_ref())
            });
            grafana::worst(verdicts.collect())
        }
        Question::GrafanaDashboards { user, password, uids, .. } => {
            grafana::dashboards(service, user, password, uids, &look.at(grafana::SEARCH))
        }
        Question::Retention { time, size, .. } => {
            prometheus::retention(service, time.as_deref(), size.as_deref(), &look.at(prometheus::RUNTIME))
        }
        Question::LokiConfiguration { sent, .. } => {
            loki::configuration(service, sent, &look.at(loki::CONFIG))
        }
        Question::LokiQuery { .. } => loki::query(service, &look.at(loki::ANY_LINE)),
        Question::LogLine { nonce, jobs, .. } => {
            loki::line(service, nonce, jobs, &look.at(&loki::line_path(nonce)))
        }
        Question::Panels { user, password, queries, .. } => {
            let batches: Vec<_> = panels::batches(queries)
                .into_iter()
                .map(|batch| {
                    let answer = look.post(panels::QUERY, panels::body(&batch));
                    (batch, answer)
                })
                .collect();
            if batches.iter().any(|(_, answer)| panels::is_no_question(answer)) {
                return through_proxy(service, user, password, queries, look);
            }
            panels::judge(service, user, password, &batches)
        }
    }
}

/// How many of the queries that go through the proxy are asked at once, each over a connection of its own.
const AT_ONCE: usize = 16;

/// The panels' queries, asked through the datasource proxy of an old Grafana.
fn through_proxy(
    service: &str,
    user: &str,
    password: &str,
    queries: &[PanelQuery],
    look: &mut Look<'_>,
) -> Verdict {
    let listed = look.at(proxied::DATASOURCES);
    let sources = match proxied::sources(service, user, password, &listed) {
        Ok(sources) => sources,
        Err(verdict) => return verdict,
    };
    let given: Vec<_> = queries
        .iter()
        .map(|query| (query, proxied::path(&sources, query).map(|path| look.at(&path))))
        .collect();
    look.missing.sort();
    look.missing.dedup();
    look.missing.truncate(AT_ONCE);
    proxied::judge(service, user, password, &given)
}

/// Whether a check asks nothing but whether it is let in.
#[must_use]
pub fn is_login(check: &Check) -> bool {
    matches!(check.question, Question::GrafanaLogin { .. })
}

/// What it asks.
#[must_use]
pub fn login() -> Ask {
    Ask { path: grafana::USER.to_owned(), body: None }
}

/// The user whom a check logs in.
#[must_use]
pub fn user(check: &Check) -> Option<&str> {
    match &check.question {
        Question::GrafanaLogin { user, .. }
        | Question::GrafanaDatasources { user, .. }
        | Question::GrafanaDashboards { user, .. }
        | Question::Panels { user, .. } => Some(user),
        _ => None,
    }
}

/// What to do when a question gets no answer in its time although the port takes it; nothing where that has no usual
/// cause.
#[must_use]
pub fn when_slow(check: &Check) -> Option<String> {
    matches!(check.question, Question::LokiQuery { .. } | Question::LogLine { .. })
        .then(|| loki::when_slow(&check.service))
}

/// What should be, for a person.
#[must_use]
pub fn expected(check: &Check) -> String {
    match &check.question {
        Question::Ready { path, .. } => format!("{path} answers 200"),
        Question::Targets { jobs, .. } => {
            format!("every target is up and freshly scraped of {}", jobs.join(", "))
        }
        Question::Rules { groups, .. } => {
            let groups: Vec<String> =
                groups.iter().map(|(name, rules)| format!("{name} ({rules})")).collect();
            format!("exactly these rule groups run: {}", groups.join(", "))
        }
        Question::Configuration { since: None, .. } => {
            "the configuration that runs is the one sent".to_owned()
        }
        Question::Configuration { since: Some(since), .. } => {
            format!("the configuration that runs is the one sent, reloaded since {since}")
        }
        Question::Alertmanagers { .. } => "an Alertmanager is connected, none dropped".to_owned(),
        Question::Query { query, .. } => format!("{query} is 1"),
        Question::GrafanaHealth { .. } => "healthy, with its database".to_owned(),
        Question::GrafanaLogin { user, password, .. } => format!("{user} can log in with {password}"),
        Question::GrafanaDatasources { uids, .. } => format!("the datasources answer: {}", uids.join(", ")),
        Question::GrafanaDashboards { uids, .. } => format!("the dashboards are there: {}", uids.join(", ")),
        Question::Retention { time, size, .. } => {
            let limits: Vec<&str> = [time, size].into_iter().flatten().map(String::as_str).collect();
            format!("data is kept for {}", limits.join(" or "))
        }
        Question::LokiConfiguration { .. } => "retention and compactor run as sent".to_owned(),
        Question::LokiQuery { .. } => "a query is answered".to_owned(),
        Question::LogLine { jobs, .. } => {
            format!("a line written on the host is found again under the job {}", jobs.join(" and "))
        }
        Question::Panels { queries, .. } => {
            let queries = queries.iter().filter(|query| query.excuses.is_none()).count();
            format!("the {queries} queries of all panels give data")
        }
    }
}
