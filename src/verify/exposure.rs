//! Whether the stack can be reached from outside the host: seen from the host, and tried from here.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::join;
use crate::plan::HostState;
use crate::plan::check::Finding;
use crate::stack::Release;

/// The name of the finding from inside.
pub const INSIDE: &str = "exposure.inside";
/// The name of the finding from outside, a probe.
pub const OUTSIDE: &str = "exposure.outside";

/// A port that takes no connection within this time is closed to us.
const PATIENCE: Duration = Duration::from_secs(3);

/// From inside: no container publishes a port on a public address, and none with the host's network listens
/// on one. An address is public unless it is a loopback, private or link-local one.
#[must_use]
pub fn inside(state: &HostState) -> Finding {
    let expected = "nothing of the stack listens on a public address";
    Finding::fact(INSIDE, expected, judge(state))
}

fn judge(state: &HostState) -> Result<String, (String, String)> {
    let mut seen = 0;
    let mut public = Vec::new();
    for container in &state.containers {
        for address in &container.published {
            seen += 1;
            if is_public(address) {
                public.push(format!("{} publishes {address}", container.service));
            }
        }
        if !container.host_network {
            continue;
        }
        let Some(sockets) = &state.sockets else {
            return Err((
                format!(
                    "cannot tell where {} listens: the host does not show what its process {} holds",
                    container.service, container.pid
                ),
                "It may have ended at that moment: look again with `provision verify`, or skip the check in the inventory: `verify: {skip: [exposure.inside]}`."
                    .to_owned(),
            ));
        };
        for socket in sockets.iter().filter(|socket| socket.pids.contains(&container.pid)) {
            seen += 1;
            if is_public(&socket.address) {
                public.push(format!("{} listens on {}", container.service, socket.address));
            }
        }
    }
    if public.is_empty() {
        return Ok(format!("{seen} addresses, all private"));
    }
    Err((
        public.join("; "),
        "Publish on 127.0.0.1 only (`ports: [\"127.0.0.1:9090:9090\"]`), or bind to the bridge's address; \
         docker's published ports pass by the host's firewall."
            .to_owned(),
    ))
}

/// Whether others than the host itself and its private networks may reach `ADDRESS:PORT`.
fn is_public(address: &str) -> bool {
    let Some((host, _)) = address.rsplit_once(':') else { return true };
    let host = host.trim_matches(['[', ']']);
    let host = host.split('%').next().unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
            None => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
        },
        // `*`, the empty address.
        Err(_) => true,
    }
}

