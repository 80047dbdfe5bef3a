//! What Grafana 12 makes of panel types: those it has, those it turns into others by itself, and the rest.

use std::collections::BTreeMap;

use serde_json::Value;

/// The panel types that come with Grafana 12.
const BUILT_IN: [&str; 30] = [
    "alertlist",
    "annolist",
    "barchart",
    "bargauge",
    "candlestick",
    "canvas",
    "dashlist",
    "datagrid",
    "debug",
    "flamegraph",
    "gauge",
    "geomap",
    "gettingstarted",
    "heatmap",
    "histogram",
    "live",
    "logs",
    "news",
    "nodeGraph",
    "piechart",
    "row",
    "stat",
    "state-timeline",
    "status-history",
    "table",
    "text",
    "timeseries",
    "traces",
    "trend",
    "xychart",
];

/// Types of the removed Angular panels that Grafana turns into others when it loads a dashboard
/// (`autoMigrateAngular` and `autoMigrateRemovedPanelPlugins` of its `PanelModel.ts`).
const MIGRATED: [(&str, &str); 8] = [
    ("graph", "timeseries"),
    ("table-old", "table"),
    ("singlestat", "stat"),
    ("grafana-singlestat-panel", "stat"),
    ("grafana-piechart-panel", "piechart"),
    ("grafana-worldmap-panel", "geomap"),
    ("natel-discrete-panel", "state-timeline"),
    ("heatmap-new", "heatmap"),
];

/// What is to be said of the panels of a dashboard: one line a type that Grafana 12 does not have.
pub(super) fn remarks(dashboard: &Value) -> Vec<String> {
    let mut counts = BTreeMap::new();
    count(dashboard, &mut counts);
    counts
        .into_iter()
        .filter(|(kind, _)| !BUILT_IN.contains(kind))
        .map(|(kind, number)| {
            let panels = if number == 1 { "1 panel".to_owned() } else { format!("{number} panels") };
            match MIGRATED.iter().find(|(old, _)| *old == kind) {
                Some((_, new)) => format!("{panels} of the old type {kind}: Grafana shows {new} instead"),
                None => format!(
                    "{panels} of the type {kind}, which Grafana 12 does not have without a plugin: \
                     an error is shown in that place"
                ),
            }
        })
        .collect()
}

/// Panels lie in `panels`, in those of a collapsed row, and in the `rows` of very old dashboards.
fn count<'a>(holder: &'a Value, counts: &mut BTreeMap<&'a str, usize>) {
    for key in ["panels", "rows"] {
        for panel in holder[key].as_array().into_iter().flatten() {
            if let Some(kind) = panel["type"].as_str() {
                *counts.entry(kind).or_default() += 1;
            }
            count(panel, counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn old_types_are_noted_wherever_they_lie_and_unknown_ones_warned_of() {
        let dashboard = json!({
            "panels": [
                {"type": "timeseries"},
                {"type": "row", "panels": [{"type": "graph"}, {"type": "singlestat"}]},
                {"type": "flant-statusmap-panel"},
            ],
            "rows": [{"panels": [{"type": "graph"}]}],
        });
        assert_eq!(
            remarks(&dashboard),
            [
                "1 panel of the type flant-statusmap-panel, which Grafana 12 does not have without a plugin: an error is shown in that place",
                "2 panels of the old type graph: Grafana shows timeseries instead",
                "1 panel of the old type singlestat: Grafana shows stat instead",
            ]
        );
        assert!(remarks(&json!({"panels": [{"type": "logs"}]})).is_empty());
    }
}
