//! A release that a host keeps: what it takes to go back to it.

use std::collections::BTreeMap;

use super::texts;
use crate::error::{Error, Kind, Result};
use crate::inventory::{Environment, Host};
use crate::plan::ReleaseId;
use crate::plan::check::Check;
use crate::ssh::Session;
use crate::stack::Release;

/// The records of a kept release.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its id.
    pub id: ReleaseId,
    /// The release; its files have digests and no content.
    pub release: Release,
    /// Path → SHA-256 of its files, the generated one included.
    pub digests: BTreeMap<String, String>,
    /// The label of each service's container.
    pub labels: BTreeMap<String, String>,
    /// The fingerprints of its secrets.
    pub fingerprints: BTreeMap<String, String>,
    /// What its sealed bundle was made of.
    pub sealed: Option<String>,
    /// The host key that the bundle is sealed to; `None` where it has no bundle.
    pub sealed_for: Option<String>,
    /// How it is proved.
    pub checks: Vec<Check>,
}

const RECORDS: [&str; 4] = ["manifest", "release.json", "checks.json", "sealed.for"];

/// Reads a kept release.
///
/// # Errors
/// Failed, when the host does not have it, or it was deployed by a provision that did not write what is needed.
pub async fn kept(session: &Session, host: &Host, environment: &Environment, id: &ReleaseId) -> Result<Kept> {
    let names = RECORDS.map(str::to_owned);
    let records = texts(session, host, environment, Some(id), &names).await?;
    read(id, &records).map_err(|cause| {
        Error::new(Kind::Failed, format!("read the kept release {id}"))
            .host(host.name.to_string())
            .cause(cause)
            .hint("Check out the commit that it was deployed from (`provision history` names it), and deploy that.")
    })
}

/// What the script takes for a release's folder: the one that runs, whichever that is.
const RUNNING: &str = "current";
/// The record that names it.
const ITS_NAME: &str = "@records/current";

/// Reads the release that runs, without its id being known; `None` where nothing is deployed.
///
/// # Errors
/// Failed, when it was deployed by a provision that did not write what is needed.
pub async fn running(session: &Session, host: &Host, environment: &Environment) -> Result<Option<Kept>> {
    let names: Vec<String> = RECORDS.iter().chain([&ITS_NAME]).map(|name| (*name).to_owned()).collect();
    let folder = ReleaseId(RUNNING.to_owned());
    let records = texts(session, host, environment, Some(&folder), &names).await?;
    let Some(id) = records.get(ITS_NAME) else { return Ok(None) };
    let id = ReleaseId(String::from_utf8_lossy(id).trim().to_owned());
    read(&id, &records).map(Some).map_err(|cause| {
        Error::new(Kind::Failed, format!("read the release {id} that runs"))
            .host(host.name.to_string())
            .cause(cause)
            .hint(format!(
                "Deploy once more, which renews its records: `provision deploy {}`.",
                environment.name
            ))
    })
}

/// The checks that a kept release was deployed with.
///
/// # Errors
/// Failed, when the host does not have them.
pub async fn old_checks(
    session: &Session,
    host: &Host,
    environment: &Environment,
    id: &ReleaseId,
) -> Result<Vec<Check>> {
    let records = texts(session, host, environment, Some(id), &["checks.json".to_owned()]).await?;
    json(&records, "checks.json").map_err(|cause| {
        Error::new(Kind::Failed, format!("read the checks of release {id}"))
            .host(host.name.to_string())
            .cause(cause)
    })
}

fn json<T: serde::de::DeserializeOwned>(
    records: &BTreeMap<String, Vec<u8>>,
    name: &str,
) -> std::result::Result<T, String> {
    let text = records.get(name).ok_or_else(|| format!("the host has no {name} of it"))?;
    serde_json::from_slice(text).map_err(|error| format!("{name}: {error}"))
}

pub(super) fn read(id: &ReleaseId, records: &BTreeMap<String, Vec<u8>>) -> std::result::Result<Kept, String> {
    let manifest = records.get("manifest").ok_or("the host has no manifest of it")?;
    let manifest = String::from_utf8_lossy(manifest);
    let mut kept = Kept {
        id: id.clone(),
        release: json(records, "release.json")?,
        digests: BTreeMap::new(),
        labels: BTreeMap::new(),
        fingerprints: BTreeMap::new(),
        sealed: None,
        sealed_for: records.get("sealed.for").map(|key| String::from_utf8_lossy(key).trim().to_owned()),
        checks: json(records, "checks.json")?,
    };
    for line in manifest.lines() {
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            ["file", digest, path] => {
                kept.digests.insert((*path).to_owned(), (*digest).to_owned());
            }
            ["service", name, _, label, ..] => {
                kept.labels.insert((*name).to_owned(), (*label).to_owned());
            }
            ["fingerprint", name, value] => {
                kept.fingerprints.insert((*name).to_owned(), (*value).to_owned());
            }
            ["sealed", digest] => kept.sealed = Some((*digest).to_owned()),
            _ => {}
        }
    }
    if !manifest.lines().any(|line| line.starts_with("role\t")) {
        // Of a provision that did not seal what sets a role's password: it is the release that it was without.
        kept.release.services.values_mut().for_each(|service| service.database = None);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_are_read() {
        let release =
            r#"{"project":"p","compose_file":"c.yml","sealed":{},"services":{},"volumes":[],"networks":[]}"#;
        let mut records = BTreeMap::from([
            (
                "manifest".to_owned(),
                b"compose\tc.yml\nfile\taa\tx y.yml\nservice\tweb\tp-web-1\tll\t0\tweb:1\nfingerprint\ta\tff\nsealed\tdd\n".to_vec(),
            ),
            ("release.json".to_owned(), release.as_bytes().to_vec()),
            ("checks.json".to_owned(), b"[]".to_vec()),
        ]);
        let id = ReleaseId("0123".to_owned());
        let kept = read(&id, &records).unwrap();
        assert_eq!(kept.digests["x y.yml"], "aa");
        assert_eq!((kept.fingerprints["a"].as_str(), kept.labels["web"].as_str()), ("ff", "ll"));
        assert_eq!((kept.sealed.as_deref(), kept.sealed_for), (Some("dd"), None));
        records.remove("release.json");
        assert_eq!(read(&id, &records).unwrap_err(), "the host has no release.json of it");
    }

    #[test]
    fn a_release_of_before_roles_were_sealed_has_none() {
        let release = r#"{"project":"p","compose_file":"c.yml","sealed":{},"volumes":[],"networks":[],"services":{"exporter":{
            "name":"exporter","image":"x:1","container":"p-exporter-1","definition":"dd","uid":1,"secrets":{},"on_secret":{},
            "mounts":[],"ports":[],"reload":null,"watch":[],"verify":null,"depends_on":[],"patience":1,"one_shot":false,
            "database":{"container":"db","user":"u","name":"d","role":"r","password":"a","sql":"a.sql"}}}}"#;
        let has_role = |manifest: &str| {
            let records = BTreeMap::from([
                ("manifest".to_owned(), manifest.as_bytes().to_vec()),
                ("release.json".to_owned(), release.as_bytes().to_vec()),
                ("checks.json".to_owned(), b"[]".to_vec()),
            ]);
            let kept = read(&ReleaseId("0123".to_owned()), &records).unwrap();
            kept.release.services["exporter"].database.is_some()
        };
        assert!(!has_role("compose\tc.yml\n"));
        assert!(has_role("compose\tc.yml\nrole\texporter\tdb\tu\td\tr\ta.sql\n"));
    }
}
