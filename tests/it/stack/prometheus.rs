//! promtool takes every variant's configuration, finds every rule file in it, and runs the rules' unit tests.

use std::path::Path;

use super::rules::{rule_files, rules_of};
use super::tools::in_image_of;
use super::{full, load, text, variants, write};
use crate::support::{INVENTORY, Project};

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
            // Once by way of prometheus.yml, once as a rule file.
            let checked =
                format!("Checking /etc/{path}\n  SUCCESS: {} rules found", rules_of(release, path).len());
            assert_eq!(part.matches(&checked).count(), 2, "{name}: {checked}:\n{part}");
        }
    }
}

/// The unit tests of the rules: a file's name and text.
pub(super) fn unit_tests() -> Vec<(String, String)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rules");
    std::fs::read_dir(fixtures)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().display().to_string(), std::fs::read_to_string(file.path()).unwrap()))
        .collect()
}

/// With each collector: they count what they drop under names of their own.
#[test]
fn every_rule_fires_when_it_should_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::new();
    for (collector, drops, limits) in [
        ("alloy", "loki_write_dropped", "loki_process_dropped"),
        ("promtail", "promtail_dropped", "logentry_dropped"),
    ] {
        project.write("inventory/test.yml", &format!("{INVENTORY}  log_collector: {collector}\n"));
        let release = load(&project, collector);
        let folder = folder.path().join(collector);
        std::fs::create_dir(&folder).unwrap();
        for path in rule_files(&release) {
            let file = path.rsplit('/').next().unwrap();
            std::fs::write(folder.join(file), text(&release, path)).unwrap();
        }
        for (file, text) in unit_tests() {
            let tests = text.replace("loki_write_dropped", drops).replace("loki_process_dropped", limits);
            let tests = tests.replace("alloy", collector);
            // What is the same for both need not run twice.
            if collector == "alloy" || tests != text {
                std::fs::write(folder.join(format!("test-{file}")), tests).unwrap();
            }
        }
    }
    in_image_of("prometheus", &[(folder.path(), "/rules")], "promtool test rules /rules/*/test-*.yml");
}

#[test]
fn no_target_can_answer_more_than_prometheus_has_room_for() {
    let release = full();
    let configuration: serde_yaml::Value =
        serde_yaml::from_str(text(&release, "prometheus/prometheus.yml")).unwrap();
    // Those of `global` are every job's, unless that says otherwise.
    let limits = ["sample_limit", "label_limit", "label_name_length_limit", "label_value_length_limit"];
    for job in configuration["scrape_configs"].as_sequence().unwrap() {
        for limit in limits {
            let value = job.get(limit).unwrap_or(&configuration["global"][limit]);
            assert!(value.as_u64().is_some_and(|limit| limit > 0), "{limit} of {job:?}");
        }
        assert!(job.get("body_size_limit").is_none());
    }
    assert_eq!(configuration["global"]["body_size_limit"], "10MiB");
}

/// With either of these whoever reaches Prometheus could delete metrics, or stop it.
#[test]
fn prometheus_takes_no_orders_from_whoever_reaches_it() {
    let release = full();
    let compose = text(&release, &release.compose_file);
    assert!(compose.contains("--web.listen-address=:9090"));
    for flag in ["--web.enable-admin-api", "--web.enable-lifecycle", "--web.enable-remote-write-receiver"] {
        assert!(!compose.contains(flag), "{flag}");
    }
}
