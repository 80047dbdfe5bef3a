//! Mistakes in the inventory.

use insta::assert_snapshot;

use super::{refused, refused_alike};
use crate::support::{INVENTORY, Project};

/// The project with `from` replaced by `to` in the environment's file.
fn with(from: &str, to: &str) -> Project {
    let project = Project::new();
    project.edit("inventory/test.yml", from, to);
    project
}

/// The project with one more variable.
fn variable(line: &str) -> String {
    let project = Project::new();
    let name = line.split(':').next().unwrap();
    let mut lines: Vec<&str> =
        INVENTORY.lines().filter(|line| !line.starts_with(&format!("  {name}:"))).collect();
    let line = format!("  {line}\n");
    lines.push(&line);
    project.write("inventory/test.yml", &lines.join("\n"));
    refused(&project)
}

#[test]
fn a_yaml_syntax_error_shows_its_line() {
    assert_snapshot!(refused(&with("sudo: true}", "sudo: true")), @r"
    error: failed to load the inventory of test

      inventory/test.yml:4:10: while parsing a flow mapping, did not find expected ',' or '}'
        | variables:
        |          ^
    ");
    assert_snapshot!(refused(&with("  domain: koprogo.example.com", "\tdomain: koprogo.example.com")), @r"
    error: failed to load the inventory of test

      inventory/test.yml:5:2: tabs disallowed within this context (block indentation)
        | 	domain: koprogo.example.com
        |  ^
    ");
}

#[test]
fn a_syntax_error_hides_nothing_of_the_other_file() {
    let project = with("sudo: true}", "sudo: true");
    project.edit("inventory/all.yml", "stack: monitoring ", "stak: monitoring ");
    assert_snapshot!(refused(&project), @r"
    error: failed to load the inventory of test

      inventory/all.yml:6:1: unknown field `stak`
        | stak: monitoring                    # the folder under stack/
        | ^
        hint: Did you mean `stack`?

      inventory/test.yml:4:10: while parsing a flow mapping, did not find expected ',' or '}'
        | variables:
        |          ^
    ");
}

#[test]
fn a_key_that_stands_twice_names_both_lines() {
    assert_snapshot!(refused(&with("  metrics_auth: true", "  metrics_auth: true\n  alert_email: b@example.com")), @r"
    error: failed to load the inventory of test

      inventory/test.yml:10:3: `alert_email` stands here a second time
        |   alert_email: b@example.com
        |   ^
        hint: It is already set in line 7: keep one of the two.
    ");
}

#[test]
fn an_unknown_key_is_met_with_the_nearest_known_one() {
    assert_snapshot!(refused(&with("variables:", "variabels:")), @r"
    error: failed to load the inventory of test

      inventory/test.yml:4:1: unknown field `variabels`
        | variabels:
        | ^
        hint: Did you mean `variables`?
    ");
    assert_snapshot!(refused(&with("user: deploy", "usr: deploy")), @r"
    error: failed to load the inventory of test

      inventory/test.yml:2:38: hosts.vps: unknown field `usr`
        |   vps: {address: 127.0.0.1, port: 1, usr: deploy, sudo: true}
        |                                      ^
        hint: Did you mean `user`?
    ");
}

#[test]
fn an_unknown_variable_is_met_with_the_nearest_known_one() {
    assert_snapshot!(variable("scrape_intervall: 15s"), @r"
    error: failed to load test

      inventory/test.yml:10:3: the stack has no variable `scrape_intervall`
        |   scrape_intervall: 15s
        |   ^
        hint: Did you mean `scrape_interval`?
    ");
    assert_snapshot!(variable("colour: blue"), @r"
    error: failed to load test

      inventory/test.yml:10:3: the stack has no variable `colour`
        |   colour: blue
        |   ^
        hint: stack/monitoring/variables.yml has all that can be set.
    ");
}

#[test]
fn a_missing_variable_says_what_to_write() {
    assert_snapshot!(refused(&with("  alert_email: ops@example.com\n", "")), @r"
    error: failed to load test

      inventory/test.yml: the variable `alert_email` is missing
        hint: Set it below `variables:`, like `alert_email: ops@example.org`. Who gets the mails: one address, several with commas between them, or a list.
    ");
}

#[test]
fn each_type_says_what_it_takes() {
    assert_snapshot!(variable("alert_email: ops.example.com"), @r"
    error: failed to load test

      inventory/test.yml:9:3: `alert_email` is `ops.example.com`, which is not an e-mail address
        |   alert_email: ops.example.com
        |   ^
        hint: Like ops@koprogo.com, or a list of such.
    ");
    let no_domain = variable("alert_email: ops@");
    assert_snapshot!(no_domain, @r"
    error: failed to load test

      inventory/test.yml:9:3: `alert_email` is `ops@`, which is not an e-mail address
        |   alert_email: ops@
        |   ^
        hint: Like ops@koprogo.com, or a list of such.
    ");
    assert_snapshot!(variable("retention_time: 30"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `retention_time` is `30`, which is not a duration
        |   retention_time: 30
        |   ^
        hint: It needs a unit: 15s, 5m, 12h or 30d.
    ");
    assert_snapshot!(variable("retention_time: \"30\""), @r#"
    error: failed to load test

      inventory/test.yml:10:3: `retention_time` is `30`, which is not a duration
        |   retention_time: "30"
        |   ^
        hint: It needs a unit: 15s, 5m, 12h or 30d.
    "#);
    assert_snapshot!(variable("retention_size: 4"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `retention_size` is `4`, which is not a size
        |   retention_size: 4
        |   ^
        hint: It needs a unit: 500MB or 10GB.
    ");
    assert_snapshot!(variable("domain: https://koprogo.example.com/"), @r"
    error: failed to load test

      inventory/test.yml:9:3: `domain` is `https://koprogo.example.com/`, which has a scheme in it
        |   domain: https://koprogo.example.com/
        |   ^
        hint: Only the name: koprogo.com instead of https://koprogo.com/.
    ");
    assert_snapshot!(variable("domain: koprogo_example"), @r"
    error: failed to load test

      inventory/test.yml:9:3: `domain` is `koprogo_example`, which is not a host name
        |   domain: koprogo_example
        |   ^
        hint: Letters, digits, `-` and `.`, like koprogo.com.
    ");
    assert_snapshot!(variable("grafana_port: 99999"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `grafana_port` is `99999`, which is not a port
        |   grafana_port: 99999
        |   ^
        hint: A number from 1 to 65535.
    ");
    assert_snapshot!(variable("grafana_port: \"3001\""), @r#"
    error: failed to load test

      inventory/test.yml:10:3: `grafana_port` is `3001`, which is not a port
        |   grafana_port: "3001"
        |   ^
        hint: A number from 1 to 65535.
    "#);
    assert_snapshot!(variable("cpu_percent: 850"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `cpu_percent` is `850`, which is not between 0 and 100
        |   cpu_percent: 850
        |   ^
        hint: A number without the sign: 85.
    ");
}

#[test]
fn each_type_says_what_it_takes_of_addresses_numbers_and_lists() {
    assert_snapshot!(variable("smtp_smarthost: smtp.gmail.com"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `smtp_smarthost` is `smtp.gmail.com`, which is not a host name with a port
        |   smtp_smarthost: smtp.gmail.com
        |   ^
        hint: Like smtp.gmail.com:587; an IPv6 address is in brackets: [2001:db8::7]:587.
    ");
    assert_snapshot!(variable("grafana_url: grafana.example.com"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `grafana_url` is `grafana.example.com`, which is not a URL
        |   grafana_url: grafana.example.com
        |   ^
        hint: It begins with http:// or https:// and a host name.
    ");
    assert_snapshot!(variable("host_gateway_address: docker0"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `host_gateway_address` is `docker0`, which is not an IPv4 address
        |   host_gateway_address: docker0
        |   ^
        hint: Like 172.17.0.1.
    ");
    assert_snapshot!(variable("metrics_auth: \"yes\""), @r#"
    error: failed to load test

      inventory/test.yml:9:3: `metrics_auth` is `yes`, which is neither true nor false
        |   metrics_auth: "yes"
        |   ^
        hint: Write true or false, without quotes.
    "#);
    assert_snapshot!(variable("backup_max_age_hours: 0"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `backup_max_age_hours` is 0, which is out of range
        |   backup_max_age_hours: 0
        |   ^
        hint: At least 1.
    ");
    assert_snapshot!(variable("backup_max_age_hours: a day"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `backup_max_age_hours` is `a day`, which is not a whole number
        |   backup_max_age_hours: a day
        |   ^
        hint: Digits, without quotes.
    ");
    assert_snapshot!(variable("clock_skew_seconds: -1"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `clock_skew_seconds` is -1, which is out of range
        |   clock_skew_seconds: -1
        |   ^
        hint: At least 0.
    ");
    assert_snapshot!(variable("postgres_database: 5"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `postgres_database` is `5`, which is not a name that needs no quotes in PostgreSQL
        |   postgres_database: 5
        |   ^
        hint: Letters, digits, `-`, `_` and `.`; in quotes where it looks like a number.
    ");
    assert_snapshot!(variable("components: [grafana]"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `components` is `- grafana`, which is not a map
        |   components: [grafana]
        |   ^
        hint: Like {key: value}.
    ");
}

#[test]
fn an_unknown_component_is_met_with_the_nearest_known_one() {
    assert_snapshot!(variable("components: {graphana: false}"), @r"
    error: failed to load test

      inventory/test.yml:10:16: `components` has no entry `graphana`
        |   components: {graphana: false}
        |                ^
        hint: Did you mean `grafana`?
    ");
}

#[test]
fn a_component_is_on_or_off() {
    assert_snapshot!(variable("components: {grafana: \"off\"}"), @r#"
    error: failed to load test

      inventory/test.yml:10:16: `components.grafana` is `off`, which is neither true nor false
        |   components: {grafana: "off"}
        |                ^
        hint: Write true or false, without quotes.
    "#);
}

#[test]
fn settings_of_deploy_and_hosts_are_checked() {
    let project = with(
        "hosts:\n  vps: {address: 127.0.0.1, port: 1,",
        "\
remote: {path: opt, owner: 'a b', mode: 0700}
deploy: {settle: 30, min_free_disk: lots, keep_releases: 1}
hosts:\n  vps: {address: https://example.com, port: 1,",
    );
    assert_snapshot!(refused(&project), @r#"
    error: failed to load the inventory of test

      inventory/test.yml:1:10: `opt` cannot be the remote folder
        | remote: {path: opt, owner: 'a b', mode: 0700}
        |          ^
        hint: An absolute path of at least two parts, of letters, digits, `-`, `_` and `.`: /opt/koprogo/monitoring.

      inventory/test.yml:1:21: `a b` cannot own what root executes
        | remote: {path: opt, owner: 'a b', mode: 0700}
        |                     ^
        hint: The stack's files are root's. Take this line out; `group` and `mode: "0750"` let others read them.

      inventory/test.yml:2:10: `30` is not a duration
        | deploy: {settle: 30, min_free_disk: lots, keep_releases: 1}
        |          ^
        hint: Like 30s, 5m or 1h.

      inventory/test.yml:2:22: `lots` is not a size
        | deploy: {settle: 30, min_free_disk: lots, keep_releases: 1}
        |                      ^
        hint: Like 500MB or 2GB.

      inventory/test.yml:2:43: 1 releases cannot be kept
        | deploy: {settle: 30, min_free_disk: lots, keep_releases: 1}
        |                                           ^
        hint: Between 2 and 50: the one that runs and at least one to go back to.

      inventory/test.yml:4:9: `https://example.com` is not an address
        |   vps: {address: https://example.com, port: 1, user: deploy, sudo: true}
        |         ^
        hint: A DNS name, an IP address or a Host of ~/.ssh/config, without a scheme or a port.
    "#);
    assert_snapshot!(refused(&with("port: 1,", "port: 99999,")), @r"
    error: failed to load the inventory of test

      inventory/test.yml:2:35: hosts.vps.port: invalid value: integer `99999`, expected u16
        |   vps: {address: 127.0.0.1, port: 99999, user: deploy, sudo: true}
        |                                   ^
        hint: A number from 0 to 65535.
    ");
    assert_snapshot!(refused(&with("address: 127.0.0.1, ", "")), @r"
    error: failed to load the inventory of test

      inventory/test.yml:2:8: hosts.vps: missing field `address`
        |   vps: {port: 1, user: deploy, sudo: true}
        |        ^
    ");
}

#[test]
fn an_environment_without_hosts_is_refused() {
    assert_snapshot!(refused(&with("hosts:\n  vps: {address: 127.0.0.1, port: 1, user: deploy, sudo: true}\n", "")), @r"
    error: failed to load the inventory of test

      inventory/test.yml:2:1: no host
        | variables:
        | ^
        hint: Add one: `hosts: {vps: {address: 203.0.113.10, user: deploy, sudo: true}}`.
    ");
}

#[test]
fn several_mistakes_are_reported_together_and_sorted() {
    let project = with("alert_email: ops@example.com", "alert_email: ops.example.com\n  retention_time: 30");
    project.variables("  scrape_intervall: 10s\n  components: {graphana: false}");
    project.edit(
        "stack/monitoring/grafana/grafana.ini.tera",
        "{{ scrape_interval }}",
        "{{ scrape_intreval }}",
    );
    assert_snapshot!(refused(&project), @r"
    error: failed to load test

      inventory/test.yml:7:3: `alert_email` is `ops.example.com`, which is not an e-mail address
        |   alert_email: ops.example.com
        |   ^
        hint: Like ops@koprogo.com, or a list of such.

      inventory/test.yml:8:3: `retention_time` is `30`, which is not a duration
        |   retention_time: 30
        |   ^
        hint: It needs a unit: 15s, 5m, 12h or 30d.

      inventory/test.yml:11:3: the stack has no variable `scrape_intervall`
        |   scrape_intervall: 10s
        |   ^
        hint: Did you mean `scrape_interval`?

      inventory/test.yml:12:16: `components` has no entry `graphana`
        |   components: {graphana: false}
        |                ^
        hint: Did you mean `grafana`?

      stack/monitoring/grafana/grafana.ini.tera:30:27: the variable `scrape_intreval` is not defined
        | min_refresh_interval = {{ scrape_intreval }}
        |                           ^
        hint: Did you mean `scrape_interval`?
    ");
}

#[test]
fn an_environment_that_is_not_there_is_met_with_those_that_are() {
    let project = Project::new();
    let commands: [&[&str]; 5] =
        [&["check", "tst"], &["plan", "tst"], &["deploy", "tst"], &["verify", "tst"], &["trust", "tst"]];
    assert_snapshot!(refused_alike(&project, &commands), @r"
    error: failed to find the environment `tst`
      there is no inventory/tst.yml
    hint: Did you mean `test`?
    ");
    assert_snapshot!(project.provision(&["check", "production"]).stderr, @r"
    error: failed to find the environment `production`
      there is no inventory/production.yml
    hint: There are: test.
    ");
}

#[test]
fn no_environment_named_and_none_to_guess() {
    let project = Project::new();
    project.write("inventory/other.yml", INVENTORY);
    assert_snapshot!(refused_alike(&project, &[&["plan"], &["deploy"], &["verify"]]), @r"
    error: failed to choose an environment
      none was named, and inventory/all.yml has no usable `default:`
    hint: There are: other, test.
    ");
}

#[test]
fn a_folder_without_an_inventory_is_no_project() {
    let project = Project::bare();
    let text = refused_alike(&project, &[&["check"], &["plan"], &["deploy"], &["verify"], &["trust"]]);
    assert_snapshot!(text, @r"
    error: failed to find the project
      neither <project> nor a folder above it has an inventory/
    hint: Go into the project's folder, or name it: `provision -C DIR …`.
    ");
}

#[test]
fn an_inventory_without_an_environment_says_what_to_add() {
    let project = Project::bare();
    project.write("inventory/all.yml", "");
    let run = project.provision(&["check"]);
    assert_eq!(run.code, 2);
    assert_snapshot!(run.stderr, @r"
    error: failed to check the project
      inventory/ has no environment
    hint: Add inventory/<name>.yml with the hosts.
    ");
}
