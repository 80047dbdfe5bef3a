//! An environment: `inventory/<name>.yml` over `inventory/all.yml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layer::Layer;
use super::{Host, HostName, Verify, units};
use crate::error::{Error, Place, Problem, Result};
use crate::yaml::{Document, Value};

/// Where the stack lives on a host, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// An absolute folder.
    pub path: String,
    /// Its owner, a user name or number.
    pub owner: String,
    /// Its group, a name or number.
    pub group: String,
    /// Its mode, octal digits.
    pub mode: String,
}

/// How a deploy behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// How long every container has to stay as it is before the host calls the activation settled.
    pub settle: Duration,
    /// How long the checks may take to hold.
    pub verify_timeout: Duration,
    /// How long the host waits for the confirmation beyond `verify_timeout` before it goes back.
    pub confirm_timeout: Duration,
    /// How long pulling one image may take.
    pub pull_timeout: Duration,
    /// How many releases a host keeps.
    pub keep_releases: u32,
    /// Bytes that must be free on the host before anything is sent.
    pub min_free_disk: u64,
}

/// The values of the stack's variables, with their places in the two files.
#[derive(Debug, Clone)]
pub struct Variables {
    /// Name → value; maps are merged key by key.
    pub values: BTreeMap<String, Value>,
    over: Document,
    base: Document,
}

impl Variables {
    /// Where the value at `path` (variable name, then keys) was set.
    #[must_use]
    pub fn place(&self, path: &[&str]) -> Place {
        let full: Vec<&str> = std::iter::once("variables").chain(path.iter().copied()).collect();
        if self.over.has(&full) || !self.base.has(&full) {
            self.over.place(&full)
        } else {
            self.base.place(&full)
        }
    }
}

/// One environment, all values present and checked.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name: the inventory file's.
    pub name: String,
    /// The project's root folder.
    pub root: PathBuf,
    /// The compose project's name.
    pub project: String,
    /// The folder under `stack/`.
    pub stack: String,
    /// Where on a host.
    pub remote: Remote,
    /// How a deploy behaves.
    pub deploy: Deploy,
    /// How the running stack is judged.
    pub verify: Verify,
    /// The servers, by name.
    pub hosts: Vec<Host>,
    /// Values for the stack.
    pub variables: Variables,
}

/// The environments that `root` has, sorted.
#[must_use]
pub fn names(root: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root.join("inventory")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".yml").map(str::to_owned))
        .filter(|name| name != "all")
        .collect();
    names.sort();
    names
}

impl Environment {
    /// The tmpfs folder on a host that holds this project's secrets.
    #[must_use]
    pub fn secrets_dir(&self) -> String {
        format!("/run/provision/{}", self.project)
    }

    /// The same environment with these variables set, whatever the inventory says.
    #[must_use]
    pub fn with_variables(&self, values: &BTreeMap<String, String>) -> Self {
        let mut environment = self.clone();
        let values = values.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        environment.variables.values.extend(values);
        environment
    }

    /// The environment to use: `name`, else `default:` of all.yml, else the only one.
    ///
    /// # Errors
    /// Usage, with the list of environments, when that does not say which.
    pub fn choose(root: &Path, name: Option<&str>) -> Result<String> {
        let names = names(root);
        let list = if names.is_empty() {
            "There is none yet: copy the example to inventory/<name>.yml.".to_owned()
        } else {
            format!("There are: {}.", names.join(", "))
        };
        if let Some(name) = name {
            if names.iter().any(|known| known == name) {
                return Ok(name.to_owned());
            }
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(Error::usage(format!("find the environment `{name}`"))
                .cause(format!("there is no inventory/{name}.yml"))
                .hint(
                    crate::yaml::did_you_mean(name, known).map_or(list, |n| format!("Did you mean `{n}`?")),
                ));
        }
        if let Some(default) = read_document(root, "all").ok().and_then(|d| d.to::<Layer>().ok()?.default)
            && names.contains(&default)
        {
            return Ok(default);
        }
        match names.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(Error::usage("choose an environment")
                .cause("none was named, and inventory/all.yml has no usable `default:`")
                .hint(list)),
        }
    }

    /// Loads the environment `name` of the project at `root`.
    ///
    /// # Errors
    /// Usage: everything that is wrong in the two files, together.
    pub fn load(root: &Path, name: &str) -> Result<Self> {
        let mut problems = Vec::new();
        let mut layer = |which: &str| -> Option<(Document, Layer)> {
            let document = read_document(root, which).map_err(|found| problems.extend(found)).ok()?;
            let layer = if document.value().is_null() {
                Layer::default()
            } else {
                document.to().map_err(|found| problems.push(found)).ok()?
            };
            Some((document, layer))
        };
        let base = layer("all");
        let over = layer(name);
        let (Some((base_doc, base)), Some((over_doc, over))) = (base, over) else {
            return Err(Error::problems(format!("load the inventory of {name}"), problems));
        };
        let mut merge = Merge { base: &base_doc, over: &over_doc, problems };
        let environment = merge.environment(root, name, base, over);
        match environment {
            Some(environment) if merge.problems.is_empty() => Ok(environment),
            _ => Err(Error::problems(format!("load the inventory of {name}"), merge.problems)),
        }
    }
}

