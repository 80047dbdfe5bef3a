//! What every dashboard and every panel must have, so that a person on call can read it.

use std::collections::BTreeSet;

use super::super::{full, variants};
use super::{dashboards, list, steps, string};

/// What Grafana 12 still has, of what we use.
const TYPES: [&str; 6] = ["timeseries", "stat", "bargauge", "table", "logs", "heatmap"];

const COLUMNS: u64 = 24;

#[test]
fn the_dashboards_that_were_asked_for_are_there() {
    let release = full();
    let found: Vec<String> =
        dashboards(&release).iter().map(|dashboard| string(&dashboard.json["uid"]).to_owned()).collect();
    assert_eq!(found, ["docker", "koprogo-overview", "logs", "postgres", "traefik"]);
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit() {
    let mut wrong = Vec::new();
    for dashboard in dashboards(&full()) {
        for panel in dashboard.panels() {
            let kind = string(&panel["type"]);
            let mut complain = |what: &str| {
                wrong.push(format!("{}/{}: {what}", dashboard.name, string(&panel["title"])));
            };
            if string(&panel["title"]).is_empty() {
                complain("no title");
            }
            if !string(&panel["description"]).ends_with('.') {
                complain("no description, or one that is no sentence");
            }
            if !TYPES.contains(&kind) {
                complain(&format!("type {kind}"));
            }
            let uid = string(&panel["datasource"]["uid"]);
            if !["prometheus", "loki"].contains(&uid) || panel["datasource"]["type"] != uid {
                complain(&format!("datasource {}", panel["datasource"]));
            }
            let targets = list(&panel["targets"]);
            if targets.is_empty() {
                complain("asks nothing");
            }
            for target in targets {
                if target["datasource"] != panel["datasource"] {
                    complain("a query asks another datasource");
                }
                if string(&target["expr"]).is_empty() {
                    complain("an empty query");
                }
            }
            let letters: BTreeSet<&str> = targets.iter().map(|target| string(&target["refId"])).collect();
            if letters.len() != targets.len() {
                complain("two queries have one refId");
            }
            // Several lines without names cannot be told apart.
            let unnamed = targets.iter().filter(|target| string(&target["legendFormat"]).is_empty()).count();
            if kind != "logs" && kind != "table" && targets.len() > 1 && unnamed > 0 {
                complain("a query without a legend");
            }
            match kind {
                "logs" => {}
                "table" => {
                    let units = list(&panel["fieldConfig"]["overrides"]).iter().filter(|column| {
                        list(&column["properties"])
                            .iter()
                            .any(|p| p["id"] == "unit" && !string(&p["value"]).is_empty())
                    });
                    if units.count() + unnamed != targets.len() {
                        complain("a column without a unit");
                    }
                }
                _ if string(&panel["fieldConfig"]["defaults"]["unit"]).is_empty() => complain("no unit"),
                _ => {}
            }
            let values: Vec<f64> = steps(panel).iter().filter_map(|(value, _)| *value).collect();
            if kind == "timeseries"
                && values.is_empty()
                    == (panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] == "dashed")
            {
                complain("the threshold is not drawn");
            }
            if !values.is_sorted() {
                complain("the thresholds are not in order");
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn panels_lie_side_by_side_and_have_names_and_numbers_of_their_own() {
    for (variant, release) in variants() {
        for dashboard in dashboards(&release) {
            let name = format!("{variant}: {}", dashboard.name);
            let mut taken = BTreeSet::new();
            let (mut ids, mut titles, mut after) = (BTreeSet::new(), BTreeSet::new(), (0, 0));
            for panel in list(&dashboard.json["panels"]) {
                let title = string(&panel["title"]);
                let side = |side: &str| panel["gridPos"][side].as_u64().unwrap();
                let (x, y, w, h) = (side("x"), side("y"), side("w"), side("h"));
                assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{name}/{title} does not fit");
                assert!((y, x) >= after, "{name}/{title} stands before the one that it follows");
                after = (y, x);
                for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                    assert!(taken.insert(cell), "{name}/{title} lies on another panel");
                }
                assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}/{title}: its id is another's");
                if panel["type"] != "row" {
                    assert!(titles.insert(title), "{name}: two panels are called {title}");
                }
            }
        }
    }
}

/// A row is there for its panels, and everything is in one.
#[test]
fn no_row_is_empty() {
    for (variant, release) in variants() {
        for dashboard in dashboards(&release) {
            let rows: Vec<bool> =
                list(&dashboard.json["panels"]).iter().map(|panel| panel["type"] == "row").collect();
            assert_eq!(rows.first(), Some(&true), "{variant}: {}", dashboard.name);
            assert_eq!(rows.last(), Some(&false), "{variant}: {} ends with an empty row", dashboard.name);
            assert!(!rows.windows(2).any(|pair| pair == [true, true]), "{variant}: {}", dashboard.name);
        }
    }
}

#[test]
fn dashboards_are_told_apart_and_lead_to_each_other() {
    for (variant, release) in variants() {
        let dashboards = dashboards(&release);
        let uids: BTreeSet<&str> =
            dashboards.iter().map(|dashboard| string(&dashboard.json["uid"])).collect();
        let titles: BTreeSet<&str> =
            dashboards.iter().map(|dashboard| string(&dashboard.json["title"])).collect();
        assert_eq!((uids.len(), titles.len()), (dashboards.len(), dashboards.len()), "{variant}");
        for dashboard in &dashboards {
            let (name, json) = (&dashboard.name, &dashboard.json);
            assert_eq!(string(&json["uid"]), name, "{variant}: a file has its dashboard's uid for a name");
            assert!(json["schemaVersion"].as_u64().unwrap() >= 39, "{name}");
            assert!(!string(&json["description"]).is_empty(), "{name}");
            // Everyone is found by the tag, and shows a link to all that have it.
            assert!(list(&json["tags"]).contains(&"koprogo".into()), "{name}");
            let leads =
                |link: &&serde_json::Value| link["type"] == "dashboards" && link["tags"] == json["tags"];
            assert!(list(&json["links"]).iter().any(|link| leads(&link)), "{name} leads nowhere");
            let firing = |note: &&serde_json::Value| {
                note["datasource"]["uid"] == "prometheus"
                    && string(&note["expr"]).contains(r#"ALERTS{alertstate="firing""#)
            };
            assert!(
                list(&json["annotations"]["list"]).iter().any(|note| firing(&note)),
                "{name} shows no alerts"
            );
            for panel in dashboard.panels() {
                for link in list(&panel["links"]) {
                    let target = string(&link["url"]).strip_prefix("/d/").unwrap();
                    let target = target.split('?').next().unwrap();
                    assert!(
                        uids.contains(target),
                        "{variant}: {name}/{} leads to {target}",
                        string(&panel["title"])
                    );
                }
            }
        }
    }
}
