//! What a service mounts: folders, in the long syntax, and none of provision's own to write into.

use super::Reader;
use crate::stack::Mount;
use crate::yaml::Value;

/// Folders beside the remote one that are provision's own on every host.
const OURS: [&str; 2] = ["/run/provision", "/var/lib/provision"];

impl Reader<'_> {
    pub(super) fn mounts(&mut self, name: &str, definition: &Value) -> Vec<Mount> {
        let mut mounts = Vec::new();
        let list = definition.get("volumes").and_then(Value::as_sequence).cloned().unwrap_or_default();
        for (index, volume) in list.iter().enumerate() {
            let index = index.to_string();
            let path = ["services", name, "volumes", &index];
            if let Some(short) = volume.as_str() {
                self.short(name, &path, short);
                continue;
            }
            if volume.get("type").and_then(Value::as_str) != Some("bind") {
                continue;
            }
            let source = volume.get("source").and_then(Value::as_str).unwrap_or_default();
            let target = volume.get("target").and_then(Value::as_str).unwrap_or_default();
            let read_only = volume.get("read_only").is_some_and(is_true);
            if volume.get("bind").and_then(|b| b.get("create_host_path")).and_then(Value::as_bool)
                != Some(false)
            {
                self.problem(
                    &path,
                    format!("the bind of `{source}` may create its source"),
                    "Add `bind: {create_host_path: false}`.",
                );
            }
            let own = source.strip_prefix("./").map(|path| path.trim_end_matches('/').to_owned());
            if !read_only && self.writable(&format!("`{name}`"), &path, source) {
                // What else is wrong with it does not matter.
            } else if let Some(own) = &own {
                if self.files.contains_key(own) {
                    self.problem(
                        &path,
                        format!("`{source}` is a file, and a mounted file keeps showing its old content"),
                        "Mount the folder that it lies in.",
                    );
                } else if !self.files.keys().any(|file| file.starts_with(&format!("{own}/"))) {
                    self.problem(&path, format!("the stack has no folder `{source}`"), "");
                }
            } else if !source.starts_with('/') {
                self.problem(&path, format!("`{source}` is neither absolute nor begins with ./"), "");
            }
            let propagation = volume.get("bind").and_then(|b| b.get("propagation")).and_then(Value::as_str);
            mounts.push(Mount {
                source: own.unwrap_or_else(|| source.to_owned()),
                target: target.to_owned(),
                read_only,
                propagates: propagation.is_some_and(|word| !word.ends_with("private")),
            });
        }
        mounts
    }

    /// `SOURCE:TARGET`, with `:ro` and other words after it.
    fn short(&mut self, name: &str, path: &[&str], short: &str) {
        if !short.starts_with(['.', '/', '~', '$']) {
            return;
        }
        let mut parts = short.split(':');
        let source = parts.next().unwrap_or_default();
        let read_only = parts.nth(1).is_some_and(|words| words.split(',').any(|word| word == "ro"));
        if !read_only && self.writable(&format!("`{name}`"), path, source) {
            return;
        }
        self.problem(
            path,
            format!("`{short}` is a bind in the short syntax, which makes a folder where a file is missing"),
            "Long syntax: {type: bind, source: …, target: …, bind: {create_host_path: false}}.",
        );
    }

    /// Volumes that are a folder of the host under another name.
    pub(super) fn volumes(&mut self, volumes: Option<&Value>) {
        for (name, definition) in volumes.and_then(Value::as_mapping).into_iter().flatten() {
            let device = definition.get("driver_opts").and_then(|options| options.get("device"));
            if let (Some(name), Some(device)) = (name.as_str(), device.and_then(Value::as_str)) {
                let who = format!("a container with the volume `{name}`");
                self.writable(&who, &["volumes", name, "driver_opts", "device"], device);
            }
        }
    }

    /// Refuses a folder that `who` could write into and that is provision's: every file there is put back, and what
    /// else lies there is nobody's to keep.
    fn writable(&mut self, who: &str, path: &[&str], source: &str) -> bool {
        let remote = lexical(self.remote);
        let place =
            if source.starts_with('/') { lexical(source) } else { lexical(&format!("{remote}/{source}")) };
        let within = |folder: &str| {
            place.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let holds = |folder: &str| {
            place == "/" || folder.strip_prefix(&place).is_some_and(|rest| rest.starts_with('/'))
        };
        let ours = || OURS.into_iter().chain([remote.as_str()]);
        let what = if source.starts_with(['~', '$']) {
            return false;
        } else if let Some(folder) = ours().find(|folder| within(folder)) {
            format!(
                "{who} could write into `{source}`, which lies in {folder}, where provision puts its files"
            )
        } else if let Some(folder) = ours().find(|folder| holds(folder)) {
            format!("{who} could write into `{source}`, and so into {folder}, where provision puts its files")
        } else {
            return false;
        };
        self.problem(
            path,
            what,
            "Data belongs into a named volume, or into an absolute path elsewhere. Configuration is mounted with `read_only: true`.",
        );
        true
    }
}

/// As compose reads it: YAML 1.1 has more words for it than our parser.
fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| {
        value
            .as_str()
            .is_some_and(|word| ["true", "yes", "on", "y"].contains(&word.to_ascii_lowercase().as_str()))
    })
}

/// An absolute path without `.`, `..` and doubled slashes; the file system is not asked.
fn lexical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    // On every system of today.
    if parts.starts_with(&["var", "run"]) {
        parts.remove(0);
    }
    format!("/{}", parts.join("/"))
}
