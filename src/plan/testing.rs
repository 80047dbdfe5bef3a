//! Helpers of this room's tests: releases, and hosts that run them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Container, Generated, HostState, generate};
use crate::stack::{Database, File, Mount, Release, Reload, SecretFile, Service, digest};

/// What is left open about a service of a made-up release.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    /// Whether it reloads `<name>/rules/` by a signal.
    pub reloads: bool,
    /// The secrets that it consumes.
    pub secrets: BTreeSet<&'static str>,
    /// The services that it depends on, by index.
    pub depends_on: BTreeSet<usize>,
}

/// A role whose password is the secret `a`.
pub(super) fn database() -> Database {
    Database {
        container: "app-db".to_owned(),
        user: "app".to_owned(),
        name: "app_db".to_owned(),
        role: "watcher".to_owned(),
        password: "a".to_owned(),
        sql: "s1/role.sql".to_owned(),
        up: None,
    }
}

/// The name of the service with this index.
pub(super) fn name(index: usize) -> String {
    format!("s{index}")
}

/// A release of these services. Each mounts its folder, which has a configuration, a rule file and a
/// dashboard; dashboards are picked up without our help.
pub(super) fn release(sketches: &[Sketch]) -> Release {
    let mut files =
        BTreeMap::from([("docker-compose.p.yml".to_owned(), File::new(b"services: {}\n".to_vec()))]);
    let mut services = BTreeMap::new();
    for (index, sketch) in sketches.iter().enumerate() {
        let name = name(index);
        for file in ["conf.yml", "rules/a.yml", "dashboards/a.json"] {
            files.insert(format!("{name}/{file}"), File::new(format!("{name} {file}\n").into_bytes()));
        }
        let service = Service {
            name: name.clone(),
            image: format!("example/{name}:1"),
            container: format!("p-{name}-1"),
            definition: digest(format!("{name} {:?}", sketch.depends_on).as_bytes()),
            uid: 1000,
            gid: Some(1001),
            secrets: sketch
                .secrets
                .iter()
                .map(|secret| ((*secret).to_owned(), SecretFile::Secret((*secret).to_owned())))
                .collect(),
            secret_values: BTreeMap::new(),
            on_secret: BTreeMap::new(),
            mounts: vec![Mount {
                source: name.clone(),
                target: "/etc/x".to_owned(),
                read_only: true,
                propagates: false,
            }],
            ports: Vec::new(),
            reload: sketch
                .reloads
                .then(|| Reload { paths: vec![format!("{name}/rules/")], signal: "HUP".to_owned() }),
            validate: None,
            watch: vec![format!("{name}/dashboards/")],
            verify: None,
            database: None,
            depends_on: sketch.depends_on.iter().map(|index| self::name(*index)).collect(),
            patience: 180,
            one_shot: false,
        };
        services.insert(name, service);
    }
    Release {
        project: "p".to_owned(),
        environment: "prod".to_owned(),
        compose_file: "docker-compose.p.yml".to_owned(),
        files,
        sealed: BTreeMap::new(),
        services,
        volumes: BTreeSet::new(),
        networks: BTreeSet::new(),
        sought: BTreeMap::new(),
        from_host: BTreeMap::new(),
        remarks: Vec::new(),
    }
}

/// A fingerprint for each secret; `changed` has another value than usual.
pub(super) fn fingerprints(release: &Release, changed: Option<&str>) -> BTreeMap<String, String> {
    release
        .secret_names()
        .into_iter()
        .map(|name| {
            let value = if changed == Some(name.as_str()) { "new" } else { "old" };
            let print = digest(format!("{name} {value}").as_bytes())[..16].to_owned();
            (name, print)
        })
        .collect()
}

/// The release with nothing changed about its secrets.
pub(super) fn generated(release: &Release) -> Generated {
    generate(release, &fingerprints(release, None))
}

/// The scripts that a host should have.
pub(super) fn scripts() -> BTreeMap<&'static str, String> {
    BTreeMap::from([("lib.sh", digest(b"lib")), ("verbs.sh", digest(b"verbs"))])
}

/// A host on which the release was deployed and confirmed.
pub(super) fn running(release: &Release, generated: &Generated) -> HostState {
    HostState {
        current: Some(generated.id.clone()),
        digest: digest(generated.id.0.as_bytes()),
        files: generated.files.iter().map(|(path, file)| (path.clone(), file.digest.clone())).collect(),
        scripts: scripts().into_iter().map(|(name, digest)| (name.to_owned(), digest)).collect(),
        fingerprints: generated.fingerprints.clone(),
        sealed: Some(generated.sealed_digest.clone()),
        kept: BTreeSet::from([generated.id.clone()]),
        containers: release
            .services
            .values()
            .map(|service| Container {
                service: service.name.clone(),
                name: service.container.clone(),
                id: digest(service.name.as_bytes()),
                image: service.image.clone(),
                state: "running".to_owned(),
                health: "healthy".to_owned(),
                digest: generated.labels[&service.name].clone(),
                ..Container::default()
            })
            .collect(),
        unsealed: true,
        ..HostState::default()
    }
}
