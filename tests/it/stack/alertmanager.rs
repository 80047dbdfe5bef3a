//! amtool takes every variant's configuration, and sends every alert where it belongs.

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};

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

/// Alerts that fire together on one server, and whether each is silent beside the others.
type Scene = (&'static str, &'static [(bool, &'static str)]);

const SCENES: [Scene; 12] = [
    (
        "the-critical-form",
        &[
            (
                false,
                "alertname=DiskSpaceLow severity=critical job=node-exporter instance=host device=/dev/vda1 mountpoint=/",
            ),
            (
                true,
                "alertname=DiskSpaceLow severity=warning job=node-exporter instance=host device=/dev/vda1 mountpoint=/",
            ),
            (
                true,
                "alertname=DiskWillFill24h severity=warning job=node-exporter instance=host device=/dev/vda1 mountpoint=/",
            ),
            (
                false,
                "alertname=DiskSpaceLow severity=warning job=node-exporter instance=host device=/dev/vdb1 mountpoint=/data",
            ),
            (
                false,
                "alertname=DiskWillFill24h severity=warning job=node-exporter instance=host device=/dev/vdc1 mountpoint=/srv",
            ),
            (false, "alertname=ErrorBudgetBurn severity=critical burn=fast service=backend"),
            (true, "alertname=ErrorBudgetBurn severity=warning burn=slow service=backend"),
            (false, "alertname=ErrorBudgetBurn severity=warning burn=slow service=frontend"),
        ],
    ),
    (
        "postgresql-down",
        &[
            (false, "alertname=PostgreSQLDown severity=critical job=postgres-exporter instance=exporter"),
            (
                true,
                "alertname=PostgreSQLConnectionsHigh severity=warning job=postgres-exporter instance=exporter",
            ),
            (
                true,
                "alertname=PostgreSQLSlowQueries severity=warning job=postgres-exporter instance=exporter",
            ),
            (true, "alertname=PostgreSQLCapacity severity=warning job=postgres-exporter instance=exporter"),
            (true, "alertname=ErrorBudgetBurn severity=critical burn=fast service=backend"),
            (true, "alertname=ApiLatencyP99High severity=warning service=backend"),
            // The container says why.
            (false, "alertname=ContainerDown severity=critical name=koprogo-postgres job=koprogo-postgres"),
            (false, "alertname=HostMemoryPressure severity=warning job=node-exporter instance=host"),
        ],
    ),
    (
        "node-exporter-down",
        &[
            (false, "alertname=TargetDown severity=warning job=node-exporter instance=host"),
            (true, "alertname=BackupMetricAbsent severity=warning"),
            (true, "alertname=BackupTooOld severity=critical job=node-exporter instance=host"),
        ],
    ),
    (
        "grafana-down",
        &[
            (false, "alertname=TargetDown severity=warning job=grafana instance=grafana"),
            (false, "alertname=BackupMetricAbsent severity=warning"),
        ],
    ),
    // Its metrics are gone, and with them those of all containers.
    (
        "cadvisor-down",
        &[
            (
                false,
                "alertname=ContainerDown severity=warning name=koprogo-monitoring-cadvisor-1 job=cadvisor",
            ),
            (true, "alertname=TargetDown severity=warning job=cadvisor instance=cadvisor"),
            (true, "alertname=ContainerDown severity=warning name=koprogo-monitoring-grafana-1 job=grafana"),
            (true, "alertname=ContainerDown severity=critical name=koprogo-postgres job=koprogo-postgres"),
        ],
    ),
    (
        "cadvisor-missing",
        &[
            (false, "alertname=TargetMissing severity=warning job=cadvisor"),
            (true, "alertname=ContainerDown severity=critical name=koprogo-postgres job=koprogo-postgres"),
            (false, "alertname=TargetMissing severity=warning job=loki"),
        ],
    ),
    (
        "container-down",
        &[
            (false, "alertname=ContainerDown severity=critical name=koprogo-backend job=koprogo-backend"),
            (true, "alertname=TargetDown severity=critical job=koprogo-backend instance=backend"),
            (true, "alertname=ErrorBudgetBurn severity=critical burn=fast service=backend"),
            (false, "alertname=ContainerDown severity=warning name=koprogo-monitoring-grafana-1 job=grafana"),
            (true, "alertname=TargetDown severity=warning job=grafana instance=grafana"),
            (false, "alertname=TargetDown severity=warning job=alertmanager instance=alertmanager"),
        ],
    ),
    (
        "traefik-down",
        &[
            (false, "alertname=TargetDown severity=critical job=traefik instance=traefik"),
            (true, "alertname=ApiLatencyP99High severity=warning service=backend"),
            (false, "alertname=TlsCertificateExpiring severity=warning cn=koprogo.com"),
        ],
    ),
    (
        "cpu-saturated",
        &[
            (false, "alertname=HostCpuSaturated severity=warning job=node-exporter instance=host"),
            (true, "alertname=ApiLatencyP99High severity=warning service=backend"),
            // They may be why.
            (
                false,
                "alertname=PostgreSQLSlowQueries severity=warning job=postgres-exporter instance=exporter",
            ),
            (false, "alertname=ErrorBudgetBurn severity=warning burn=slow service=backend"),
        ],
    ),
    (
        "loki-down",
        &[
            (false, "alertname=TargetDown severity=warning job=loki instance=loki"),
            (
                true,
                "alertname=CollectorDroppingLogs severity=warning job=alloy instance=alloy reason=ingester_error",
            ),
        ],
    ),
    (
        "collector-down",
        &[
            (false, "alertname=TargetDown severity=warning job=alloy instance=alloy"),
            (true, "alertname=LogsMissing severity=warning job=loki instance=loki"),
            (false, "alertname=LokiCompactorStale severity=warning job=loki instance=loki"),
        ],
    ),
    (
        "loki-discarding",
        &[
            (false, "alertname=LokiDiscarding severity=warning job=loki instance=loki reason=line_too_long"),
            (
                true,
                "alertname=CollectorDroppingLogs severity=warning job=alloy instance=alloy reason=rate_limited",
            ),
        ],
    ),
];

/// What follows from a cause is silent beside it; what only looks alike is not. A real Alertmanager decides; each scene
/// is a server of its own to it.
#[test]
fn a_cause_silences_what_follows_from_it() {
    let folder = tempfile::tempdir().unwrap();
    write(&full(), folder.path());
    let mut script =
        "alertmanager --config.file=/etc/alertmanager/alertmanager.yml --storage.path=/tmp/data \
         --cluster.listen-address= >/tmp/log 2>&1 &
         api=http://127.0.0.1:9093
         for try in $(seq 50); do wget -q -O /dev/null $api/-/ready && break; sleep 0.2; done\n"
            .to_owned();
    let mut expected = Vec::new();
    for (scene, alerts) in SCENES {
        for (number, (is_silent, alert)) in alerts.iter().enumerate() {
            // The number shows which alert it was, and no rule looks at it.
            writeln!(
                script,
                "amtool --alertmanager.url=$api alert add environment=test domain={scene} number={number} {alert}"
            )
            .unwrap();
            if *is_silent {
                expected.push(format!("{scene}: {alert}"));
            }
        }
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
        expected.len()
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
            let label = |name: &str| alert["labels"][name].as_str().unwrap();
            let (_, alerts) = SCENES.into_iter().find(|(scene, _)| *scene == label("domain")).unwrap();
            format!("{}: {}", label("domain"), alerts[label("number").parse::<usize>().unwrap()].1)
        })
        .collect();
    silent.sort();
    expected.sort();
    assert_eq!(silent, expected);
}

/// What a person gets: Alertmanager's own template engine fills in two alerts that fire, one of them that ended, and the
/// alert of `provision verify --send-test-alert`, which has no links.
#[test]
fn mails_say_what_is_wrong_and_where_to_look() {
    let folder = tempfile::tempdir().unwrap();
    write(&full(), folder.path());
    for (file, status, ended) in
        [("firing", "firing", "0001-01-01T00:00:00Z"), ("resolved", "resolved", "2026-11-24T13:05:00Z")]
    {
        let alert = |mountpoint: &str, status: &str, ended: &str| {
            json!({
                "status": status,
                "labels": {"alertname": "DiskSpaceLow", "severity": "critical", "mountpoint": mountpoint},
                "annotations": {
                    "summary": format!("{mountpoint} has 9 % free"),
                    "description": format!("The file system on {mountpoint} (<vda1>) has had less than 10 % free for 5m."),
                    "runbook_url": "https://docs.example.com/alerts.md#diskspacelow",
                    "dashboard": "/d/koprogo-overview",
                },
                "startsAt": "2026-11-24T12:55:30Z",
                "endsAt": ended,
                "generatorURL": "http://localhost:9090/graph?g0.expr=disk+%3C+10",
                "fingerprint": mountpoint,
            })
        };
        let mut alerts = vec![alert("/", status, ended)];
        if status == "firing" {
            alerts.push(alert("/data", status, ended));
        }
        let common = json!({"alertname": "DiskSpaceLow", "severity": "critical", "domain": "koprogo.com", "environment": "prod"});
        let data = json!({
            "receiver": "mail-critical", "status": status, "alerts": alerts, "groupLabels": common, "commonLabels": common,
            "commonAnnotations": {}, "externalURL": "http://localhost:9093",
        });
        std::fs::write(folder.path().join(format!("{file}.json")), data.to_string()).unwrap();
    }
    let common = json!({"alertname": "ProvisionTest-7f3a", "severity": "warning", "instance": "vps"});
    let data = json!({
        "receiver": "mail", "status": "firing", "groupLabels": common, "commonLabels": common,
        "commonAnnotations": {}, "externalURL": "http://localhost:9093",
        "alerts": [{
            "status": "firing", "labels": common, "startsAt": "2026-11-24T12:55:30Z", "endsAt": "0001-01-01T00:00:00Z",
            "annotations": {"summary": "A test", "description": "There is nothing to do."},
            "generatorURL": "", "fingerprint": "test",
        }],
    });
    std::fs::write(folder.path().join("test.json"), data.to_string()).unwrap();
    let printed = in_image_of(
        "alertmanager",
        &[(folder.path(), "/stack")],
        "for status in firing resolved test; do
             for part in subject text html; do
                 kind=text; [ $part != html ] || kind=html
                 printf '=== %s %s\\n' $status $part
                 amtool template render --template.glob='/stack/alertmanager/templates/*.tmpl' --template.type=$kind \
                     --template.data=/stack/$status.json --template.text=\"{{ template \\\"koprogo.$part\\\" . }}\"
                 echo
             done
         done",
    );
    assert_snapshot!("mails", printed);
}
