//! What docker on a host must be and have.

use super::HostState;
use crate::error::{Error, Kind, Result};

/// The oldest API that knows `start_interval` of a health check; Docker has it since 25.
const LEAST_API: (u32, u32) = (1, 44);

/// The oldest compose that reads it.
const LEAST_COMPOSE: (u32, u32) = (2, 20);

const INSTALL: &str =
    "Install it: `apt-get install docker.io docker-compose` on Debian 13, or Docker's own packages.";

fn error(found: impl std::fmt::Display) -> Error {
    Error::new(Kind::Failed, "prepare the host").cause(found)
}

/// Whether docker answers at all: where it does not, what it has is not known.
///
/// # Errors
/// Failed, with docker's own words.
pub fn answers(state: &HostState) -> Result<()> {
    if state.docker_snap {
        return Err(error(
            "docker is there as a snap, which can read nothing outside of its own folders and /home",
        )
        .hint(format!("Remove it: `snap remove docker`. {INSTALL}")));
    }
    if state.missing_commands.contains("docker") {
        return Err(error("docker is not installed").hint(INSTALL));
    }
    if state.docker.is_none() {
        let error = error("the docker engine does not answer").cause(state.docker_error.trim());
        return Err(if state.docker_error.contains("did not answer within") {
            error
                .hint("It hangs: `systemctl status docker` and `journalctl -u docker` on the host say more; `systemctl restart docker` starts it anew, and every container with it.")
        } else {
            error.hint(
                "Start it on the host: `systemctl start docker`; `journalctl -u docker` says why it stopped.",
            )
        }
        .hint("Nothing was changed: containers that ran may still run."));
    }
    Ok(())
}

/// Whether docker and compose there can run a stack.
///
/// # Errors
/// Failed, with the remedy.
pub(super) fn fits(state: &HostState) -> Result<()> {
    let docker = state.docker.as_deref().unwrap_or_default();
    if let Some(api) = state.docker_api.as_deref().filter(|api| older(api, LEAST_API)) {
        return Err(error(format!(
            "docker there is {docker} with the API {api}: the API 1.44 is needed, which Docker has since 25"
        ))
        .hint("Upgrade it: Debian 13 and Ubuntu 24.04 have it as docker.io, and Docker's own packages do (https://docs.docker.com/engine/install/).")
        .hint("Nothing was changed."));
    }
    let Some(compose) = &state.compose else {
        return Err(error("docker has no `compose`").hint(
            "Install it: the package docker-compose (Debian 13) or docker-compose-plugin (Docker's own).",
        ));
    };
    if older(compose, LEAST_COMPOSE) {
        return Err(error(format!("docker's compose there is {compose}: 2.20 or a newer one is needed"))
            .hint(
                "Upgrade it: the package docker-compose (Debian 13) or docker-compose-plugin (Docker's own). \
             One that was put by hand into a folder cli-plugins comes before that.",
            ));
    }
    if state.docker_security.contains("userns") {
        return Err(error("docker there maps users (userns-remap)")
            .hint("Root in a container may then neither read the stack's files nor use the host's network: take `userns-remap` out of /etc/docker/daemon.json, or choose another host.")
            .hint("Nothing was changed."));
    }
    if state.docker_security.contains("rootless") {
        return Err(error("docker there runs without root (rootless)")
            .hint("Its containers reach neither the host's network nor its measurements: install docker as a service of the system.")
            .hint("Nothing was changed."));
    }
    Ok(())
}

