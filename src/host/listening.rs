//! What listens on a host and who holds it, as the probe reads it in /proc.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::plan::{Container, Socket};

/// What `listening.sh` found.
#[derive(Debug, Default)]
pub(super) struct Listening {
    sockets: Vec<Listener>,
    /// Process → inodes of its sockets; only of processes that were asked for.
    held: BTreeMap<u32, BTreeSet<u64>>,
}

/// A socket that takes TCP connections.
#[derive(Debug)]
struct Listener {
    ip: IpAddr,
    port: u16,
    inode: u64,
}

impl Listening {
    /// Takes `ADDRESS PORT INODE`.
    pub(super) fn socket(&mut self, value: &str) {
        self.sockets.extend(listener(value));
    }

    /// Takes `PID` or `PID INODE`.
    pub(super) fn held(&mut self, value: &str) {
        let mut words = value.split(' ');
        let Some(pid) = words.next().and_then(|word| word.parse().ok()) else { return };
        self.held.entry(pid).or_default().extend(words.filter_map(|word| word.parse::<u64>().ok()));
    }

    /// The ports that cannot be published on 127.0.0.1 any more.
    pub(super) fn taken(&self) -> BTreeSet<u16> {
        let is_in_the_way = |ip: IpAddr| ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST;
        self.sockets
            .iter()
            .filter(|socket| is_in_the_way(socket.ip.to_canonical()))
            .map(|socket| socket.port)
            .collect()
    }

    /// Where those of the containers that are on the host's own network listen, beyond 127.0.0.1; `None` where
    /// one of them runs and could not be asked.
    pub(super) fn sockets_of(&self, containers: &[Container]) -> Option<Vec<Socket>> {
        let mut on_host = containers.iter().filter(|container| container.host_network && container.pid != 0);
        if !on_host.all(|container| self.held.contains_key(&container.pid)) {
            return None;
        }
        let mut holders: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (pid, inodes) in &self.held {
            for inode in inodes {
                holders.entry(*inode).or_default().push(*pid);
            }
        }
        let found = self.sockets.iter().filter(|socket| !is_v4_loopback(socket.ip)).filter_map(|socket| {
            let pids = holders.get(&socket.inode)?.clone();
            Some(Socket { address: socket.address(), pids })
        });
        Some(found.collect())
    }
}

impl Listener {
    /// As `ss` prints it. `*`: IPv6's any address takes IPv4 too, unless the program said otherwise.
    fn address(&self) -> String {
        match self.ip {
            IpAddr::V6(ip) if ip.is_unspecified() => format!("*:{}", self.port),
            IpAddr::V6(ip) => format!("[{ip}]:{}", self.port),
            IpAddr::V4(ip) => format!("{ip}:{}", self.port),
        }
    }
}

fn is_v4_loopback(ip: IpAddr) -> bool {
    ip.is_ipv4() && ip.is_loopback()
}

fn listener(value: &str) -> Option<Listener> {
    let mut words = value.split(' ');
    Some(Listener {
        ip: address(words.next()?)?,
        port: u16::from_str_radix(words.next()?, 16).ok()?,
        inode: words.next()?.parse().ok()?,
    })
}

/// The kernel prints an address as one or four words of the machine's byte order: least byte first on amd64 and
/// arm64, for which images are made.
fn address(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for word in hex.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_le_bytes());
    }
    <[u8; 4]>::try_from(bytes.as_slice())
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The process of the recordings.
    const PID: u32 = 8185;

    /// What the script makes of the recordings, `descriptors` among them.
    fn recorded(shell: &[&str], descriptors: &str) -> Listening {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/proc");
        let script = concat!(
            include_str!("scripts/listening.sh"),
            "cd \"$1\"\nlistening tcp tcp6 missing\nheld_by \"$2\" <\"$3\"\nheld_by 5 </dev/null\n"
        );
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", script, "sh", folder, &PID.to_string(), descriptors])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut listening = Listening::default();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            match line.split_once(' ').unwrap() {
                ("listen", value) => listening.socket(value),
                ("holds", value) => listening.held(value),
                other => panic!("{other:?}"),
            }
        }
        listening
    }

    fn exporter(pid: u32) -> Container {
        Container { pid, host_network: true, ..Container::default() }
    }

    #[test]
    fn the_kernel_tells_what_ss_does() {
        let ss = include_str!("../../tests/fixtures/proc/ss");
        let addresses = ss.lines().map(|line| line.split_whitespace().nth(3).unwrap());
        let beyond: BTreeSet<&str> = addresses.filter(|address| !address.starts_with("127.")).collect();
        assert_eq!(beyond.len(), 4);
        for (shell, descriptors) in [
            (&["dash"][..], "descriptors.coreutils"),
            (&["busybox", "sh"][..], "descriptors.coreutils"),
            (&["dash"][..], "descriptors.busybox"),
            (&["busybox", "sh"][..], "descriptors.busybox"),
        ] {
            let found = recorded(shell, descriptors).sockets_of(&[exporter(PID)]).unwrap();
            assert!(found.iter().all(|socket| socket.pids == [PID]), "{found:?}");
            let found: BTreeSet<&str> = found.iter().map(|socket| socket.address.as_str()).collect();
            assert_eq!(found, beyond, "{shell:?} {descriptors}");
        }
    }

    #[test]
    fn a_port_is_taken_on_127_0_0_1_and_on_any_address() {
        let mut listening = recorded(&["dash"], "descriptors.coreutils");
        // 10.0.0.5.
        listening.socket("0500000A 0052 1");
        assert_eq!(listening.taken(), [2024, 39101, 39102, 39103, 39105].into());
    }

    #[test]
    fn a_process_that_is_gone_cannot_be_judged_and_one_that_never_ran_holds_nothing() {
        let listening = recorded(&["dash"], "descriptors.coreutils");
        assert_eq!(listening.sockets_of(&[exporter(PID), exporter(5)]), None);
        assert_eq!(Listening::default().sockets_of(&[exporter(0)]), Some(Vec::new()));
    }
}
