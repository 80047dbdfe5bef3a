//! Mistakes in the stack's templates and in what they render to.

use insta::assert_snapshot;

use super::refused;
use crate::support::Project;

fn with(file: &str, from: &str, to: &str) -> String {
    let project = Project::new();
    project.edit(&format!("stack/monitoring/{file}"), from, to);
    refused(&project)
}

#[test]
fn an_undefined_variable_shows_its_place_also_inside_a_concatenation() {
    assert_snapshot!(with("grafana/grafana.ini.tera", "{{ scrape_interval }}", "{{ scrape_intreval }}"), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini.tera:30:27: the variable `scrape_intreval` is not defined
        | min_refresh_interval = {{ scrape_intreval }}
        |                           ^
        hint: Did you mean `scrape_interval`?
    ");
    assert_snapshot!(with("docker-compose.monitoring.yml.tera", "\"http://localhost:\" ~ prometheus_port", "\"http://localhost:\" ~ promethius_port"), @r#"
    error: failed to load test

      stack/monitoring/docker-compose.monitoring.yml.tera:59:91: the variable `promethius_port` is not defined
        |       - --web.external-url={{ prometheus_url if prometheus_url else "http://localhost:" ~ promethius_port }}
        |                                                                                           ^
        hint: Did you mean `prometheus_port`?
    "#);
    assert_snapshot!(with("grafana/grafana.ini.tera", "{{ grafana_admin_user }}", "{{ whoever }}"), @r#"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini.tera:9:20: the variable `whoever` is not defined
        | admin_user = """{{ whoever }}"""
        |                    ^
        hint: Declare it in stack/monitoring/variables.yml.
    "#);
}

#[test]
fn an_undefined_key_of_a_map_shows_its_place() {
    assert_snapshot!(with("grafana/grafana.ini.tera", "{%- if components.grafana -%}", "{%- if components.graphana -%}"), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini.tera:1:8: `components` has no entry `graphana`
        | {%- if components.graphana -%}
        |        ^
        hint: Did you mean `grafana`?
    ");
    assert_snapshot!(with("docker-compose.monitoring.yml.tera", "{{ images.grafana | yaml }}", "{{ images.graphana | yaml }}"), @r"
    error: failed to load test

      stack/monitoring/docker-compose.monitoring.yml.tera:218:15: `images` has no entry `graphana`
        |     image: {{ images.graphana | yaml }}
        |               ^
        hint: Did you mean `grafana`?
    ");
}

#[test]
fn a_template_syntax_error_shows_its_place() {
    assert_snapshot!(with("grafana/grafana.ini.tera", "{{ scrape_interval }}", "{{ scrape_interval"), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini.tera:33:1: found identifier but expected }}
        | reporting_enabled = false
        | ^
    ");
    assert_snapshot!(with("grafana/grafana.ini.tera", "{%- if components.grafana -%}", ""), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini.tera:56:5: unknown tag
        | {%- endif %}
        |     ^
    ");
    assert_snapshot!(with("grafana/grafana.ini.tera", "{{ scrape_interval }}", "{{ scrape_interval | nofilter }}"), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini.tera:30:45: unknown filter `nofilter`
        | min_refresh_interval = {{ scrape_interval | nofilter }}
        |                                             ^
    ");
}

#[test]
fn yaml_that_renders_broken_is_refused() {
    assert_snapshot!(with("alertmanager/alertmanager.yml.tera", "smtp_hello: {{ domain | yaml }}", "smtp_hello: [{{ domain | yaml }}"), @r#"
    error: failed to load test

      stack/monitoring/alertmanager/alertmanager.yml (rendered):5:3: invalid indentation
        |   smtp_from: "alertmanager@koprogo.com"
        |   ^
    "#);
    assert_snapshot!(with("prometheus/prometheus.yml.tera", "rule_files:", "global: {}\nrule_files:"), @r"
    error: failed to load test

      stack/monitoring/prometheus/prometheus.yml (rendered):15:1: `global` stands here a second time
        | global: {}
        | ^
        hint: It is already set in line 1: keep one of the two.
    ");
}

#[test]
fn a_dashboard_that_is_not_json_is_refused() {
    assert_snapshot!(with("grafana/dashboards/docker.json.tera", "/> }}", "/> }},"), @r"
    error: failed to load test

      stack/monitoring/grafana/dashboards/docker.json (rendered):110:2: trailing characters
        | },
        |  ^
    ");
}

#[test]
fn a_panel_that_is_described_wrongly_is_named() {
    let panel = "\"type\": \"stat\", \"title\": \"Memory of all\", ";
    let described = |other: &str| with("grafana/dashboards/docker.json.tera", panel, other);
    assert_snapshot!(described("\"type\": \"graph\", \"title\": \"Memory of all\", "), @r#"
    error: failed to load test

      stack/monitoring/grafana/_parts/dashboard.tera:107:6: the panel `Memory of all` has the type `graph`; there are timeseries, stat, bargauge, table, logs, heatmap
        |   {{ throw(message="the panel `" ~ title ~ "` has the type `" ~ type ~ "`; there are timeseries, stat, bargauge, table, logs, heatmap") }}
        |      ^
        hint: It is used by stack/monitoring/grafana/dashboards/docker.json.tera: look there first.
    "#);
    assert_snapshot!(described("\"type\": \"stat\", \"title\": \"Memory of all\", \"oragne_from\": 1, "), @r#"
    error: failed to load test

      stack/monitoring/grafana/_parts/dashboard.tera:40:39: unknown argument(s) `oragne_from` in component call. Possible argument(s) are: `by`, `decimals`, `description`, `expr`, `h`, `id`, `legend`, `link`, `max`, `min`, `orange_below`, `orange_from`, `place`, `queries`, `red_below`, `red_from`, `show`, `sort`, `source`, `stacked`, `text`, `title`, `type`, `unit`, `up`, `w`
        |     {%- set_global texts = [...texts, <grafana.panel id={id} place={place} {...panel} />] -%}
        |                                       ^
        hint: It is used by stack/monitoring/grafana/dashboards/docker.json.tera: look there first.
    "#);
    assert_snapshot!(described("\"type\": \"stat\", \"title\": \"Nothing\"}, {"), @r#"
    error: failed to load test

      stack/monitoring/grafana/_parts/dashboard.tera:110:6: the panel `Nothing` needs a `description`, and an `expr` or `queries`
        |   {{ throw(message="the panel `" ~ title ~ "` needs a `description`, and an `expr` or `queries`") }}
        |      ^
        hint: It is used by stack/monitoring/grafana/dashboards/docker.json.tera: look there first.
    "#);
}

#[test]
fn a_filter_on_a_secret_is_refused() {
    let line = "admin_password = $__file{/run/secrets/admin_password}";
    assert_snapshot!(with("grafana/grafana.ini.tera", line, "admin_password = {{ secret(name='grafana_admin_password') | lower }}"), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini (rendered):9: a filter changed the placeholder of a secret
        hint: Use `secret(name=…)` without a filter; the value is put in only on the host.
    ");
    assert_snapshot!(with("grafana/grafana.ini.tera", line, "admin_password = {{ secret(name='grafana_admin_password') | truncate(length=20) }}"), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini (rendered):9: a filter changed the placeholder of a secret
        hint: Use `secret(name=…)` without a filter; the value is put in only on the host.
    ");
}

#[test]
fn a_file_with_a_secret_that_no_service_takes_is_refused() {
    let line = "admin_password = $__file{/run/secrets/admin_password}";
    assert_snapshot!(with("grafana/grafana.ini.tera", line, "admin_password = {{ secret(name='grafana_admin_password') }}"), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini: holds a secret, and no service takes it from its secrets folder
        hint: Say in the service that reads it `x-provision: {secrets: {grafana.ini: {template: grafana/grafana.ini}}}`, or let the program read the secret from a file.
    ");
}

#[test]
fn a_secret_without_a_name_is_refused() {
    let line = "admin_password = $__file{/run/secrets/admin_password}";
    assert_snapshot!(with("grafana/grafana.ini.tera", line, "admin_password = {{ secret('grafana_admin_password') }}"), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini.tera:11:28: found string but expected identifier
        | admin_password = {{ secret('grafana_admin_password') }}
        |                            ^
    ");
}

#[test]
fn a_rule_pattern_that_matches_no_file_is_refused() {
    assert_snapshot!(with("prometheus/prometheus.yml.tera", "alerts/*.yml", "alert/*.yml"), @r"
    error: failed to load test

      prometheus/prometheus.yml (rendered):16:5: `alert/*.yml` matches no file of the stack
        |   - alert/*.yml
        |     ^
        hint: Prometheus would start without these rules and not call that an error: correct the pattern or the mount.
    ");
    assert_snapshot!(with("prometheus/prometheus.yml.tera", "alerts/*.yml", "/etc/alerts/*.yml"), @r"
    error: failed to load test

      prometheus/prometheus.yml (rendered):16:5: `/etc/alerts/*.yml` is in no folder that the service mounts
        |   - /etc/alerts/*.yml
        |     ^
        hint: Prometheus would start without these rules and not call that an error: correct the pattern or the mount.
    ");
}

#[test]
fn a_configuration_that_is_not_there_is_refused() {
    assert_snapshot!(with("docker-compose.monitoring.yml.tera", "config: prometheus/prometheus.yml}", "config: prometheus/prom.yml}"), @r"
    error: failed to load test

      prometheus/prom.yml: is named by a `verify:` in the compose file, and the stack has no such file
        hint: Correct `config:`; a file that holds a secret cannot be compared.
    ");
}

#[test]
fn two_files_of_one_name_are_refused() {
    let project = Project::new();
    project.write("stack/monitoring/grafana/grafana.ini", "");
    assert_snapshot!(refused(&project), @r"
    error: failed to load test

      stack/monitoring/grafana/grafana.ini: stands beside a template of the same name
        hint: Keep one of the two.
    ");
}

#[test]
fn a_stack_has_one_compose_file() {
    let project = Project::new();
    project.write("stack/monitoring/docker-compose.second.yml", "services: {}\n");
    assert_snapshot!(refused(&project), @r"
    error: failed to load test

      stack/monitoring: has more than one compose file
        hint: A stack has one docker-compose.<name>.yml (or .yml.tera) at its top.
    ");
    let project = Project::new();
    std::fs::remove_file(project.root().join("stack/monitoring/docker-compose.monitoring.yml.tera")).unwrap();
    assert_snapshot!(refused(&project), @r"
    error: failed to load test

      stack/monitoring: has no compose file
        hint: A stack has one docker-compose.<name>.yml (or .yml.tera) at its top.
    ");
}

#[test]
fn a_mistake_in_the_declarations_shows_its_place() {
    assert_snapshot!(with("variables.yml", "\n    type: domain\n", "\n    type: domian\n"), @r"
    error: failed to load test

      stack/monitoring/variables.yml:57:11: variables.domain.type: unknown variant `domian`
        |     type: domian
        |           ^
        hint: Did you mean `domain`?
    ");
    assert_snapshot!(with("variables.yml", "\n    type: domain\n", "\n    tpye: domain\n"), @r"
    error: failed to load test

      stack/monitoring/variables.yml:57:5: variables.domain: unknown field `tpye`
        |     tpye: domain
        |     ^
        hint: Did you mean `type`?
    ");
}

#[test]
fn the_compose_files_services_are_known_to_the_other_templates() {
    let project = Project::small(
        "name: small
services:
  web: {image: 'web:1', restart: always, container_name: front}
  job: {image: 'job:1', x-provision: {one_shot: true}}
",
    );
    project.write(
        "stack/small/list.txt.tera",
        "{% for service in services %}{{ service.name }} {{ service.container }} {{ service.one_shot }}\n{% endfor %}",
    );
    let environment = provision::inventory::Environment::load(&project.root(), "test").unwrap();
    let release = provision::stack::load(&environment).unwrap();
    let list = String::from_utf8(release.files["list.txt"].content.clone()).unwrap();
    assert_snapshot!(list, @r"
    web front false
    job small-job-1 true
    ");
}

#[test]
fn the_compose_file_cannot_name_its_own_services() {
    assert_snapshot!(with("docker-compose.monitoring.yml.tera", "name: {{ project | yaml }}", "name: {{ services | yaml }}"), @r"
    error: failed to load test

      stack/monitoring/docker-compose.monitoring.yml.tera:41:10: the variable `services` is not defined
        | name: {{ services | yaml }}
        |          ^
        hint: It is what this file declares: only the other templates know it.
    ");
}

#[test]
fn a_mistake_in_the_compose_file_hides_none_of_another_template() {
    let project = Project::new();
    project.edit(
        "stack/monitoring/docker-compose.monitoring.yml.tera",
        "name: {{ project | yaml }}",
        "name: {{ project * 2 }}",
    );
    project.edit(
        "stack/monitoring/loki/loki.yml.tera",
        "auth_enabled: false",
        "auth_enabled: {{ log_retention + 1 }}",
    );
    assert_snapshot!(refused(&project), @r"
    error: failed to load test

      stack/monitoring/docker-compose.monitoring.yml.tera:41:10: math operations can only be done on numbers, found `string`
        | name: {{ project * 2 }}
        |          ^

      stack/monitoring/loki/loki.yml.tera:3:18: `+` requires both operands to be numbers, found `string` and `i64`
        | auth_enabled: {{ log_retention + 1 }}
        |                  ^
    ");
}
