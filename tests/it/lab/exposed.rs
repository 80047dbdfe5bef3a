//! Grafana behind the application's Traefik: the labels of the stack, read by a real Traefik.

use std::time::Duration;

use super::{Lab, vps, wait_for};

/// A line as `htpasswd -nB` prints it, and the login that it verifies. They open a Grafana of the lab, which has its own.
const USER: &str = "ana:$2y$10$bIq6.QUCtMkulpPTNXoHpevGTWPx82RPThBu5TympDjpgc.puQl7.";
const LOGIN: &str = "ana:a-public-password";

/// What Traefik answers to a GET of the host name by TLS, with a login or without.
fn answer(path: &str, login: Option<&str>) -> String {
    let login = login
        .map_or(String::new(), |login| format!("Authorization: Basic $(printf %s '{login}' | base64)\\r\\n"));
    vps(&format!(
        "address=$(docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' koprogo-traefik)
         printf \"GET {path} HTTP/1.1\\r\\nHost: grafana.koprogo.lab\\r\\n{login}Connection: close\\r\\n\\r\\n\" |
           timeout 20 openssl s_client -quiet -connect $address:443 -servername grafana.koprogo.lab 2>/dev/null || true"
    ))
}

fn expose(lab: &Lab, who: &str) {
    let variables =
        format!("variables:\n  expose: {{domain: grafana.koprogo.lab, cert_resolver: null, {who}}}");
    lab.edit("inventory/lab.yml", "variables:", &variables);
    lab.deploy().ends_with(0, &[]);
}

#[test]
#[ignore = "long: make test-all"]
fn grafana_is_shown_to_those_who_may_see_it_and_to_nobody_else() {
    let lab = Lab::take();
    let is = |status: &str, login: Option<&str>| {
        wait_for(&format!("Traefik answers {status}"), Duration::from_secs(30), || {
            answer("/api/health", login).starts_with(&format!("HTTP/1.1 {status} "))
        });
    };
    assert!(answer("/api/health", None).starts_with("HTTP/1.1 404 "), "it was shown before");
    // Docker's own networks are the lab's outside.
    let inventory = std::fs::read_to_string(lab.path("inventory/lab.yml")).unwrap();
    expose(&lab, &format!("allow: [172.16.0.0/12], users: ['{USER}']"));
    is("401", None);
    is("401", Some("ana:another-password"));
    is("200", Some(LOGIN));
    let shown = answer("/api/health", Some(LOGIN)).to_lowercase();
    assert!(shown.contains("strict-transport-security: max-age=31536000"), "{shown}");
    assert!(shown.contains("\"database\""), "{shown}");
    // Metrics and plain HTTP are nobody's.
    assert!(answer("/metrics", Some(LOGIN)).starts_with("HTTP/1.1 404 "));
    let plain = vps(
        "docker exec koprogo-traefik wget -qO- --header 'Host: grafana.koprogo.lab' http://127.0.0.1/api/health 2>&1 || true",
    );
    assert!(plain.contains("404"), "{plain}");
    // A login is of no use elsewhere than in the networks that are allowed.
    std::fs::write(lab.path("inventory/lab.yml"), inventory).unwrap();
    expose(&lab, &format!("allow: [192.0.2.0/24], users: ['{USER}']"));
    is("403", Some(LOGIN));
    drop(lab);
    // Afterwards nobody sees it.
    let lab = Lab::take();
    is("404", None);
    drop(lab);
}
