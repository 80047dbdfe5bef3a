//! Mistakes in variables that are a choice, a list of something, or a map whose entries are declared.

use insta::assert_snapshot;

use super::refused;
use crate::support::Project;

/// What is said of lines that are added to the environment's variables, which begin in line 10.
fn with(lines: &str) -> String {
    let project = Project::new();
    project.variables(lines);
    refused(&project)
}

#[test]
fn a_choice_names_what_there_is() {
    assert_snapshot!(with("  log_collector: vector"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `log_collector` is `vector`, which is not one of the choices
        |   log_collector: vector
        |   ^
        hint: Known here: alloy, promtail.
    ");
    assert_snapshot!(with("  log_collector: promtial"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `log_collector` is `promtial`, which is not one of the choices
        |   log_collector: promtial
        |   ^
        hint: Did you mean `promtail`?
    ");
}

#[test]
fn a_component_that_is_none_is_met_with_the_nearest_one() {
    assert_snapshot!(with("  components: {cadviser: false}"), @r"
    error: failed to load test

      inventory/test.yml:10:16: `components` has no entry `cadviser`
        |   components: {cadviser: false}
        |                ^
        hint: Did you mean `cadvisor`?
    ");
}

#[test]
fn logs_are_kept_for_a_duration_of_a_day_or_more() {
    assert_snapshot!(with("  log_retention: 30"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `log_retention` is `30`, which is not a duration
        |   log_retention: 30
        |   ^
        hint: It needs a unit: 15s, 5m, 12h or 30d.
    ");
    assert_snapshot!(with("  log_retention: 12h"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `log_retention` is 12h, which is out of range
        |   log_retention: 12h
        |   ^
        hint: At least 24h.
    ");
}

#[test]
fn each_item_of_a_list_is_checked_at_its_own_place() {
    assert_snapshot!(with("  application_containers: [koprogo-backend, 'koprogo frontend', /koprogo-minio]"), @r"
    error: failed to load test

      inventory/test.yml:10:45: `application_containers.1` is `koprogo frontend`, which is not a name
        |   application_containers: [koprogo-backend, 'koprogo frontend', /koprogo-minio]
        |                                             ^
        hint: Letters, digits, `-`, `_` and `.`.

      inventory/test.yml:10:65: `application_containers.2` is `/koprogo-minio`, which is not a name
        |   application_containers: [koprogo-backend, 'koprogo frontend', /koprogo-minio]
        |                                                                 ^
        hint: Letters, digits, `-`, `_` and `.`.
    ");
}

#[test]
fn grafana_is_not_exposed_without_protection() {
    assert_snapshot!(with("  expose:\n    domain: grafana.example.com"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `expose` has neither `allow` nor `users`
        |   expose:
        |   ^
        hint: Give at least one of them. Puts Grafana, and nothing else, behind the application's Traefik with TLS. Grafana's own login stays.
    ");
    assert_snapshot!(with("  expose:\n    domain: grafana.example.com\n    users: []"), @r"
    error: failed to load test

      inventory/test.yml:10:3: `expose` has neither `allow` nor `users`
        |   expose:
        |   ^
        hint: Give at least one of them. Puts Grafana, and nothing else, behind the application's Traefik with TLS. Grafana's own login stays.
    ");
}

#[test]
fn what_is_exposed_is_named_and_checked_entry_by_entry() {
    let lines = "  expose:\n    domain: https://grafana.example.com\n    alow: [192.0.2.0/24]\n    allow: [192.0.2.0/33]";
    assert_snapshot!(with(lines), @r"
    error: failed to load test

      inventory/test.yml:11:5: `expose.domain` is `https://grafana.example.com`, which has a scheme in it
        |     domain: https://grafana.example.com
        |     ^
        hint: Only the name: koprogo.com instead of https://koprogo.com/.

      inventory/test.yml:12:5: `expose` has no entry `alow`
        |     alow: [192.0.2.0/24]
        |     ^
        hint: Did you mean `allow`?

      inventory/test.yml:13:13: `expose.allow.0` is `192.0.2.0/33`, which is not a network
        |     allow: [192.0.2.0/33]
        |             ^
        hint: Like 192.0.2.0/24, or one address: 192.0.2.7.
    ");
    assert_snapshot!(with("  expose: {allow: [192.0.2.7]}"), @r"
    error: failed to load test

      inventory/test.yml:10:3: the variable `expose.domain` is missing
        |   expose: {allow: [192.0.2.7]}
        |   ^
        hint: Set it below `expose:`, like `domain: koprogo.com`. The host name under which Grafana is reached; its DNS entry leads to this server.
    ");
}

#[test]
fn a_password_in_plain_text_is_refused_and_not_repeated() {
    let said = with("  expose: {domain: grafana.example.com, users: ['ana:hunter2hunter2']}");
    assert!(!said.contains("hunter2"), "{said}");
    assert_snapshot!(said, @r"
    error: failed to load test

      inventory/test.yml:10:49: `expose.users.0` is not a user with a bcrypt hash
        hint: One line of `htpasswd -nB USER`, in single quotes: 'ana:$2y$05$…'.
    ");
}
