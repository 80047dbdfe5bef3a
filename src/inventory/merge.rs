//! Puts the two layers of an environment together.

use std::collections::BTreeMap;
use std::path::Path;

use super::layer::{DeployLayer, Layer, RemoteLayer, VerifyLayer};
use super::{Environment, Host, HostName, Variables, deploy, remote, verify};
use crate::error::{Place, Problem};
use crate::yaml::{Document, Value};

/// What is wrong with a value: its key, what, and what to do.
pub(super) type Wrong = (&'static str, String, &'static str);

/// Puts the two layers together and collects what is wrong with the result.
pub(super) struct Merge<'a> {
    pub(super) base: &'a Document,
    pub(super) over: &'a Document,
    pub(super) problems: Vec<Problem>,
}

impl Merge<'_> {
    fn place(&self, path: &[&str]) -> Place {
        if self.over.has(path) || !self.base.has(path) {
            self.over.place(path)
        } else {
            self.base.place(path)
        }
    }

    fn problem(&mut self, path: &[&str], what: impl Into<String>, hint: impl Into<String>) {
        let place = self.place(path);
        self.problems.push(Problem::new(place, what, hint));
    }

    /// The environment `name`, whatever is wrong with it; `None` where that leaves nothing to look at.
    pub(super) fn environment(
        &mut self,
        root: &Path,
        name: &str,
        base: Layer,
        over: Layer,
    ) -> Option<Environment> {
        if over.default.is_some() {
            self.problem(
                &["default"],
                "`default` stands in an environment",
                "It belongs into inventory/all.yml.",
            );
        }
        if !base.hosts.is_empty() {
            let problem = self.base.problem(
                &["hosts"],
                "`hosts` stands in all.yml",
                "Hosts belong to an environment: put them into inventory/<environment>.yml.",
            );
            self.problems.push(problem);
        }
        let project = over.project.or(base.project).unwrap_or_else(|| "koprogo-monitoring".to_owned());
        if !is_project_name(&project) {
            self.problem(
                &["project"],
                format!("`{project}` is not a compose project name"),
                "Lower-case letters, digits, `-` and `_`, beginning with a letter or digit.",
            );
        }
        // Another project's units may not have the names of this one's.
        if let Some(word) = UNIT_WORDS.iter().find(|word| project.ends_with(*word)) {
            let other = project.strip_suffix(word).unwrap_or_default();
            self.problem(
                &["project"],
                format!(
                    "the project `{project}` would have a unit on the host with the name of one of the project `{other}`"
                ),
                format!("Choose a name that does not end in `{word}`."),
            );
        }
        let stack = over.stack.or(base.stack).unwrap_or_else(|| "monitoring".to_owned());
        let is_there = !stack.contains(['/', '\\'])
            && !stack.starts_with('.')
            && root.join("stack").join(&stack).is_dir();
        if !is_there {
            self.problem(
                &["stack"],
                format!("there is no folder stack/{stack}"),
                "`stack` names a folder under stack/.",
            );
        }
        // A part with a mistake is taken as if it was not there: other files can be looked at all the same.
        let remote = self
            .part("remote", remote::remote(base.remote, over.remote, &project))
            .or_else(|| remote::remote(RemoteLayer::default(), RemoteLayer::default(), &project).ok());
        let deploy = self
            .part("deploy", deploy::deploy(&base.deploy, &over.deploy))
            .or_else(|| deploy::deploy(&DeployLayer::default(), &DeployLayer::default()).ok());
        let verify = self
            .part("verify", verify::verify(&base.verify, &over.verify))
            .or_else(|| verify::verify(&VerifyLayer::default(), &VerifyLayer::default()).ok());
        let hosts = self.hosts(over.hosts);
        let variables = Variables {
            values: merge_maps(base.variables, over.variables),
            over: self.over.clone(),
            base: self.base.clone(),
        };
        is_there.then_some(Environment {
            name: name.to_owned(),
            root: root.to_owned(),
            project,
            stack,
            remote: remote?,
            deploy: deploy?,
            verify: verify?,
            hosts,
            variables,
        })
    }

    /// A part of the environment, its mistakes at their places.
    fn part<T>(&mut self, part: &str, read: Result<T, Vec<Wrong>>) -> Option<T> {
        read.map_err(|wrong| {
            for (key, what, hint) in wrong {
                self.problem(&[part, key], what, hint);
            }
        })
        .ok()
    }

    fn hosts(&mut self, hosts: BTreeMap<String, Host>) -> Vec<Host> {
        if hosts.is_empty() {
            self.problem(
                &["hosts"],
                "no host",
                "Add one: `hosts: {vps: {address: 203.0.113.10, user: deploy, sudo: true}}`.",
            );
        }
        let mut list = Vec::new();
        for (name, mut host) in hosts {
            host.name = HostName(name);
            for (key, what, hint) in host.mistakes() {
                let path = ["hosts", &host.name.0, key];
                self.problem(if key.is_empty() { &path[..2] } else { &path }, what, hint);
            }
            list.push(host);
        }
        list
    }
}

/// The last words of the units that a project has on a host beside the one with its own name.
const UNIT_WORDS: [&str; 3] = ["-unseal", "-finish", "-mend"];

fn is_project_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

/// `over`'s entries win; where both are maps they are merged one level deeper.
fn merge_maps(mut base: BTreeMap<String, Value>, over: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Mapping(below)), Value::Mapping(above)) => {
                for (key, value) in above {
                    below.insert(key, value);
                }
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
    base
}
