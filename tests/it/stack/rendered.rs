//! What is rendered: a change of a template shows here what it changes on a server.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use insta::assert_snapshot;
use provision::stack::Release;
use serde_yaml::Value;

use super::rules::rules;
use super::{ALLOWED, EXPOSED, chosen, full, text, variant, variants};
use crate::support::Project;

#[test]
fn the_files_of_the_full_stack() {
    let release = full();
    assert_snapshot!("compose", text(&release, "docker-compose.monitoring.yml"));
    assert_snapshot!("prometheus", text(&release, "prometheus/prometheus.yml"));
    assert_snapshot!("alerts", text(&release, "prometheus/alerts/koprogo.yml"));
    for part in ["containers", "traefik", "logs"] {
        assert_snapshot!(format!("alerts_{part}"), text(&release, &format!("prometheus/alerts/{part}.yml")));
    }
    assert_snapshot!("alertmanager", text(&release, "alertmanager/alertmanager.yml"));
    assert_snapshot!("grafana", text(&release, "grafana/grafana.ini"));
    assert_snapshot!("datasources", text(&release, "grafana/provisioning/datasources/datasources.yml"));
    assert_snapshot!("loki", text(&release, "loki/loki.yml"));
    assert_snapshot!("alloy", text(&release, "alloy/config.alloy"));
}

