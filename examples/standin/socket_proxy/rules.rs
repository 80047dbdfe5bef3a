//! The flags: who may ask, and for what.

use std::collections::BTreeMap;
use std::net::IpAddr;

use regex_lite::Regex;

use crate::flags::Flags;

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "OPTIONS"];

/// What is allowed.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) address: String,
    pub(super) socket: String,
    pub(super) health: bool,
    /// Seconds between two looks at the socket.
    pub(super) watchdog: Option<u64>,
    /// Whether to end when it is gone.
    pub(super) stop: bool,
    /// By method: expressions for the whole path.
    paths: BTreeMap<&'static str, Vec<Regex>>,
    clients: Vec<Client>,
}

#[derive(Debug)]
enum Client {
    Network(IpAddr, u8),
    /// A name, looked up at each request: containers change their addresses.
    Name(String),
}

impl Rules {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let allow: Vec<String> = METHODS.iter().map(|method| format!("allow{method}")).collect();
        let mut valued = vec![
            "allowfrom",
            "listenip",
            "loglevel",
            "proxyport",
            "shutdowngracetime",
            "socketpath",
            "watchdoginterval",
            "proxysocketendpoint",
            "proxysocketendpointfilemode",
            "allowbindmountfrom",
            "proxycontainername",
        ];
        valued.extend(allow.iter().map(String::as_str));
        let flags = Flags::parse(arguments, &["allowhealthcheck", "logjson", "stoponwatchdog"], &valued)?;
        if let Some(word) = flags.rest.first() {
            return Err(format!("unexpected argument {word:?}"));
        }
        let number = |name: &str, default: &str| {
            flags.or(name, default).parse::<u64>().map_err(|_| format!("invalid value for flag -{name}"))
        };
        let port = number("proxyport", "2375")?;
        if !(1..=65_535).contains(&port) {
            return Err("port number has to be between 1 and 65535".to_owned());
        }
        let ip: IpAddr = flags
            .or("listenip", "127.0.0.1")
            .parse()
            .map_err(|_| format!("invalid IP {:?} for listenip", flags.or("listenip", "")))?;
        let level = flags.or("loglevel", "INFO").to_uppercase();
        if !["DEBUG", "INFO", "WARN", "ERROR"].contains(&level.as_str()) {
            return Err(format!("invalid log level {level}: Supported levels are DEBUG, INFO, WARN, ERROR"));
        }
        let mut paths = BTreeMap::new();
        for method in METHODS {
            let expressions: Vec<Regex> = flags
                .all(&format!("allow{method}"))
                .iter()
                .map(|text| {
                    Regex::new(&format!("^(?:{text})$"))
                        .map_err(|cause| format!("invalid regex {text:?} for {method}: {cause}"))
                })
                .collect::<Result<_, _>>()?;
            if !expressions.is_empty() {
                paths.insert(method, expressions);
            }
        }
        let clients =
            flags.or("allowfrom", "127.0.0.1/32").split(',').map(client).collect::<Result<_, _>>()?;
        let watchdog = number("watchdoginterval", "0")?;
        Ok(Self {
            address: format!("{ip}:{port}"),
            socket: flags.or("socketpath", "/var/run/docker.sock").to_owned(),
            health: flags.on("allowhealthcheck", false),
            watchdog: (watchdog > 0).then_some(watchdog),
            stop: flags.on("stoponwatchdog", false),
            paths,
            clients,
        })
    }

    /// Whether a request may pass, or the status that refuses it.
    pub(super) fn allows(&self, method: &str, path: &str) -> Result<(), u16> {
        let expressions = self.paths.get(method).ok_or(405_u16)?;
        if expressions.iter().any(|one| one.is_match(path)) { Ok(()) } else { Err(403) }
    }

    /// Whether a client may ask.
    pub(super) async fn admits(&self, ip: IpAddr) -> bool {
        for client in &self.clients {
            match client {
                Client::Network(network, bits) => {
                    if within(ip, *network, *bits) {
                        return true;
                    }
                }
                Client::Name(name) => {
                    if let Ok(mut found) = tokio::net::lookup_host((name.as_str(), 0)).await
                        && found.any(|address| address.ip() == ip)
                    {
                        return true;
                    }
                }
            }
        }
        false
    }
}

fn client(text: &str) -> Result<Client, String> {
    let text = text.trim();
    if let Some((ip, bits)) = text.split_once('/') {
        let wrong = || format!("invalid CIDR {text:?} in allowfrom");
        return Ok(Client::Network(ip.parse().map_err(|_| wrong())?, bits.parse().map_err(|_| wrong())?));
    }
    Ok(match text.parse::<IpAddr>() {
        Ok(ip) => Client::Network(ip, if ip.is_ipv4() { 32 } else { 128 }),
        Err(_) => Client::Name(text.to_owned()),
    })
}

fn within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            u32::from(ip) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            u128::from(ip) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(line: &str) -> Result<Rules, String> {
        Rules::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn only_whole_paths_of_named_methods_pass() {
        let rules =
            rules(r"-allowGET=(/v1\.[0-9]+)?/(_ping|containers/[0-9a-f]{64}/json) -allowGET=/info").unwrap();
        assert_eq!(rules.allows("GET", "/v1.44/_ping"), Ok(()));
        assert_eq!(rules.allows("GET", "/info"), Ok(()));
        assert_eq!(rules.allows("GET", &format!("/containers/{}/json", "a".repeat(64))), Ok(()));
        assert_eq!(rules.allows("GET", "/containers/json"), Err(403));
        assert_eq!(rules.allows("GET", "/info/more"), Err(403));
        assert_eq!(rules.allows("POST", "/info"), Err(405));
    }

    #[tokio::test]
    async fn clients_are_networks_and_names() {
        let rules = rules("-allowfrom=10.1.0.0/16,localhost").unwrap();
        assert!(rules.admits("10.1.2.3".parse().unwrap()).await);
        assert!(rules.admits("127.0.0.1".parse().unwrap()).await);
        assert!(!rules.admits("10.2.0.1".parse().unwrap()).await);
        assert!(within("1.2.3.4".parse().unwrap(), "0.0.0.0".parse().unwrap(), 0));
    }

    #[test]
    fn mistakes_are_refused() {
        for (line, wanted) in [
            ("-allowGet=/", "flag provided but not defined: -allowGet"),
            ("-allowGET=(", "invalid regex"),
            ("-proxyport=0", "between 1 and 65535"),
            ("-listenip=all", "invalid IP"),
            ("-loglevel=loud", "invalid log level"),
            ("-allowfrom=1.2.3.4/x", "invalid CIDR"),
        ] {
            assert!(rules(line).unwrap_err().contains(wanted), "{line}");
        }
    }
}
