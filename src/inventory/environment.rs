//! An environment: `inventory/<name>.yml` over `inventory/all.yml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::layer::Layer;
use super::merge::Merge;
use super::{Deploy, Host, Remote, Verify};
use crate::error::{Error, Place, Problem, Result};
use crate::text;
use crate::yaml::{Document, Value};

/// The values of the stack's variables, with their places in the two files.
#[derive(Debug, Clone)]
pub struct Variables {
    /// Name → value; maps are merged key by key.
    pub values: BTreeMap<String, Value>,
    pub(super) over: Document,
    pub(super) base: Document,
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
    /// The folder of a host below which each project has its own (`src/host/layout.rs` says what is in it).
    pub const HOME: &'static str = "/var/lib/provision";

    /// The folder on a host with the files that this project's services mount. `remote.path` is a link to it.
    #[must_use]
    pub fn live_dir(&self) -> String {
        format!("{}/{}/live", Self::HOME, self.project)
    }

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
        match Self::read(root, name) {
            (Some(environment), problems) if problems.is_empty() => Ok(environment),
            (_, problems) => Err(Error::problems(format!("load the inventory of {name}"), problems)),
        }
    }

    /// What can be read of the environment, though something is wrong with it, and what that is: so that the mistakes
    /// of other files are found in the same round. Only without a problem may anything be done with it.
    #[must_use]
    pub fn read(root: &Path, name: &str) -> (Option<Self>, Vec<Problem>) {
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
            return (None, problems);
        };
        let mut merge = Merge { base: &base_doc, over: &over_doc, problems };
        let environment = merge.environment(root, name, base, over);
        (environment, merge.problems)
    }
}

fn read_document(root: &Path, name: &str) -> std::result::Result<Document, Vec<Problem>> {
    let file = format!("inventory/{name}.yml");
    let bytes = std::fs::read(root.join(&file)).map_err(|error| {
        vec![Problem::new(
            Place::file(&file),
            format!("cannot be read: {error}"),
            "The inventory is all.yml and one <environment>.yml.",
        )]
    })?;
    let source = text::decode(&bytes).map_err(|unreadable| vec![unreadable.problem(&file)])?;
    Document::parse_without_extensions(&file, source)
}

#[cfg(test)]
// A few short texts: clearness before speed.
#[allow(clippy::format_collect)]
mod tests {
    use std::time::Duration;

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
