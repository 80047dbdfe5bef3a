//! The lock file: which dashboards of grafana.com the stack wants, and what was fetched of each.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use crate::error::{Place, Problem};
use crate::yaml::Document;

/// Where fetched dashboards lie in a stack. Grafana's provider reads folders inside its own too.
pub const FOLDER: &str = "grafana/dashboards/community";

/// The lock file in [`FOLDER`]. Not part of a release.
pub const LOCK: &str = "grafana/dashboards/community/lock.yml";

const HEAD: &str = "\
# Dashboards of grafana.com, kept by `provision dashboards` (docs/dashboards.md). Not shipped.
# An entry without `fetched` is wanted and not here yet: `provision dashboards update` fetches it.
";

/// What the lock file says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// A datasource's type → the uid of the stack's datasource of that type.
    pub datasources: BTreeMap<String, String>,
    /// The number on grafana.com → what is known of it.
    #[serde(default)]
    pub dashboards: BTreeMap<u32, Entry>,
}

/// One dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// Its title.
    pub title: String,
    /// What was fetched; `None` while it is only wanted.
    pub fetched: Option<Pin>,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The revision on grafana.com.
    pub revision: u32,
    /// SHA-256 of the file as stored, 64 hex digits.
    pub sha256: String,
    /// The address that it was fetched from.
    pub from: String,
}

impl Lock {
    /// Reads the lock file; `file` is its name in messages.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(file, text)?;
        document.to().map_err(|problem| vec![problem])
    }

    /// The file's text; the same lock gives the same text.
    #[must_use]
    pub fn render(&self) -> String {
        // A JSON text is a quoted YAML text too.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut text = format!("{HEAD}\n# The type of a datasource: the uid of ours.\ndatasources:\n");
        for (kind, uid) in &self.datasources {
            let _ = writeln!(text, "  {kind}: {}", quoted(uid));
        }
        text.push_str("dashboards:");
        text.push_str(if self.dashboards.is_empty() { " {}\n" } else { "\n" });
        for (id, entry) in &self.dashboards {
            let _ = writeln!(text, "  {id}:\n    title: {}", quoted(&entry.title));
            if let Some(pin) = &entry.fetched {
                let _ = writeln!(
                    text,
                    "    fetched:\n      revision: {}\n      sha256: {}\n      from: {}",
                    pin.revision,
                    quoted(&pin.sha256),
                    quoted(&pin.from)
                );
            }
        }
        text
    }
}

/// The file of a dashboard in a stack.
#[must_use]
pub fn path_of(id: u32) -> String {
    format!("{FOLDER}/{id}.json")
}

/// What became of a stack's files when they were held against the lock file.
#[derive(Debug, Default)]
pub struct Inspected {
    /// Files that are not what was fetched.
    pub problems: Vec<Problem>,
    /// Dashboards that are wanted and not here.
    pub missing: Vec<u32>,
}

