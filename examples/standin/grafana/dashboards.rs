//! Dashboards: providers from `provisioning/dashboards/*.yml`, and the JSON files they point at. The files are
//! read at each request, so an answer tells what lies in the mounted folder now.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::datasources::{read_yaml, yaml_files};

/// A folder of dashboards.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provider {
    name: String,
    #[serde(default)]
    folder: String,
    #[serde(default)]
    folder_uid: String,
    options: Options,
}

#[derive(Debug, Clone, Deserialize)]
struct Options {
    path: PathBuf,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    providers: Option<Vec<Provider>>,
}

/// One dashboard that was read.
#[derive(Debug)]
pub(super) struct Dashboard {
    id: usize,
    pub(super) uid: String,
    title: String,
    tags: Vec<String>,
    folder: String,
    folder_uid: String,
    file: String,
    changed: String,
    json: Value,
}

/// Reads the providers; a broken file is an error, a missing folder is none.
pub(super) fn providers(folder: &Path) -> Result<Vec<Provider>, String> {
    let mut all = Vec::new();
    for path in yaml_files(folder) {
        all.extend(read_yaml::<File>(&path)?.and_then(|file| file.providers).unwrap_or_default());
    }
    Ok(all)
}

/// Reads all dashboards of all providers. What cannot be read is logged and left out, as Grafana does: it goes
/// on with the others, which is why a deploy has to count them.
pub(super) fn load(providers: &[Provider]) -> Vec<Dashboard> {
    let mut all: Vec<Dashboard> = Vec::new();
    for provider in providers {
        for path in json_files(&provider.options.path) {
            match read(&path, provider, all.len() + 1) {
                Ok(new) if all.iter().any(|old| old.uid == new.uid) => {
                    complain(provider, &path, "the same UID is used more than once");
                }
                Ok(new) => all.push(new),
                Err(cause) => complain(provider, &path, &cause),
            }
        }
    }
    all
}

fn complain(provider: &Provider, path: &Path, cause: &str) {
    println!(
        "level=error logger=provisioning.dashboard name={:?} file={} msg=\"failed to load dashboard\" error={cause:?}",
        provider.name,
        path.display()
    );
}

/// The `.json` files below a folder, sorted; hidden folders are passed over.
fn json_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        println!("level=error msg=\"Cannot read directory\" path={}", folder.display());
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            if !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
                found.extend(json_files(&path));
            }
        } else if path.extension().is_some_and(|end| end == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path, provider: &Provider, id: usize) -> Result<Dashboard, String> {
    let text = std::fs::read(path).map_err(|cause| cause.to_string())?;
    let mut json: Value = serde_json::from_slice(&text).map_err(|cause| cause.to_string())?;
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let title = string(&json["title"]);
    if title.is_empty() {
        return Err("Dashboard title cannot be empty".to_owned());
    }
    let uid = match string(&json["uid"]) {
        uid if uid.is_empty() => hex::encode(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..7]),
        uid => uid,
    };
    let modified = path.metadata().and_then(|data| data.modified()).map_err(|cause| cause.to_string())?;
    let changed = jiff::Timestamp::try_from(modified).map_err(|cause| cause.to_string())?;
    json["uid"] = json!(uid);
    json["id"] = json!(id);
    json["version"] = json!(1);
    Ok(Dashboard {
        id,
        uid,
        title,
        tags: json["tags"].as_array().into_iter().flatten().map(string).collect(),
        folder: provider.folder.clone(),
        folder_uid: if provider.folder_uid.is_empty() {
            slug(&provider.folder)
        } else {
            provider.folder_uid.clone()
        },
        file: path.strip_prefix(&provider.options.path).unwrap_or(path).display().to_string(),
        changed: changed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        json,
    })
}

/// What `/api/search` answers. `kind` is `dash-db`, `dash-folder` or nothing for both; `text` is looked for in
/// the title, whatever its case.
pub(super) fn search(dashboards: &[Dashboard], kind: Option<&str>, text: &str) -> Vec<Value> {
    let matches = |title: &str| title.to_lowercase().contains(&text.to_lowercase());
    let mut hits = Vec::new();
    if kind.is_none_or(|kind| kind == "dash-folder") {
        let mut folders: Vec<_> = dashboards
            .iter()
            .map(|one| (&one.folder, &one.folder_uid))
            .filter(|one| !one.0.is_empty())
            .collect();
        folders.sort();
        folders.dedup();
        for (number, (title, uid)) in (1..).zip(folders.into_iter().filter(|one| matches(one.0))) {
            hits.push(json!({
                "id": 1000 + number, "uid": uid, "title": title, "uri": format!("db/{}", slug(title)),
                "url": format!("/dashboards/f/{uid}/{}", slug(title)), "slug": "", "type": "dash-folder",
                "tags": [], "isStarred": false, "sortMeta": 0,
            }));
        }
    }
    if kind.is_none_or(|kind| kind == "dash-db") {
        hits.extend(dashboards.iter().filter(|one| matches(&one.title)).map(Dashboard::hit));
    }
    hits
}

impl Dashboard {
    fn url(&self) -> String {
        format!("/d/{}/{}", self.uid, slug(&self.title))
    }