#[test]
fn the_files_of_other_choices() {
    assert_snapshot!("promtail", text(&variant("promtail"), "promtail/promtail.yml"));
    let exposed = variant("exposed-to-both");
    let compose = text(&exposed, "docker-compose.monitoring.yml");
    let grafana = compose.split("\n  grafana:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_snapshot!("exposed", grafana);
}

/// Grafana's own address, which its links begin with, and those that lead to it in mails.
#[test]
fn links_lead_to_where_grafana_is_reached() {
    let exposed = format!("{EXPOSED}{ALLOWED}");
    let named = format!("{exposed}  grafana_url: https://charts.example.com/\n");
    for (lines, url) in [
        ("", "http://localhost:3001"),
        (&exposed, "https://grafana.example.com"),
        (&named, "https://charts.example.com"),
    ] {
        let release = chosen(&Project::new(), &("links", "", lines.to_owned()));
        let grafana = text(&release, "grafana/grafana.ini");
        assert!(grafana.contains(&format!("\nroot_url = \"\"\"{url}\"\"\"\n")), "{grafana}");
        let mails = text(&release, "alertmanager/templates/koprogo.tmpl");
        let links: Vec<&str> = mails.lines().filter(|line| line.contains("http")).collect();
        assert_eq!(links.len(), 2, "{links:?}");
        assert!(links[0].ends_with(&format!(" dashboard {url}{{{{ . }}}}")), "{}", links[0]);
        assert!(links[1].contains(&format!(" href=\"{url}{{{{ . }}}}\">dashboard<")), "{}", links[1]);
    }
}

/// Alertmanager reads the subject as a template: what the inventory gives is text of it, braces included. Several addresses
/// are one text, and a host of Docker stands as it is.
#[test]
fn what_the_inventory_gives_is_text_for_alertmanager() {
    let lines = "  mail_subject_prefix: '[{{ Prod }}] $x'\n  alert_email_critical: [a@x.example, Night <b@x.example>]\n  \
                 smtp_from: Ops <a@x.example>\n  smtp_smarthost: shop_mail:25\n";
    let release = chosen(&Project::new(), &("text", "", lines.to_owned()));
    let sent = text(&release, "alertmanager/alertmanager.yml");
    for line in [
        r#"          Subject: "[{{ \"{{\" }} Prod }}] $x {{ template \"koprogo.subject\" . }}""#,
        r#"      - to: "a@x.example, Night <b@x.example>""#,
        r#"  smtp_from: "Ops <a@x.example>""#,
        r#"  smtp_smarthost: "shop_mail:25""#,
    ] {
        assert!(sent.lines().any(|other| other == line), "{line}\n{sent}");
    }
}

#[test]
fn braces_and_dollars_of_the_inventory_reach_each_program_as_text() {
    let release = variant("odd-text");
    let yaml = |path: &str| -> Value { serde_yaml::from_str(text(&release, path)).unwrap() };
    // Ours and compose's reading of the same file: `compose.rs` has compose read it.
    let Some(provision::stack::Verify::Grafana { user, .. }) = &release.services["grafana"].verify else {
        panic!()
    };
    assert_eq!(user, "ad$min{x}");
    let compose = yaml(&release.compose_file);
    assert_eq!(compose["services"]["grafana"]["x-provision"]["verify"]["user"], "ad$$min{x}");
    assert!(text(&release, "grafana/grafana.ini").contains("\nadmin_user = \"\"\"ad$min{x}\"\"\"\n"));
    let alertmanager = yaml("alertmanager/alertmanager.yml");
    assert_eq!(alertmanager["global"]["smtp_auth_username"], "a${b}{{ c }}$$d");
    assert_eq!(alertmanager["global"]["smtp_from"], "\"$x {y}\" <a@x.example>");
    let subject = &alertmanager["receivers"][0]["email_configs"][0]["headers"]["Subject"];
    assert_eq!(subject, "[{{ \"{{\" }} $x }} ${HOME} %d] {{ template \"koprogo.subject\" . }}");
    let alloy = text(&release, "alloy/config.alloy");
    for expression in [r"\$\{(\w+)\}", "\"(x{2,3})$"] {
        let line = format!("expression = {}", serde_json::to_string(expression).unwrap());
        assert_eq!(alloy.lines().filter(|other| other.trim() == line).count(), 2, "{line}");
    }
}

/// Traefik exposes a container by default: each says whether it may.
#[test]
fn traefik_is_told_of_every_container_and_may_show_grafana_alone() {
    for (name, release) in variants() {
        let compose: Value = serde_yaml::from_str(text(&release, &release.compose_file)).unwrap();
        for (service, definition) in compose["services"].as_mapping().unwrap() {
            let shown = definition["labels"]["traefik.enable"].as_str();
            let wanted = if service == "grafana" && name.starts_with("exposed") { "true" } else { "false" };
            assert_eq!(shown, Some(wanted), "{service:?} in {name}");
        }
    }
}

/// For each variant only what differs from the full stack; of a file that is gone, not what was in it.
#[test]
fn what_each_choice_takes_away_and_adds() {
    let variants = variants();
    let (_, full) = &variants[0];
    let full = parts(full);
    let mut shown = String::new();
    for (name, release) in &variants[1..] {
        let parts = parts(release);
        writeln!(shown, "{name}").unwrap();
        let in_a_file_that_is_gone = |part: &str| {
            let file = part.strip_prefix("in ").and_then(|rest| rest.split_once(": "));
            file.is_some_and(|(path, _)| !release.files.contains_key(path))
        };
        for gone in full.difference(&parts).filter(|part| !in_a_file_that_is_gone(part)) {
            writeln!(shown, "  - {gone}").unwrap();
        }
        for new in parts.difference(&full) {
            writeln!(shown, "  + {new}").unwrap();
        }
    }
    assert_snapshot!(shown);
}

/// Everything that a component could leave behind, a line each.
fn parts(release: &Release) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    parts.extend(release.files.keys().map(|path| format!("file {path}")));
    parts.extend(release.volumes.iter().map(|name| format!("volume {name}")));
    parts.extend(release.networks.iter().map(|name| format!("network {name}")));
    parts.extend(release.secret_names().iter().map(|name| format!("secret {name}")));
    parts.extend(release.services.keys().map(|name| format!("service {name}")));
    for service in release.services.values() {
        parts.extend(service.ports.iter().map(|port| format!("port {port} of {}", service.name)));
        let binds = service.mounts.iter().filter(|mount| mount.source.starts_with('/'));
        parts.extend(binds.map(|mount| format!("{} sees the host's {}", service.name, mount.source)));
    }
    let compose: Value = serde_yaml::from_str(text(release, &release.compose_file)).unwrap();
    for (name, service) in compose["services"].as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        let joined = service.get("networks").and_then(Value::as_sequence).into_iter().flatten();
        parts.extend(joined.map(|network| format!("{name} on {}", network.as_str().unwrap())));
        for key in ["cap_add", "devices", "command"] {
            let items = service.get(key).and_then(Value::as_sequence).into_iter().flatten();
            parts.extend(items.map(|item| format!("{name} {key} {}", item.as_str().unwrap())));
        }
        let labels = service.get("labels").and_then(Value::as_mapping).into_iter().flatten();
        parts.extend(labels.map(|(key, value)| {
            format!("{name} label {} = {}", key.as_str().unwrap(), value.as_str().unwrap())
        }));
    }
    for rule in rules(release) {
        parts.insert(format!("alert {}", rule.shown()));
    }
    let prometheus: Value = serde_yaml::from_str(text(release, "prometheus/prometheus.yml")).unwrap();
    for job in prometheus["scrape_configs"].as_sequence().unwrap() {
        let token = if job.get("authorization").is_some() { " with a token" } else { "" };
        parts.insert(format!("job {}{token}", job["job_name"].as_str().unwrap()));
    }
    if prometheus.get("alerting").is_some() {
        parts.insert("prometheus sends alerts".to_owned());
    }
    for (path, file) in &release.files {
        let text = String::from_utf8_lossy(&file.content);
        if path.starts_with("grafana/dashboards/") {
            let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
            for panel in dashboard["panels"].as_array().unwrap() {
                parts.insert(format!("in {path}: panel {}", panel["title"].as_str().unwrap()));
            }
        } else if ["alertmanager/alertmanager.yml", "alloy/config.alloy", "grafana/grafana.ini"]
            .contains(&path.as_str())
        {
            parts.extend(text.lines().map(|line| format!("in {path}: {}", line.trim())));
        } else if path.ends_with("datasources.yml") {
            let sources: Value = serde_yaml::from_str(&text).unwrap();
            for source in sources["datasources"].as_sequence().unwrap() {
                parts.insert(format!("in {path}: datasource {}", source["name"].as_str().unwrap()));
            }
        }
    }
    parts
}
