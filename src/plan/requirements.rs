//! What a host must have before anything is sent to it.

use super::{HostState, engine, room};
use crate::error::{Error, Kind, Result};
use crate::stack::Release;

/// Whether a release can be activated on a host that looks like `state`; `least_free` is in bytes.
///
/// # Errors
/// Failed, with everything that is missing and what to do about the first of it. Nothing was changed.
pub fn requirements(release: &Release, state: &HostState, least_free: u64) -> Result<()> {
    let error = |found: &str| Error::new(Kind::Failed, "prepare the host").cause(found);
    let without_docker: Vec<&str> =
        state.missing_commands.iter().map(String::as_str).filter(|name| *name != "docker").collect();
    if state.missing_commands.contains("timeout") {
        // Every question to docker is asked with it.
        return Err(missing(&without_docker));
    }
    engine::answers(state)?;
    engine::fits(state)?;
    let deployed_by_us = state.current.is_some() || state.interrupted.is_some();
    if let (Some(target), false) = (&state.linked, deployed_by_us) {
        return Err(error(&format!(
            "the remote folder is a link to {target} there, and provision did not make it"
        ))
        .hint("Choose another `remote: {path: …}` in the inventory, or take the link away."));
    }
    let in_use = state.strangers > 0 || !state.containers.is_empty();
    if in_use && !deployed_by_us {
        let found = format!(
            "{} in the remote folder and {} of the project {} were not deployed by provision",
            crate::words::count(state.strangers, "file"),
            crate::words::count(state.containers.len(), "container"),
            release.project
        );
        return Err(error(&found)
            .hint(format!(
                "Stop them and move the folder away: `docker compose -p {} down` keeps volumes.",
                release.project
            ))
            .hint("Or choose another `remote: {path: …}` and `project:` in the inventory."));
    }
    if !without_docker.is_empty() {
        return Err(missing(&without_docker));
    }
    if state.host_key.is_none() && release.services.values().any(|service| !service.secrets.is_empty()) {
        return Err(match &state.half_key {
            Some(key) => error(&format!(
                "the host key {key} has no public half, and it could not be derived, to seal the secrets to"
            ))
            .hint(format!("Derive it on the host: `ssh-keygen -y -f {key} >{key}.pub`.")),
            None => error("the host has neither an ed25519 nor an RSA host key to seal the secrets to")
                .hint("Make one on the host: `ssh-keygen -A`."),
        });
    }
    shared_root(release, state)?;
    room::room(state, least_free)?;
    taken_ports(release, state)?;
    super::found(release, state)?;
    let missing: Vec<&str> =
        release.networks.iter().filter(|name| !state.networks.contains(*name)).map(String::as_str).collect();
    if !missing.is_empty() {
        let known: Vec<&str> = state.networks.iter().map(String::as_str).collect();
        return Err(error(&format!("the docker network {} is not there", missing.join(", "))).hint(format!(
            "It belongs to the application: start that first, or correct its name in the inventory. There are: {}.",
            known.join(", ")
        )));
    }
    Ok(())
}

fn missing(commands: &[&str]) -> Error {
    Error::new(Kind::Failed, "prepare the host")
        .cause(format!("these commands are missing: {}", commands.join(", ")))
        .hint("Install them: `apt-get install age util-linux coreutils tar mount`.")
}

/// Docker starts no container with a mount of `/` that follows the host's mounts where `/` is private.
fn shared_root(release: &Release, state: &HostState) -> Result<()> {
    let follows = |mount: &crate::stack::Mount| mount.propagates && mount.source == "/";
    let Some(service) = release.services.values().find(|service| service.mounts.iter().any(follows)) else {
        return Ok(());
    };
    if state.root_shared != Some(false) {
        return Ok(());
    }
    let found =
        format!("`/` is a private mount there, and `{}` mounts it with what is mounted below", service.name);
    Err(Error::new(Kind::Failed, "prepare the host")
        .cause(found)
        .hint("Share it: `mount --make-rshared /` on the host, and at each boot: systemd does it by itself, but not in a container (LXC, OpenVZ).")
        .hint("Nothing was changed."))
}