/// Whether a version, like `26.1.5+dfsg1` or `v2.20.3`, is older than that. One that cannot be read is not.
fn older(version: &str, than: (u32, u32)) -> bool {
    let mut numbers = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    match (next(), next()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) < than,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut HostState)) -> String {
        let mut state = HostState {
            docker: Some("26.1.5".to_owned()),
            docker_api: Some("1.45".to_owned()),
            compose: Some("2.26.1-4".to_owned()),
            docker_security: ["seccomp".to_owned(), "apparmor".to_owned()].into(),
            ..HostState::default()
        };
        change(&mut state);
        match answers(&state).and_then(|()| fits(&state)) {
            Ok(()) => "fits".to_owned(),
            Err(error) => format!("{error} | {}", error.hints().join(" ")),
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, is_older) in
            [("1.43", true), ("1.44", false), ("1.5", true), ("2.0", false), ("x", false), ("", false)]
        {
            assert_eq!(older(version, LEAST_API), is_older, "{version}");
        }
        for (version, is_older) in [("v2.19.9", true), ("2.20.0", false), ("5", false), ("1.29.2", true)] {
            assert_eq!(older(version, LEAST_COMPOSE), is_older, "{version}");
        }
    }

    #[test]
    fn each_docker_that_cannot_run_a_stack_is_refused_with_the_remedy() {
        assert_eq!(refusal(|_| {}), "fits");
        assert_eq!(
            refusal(|state| {
                state.docker = Some("known".to_owned());
                state.docker_api = None;
                state.compose = Some("known".to_owned());
            }),
            "fits"
        );
        insta::assert_snapshot!(refusal(|state| state.docker_snap = true), @"prepare the host: docker is there as a snap, which can read nothing outside of its own folders and /home | Remove it: `snap remove docker`. Install it: `apt-get install docker.io docker-compose` on Debian 13, or Docker's own packages.");
        insta::assert_snapshot!(refusal(|state| { state.missing_commands.insert("docker".to_owned()); }), @"prepare the host: docker is not installed | Install it: `apt-get install docker.io docker-compose` on Debian 13, or Docker's own packages.");
        insta::assert_snapshot!(refusal(|state| {
            state.docker = None;
            state.docker_error = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. ".to_owned();
        }), @"prepare the host: the docker engine does not answer: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. | Start it on the host: `systemctl start docker`; `journalctl -u docker` says why it stopped. Nothing was changed: containers that ran may still run.");
        insta::assert_snapshot!(refusal(|state| {
            state.docker = None;
            state.docker_error = "`docker network` did not answer within 20 s ".to_owned();
        }), @"prepare the host: the docker engine does not answer: `docker network` did not answer within 20 s | It hangs: `systemctl status docker` and `journalctl -u docker` on the host say more; `systemctl restart docker` starts it anew, and every container with it. Nothing was changed: containers that ran may still run.");
        insta::assert_snapshot!(refusal(|state| {
            state.docker = Some("20.10.24+dfsg1".to_owned());
            state.docker_api = Some("1.41".to_owned());
        }), @"prepare the host: docker there is 20.10.24+dfsg1 with the API 1.41: the API 1.44 is needed, which Docker has since 25 | Upgrade it: Debian 13 and Ubuntu 24.04 have it as docker.io, and Docker's own packages do (https://docs.docker.com/engine/install/). Nothing was changed.");
        insta::assert_snapshot!(refusal(|state| state.compose = None), @"prepare the host: docker has no `compose` | Install it: the package docker-compose (Debian 13) or docker-compose-plugin (Docker's own).");
        insta::assert_snapshot!(refusal(|state| state.compose = Some("2.17.3".to_owned())), @"prepare the host: docker's compose there is 2.17.3: 2.20 or a newer one is needed | Upgrade it: the package docker-compose (Debian 13) or docker-compose-plugin (Docker's own). One that was put by hand into a folder cli-plugins comes before that.");
        insta::assert_snapshot!(refusal(|state| { state.docker_security.insert("userns".to_owned()); }), @"prepare the host: docker there maps users (userns-remap) | Root in a container may then neither read the stack's files nor use the host's network: take `userns-remap` out of /etc/docker/daemon.json, or choose another host. Nothing was changed.");
        insta::assert_snapshot!(refusal(|state| { state.docker_security.insert("rootless".to_owned()); }), @"prepare the host: docker there runs without root (rootless) | Its containers reach neither the host's network nor its measurements: install docker as a service of the system. Nothing was changed.");
    }
}
