//! Values of variables and secrets are what the programs behind them take: what these would refuse on the server is
//! refused here, and nothing else.

use insta::assert_snapshot;

use super::refused;
use crate::support::Project;

/// A project with these lines in the environment's variables, which begin in line 10.
fn project(lines: &str) -> Project {
    let project = Project::new();
    project.variables(lines);
    project
}

fn said_of(lines: &str) -> String {
    refused(&project(lines))
}

/// What `check` prints for variables that are in order.
fn accepted(lines: &str) -> Project {
    let project = project(lines);
    let run = project.provision(&["check", "test"]);
    assert_eq!(run.code, 0, "{lines}\n{}", run.stderr);
    project
}

#[test]
fn sizes_and_durations_are_those_of_prometheus() {
    accepted(
        "  retention_size: 1.5GB\n  retention_time: 1d12h\n  scrape_interval: 0s\n  evaluation_interval: 0s",
    );
    assert_snapshot!(said_of("  retention_size: 120G\n  retention_time: 1h1d\n  group_wait: 30m1h\n  resolve_timeout: 1d1d"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `retention_size` is `120G`, which is not a size
        |   retention_size: 120G
        |   ^
        hint: Write 120GB.

      inventory/test.yml:11:3: `retention_time` is `1h1d`, which is not a duration
        |   retention_time: 1h1d
        |   ^
        hint: Whole numbers with the units y, w, d, h, m, s and ms, from the largest to the smallest, each once: 1d12h.

      inventory/test.yml:12:3: `group_wait` is `30m1h`, which is not a duration
        |   group_wait: 30m1h
        |   ^
        hint: Whole numbers with the units y, w, d, h, m, s and ms, from the largest to the smallest, each once: 1d12h.

      inventory/test.yml:13:3: `resolve_timeout` is `1d1d`, which is not a duration
        |   resolve_timeout: 1d1d
        |   ^
        hint: Whole numbers with the units y, w, d, h, m, s and ms, from the largest to the smallest, each once: 1d12h.
    ");
}

#[test]
fn alertmanagers_intervals_are_above_zero() {
    accepted("  group_wait: 0s\n  resolve_timeout: 0s\n  group_interval: 1ms");
    assert_snapshot!(said_of("  group_interval: 0s\n  repeat_interval: 0h\n  repeat_interval_critical: 0s"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `group_interval` is `0s`, which is not above zero
        |   group_interval: 0s
        |   ^
        hint: The program that reads it refuses zero: 5m, for example.

      inventory/test.yml:11:3: `repeat_interval` is `0h`, which is not above zero
        |   repeat_interval: 0h
        |   ^
        hint: The program that reads it refuses zero: 5m, for example.

      inventory/test.yml:12:3: `repeat_interval_critical` is `0s`, which is not above zero
        |   repeat_interval_critical: 0s
        |   ^
        hint: The program that reads it refuses zero: 5m, for example.
    ");
}

#[test]
fn hosts_are_names_of_docker_or_addresses() {
    accepted("  backend_address: shop_backend:8080\n  postgres_address: '[fd00::5]:5432'");
    assert_snapshot!(said_of("  backend_address: fd00::5:8080\n  smtp_smarthost: smtp.example.com\n  host_gateway_address: '::1'"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `backend_address` is `fd00::5:8080`, which is not a host name with a port
        |   backend_address: fd00::5:8080
        |   ^
        hint: Like smtp.gmail.com:587; an IPv6 address is in brackets: [2001:db8::7]:587.

      inventory/test.yml:11:3: `smtp_smarthost` is `smtp.example.com`, which is not a host name with a port
        |   smtp_smarthost: smtp.example.com
        |   ^
        hint: Like smtp.gmail.com:587; an IPv6 address is in brackets: [2001:db8::7]:587.

      inventory/test.yml:12:3: `host_gateway_address` is `::1`, which is not an IPv4 address
        |   host_gateway_address: '::1'
        |   ^
        hint: Like 172.17.0.1.
    ");
}

#[test]
fn mails_go_to_one_address_or_more_and_come_from_one_with_a_name() {
    accepted("  alert_email_critical: [a@x.example, 'Night <b@x.example>']\n  smtp_from: Ops <a@x.example>");
    accepted("  alert_email_critical: 'a@x.example, b@x.example'");
    assert_snapshot!(said_of("  alert_email_critical: [a@x.example, b.x.example]\n  smtp_from: a@x.example, b@x.example"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `alert_email_critical` has `b.x.example`, which is not an e-mail address
        |   alert_email_critical: [a@x.example, b.x.example]
        |   ^
        hint: Like ops@koprogo.com, or a list of such.

      inventory/test.yml:11:3: `smtp_from` is `a@x.example, b@x.example`, which is more than one e-mail address
        |   smtp_from: a@x.example, b@x.example
        |   ^
        hint: One only.
    ");
}

#[test]
fn what_a_file_would_read_as_something_else_is_refused() {
    let lines = "  prometheus_url: http://a.example/$HOME\n  runbook_base_url: 'https://a.example/{{ x }}'\n  \
                 textfile_directory: /srv/my files\n  grafana_admin_user: ${USER}\n  postgres_database: my db\n  \
                 backend_metrics_path: metrics\n  images: {loki: 'grafana/Loki:3'}\n  memory: {loki: 5}\n  \
                 log_redactions: ['token=\\S+']\n  mail_subject_prefix: \"a\\rb\"";
    assert_snapshot!(said_of(lines), @r#"
    error: failed to load test

      inventory/test.yml:10:3: `prometheus_url` is `http://a.example/$HOME`, which is not a URL
        |   prometheus_url: http://a.example/$HOME
        |   ^
        hint: A host name, and letters, digits and -._~:/?#[]&()*+,;=! after it; others percent-encoded, `$` as %24.

      inventory/test.yml:11:3: `runbook_base_url` is `https://a.example/{{ x }}`, which is not a URL
        |   runbook_base_url: 'https://a.example/{{ x }}'
        |   ^
        hint: A host name, and letters, digits and -._~:/?#[]&()*+,;=! after it; others percent-encoded, `$` as %24.

      inventory/test.yml:12:3: `textfile_directory` is `/srv/my files`, which is not an absolute path of plain characters
        |   textfile_directory: /srv/my files
        |   ^
        hint: Like /var/lib/node_exporter: without blanks, quotes, `:`, `$` and `..`.

      inventory/test.yml:13:3: `grafana_admin_user` is `${USER}`, which cannot be the name of Grafana's administrator
        |   grafana_admin_user: ${USER}
        |   ^
        hint: Without `:`, quotes, `\`, `${`, `$__` and `%(`, which grafana.ini or a login would read otherwise.

      inventory/test.yml:14:3: `postgres_database` is `my db`, which is not a name that needs no quotes in PostgreSQL
        |   postgres_database: my db
        |   ^
        hint: Letters, digits, `-`, `_` and `.`; in quotes where it looks like a number.

      inventory/test.yml:15:3: `backend_metrics_path` is `metrics`, which is not the path of a URL
        |   backend_metrics_path: metrics
        |   ^
        hint: Like /metrics, without a query.

      inventory/test.yml:16:12: `images.loki` is `grafana/Loki:3`, which is not an image
        |   images: {loki: 'grafana/Loki:3'}
        |            ^
        hint: Like docker.io/prom/prometheus:v3.13.3, in small letters.

      inventory/test.yml:17:12: `memory.loki` is 5, which is out of range
        |   memory: {loki: 5}
        |            ^
        hint: At least 6.

      inventory/test.yml:18:20: `log_redactions.0` is `token=\S+`, which has no group, so nothing would be taken out of a line
        |   log_redactions: ['token=\S+']
        |                    ^
        hint: What its groups match becomes `<redacted>`: '(?i)token=(\S+)'.

      inventory/test.yml:19:3: `mail_subject_prefix` is `a\rb`, which has line ends or control characters
        |   mail_subject_prefix: "a\rb"
        |   ^
        hint: One line of text.
    "#);
}

#[test]
fn a_login_name_may_be_one_of_a_directory_service() {
    for (user, code) in [("ana@corp.example", 0), ("'CORP\\ana'", 0), ("'a b'", 2), ("'-oProxyCommand=x'", 2)]
    {
        let project = Project::new();
        project.edit("inventory/test.yml", "user: deploy", &format!("user: {user}"));
        let run = project.provision(&["check", "test"]);
        assert_eq!(run.code, code, "{user}: {}", run.stderr);
    }
}

#[test]
fn a_secret_that_its_program_cannot_read_is_refused_by_name_and_not_repeated() {
    let project = Project::new();
    for (name, value) in [
        ("grafana_admin_password", "Zk3mPq8vLw2x\nRt6yBn4cAbCd"),
        ("metrics_token", "uR5tGh8j\tKl3pQw9e"),
        ("postgres_exporter_password", "xV7bNm2a Sd4fGh6j"),
        ("smtp_password", "kT9s\"Pq2'mZ\\x7$w#Lr4v"),
    ] {
        project.set(name, value);
    }
    let said = refused(&project);
    for value in ["Zk3mPq8vLw2x", "uR5tGh8j", "xV7bNm2a", "kT9s"] {
        assert!(!said.contains(value), "{said}");
    }
    assert_snapshot!(said, @r"
    error: failed to load test

      secrets/test.yml.age: the secret `grafana_admin_password` has line ends in it, and grafana cannot read that
        hint: Set another: `provision secrets set test grafana_admin_password`.

      secrets/test.yml.age: the secret `metrics_token` has control characters in it, and prometheus cannot read that
        hint: Set another: `provision secrets set test metrics_token`.

      secrets/test.yml.age: the secret `postgres_exporter_password` has a blank in it, and postgres-exporter cannot read that
        hint: Set another: `provision secrets set test postgres_exporter_password`.
    ");
}
