//! Datasources from `provisioning/datasources/*.yml`, read at the start and at a reload.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One datasource as Grafana keeps it.
#[derive(Debug, Clone)]
pub(super) struct Datasource {
    pub(super) id: usize,
    pub(super) uid: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) url: String,
    access: String,
    is_default: bool,
    editable: bool,
    json_data: Value,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    datasources: Option<Vec<Declared>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Declared {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    uid: Option<String>,
    #[serde(default)]
    url: String,
    access: Option<String>,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    editable: bool,
    #[serde(default)]
    json_data: Option<Value>,
}

/// Reads the folder. What Grafana would not start with is an error: a broken file, a uid or name given twice,
/// two defaults. A folder that is missing is none.
pub(super) fn load(folder: &Path) -> Result<Vec<Datasource>, String> {
    let mut all: Vec<Datasource> = Vec::new();
    for path in yaml_files(folder) {
        let Some(file) = read_yaml::<File>(&path)? else { continue };
        for declared in file.datasources.unwrap_or_default() {
            let uid = declared.uid.clone().unwrap_or_else(|| uid_from_name(&declared.name));
            if all.iter().any(|other| other.uid == uid || other.name == declared.name) {
                return Err(format!("{}: uid or name of `{}` is used twice", path.display(), declared.name));
            }
            if declared.is_default && all.iter().any(|other| other.is_default) {
                return Err(format!("{}: only one datasource can be the default", path.display()));
            }
            all.push(Datasource {
                id: all.len() + 1,
                uid,
                name: declared.name,
                kind: declared.kind,
                url: declared.url,
                access: declared.access.unwrap_or_else(|| "proxy".to_owned()),
                is_default: declared.is_default,
                editable: declared.editable,
                json_data: declared.json_data.unwrap_or_else(|| json!({})),
            });
        }
    }
    Ok(all)
}

/// The `.yml` and `.yaml` files of a folder in the order of their names.
pub(super) fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        println!("level=warn msg=\"cannot read provisioning folder\" path={}", folder.display());
        return Vec::new();
    };
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yml" || end == "yaml");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_yaml).collect();
    paths.sort();
    paths
}

/// Parses one file; an empty one is `None`.
pub(super) fn read_yaml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    let text = std::fs::read_to_string(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    serde_yaml::from_str(&text).map_err(|cause| format!("{}: {cause}", path.display()))
}

/// Without a uid Grafana makes one of the name's hash; nobody should rely on it, but some dashboards do.
fn uid_from_name(name: &str) -> String {
    format!("P{}", hex::encode_upper(&Sha256::digest(name)[..8]))
}

impl Datasource {
    /// The entry in `/api/datasources`.
    pub(super) fn listed(&self) -> Value {
        let type_name = match self.kind.as_str() {
            "prometheus" => "Prometheus",
            "loki" => "Loki",
            "alertmanager" => "Alertmanager",
            other => other,
        };
        let logo = format!("public/app/plugins/datasource/{0}/img/{0}_logo.svg", self.kind);
        json!({
            "id": self.id, "uid": self.uid, "orgId": 1, "name": self.name, "type": self.kind,
            "typeName": type_name, "typeLogoUrl": logo, "access": self.access, "url": self.url,
            "password": "", "user": "", "database": "", "basicAuth": false, "isDefault": self.is_default,
            "jsonData": self.json_data, "readOnly": !self.editable,
        })
    }

    /// A path below the datasource's URL.
    pub(super) fn below(&self, path: &str) -> String {
        format!("{}/{}", self.url.trim_end_matches('/'), path.trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    fn load_text(text: &str) -> Result<Vec<Datasource>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("all.yml"), text).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "not: [yaml").unwrap();
        load(folder.path())
    }

    const TWO: &str = "apiVersion: 1\ndatasources:\n  - {name: Loki, type: loki, uid: loki, url: 'http://l'}\n  \
                       - {name: Prometheus, type: prometheus, uid: prometheus, url: 'http://p/', isDefault: true}\n";

    #[test]
    fn lists_them_in_the_recorded_shape() {
        let listed: Value = load_text(TWO).unwrap().iter().map(Datasource::listed).collect();
        let (_, recorded) = recorded::answer("grafana-7.5.5/datasources");
        assert_eq!(recorded::shape(&listed), recorded::shape(&recorded));
        assert_eq!(listed[1]["isDefault"], true);
        assert_eq!(listed[1]["readOnly"], true);
    }

    #[test]
    fn a_path_joins_the_url_with_one_slash() {
        let all = load_text(TWO).unwrap();
        assert_eq!(all[0].below("/ready"), "http://l/ready");
        assert_eq!(all[1].below("api/v1/query"), "http://p/api/v1/query");
    }

    #[test]
    fn without_a_uid_the_name_gives_one() {
        let all = load_text("datasources: [{name: Prometheus, type: prometheus}]").unwrap();
        assert_eq!(all[0].uid, "PBFA97CFB590B2093");
    }

    #[test]
    fn what_grafana_would_not_start_with_is_an_error() {
        let twice = "datasources: [{name: A, type: x, uid: u}, {name: B, type: x, uid: u}]";
        assert!(load_text(twice).unwrap_err().contains("used twice"));
        let defaults =
            "datasources: [{name: A, type: x, isDefault: true}, {name: B, type: x, isDefault: true}]";
        assert!(load_text(defaults).unwrap_err().contains("only one"));
        assert!(load_text("datasources: [").is_err());
        assert!(load_text("datasources: [{type: x}]").unwrap_err().contains("name"));
    }

    #[test]
    fn an_empty_file_and_a_missing_folder_are_none() {
        assert!(load_text("").unwrap().is_empty());
        assert!(load(Path::new("/nowhere/at/all")).unwrap().is_empty());
    }
}
