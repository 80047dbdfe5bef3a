//! Grafana: whether the panels' queries give data, asked as a browser asks.
//!
//! `/api/ds/query` is there from Grafana 8 on
//! (<https://grafana.com/docs/grafana/latest/developers/http_api/data_source/#query-a-data-source>); one that has
//! none is asked as `proxied` says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::grafana;
use super::http::Answer;
use super::verdict::{Verdict, count, few, first_line, message, see_log};
use crate::plan::check::PanelQuery;
use crate::stack::EmptyUntil;

/// Where queries are asked.
pub const QUERY: &str = "/api/ds/query";

/// Queries that are asked together: those of one dashboard to one datasource.
#[must_use]
pub fn batches(queries: &[PanelQuery]) -> Vec<Vec<&PanelQuery>> {
    let mut batches: BTreeMap<(&str, &str), Vec<&PanelQuery>> = BTreeMap::new();
    for query in queries {
        batches.entry((&query.dashboard, &query.datasource)).or_default().push(query);
    }
    batches.into_values().collect()
}

/// The body that asks a batch over the last hour; the reference of a query is its place.
#[must_use]
pub fn body(batch: &[&PanelQuery]) -> String {
    let queries: Vec<Value> = batch
        .iter()
        .enumerate()
        .map(|(index, query)| {
            let mut value = json!({
                "refId": format!("Q{index}"),
                "datasource": {"uid": query.datasource},
                "expr": query.expr,
                "intervalMs": 60000,
                "maxDataPoints": 60,
            });
            // Logs have no instant answer, metrics need no more than one.
            if query.expr.trim_start().starts_with('{') {
                value["queryType"] = json!("range");
                value["maxLines"] = json!(5);
            } else {
                value["queryType"] = json!("instant");
                value["instant"] = json!(true);
            }
            value
        })
        .collect();
    json!({"from": "now-1h", "to": "now", "queries": queries}).to_string()
}

#[derive(Deserialize)]
struct Results {
    results: BTreeMap<String, Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    error: String,
    #[serde(default)]
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize, Default)]
struct Data {
    #[serde(default)]
    values: Vec<Vec<Value>>,
}

/// What became of one query.
#[derive(Debug, Clone)]
pub(super) enum Given {
    /// It gave data.
    Data,
    /// It was answered, with nothing.
    Nothing,
    /// It was not answered; why.
    Error(String),
}

impl From<&Outcome> for Given {
    fn from(outcome: &Outcome) -> Self {
        if !outcome.error.is_empty() {
            return Given::Error(first_line(outcome.error.as_bytes()));
        }
        let nothing = outcome.frames.iter().all(|frame| frame.data.values.iter().all(Vec::is_empty));
        if nothing { Given::Nothing } else { Given::Data }
    }
}

/// Whether this Grafana has no [`QUERY`]: it answers as for any path that it does not know. What it says of a
/// datasource that is not there has more words.
#[must_use]
pub fn is_no_question(answer: &Answer) -> bool {
    answer.status == 404 && message(answer).eq_ignore_ascii_case("not found")
}

/// Judges the answers to all [`batches`]: no query fails, and each gives data but those that may be empty.
#[must_use]
pub fn judge(service: &str, user: &str, secret: &str, batches: &[(Vec<&PanelQuery>, Answer)]) -> Verdict {
    let mut given = Vec::new();
    for (batch, answer) in batches {
        // What failed in part is 207 or 400, and tells what in the same shape.
        let parsed = match answer.status {
            401 | 403 | 404 => None,
            _ => serde_json::from_slice::<Results>(&answer.body).ok(),
        };
        let Some(parsed) = parsed else {
            return grafana::unless_let_in(service, QUERY, user, secret, answer).unwrap_or_else(|| {
                Verdict::not_yet(
                    format!("{service}: {QUERY} answered something unexpected: {}", first_line(&answer.body)),
                    see_log(service),
                )
            });
        };
        for (index, query) in batch.iter().enumerate() {
            let result = parsed.results.get(&format!("Q{index}"));
            given.push((*query, result.map_or_else(|| Given::Error("no answer".to_owned()), Given::from)));
        }
    }
    tell(service, &given)
}

