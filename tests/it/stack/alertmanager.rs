//! amtool takes every variant's configuration, and sends every alert where it belongs.

use std::fmt::Write as _;

use serde_json::Value;

use super::rules::{Rule, rules};
use super::tools::in_image_of;
use super::{full, variants, write};

/// Where an alert belongs.
fn receiver(rule: &Rule, dead_mans_switch: bool) -> &'static str {
    match (rule.name.as_str(), rule.labels["severity"].as_str()) {
        ("Watchdog", _) if dead_mans_switch => "dead-mans-switch",
        ("Watchdog", _) => "nobody",
        (_, "critical") => "mail-critical",
        _ => "mail",
    }
}

#[test]
fn amtool_takes_every_variant_and_routes_every_alert() {
    let folder = tempfile::tempdir().unwrap();
    let (mut script, mut expected) = (String::new(), Vec::new());
    for (name, release) in variants() {
        if !release.services.contains_key("alertmanager") {
            assert!(!release.files.keys().any(|path| path.starts_with("alertmanager/")), "{name}");
            continue;
        }
        write(&release, &folder.path().join(name));
        writeln!(
            script,
            "rm -rf /etc/alertmanager; ln -s /stack/{name}/alertmanager /etc/alertmanager
             amtool check-config /etc/alertmanager/alertmanager.yml >/tmp/said || {{ cat /tmp/said; exit 1; }}
             grep -q '1 templates' /tmp/said || {{ cat /tmp/said; exit 1; }}"
        )
        .unwrap();
        for rule in rules(&release) {
            let labels: Vec<String> =
                rule.labels.iter().map(|(label, value)| format!("'{label}={value}'")).collect();
            writeln!(
                script,
                "echo \"{name} {} $(amtool config routes test --config.file=/etc/alertmanager/alertmanager.yml \
                 'alertname={}' {})\"",
                rule.shown(),
                rule.name,
                labels.join(" ")
            )
            .unwrap();
            expected.push(format!("{name} {} {}", rule.shown(), receiver(&rule, name == "dead-mans-switch")));
        }
    }
    let printed = in_image_of("alertmanager", &[(folder.path(), "/stack")], &script);
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

/// What follows from a cause is silent beside it; what only looks alike is not. A real Alertmanager decides.
#[test]
fn a_cause_silences_what_follows_from_it() {
    const ALERTS: [&str; 9] = [
        "alertname=DiskSpaceLow severity=critical job=node-exporter instance=host device=/dev/vda1 mountpoint=/",
        "alertname=DiskSpaceLow severity=warning job=node-exporter instance=host device=/dev/vda1 mountpoint=/",
        "alertname=DiskSpaceLow severity=warning job=node-exporter instance=host device=/dev/vdb1 mountpoint=/data",
        "alertname=PostgreSQLDown severity=critical job=postgres-exporter instance=exporter",
        "alertname=PostgreSQLConnectionsHigh severity=warning job=postgres-exporter instance=exporter",
        "alertname=TargetDown severity=warning job=node-exporter instance=host",
        "alertname=BackupMetricAbsent severity=warning",
        "alertname=TargetDown severity=critical job=koprogo-backend instance=backend",
        "alertname=HostMemoryPressure severity=warning job=node-exporter instance=host",
    ];
    const SILENT: [&str; 3] = ["BackupMetricAbsent ", "DiskSpaceLow /", "PostgreSQLConnectionsHigh "];
    let folder = tempfile::tempdir().unwrap();
    write(&full(), folder.path());
    let mut script =
        "alertmanager --config.file=/etc/alertmanager/alertmanager.yml --storage.path=/tmp/data \
         --cluster.listen-address= >/tmp/log 2>&1 &
         api=http://127.0.0.1:9093
         for try in $(seq 50); do wget -q -O /dev/null $api/-/ready && break; sleep 0.2; done\n"
            .to_owned();
    for alert in ALERTS {
        writeln!(script, "amtool --alertmanager.url=$api alert add environment=test {alert}").unwrap();
    }
    // The rules act a moment after the alerts are there.
    writeln!(
        script,
        "for try in $(seq 50); do
             wget -q -O /tmp/silent \"$api/api/v2/alerts?active=false&unprocessed=false&silenced=false\"
             [ \"$(grep -o fingerprint /tmp/silent | wc -l)\" -lt {} ] || break
             sleep 0.2
         done
         cat /tmp/silent",
        SILENT.len()
    )
    .unwrap();
    let printed =
        in_image_of("alertmanager", &[(&folder.path().join("alertmanager"), "/etc/alertmanager")], &script);
    let silent: Value = serde_json::from_str(&printed).unwrap();
    let mut silent: Vec<String> = silent
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| {
            let label = |name: &str| alert["labels"][name].as_str().unwrap_or_default();
            format!("{} {}", label("alertname"), label("mountpoint"))
        })
        .collect();
    silent.sort();
    assert_eq!(silent, SILENT);
}
