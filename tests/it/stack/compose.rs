//! compose takes every variant's compose file, and finds in it the services that we found.

use std::collections::BTreeSet;

use super::tools::compose;
use super::{text, variant, variants};
use crate::lab::turn;

#[test]
fn compose_takes_every_variant_without_a_warning() {
    let variants = variants();
    let _turn = turn();
    for (name, release) in variants {
        let file = text(&release, &release.compose_file);
        compose(file, &["config", "--quiet"]);
        let found = compose(file, &["config", "--services"]);
        let found: BTreeSet<&str> = found.lines().collect();
        assert_eq!(found, release.services.keys().map(String::as_str).collect(), "{name}");
    }
}

/// In a compose file `$2y` would be a variable's value: nothing, and a login without a password.
#[test]
fn the_users_hashes_reach_traefik_as_the_inventory_has_them() {
    let release = variant("exposed-to-users");
    let _turn = turn();
    let printed = compose(text(&release, &release.compose_file), &["config", "--format", "json"]);
    let config: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let labels = &config["services"]["grafana"]["labels"];
    let label = "traefik.http.middlewares.koprogo-monitoring-grafana-users.basicauth.users";
    // What it prints can be read again, so a `$` is doubled.
    let users = labels[label].as_str().unwrap().replace("$$", "$");
    let given: Vec<&str> = super::USERS.lines().filter_map(|line| line.split('\'').nth(1)).collect();
    assert_eq!(given.len(), 2);
    assert_eq!(users, given.join(","));
}