/// The verdict on all queries: none failed, and each gave data but those that may be empty.
pub(super) fn tell(service: &str, given: &[(&PanelQuery, Given)]) -> Verdict {
    let panel = |query: &PanelQuery| (query.dashboard.clone(), query.panel.clone());
    let shown: BTreeSet<_> = given
        .iter()
        .filter(|(_, given)| matches!(given, Given::Data))
        .map(|(query, _)| panel(query))
        .collect();
    let not_there: Vec<&EmptyUntil> = given
        .iter()
        .filter(|(_, given)| matches!(given, Given::Nothing))
        .filter_map(|(query, _)| query.excuses.as_ref())
        .collect();
    let asked = given.iter().filter(|(query, _)| query.excuses.is_none()).count();
    let (mut broken, mut empty, mut excused) = (Vec::new(), Vec::new(), 0);
    let mut until: BTreeMap<&str, usize> = BTreeMap::new();
    let mut panels = BTreeSet::new();
    for (query, given) in given {
        let name = query.name();
        match given {
            Given::Data => {}
            Given::Error(why) => {
                panels.insert(panel(query));
                broken.push(format!("{name}: {why}"));
            }
            Given::Nothing if query.excuses.is_some() => {}
            Given::Nothing => {
                let covers = !query.with_its_panel || !shown.contains(&panel(query));
                if let Some(found) = not_there.iter().find(|until| until.is_about(&query.expr)) {
                    *until.entry(&found.why).or_default() += 1;
                } else if !query.may_be_empty.is_empty() && covers {
                    excused += 1;
                } else {
                    panels.insert(panel(query));
                    empty.push(format!("{name}: no data"));
                }
            }
        }
    }
    let mut complaints = broken.clone();
    complaints.extend(empty);
    // A panel with several queries is named once.
    let mut seen = BTreeSet::new();
    complaints.retain(|complaint| seen.insert(complaint.clone()));
    if complaints.is_empty() {
        let mut found = format!("{asked} queries answered");
        for (why, queries) in until {
            let _ = write!(found, "; {queries} without data: {why}");
        }
        if excused > 0 {
            let _ = write!(found, "; {excused} rightly without data");
        }
        return Verdict::Holds(found);
    }
    let remedy = if broken.is_empty() {
        "Look at the panel in Grafana (`provision tunnel`): is what it shows collected, and under that name? \
         One that may rightly be empty belongs into `may_be_empty` of the service's `verify`."
            .to_owned()
    } else {
        format!(
            "Correct the query in the dashboard, or see why its datasource refuses it. {}",
            see_log(service)
        )
    };
    Verdict::not_yet(format!("{}: {}", count(panels.len(), "panel"), few(&complaints, 3)), remedy)
        .with_detail(complaints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::recorded::{json as answer, recorded, show};

    fn query(panel: &str, expr: &str, may_be_empty: &str) -> PanelQuery {
        PanelQuery {
            dashboard: "d".into(),
            panel: panel.into(),
            datasource: "prometheus".into(),
            expr: expr.into(),
            may_be_empty: may_be_empty.into(),
            legend: String::new(),
            with_its_panel: true,
            excuses: None,
        }
    }

    fn look(status: u16, body: &str) -> String {
        let queries = [query("CPU", "up", ""), query("Rare", "x", "no traffic yet")];
        let batches: Vec<_> =
            batches(&queries).into_iter().map(|batch| (batch, answer(status, body))).collect();
        show(&judge("grafana", "admin", "grafana_admin_password", &batches))
    }

    /// As Grafana 12 answers (its documentation).
    const GOOD: &str = r#"{"results":{
        "Q0":{"status":200,"frames":[{"schema":{},"data":{"values":[[1795327510520],[1]]}}]},
        "Q1":{"status":200,"frames":[]}}}"#;

    #[test]
    fn all_queries_give_data_but_those_that_may_be_empty() {
        insta::assert_snapshot!(look(200, GOOD), @"holds: 2 queries answered; 1 rightly without data");
        insta::assert_snapshot!(look(200, &GOOD.replace("[[1795327510520],[1]]", "[[],[]]")), @r"
        not yet: 1 panel: d: CPU: no data
        Look at the panel in Grafana (`provision tunnel`): is what it shows collected, and under that name? One that may rightly be empty belongs into `may_be_empty` of the service's `verify`.
        ");
        insta::assert_snapshot!(look(207, &GOOD.replace("\"frames\":[]", "\"error\":\"parse error: unclosed\"")), @r"
        not yet: 1 panel: d: Rare: parse error: unclosed
        Correct the query in the dashboard, or see why its datasource refuses it. Read what the service says: `provision logs grafana`.
        ");
        insta::assert_snapshot!(look(200, &GOOD.replace("Q0", "A")), @r"
        not yet: 1 panel: d: CPU: no answer
        Correct the query in the dashboard, or see why its datasource refuses it. Read what the service says: `provision logs grafana`.
        ");
        insta::assert_snapshot!(look(500, r#"{"message":"Internal Server Error"}"#), @r"
        not yet: grafana: 500 from /api/ds/query, Internal Server Error
        Read what the service says: `provision logs grafana`.
        ");
        insta::assert_snapshot!(look(200, "<html>"), @r"
        not yet: grafana: /api/ds/query answered something unexpected: <html>
        Read what the service says: `provision logs grafana`.
        ");
        insta::assert_snapshot!(look(401, r#"{"message":"Invalid username or password"}"#), @r"
        refused: grafana: 401 for the user admin, Invalid username or password
        The password grafana_admin_password in the secrets file is not the one in Grafana's database: the file acts only at Grafana's first start. Set it with `grafana cli admin reset-admin-password --password-from-stdin` in the container of grafana. After five wrong passwords Grafana refuses the right one, too, for five minutes.
        ");
    }

    fn told(given: &[(PanelQuery, Given)]) -> String {
        let given: Vec<_> = given.iter().map(|(query, given)| (query, given.clone())).collect();
        show(&tell("grafana", &given))
    }

    /// A metric that an exporter no longer has does not hide behind an empty database.
    #[test]
    fn an_excuse_of_a_panel_covers_it_only_where_all_of_it_is_empty() {
        let of = |legend: &str, why: &str| PanelQuery { legend: legend.into(), ..query("Tables", "x", why) };
        let rows = || of("live rows", "an empty database");
        let size = || of("size", "an empty database");
        insta::assert_snapshot!(told(&[(rows(), Given::Nothing), (size(), Given::Nothing)]), @"holds: 2 queries answered; 2 rightly without data");
        insta::assert_snapshot!(told(&[(rows(), Given::Data), (size(), Given::Nothing)]), @r"
        not yet: 1 panel: d: Tables (size): no data
        Look at the panel in Grafana (`provision tunnel`): is what it shows collected, and under that name? One that may rightly be empty belongs into `may_be_empty` of the service's `verify`.
        ");
        let own = PanelQuery { with_its_panel: false, ..size() };
        insta::assert_snapshot!(told(&[(rows(), Given::Data), (own, Given::Nothing)]), @"holds: 2 queries answered; 1 rightly without data");
    }

    /// Traefik knows its routers and services only from the first request on.
    #[test]
    fn what_is_not_born_yet_is_told_and_no_failure() {
        let until = EmptyUntil {
            series: "traefik_service_requests_total".into(),
            asks: vec!["traefik_service_".into()],
            why: "no traffic yet".into(),
        };
        let asked = |given: Given| {
            let born =
                PanelQuery { excuses: Some(until.clone()), ..query("born", "count(x)", "no traffic yet") };
            let requests = query("Requests", "rate(traefik_service_requests_total[5m])", "");
            told(&[(query("CPU", "up", ""), Given::Data), (requests, Given::Nothing), (born, given)])
        };
        insta::assert_snapshot!(asked(Given::Nothing), @"holds: 2 queries answered; 1 without data: no traffic yet");
        insta::assert_snapshot!(asked(Given::Data), @r"
        not yet: 1 panel: d: Requests: no data
        Look at the panel in Grafana (`provision tunnel`): is what it shows collected, and under that name? One that may rightly be empty belongs into `may_be_empty` of the service's `verify`.
        ");
        insta::assert_snapshot!(asked(Given::Error("timeout".into())), @r"
        not yet: 2 panels: d: born: timeout; d: Requests: no data
        Correct the query in the dashboard, or see why its datasource refuses it. Read what the service says: `provision logs grafana`.
        ");
    }

    #[test]
    fn a_datasource_that_is_not_there_is_no_old_grafana() {
        assert!(is_no_question(&recorded("grafana-7.5.5/datasource-health")));
        assert!(!is_no_question(&answer(404, r#"{"message":"Data source not found"}"#)));
        insta::assert_snapshot!(look(404, r#"{"message":"Data source not found"}"#), @r"
        refused: grafana: 404 from /api/ds/query, Data source not found
        Something else may listen on that port, or grafana serves below another path: compare the ports and URLs of grafana in the compose file.
        ");
    }

    #[test]
    fn logs_are_asked_over_a_range_and_metrics_at_an_instant() {
        let queries = [query("CPU", "up", ""), query("Log", "{job=\"docker\"}", "")];
        let body: Value = serde_json::from_str(&body(&batches(&queries)[0])).unwrap();
        assert_eq!(body["queries"][0]["instant"], true);
        assert_eq!(body["queries"][1]["queryType"], "range");
        assert_eq!(body["queries"][1]["refId"], "Q1");
    }
}
