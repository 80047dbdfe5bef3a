//! What the stack costs its host, compared with the budget of the inventory.

use std::collections::BTreeMap;

use crate::inventory::Budget;
use crate::plan::Usage;
use crate::plan::check::Finding;

/// The names of the findings, all probes.
pub const NAMES: [&str; 3] = ["overhead.memory", "overhead.cpu", "overhead.disk"];

/// One finding each for memory, CPU and disk.
#[must_use]
pub fn judge(usage: &Usage, budget: Budget) -> [Finding; 3] {
    let disk = "Look which volume grows, and lower `retention_size` or `log_retention`; the budget is \
                `verify: {disk: …}` in the inventory.";
    let memory = "See which container grew; `memory:` in the inventory limits each, and the budget is \
                  `verify: {memory: …}`.";
    let cpu = "See which container is busy: a longer `scrape_interval` halves the work; the budget is \
               `verify: {cpu_percent: …}` in the inventory.";
    let total = |of: &BTreeMap<String, u64>| of.values().sum::<u64>();
    // Microseconds of a window of seconds: exact far beyond what a host can use.
    #[expect(clippy::cast_precision_loss)]
    let percent = |used: u64| {
        let whole = usage.seconds * usage.cpus.max(1) as f64 * 1e6;
        if whole > 0.0 { used as f64 / whole * 100.0 } else { 0.0 }
    };
    let nothing = usage.memory.is_empty();
    let sized = |used: u64, most: u64, of: &BTreeMap<String, u64>, remedy: &str| {
        let found = format!("{} of {} ({})", bytes(used), bytes(most), largest(of, bytes));
        if nothing {
            Err(("no container of the stack runs".to_owned(), "Run `provision deploy`.".to_owned()))
        } else if used <= most {
            Ok(found)
        } else {
            Err((found, remedy.to_owned()))
        }
    };
    let used = percent(total(&usage.cpu));
    let found = format!(
        "{used:.1} % over {:.0} s of {:.1} % ({})",
        usage.seconds,
        budget.cpu_percent,
        largest(&usage.cpu, |value| format!("{:.1} %", percent(value)))
    );
    let busy = if nothing {
        Err(("no container of the stack runs".to_owned(), "Run `provision deploy`.".to_owned()))
    } else if used <= budget.cpu_percent {
        Ok(found)
    } else {
        Err((found, cpu.to_owned()))
    };
    [
        Finding::fact(
            NAMES[0],
            "the containers' memory, page cache aside, is within the budget",
            sized(total(&usage.memory), budget.memory, &usage.memory, memory),
        ),
        Finding::fact(NAMES[1], "the containers' CPU time over the window is within the budget", busy),
        Finding::fact(
            NAMES[2],
            "the volumes are within the budget",
            sized(total(&usage.disk), budget.disk, &usage.disk, disk),
        ),
    ]
}

/// The three largest, each with its value.
fn largest(of: &BTreeMap<String, u64>, show: impl Fn(u64) -> String) -> String {
    let mut list: Vec<(&String, &u64)> = of.iter().collect();
    list.sort_by_key(|(_, value)| std::cmp::Reverse(**value));
    let list: Vec<String> =
        list.into_iter().take(3).map(|(name, value)| format!("{name} {}", show(*value))).collect();
    list.join(", ")
}

fn bytes(value: u64) -> String {
    if value >= 10 << 30 { format!("{} GB", value >> 30) } else { format!("{} MB", value >> 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(usage: &Usage) -> String {
        let budget = Budget { memory: 500 << 20, cpu_percent: 5.0, disk: 15 << 30 };
        let findings = judge(usage, budget);
        let line = |f: &Finding| format!("{} {:?}: {}\n{}", f.check, f.status, f.found, f.remedy);
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn usage(memory: u64, cpu: u64, disk: u64) -> Usage {
        let of = |value| BTreeMap::from([("loki".to_owned(), value / 4), ("prometheus".to_owned(), value)]);
        Usage { cpus: 2, seconds: 10.0, memory: of(memory), cpu: of(cpu), disk: of(disk) }
    }

    #[test]
    fn what_is_within_the_budget_holds_and_the_largest_are_named() {
        insta::assert_snapshot!(look(&usage(200 << 20, 400_000, 2 << 30)), @r"
        overhead.memory Holds: 250 MB of 500 MB (prometheus 200 MB, loki 50 MB)

        overhead.cpu Holds: 2.5 % over 10 s of 5.0 % (prometheus 2.0 %, loki 0.5 %)

        overhead.disk Holds: 2560 MB of 15 GB (prometheus 2048 MB, loki 512 MB)
        ");
    }

    #[test]
    fn what_is_above_says_so() {
        insta::assert_snapshot!(look(&usage(500 << 20, 900_000, 14 << 30)), @r"
        overhead.memory Fails: 625 MB of 500 MB (prometheus 500 MB, loki 125 MB)
        See which container grew; `memory:` in the inventory limits each, and the budget is `verify: {memory: …}`.
        overhead.cpu Fails: 5.6 % over 10 s of 5.0 % (prometheus 4.5 %, loki 1.1 %)
        See which container is busy: a longer `scrape_interval` halves the work; the budget is `verify: {cpu_percent: …}` in the inventory.
        overhead.disk Fails: 17 GB of 15 GB (prometheus 14 GB, loki 3584 MB)
        Look which volume grows, and lower `retention_size` or `log_retention`; the budget is `verify: {disk: …}` in the inventory.
        ");
        insta::assert_snapshot!(look(&Usage::default()), @r"
        overhead.memory Fails: no container of the stack runs
        Run `provision deploy`.
        overhead.cpu Fails: no container of the stack runs
        Run `provision deploy`.
        overhead.disk Fails: no container of the stack runs
        Run `provision deploy`.
        ");
    }
}
