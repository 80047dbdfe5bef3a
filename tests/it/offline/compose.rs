//! The rules that a compose file has to keep.

use insta::assert_snapshot;

use super::refused;
use crate::support::Project;

/// A stack of one service with `lines` added to its definition (four spaces in front of each).
fn service(lines: &str) -> String {
    let lines = lines.replace('\n', "\n    ");
    stack(&format!("services:\n  web:\n    image: example/web:1\n    restart: unless-stopped\n    {lines}\n"))
}

fn stack(compose: &str) -> String {
    let project = Project::small(compose);
    project.write("stack/small/web/index.html", "hello\n");
    refused(&project)
}

#[test]
fn a_bind_in_the_short_syntax_is_refused() {
    assert_snapshot!(service("volumes: [\"./web:/web:ro\"]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:15: `./web:/web:ro` is a bind in the short syntax, which makes a folder where a file is missing
        |     volumes: ["./web:/web:ro"]
        |               ^
        hint: Long syntax: {type: bind, source: …, target: …, bind: {create_host_path: false}}.
    "#);
}

#[test]
fn a_bind_that_may_create_its_source_is_refused() {
    assert_snapshot!(service("volumes: [{type: bind, source: ./web, target: /web, read_only: true}]"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:15: the bind of `./web` may create its source
        |     volumes: [{type: bind, source: ./web, target: /web, read_only: true}]
        |               ^
        hint: Add `bind: {create_host_path: false}`.
    ");
}

#[test]
fn a_mounted_file_is_refused() {
    assert_snapshot!(service(
        "volumes: [{type: bind, source: ./web/index.html, target: /index.html, read_only: true, bind: {create_host_path: false}}]"
    ), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:15: `./web/index.html` is a file, and a mounted file keeps showing its old content
        |     volumes: [{type: bind, source: ./web/index.html, target: /index.html, read_only: true, bind: {create_host_path: false}}]
        |               ^
        hint: Mount the folder that it lies in.
    ");
}

#[test]
fn a_folder_that_the_stack_does_not_have_is_refused() {
    assert_snapshot!(service("volumes: [{type: bind, source: ./wbe, target: /web, read_only: true, bind: {create_host_path: false}}]"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:15: the stack has no folder `./wbe`
        |     volumes: [{type: bind, source: ./wbe, target: /web, read_only: true, bind: {create_host_path: false}}]
        |               ^
    ");
    assert_snapshot!(service("volumes: [{type: bind, source: web, target: /web, read_only: true, bind: {create_host_path: false}}]"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:15: `web` is neither absolute nor begins with ./
        |     volumes: [{type: bind, source: web, target: /web, read_only: true, bind: {create_host_path: false}}]
        |               ^
    ");
}

#[test]
fn nothing_is_written_where_provision_puts_its_files() {
    let long = |source: &str| {
        service(&format!(
            "volumes:\n  - {{type: volume, source: data, target: /d}}\n  - {{type: bind, source: {source}, target: /data, bind: {{create_host_path: false}}}}"
        ))
    };
    assert_snapshot!(long("./data"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):7:9: `web` could write into `./data`, which lies in /opt/small, where provision puts its files
        |       - {type: bind, source: ./data, target: /data, bind: {create_host_path: false}}
        |         ^
        hint: Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.
    ");
    assert_snapshot!(long("./web"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):7:9: `web` could write into `./web`, which lies in /opt/small, where provision puts its files
        |       - {type: bind, source: ./web, target: /data, bind: {create_host_path: false}}
        |         ^
        hint: Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.
    ");
    assert_snapshot!(long("/opt/small/pgdata"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):7:9: `web` could write into `/opt/small/pgdata`, which lies in /opt/small, where provision puts its files
        |       - {type: bind, source: /opt/small/pgdata, target: /data, bind: {create_host_path: false}}
        |         ^
        hint: Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.
    ");
    assert_snapshot!(long("/opt/small//pgdata/"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):7:9: `web` could write into `/opt/small//pgdata/`, which lies in /opt/small, where provision puts its files
        |       - {type: bind, source: /opt/small//pgdata/, target: /data, bind: {create_host_path: false}}
        |         ^
        hint: Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.
    ");
    assert_snapshot!(long("/opt/../var/run/./provision/x/web"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:5: `web` mounts `/opt/../var/run/./provision/x/web`, where secrets of others are
        |     volumes:
        |     ^
        hint: Mount /run/provision/small/web, which has those that its `x-provision` names.

      stack/small/docker-compose.small.yml (rendered):7:9: `web` could write into `/opt/../var/run/./provision/x/web`, which lies in /run/provision, where provision puts its files
        |       - {type: bind, source: /opt/../var/run/./provision/x/web, target: /data, bind: {create_host_path: false}}
        |         ^
        hint: Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.
    ");
    assert_snapshot!(long("/opt"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):7:9: `web` could write into `/opt`, and so into /opt/small, where provision puts its files
        |       - {type: bind, source: /opt, target: /data, bind: {create_host_path: false}}
        |         ^
        hint: Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.
    ");
    assert_snapshot!(service("volumes: [\"./data:/data\"]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:15: `web` could write into `./data`, which lies in /opt/small, where provision puts its files
        |     volumes: ["./data:/data"]
        |               ^
        hint: Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.
    "#);
    assert_snapshot!(service("volumes: [\"/opt/small/data:/data:z,rw\"]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:15: `web` could write into `/opt/small/data`, which lies in /opt/small, where provision puts its files
        |     volumes: ["/opt/small/data:/data:z,rw"]
        |               ^
        hint: Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.
    "#);
    assert_snapshot!(
        stack("services:\n  web:\n    image: example/web:1\n    restart: always\n    volumes: [data:/d]\nvolumes:\n  data:\n    driver_opts: {type: none, o: bind, device: /opt/small/data}\n"),
        @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):8:40: a container with the volume `data` could write into `/opt/small/data`, which lies in /opt/small, where provision puts its files
        |     driver_opts: {type: none, o: bind, device: /opt/small/data}
        |                                        ^
        hint: Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.
    "
    );
}

#[test]
fn a_port_for_the_world_is_refused() {
    assert_snapshot!(service("ports: [\"8080:80\"]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:13: a port of `web` is published to the world
        |     ports: ["8080:80"]
        |             ^
        hint: Publish on loopback only: "127.0.0.1:9090:9090". `provision tunnel test` reaches it.
    "#);
    assert_snapshot!(service("ports: [\"80\"]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:13: a port of `web` is published to the world
        |     ports: ["80"]
        |             ^
        hint: Publish on loopback only: "127.0.0.1:9090:9090". `provision tunnel test` reaches it.
    "#);
    assert_snapshot!(service("ports: [\"0.0.0.0:8080:80\"]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:13: a port of `web` is published to the world
        |     ports: ["0.0.0.0:8080:80"]
        |             ^
        hint: Publish on loopback only: "127.0.0.1:9090:9090". `provision tunnel test` reaches it.
    "#);
    assert_snapshot!(service("ports: [{target: 80, published: 8080}]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:13: a port of `web` is published to the world
        |     ports: [{target: 80, published: 8080}]
        |             ^
        hint: Publish on loopback only: "127.0.0.1:9090:9090". `provision tunnel test` reaches it.
    "#);
    assert_snapshot!(service("ports: [\"127.0.0.1::80\"]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:13: the published port is not one number
        |     ports: ["127.0.0.1::80"]
        |             ^
        hint: Like "127.0.0.1:9090:9090".
    "#);
    assert_snapshot!(service("ports: [\"127.0.0.1:8080-8090:80-90\"]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:13: the published port is not one number
        |     ports: ["127.0.0.1:8080-8090:80-90"]
        |             ^
        hint: Like "127.0.0.1:9090:9090".
    "#);
}

#[test]
fn privileged_is_refused() {
    assert_snapshot!(service("privileged: true"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:5: `web` asks for everything with `privileged`
        |     privileged: true
        |     ^
        hint: Ask for capabilities (`cap_add`) and devices by name.
    ");
}

#[test]
fn an_image_has_a_tag_that_says_which() {
    let image = |image: &str| stack(&format!("services:\n  web:\n    image: {image}\n    restart: always\n"));
    assert_snapshot!(image("example/web"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):3:5: the image `example/web` has no tag that says which version
        |     image: example/web
        |     ^
        hint: Pin it, like prom/prometheus:v3.13.3.
    ");
    assert_snapshot!(image("example/web:latest"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):3:5: the image `example/web:latest` has no tag that says which version
        |     image: example/web:latest
        |     ^
        hint: Pin it, like prom/prometheus:v3.13.3.
    ");
    assert_snapshot!(image("localhost:5000/web"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):3:5: the image `localhost:5000/web` has no tag that says which version
        |     image: localhost:5000/web
        |     ^
        hint: Pin it, like prom/prometheus:v3.13.3.
    ");
    assert_snapshot!(image("''"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):3:5: `web` has no `image:`
        |     image: ''
        |     ^
        hint: Name one with a tag.
    ");
}

#[test]
fn an_image_is_not_built_on_the_host() {
    assert_snapshot!(service("build: ."), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:5: `web` is built on the host
        |     build: .
        |     ^
        hint: Build and push the image elsewhere; a server only pulls.
    ");
}

#[test]
fn what_compose_has_outlived_is_refused() {
    assert_snapshot!(stack("version: '3.8'\nservices:\n  web:\n    image: example/web:1\n    restart: always\n"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):1:1: `version:` is obsolete
        | version: '3.8'
        | ^
        hint: Remove the line.
    ");
}

#[test]
fn composes_own_secrets_are_refused() {
    assert_snapshot!(
        stack("services:\n  web:\n    image: example/web:1\n    restart: always\nsecrets:\n  a: {file: ./a}\n"),
        @r"
        error: failed to load test

          stack/small/docker-compose.small.yml (rendered):5:1: compose's own `secrets:` ignore owner and mode of a file
            | secrets:
            | ^
            hint: Name the secret in the service's `x-provision: {secrets: {file: secret}}`.
        "
    );
}

#[test]
fn a_service_says_how_it_restarts() {
    assert_snapshot!(stack("services:\n  web:\n    image: example/web:1\n"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):2:3: `web` has no `restart:`
        |   web:
        |   ^
        hint: `restart: unless-stopped`, or `x-provision: {one_shot: true}` for one that runs once.
    ");
}

#[test]
fn a_stack_has_services() {
    assert_snapshot!(stack("services: {}\n"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):1:1: no `services:`
        | services: {}
        | ^
        hint: A stack has at least one service.
    ");
    assert_snapshot!(stack("{}\n"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):1:1: no `services:`
        | {}
        | ^
        hint: A stack has at least one service.
    ");
}

#[test]
fn a_secret_in_the_compose_file_is_refused_with_the_way_by_file() {
    assert_snapshot!(service("environment:\n  GF_SECURITY_ADMIN_PASSWORD: {{ secret(name='a') }}"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):6:35: a secret stands in the compose file, where `docker inspect` shows it
        |       GF_SECURITY_ADMIN_PASSWORD: <secret>
        |                                   ^
        hint: Grafana reads it from a file: `admin_password = $__file{/run/secrets/admin_password}` in grafana.ini, with `x-provision: {uid: 472, secrets: {admin_password: …}}`.
    ");
    assert_snapshot!(service("environment:\n  DATA_SOURCE_NAME: postgresql://u:{{ secret(name='a') }}@db/x"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):6:40: a secret stands in the compose file, where `docker inspect` shows it
        |       DATA_SOURCE_NAME: postgresql://u:<secret>
        |                                        ^
        hint: postgres-exporter reads it from a file: DATA_SOURCE_PASS_FILE=/run/secrets/password, with `x-provision: {secrets: {password: …}}`.
    ");
    assert_snapshot!(service("environment: [\"POSTGRES_PASSWORD={{ secret(name='a') }}\"]"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:38: a secret stands in the compose file, where `docker inspect` shows it
        |     environment: ["POSTGRES_PASSWORD=<secret>
        |                                      ^
        hint: PostgreSQL's image reads it from a file: POSTGRES_PASSWORD_FILE=/run/secrets/password, with `x-provision: {secrets: {password: …}}`.
    "#);
    assert_snapshot!(service("labels:\n  token: {{ secret(name='a') }}"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):6:14: a secret stands in the compose file, where `docker inspect` shows it
        |       token: <secret>
        |              ^
        hint: Give it as a file: name it in `x-provision: {secrets: {file: secret}}` and let the program read /run/secrets/<file>.
    ");
    assert_snapshot!(service("command: [--password, {{ secret(name='a') }}]"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:27: a secret stands in the compose file, where `docker inspect` shows it
        |     command: [--password, <secret>
        |                           ^
        hint: Give it as a file: name it in `x-provision: {secrets: {file: secret}}` and let the program read /run/secrets/<file>.
    ");
}

#[test]
fn secrets_have_to_be_mounted() {
    assert_snapshot!(service("x-provision: {secrets: {password: a}}"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:5: `web` has secrets but does not mount them
        |     x-provision: {secrets: {password: a}}
        |     ^
        hint: Add a bind of /run/provision/small/web to /run/secrets, read-only, with create_host_path: false.
    ");
}

#[test]
fn the_bind_of_secrets_may_not_create_its_source() {
    assert_snapshot!(service(
        "x-provision: {secrets: {password: a}}\nvolumes: [{type: bind, source: \"{{ secrets_dir }}/web\", target: /run/secrets, read_only: true}]"
    ), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):6:15: the bind of `/run/provision/small/web` may create its source
        |     volumes: [{type: bind, source: "/run/provision/small/web", target: /run/secrets, read_only: true}]
        |               ^
        hint: Add `bind: {create_host_path: false}`.
    "#);
}

#[test]
fn the_programs_own_part_is_checked() {
    assert_snapshot!(service("x-provision: {secrts: {password: a}}"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:5: unknown field `secrts`
        |     x-provision: {secrts: {password: a}}
        |     ^
        hint: Did you mean `secrets`?
    ");
    assert_snapshot!(service("x-provision: {secrets: {a: a}, on_secret: {b: {exec: [tell, '']}}}\nvolumes: [{type: bind, source: \"{{ secrets_dir }}/web\", target: /run/secrets, read_only: true, bind: {create_host_path: false}}]"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:48: `exec` is no list of words
        |     x-provision: {secrets: {a: a}, on_secret: {b: {exec: [tell, '']}}}
        |                                                ^
        hint: Like [grafana, cli, admin, reset-admin-password].

      stack/small/docker-compose.small.yml (rendered):5:48: `web` has no secret file `b`
        |     x-provision: {secrets: {a: a}, on_secret: {b: {exec: [tell, '']}}}
        |                                                ^
        hint: Did you mean `a`?
    ");
    assert_snapshot!(service("x-provision: {verify: {kind: nginx, port: 80}}"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:5: unknown variant `nginx`
        |     x-provision: {verify: {kind: nginx, port: 80}}
        |     ^
        hint: Known here: prometheus, alertmanager, grafana, loki, http.
    ");
    assert_snapshot!(service("x-provision: {secrets: {a/b: a}}\nvolumes: [{type: bind, source: \"{{ secrets_dir }}/web\", target: /run/secrets, read_only: true, bind: {create_host_path: false}}]"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:29: `a/b` is not a file name
        |     x-provision: {secrets: {a/b: a}}
        |                             ^
    ");
    assert_snapshot!(service("x-provision: {secrets: {a: {template: web/none}}}\nvolumes: [{type: bind, source: \"{{ secrets_dir }}/web\", target: /run/secrets, read_only: true, bind: {create_host_path: false}}]"), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:29: the stack has no file `web/none`
        |     x-provision: {secrets: {a: {template: web/none}}}
        |                             ^
    ");
}

#[test]
fn names_that_the_host_could_not_read_are_refused() {
    assert_snapshot!(stack("services:\n  \"w b\\tx\":\n    image: example/web:1\n    restart: always\n"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):2:3: "w b\tx" is not a service name
        |   "w b\tx":
        |   ^
        hint: Letters, digits, `-`, `_` and `.`.
    "#);
    assert_snapshot!(service("container_name: \"a\\nb\""), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:5: "a\nb" is not a container name
        |     container_name: "a\nb"
        |     ^
        hint: Letters, digits, `-`, `_` and `.`.
    "#);
    assert_snapshot!(stack("services:\n  web:\n    image: \"example/web:1\\tx\"\n    restart: always\n"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):3:5: "example/web:1\tx" is not an image
        |     image: "example/web:1\tx"
        |     ^
        hint: Like docker.io/prom/prometheus:v3.13.3.
    "#);
    assert_snapshot!(service("x-provision: {reload: {paths: [web/], signal: SIGHUP}}"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:43: "SIGHUP" is not a signal
        |     x-provision: {reload: {paths: [web/], signal: SIGHUP}}
        |                                           ^
        hint: Without SIG: HUP or USR1.
    "#);
}

#[test]
fn all_broken_rules_are_reported_together() {
    assert_snapshot!(stack("version: '3'\nservices:\n  web:\n    image: web\n    privileged: true\n    ports: [\"80:80\"]\n"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):1:1: `version:` is obsolete
        | version: '3'
        | ^
        hint: Remove the line.

      stack/small/docker-compose.small.yml (rendered):3:3: `web` has no `restart:`
        |   web:
        |   ^
        hint: `restart: unless-stopped`, or `x-provision: {one_shot: true}` for one that runs once.

      stack/small/docker-compose.small.yml (rendered):4:5: the image `web` has no tag that says which version
        |     image: web
        |     ^
        hint: Pin it, like prom/prometheus:v3.13.3.

      stack/small/docker-compose.small.yml (rendered):5:5: `web` asks for everything with `privileged`
        |     privileged: true
        |     ^
        hint: Ask for capabilities (`cap_add`) and devices by name.

      stack/small/docker-compose.small.yml (rendered):6:13: a port of `web` is published to the world
        |     ports: ["80:80"]
        |             ^
        hint: Publish on loopback only: "127.0.0.1:9090:9090". `provision tunnel test` reaches it.
    "#);
}

#[test]
fn two_services_that_publish_one_port_are_refused() {
    assert_snapshot!(stack(
        "services:\n  api: {image: 'example/api:1', restart: always, ports: ['127.0.0.1:8080:80']}\n  \
         web: {image: 'example/web:1', restart: always, ports: ['127.0.0.1:8080:8080']}\n"
    ), @r"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):3:58: `web` publishes port 8080, and so does `api`
        |   web: {image: 'example/web:1', restart: always, ports: ['127.0.0.1:8080:8080']}
        |                                                          ^
        hint: Give one of them a port of its own.
    ");
}

#[test]
fn two_variables_that_name_one_port_are_refused_where_the_inventory_says_so() {
    let project = Project::new();
    project.variables("  prometheus_port: 3001");
    assert_snapshot!(refused(&project), @r"
    error: failed to load test

      inventory/test.yml:10:3: `grafana_port` and `prometheus_port` are both 3001: `prometheus` and `grafana` cannot publish one port
        |   prometheus_port: 3001
        |   ^
        hint: Give one of them a port of its own.
    ");
}

#[test]
fn a_value_that_a_sealed_file_cannot_hold_is_refused() {
    let project = Project::small(
        "services:\n  web:\n    image: example/web:1\n    restart: unless-stopped\n    x-provision: {secrets: {web.yml: {template: web/web.yml}}}\n    \
         volumes: [{type: bind, source: \"{{ secrets_dir }}/web\", target: /run/secrets, read_only: true, bind: {create_host_path: false}}]\n",
    );
    project.write("stack/small/web/web.yml.tera", "password: '{{ secret(name=\"a\") }}'\n");
    assert_eq!(project.provision(&["check", "test"]).code, 0);
    project.set("a", "hunter'2hunter");
    let text = refused(&project);
    assert!(!text.contains("hunter"), "{text}");
    assert_snapshot!(text, @r"
    error: failed to load test

      secrets/test.yml.age: the secret `a` cannot be put into web/web.yml: its value would be read as something else there
        hint: Give the placeholder quotes there, or the secret a value of letters and digits; best let the program read it from a file of its own.
    ");
}

#[test]
fn a_dollar_that_compose_would_replace_is_refused() {
    assert_snapshot!(service("command: [sh, -c, 'echo $HOME ${USER:-x} $$kept']"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):5:23: compose would put a variable of its environment in the place of `$HOME`, and there is none
        |     command: [sh, -c, 'echo $HOME ${USER:-x} $$kept']
        |                       ^
        hint: Write `$$` where a dollar is meant, and `{{ name | replace(from="$", to="$$") }}` where the inventory gives it.
    "#);
    assert_snapshot!(service("labels:\n  note: costs 5$"), @r#"
    error: failed to load test

      stack/small/docker-compose.small.yml (rendered):6:7: compose would put a variable of its environment in the place of `$`, and there is none
        |       note: costs 5$
        |       ^
        hint: Write `$$` where a dollar is meant, and `{{ name | replace(from="$", to="$$") }}` where the inventory gives it.
    "#);
}