/// The ports of the host that belong to the stack: those that containers publish, those on which containers
/// with the host's network listen, and those that the release wants.
#[must_use]
pub fn ports(release: &Release, state: &HostState) -> Vec<u16> {
    let mut addresses: Vec<&str> = Vec::new();
    for container in &state.containers {
        addresses.extend(container.published.iter().map(String::as_str));
        if container.host_network {
            let own = state.sockets.iter().flatten().filter(|socket| socket.pids.contains(&container.pid));
            addresses.extend(own.map(|socket| socket.address.as_str()));
        }
    }
    let mut ports: Vec<u16> = addresses
        .iter()
        .filter_map(|address| address.rsplit_once(':')?.1.parse().ok())
        .chain(release.services.values().flat_map(|service| service.ports.iter().copied()))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// From outside: none of `ports` takes a connection at `address`, a name or an address without a port. Each
/// is tried once, all at once.
pub async fn outside(address: &str, ports: &[u16]) -> Finding {
    let start = Instant::now();
    let tried =
        join::all(ports.iter().map(|port| async move { (*port, is_open(address, *port).await) })).await;
    let open: Vec<String> =
        tried.iter().filter(|(_, open)| *open).map(|(port, _)| port.to_string()).collect();
    let verdict = if open.is_empty() {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        Ok(format!("{address} takes no connection from here on {}", ports.join(", ")))
    } else {
        Err((
            format!("{address} takes connections from here on port {}", open.join(", ")),
            "Bind the port to 127.0.0.1, or close it in the firewall before the host. If something else than \
             the stack listens there, give the stack another port."
                .to_owned(),
        ))
    };
    let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    Finding {
        took_ms,
        ..Finding::fact(OUTSIDE, "none of the stack's ports can be reached from here", verdict)
    }
}

async fn is_open(address: &str, port: u16) -> bool {
    let connect = async {
        match address.parse::<IpAddr>() {
            Ok(ip) => TcpStream::connect(SocketAddr::new(ip, port)).await,
            Err(_) => TcpStream::connect((address, port)).await,
        }
    };
    matches!(timeout(PATIENCE, connect).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Container, Socket};

    fn state(published: &[&str], socket: Option<&str>) -> HostState {
        let published = published.iter().map(|address| (*address).to_owned()).collect();
        let web = Container { service: "web".into(), published, ..Container::default() };
        let exporter =
            Container { service: "exporter".into(), pid: 7, host_network: true, ..Container::default() };
        let other = Socket { address: "0.0.0.0:22".into(), pids: vec![1] };
        let sockets =
            socket.map(|address| vec![other, Socket { address: address.to_owned(), pids: vec![7, 8] }]);
        HostState { containers: vec![web, exporter], sockets, ..HostState::default() }
    }

    fn look(published: &[&str], socket: Option<&str>) -> String {
        let finding = inside(&state(published, socket));
        format!("{:?}: {}\n{}", finding.status, finding.found, finding.remedy)
    }

    #[test]
    fn private_addresses_hold_and_public_ones_are_named() {
        insta::assert_snapshot!(look(&["127.0.0.1:9090", "[::1]:9090"], Some("172.17.0.1:9100")), @"Holds: 3 addresses, all private");
        insta::assert_snapshot!(look(&["0.0.0.0:9090", "[::]:9090"], Some("172.17.0.1:9100")), @r#"
        Fails: web publishes 0.0.0.0:9090; web publishes [::]:9090
        Publish on 127.0.0.1 only (`ports: ["127.0.0.1:9090:9090"]`), or bind to the bridge's address; docker's published ports pass by the host's firewall.
        "#);
        insta::assert_snapshot!(look(&[], Some("*:9100")), @r#"
        Fails: exporter listens on *:9100
        Publish on 127.0.0.1 only (`ports: ["127.0.0.1:9090:9090"]`), or bind to the bridge's address; docker's published ports pass by the host's firewall.
        "#);
        insta::assert_snapshot!(look(&[], None), @r"
        Fails: cannot tell where exporter listens: the host does not show what its process 7 holds
        It may have ended at that moment: look again with `provision verify`, or skip the check in the inventory: `verify: {skip: [exposure.inside]}`.
        ");
    }

    #[test]
    fn addresses_are_public_or_not() {
        for private in [
            "127.0.0.1:1",
            "[::1]:1",
            "10.0.0.1:1",
            "[fe80::1%eth0]:1",
            "[::ffff:127.0.0.1]:1",
            "[fd00::1]:1",
        ] {
            assert!(!is_public(private), "{private}");
        }
        for public in ["0.0.0.0:1", "[::]:1", "*:1", "203.0.113.10:1", "[2001:db8::1]:1", ":1"] {
            assert!(is_public(public), "{public}");
        }
    }

    #[tokio::test]
    async fn an_open_port_is_found_from_outside() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let finding = outside("127.0.0.1", &[port]).await;
        let text = format!("{:?}: {}", finding.status, finding.found).replace(&port.to_string(), "PORT");
        insta::assert_snapshot!(text, @"Fails: 127.0.0.1 takes connections from here on port PORT");
        drop(listener);
        let finding = outside("127.0.0.1", &[port]).await;
        let text = format!("{:?}: {}", finding.status, finding.found).replace(&port.to_string(), "PORT");
        insta::assert_snapshot!(text, @"Holds: 127.0.0.1 takes no connection from here on PORT");
    }
}
