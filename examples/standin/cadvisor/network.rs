//! What went through a container's interfaces, from `/proc/PID/net/dev`.

use std::path::Path;

/// Counters of one interface.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Interface {
    pub(super) name: String,
    /// Bytes, packets, errors, dropped.
    pub(super) received: [f64; 4],
    pub(super) sent: [f64; 4],
}

/// Where the host's processes can be seen: under a mounted root first, then our own.
const PROCESSES: [&str; 2] = ["/rootfs/proc", "/proc"];

/// The interfaces of a process, without the loopback; nothing where the process cannot be seen.
pub(super) fn interfaces(pid: u64) -> Vec<Interface> {
    let found = PROCESSES
        .iter()
        .find_map(|root| std::fs::read_to_string(Path::new(root).join(format!("{pid}/net/dev"))).ok());
    found.map_or_else(Vec::new, |text| parse(&text))
}

fn parse(text: &str) -> Vec<Interface> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let numbers: Vec<f64> = rest.split_whitespace().map(|word| word.parse().unwrap_or(0.0)).collect();
            let four = |at: usize| numbers.get(at..at + 4).and_then(|all| all.try_into().ok());
            Some(Interface { name: name.trim().to_owned(), received: four(0)?, sent: four(8)? })
        })
        .filter(|one| one.name != "lo")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_table() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop\n\
                    \x20   lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 100 2 3 4 0 0 0 0 500 6 7 8 0 0 0 0\n";
        assert_eq!(
            parse(text),
            [Interface {
                name: "eth0".to_owned(),
                received: [100.0, 2.0, 3.0, 4.0],
                sent: [500.0, 6.0, 7.0, 8.0]
            }]
        );
    }
}