    fn hit(&self) -> Value {
        let mut hit = json!({
            "id": self.id, "uid": self.uid, "title": self.title, "uri": format!("db/{}", slug(&self.title)),
            "url": self.url(), "slug": "", "type": "dash-db", "tags": self.tags, "isStarred": false, "sortMeta": 0,
        });
        // Only a dashboard in a folder has these keys.
        if !self.folder.is_empty() {
            hit["folderUid"] = json!(self.folder_uid);
            hit["folderTitle"] = json!(self.folder);
            hit["folderUrl"] = json!(format!("/dashboards/f/{}/{}", self.folder_uid, slug(&self.folder)));
        }
        hit
    }

    /// What `/api/dashboards/uid/…` answers.
    pub(super) fn whole(&self) -> Value {
        let in_folder = !self.folder.is_empty();
        json!({
            "meta": {
                "type": "db", "canSave": true, "canEdit": true, "canAdmin": true, "canStar": true,
                "slug": slug(&self.title), "url": self.url(), "expires": "0001-01-01T00:00:00Z",
                "created": self.changed, "updated": self.changed, "updatedBy": "Anonymous",
                "createdBy": "Anonymous", "version": 1, "hasAcl": false, "isFolder": false, "folderId": 0,
                "folderTitle": if in_folder { &self.folder } else { "General" },
                "folderUrl": if in_folder {
                    format!("/dashboards/f/{}/{}", self.folder_uid, slug(&self.folder))
                } else {
                    String::new()
                },
                "provisioned": true, "provisionedExternalId": self.file,
            },
            "dashboard": self.json,
        })
    }
}

/// A title as it stands in a URL.
fn slug(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    /// A provisioning folder with one provider, and the folder of its dashboards.
    fn provisioned(folder: &str) -> (tempfile::TempDir, PathBuf, Vec<Provider>) {
        let root = tempfile::tempdir().unwrap();
        let dashboards = root.path().join("json");
        std::fs::create_dir(&dashboards).unwrap();
        let yaml = format!(
            "apiVersion: 1\nproviders:\n  - name: ours\n    folder: '{folder}'\n    type: file\n    \
             options: {{path: '{}'}}\n",
            dashboards.display()
        );
        std::fs::write(root.path().join("ours.yml"), yaml).unwrap();
        let providers = providers(root.path()).unwrap();
        (root, dashboards, providers)
    }

    fn titles(hits: &[Value]) -> Vec<&str> {
        hits.iter().map(|hit| hit["title"].as_str().unwrap()).collect()
    }

    #[test]
    fn search_tells_what_is_in_the_folder_now() {
        let (_root, folder, providers) = provisioned("");
        let now = || search(&load(&providers), Some("dash-db"), "");
        assert!(now().is_empty());
        std::fs::write(folder.join("a.json"), r#"{"uid":"a","title":"Overview","tags":["t"]}"#).unwrap();
        std::fs::create_dir(folder.join("more")).unwrap();
        std::fs::write(folder.join("more/b.json"), r#"{"uid":"b","title":"Docker & co"}"#).unwrap();
        assert_eq!(titles(&now()), ["Overview", "Docker & co"]);
        assert_eq!(now()[1]["url"], "/d/b/docker-co");
        std::fs::remove_file(folder.join("a.json")).unwrap();
        assert_eq!(titles(&now()), ["Docker & co"]);
    }

    #[test]
    fn a_broken_dashboard_is_left_out_and_the_others_stay() {
        let (_root, folder, providers) = provisioned("");
        std::fs::write(folder.join("a.json"), r#"{"uid":"a","title":"#).unwrap();
        std::fs::write(folder.join("b.json"), r#"{"uid":"b"}"#).unwrap();
        std::fs::write(folder.join("c.json"), r#"{"uid":"c","title":"Good"}"#).unwrap();
        std::fs::write(folder.join("d.json"), r#"{"uid":"c","title":"Same uid"}"#).unwrap();
        assert_eq!(titles(&search(&load(&providers), None, "")), ["Good"]);
    }

    #[test]
    fn search_knows_types_and_text() {
        let (_root, folder, providers) = provisioned("KoproGo");
        std::fs::write(folder.join("a.json"), r#"{"uid":"a","title":"Overview"}"#).unwrap();
        std::fs::write(folder.join("b.json"), r#"{"uid":"b","title":"Traefik"}"#).unwrap();
        let dashboards = load(&providers);
        assert_eq!(titles(&search(&dashboards, None, "")), ["KoproGo", "Overview", "Traefik"]);
        assert_eq!(titles(&search(&dashboards, Some("dash-folder"), "")), ["KoproGo"]);
        assert_eq!(titles(&search(&dashboards, Some("dash-db"), "TRAEF")), ["Traefik"]);
        assert_eq!(search(&dashboards, Some("dash-db"), "")[0]["folderTitle"], "KoproGo");
    }

    #[test]
    fn answers_have_the_recorded_shape() {
        let (_, recorded) = recorded::answer("grafana-7.5.5/dashboard");
        let (_root, folder, providers) = provisioned("");
        std::fs::write(folder.join("x.json"), recorded["dashboard"].to_string()).unwrap();
        let dashboards = load(&providers);
        let whole = dashboards[0].whole();
        assert_eq!(recorded::shape(&whole), recorded::shape(&recorded));
        assert_eq!(whole["dashboard"], recorded["dashboard"]);
        for key in ["slug", "url", "provisionedExternalId", "folderTitle"] {
            assert_eq!(whole["meta"][key], recorded["meta"][key], "{key}");
        }
        let (_, recorded) = recorded::answer("grafana-7.5.5/search");
        assert_eq!(json!(search(&dashboards, Some("dash-db"), "")), recorded);
    }
}
