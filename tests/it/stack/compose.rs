//! compose takes every variant's compose file, and finds in it the services that we found.

use std::collections::BTreeSet;

use super::tools::compose;
use super::{text, variants};
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
