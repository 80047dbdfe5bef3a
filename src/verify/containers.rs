//! What the probe saw of the containers, as findings: nothing is asked over the network for them.

use std::collections::BTreeMap;

use crate::plan::HostState;
use crate::plan::check::{Finding, Status};
use crate::stack::{Release, Service};

/// One finding a service: its container is of this release, runs, is healthy and does not crash.
#[must_use]
pub fn containers(release: &Release, labels: &BTreeMap<String, String>, state: &HostState) -> Vec<Finding> {
    release.services.values().map(|service| finding(service, labels.get(&service.name), state)).collect()
}

fn finding(service: &Service, label: Option<&String>, state: &HostState) -> Finding {
    let (status, found, remedy) = judge(service, label, state);
    let expected = if service.one_shot { "ended with exit code 0" } else { "runs this release, healthy" };
    Finding {
        check: format!("{}.container", service.name),
        service: service.name.clone(),
        status,
        expected: expected.to_owned(),
        found,
        remedy,
        took_ms: 0,
        detail: Vec::new(),
    }
}

fn judge(service: &Service, label: Option<&String>, state: &HostState) -> (Status, String, String) {
    let deploy = "Run `provision deploy`: it puts back what the release declares.".to_owned();
    let log = format!("See why in its log on the host: `docker logs {}`.", service.container);
    let Some(container) = state.container(&service.name) else {
        return (Status::Fails, "has no container".to_owned(), deploy);
    };
    if label != Some(&container.digest) {
        return (Status::Fails, "its container is not of this release".to_owned(), deploy);
    }
    let health = if container.health.is_empty() { "no health check" } else { &container.health };
    let looks = format!("{}, {health}, {} restarts", container.state, container.restarts);
    let well = if service.one_shot {
        container.state == "exited" && container.exit_code == 0
    } else {
        container.is_well()
    };
    if well {
        (Status::Holds, looks, String::new())
    } else if matches!(container.state.as_str(), "exited" | "created" | "paused") && container.restarts == 0 {
        (Status::Fails, looks, format!("Somebody stopped it, or it ended. {deploy} {log}"))
    } else {
        (Status::Fails, looks, log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Container;

    fn service() -> Service {
        Service {
            name: "web".to_owned(),
            image: "i:1".to_owned(),
            container: "p-web-1".to_owned(),
            definition: String::new(),
            uid: 0,
            secrets: BTreeMap::new(),
            on_secret: BTreeMap::new(),
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

    fn found(container: Option<Container>) -> (Status, String) {
        let state = HostState { containers: container.into_iter().collect(), ..HostState::default() };
        let (status, found, _) = judge(&service(), Some(&"l".to_owned()), &state);
        (status, found)
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
        assert_eq!(found(Some(container())).0, Status::Holds);
        assert_eq!(found(None).0, Status::Fails);
        for wrong in [
            Container { state: "exited".to_owned(), ..container() },
            Container { health: "unhealthy".to_owned(), ..container() },
            Container { digest: "other".to_owned(), ..container() },
            Container { state: "restarting".to_owned(), ..container() },
        ] {
            assert_eq!(found(Some(wrong.clone())).0, Status::Fails, "{wrong:?}");
        }
    }
}
