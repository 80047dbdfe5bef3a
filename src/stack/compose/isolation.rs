//! Who may look into whom: a service that sees the host's processes or files must not be able to read the secrets of
//! another one, or to open docker's socket where another one has it.
//!
//! The kernel lets a process look into another one (`/proc/PID/root`, its environment, its memory) where user and group
//! of the two are the same and it has the other's capabilities as well: `ptrace(2)`, "Ptrace access mode checking".

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::Reader;
use crate::stack::Service;
use crate::yaml::Value;

/// Where the secrets of all projects are on a host; root's alone.
const SECRETS: &str = "/run/provision";

/// The host's processes, as files.
const PROCESSES: &str = "/proc";

/// Through either of these its holder is root.
const SOCKETS: [&str; 2] = ["docker.sock", "containerd.sock"];

/// Capabilities with which neither user nor group matter.
const ABOVE_USERS: [&str; 5] = ["ALL", "SYS_ADMIN", "SYS_PTRACE", "DAC_OVERRIDE", "DAC_READ_SEARCH"];

/// The user that a service says it runs as, as far as it says so in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

impl User {
    /// What `user:` of a service's definition says.
    pub(super) fn of(definition: &Value) -> Self {
        let text = match definition.get("user") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return Self::default(),
        };
        let (user, group) = text.split_once(':').unwrap_or((&text, ""));
        Self { uid: user.parse().ok(), gid: group.parse().ok() }
    }
}

/// What a service sees of the host: how it came to that, as a fragment for a message.
struct Sight {
    how: String,
    /// Whether the files below it include those of [`SECRETS`].
    secrets: bool,
}

impl Reader<'_> {
    pub(super) fn isolation(&mut self, services: &BTreeMap<String, Service>) {
        let definitions = self.document.value().get("services").cloned().unwrap_or_default();
        for (name, service) in services {
            let Some(definition) = definitions.get(name.as_str()) else { continue };
            self.other_secrets(name, service);
            let Some(sight) = sight(definition, service) else { continue };
            let user = User::of(definition);
            let (Some(uid), Some(gid)) = (user.uid, user.gid) else {
                self.problem(
                    &["services", name, "user"],
                    format!("`{name}` {}, and its user and group stand only in its image", sight.how),
                    "Say them in numbers that no other service has: `user: \"65523:65523\"`.",
                );
                continue;
            };
            if sight.secrets && uid == 0 {
                self.problem(
                    &["services", name, "user"],
                    format!("`{name}` {} as root, who may read every secret in {SECRETS}", sight.how),
                    "Give it a user of its own: `user: \"65523:65523\"`.",
                );
            }
            self.capabilities(name, definition, uid, &sight);
            for (other, held) in services.iter().filter(|(other, _)| *other != name) {
                let Some(holds) = holds(held) else { continue };
                let theirs = definitions.get(other.as_str()).map(User::of).unwrap_or_default();
                if theirs.uid.unwrap_or(held.uid) != uid || theirs.gid.is_some_and(|theirs| theirs != gid) {
                    continue;
                }
                self.problem(
                    &["services", name, "user"],
                    format!(
                        "`{name}` {} and has the user and group of `{other}`, which {holds}: it can look into that",
                        sight.how
                    ),
                    "Give one of the two a group that no other service has: `user: \"UID:GID\"`.",
                );
            }
        }
    }

    /// No service mounts what is another's.
    fn other_secrets(&mut self, name: &str, service: &Service) {
        let own = format!("{}/{name}", self.secrets_dir);
        for mount in &service.mounts {
            let source = plain(&mount.source);
            if source.starts_with(SECRETS) && source != Path::new(&own) {
                self.problem(
                    &["services", name, "volumes"],
                    format!("`{name}` mounts `{}`, where secrets of others are", mount.source),
                    format!("Mount {own}, which has those that its `x-provision` names."),
                );
            }
        }
    }

    /// Of one that sees the host: nothing that puts it above users and groups.
    fn capabilities(&mut self, name: &str, definition: &Value, uid: u32, sight: &Sight) {
        let list = |key: &str| -> Vec<String> {
            let names = definition.get(key).and_then(Value::as_sequence).into_iter().flatten();
            names
                .filter_map(Value::as_str)
                .map(|name| name.trim_start_matches("CAP_").to_uppercase())
                .collect()
        };
        if let Some(one) = list("cap_add").iter().find(|one| ABOVE_USERS.contains(&one.as_str())) {
            self.problem(
                &["services", name, "cap_add"],
                format!("`{name}` {} and has {one}, with which it reads every secret there", sight.how),
                "Take the capability away, or what it sees of the host.",
            );
        } else if uid == 0 && !list("cap_drop").contains(&"ALL".to_owned()) {
            self.problem(
                &["services", name],
                format!("`{name}` {} as root with the capabilities that docker gives", sight.how),
                "Add `cap_drop: [ALL]`.",
            );
        }
    }
}

/// A path of the host without `.`, `..` and doubled slashes; `/var/run` is `/run`.
fn plain(path: &str) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    match plain.strip_prefix("/var/run") {
        Ok(rest) => Path::new("/run").join(rest),
        Err(_) => plain,
    }
}

fn sight(definition: &Value, service: &Service) -> Option<Sight> {
    let sources = || service.mounts.iter().filter(|mount| mount.source.starts_with('/'));
    let above = |of: &str| sources().find(|mount| Path::new(of).starts_with(plain(&mount.source)));
    if let Some(mount) = above(SECRETS) {
        return Some(Sight { how: format!("mounts `{}` of the host", mount.source), secrets: true });
    }
    let processes =
        above(PROCESSES).or_else(|| sources().find(|mount| plain(&mount.source).starts_with(PROCESSES)));
    if let Some(mount) = processes {
        return Some(Sight { how: format!("mounts `{}` of the host", mount.source), secrets: false });
    }
    let host = definition.get("pid").and_then(Value::as_str) == Some("host");
    host.then(|| Sight { how: "sees the host's processes (`pid: host`)".to_owned(), secrets: false })
}

/// What a service has that nobody else may come to, as a fragment.
fn holds(service: &Service) -> Option<&'static str> {
    let socket =
        |source: &str| plain(source).file_name().is_some_and(|name| SOCKETS.iter().any(|one| name == *one));
    if service.mounts.iter().any(|mount| socket(&mount.source)) {
        return Some("mounts docker's socket");
    }
    (!service.secrets.is_empty()).then_some("holds secrets")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_as_far_as_it_is_numbers() {
        let user = |text: &str| {
            let user = User::of(&serde_yaml::from_str(text).unwrap());
            (user.uid, user.gid)
        };
        assert_eq!(user("user: '65534:7'"), (Some(65534), Some(7)));
        assert_eq!(user("user: 472"), (Some(472), None));
        assert_eq!(user("user: nobody:nogroup"), (None, None));
        assert_eq!(user("image: i"), (None, None));
    }

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        for (written, is) in [
            ("/", "/"),
            ("//proc/", "/proc"),
            ("/var/run/x", "/run/x"),
            ("/srv/../proc/./1", "/proc/1"),
            ("/..", "/"),
        ] {
            assert_eq!(plain(written), Path::new(is), "{written}");
        }
    }
}