/// Takes the lock file out of a stack's files and compares it with the dashboards beside it. `folder` names
/// the stack in messages, `digest` gives a file's SHA-256 in hex digits.
#[must_use]
pub fn inspect(
    folder: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
    digest: impl Fn(&[u8]) -> String,
) -> Inspected {
    let mut inspected = Inspected::default();
    let Some(text) = files.remove(LOCK) else { return inspected };
    let lock = match Lock::parse(&format!("{folder}/{LOCK}"), &String::from_utf8_lossy(&text)) {
        Ok(lock) => lock,
        Err(problems) => return Inspected { problems, ..inspected },
    };
    inspected.missing =
        lock.dashboards.keys().copied().filter(|id| !files.contains_key(&path_of(*id))).collect();
    let here = files.iter().filter_map(|(path, bytes)| {
        let name = path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".json")?;
        Some((path, name, bytes))
    });
    for (path, name, bytes) in here {
        let entry = name.parse().ok().and_then(|id: u32| lock.dashboards.get(&id));
        let place = Place::file(format!("{folder}/{path}"));
        match entry.and_then(|entry| entry.fetched.as_ref()) {
            Some(pin) if pin.sha256 == digest(bytes) => {}
            Some(pin) => inspected.problems.push(Problem::new(
                place,
                "was edited since it was fetched: its SHA-256 is not that of lock.yml",
                format!(
                    "Fetch it again: `provision dashboards add {name} --revision {}`. \
                     One of your own goes to grafana/dashboards/, under another name and with another uid.",
                    pin.revision
                ),
            )),
            None => inspected.problems.push(Problem::new(
                place,
                "stands beside lock.yml, which does not know it",
                "Fetch it: `provision dashboards add ID`, where ID is its number on grafana.com. \
                 One of your own goes to grafana/dashboards/.",
            )),
        }
    }
    inspected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Lock {
        Lock {
            datasources: BTreeMap::from([("prometheus".to_owned(), "prometheus".to_owned())]),
            dashboards: BTreeMap::from([
                (7, Entry { title: "Wanted: \"seven\"".to_owned(), fetched: None }),
                (
                    12,
                    Entry {
                        title: "Twelve".to_owned(),
                        fetched: Some(Pin {
                            revision: 3,
                            sha256: "12".to_owned(),
                            from: "https://grafana.example/12".to_owned(),
                        }),
                    },
                ),
            ]),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = sample().render();
        assert_eq!(Lock::parse("lock.yml", &text).unwrap(), sample());
        let empty = Lock { dashboards: BTreeMap::new(), ..sample() };
        assert_eq!(Lock::parse("lock.yml", &empty.render()).unwrap(), empty);
    }

    fn shown(files: &[(&str, &str)]) -> String {
        let mut files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        files.insert(LOCK.to_owned(), sample().render().into_bytes());
        // The stand-in for a digest is the text itself.
        let inspected = inspect("stack/m", &mut files, |bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(!files.contains_key(LOCK), "the lock file would be shipped");
        let mut text = format!("missing: {:?}\n", inspected.missing);
        for problem in inspected.problems {
            let _ = writeln!(text, "{}: {} | {}", problem.place, problem.what, problem.hint);
        }
        text
    }

    #[test]
    fn missing_edited_and_foreign_files_are_told_apart() {
        assert_eq!(shown(&[("grafana/dashboards/community/12.json", "12")]), "missing: [7]\n");
        assert_eq!(shown(&[("grafana/dashboards/own.json", "{}")]), "missing: [7, 12]\n");
        insta::assert_snapshot!(shown(&[
            ("grafana/dashboards/community/12.json", "other"),
            ("grafana/dashboards/community/7.json", "7"),
            ("grafana/dashboards/community/mine.json", "{}"),
        ]), @r"
        missing: []
        stack/m/grafana/dashboards/community/12.json: was edited since it was fetched: its SHA-256 is not that of lock.yml | Fetch it again: `provision dashboards add 12 --revision 3`. One of your own goes to grafana/dashboards/, under another name and with another uid.
        stack/m/grafana/dashboards/community/7.json: stands beside lock.yml, which does not know it | Fetch it: `provision dashboards add ID`, where ID is its number on grafana.com. One of your own goes to grafana/dashboards/.
        stack/m/grafana/dashboards/community/mine.json: stands beside lock.yml, which does not know it | Fetch it: `provision dashboards add ID`, where ID is its number on grafana.com. One of your own goes to grafana/dashboards/.
        ");
    }

    #[test]
    fn a_lock_file_that_cannot_be_read_has_its_place() {
        let problems =
            Lock::parse("lock.yml", "datasources: {}\ndashboards: {12: {titel: x}}\n").unwrap_err();
        assert_eq!(problems[0].place.to_string(), "lock.yml:2:19");
        assert_eq!(problems[0].hint, "Did you mean `title`?");
    }
}
