//! The monitoring stack as it is rendered, judged by the programs that will read it: promtool, amtool, compose.
//!
//! The programs come from the lab's images and its VPS: those tests want the lab to be up. The snapshots, and what
//! `rules` and `documented` ask, want nothing.

mod alertmanager;
mod compose;
pub(crate) mod dashboards;
mod documented;
mod prometheus;
mod rendered;
mod rules;
mod tools;

use std::path::Path;

use provision::inventory::Environment;
use provision::stack::{self, Release};

use crate::support::{INVENTORY, Project};

/// An authority's certificate as far as a renderer looks at it.
const AUTHORITY: &str = "  smtp_host_address: 192.0.2.25
  smtp_ca: |
    -----BEGIN CERTIFICATE-----
    bm90IGEgY2VydGlmaWNhdGU=
    -----END CERTIFICATE-----
";

/// What an inventory may choose: name, the line of [`INVENTORY`] that is left out, lines that are added.
const VARIANTS: [(&str, &str, &str); 11] = [
    ("full", "", ""),
    ("without-alertmanager", "", "  components: {alertmanager: false}\n"),
    ("without-node-exporter", "", "  components: {node_exporter: false}\n"),
    ("without-postgres-exporter", "", "  components: {postgres_exporter: false}\n"),
    ("without-backend", "", "  components: {backend: false}\n"),
    ("without-grafana", "", "  components: {grafana: false}\n"),
    (
        "prometheus-alone",
        "",
        "  components: {alertmanager: false, node_exporter: false, postgres_exporter: false, backend: false, grafana: false}\n",
    ),
    ("mail-authority", "", AUTHORITY),
    (
        "mail-without-login",
        "  smtp_username: alertmanager@example.com\n",
        "  alert_email_critical: night@example.com\n",
    ),
    ("dead-mans-switch", "", "  dead_mans_switch: true\n"),
    ("metrics-open", "  metrics_auth: true\n", ""),
];

/// Every variant by its name.
fn variants() -> Vec<(&'static str, Release)> {
    let project = Project::new();
    VARIANTS
        .iter()
        .map(|(name, without, with)| {
            assert!(INVENTORY.contains(without), "{without:?}");
            let inventory =
                if without.is_empty() { INVENTORY.to_owned() } else { INVENTORY.replace(without, "") };
            project.write("inventory/test.yml", &format!("{inventory}{with}"));
            (*name, load(&project, name))
        })
        .collect()
}

/// The variant with everything on.
fn full() -> Release {
    load(&Project::new(), "full")
}

fn load(project: &Project, name: &str) -> Release {
    let environment =
        Environment::load(&project.root(), "test").unwrap_or_else(|error| panic!("{name}: {error:?}"));
    stack::load(&environment).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

/// A rendered file's text.
fn text<'a>(release: &'a Release, path: &str) -> &'a str {
    let file = release.files.get(path).unwrap_or_else(|| panic!("{path} is not rendered"));
    std::str::from_utf8(&file.content).unwrap()
}

/// Writes a release as it would lie on a server.
fn write(release: &Release, folder: &Path) {
    for (path, file) in &release.files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &file.content).unwrap();
    }
}