fn read_document(root: &Path, name: &str) -> std::result::Result<Document, Vec<Problem>> {
    let file = format!("inventory/{name}.yml");
    let source = std::fs::read_to_string(root.join(&file)).map_err(|error| {
        vec![Problem::new(
            Place::file(&file),
            format!("cannot be read: {error}"),
            "The inventory is all.yml and one <environment>.yml.",
        )]
    })?;
    Document::parse(&file, &source)
}

/// Puts the two layers together and collects what is wrong with the result.
struct Merge<'a> {
    base: &'a Document,
    over: &'a Document,
    problems: Vec<Problem>,
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

    fn environment(&mut self, root: &Path, name: &str, base: Layer, over: Layer) -> Option<Environment> {
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
        let stack = over.stack.or(base.stack).unwrap_or_else(|| "monitoring".to_owned());
        if stack.contains(['/', '\\']) || stack.starts_with('.') || !root.join("stack").join(&stack).is_dir()
        {
            self.problem(
                &["stack"],
                format!("there is no folder stack/{stack}"),
                "`stack` names a folder under stack/.",
            );
        }
        let remote = Remote {
            path: over.remote.path.or(base.remote.path).unwrap_or_else(|| format!("/opt/{project}")),
            owner: over.remote.owner.or(base.remote.owner).unwrap_or_else(|| "root".to_owned()),
            group: over.remote.group.or(base.remote.group).unwrap_or_else(|| "root".to_owned()),
            mode: over.remote.mode.or(base.remote.mode).unwrap_or_else(|| "0700".to_owned()),
        };
        self.check_remote(&remote);
        let deploy = self.deploy(&base.deploy, &over.deploy);
        let verify = self.verify(&base.verify, &over.verify);
        let hosts = self.hosts(over.hosts);
        let variables = Variables {
            values: merge_maps(base.variables, over.variables),
            over: self.over.clone(),
            base: self.base.clone(),
        };
        Some(Environment {
            name: name.to_owned(),
            root: root.to_owned(),
            project,
            stack,
            remote,
            deploy: deploy?,
            verify: verify?,
            hosts,
            variables,
        })
    }

    fn check_remote(&mut self, remote: &Remote) {
        let path = &remote.path;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        let depth = path.split('/').filter(|part| !part.is_empty()).count();
        if !path.starts_with('/') || !path.chars().all(plain) || path.contains("..") || depth < 2 {
            self.problem(
                &["remote", "path"],
                format!("`{path}` cannot be the remote folder"),
                "An absolute path of at least two parts, of letters, digits, `-`, `_` and `.`: /opt/koprogo/monitoring.",
            );
        }
        for (key, value) in [("owner", &remote.owner), ("group", &remote.group)] {
            if value.is_empty() || !value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
                self.problem(&["remote", key], format!("`{value}` is not a user or group"), "");
            }
        }
        let octal = remote.mode.len() >= 3 && u32::from_str_radix(&remote.mode, 8).is_ok_and(|m| m <= 0o7777);
        if !octal {
            let mode = &remote.mode;
            self.problem(
                &["remote", "mode"],
                format!("`{mode}` is not a mode"),
                "Quoted octal digits: \"0700\".",
            );
        }
    }

    fn deploy(
        &mut self,
        base: &super::layer::DeployLayer,
        over: &super::layer::DeployLayer,
    ) -> Option<Deploy> {
        let mut time = |key: &str, over: &Option<String>, base: &Option<String>, default: &str| {
            let text = over.as_deref().or(base.as_deref()).unwrap_or(default);
            let value = units::duration(text);
            if value.is_none() {
                self.problem(&["deploy", key], format!("`{text}` is not a duration"), "Like 30s, 5m or 1h.");
            }
            value
        };
        let settle = time("settle", &over.settle, &base.settle, "10s");
        let verify_timeout = time("verify_timeout", &over.verify_timeout, &base.verify_timeout, "180s");
        let confirm_timeout = time("confirm_timeout", &over.confirm_timeout, &base.confirm_timeout, "60s");
        let pull_timeout = time("pull_timeout", &over.pull_timeout, &base.pull_timeout, "10m");
        let disk = over.min_free_disk.as_deref().or(base.min_free_disk.as_deref()).unwrap_or("1GB");
        let min_free_disk = units::size(disk);
        if min_free_disk.is_none() {
            self.problem(
                &["deploy", "min_free_disk"],
                format!("`{disk}` is not a size"),
                "Like 500MB or 2GB.",
            );
        }
        let keep_releases = over.keep_releases.or(base.keep_releases).unwrap_or(5);
        if !(2..=50).contains(&keep_releases) {
            self.problem(
                &["deploy", "keep_releases"],
                format!("{keep_releases} releases cannot be kept"),
                "Between 2 and 50: the one that runs and at least one to go back to.",
            );
        }
        Some(Deploy {
            settle: settle?,
            verify_timeout: verify_timeout?,
            confirm_timeout: confirm_timeout?,
            pull_timeout: pull_timeout?,
            keep_releases,
            min_free_disk: min_free_disk?,
        })
    }

    fn verify(
        &mut self,
        base: &super::layer::VerifyLayer,
        over: &super::layer::VerifyLayer,
    ) -> Option<Verify> {
        super::verify::verify(base, over)
            .map_err(|wrong| {
                for (key, what, hint) in wrong {
                    self.problem(&["verify", key], what, hint);
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
        let plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:%".contains(c))
        };
        let mut list = Vec::new();
        for (name, mut host) in hosts {
            if !plain(&name) {
                self.problem(
                    &["hosts", &name],
                    format!("`{name}` is not a host name"),
                    "Letters, digits, `-`, `_`, `.`.",
                );
            }
            if !plain(&host.address) {
                let found = host.address.clone();
                self.problem(
                    &["hosts", &name, "address"],
                    format!("`{found}` is not an address"),
                    "A DNS name, an IP address or a Host of ~/.ssh/config, without a scheme or a port.",
                );
            }
            if host.user.as_deref().is_some_and(|user| !plain(user)) {
                let found = host.user.clone().unwrap_or_default();
                self.problem(&["hosts", &name, "user"], format!("`{found}` is not a login name"), "");
            }
            host.name = HostName(name);
            list.push(host);
        }
        list
    }
}

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

#[cfg(test)]
// A few short texts: clearness before speed.
#[allow(clippy::format_collect)]
mod tests {
    use super::*;

    fn project(all: &str, prod: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("inventory")).unwrap();
        std::fs::create_dir_all(dir.path().join("stack/monitoring")).unwrap();
        std::fs::write(dir.path().join("inventory/all.yml"), all).unwrap();
        std::fs::write(dir.path().join("inventory/prod.yml"), prod).unwrap();
        dir
    }

    const PROD: &str = "hosts: {vps: {address: 203.0.113.10, user: deploy, sudo: true}}\n";

    fn problems(all: &str, prod: &str) -> String {
        let dir = project(all, prod);
        let error = Environment::load(dir.path(), "prod").unwrap_err();
        error
            .all_problems()
            .iter()
            .map(|p| format!("{}: {} | {}\n", p.place, p.what, p.hint))
            .collect::<String>()
    }

    #[test]
    fn an_environment_wins_over_what_all_share() {
        let all = "deploy: {settle: 10s}\nvariables: {images: {a: x:1, b: y:1}, interval: 15s}\n";
        let prod = format!("{PROD}deploy: {{settle: 4s}}\nvariables: {{images: {{b: y:2}}}}\n");
        let dir = project(all, &prod);
        let environment = Environment::load(dir.path(), "prod").unwrap();
        assert_eq!(environment.deploy.settle, Duration::from_secs(4));
        assert_eq!(environment.variables.values["images"]["a"].as_str(), Some("x:1"));
        assert_eq!(environment.variables.values["images"]["b"].as_str(), Some("y:2"));
        assert_eq!(environment.variables.place(&["interval"]).to_string(), "inventory/all.yml:2:39");
        assert_eq!(environment.variables.place(&["images", "b"]).to_string(), "inventory/prod.yml:3:22");
    }

    #[test]
    fn all_mistakes_are_reported_together_with_their_lines() {
        let prod =
            "hosts:\n  vps: {address: 'https://koprogo.com'}\nremote:\n  path: opt\ndeploy:\n  settle: 30\n";
        insta::assert_snapshot!(problems("project: KoproGo\n", prod), @r"
        inventory/all.yml:1:1: `KoproGo` is not a compose project name | Lower-case letters, digits, `-` and `_`, beginning with a letter or digit.
        inventory/prod.yml:2:9: `https://koprogo.com` is not an address | A DNS name, an IP address or a Host of ~/.ssh/config, without a scheme or a port.
        inventory/prod.yml:4:3: `opt` cannot be the remote folder | An absolute path of at least two parts, of letters, digits, `-`, `_` and `.`: /opt/koprogo/monitoring.
        inventory/prod.yml:6:3: `30` is not a duration | Like 30s, 5m or 1h.
        ");
    }

    #[test]
    fn an_unknown_key_gets_the_nearest_one() {
        insta::assert_snapshot!(problems("", "host: {}\n"), @"inventory/prod.yml:1:1: unknown field `host` | Did you mean `hosts`?");
    }

    #[test]
    fn the_environment_is_the_named_one_the_default_or_the_only_one() {
        let dir = project("", PROD);
        assert_eq!(Environment::choose(dir.path(), None).unwrap(), "prod");
        std::fs::write(dir.path().join("inventory/staging.yml"), PROD).unwrap();
        let error = Environment::choose(dir.path(), None).unwrap_err();
        assert_eq!(error.hints(), ["There are: prod, staging."]);
        let error = Environment::choose(dir.path(), Some("prd")).unwrap_err();
        assert_eq!(error.hints(), ["Did you mean `prod`?"]);
        std::fs::write(dir.path().join("inventory/all.yml"), "default: staging\n").unwrap();
        assert_eq!(Environment::choose(dir.path(), None).unwrap(), "staging");
    }
}
