//! promtool takes every variant's configuration, finds every rule file in it, and runs the rules' unit tests.

use std::path::Path;

use super::rules::{rule_files, rules};
use super::tools::in_image_of;
use super::{full, text, variants, write};

#[test]
fn promtool_takes_every_variant_and_finds_all_its_rules() {
    let folder = tempfile::tempdir().unwrap();
    let variants = variants();
    for (name, release) in &variants {
        write(release, &folder.path().join("stack").join(name));
    }
    // promtool looks whether files that are named exist.
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    std::fs::write(folder.path().join("secrets/metrics_token"), "uR5tGh8jKl3pQw9e").unwrap();
    let printed = in_image_of(
        "prometheus",
        &[(&folder.path().join("stack"), "/stack"), (&folder.path().join("secrets"), "/run/secrets")],
        "for variant in /stack/*; do
            echo \"variant ${variant##*/}\"
            rm -rf /etc/prometheus
            ln -s \"$variant/prometheus\" /etc/prometheus
            promtool check config /etc/prometheus/prometheus.yml
            promtool check rules /etc/prometheus/alerts/*.yml
        done",
    );
    for (name, release) in &variants {
        let part = printed.split("variant ").find(|part| part.lines().next() == Some(name)).unwrap();
        let files = rule_files(release);
        assert!(!files.is_empty());
        for path in files {
            let checked = format!("Checking /etc/{path}");
            // Once by way of prometheus.yml, once as a rule file.
            assert_eq!(part.matches(&checked).count(), 2, "{path} is in no `rule_files` of {name}:\n{part}");
        }
        let found = format!("SUCCESS: {} rules found", rules(release).len());
        assert_eq!(part.matches(&found).count(), 2, "{name}: {found}:\n{part}");
    }
}

#[test]
fn every_rule_fires_when_it_should_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let release = full();
    let rules = text(&release, "prometheus/alerts/koprogo.yml");
    std::fs::write(folder.path().join("koprogo.yml"), rules).unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rules");
    for file in std::fs::read_dir(fixtures).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(format!("test-{}", file.file_name().display())))
            .unwrap();
    }
    in_image_of("prometheus", &[(folder.path(), "/rules")], "promtool test rules /rules/test-*.yml");
}
