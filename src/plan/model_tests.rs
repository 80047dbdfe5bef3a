//! Plans, carried out on a model of a host that does what `host/scripts/verbs.sh` does with each step: forward gives
//! exactly the release, and forward and then back is what was there before.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use proptest::test_runner::RngSeed;

use super::testing::{Sketch, fingerprints, release, running, scripts};
use super::{Generated, HostState, Plan, ReleaseId, Step, generate, make};
use crate::stack::{File, Release, Service, digest};

const SECRETS: [&str; 3] = ["a", "b", "c"];

/// What a process has read: the files that it mounts, those aside that it picks up by itself, and its secrets.
type Read = (BTreeMap<String, String>, BTreeMap<String, String>);

/// A host: its files, the secrets in its tmpfs, and for each service the label of its container and what its process
/// has read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Host {
    files: BTreeMap<String, String>,
    placed: BTreeSet<String>,
    secrets: BTreeMap<String, String>,
    containers: BTreeMap<String, (String, Read)>,
}

type Releases = BTreeMap<ReleaseId, (Release, Generated)>;

impl Host {
    /// What the process of a service reads where it starts or reloads now.
    fn read(&self, service: &Service) -> Read {
        let reads = |path: &&String| service.mounts_file(path) && !service.watches(path);
        let files = self.files.iter().filter(|(path, _)| reads(path));
        let secrets = self.secrets.iter().filter(|(secret, _)| service.secrets.contains_key(*secret));
        let own = |(key, value): (&String, &String)| (key.clone(), value.clone());
        (files.map(own).collect(), secrets.map(own).collect())
    }

    fn carry_out(&mut self, steps: &[Step], releases: &Releases) {
        for step in steps {
            match step {
                Step::Place { release } => {
                    let (release, generated) = &releases[release];
                    let stays = |path: &String| {
                        generated.files.contains_key(path)
                            || (!self.placed.contains(path) && !release.is_configuration(path))
                    };
                    self.files.retain(|path, _| stays(path));
                    self.files.extend(digests(generated));
                    self.placed = generated.files.keys().cloned().collect();
                }
                Step::Unseal { release } => self.secrets = releases[release].1.fingerprints.clone(),
                Step::Up { release } => {
                    let (release, generated) = &releases[release];
                    self.containers.retain(|service, _| release.services.contains_key(service));
                    // Compose makes anew what depends on what it makes anew. A service depends on earlier ones only.
                    let mut anew = BTreeSet::new();
                    for (service, definition) in &release.services {
                        let label = &generated.labels[service];
                        let other = self.containers.get(service).map(|(has, _)| has != label);
                        let depends = definition.depends_on.iter().any(|other| anew.contains(other));
                        if other == Some(true) || depends {
                            anew.insert(service.clone());
                        }
                        if other != Some(false) || depends {
                            let container = (label.clone(), self.read(definition));
                            self.containers.insert(service.clone(), container);
                        }
                    }
                }
                // The plans here are for releases whose services have the same reloads.
                Step::Signal { service, .. } => {
                    let definition = releases.values().find_map(|(release, _)| release.services.get(service));
                    let read = self.read(definition.unwrap());
                    // The files alone: a secret is read at the start.
                    self.containers.get_mut(service).unwrap().1.0 = read.0;
                }
                Step::Down => self.containers.clear(),
                Step::Clear => {
                    self.files.retain(|path, _| !self.placed.contains(path));
                    self.placed.clear();
                    self.secrets.clear();
                }
                Step::Settle { release, .. } => {
                    let (release, generated) = &releases[release];
                    for service in release.services.keys() {
                        assert_eq!(&self.containers[service].0, &generated.labels[service], "{service}");
                    }
                }
                Step::Pull { .. }
                | Step::Validate { .. }
                | Step::Units
                | Step::Role { .. }
                | Step::Tell { .. } => {}
            }
        }
    }

    /// What a release is on a host with nothing else on it.
    fn running(release: &Release, generated: &Generated) -> Self {
        let mut host = Self::default();
        let id = generated.id.clone();
        let releases = Releases::from([(id.clone(), (release.clone(), generated.clone()))]);
        let steps = [
            Step::Place { release: id.clone() },
            Step::Unseal { release: id.clone() },
            Step::Up { release: id },
        ];
        host.carry_out(&steps, &releases);
        host
    }

    /// What the probe says of it: `released` is what was deployed there.
    fn probed(&self, released: Option<(&Release, &Generated)>) -> HostState {
        let Some((release, generated)) = released else { return HostState::default() };
        let mut state = running(release, generated);
        let of_release = digests(generated);
        let looked_at = |path: &String| self.placed.contains(path) || release.is_configuration(path);
        state.files = self.files.clone();
        state.files.retain(|path, _| looked_at(path));
        state.foreign = state
            .files
            .iter()
            .filter(|(path, digest)| of_release.get(*path) != Some(digest))
            .map(|(path, _)| path.clone())
            .collect();
        state.declared = of_release;
        state.declared.retain(|path, digest| state.files.get(path) != Some(digest));
        state
    }

    fn without(&self, strange: &BTreeSet<String>) -> Self {
        let mut host = self.clone();
        host.files.retain(|path, _| !strange.contains(path));
        host
    }
}

fn digests(generated: &Generated) -> BTreeMap<String, String> {
    generated.files.iter().map(|(path, file)| (path.clone(), file.digest.clone())).collect()
}

/// A release, and which of its files and secrets are other than usual.
#[derive(Debug, Clone)]
struct Made {
    sketches: Vec<Sketch>,
    files: Vec<Index>,
    secret: Option<&'static str>,
}