/// A port that a service would publish and that something else of the host has.
fn taken_ports(release: &Release, state: &HostState) -> Result<()> {
    let ours = |port: &u16| {
        state
            .containers
            .iter()
            .any(|container| container.state == "running" && container.ports.contains(port))
    };
    let taken: Vec<String> = release
        .services
        .values()
        .flat_map(|service| service.ports.iter().map(move |port| (service, port)))
        .filter(|(_, port)| state.listening.contains(*port) && !ours(port))
        .map(|(service, port)| format!("port {port}, which `{}` publishes", service.name))
        .collect();
    let Some(first) = taken.first() else { return Ok(()) };
    let port = first.trim_start_matches("port ").split(',').next().unwrap_or_default();
    Err(Error::new(Kind::Failed, "prepare the host")
        .cause(format!("something else on the host listens on {}", taken.join(", and on ")))
        .hint(format!("`ss -ltnp 'sport = :{port}'` on the host says what it is: stop it."))
        .hint("Or give the service another port in the inventory. Nothing was changed."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn release() -> Release {
        Release {
            project: "p".to_owned(),
            environment: "prod".to_owned(),
            compose_file: "docker-compose.p.yml".to_owned(),
            files: BTreeMap::new(),
            sealed: BTreeMap::new(),
            services: BTreeMap::new(),
            volumes: BTreeSet::new(),
            networks: BTreeSet::from(["app".to_owned()]),
            sought: BTreeMap::new(),
            from_host: BTreeMap::new(),
            remarks: Vec::new(),
        }
    }

    fn good() -> HostState {
        HostState {
            docker: Some("26.1.5".to_owned()),
            compose: Some("2.26.1".to_owned()),
            host_key: Some("ssh-ed25519 AAAA".to_owned()),
            disk_free: 1 << 31,
            docker_free: 1 << 31,
            networks: BTreeSet::from(["app".to_owned()]),
            ..HostState::default()
        }
    }

    fn refusal(state: &HostState) -> String {
        let error = requirements(&release(), state, 1 << 30).unwrap_err();
        format!("{error} | {}", error.hints().join(" "))
    }

    #[test]
    fn a_host_without_a_key_to_seal_to_is_refused_where_there_are_secrets() {
        use crate::plan::testing::{Sketch, release};
        let state = HostState { host_key: None, ..good() };
        let with = release(&[Sketch { secrets: BTreeSet::from(["a"]), ..Sketch::default() }]);
        let error = requirements(&with, &state, 1 << 30).unwrap_err();
        insta::assert_snapshot!(format!("{error} | {}", error.hints().join(" ")), @"prepare the host: the host has neither an ed25519 nor an RSA host key to seal the secrets to | Make one on the host: `ssh-keygen -A`.");
        requirements(&release(&[Sketch::default()]), &state, 1 << 30).unwrap();
    }

    #[test]
    fn a_host_that_lacks_something_is_refused_with_the_remedy() {
        assert!(requirements(&release(), &good(), 1 << 30).is_ok());
        let stopped =
            HostState { docker: None, docker_error: "Cannot connect to the daemon".to_owned(), ..good() };
        insta::assert_snapshot!(refusal(&stopped), @"prepare the host: the docker engine does not answer: Cannot connect to the daemon | Start it on the host: `systemctl start docker`; `journalctl -u docker` says why it stopped. Nothing was changed: containers that ran may still run.");
        insta::assert_snapshot!(refusal(&HostState { compose: None, ..good() }), @"prepare the host: docker has no `compose` | Install it: the package docker-compose (Debian 13) or docker-compose-plugin (Docker's own).");
        insta::assert_snapshot!(refusal(&HostState { disk_free: 5 << 20, ..good() }), @"prepare the host: the disk is full: 5 MB free for the remote folder, 1024 MB are wanted | Make room: `docker system df` and `journalctl --disk-usage` on the host show what is large. `deploy: {min_free_disk: …}` in the inventory is the limit.");
        insta::assert_snapshot!(refusal(&HostState { networks: BTreeSet::new(), ..good() }), @"prepare the host: the docker network app is not there | It belongs to the application: start that first, or correct its name in the inventory. There are: .");
        let mut taken = release();
        let mut grafana = super::super::testing::release(&[super::super::testing::Sketch::default()]);
        grafana.services.get_mut("s0").unwrap().ports = vec![3001, 9090];
        taken.services = grafana.services;
        let mut busy = HostState { listening: BTreeSet::from([22, 3001]), ..good() };
        let error = requirements(&taken, &busy, 1 << 30).unwrap_err();
        insta::assert_snapshot!(format!("{error} | {}", error.hints().join(" ")), @"prepare the host: something else on the host listens on port 3001, which `s0` publishes | `ss -ltnp 'sport = :3001'` on the host says what it is: stop it. Or give the service another port in the inventory. Nothing was changed.");
        busy.current = Some(super::super::ReleaseId("0".to_owned()));
        busy.containers = vec![super::super::Container {
            state: "running".to_owned(),
            ports: vec![3001],
            ..super::super::Container::default()
        }];
        assert!(requirements(&taken, &busy, 1 << 30).is_ok(), "its own container has the port");
        let mut whole = super::super::testing::release(&[super::super::testing::Sketch::default()]);
        let private = HostState { root_shared: Some(false), ..good() };
        assert!(requirements(&whole, &private, 1 << 30).is_ok(), "nothing follows the mounts of the host");
        let service = whole.services.get_mut("s0").unwrap();
        service.mounts.push(crate::stack::Mount {
            source: "/".to_owned(),
            target: "/host".to_owned(),
            read_only: true,
            propagates: true,
        });
        let error = requirements(&whole, &private, 1 << 30).unwrap_err();
        insta::assert_snapshot!(format!("{error} | {}", error.hints().join(" ")), @"prepare the host: `/` is a private mount there, and `s0` mounts it with what is mounted below | Share it: `mount --make-rshared /` on the host, and at each boot: systemd does it by itself, but not in a container (LXC, OpenVZ). Nothing was changed.");
        assert!(requirements(&whole, &good(), 1 << 30).is_ok());
        let no_age = HostState { missing_commands: BTreeSet::from(["age".to_owned()]), ..good() };
        insta::assert_snapshot!(refusal(&no_age), @"prepare the host: these commands are missing: age | Install them: `apt-get install age util-linux coreutils tar mount`.");
    }
}
