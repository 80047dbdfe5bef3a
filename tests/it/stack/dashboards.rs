//! The stack's own dashboards as they are rendered: what a panel must have, that each choice takes its panels away, and
//! what they ask, as data for the tests that ask it. Those under `community/` are other people's.

mod choices;
mod expressions;
mod form;

use provision::stack::Release;
use serde_json::Value;

use super::text;

/// A dashboard of ours.
pub(crate) struct Dashboard {
    /// The file's name without its ending.
    pub(crate) name: String,
    pub(crate) json: Value,
}

/// What a panel asks, with Grafana's variables put in as for "All" and an empty search.
#[derive(Debug)]
pub(crate) struct Query {
    /// The dashboard's uid.
    pub(crate) dashboard: String,
    /// The panel's title.
    pub(crate) panel: String,
    /// The datasource's uid: `prometheus` or `loki`.
    pub(crate) datasource: String,
    /// In the datasource's language.
    pub(crate) expr: String,
    /// Whether it is asked for now only; else over the dashboard's time.
    pub(crate) instant: bool,
}

/// All dashboards of ours, in the order of their names.
pub(crate) fn dashboards(release: &Release) -> Vec<Dashboard> {
    let own = release.files.keys().filter_map(|path| {
        let name = path.strip_prefix("grafana/dashboards/")?.strip_suffix(".json")?;
        (!name.contains('/')).then_some((path, name))
    });
    own.map(|(path, name)| Dashboard {
        name: name.to_owned(),
        json: serde_json::from_str(text(release, path)).unwrap(),
    })
    .collect()
}

/// Every query of every panel of every dashboard of ours.
pub(crate) fn queries(release: &Release) -> Vec<Query> {
    let mut queries = Vec::new();
    for dashboard in dashboards(release) {
        for panel in dashboard.panels() {
            for target in list(&panel["targets"]) {
                queries.push(Query {
                    dashboard: string(&dashboard.json["uid"]).to_owned(),
                    panel: string(&panel["title"]).to_owned(),
                    datasource: string(&target["datasource"]["uid"]).to_owned(),
                    expr: dashboard.filled_in(string(&target["expr"])),
                    instant: target["instant"] == true || target["queryType"] == "instant",
                });
            }
        }
    }
    queries
}

impl Dashboard {
    /// The panels that show something; the rows' headings are none.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        list(&self.json["panels"]).iter().filter(|panel| panel["type"] != "row")
    }

    fn variables(&self) -> &[Value] {
        list(&self.json["templating"]["list"])
    }

    /// An expression with values in the place of Grafana's variables.
    fn filled_in(&self, expr: &str) -> String {
        let mut filled = expr.to_owned();
        for (variable, value) in
            [("__rate_interval", "1m"), ("__interval", "1m"), ("__auto", "1m"), ("__range", "1h")]
        {
            filled = filled.replace(&format!("${variable}"), value);
        }
        for variable in self.variables() {
            let value = variable["allValue"].as_str().unwrap_or_default();
            filled = filled.replace(&format!("${}", string(&variable["name"])), value);
        }
        assert!(!filled.contains('$'), "{}: a variable that nothing defines: {filled}", self.name);
        filled
    }
}

/// A panel's steps: from which value on it has which colour. The first has no value.
fn steps(panel: &Value) -> Vec<(Option<f64>, &str)> {
    let own = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"];
    let of_columns = list(&panel["fieldConfig"]["overrides"])
        .iter()
        .flat_map(|column| list(&column["properties"]))
        .filter(|property| property["id"] == "thresholds")
        .flat_map(|property| list(&property["value"]["steps"]));
    list(own).iter().chain(of_columns).map(|step| (step["value"].as_f64(), string(&step["color"]))).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