impl Made {
    fn make(&self) -> (Release, Generated) {
        let mut release = release(&self.sketches);
        let paths: Vec<String> = release.files.keys().cloned().collect();
        for index in &self.files {
            let path = index.get(&paths);
            release.files.insert(path.clone(), File::new(format!("changed {path}\n").into_bytes()));
        }
        let generated = generate(&release, &fingerprints(&release, self.secret));
        (release, generated)
    }
}

/// Which services reload is the same in all of them.
fn made() -> impl Strategy<Value = Made> {
    let one = (subsequence(SECRETS.to_vec(), 0..=3), any::<[bool; 5]>());
    let sketches = prop::collection::vec(one, 1..=5).prop_map(|list| {
        let sketch = |(index, (secrets, depends)): (usize, (Vec<_>, [bool; 5]))| Sketch {
            reloads: index % 2 == 0,
            secrets: secrets.into_iter().collect(),
            depends_on: (0..index).filter(|other| depends[*other]).collect(),
        };
        list.into_iter().enumerate().map(sketch).collect()
    });
    let files = prop::collection::vec(any::<Index>(), 0..4);
    (sketches, files, prop::option::of(prop::sample::select(&SECRETS[..])))
        .prop_map(|(sketches, files, secret)| Made { sketches, files, secret })
}

/// What somebody did on the host: files that are edited, removed and added, those also where no service looks.
fn touched() -> impl Strategy<Value = (Vec<Index>, Vec<Index>, Vec<&'static str>)> {
    let added = ["s0/stray.yml", "s4/rules/stray.yml", "data/pg_wal/1", "README", "s0.bak/conf.yml"];
    let some = || prop::collection::vec(any::<Index>(), 0..3);
    (some(), some(), subsequence(added.to_vec(), 0..=5))
}

/// The host after somebody was at it, and the paths that provision did not put there.
fn touch(
    host: &mut Host,
    (edited, removed, added): &(Vec<Index>, Vec<Index>, Vec<&str>),
) -> BTreeSet<String> {
    let paths: Vec<String> = host.placed.iter().cloned().collect();
    if !paths.is_empty() {
        for index in edited {
            host.files.insert(index.get(&paths).clone(), digest(b"edited"));
        }
        for index in removed {
            host.files.remove(index.get(&paths));
        }
    }
    host.files.extend(added.iter().map(|path| ((*path).to_owned(), digest(b"theirs"))));
    added.iter().map(|path| (*path).to_owned()).collect()
}

/// That the host holds a release: its files and nothing else in its services' configuration, its secrets, its
/// containers, and that each process has read what it has now.
fn holds(host: &Host, strange: &BTreeSet<String>, (release, generated): (&Release, &Generated)) {
    let ideal = Host::running(release, generated);
    assert_eq!(host.without(strange), ideal);
    for path in strange {
        assert_eq!(host.files.contains_key(path), !release.is_configuration(path), "{path}");
    }
}

/// That whatever is not sent lies on the host as the release has it.
fn can_be_put_together(plan: &Plan, host: &Host, generated: &Generated) {
    for (path, file) in &generated.files {
        assert!(plan.send.contains(path) || host.files.get(path) == Some(&file.digest), "{path}");
    }
}

fn settings() -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(13),
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn forward_gives_exactly_the_release_and_back_what_was_before(old in made(), new in made(), touched in touched()) {
        let (old, new) = (old.make(), new.make());
        let releases =
            Releases::from([(old.1.id.clone(), old.clone()), (new.1.id.clone(), new.clone())]);
        let mut host = Host::running(&old.0, &old.1);
        let strange = touch(&mut host, &touched);
        let state = host.probed(Some((&old.0, &old.1)));
        let plan = make(&new.0, &new.1, &state, &scripts(), 10);
        can_be_put_together(&plan, &host, &new.1);
        let before = host.clone();
        host.carry_out(&plan.forward, &releases);
        holds(&host, &strange, (&new.0, &new.1));
        prop_assert_eq!(plan.is_empty(), before == host, "{:?}", plan.changes.lines());
        host.carry_out(&plan.back, &releases);
        // What somebody had edited is as the old release has it; the edit is kept elsewhere.
        let gone: BTreeSet<String> = strange.iter().filter(|path| !host.files.contains_key(*path)).cloned().collect();
        prop_assert!(gone.iter().all(|path| old.0.is_configuration(path) || new.0.is_configuration(path)));
        holds(&host.without(&gone), &strange.difference(&gone).cloned().collect(), (&old.0, &old.1));
        // And a deploy after the way back, or after the way forward, has nothing to do.
        let again = make(&old.0, &old.1, &host.probed(Some((&old.0, &old.1))), &scripts(), 10);
        prop_assert!(again.is_empty(), "{:?}", again.changes.lines());
    }

    #[test]
    fn a_first_deploy_that_goes_back_leaves_what_was_there(new in made(), touched in touched()) {
        let (release, generated) = new.make();
        let releases = Releases::from([(generated.id.clone(), (release.clone(), generated.clone()))]);
        let mut host = Host::default();
        touch(&mut host, &touched);
        host.files.retain(|path, _| !release.is_configuration(path));
        let before = host.clone();
        let plan = make(&release, &generated, &host.probed(None), &scripts(), 10);
        can_be_put_together(&plan, &host, &generated);
        host.carry_out(&plan.forward, &releases);
        let strange = before.files.keys().cloned().collect();
        holds(&host, &strange, (&release, &generated));
        host.carry_out(&plan.back, &releases);
        prop_assert_eq!(host, before);
    }
}
