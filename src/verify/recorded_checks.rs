//! Test help: checks, and which recordings answer their questions.

use super::recorded::PROMETHEUS_SENT;
use crate::plan::check::{ConfigurationOf, PanelQuery, Question, SentRule};

/// A check, and which recording answers which question of it: those whose path begins so, the first that fits.
/// `NAME#UID` is the one of a recorded list that has this uid.
pub(super) struct Asked {
    pub question: Question,
    pub answers: Vec<(&'static str, &'static str)>,
}

fn asked(question: Question, answers: &[(&'static str, &'static str)]) -> Asked {
    Asked { question, answers: answers.to_vec() }
}

/// All of Prometheus' recorded targets but the one that is down on purpose.
pub(super) fn targets() -> Asked {
    let jobs = ["cadvisor", "grafana", "loki", "prometheus"].map(str::to_owned).to_vec();
    asked(Question::Targets { port: 1, jobs }, &[("/api/v1/targets", "prometheus-2.42/targets")])
}

pub(super) fn rules() -> Asked {
    let rule = |name: &str, expr: &str, lasts: &str| SentRule {
        group: "g".to_owned(),
        name: name.to_owned(),
        expr: expr.to_owned(),
        lasts: lasts.to_owned(),
        labels: [].into(),
    };
    let rules = vec![rule("Watchdog", "vector(1)", ""), rule("TargetDown", "up == 0", "1m")];
    let question = Question::Rules { port: 1, groups: vec![("g".to_owned(), 2)], rules };
    asked(question, &[("/api/v1/rules", "prometheus-2.42/rules")])
}

/// In a deploy that reloads it, begun in the second of the recorded reload.
pub(super) fn prometheus_configuration() -> Asked {
    let since = Some("2026-11-22T06:01:35Z".parse().unwrap());
    let of = ConfigurationOf::Prometheus;
    asked(
        Question::Configuration { port: 1, of, sent: PROMETHEUS_SENT.to_owned(), since },
        &[
            ("/api/v1/status/config", "prometheus-2.42/status-config"),
            ("/api/v1/status/runtimeinfo", "prometheus-2.42/status-runtimeinfo"),
        ],
    )
}

pub(super) fn retention() -> Asked {
    asked(
        Question::Retention { port: 1, time: Some("15d".to_owned()), size: None },
        &[("/api/v1/status/runtimeinfo", "prometheus-2.42/status-runtimeinfo")],
    )
}

pub(super) fn alertmanagers() -> Asked {
    asked(Question::Alertmanagers { port: 1 }, &[("/api/v1/alertmanagers", "prometheus-2.42/alertmanagers")])
}

pub(super) fn query() -> Asked {
    let (query, remedy) = ("up".to_owned(), "Start it.".to_owned());
    asked(
        Question::Query { port: 1, query, remedy },
        &[("/api/v1/query?query=up", "prometheus-2.42/query-up")],
    )
}

/// In a deploy that reloads it, begun in the second of the recorded reload.
pub(super) fn alertmanager_configuration() -> Asked {
    let sent = "
global: {resolve_timeout: 300s}
route: {receiver: none}
receivers: [{name: none}]
";
    let since = Some("2026-11-24T17:44:35Z".parse().unwrap());
    let of = ConfigurationOf::Alertmanager;
    asked(
        Question::Configuration { port: 1, of, sent: sent.to_owned(), since },
        &[("/api/v2/status", "alertmanager-0.25/status"), ("/metrics", "alertmanager-0.25/metrics")],
    )
}

pub(super) fn grafana_health() -> Asked {
    asked(Question::GrafanaHealth { port: 1 }, &[("/api/health", "grafana-7.5.5/health")])
}

fn admin() -> (String, String) {
    ("admin".to_owned(), "grafana_admin_password".to_owned())
}

pub(super) fn datasource() -> Asked {
    let (user, password) = admin();
    let uids = vec!["prometheus".to_owned()];
    asked(
        Question::GrafanaDatasources { port: 1, user, password, uids, without_health: Vec::new() },
        &[
            ("/api/datasources/uid/prometheus/health", "grafana-7.5.5/datasource-health"),
            ("/api/datasources/uid/prometheus", "grafana-7.5.5/datasources#prometheus"),
        ],
    )
}

pub(super) fn dashboards() -> Asked {
    let (user, password) = admin();
    let uids = vec!["overview".to_owned()];
    asked(
        Question::GrafanaDashboards { port: 1, user, password, uids },
        &[("/api/search", "grafana-7.5.5/search")],
    )
}

pub(super) fn login() -> Asked {
    let (user, password) = admin();
    asked(Question::GrafanaLogin { port: 1, user, password }, &[])
}

/// A Grafana without `/api/ds/query`.
pub(super) fn panels() -> Asked {
    let (user, password) = admin();
    let query = |datasource: &str, expr: &str| PanelQuery {
        dashboard: "overview".to_owned(),
        panel: datasource.to_owned(),
        datasource: datasource.to_owned(),
        expr: expr.to_owned(),
        may_be_empty: String::new(),
    };
    let queries = vec![query("prometheus", "up"), query("loki", "{job=\"docker\"}")];
    asked(
        Question::Panels { port: 1, user, password, queries },
        &[
            ("/api/ds/query", "grafana-7.5.5/datasource-health"),
            ("/api/datasources/proxy/1/", "grafana-7.5.5/proxy-query"),
            ("/api/datasources/proxy/2/", "loki-3.4.6/query_range"),
            ("/api/datasources", "grafana-7.5.5/datasources"),
        ],
    )
}

pub(super) fn loki_ready() -> Asked {
    asked(Question::Ready { port: 1, path: "/ready".to_owned() }, &[("/ready", "loki-3.4.6/ready")])
}

pub(super) fn loki_configuration() -> Asked {
    let sent = "
compactor: {retention_enabled: true, delete_request_store: filesystem, compaction_interval: 10m}
limits_config: {retention_period: 168h, per_stream_rate_limit: 3MB}
";
    asked(Question::LokiConfiguration { port: 1, sent: sent.to_owned() }, &[("/config", "loki-3.4.6/config")])
}

pub(super) fn log_line() -> Asked {
    asked(
        Question::LogLine { port: 1, nonce: "7f3a".to_owned(), jobs: vec!["docker".to_owned()] },
        &[("/loki/api/v1/query_range", "loki-3.4.6/query_range")],
    )
}
