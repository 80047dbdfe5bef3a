//! What a deploy does when all goes well.

use std::sync::atomic::Ordering;

use super::{Lab, Run, vps, way};
use crate::schema;

#[test]
fn a_second_deploy_says_so_and_touches_nothing() {
    let lab = Lab::take();
    let ids = "docker ps --no-trunc --format '{{.ID}} {{.Names}} {{.RunningFor}}' | cut -d ' ' -f 1,2 | sort";
    let changed =
        "find /opt/koprogo /etc/systemd /run/provision -newer /tmp/mark -type f | grep -v control || true";
    let (before, _) = (vps(ids), vps("touch /tmp/mark"));
    let run = lab.deploy();
    run.ends_with(0, &[]);
    assert!(run.stdout.contains("nothing was touched"), "{}", run.stdout);
    assert_eq!(vps(ids), before);
    assert_eq!(vps(changed), "");
}

#[test]
fn a_changed_rule_is_reloaded_and_nothing_is_recreated() {
    let lab = Lab::take();
    let ids = "docker ps -aq | xargs docker inspect --format '{{.Id}} {{.Name}} {{.State.StartedAt}}' | sort";
    let before = vps(ids);
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  cpu_percent: 84");
    let (port, sent) = way::counted();
    way::go_by(lab.project.path(), port);
    let plan = lab.provision(&["plan", "lab", "--detailed-exitcode"]);
    assert_eq!(plan.code, 10, "{}", plan.stderr);
    assert!(
        plan.stdout.contains("prometheus: reload (prometheus/alerts/koprogo.yml changed)"),
        "{}",
        plan.stdout
    );
    let begun: i64 = vps("date +%s").parse().unwrap();
    sent.store(0, Ordering::Relaxed);
    let run = lab.provision(&["deploy", "lab", "--output", "json"]);
    run.ends_with(0, &[]);
    let sent = sent.load(Ordering::Relaxed);
    // The budget of docs/bench.md. A check that is asked once more costs some of it.
    assert!(sent <= 12_000, "{sent} bytes were sent for one changed rule");
    assert_eq!(vps(ids), before);
    assert!(reloaded_since(&run, "prometheus.configuration") >= begun);
    let rules =
        vps("docker exec koprogo-monitoring-prometheus-1 wget -q -O - http://127.0.0.1:9090/api/v1/rules");
    assert!(
        rules.contains("> 84") || rules.contains(">84") || rules.contains("\\u003e 84"),
        "the new rule does not run"
    );
}

/// Since when a check of a deploy with `--output json` wanted its service to have reloaded: seconds since 1970.
fn reloaded_since(run: &Run, check: &str) -> i64 {
    let lines = schema::valid(&run.stdout);
    let finding =
        lines.iter().map(|line| &line["finding"]).find(|finding| finding["check"] == check).unwrap();
    let expected = finding["expected"].as_str().unwrap();
    let (_, since) = expected.split_once("reloaded since ").unwrap_or_else(|| panic!("{expected}"));
    since.parse::<jiff::Timestamp>().unwrap().as_second()
}

#[test]
fn a_changed_mail_is_reloaded_though_the_configuration_is_the_same() {
    let lab = Lab::take();
    let mail = lab.path("stack/monitoring/alertmanager/templates/koprogo.tmpl.tera");
    let text = std::fs::read_to_string(&mail).unwrap();
    std::fs::write(&mail, format!("{text}{{% raw %}}{{{{ define \"x\" }}}}{{{{ end }}}}{{% endraw %}}\n"))
        .unwrap();
    let begun: i64 = vps("date +%s").parse().unwrap();
    let run = lab.provision(&["deploy", "lab", "--output", "json"]);
    run.ends_with(0, &[]);
    assert!(reloaded_since(&run, "alertmanager.configuration") >= begun);
    // One that cannot be parsed is refused by the image's own tool before it is put in place.
    std::fs::write(&mail, format!("{text}{{% raw %}}{{{{ define \"x\" }}}}{{% endraw %}}\n")).unwrap();
    lab.deploy().ends_with(5, &["alertmanager refuses its new configuration: template: koprogo.tmpl"]);
    // Where nothing reads it beforehand, Alertmanager refuses it, and the host goes back.
    lab.edit(
        "stack/monitoring/docker-compose.monitoring.yml.tera",
        "      validate: [amtool, check-config, /etc/alertmanager/alertmanager.yml]\n",
        "",
    );
    lab.deploy().ends_with(
        5,
        &[
            "alertmanager.configuration",
            "the last reload failed (alertmanager_config_last_reload_successful is 0)",
        ],
    );
}

#[test]
fn sshd_saw_real_logins() {
    let lab = Lab::take();
    let count = || -> usize {
        vps("journalctl -u ssh --no-pager | grep -c 'Accepted publickey for deploy'").parse().unwrap()
    };
    let before = count();
    lab.provision(&["verify", "lab"]).ends_with(0, &[]);
    assert_eq!(count(), before + 1);
}

#[test]
fn verify_prints_a_table_and_json() {
    let lab = Lab::take();
    let run = lab.provision(&["verify", "lab"]);
    run.ends_with(0, &[]);
    for check in
        ["prometheus.targets", "prometheus.rules", "grafana.health", "grafana.login", "alertmanager.ready"]
    {
        assert!(run.stdout.contains(check), "{check} is not in\n{}", run.stdout);
    }
    let run = lab.provision(&["verify", "lab", "--output", "json"]);
    run.ends_with(0, &[]);
    let lines = schema::valid(&run.stdout);
    assert!(lines.iter().all(|line| line["version"] == 1));
    assert!(
        lines
            .iter()
            .filter(|line| line["event"] == "checked")
            .all(|line| line["finding"]["status"] == "holds")
    );
    assert_eq!(lines.last().unwrap()["exit_code"], 0);
}

#[test]
fn a_tunnel_reaches_grafana_until_it_is_stopped() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let lab = Lab::take();
    let mut child = lab.spawn(&["tunnel", "lab"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("grafana ")).expect("a line for grafana");
    let address = line.split("http://").nth(1).unwrap().to_owned();
    let asked = |more: &str| {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        write!(stream, "GET /api/health HTTP/1.1\r\nHost: {address}\r\n{more}Connection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = asked("");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"database\""), "{answer}");
    let answer = asked("Origin: https://evil.example\r\n");
    assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("\"database\""), "{answer}");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn logs_show_what_a_service_says() {
    let lab = Lab::take();
    let run = lab.provision(&["logs", "lab", "prometheus", "-n", "5"]);
    run.ends_with(0, &[]);
    assert_eq!(run.stdout.lines().filter(|line| line.contains("level=")).count(), 5, "{}", run.stdout);
    lab.provision(&["logs", "lab", "promteus"]).ends_with(2, &["Did you mean `prometheus`?"]);
}

#[test]
fn root_deploys_without_sudo() {
    let lab = Lab::take();
    lab.edit("inventory/lab.yml", "user: deploy", "user: root");
    lab.edit("inventory/lab.yml", "sudo: true", "sudo: false");
    lab.deploy().ends_with(0, &[]);
}
