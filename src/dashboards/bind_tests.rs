//! Dashboards of our own making, of the shapes that grafana.com hands out.

use super::*;

fn ours() -> BTreeMap<String, String> {
    [("prometheus", "prometheus"), ("loki", "our-loki")].map(|(a, b)| (a.to_owned(), b.to_owned())).into()
}

fn bound(fetched: Value) -> Bound {
    bind(42, fetched, &ours()).unwrap()
}

#[test]
fn inputs_become_our_datasources_and_are_gone() {
    let bound = bound(json!({
        "__inputs": [
            {"name": "DS_PROMETHEUS", "type": "datasource", "pluginId": "prometheus"},
            {"name": "DS_LOGS", "type": "datasource", "pluginId": "loki"},
            {"name": "VAR_JOB", "type": "constant", "value": "node"},
        ],
        "__requires": [{"type": "panel", "id": "graph"}],
        "__elements": {},
        "id": 7, "uid": "theirs", "version": 3, "title": "Nodes",
        "panels": [
            {"type": "timeseries", "datasource": "${DS_PROMETHEUS}", "targets": [
                {"expr": "up{job=\"${VAR_JOB}\", host=~\"$host\"}", "legendFormat": "{{instance}} [[host]] $1",
                 "datasource": {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}}]},
            {"type": "logs", "datasource": {"uid": "$DS_LOGS"}},
        ],
    }));
    assert_eq!(
        bound.dashboard,
        json!({
            "uid": "community-42", "gnetId": 42, "title": "Nodes",
            "panels": [
                {"type": "timeseries", "datasource": {"type": "prometheus", "uid": "prometheus"}, "targets": [
                    {"expr": "up{job=\"node\", host=~\"$host\"}", "legendFormat": "{{instance}} [[host]] $1",
                     "datasource": {"type": "prometheus", "uid": "prometheus"}}]},
                {"type": "logs", "datasource": {"type": "loki", "uid": "our-loki"}},
            ],
        })
    );
    assert_eq!(bound.remarks, ["its input VAR_JOB is set to `node`, its default"]);
}

#[test]
fn datasource_variables_are_gone_and_other_variables_stay() {
    let bound = bound(json!({
        "title": "Nodes",
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus"},
            {"name": "job", "type": "query", "datasource": "$datasource", "query": "label_values(up, job)"},
        ]},
        "panels": [
            {"type": "row", "panels": [{"type": "stat", "datasource": {"type": "prometheus", "uid": "${datasource}"}}]},
            {"type": "stat", "datasource": "[[datasource]]", "title": "from ${datasource:text}, $datasource_2"},
        ],
    }));
    let prometheus = json!({"type": "prometheus", "uid": "prometheus"});
    let list = bound.dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["datasource"], prometheus);
    assert_eq!(bound.dashboard["panels"][0]["panels"][0]["datasource"], prometheus);
    assert_eq!(bound.dashboard["panels"][1]["datasource"], prometheus);
    assert_eq!(bound.dashboard["panels"][1]["title"], "from prometheus, $datasource_2");
    assert!(bound.remarks.is_empty());
}

#[test]
fn names_and_uids_of_somebody_else_are_bound_by_their_type_and_grafana_keeps_its_own() {
    let bound = bound(json!({
        "title": "Old", "annotations": {"list": [{"datasource": "-- Grafana --"}, {"datasource": {"type": "grafana", "uid": "-- Grafana --"}}]},
        "rows": [{"panels": [
            {"type": "graph", "datasource": "My Prometheus"},
            {"type": "graph", "datasource": null},
            {"type": "graph", "datasource": {"type": "loki", "uid": "P8E80F9AEF21F6940"}},
            {"type": "graph", "datasource": "metrics"},
            {"type": "graph", "datasource": "-- Mixed --"},
            {"type": "graph", "datasource": {"type": "influxdb", "uid": "x"}},
        ]}],
    }));
    let at = |index: usize| bound.dashboard["rows"][0]["panels"][index]["datasource"].clone();
    let prometheus = json!({"type": "prometheus", "uid": "prometheus"});
    assert_eq!([at(0), at(1), at(3)], [prometheus.clone(), prometheus.clone(), prometheus]);
    assert_eq!(at(2), json!({"type": "loki", "uid": "our-loki"}));
    assert_eq!(at(4), "-- Mixed --");
    assert_eq!(at(5), json!({"type": "influxdb", "uid": "x"}));
    assert_eq!(bound.dashboard["annotations"]["list"][0]["datasource"], "-- Grafana --");
    assert_eq!(bound.dashboard["annotations"]["list"][1]["datasource"]["type"], "grafana");
    assert_eq!(
        bound.remarks,
        [
            "the datasource named `metrics` is taken for a Prometheus",
            "it wants a datasource of the type influxdb, which the stack does not have",
            "6 panels of the old type graph: Grafana shows timeseries instead",
        ]
    );
}

#[test]
fn the_newer_api_s_form_is_unwrapped_or_refused() {
    let inner = json!({"title": "T", "panels": []});
    let one =
        bound(json!({"apiVersion": "dashboard.grafana.app/v1beta1", "kind": "Dashboard", "spec": inner}));
    assert_eq!(one.title, "T");
    let refused = |value: Value| bind(42, value, &ours()).unwrap_err();
    insta::assert_snapshot!(
        refused(json!({"apiVersion": "dashboard.grafana.app/v2beta1", "spec": inner})),
        @"it has the form v2beta1 of Grafana's newer API, which cannot be provisioned from a file"
    );
    insta::assert_snapshot!(refused(json!([])), @"it is not a dashboard: no JSON object");
    insta::assert_snapshot!(refused(json!({"message": "hello"})), @"it is not a dashboard: it has no title or no panels");
}
