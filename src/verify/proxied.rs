//! Grafana before version 8: the panels' queries through its datasource proxy, one by one, since it has no
//! `/api/ds/query`.
//!
//! Answers as Grafana 7.5.5 gave them (recorded). Its proxy knows a datasource by number only
//! (<https://grafana.com/docs/grafana/v7.5/http_api/data_source/#data-source-proxy-calls>).

use serde::Deserialize;
use serde_json::Value;

use super::grafana;
use super::http::Answer;
use super::panels::{self, Given};
use super::query::encoded;
use super::verdict::{Verdict, json, message};
use crate::plan::check::PanelQuery;

/// Where all datasources are listed.
pub(super) const DATASOURCES: &str = "/api/datasources";

/// A datasource as it is listed.
#[derive(Deserialize)]
pub(super) struct Source {
    id: u64,
    uid: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Reads the answer to [`DATASOURCES`]. The error is the verdict on what is no such answer.
pub(super) fn sources(
    service: &str,
    user: &str,
    secret: &str,
    answer: &Answer,
) -> Result<Vec<Source>, Verdict> {
    match grafana::unless_let_in(service, DATASOURCES, user, secret, answer) {
        Some(verdict) => Err(verdict),
        None => json(service, DATASOURCES, answer),
    }
}

/// Where a query is asked through the proxy; the error says why it cannot be.
pub(super) fn path(sources: &[Source], query: &PanelQuery) -> Result<String, String> {
    let source = sources
        .iter()
        .find(|source| source.uid == query.datasource)
        .ok_or_else(|| format!("no datasource has the uid {}", query.datasource))?;
    let (id, expr) = (source.id, encoded(&query.expr));
    let asked = match source.kind.as_str() {
        "prometheus" => format!("api/v1/query?query={expr}"),
        // Lines have no instant answer.
        "loki" if query.expr.trim_start().starts_with('{') => {
            format!("loki/api/v1/query_range?query={expr}&since=1h&limit=5")
        }
        "loki" => format!("loki/api/v1/query?query={expr}"),
        kind => return Err(format!("its datasource {} is of the type {kind}", source.uid)),
    };
    Ok(format!("{DATASOURCES}/proxy/{id}/{asked}"))
}

/// As Prometheus and Loki both answer.
#[derive(Deserialize)]
struct Envelope {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Value>,
}

/// Judges the answers to all queries, each asked at its [`path`].
pub(super) fn judge(
    service: &str,
    user: &str,
    secret: &str,
    asked: &[(&PanelQuery, Result<Answer, String>)],
) -> Verdict {
    let mut given = Vec::new();
    for (query, answer) in asked {
        let one = match answer {
            Err(why) => Given::Error(why.clone()),
            Ok(answer) if matches!(answer.status, 401 | 403) => {
                let refused = grafana::unless_let_in(service, DATASOURCES, user, secret, answer);
                return refused.unwrap_or_else(|| panels::tell(service, &given));
            }
            Ok(answer) if answer.status != 200 => {
                Given::Error(format!("{}, {}", answer.status, message(answer)))
            }
            Ok(answer) => match serde_json::from_slice::<Envelope>(&answer.body) {
                Err(error) => Given::Error(format!("answered something unexpected: {error}")),
                Ok(found) if found.data.result.is_empty() => Given::Nothing,
                Ok(_) => Given::Data,
            },
        };
        given.push((*query, one));
    }
    panels::tell(service, &given)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::plan::check::{Check, Question};
    use crate::verify::ask::{self, Answers, Next};
    use crate::verify::recorded::{changed, recorded, show};

    fn query(panel: &str, datasource: &str, expr: &str) -> PanelQuery {
        PanelQuery {
            dashboard: "d".into(),
            panel: panel.into(),
            datasource: datasource.into(),
            expr: expr.into(),
            may_be_empty: String::new(),
            legend: String::new(),
            with_its_panel: true,
            excuses: None,
        }
    }

    fn check(queries: Vec<PanelQuery>) -> Check {
        let (user, password) = ("admin".to_owned(), "p".to_owned());
        let question = Question::Panels { port: 3000, user, password, queries };
        Check { name: "grafana.panels".into(), service: "grafana".into(), question }
    }

    /// Asks until it is known, as Grafana 7.5.5 answers; `special` are answers to paths. Gives also how many
    /// questions each round had, and the paths.
    fn ask_old(check: &Check, special: &BTreeMap<&str, Answer>) -> (String, Vec<usize>, Vec<String>) {
        let (mut answers, mut rounds, mut paths) = (Answers::new(), Vec::new(), Vec::new());
        loop {
            let missing = match ask::next(check, &answers, Timestamp::UNIX_EPOCH) {
                Next::Known(verdict) => return (show(&verdict), rounds, paths),
                Next::Ask(missing) => missing,
            };
            rounds.push(missing.len());
            for ask in missing {
                let usual = if ask.body.is_some() {
                    "grafana-7.5.5/datasource-health"
                } else if ask.path == DATASOURCES {
                    "grafana-7.5.5/datasources"
                } else if ask.path.contains("/proxy/2/") {
                    "loki-3.4.6/query_range"
                } else {
                    "grafana-7.5.5/proxy-query"
                };
                let found = special.iter().find(|(path, _)| ask.path.contains(**path));
                let answer = found.map_or_else(|| recorded(usual), |(_, answer)| answer.clone());
                paths.push(ask.path.clone());
                answers.insert(ask, answer);
            }
        }
    }

    #[test]
    fn an_old_grafana_is_asked_query_by_query() {
        let (verdict, rounds, paths) = ask_old(
            &check(vec![
                query("Up", "prometheus", "sum(up)"),
                query("Lines", "loki", "{job=\"docker\"}"),
                query("Rate", "loki", "sum(rate({job=\"docker\"}[5m]))"),
            ]),
            &BTreeMap::new(),
        );
        assert_eq!(verdict, "holds: 3 queries answered");
        assert_eq!(rounds, [2, 1, 3]);
        insta::assert_snapshot!(paths[3..].join("\n"), @r"
        /api/datasources/proxy/1/api/v1/query?query=sum%28up%29
        /api/datasources/proxy/2/loki/api/v1/query?query=sum%28rate%28%7Bjob%3D%22docker%22%7D%5B5m%5D%29%29
        /api/datasources/proxy/2/loki/api/v1/query_range?query=%7Bjob%3D%22docker%22%7D&since=1h&limit=5
        ");
    }

    #[test]
    fn many_queries_go_a_few_at_a_time() {
        let many = (0..40).map(|index| query("Up", "prometheus", &format!("up + {index}"))).collect();
        let (verdict, rounds, _) = ask_old(&check(many), &BTreeMap::new());
        assert_eq!(verdict, "holds: 40 queries answered");
        assert_eq!(rounds, [1, 1, 16, 16, 8]);
    }

    #[test]
    fn what_the_proxy_does_not_give_is_told() {
        let look = |queries: &[PanelQuery], path: &'static str, answer: Answer| {
            ask_old(&check(queries.to_vec()), &BTreeMap::from([(path, answer)])).0
        };
        let up = [query("Up", "prometheus", "up")];
        let lines = [query("Lines", "loki", "{job=\"docker\"}")];
        insta::assert_snapshot!(look(&up, "/proxy/1/", recorded("prometheus-2.42/query-bad")), @r#"
        not yet: 1 panel: d: Up: 400, invalid parameter "query": 1:5: parse error: unclosed left parenthesis
        Correct the query in the dashboard, or see why its datasource refuses it. Read what the service says: `provision logs grafana`.
        "#);
        insta::assert_snapshot!(look(&lines, "/proxy/2/", recorded("loki-3.4.6/query_range-empty")), @r"
        not yet: 1 panel: d: Lines: no data
        Look at the panel in Grafana (`provision tunnel`): is what it shows collected, and under that name? One that may rightly be empty belongs into `may_be_empty` of the service's `verify`.
        ");
        insta::assert_snapshot!(look(&lines, "/proxy/2/", recorded("loki-3.4.6/query_range-bad")), @r"
        not yet: 1 panel: d: Lines: 400, parse error at line 1, col 5: syntax error: unexpected $end, expecting = or =~ or !~ or !=
        Correct the query in the dashboard, or see why its datasource refuses it. Read what the service says: `provision logs grafana`.
        ");
        let renamed = changed("grafana-7.5.5/proxy-query", "\"result\"", "\"results\"");
        insta::assert_snapshot!(look(&up, "/proxy/1/", renamed), @r"
        not yet: 1 panel: d: Up: answered something unexpected: missing field `result` at line 1 column 567
        Correct the query in the dashboard, or see why its datasource refuses it. Read what the service says: `provision logs grafana`.
        ");
        let other = changed("grafana-7.5.5/datasources", "\"uid\":\"prometheus\"", "\"uid\":\"x\"");
        insta::assert_snapshot!(look(&up, "/api/datasources", other), @r"
        not yet: 1 panel: d: Up: no datasource has the uid prometheus
        Correct the query in the dashboard, or see why its datasource refuses it. Read what the service says: `provision logs grafana`.
        ");
        let other = changed("grafana-7.5.5/datasources", "\"type\":\"loki\"", "\"type\":\"graphite\"");
        insta::assert_snapshot!(look(&lines, "/api/datasources", other), @r"
        not yet: 1 panel: d: Lines: its datasource loki is of the type graphite
        Correct the query in the dashboard, or see why its datasource refuses it. Read what the service says: `provision logs grafana`.
        ");
        insta::assert_snapshot!(look(&up, "/api/datasources", recorded("grafana-7.5.5/search-wrong-password")), @r"
        refused: grafana: 401 for the user admin, invalid username or password
        The password p in the secrets file is not the one in Grafana's database: the file acts only at Grafana's first start. Set it with `grafana cli admin reset-admin-password --password-from-stdin` in the container of grafana. After five wrong passwords Grafana refuses the right one, too, for five minutes.
        ");
    }
}
