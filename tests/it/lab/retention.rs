//! Prometheus deletes what is older than it was told to keep, and keeps what is younger: blocks of days long past are
//! put into its volume.

use std::time::Duration;

use super::{Lab, prometheus, try_vps, vps, wait_for};

const CONTAINER: &str = "koprogo-monitoring-prometheus-1";
const DAY: i64 = 24 * 3600;
/// A block holds two hours, aligned to them.
const BLOCK: i64 = 2 * 3600;

/// A time so many days ago, in the middle of a block.
fn ago(days: i64) -> i64 {
    let time = jiff::Timestamp::now().as_second() - days * DAY;
    time - time.rem_euclid(BLOCK) + BLOCK / 2
}

/// Makes a block with ten minutes of `metric` after a time, beside Prometheus' own in its volume but
/// where it does not look, and gives the block's name.
fn make_block(metric: &str, time: i64) -> String {
    let line = |minute: i64| format!("{metric} 1 {}", time + 60 * minute);
    let samples = (0..10).map(line).collect::<Vec<_>>().join("\\n");
    // The root of the container is read-only, and promtool wants room beside.
    vps(&format!(
        "docker exec -e TMPDIR=/prometheus/backfill {CONTAINER} sh -euc 'mkdir -p /prometheus/backfill/{time}; \
         printf \"# TYPE {metric} gauge\\n{samples}\\n# EOF\\n\" >/prometheus/backfill/samples; \
         promtool tsdb create-blocks-from openmetrics /prometheus/backfill/samples /prometheus/backfill/{time} >&2; \
         ls /prometheus/backfill/{time} | grep -x \"[0-9A-Z]\\{{26\\}}\"'"
    ))
}

/// What Prometheus has of it at a time: the number of samples.
fn samples(metric: &str, time: i64) -> usize {
    let answer = prometheus("/api/v1/query", &format!("count_over_time({metric}[1h] @ {})", time + 1800));
    let result = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}"));
    result.first().map_or(0, |one| one["value"][1].as_str().unwrap().parse().unwrap())
}

fn stop() {
    vps(&format!("docker stop {CONTAINER}"));
}

fn start() {
    vps(&format!("docker start {CONTAINER}"));
    wait_for("Prometheus to be ready", Duration::from_secs(60), || {
        try_vps(&format!("docker exec {CONTAINER} wget -q -O /dev/null http://127.0.0.1:9090/-/ready"))
            .status
            .success()
    });
}

#[test]
#[ignore = "long: make test-all"]
fn what_is_older_than_the_retention_is_gone_after_a_restart() {
    let lab = Lab::take();
    let before = lab.snapshot();
    let kept = prometheus("/api/v1/status/runtimeinfo", "")["data"]["storageRetention"].to_string();
    assert!(kept.contains("30d"), "the lab keeps {kept}: take other times here");
    let volume = vps("docker volume inspect -f '{{.Mountpoint}}' koprogo-monitoring_prometheus_data");
    let (old, young) = (ago(40), ago(3));
    vps(&format!("rm -rf {volume}/backfill"));
    // Its own, should a test that failed have left its block.
    let metric = &format!("provision_backfilled_{}", jiff::Timestamp::now().as_second());
    let (old_block, young_block) = (make_block(metric, old), make_block(metric, young));

    stop();
    vps(&format!("mv {volume}/backfill/{old}/{old_block} {volume}/backfill/{young}/{young_block} {volume}/"));
    let blocks = || vps(&format!("cd {volume} && ls -d {old_block} {young_block} 2>/dev/null || true"));
    assert!(blocks().contains(&old_block));
    start();
    assert_eq!(blocks(), young_block);
    assert_eq!((samples(metric, old), samples(metric, young)), (0, 10));
    // Not because it could not be read.
    let log = vps(&format!("docker logs --since 2m {CONTAINER} 2>&1"));
    let deleted = log.lines().find(|line| line.contains("obsolete block") && line.contains(&old_block));
    assert!(deleted.is_some(), "{log}");

    stop();
    vps(&format!("rm -rf {volume}/backfill {volume}/{young_block}"));
    start();
    assert_eq!(samples(metric, young), 0);
    lab.is_as_before(&before);
}
