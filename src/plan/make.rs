//! The plan: what a host has to do to run a release, and what to undo it.

use std::collections::BTreeMap;

use super::changes::{self, Changes, ServiceChange};
use super::{Generated, HostState, ReleaseId, Step, role};
use crate::stack::{Release, Service};

/// What would be done to a host. Plain data: made without touching anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The release that will run.
    pub release: ReleaseId,
    /// The release that runs.
    pub from: Option<ReleaseId>,
    /// The state that this plan was made for; the host refuses it for any other.
    pub bound_to: String,
    /// What that means, for a person.
    pub changes: Changes,
    /// A kept release whose folder has the files that are not sent; `None`: they are in place.
    pub base: Option<ReleaseId>,
    /// The current release's own records: what is the same in this one is not sent again.
    pub parts: BTreeMap<String, String>,
    /// What lies on the host of what is sent, by its name in the release's folder: only what differs is sent.
    pub old: BTreeMap<String, Vec<u8>>,
    /// Files whose content the host does not have, to be sent.
    pub send: Vec<String>,
    /// Scripts that the host does not have in this version.
    pub scripts: Vec<String>,
    /// Whether the sealed bundle has to be sent.
    pub send_sealed: bool,
    /// What to do.
    pub forward: Vec<Step>,
    /// What to do when that fails or is not confirmed.
    pub back: Vec<Step>,
    /// Services whose containers were not well before anything was done. That they still are not after the way back
    /// is no failure of it.
    pub unwell: Vec<String>,
}

impl Plan {
    /// Whether a deploy would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forward.is_empty()
    }
}

/// Makes the plan. `scripts` are the digests of the scripts that the host should have, `settle` is in seconds.
#[must_use]
pub fn make(
    release: &Release,
    generated: &Generated,
    state: &HostState,
    scripts: &BTreeMap<&str, String>,
    settle: u64,
) -> Plan {
    let send: Vec<String> = generated
        .files
        .iter()
        .filter(|(path, file)| state.files.get(*path) != Some(&file.digest))
        .map(|(path, _)| path.clone())
        .collect();
    // What somebody put there matters where a service reads it, and nowhere else.
    let goes = |path: &&String| {
        !generated.files.contains_key(*path) && (!state.is_strange(path) || release.is_configuration(path))
    };
    let removed: Vec<String> = state.files.keys().filter(goes).cloned().collect();
    let same_release = state.current.as_ref() == Some(&generated.id);
    let services = service_changes(release, generated, state, &send, &removed);
    let old_scripts = scripts
        .iter()
        .filter(|(name, digest)| state.scripts.get(**name) != Some(digest))
        .map(|(name, _)| (*name).to_owned())
        .collect::<Vec<_>>();

    let nothing = same_release
        && send.is_empty()
        && removed.is_empty()
        && services.is_empty()
        && old_scripts.is_empty()
        && state.unsealed
        && state.moves_from.is_none()
        && state.interrupted.is_none();
    let (forward, back) = if nothing {
        (Vec::new(), Vec::new())
    } else {
        let mut forward = forward(release, generated, &services, settle);
        let mut back = back(release, state, &services, settle);
        // Before the services start: they log in at once.
        for service in role::changed(release, generated, state) {
            for (steps, back) in [(&mut forward, false), (&mut back, true)] {
                let up = steps.iter().position(|step| matches!(step, Step::Up { .. }));
                let role = Step::Role { service: service.name.clone(), back };
                steps.insert(up.unwrap_or(steps.len()), role);
            }
        }
        // At the end of both: the way back tells the old values again.
        let told = changed_secrets(release, generated, state);
        back.extend(told.iter().filter(|_| state.current.is_some()).cloned());
        forward.extend(told);
        (forward, back)
    };
    let mut changes =
        if nothing { Changes::default() } else { changes::changes(release, generated, state, services) };
    if !nothing && changes.lines().is_empty() {
        changes.notes.push("the release's records on the host are renewed; no service changes".to_owned());
    }
    Plan {
        release: generated.id.clone(),
        from: state.current.clone(),
        bound_to: state.digest.clone(),
        changes,
        base: None,
        parts: state.parts.clone(),
        old: BTreeMap::new(),
        // The host builds the new release's folder from what it has in place and what it is sent.
        send,
        scripts: old_scripts,
        // A bundle that cannot be opened any more (a new host key) is replaced as well.
        send_sealed: !nothing && (!state.unsealed || state.sealed.as_ref() != Some(&generated.sealed_digest)),
        forward,
        back,
        unwell: unwell_before(state),
    }
}

