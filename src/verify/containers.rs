//! What the probe saw of the containers, as findings: nothing is asked over the network for them.

use std::collections::BTreeMap;

use crate::plan::HostState;
use crate::plan::check::Finding;
use crate::stack::{Release, Service};

/// One finding a service: its container is of this release, runs, is healthy and does not crash.
#[must_use]
pub fn containers(release: &Release, labels: &BTreeMap<String, String>, state: &HostState) -> Vec<Finding> {
    release.services.values().map(|service| finding(service, labels.get(&service.name), state)).collect()
}

fn finding(service: &Service, label: Option<&String>, state: &HostState) -> Finding {
    let expected = if service.one_shot { "ended with exit code 0" } else { "runs this release, healthy" };
    Finding {
        service: service.name.clone(),
        ..Finding::fact(&format!("{}.container", service.name), expected, judge(service, label, state))
    }
}

fn judge(service: &Service, label: Option<&String>, state: &HostState) -> Result<String, (String, String)> {
    let deploy = "Run `provision deploy`: it puts back what the release declares.".to_owned();
    let log = format!("See why in its log on the host: `docker logs {}`.", service.container);
    let Some(container) = state.container(&service.name) else {
        return Err(("has no container".to_owned(), deploy));
    };
    if label != Some(&container.digest) {
        return Err(("its container is not of this release".to_owned(), deploy));
    }
    let health = if container.health.is_empty() { "no health check" } else { &container.health };
    let restarts = crate::words::count(container.restarts as usize, "restart");
    let looks = format!("{}, {health}, {restarts}", container.state);
    let well = if service.one_shot {
        container.state == "exited" && container.exit_code == 0
    } else {
        container.is_well()
    };
    if well {
        Ok(looks)
    } else if matches!(container.state.as_str(), "exited" | "created" | "paused") && container.restarts == 0 {
        Err((looks, format!("Somebody stopped it, or it ended. {deploy} {log}")))
    } else {
        Err((looks, log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Container;
    use crate::plan::check::Status;

    fn service() -> Service {
        Service {
            name: "web".to_owned(),
            image: "i:1".to_owned(),
            container: "p-web-1".to_owned(),
            definition: String::new(),
            uid: 0,
            gid: None,
            secrets: BTreeMap::new(),
            secret_values: BTreeMap::new(),
            on_secret: BTreeMap::new(),
            validate: None,
            mounts: Vec::new(),
            ports: Vec::new(),
            reload: None,
            watch: Vec::new(),
            verify: None,
            database: None,
            depends_on: std::collections::BTreeSet::new(),
            patience: 180,
            one_shot: false,
        }
    }

    fn found(container: Option<Container>) -> Finding {
        let state = HostState { containers: container.into_iter().collect(), ..HostState::default() };
        finding(&service(), Some(&"l".to_owned()), &state)
    }

    fn container() -> Container {
        Container {
            service: "web".to_owned(),
            state: "running".to_owned(),
            health: "healthy".to_owned(),
            digest: "l".to_owned(),
            ..Container::default()
        }
    }

    #[test]
    fn a_container_holds_only_if_all_of_it_is_right() {
        assert_eq!(found(Some(container())).status, Status::Holds);
        assert_eq!(found(None).status, Status::Fails);
        for wrong in [
            Container { state: "exited".to_owned(), ..container() },
            Container { health: "unhealthy".to_owned(), ..container() },
            Container { digest: "other".to_owned(), ..container() },
            Container { state: "restarting".to_owned(), ..container() },
        ] {
            assert_eq!(found(Some(wrong.clone())).status, Status::Fails, "{wrong:?}");
        }
    }
}
