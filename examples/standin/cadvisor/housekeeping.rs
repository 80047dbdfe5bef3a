//! Looks for containers and reads them at the configured interval.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::web::Data;

use super::Settings;
use super::cgroup::{Tree, Usage};
use super::docker::{Api, Container};
use super::network::{self, Interface};

/// How often new and gone containers are looked for.
const LOOK: Duration = Duration::from_secs(2);

/// After so long Docker is tried again when it did not answer.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// The last reading of one control group.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Path of the group; `/` is the machine.
    pub(super) path: String,
    pub(super) container: Container,
    pub(super) usage: Usage,
    pub(super) interfaces: Vec<Interface>,
    /// Milliseconds since 1970.
    pub(super) at: i64,
    next: Instant,
}

/// Reads for ever; the latest readings are in `latest`.
pub(super) async fn keep(settings: Arc<Settings>, latest: Data<Mutex<Vec<Reading>>>) {
    let tree = Tree::at(Path::new("/sys/fs/cgroup"));
    let mut known: BTreeMap<String, Reading> = BTreeMap::new();
    // Groups whose name looks like a container's that Docker does not know: another engine's.
    let mut strangers = BTreeSet::new();
    let (mut api, mut try_at) = (None, Instant::now());
    loop {
        if api.is_none() && Instant::now() >= try_at {
            api = Api::connect(&settings.docker)
                .await
                .map_err(|cause| println!("W Registration of the docker container factory failed: {cause}"))
                .ok();
            if let Some(api) = &api {
                println!("I Registering Docker factory, Docker {}", api.docker_version);
            }
            try_at = Instant::now() + TRY_AGAIN;
        }
        let mut groups = tree.containers();
        if settings.machine_itself {
            groups.push(("/".to_owned(), String::new()));
        }
        let present: BTreeSet<&String> = groups.iter().map(|(path, _)| path).collect();
        known.retain(|path, _| present.contains(path));
        strangers.retain(|path| present.contains(path));
        for (path, id) in &groups {
            if known.get(path).is_some_and(|reading| reading.next > Instant::now())
                || strangers.contains(path)
            {
                continue;
            }
            let container = match (known.get(path), id.as_str(), &api) {
                (Some(reading), _, _) => reading.container.clone(),
                (None, "", _) => Container::default(),
                (None, _, None) => continue,
                (None, id, Some(api)) => match api.container(id).await.and_then(|found| match found {
                    Some(_) => api.layer(id).map(|()| found),
                    None => Ok(None),
                }) {
                    Ok(Some(container)) => container,
                    Ok(None) => {
                        strangers.insert(path.clone());
                        continue;
                    }
                    Err(cause) => {
                        println!("W Failed to create existing container: {path}: {cause}");
                        continue;
                    }
                },
            };
            let Some(usage) = tree.usage(path) else { continue };
            let pid = if id.is_empty() { 1 } else { container.pid };
            let reading = Reading {
                path: path.clone(),
                usage,
                interfaces: network::interfaces(pid),
                container,
                at: jiff::Timestamp::now().as_millisecond(),
                next: Instant::now() + settings.interval,
            };
            known.insert(path.clone(), reading);
        }
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = known.values().cloned().collect();
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
pub(super) fn reading(path: &str, container: Container) -> Reading {
    Reading {
        path: path.to_owned(),
        container,
        usage: Usage { memory: 1000.0, working_set: 800.0, cpu: 2.5, ..Usage::default() },
        interfaces: vec![Interface { name: "eth0".to_owned(), received: [1.0; 4], sent: [2.0; 4] }],
        at: 1_795_327_510_310,
        next: Instant::now(),
    }
}
