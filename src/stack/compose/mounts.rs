//! What a service mounts: folders, and in the long syntax.

use super::Reader;
use crate::stack::Mount;
use crate::yaml::Value;

impl Reader<'_> {
    pub(super) fn mounts(&mut self, name: &str, definition: &Value) -> Vec<Mount> {
        let mut mounts = Vec::new();
        let list = definition.get("volumes").and_then(Value::as_sequence).cloned().unwrap_or_default();
        for (index, volume) in list.iter().enumerate() {
            let index = index.to_string();
            let path = ["services", name, "volumes", &index];
            if let Some(short) = volume.as_str() {
                if short.starts_with(['.', '/', '~', '$']) {
                    self.problem(
                        &path,
                        format!("`{short}` is a bind in the short syntax, which makes a folder where a file is missing"),
                        "Long syntax: {type: bind, source: …, target: …, bind: {create_host_path: false}}.",
                    );
                }
                continue;
            }
            if volume.get("type").and_then(Value::as_str) != Some("bind") {
                continue;
            }
            let source = volume.get("source").and_then(Value::as_str).unwrap_or_default();
            let target = volume.get("target").and_then(Value::as_str).unwrap_or_default();
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
            if let Some(own) = &own {
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
                propagates: propagation.is_some_and(|word| !word.ends_with("private")),
            });
        }
        mounts
    }
}