fn unwell_before(state: &HostState) -> Vec<String> {
    let unwell = state.containers.iter().filter(|container| !container.is_well() && !container.is_starting());
    unwell.map(|container| container.service.clone()).collect()
}

fn forward(release: &Release, generated: &Generated, services: &[ServiceChange], settle: u64) -> Vec<Step> {
    let id = &generated.id;
    let mut steps: Vec<Step> =
        release.images().into_iter().map(|image| Step::Pull { image: image.to_owned() }).collect();
    let validated = validated(release, services);
    if !validated.is_empty() {
        steps.push(Step::Validate { release: id.clone(), services: validated });
    }
    steps.push(Step::Place { release: id.clone() });
    steps.push(Step::Unseal { release: id.clone() });
    steps.push(Step::Units);
    steps.push(Step::Up { release: id.clone() });
    steps.extend(signals(release, services));
    steps.push(Step::Settle { release: id.clone(), seconds: settle, excused: Vec::new() });
    steps
}

/// The services that read something new, another image's program included, and can be asked beforehand.
fn validated(release: &Release, services: &[ServiceChange]) -> Vec<String> {
    let reads = |change: &&ServiceChange| matches!(change.action, "create" | "recreate" | "reload");
    let can = |name: &&String| release.services.get(*name).is_some_and(|service| service.validate.is_some());
    services.iter().filter(reads).map(|change| &change.service).filter(can).cloned().collect()
}

fn back(release: &Release, state: &HostState, services: &[ServiceChange], settle: u64) -> Vec<Step> {
    let Some(old) = &state.current else { return vec![Step::Down, Step::Clear] };
    // Where the same release is only put right, that is its own files once more.
    let mut steps = vec![
        Step::Place { release: old.clone() },
        Step::Unseal { release: old.clone() },
        Step::Units,
        Step::Up { release: old.clone() },
    ];
    steps.extend(signals(release, services));
    steps.push(Step::Settle { release: old.clone(), seconds: settle, excused: unwell_before(state) });
    steps
}

fn signals<'a>(release: &'a Release, services: &'a [ServiceChange]) -> impl Iterator<Item = Step> + 'a {
    services.iter().filter(|change| change.action == "reload").filter_map(|change| {
        let reload = release.services.get(&change.service)?.reload.as_ref()?;
        Some(Step::Signal { service: change.service.clone(), signal: reload.signal.clone() })
    })
}

/// Tells services that run already of secrets that they would not read again.
fn changed_secrets(release: &Release, generated: &Generated, state: &HostState) -> Vec<Step> {
    let changed = |name: &String| {
        state.fingerprints.get(name).is_some_and(|old| generated.fingerprints.get(name) != Some(old))
    };
    let running = release.services.values().filter(|service| state.container(&service.name).is_some());
    let hooks = running.flat_map(|service| service.on_secret.iter().map(move |hook| (service, hook)));
    hooks
        .filter(|(service, (file, _))| match service.secrets.get(*file) {
            Some(crate::stack::SecretFile::Secret(name)) => changed(name),
            Some(crate::stack::SecretFile::Template { names, .. }) => names.iter().any(changed),
            None => false,
        })
        .map(|(service, (file, hook))| Step::Tell {
            service: service.name.clone(),
            file: file.clone(),
            command: hook.exec.clone(),
        })
        .collect()
}

