//! The monitoring stack as it is rendered, judged by the programs that will read it: promtool, amtool, compose.
//!
//! The programs come from the lab's images and its VPS: those tests want the lab to be up. The snapshots, and what
//! `rules` and `documented` ask, want nothing.

mod alertmanager;
mod compose;
pub(crate) mod dashboards;
mod documented;
mod logs;
mod prometheus;
mod rendered;
pub(crate) mod rules;
mod thresholds;
mod tools;
mod variables;

use std::path::Path;

use provision::inventory::Environment;
use provision::stack::{self, Release};

use crate::support::{INVENTORY, Project};

/// The certificate of an authority that nothing trusts.
const AUTHORITY: &str = "  smtp_host_address: 192.0.2.25
  smtp_ca: |
    -----BEGIN CERTIFICATE-----
    MIIBdDCCARugAwIBAgIUd4INZjRmGlomUlt8rTdYEWG0cF8wCgYIKoZIzj0EAwIw
    DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgwNjAxMjRaGA8yMTI2MTEwNDA2MDEy
    NFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIwi
    +wugTAxACz7kMQ0HZY86Npqm6aKD+EhULdye4V8+mSzcD14j3f0Q6qCDOaXUZ9wj
    RyoEb6em7gcH/C9v3gejUzBRMB0GA1UdDgQWBBQfkQGDOFPz1BK/0asNRtW1u1v1
    xzAfBgNVHSMEGDAWgBQfkQGDOFPz1BK/0asNRtW1u1v1xzAPBgNVHRMBAf8EBTAD
    AQH/MAoGCCqGSM49BAMCA0cAMEQCIBu0nRsKKSw4hg6T/5xz+m2yMnyTA3j3YFj+
    XGel9b0MAiBGUI8xpkWBrtnruRv/KwKyAMIPa7RdTwFwtkIFlZojjQ==
    -----END CERTIFICATE-----
";

/// Grafana behind the application's Traefik; what protects it is added.
const EXPOSED: &str = "  expose:
    domain: grafana.example.com
";
const ALLOWED: &str = "    allow: [192.0.2.0/24, '2001:db8::/32']\n";
/// Lines as `htpasswd -nB` prints them, of no password.
const USERS: &str = "    users:
      - 'ana:$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'
      - 'ben:$2y$10$0123456789abcdefghijkOeW5PJvZWRpSpOT0zuAjPYMYXXJf7bWe'
";

/// What an inventory may choose: name, the line of [`INVENTORY`] that is left out, lines that are added.
fn choices() -> Vec<(&'static str, &'static str, String)> {
    let off = |names: &[&str]| {
        let off: Vec<String> = names.iter().map(|name| format!("{name}: false")).collect();
        format!("  components: {{{}}}\n", off.join(", "))
    };
    vec![
        ("full", "", String::new()),
        ("without-alertmanager", "", off(&["alertmanager"])),
        ("without-node-exporter", "", off(&["node_exporter"])),
        ("without-postgres-exporter", "", off(&["postgres_exporter"])),
        ("without-backend", "", off(&["backend"])),
        ("without-grafana", "", off(&["grafana"])),
        ("without-loki", "", off(&["loki"])),
        ("without-collector", "", off(&["collector"])),
        ("without-cadvisor", "", off(&["cadvisor"])),
        ("without-traefik", "", off(&["traefik"])),
        ("prometheus-alone", "", off(&COMPONENTS)),
        ("promtail", "", "  log_collector: promtail\n".to_owned()),
        ("without-journal", "", "  journal_directory: null\n".to_owned()),
        ("containerd-image-store", "", "  docker_storage_driver: overlayfs\n".to_owned()),
        ("without-kernel-messages", "", "  kernel_messages: false\n".to_owned()),
        ("exposed-to-networks", "", format!("{EXPOSED}{ALLOWED}")),
        ("exposed-to-users", "", format!("{EXPOSED}{USERS}    cert_resolver: null\n")),
        ("exposed-to-both", "", format!("{EXPOSED}{ALLOWED}{USERS}")),
        ("mail-authority", "", AUTHORITY.to_owned()),
        (
            "mail-without-login",
            "  smtp_username: alertmanager@example.com\n",
            "  alert_email_critical: night@example.com\n".to_owned(),
        ),
        ("dead-mans-switch", "", "  dead_mans_switch: true\n".to_owned()),
        ("metrics-open", "  metrics_auth: true\n", String::new()),
        ("odd-text", "  smtp_username: alertmanager@example.com\n", ODD.to_owned()),
    ]
}

/// Text with the characters that compose, Alertmanager, Grafana and the collectors read as more than text, in each
/// variable that takes them.
const ODD: &str = r#"  smtp_username: 'a${b}{{ c }}$$d'
  mail_subject_prefix: '[{{ $x }} ${HOME} %d]'
  alert_email_critical: ['"$x {y}" <a@x.example>']
  smtp_from: '"$x {y}" <a@x.example>'
  grafana_admin_user: 'ad$min{x}'
  log_redactions: ['\$\{(\w+)\}', '"(x{2,3})$']
  runbook_base_url: 'https://a.example/x(y)*!;=[z]'
  log_lines_per_second: 7
  log_deletion: true
"#;

/// The components that can be switched off.
const COMPONENTS: [&str; 9] = [
    "alertmanager",
    "node_exporter",
    "postgres_exporter",
    "backend",
    "grafana",
    "loki",
    "collector",
    "cadvisor",
    "traefik",
];

/// Every variant by its name.
fn variants() -> Vec<(&'static str, Release)> {
    let project = Project::new();
    choices().into_iter().map(|choice| (choice.0, chosen(&project, &choice))).collect()
}

/// One variant.
fn variant(name: &str) -> Release {
    let choice = choices().into_iter().find(|choice| choice.0 == name);
    chosen(&Project::new(), &choice.unwrap_or_else(|| panic!("no variant {name}")))
}

fn chosen(project: &Project, (name, without, with): &(&str, &str, String)) -> Release {
    assert!(INVENTORY.contains(without), "{without:?}");
    let inventory = if without.is_empty() { INVENTORY.to_owned() } else { INVENTORY.replace(without, "") };
    project.write("inventory/test.yml", &format!("{inventory}{with}"));
    load(project, name)
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
