//! Judgements of recorded answers, and of the same with one field changed.

use super::*;
use crate::verify::recorded::{changed, json as answer, recorded, show};

const SECRET: &str = "grafana_admin_password";

#[test]
fn health_is_the_databases() {
    let look = |answer: &Answer| show(&health("grafana", answer));
    insta::assert_snapshot!(look(&recorded("grafana-7.5.5/health")), @"holds: healthy, database ok");
    let failing = changed("grafana-7.5.5/health", "\"ok\"", "\"failing\"");
    insta::assert_snapshot!(look(&failing), @r#"
    not yet: grafana: 200, database is "failing"
    Its database is a file in its volume: look for a full disk or wrong rights. Read what the service says: `provision logs grafana`.
    "#);
    insta::assert_snapshot!(look(&Answer { status: 503, ..failing }), @r#"
    not yet: grafana: 503, database is "failing"
    Its database is a file in its volume: look for a full disk or wrong rights. Read what the service says: `provision logs grafana`.
    "#);
    insta::assert_snapshot!(look(&changed("grafana-7.5.5/health", "database", "db")), @r"
    not yet: grafana: /api/health answered something unexpected (application/json; charset=UTF-8): missing field `database` at line 5 column 1
    Something else may listen on that port, or this version of grafana answers differently: ask it yourself with `provision tunnel`.
    ");
    insta::assert_snapshot!(look(&answer(502, "Bad Gateway")), @r"
    not yet: grafana: 502 from /api/health, Bad Gateway
    Read what the service says: `provision logs grafana`.
    ");
}

#[test]
fn a_login_is_let_in_or_refused_for_good() {
    let look = |answer: &Answer| show(&login("grafana", "admin", SECRET, answer));
    insta::assert_snapshot!(look(&answer(200, r#"{"id":1,"login":"admin","isGrafanaAdmin":true}"#)), @"holds: admin can log in");
    insta::assert_snapshot!(look(&recorded("grafana-7.5.5/search-wrong-password")), @r"
    refused: grafana: 401 for the user admin, invalid username or password
    The password grafana_admin_password in the secrets file is not the one in Grafana's database: the file acts only at Grafana's first start. Set it with `grafana cli admin reset-admin-password --password-from-stdin` in the container of grafana. After five wrong passwords Grafana refuses the right one, too, for five minutes.
    ");
    insta::assert_snapshot!(look(&recorded("grafana-7.5.5/search-unauthorized")), @r"
    refused: grafana: 401 for the user admin, Unauthorized
    The password grafana_admin_password in the secrets file is not the one in Grafana's database: the file acts only at Grafana's first start. Set it with `grafana cli admin reset-admin-password --password-from-stdin` in the container of grafana. After five wrong passwords Grafana refuses the right one, too, for five minutes.
    ");
    insta::assert_snapshot!(look(&answer(200, r#"{"login":"viewer"}"#)), @r#"
    refused: grafana: the login of admin is answered as login "viewer"
    Something before Grafana logs in as somebody else: look at auth.proxy and auth.anonymous in grafana.ini.
    "#);
    insta::assert_snapshot!(look(&answer(403, r#"{"message":"Access denied"}"#)), @r"
    refused: grafana: 403 for the user admin, Access denied
    Make admin an administrator of Grafana again, or name another user.
    ");
    insta::assert_snapshot!(look(&answer(503, r#"{"message":"starting"}"#)), @r"
    not yet: grafana: 503 from /api/user, starting
    Read what the service says: `provision logs grafana`.
    ");
}

fn look(uid: &str, health: &Answer, described: Option<&Answer>) -> String {
    show(&datasource("grafana", "admin", SECRET, uid, health, described))
}

#[test]
fn a_datasource_answers_or_says_why_not() {
    let ok = r#"{"message":"Successfully queried the Prometheus API.","status":"OK"}"#;
    insta::assert_snapshot!(look("prometheus", &answer(200, ok), None), @"holds: prometheus answers");
    let error = r#"{"message":"Unable to connect with Loki","status":"ERROR"}"#;
    insta::assert_snapshot!(look("loki", &answer(400, error), None), @r"
    not yet: datasource loki: 400, Unable to connect with Loki
    Look at the datasource's url in its provisioning file, whether its service runs, and whether grafana shares a network with it. Read what the service says: `provision logs grafana`.
    ");
    insta::assert_snapshot!(look("loki", &answer(200, error), None), @r#"
    not yet: datasource loki: status is "ERROR", Unable to connect with Loki
    Look at the datasource's url in its provisioning file, whether its service runs, and whether grafana shares a network with it. Read what the service says: `provision logs grafana`.
    "#);
    insta::assert_snapshot!(look("loki", &answer(200, "{}"), None), @r"
    not yet: grafana: /api/datasources/uid/loki/health answered something unexpected (application/json): missing field `status` at line 1 column 2
    Something else may listen on that port, or this version of grafana answers differently: ask it yourself with `provision tunnel`.
    ");
    insta::assert_snapshot!(look("loki", &recorded("grafana-7.5.5/search-wrong-password"), None), @r"
    refused: grafana: 401 for the user admin, invalid username or password
    The password grafana_admin_password in the secrets file is not the one in Grafana's database: the file acts only at Grafana's first start. Set it with `grafana cli admin reset-admin-password --password-from-stdin` in the container of grafana. After five wrong passwords Grafana refuses the right one, too, for five minutes.
    ");
}

#[test]
fn a_datasource_that_cannot_be_asked_is_looked_up() {
    let unavailable = answer(500, r#"{"message":"Plugin unavailable","messageId":"plugin.unavailable"}"#);
    let of_type = |kind: &str| answer(200, &format!(r#"{{"uid":"x","type":"{kind}"}}"#));
    assert!(health_is_no_question(&unavailable));
    insta::assert_snapshot!(look("alertmanager", &unavailable, Some(&of_type("alertmanager"))), @"holds: alertmanager present; its type has no health question");
    insta::assert_snapshot!(look("prometheus", &unavailable, Some(&of_type("prometheus"))), @r"
    not yet: datasource prometheus of type prometheus cannot be asked: 500, Plugin unavailable
    Its plugin prometheus did not start. Read what the service says: `provision logs grafana`.
    ");
    let old = recorded("grafana-7.5.5/datasource-health");
    assert!(health_is_no_question(&old));
    insta::assert_snapshot!(look("prometheus", &old, Some(&of_type("prometheus"))), @r"
    refused: datasource prometheus of type prometheus cannot be asked: 404, Not found
    Grafana answers for datasources from version 9 on: use a newer image.
    ");
    let gone = answer(404, r#"{"message":"Data source not found"}"#);
    insta::assert_snapshot!(look("loki", &gone, Some(&gone)), @r"
    refused: datasource loki is not there (404, Data source not found)
    Look at the provisioning file of the datasources: it must set uid: loki. Read what the service says: `provision logs grafana`.
    ");
}

#[test]
fn a_datasource_that_grafana_12_does_not_have_is_said_to_be_missing() {
    let health = recorded("grafana-12.4.0/datasource-health-missing");
    assert!(health_says_little(&health));
    let gone = recorded("grafana-12.4.0/datasource-missing");
    insta::assert_snapshot!(look("loki", &health, Some(&gone)), @r"
    refused: datasource loki is not there (404, Data source not found)
    Look at the provisioning file of the datasources: it must set uid: loki. Read what the service says: `provision logs grafana`.
    ");
    // It is there, and nobody knows why Grafana cannot read it.
    let there = recorded("grafana-12.4.0/datasource-loki");
    insta::assert_snapshot!(look("loki", &health, Some(&there)), @r"
    not yet: datasource loki: 500, Unable to load datasource metadata
    Look at the datasource's url in its provisioning file, whether its service runs, and whether grafana shares a network with it. Read what the service says: `provision logs grafana`.
    ");
}

#[test]
fn a_type_without_health_is_only_described() {
    let look = |answer: &Answer| show(&described("grafana", "admin", SECRET, "alertmanager", answer));
    insta::assert_snapshot!(look(&recorded("grafana-12.4.0/datasource-alertmanager")), @"holds: alertmanager present; its type has no health question");
    insta::assert_snapshot!(look(&recorded("grafana-12.4.0/datasource-loki")), @r"
    not yet: datasource alertmanager is of type loki, not of type alertmanager
    It was provisioned by another file before: Grafana must start anew. Read what the service says: `provision logs grafana`.
    ");
    insta::assert_snapshot!(look(&recorded("grafana-12.4.0/datasource-missing")), @r"
    refused: datasource alertmanager is not there (404, Data source not found)
    Look at the provisioning file of the datasources: it must set uid: alertmanager. Read what the service says: `provision logs grafana`.
    ");
}

#[test]
fn of_several_datasources_the_worst_decides_and_all_reasons_are_told() {
    let holds = || Verdict::Holds("a answers".into());
    let later = || Verdict::not_yet("b starts", "Wait.");
    let never = || Verdict::refused("c is wrong", "Wait.");
    insta::assert_snapshot!(show(&worst(vec![holds(), holds()])), @"holds: a answers, a answers");
    insta::assert_snapshot!(show(&worst(vec![holds(), later()])), @r"
    not yet: b starts
    Wait.
    ");
    insta::assert_snapshot!(show(&worst(vec![never(), later(), never()])), @r"
    refused: c is wrong; b starts
    Wait.
    ");
}

#[test]
fn dashboards_are_there_by_uid() {
    let look = |uids: &[&str], answer: &Answer| {
        let uids: Vec<String> = uids.iter().map(|uid| (*uid).to_owned()).collect();
        show(&dashboards("grafana", "admin", SECRET, &uids, answer))
    };
    insta::assert_snapshot!(look(&["overview"], &recorded("grafana-7.5.5/search")), @"holds: 1 dashboard");
    insta::assert_snapshot!(look(&["docker", "overview", "traefik"], &recorded("grafana-7.5.5/search")), @r"
    not yet: no dashboard with uid docker, traefik
    Grafana skips a file whose uid or title another dashboard has, and says so in its log. Read what the service says: `provision logs grafana`.
    ");
    let renamed = changed("grafana-7.5.5/search", "\"uid\":\"overview\"", "\"uid\":\"other\"");
    insta::assert_snapshot!(look(&["overview"], &renamed), @r"
    not yet: no dashboard with uid overview
    Grafana skips a file whose uid or title another dashboard has, and says so in its log. Read what the service says: `provision logs grafana`.
    ");
    insta::assert_snapshot!(look(&["overview"], &recorded("grafana-7.5.5/search-unauthorized")), @r"
    refused: grafana: 401 for the user admin, Unauthorized
    The password grafana_admin_password in the secrets file is not the one in Grafana's database: the file acts only at Grafana's first start. Set it with `grafana cli admin reset-admin-password --password-from-stdin` in the container of grafana. After five wrong passwords Grafana refuses the right one, too, for five minutes.
    ");
    insta::assert_snapshot!(look(&["overview"], &recorded("grafana-7.5.5/dashboard-missing")), @r"
    refused: grafana: 404 from /api/search, Dashboard not found
    Something else may listen on that port, or grafana serves below another path: compare the ports and URLs of grafana in the compose file.
    ");
}