fn service_changes(
    release: &Release,
    generated: &Generated,
    state: &HostState,
    changed_files: &[String],
    removed_files: &[String],
) -> Vec<ServiceChange> {
    let touched: Vec<&String> = changed_files.iter().chain(removed_files).collect();
    let same_release = state.current.as_ref() == Some(&generated.id);
    let mut changes: BTreeMap<String, ServiceChange> = BTreeMap::new();
    for (name, service) in &release.services {
        let change = match state.container(name) {
            None if same_release => {
                Some(("create", vec!["drift: its container was removed on the host".to_owned()]))
            }
            None => Some(("create", vec!["it has no container".to_owned()])),
            Some(container) if generated.labels.get(name) != Some(&container.digest) => {
                Some(("recreate", reasons(release, generated, state, service, container, &touched)))
            }
            Some(_) if state.moves_from.is_some() && mounts_live(service) => {
                Some(("recreate", vec!["its files move to another folder of the host".to_owned()]))
            }
            Some(container) if !service.one_shot && !container.is_well() && !container.is_starting() => {
                // Compose starts what has ended, and leaves alone what is unhealthy or paused: the host makes that anew.
                let action = if container.is_stuck() { "recreate" } else { "start" };
                Some((action, vec![unwell(container)]))
            }
            Some(_) => {
                let reloaded: Vec<String> = touched
                    .iter()
                    .filter(|path| service.reloads(path))
                    .map(|path| touch(path, generated, state))
                    .collect();
                (!reloaded.is_empty()).then_some(("reload", reloaded))
            }
        };
        if let Some((action, because)) = change {
            changes.insert(name.clone(), ServiceChange { service: name.clone(), action, because });
        }
    }
    add_dependents(release, &mut changes);
    for container in &state.containers {
        if !release.services.contains_key(&container.service) && !container.service.is_empty() {
            let because = vec!["the release no longer has it".to_owned()];
            let service = container.service.clone();
            changes.insert(service.clone(), ServiceChange { service, action: "remove", because });
        }
    }
    changes.into_values().collect()
}

/// Whether a service mounts something of the live tree.
fn mounts_live(service: &Service) -> bool {
    service.mounts.iter().any(|mount| !mount.source.starts_with('/'))
}

/// What happened to a file: the release changed it, or somebody did on the host.
fn touch(path: &str, generated: &Generated, state: &HostState) -> String {
    if state.released(path) != generated.files.get(path).map(|file| &file.digest) {
        format!("{path} changed")
    } else if state.files.contains_key(path) {
        format!("drift: {path} was edited on the host")
    } else {
        format!("drift: {path} was removed on the host")
    }
}

/// What is the matter with a container that should run.
fn unwell(container: &super::Container) -> String {
    match container.state.as_str() {
        // docker does not say who stopped it; one that ends by itself is restarted.
        "exited" => format!(
            "drift: its container was stopped on the host, or ended: exit code {}",
            container.exit_code
        ),
        "paused" => "drift: its container was paused on the host".to_owned(),
        "running" => format!("drift: its container is {}", container.health),
        other => format!("drift: its container is {other}"),
    }
}

/// Why a container's label differs, as far as that can be told.
fn reasons(
    release: &Release,
    generated: &Generated,
    state: &HostState,
    service: &Service,
    container: &super::Container,
    touched: &[&String],
) -> Vec<String> {
    let mut because = Vec::new();
    if container.image != service.image {
        because.push(format!("image {} → {}", container.image, service.image));
    }
    for path in touched {
        if service.mounts_file(path) && !service.reloads(path) && !service.watches(path) {
            because.push(touch(path, generated, state));
        }
    }
    for file in service.secrets.values() {
        let names = match file {
            crate::stack::SecretFile::Secret(name) => vec![name],
            crate::stack::SecretFile::Template { names, .. } => names.iter().collect(),
        };
        for name in names {
            if state.fingerprints.get(name) != generated.fingerprints.get(name) {
                because.push(format!("the secret {name} changed"));
            }
        }
    }
    if because.is_empty() {
        because.push(format!("its definition in {} changed", release.compose_file));
    }
    because
}

/// Compose recreates everything that depends on a recreated service.
fn add_dependents(release: &Release, changes: &mut BTreeMap<String, ServiceChange>) {
    loop {
        let mut more = Vec::new();
        for (name, service) in &release.services {
            if changes.get(name).is_some_and(|change| change.action != "reload") {
                continue;
            }
            let cause = service
                .depends_on
                .iter()
                .find(|other| changes.get(*other).is_some_and(|change| change.action == "recreate"));
            if let Some(cause) = cause {
                let because = vec![format!("it depends on {cause}")];
                more.push(ServiceChange { service: name.clone(), action: "recreate", because });
            }
        }
        if more.is_empty() {
            return;
        }
        changes.extend(more.into_iter().map(|change| (change.service.clone(), change)));
    }
}

#[cfg(test)]
#[path = "make_tests.rs"]
mod tests;
