//! The queries of the dashboards' panels, as they can be asked without a browser.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::PanelQuery;
use crate::stack::{EmptyUntil, Release, Service, has_extension};

/// The time that stands for Grafana's intervals: long enough for two scrapes at any usual interval.
const INTERVAL: &str = "5m";
/// The time that stands for the range which a person looks at.
const RANGE: &str = "1h";

/// The queries of all panels of the dashboards that `service` watches, and those that tell whether some of them must
/// be empty yet. `may_be_empty` says of a panel's title (or `uid/title`), or of one of its queries (`title [legend]`),
/// why it may show nothing.
pub(super) fn queries(
    release: &Release,
    service: &Service,
    may_be_empty: &BTreeMap<String, String>,
    empty_until: &[EmptyUntil],
) -> Vec<PanelQuery> {
    let mut queries = Vec::new();
    for (path, file) in &release.files {
        if !has_extension(path, &["json"]) || !service.watches(path) {
            continue;
        }
        let Ok(dashboard) = serde_json::from_slice::<Value>(&file.content) else { continue };
        let Some(uid) = dashboard["uid"].as_str() else { continue };
        let variables = Variables::of(&dashboard);
        let mut panels = Vec::new();
        collect(&dashboard, &mut panels);
        for panel in panels {
            let title = panel["title"].as_str().unwrap_or_default();
            let why = |of: &str| may_be_empty.get(of).or_else(|| may_be_empty.get(&format!("{uid}/{of}")));
            let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
            for target in targets {
                let Some(expr) = target["expr"].as_str().filter(|expr| !expr.trim().is_empty()) else {
                    continue;
                };
                let Some(datasource) = source(&target["datasource"]).or_else(|| source(&panel["datasource"]))
                else {
                    continue;
                };
                let names = ["legendFormat", "refId"].map(|key| target[key].as_str().unwrap_or_default());
                let legend = names.into_iter().find(|name| targets.len() > 1 && !name.is_empty());
                let own = legend.and_then(|legend| why(&format!("{title} [{legend}]")));
                queries.push(PanelQuery {
                    dashboard: uid.to_owned(),
                    panel: title.to_owned(),
                    legend: legend.unwrap_or_default().to_owned(),
                    datasource,
                    expr: variables.fill(expr),
                    may_be_empty: own.or_else(|| why(title)).cloned().unwrap_or_default(),
                    with_its_panel: own.is_none(),
                    excuses: None,
                });
            }
        }
    }
    for until in empty_until {
        // Asked together with the first that it is about.
        let about = queries.iter().find(|query| until.is_about(&query.expr));
        if let Some(PanelQuery { dashboard, datasource, .. }) = about.cloned() {
            queries.push(PanelQuery {
                dashboard,
                panel: until.series.clone(),
                legend: String::new(),
                datasource,
                expr: format!("count({})", until.series),
                may_be_empty: until.why.clone(),
                with_its_panel: false,
                excuses: Some(until.clone()),
            });
        }
    }
    queries
}

/// All panels, those in folded rows too.
fn collect<'a>(holder: &'a Value, panels: &mut Vec<&'a Value>) {
    for panel in holder["panels"].as_array().into_iter().flatten() {
        panels.push(panel);
        collect(panel, panels);
    }
}

/// The uid of a datasource; a variable is taken for the datasource that has its type as uid.
fn source(value: &Value) -> Option<String> {
    let uid = value["uid"].as_str().or_else(|| value.as_str())?;
    if !uid.starts_with('$') {
        return Some(uid.to_owned());
    }
    Some(value["type"].as_str().unwrap_or("prometheus").to_owned())
}

/// A dashboard's variables with the value that each is asked with.
struct Variables(Vec<(String, String)>);

impl Variables {
    fn of(dashboard: &Value) -> Self {
        let mut list: Vec<(String, String)> = ["__rate_interval", "__interval"]
            .map(|name| (name.to_owned(), INTERVAL.to_owned()))
            .into_iter()
            .chain([("__range".to_owned(), RANGE.to_owned()), ("__range_s".to_owned(), "3600".to_owned())])
            .collect();
        for variable in dashboard["templating"]["list"].as_array().into_iter().flatten() {
            let Some(name) = variable["name"].as_str() else { continue };
            let kind = variable["type"].as_str().unwrap_or_default();
            let chosen = variable["current"]["value"].as_str().filter(|value| !value.starts_with("$__"));
            let value = match (kind, chosen) {
                ("constant" | "custom" | "interval" | "textbox", Some(value)) if !value.is_empty() => value,
                ("interval", _) => INTERVAL,
                // What a text box begins with: every line.
                ("textbox", _) => "",
                _ => ".*",
            };
            list.push((name.to_owned(), value.to_owned()));
        }
        // The longest name first: `$a` is the beginning of `$ab`.
        list.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self(list)
    }

    fn fill(&self, expr: &str) -> String {
        let mut text = expr.to_owned();
        for (name, value) in &self.0 {
            if value == ".*" {
                // A pattern needs a matcher that takes patterns.
                for variable in [format!("\"${name}\""), format!("\"${{{name}}}\"")] {
                    text = text.replace(&format!("!={variable}"), "!=\"\"");
                    text = text.replace(&format!("={variable}"), "=~\".*\"");
                }
            }
            text = text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
            // `${name:format}`
            while let Some(start) = text.find(&format!("${{{name}:")) {
                let Some(end) = text[start..].find('}') else { break };
                text.replace_range(start..=start + end, value);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let dashboard = serde_json::json!({"templating": {"list": [
            {"name": "job", "type": "query"},
            {"name": "jobs", "type": "custom", "current": {"value": "a|b"}},
            {"name": "search", "type": "textbox", "current": {"value": ""}},
        ]}});
        let variables = Variables::of(&dashboard);
        let fill = |text: &str| variables.fill(text);
        assert_eq!(fill("rate(x{job=\"$job\"}[$__rate_interval])"), "rate(x{job=~\".*\"}[5m])");
        assert_eq!(fill("x{job=~\"$jobs\", a=~\"${job:regex}\"}"), "x{job=~\"a|b\", a=~\".*\"}");
        assert_eq!(fill("{job=~\"$job\"} |~ \"(?i)$search\""), "{job=~\".*\"} |~ \"(?i)\"");
        assert_eq!(fill("y[${__range}]"), "y[1h]");
    }

    #[test]
    fn panels_in_folded_rows_count_and_datasources_are_inherited() {
        let dashboard = serde_json::json!({"panels": [
            {"type": "row", "panels": [{"title": "in", "datasource": {"uid": "loki"}, "targets": [{"expr": "x"}]}]},
            {"type": "text"},
        ]});
        let mut panels = Vec::new();
        collect(&dashboard, &mut panels);
        assert_eq!(panels.len(), 3);
        assert_eq!(source(&panels[1]["datasource"]).as_deref(), Some("loki"));
        assert_eq!(source(&serde_json::json!({"type": "loki", "uid": "${ds}"})).as_deref(), Some("loki"));
    }
}
