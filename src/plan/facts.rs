//! What a release leaves to be found on the host: networks, and what the host says of itself.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{HostState, networks};
use crate::error::{Error, Kind, Result};
use crate::stack::{Fact, Release};

/// The values, by variable, that differ from what stands in the release's files.
///
/// # Errors
/// Failed, when one cannot be told.
pub fn found(release: &Release, state: &HostState) -> Result<BTreeMap<String, String>> {
    let mut found = networks(release, state)?;
    found.retain(|variable, network| release.sought.get(variable) != Some(network));
    for (variable, from) in &release.from_host {
        let told = match from.fact {
            Fact::Docker0Address => gateway(variable, state)?,
            Fact::DockerSocketGroup => state.socket_group.map(|group| group.to_string()),
            Fact::DockerDataRoot => state.docker_root.clone().filter(|path| is_plain_path(path)),
        };
        if let Some(told) = told.filter(|told| *told != from.value) {
            found.insert(variable.clone(), told);
        }
    }
    Ok(found)
}

/// The host's address on docker0, of a docker that answers.
fn gateway(variable: &str, state: &HostState) -> Result<Option<String>> {
    let told = state.gateway.clone().filter(|address| address.parse::<Ipv4Addr>().is_ok());
    if told.is_none() && state.docker.is_some() {
        return Err(Error::new(Kind::Failed, "prepare the host")
            .cause("docker there has no bridge of its own (docker0), on whose address containers reach the host")
            .hint(format!(
                "Give it one (`bridge` or `bip` in /etc/docker/daemon.json), or set an address of the host that \
                 containers reach, below `variables:` in the inventory: `{variable}: ADDRESS`."
            )));
    }
    Ok(told)
}

/// A path that means the same in every file that it is put into.
fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && path.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c))
        && !path.contains("..")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sketch, release};
    use super::*;
    use crate::stack::FromHost;

    fn look(gateway: Option<&str>, root: Option<&str>) -> String {
        let mut release = release(&[Sketch::default()]);
        for (name, fact, value) in [
            ("address", Fact::Docker0Address, "172.17.0.1"),
            ("root", Fact::DockerDataRoot, "/var/lib/docker"),
        ] {
            release.from_host.insert(name.to_owned(), FromHost { fact, value: value.to_owned() });
        }
        let state = HostState {
            docker: Some("26.1.5".to_owned()),
            gateway: gateway.map(str::to_owned),
            docker_root: root.map(str::to_owned),
            ..HostState::default()
        };
        match found(&release, &state) {
            Ok(found) => format!("{found:?}"),
            Err(error) => format!("{error} | {}", error.hints().join(" ")),
        }
    }

    #[test]
    fn the_group_of_dockers_socket_is_what_the_host_says() {
        let mut release = release(&[Sketch::default()]);
        let group = FromHost { fact: Fact::DockerSocketGroup, value: "0".to_owned() };
        release.from_host.insert("group".to_owned(), group);
        let look = |socket_group| {
            let state = HostState { socket_group, ..HostState::default() };
            format!("{:?}", found(&release, &state).unwrap())
        };
        assert_eq!(look(Some(991)), "{\"group\": \"991\"}");
        assert_eq!((look(Some(0)), look(None)), ("{}".to_owned(), "{}".to_owned()));
    }

    #[test]
    fn what_differs_from_the_default_is_found() {
        assert_eq!(look(Some("172.17.0.1"), Some("/var/lib/docker")), "{}");
        assert_eq!(
            look(Some("10.200.0.1"), Some("/srv/docker")),
            "{\"address\": \"10.200.0.1\", \"root\": \"/srv/docker\"}"
        );
        assert_eq!(look(Some("172.17.0.1"), Some("/srv/{{ x }}")), "{}", "no path that could mean more");
        insta::assert_snapshot!(look(None, None), @"prepare the host: docker there has no bridge of its own (docker0), on whose address containers reach the host | Give it one (`bridge` or `bip` in /etc/docker/daemon.json), or set an address of the host that containers reach, below `variables:` in the inventory: `address: ADDRESS`.");
        insta::assert_snapshot!(look(Some("fe80::1"), None), @"prepare the host: docker there has no bridge of its own (docker0), on whose address containers reach the host | Give it one (`bridge` or `bip` in /etc/docker/daemon.json), or set an address of the host that containers reach, below `variables:` in the inventory: `address: ADDRESS`.");
    }
}
