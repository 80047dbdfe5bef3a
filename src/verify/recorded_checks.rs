//! Test help: checks, and which recordings answer their questions.

use super::recorded::PROMETHEUS_SENT;
use crate::plan::check::{ConfigurationOf, PanelQuery, Question, SentRule};

/// A check, and which recording answers which question of it: those whose path begins so, the first that fits.
/// `NAME#UID` is the one of a recorded list that has this uid.
pub(super) struct Asked {
    pub question: Question,
    pub answers: Vec<(&'static str, &'static str)>,
    /// When it is asked.
    pub now: &'static str,
}

/// When the targets of Prometheus 2.42 were recorded, and those of 3.13.2.
const THEN: &str = "2026-11-22T06:05:10.5Z";
const LATER: &str = "2026-11-28T03:47:04Z";

fn asked(question: Question, answers: &[(&'static str, &'static str)]) -> Asked {
    Asked { question, answers: answers.to_vec(), now: THEN }
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
        legend: String::new(),
        with_its_panel: true,
        excuses: None,
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

/// A rule of the stack as it was sent to the recorded Prometheus 3.13.2.
fn sent_rule(group: &str, name: &str, expr: &str, severity: Option<&str>) -> SentRule {
    let labels = severity.map(|severity| ("severity".to_owned(), severity.to_owned()));
    SentRule {
        group: group.to_owned(),
        name: name.to_owned(),
        expr: expr.to_owned(),
        lasts: String::new(),
        labels: labels.into_iter().collect(),
    }
}

/// A configuration that was sent to a recorded server.
fn sent(name: &str) -> String {
    let path = format!("{}/tests/fixtures/configurations/{name}.yml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(super) fn prometheus_3_targets() -> Asked {
    let jobs = [
        "alertmanager",
        "alloy",
        "cadvisor",
        "grafana",
        "koprogo-backend",
        "loki",
        "node-exporter",
        "postgres-exporter",
        "prometheus",
        "traefik",
    ];
    let question = Question::Targets { port: 1, jobs: jobs.map(str::to_owned).to_vec() };
    Asked { now: LATER, ..asked(question, &[("/api/v1/targets", "prometheus-3.13.2/targets")]) }
}

pub(super) fn prometheus_3_rules() -> Asked {
    let groups = [
        ("containers", 19),
        ("backup", 2),
        ("host", 10),
        ("monitoring", 19),
        ("postgresql", 6),
        ("logs", 4),
        ("traefik", 10),
    ];
    let rules = vec![
        sent_rule("monitoring", "Watchdog", "vector(1)", Some("none")),
        sent_rule(
            "backup",
            "BackupTooOld",
            "(time() - koprogo_backup_last_success_timestamp_seconds) / 3600\n  > 26",
            Some("critical"),
        ),
        sent_rule(
            "containers",
            "name:container_memory_working_set:percent",
            "100 * max by (name) (container_memory_working_set_bytes{name!=\"\"} / \
             (container_spec_memory_limit_bytes{name!=\"\"} > 0))",
            None,
        ),
    ];
    let groups = groups.map(|(name, rules)| (name.to_owned(), rules)).to_vec();
    asked(Question::Rules { port: 1, groups, rules }, &[("/api/v1/rules", "prometheus-3.13.2/rules")])
}

pub(super) fn prometheus_3_configuration() -> Asked {
    let since = Some("2026-11-28T03:41:08Z".parse().unwrap());
    let of = ConfigurationOf::Prometheus;
    asked(
        Question::Configuration { port: 1, of, sent: sent("prometheus-3.13-sent"), since },
        &[
            ("/api/v1/status/config", "prometheus-3.13.2/status-config"),
            ("/api/v1/status/runtimeinfo", "prometheus-3.13.2/status-runtimeinfo"),
        ],
    )
}

pub(super) fn prometheus_3_retention() -> Asked {
    asked(
        Question::Retention { port: 1, time: Some("30d".to_owned()), size: Some("4GB".to_owned()) },
        &[("/api/v1/status/runtimeinfo", "prometheus-3.13.2/status-runtimeinfo")],
    )
}

pub(super) fn prometheus_3_alertmanagers() -> Asked {
    asked(
        Question::Alertmanagers { port: 1 },
        &[("/api/v1/alertmanagers", "prometheus-3.13.2/alertmanagers")],
    )
}

pub(super) fn prometheus_3_query() -> Asked {
    let (query, remedy) = ("up".to_owned(), "Start it.".to_owned());
    asked(
        Question::Query { port: 1, query, remedy },
        &[("/api/v1/query?query=up", "prometheus-3.13.2/query-up")],
    )
}

fn ready(path: &'static str, recording: &'static str) -> Asked {
    asked(Question::Ready { port: 1, path: path.to_owned() }, &[(path, recording)])
}

pub(super) fn alertmanager_ready() -> Asked {
    ready("/-/ready", "alertmanager-0.34.0/ready")
}

pub(super) fn promtail_ready() -> Asked {
    ready("/ready", "promtail-3.6.15/ready")
}

pub(super) fn alloy_ready() -> Asked {
    ready("/-/ready", "alloy-1.19.0/ready")
}

pub(super) fn loki_3_7_ready() -> Asked {
    ready("/ready", "loki-3.7.6/ready")
}

pub(super) fn alertmanager_0_34_configuration() -> Asked {
    let since = Some("2026-11-28T03:40:52Z".parse().unwrap());
    let of = ConfigurationOf::Alertmanager;
    asked(
        Question::Configuration { port: 1, of, sent: sent("alertmanager-0.34-sent"), since },
        &[("/api/v2/status", "alertmanager-0.34.0/status"), ("/metrics", "alertmanager-0.34.0/metrics")],
    )
}

pub(super) fn grafana_12_health() -> Asked {
    asked(Question::GrafanaHealth { port: 1 }, &[("/api/health", "grafana-12.4.0/health")])
}

pub(super) fn grafana_12_login() -> Asked {
    let (user, password) = admin();
    asked(Question::GrafanaLogin { port: 1, user, password }, &[("/api/user", "grafana-12.4.0/user")])
}

pub(super) fn grafana_12_dashboards() -> Asked {
    let (user, password) = admin();
    let uids = ["docker", "koprogo-overview", "logs", "postgres", "traefik"].map(str::to_owned).to_vec();
    asked(
        Question::GrafanaDashboards { port: 1, user, password, uids },
        &[("/api/search", "grafana-12.4.0/search")],
    )
}

fn grafana_12(uids: &[&str], without_health: &[&str], answers: &[(&'static str, &'static str)]) -> Asked {
    let (user, password) = admin();
    let owned = |uids: &[&str]| uids.iter().map(|uid| (*uid).to_owned()).collect();
    let (uids, without_health) = (owned(uids), owned(without_health));
    asked(Question::GrafanaDatasources { port: 1, user, password, uids, without_health }, answers)
}

pub(super) fn grafana_12_datasources() -> Asked {
    grafana_12(
        &["alertmanager", "loki", "prometheus"],
        &["alertmanager"],
        &[
            ("/api/datasources/uid/loki/health", "grafana-12.4.0/datasource-health-loki"),
            ("/api/datasources/uid/prometheus/health", "grafana-12.4.0/datasource-health-prometheus"),
            ("/api/datasources/uid/alertmanager/health", "asked for its health"),
            ("/api/datasources/uid/alertmanager", "grafana-12.4.0/datasource-alertmanager"),
            ("/api/datasources/uid/loki", "grafana-12.4.0/datasource-loki"),
            ("/api/datasources/uid/prometheus", "grafana-12.4.0/datasource-prometheus"),
        ],
    )
}

/// Its health answers 500, its description 404.
pub(super) fn grafana_12_datasource_missing() -> Asked {
    grafana_12(
        &["prometheus"],
        &[],
        &[
            ("/api/datasources/uid/prometheus/health", "grafana-12.4.0/datasource-health-prometheus"),
            ("/api/datasources/uid/prometheus", "grafana-12.4.0/datasource-missing"),
        ],
    )
}

/// Datasources that are there and whose health is not known.
pub(super) fn grafana_12_description() -> Asked {
    grafana_12(
        &["loki", "prometheus"],
        &[],
        &[
            ("/api/datasources/uid/loki/health", "grafana-12.4.0/datasource-health-missing"),
            ("/api/datasources/uid/prometheus/health", "grafana-12.4.0/datasource-health-missing"),
            ("/api/datasources/uid/loki", "grafana-12.4.0/datasource-loki"),
            ("/api/datasources/uid/prometheus", "grafana-12.4.0/datasource-prometheus"),
        ],
    )
}

/// One whose description is all that is asked for.
pub(super) fn grafana_12_alertmanager() -> Asked {
    grafana_12(
        &["alertmanager"],
        &["alertmanager"],
        &[("/api/datasources/uid/alertmanager", "grafana-12.4.0/datasource-alertmanager")],
    )
}

/// One panel with one query.
fn grafana_12_panel(datasource: &str, expr: &str, recording: &'static str) -> Asked {
    let (user, password) = admin();
    let query = PanelQuery {
        dashboard: "overview".to_owned(),
        panel: "Panel".to_owned(),
        datasource: datasource.to_owned(),
        expr: expr.to_owned(),
        may_be_empty: String::new(),
        legend: String::new(),
        with_its_panel: true,
        excuses: None,
    };
    asked(Question::Panels { port: 1, user, password, queries: vec![query] }, &[("/api/ds/query", recording)])
}

pub(super) fn grafana_12_panels() -> Asked {
    grafana_12_panel("prometheus", "up", "grafana-12.4.0/ds-query-prometheus")
}

pub(super) fn grafana_12_loki_lines() -> Asked {
    grafana_12_panel("loki", "{job=\"journal\"}", "grafana-12.4.0/ds-query-loki")
}

pub(super) fn grafana_12_loki_metric() -> Asked {
    grafana_12_panel("loki", "sum(rate({job=\"docker\"}[5m]))", "grafana-12.4.0/ds-query-loki-metric")
}

pub(super) fn loki_3_7_configuration() -> Asked {
    let sent = "
compactor: {retention_enabled: true, delete_request_store: filesystem, compaction_interval: 10m}
limits_config: {retention_period: 168h, per_stream_rate_limit: 512KB, max_line_size: 64KB}
";
    asked(Question::LokiConfiguration { port: 1, sent: sent.to_owned() }, &[("/config", "loki-3.7.6/config")])
}

pub(super) fn loki_3_7_query() -> Asked {
    asked(Question::LokiQuery { port: 1 }, &[("/loki/api/v1/query_range", "loki-3.7.6/query_range")])
}

pub(super) fn loki_3_7_line() -> Asked {
    let jobs = ["docker", "journal"].map(str::to_owned).to_vec();
    asked(
        Question::LogLine { port: 1, nonce: "722810fdfc57".to_owned(), jobs },
        &[("/loki/api/v1/query_range", "loki-3.7.6/query_range")],
    )
}
