//! Where a service gets its secrets from, and where none may stand.

use std::collections::BTreeMap;

use super::Reader;
use super::extension::{Extension, SecretSource};
use crate::error::{Place, Problem};
use crate::secrets::token;
use crate::stack::{Mount, SecretFile, by_file};
use crate::yaml::{Value, suggestion};

impl Reader<'_> {
    pub(super) fn secrets(
        &mut self,
        name: &str,
        extension: &Extension,
        mounts: &[Mount],
    ) -> BTreeMap<String, SecretFile> {
        let folder = format!("{}/{name}", self.secrets_dir);
        if !extension.secrets.is_empty() && !mounts.iter().any(|mount| mount.source == folder) {
            self.problem(
                &["services", name, "x-provision"],
                format!("`{name}` has secrets but does not mount them"),
                format!("Add a bind of {folder} to /run/secrets, read-only, with create_host_path: false."),
            );
        }
        for (file, hook) in &extension.on_secret {
            let path = ["services", name, "x-provision", "on_secret", file];
            if !extension.secrets.contains_key(file) {
                let known: Vec<&str> = extension.secrets.keys().map(String::as_str).collect();
                self.problem(
                    &path,
                    format!("`{name}` has no secret file `{file}`"),
                    suggestion(file, &known),
                );
            }
            // These become words of the lists that the host carries out.
            if hook.exec.is_empty()
                || hook.exec.iter().any(|word| word.is_empty() || word.contains(char::is_control))
            {
                self.problem(
                    &path,
                    "`exec` is no list of words",
                    "Like [grafana, cli, admin, reset-admin-password].",
                );
            }
        }
        let mut result = BTreeMap::new();
        for (file, source) in &extension.secrets {
            if file.is_empty() || file.starts_with('.') || file.contains(|c: char| c == '/' || c.is_control())
            {
                self.problem(
                    &["services", name, "x-provision", "secrets", file],
                    format!("`{file}` is not a file name"),
                    "",
                );
            }
            let value = match source {
                SecretSource::Secret(secret) | SecretSource::Read { secret, .. } => {
                    SecretFile::Secret(secret.clone())
                }
                SecretSource::Template { template } => {
                    let Some(found) = self.files.get(template) else {
                        self.problem(
                            &["services", name, "x-provision", "secrets", file],
                            format!("the stack has no file `{template}`"),
                            "",
                        );
                        continue;
                    };
                    let text = String::from_utf8_lossy(&found.content);
                    SecretFile::Template { path: template.clone(), names: token::names_in(&text) }
                }
            };
            result.insert(file.clone(), value);
        }
        result
    }

    /// The image of the service whose definition holds this line of the compose file.
    fn image_at(&self, line: usize) -> String {
        let services = self.document.value().get("services").and_then(Value::as_mapping);
        services
            .into_iter()
            .flatten()
            .filter_map(|(name, definition)| {
                let start = self.document.place(&["services", name.as_str()?]).line;
                Some((start, definition.get("image").and_then(Value::as_str).unwrap_or_default()))
            })
            .filter(|(start, _)| *start <= line)
            .max_by_key(|(start, _)| *start)
            .map_or_else(String::new, |(_, image)| image.to_owned())
    }

    /// A placeholder in the compose file would end up in `docker inspect`.
    pub(super) fn tokens(&mut self) {
        let Some(file) = self.files.get(self.compose_file) else { return };
        let text = String::from_utf8_lossy(&file.content).into_owned();
        for (index, line) in text.lines().enumerate() {
            let Some(at) = line.find(token::PREFIX) else { continue };
            let place = Place {
                file: self.document.file().to_owned(),
                line: index + 1,
                column: at + 1,
                text: format!("{}<secret>", &line[..at]),
            };
            self.problems.push(Problem::new(
                place,
                "a secret stands in the compose file, where `docker inspect` shows it",
                by_file::hint(&self.image_at(index + 1), line),
            ));
        }
    }
}
