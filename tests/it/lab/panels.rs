//! What every panel of our dashboards asks, asked of the lab's Prometheus and Loki.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Lab, percent_encoded, rendered, sql, try_vps, vps};
use crate::stack::dashboards::{Query, queries};

/// Queries that find nothing where the lab has Debian's PostgreSQL: dashboard, panel, what the query has in it, why.
const EMPTY: [(&str, &str, &str, &str); 1] =
    [("postgres", "Checkpoints", "", "PostgreSQL 17 counts them where the exporter does not look")];

/// How many addresses one call of wget asks.
const AT_ONCE: usize = 16;

#[test]
fn every_query_of_every_panel_returns_data_or_says_why_not() {
    let lab = Lab::take();
    // An error in the log, for the panels that show errors.
    vps(
        "docker exec koprogo-traefik wget -qO- --header 'Host: koprogo.lab' http://127.0.0.1/api/v1/buildings/500 2>/dev/null || true",
    );
    vps("koprogo-backup-metric");
    let _table = Table::new();
    let all = queries(&rendered());
    assert!(all.len() > 50, "{}", all.len());
    // The upstream image of PostgreSQL that the lab takes is version 15, as the application has it.
    let debian = vps("docker inspect -f '{{.Config.Image}}' koprogo-postgres").starts_with("lab/");
    let is_excused = |query: &&Query| {
        debian
            && EMPTY.iter().any(|(dashboard, panel, part, _)| {
                query.dashboard == *dashboard && query.panel == *panel && query.expr.contains(part)
            })
    };
    let (excused, mut missing): (Vec<&Query>, Vec<&Query>) = all.iter().partition(is_excused);
    // A rate wants two scrapes, 15 s apart.
    let until = Instant::now() + Duration::from_secs(45);
    loop {
        sql("SELECT count(*) FROM lab_panels; UPDATE lab_panels SET n = n + 1 WHERE id < 10;");
        missing = without_data(&missing);
        if missing.is_empty() {
            break;
        }
        let shown: Vec<String> = missing.iter().map(|query| shown(query)).collect();
        assert!(Instant::now() < until, "no data for\n{}", shown.join("\n"));
        std::thread::sleep(Duration::from_secs(3));
    }
    let empty = without_data(&excused).len();
    assert_eq!(empty, excused.len(), "some of these have data, and are listed as empty: {excused:#?}");
    for (dashboard, panel, part, reason) in EMPTY {
        assert!(
            !debian || excused.iter().any(|query| query.dashboard == dashboard && query.panel == panel),
            "no query is {dashboard}/{panel} {part} ({reason})"
        );
    }
    drop(lab);
}

/// A table of the application's, which has none of its own in the lab.
struct Table;

impl Table {
    fn new() -> Self {
        sql("CREATE TABLE IF NOT EXISTS lab_panels (id int PRIMARY KEY, n int); \
             INSERT INTO lab_panels SELECT id, 0 FROM generate_series(1, 1000) id ON CONFLICT DO NOTHING;");
        Self
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        sql("DROP TABLE IF EXISTS lab_panels");
    }
}

fn shown(query: &Query) -> String {
    format!("{} / {}: {}", query.dashboard, query.panel, query.expr)
}

/// Those of the queries that find nothing.
fn without_data<'a>(queries: &[&'a Query]) -> Vec<&'a Query> {
    let mut without = Vec::new();
    for some in queries.chunks(AT_ONCE) {
        for (query, answer) in some.iter().zip(answers(some)) {
            assert_eq!(answer["status"], "success", "{}: {answer}", shown(query));
            if answer["data"]["result"].as_array().is_none_or(Vec::is_empty) {
                without.push(*query);
            }
        }
    }
    without
}

/// One answer a query.
fn answers(queries: &[&Query]) -> Vec<serde_json::Value> {
    let addresses: Vec<String> = queries.iter().map(|query| format!("'{}'", address(query))).collect();
    let output = try_vps(&format!(
        "timeout 60 docker exec koprogo-monitoring-prometheus-1 wget -q -O - {}",
        addresses.join(" ")
    ));
    let answers: Vec<serde_json::Value> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|cause| panic!("no JSON: {cause}: {}", String::from_utf8_lossy(&output.stdout)));
    // wget stops at the first refusal: which query that was is the number of answers before it.
    assert!(
        answers.len() == queries.len(),
        "{} is refused: {}",
        shown(queries[answers.len()]),
        String::from_utf8_lossy(&output.stderr)
    );
    answers
}

/// The last quarter of an hour, or now.
fn address(query: &Query) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let base = match query.datasource.as_str() {
        "prometheus" => "http://127.0.0.1:9090/api/v1",
        "loki" => "http://loki:3100/loki/api/v1",
        other => panic!("{}: an unknown datasource {other}", shown(query)),
    };
    let expr = percent_encoded(&query.expr);
    if query.instant {
        format!("{base}/query?query={expr}")
    } else {
        format!("{base}/query_range?query={expr}&start={}&end={now}&step=15", now - 900)
    }
}
