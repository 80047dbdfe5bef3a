//! A TCP connection to a name that may have several addresses.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::config::Target;
use super::connect::{Options, timed_out, unreachable, with_hints};
use super::known_hosts::DEFAULT_PORT;
use crate::error::Result;

/// How long one address is waited for before the next one of the same name is tried beside it (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// After this long without an acknowledgement a connection is dead, also while we send: keepalives wait
/// behind what is being sent.
#[cfg(target_os = "linux")]
const DEAD_AFTER_MS: u32 = 60_000;

/// A TCP connection to the first of the name's addresses that answers.
pub(super) async fn dial(target: &Target, options: &Options) -> Result<TcpStream> {
    let name = (target.host.as_str(), target.port);
    let work = async {
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host(name)
            .await
            .map_err(|error| {
                let error = unreachable(target)
                    .cause(format!("the name {} has no address", target.host))
                    .cause(error)
                    .hint("Correct `address:` in the inventory, or the DNS record.");
                with_hints(error, target)
            })?
            .collect();
        race(addresses).await.map_err(|causes| {
            let refused =
                causes.iter().all(|(_, error)| error.kind() == std::io::ErrorKind::ConnectionRefused);
            let mut error = unreachable(target);
            for (address, cause) in causes {
                error = error.cause(format!("{address}: {cause}"));
            }
            if refused {
                error = error.hint(format!(
                    "The host is up, but nothing listens on port {}: does sshd run, and is `port:` right?",
                    target.port
                ));
                if target.port == DEFAULT_PORT {
                    error = error.hint(
                        "After many failed logins sshd turns an address away for a while; wait a minute.",
                    );
                }
            }
            with_hints(error, target)
        })
    };
    let stream = timeout(options.connect_timeout, work).await.map_err(|_| timed_out(target, options))??;
    // Without these a connection is slower, or noticed dead later, but it is one.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, DEAD_AFTER_MS);
    Ok(stream)
}

type Failures = Vec<(SocketAddr, std::io::Error)>;

async fn race(addresses: Vec<SocketAddr>) -> std::result::Result<TcpStream, Failures> {
    let mut waiting = addresses.into_iter();
    let mut running = JoinSet::new();
    let mut failures = Vec::new();
    let mut start = waiting.next();
    loop {
        if let Some(address) = start.take() {
            running.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(Ok((_, Ok(stream)))) => return Ok(stream),
                Some(Ok((address, Err(error)))) => {
                    failures.push((address, error));
                    start = waiting.next();
                }
                Some(Err(_)) => {}
                None => match waiting.next() {
                    Some(next) => start = Some(next),
                    None => return Err(failures),
                },
            },
            () = sleep(NEXT_ADDRESS), if waiting.len() > 0 => start = waiting.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hold_up_the_next() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        assert_eq!(race(vec![closed, open]).await.unwrap().peer_addr().unwrap(), open);
        let failures = race(vec![closed, closed]).await.unwrap_err();
        assert_eq!(failures.len(), 2);
        assert!(race(Vec::new()).await.is_err());
    }

    #[tokio::test]
    async fn an_address_that_is_silent_does_not_hold_up_the_next() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        // TEST-NET-1 (RFC 5737): either nothing comes back, or the network says at once that there is no way.
        let silent = "192.0.2.1:22".parse().unwrap();
        let stream = timeout(Duration::from_secs(5), race(vec![silent, open])).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
    }
}
