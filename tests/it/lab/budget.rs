//! What the stack takes of memory and disk, against what was asked for: about 500 MB, 10 GB of metrics, 5 GB of logs.

use std::collections::BTreeMap;

use super::{Lab, vps};

/// Megabytes, as the request counts them.
const MEMORY_ASKED_FOR: f64 = 500.0;
const METRICS_ASKED_FOR: f64 = 10_000.0;
const LOGS_ASKED_FOR: f64 = 5_000.0;

const MIB: f64 = 1_048_576.0;

/// A container's limit, and what it uses: all without the page cache that can be given back, and its own pages.
struct Memory {
    limit: f64,
    working_set: f64,
    anonymous: f64,
    stand_in: bool,
}

/// The control group's numbers of each container of the stack, by service; of both versions of control groups.
fn memory() -> BTreeMap<String, Memory> {
    let lines = vps(
        "for id in $(docker ps -q --no-trunc --filter label=com.docker.compose.project=koprogo-monitoring); do
           set -- $(docker inspect -f '{{index .Config.Labels \"com.docker.compose.service\"}} {{.HostConfig.Memory}} {{.State.Pid}} {{.Config.Image}}' $id)
           group=$(sed -n 's/^[0-9]*:\\(memory\\)\\{0,1\\}://p' /proc/$3/cgroup | grep docker | head -n 1)
           if [ -f /sys/fs/cgroup/memory$group/memory.stat ]; then
             folder=/sys/fs/cgroup/memory$group; usage=memory.usage_in_bytes; own='^total_rss '; idle='^total_inactive_file '
           else
             folder=/sys/fs/cgroup$group; usage=memory.current; own='^anon '; idle='^inactive_file '
           fi
           echo $1 $2 $(cat $folder/$usage) $(grep \"$own\" $folder/memory.stat | cut -d ' ' -f 2) $(grep \"$idle\" $folder/memory.stat | cut -d ' ' -f 2) $4
         done",
    );
    let mut found = BTreeMap::new();
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [service, limit, usage, own, idle, image] = words[..] else { panic!("{line}") };
        let number = |text: &str| text.parse::<f64>().unwrap();
        let memory = Memory {
            limit: number(limit),
            working_set: number(usage) - number(idle),
            anonymous: number(own),
            stand_in: image.contains("standin"),
        };
        found.insert(service.to_owned(), memory);
    }
    found
}

#[test]
#[allow(clippy::print_stdout, reason = "the figures for docs/stack.md, shown with --nocapture")]
fn memory_and_disk_are_within_their_limits() {
    let lab = Lab::take();
    let services = memory();
    println!("{:<20}{:>12}{:>14}{:>12}   (MiB)", "service", "limit", "working set", "anonymous");
    for (service, memory) in &services {
        let note = if memory.stand_in { "   STAND-IN" } else { "" };
        println!(
            "{service:<20}{:>12.0}{:>14.1}{:>12.1}{note}",
            memory.limit / MIB,
            memory.working_set / MIB,
            memory.anonymous / MIB
        );
        assert!(memory.limit > 0.0, "{service} has no limit");
        assert!(memory.anonymous > 0.0, "{service}: nothing measured");
        assert!(memory.working_set < memory.limit, "{service} is at its limit");
    }
    let sum = |of: fn(&Memory) -> f64| services.values().map(of).sum::<f64>() / MIB;
    let (limits, used) = (sum(|it| it.limit), sum(|it| it.working_set));
    println!("{:<20}{limits:>12.0}{used:>14.1}{:>12.1}", "sum", sum(|it| it.anonymous));
    println!("asked for: {MEMORY_ASKED_FOR} MB ({:.0} MiB)", MEMORY_ASKED_FOR * 1e6 / MIB);
    assert_eq!(services.len(), 9, "the services of the stack: {:?}", services.keys());
    // docs/stack.md names this sum.
    let documented =
        std::fs::read_to_string(std::path::Path::new(super::ROOT).join("docs/stack.md")).unwrap();
    assert!(
        documented.contains(&format!("**{limits:.0}** with Alloy")),
        "docs/stack.md has another sum than {limits}"
    );

    println!("\nvolumes (MB)");
    let volumes = vps(
        "docker volume ls -q --filter label=com.docker.compose.project=koprogo-monitoring | while read -r name; do
           echo $(docker volume inspect -f '{{index .Labels \"com.docker.compose.volume\"}}' $name) $(du -sb $(docker volume inspect -f '{{.Mountpoint}}' $name) | cut -f 1)
         done",
    );
    let volumes: BTreeMap<&str, f64> = volumes
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, bytes)| (name, bytes.parse::<f64>().unwrap() / 1e6))
        .collect();
    for (name, size) in &volumes {
        println!("{name:<20}{size:>12.1}");
    }
    println!("asked for: prometheus_data {METRICS_ASKED_FOR}, loki_data {LOGS_ASKED_FOR}");
    assert!(volumes["prometheus_data"] > 0.0 && volumes["prometheus_data"] < METRICS_ASKED_FOR);
    assert!(volumes["loki_data"] < LOGS_ASKED_FOR);
    drop(lab);
}
