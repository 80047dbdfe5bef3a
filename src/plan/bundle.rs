//! What is sent to a host: one tar stream of what it does not have yet.

use std::collections::BTreeMap;

use super::{Generated, Plan, SealedBundle, manifest, step};
use crate::error::{Error, Kind, Result};
use crate::plan::check::Check;
use crate::stack::Release;

/// What goes over the wire for one deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The tar archive.
    pub archive: Vec<u8>,
    /// Its SHA-256. The host refuses a stream of another size or digest: a tar that is cut at a member's end
    /// unpacks without an error.
    pub digest: String,
}

/// Packs the plan: lists, manifest, checks, changed files, scripts that the host lacks and, when secrets
/// changed, the sealed bundle.
///
/// # Errors
/// Internal, when the archive cannot be built.
pub fn archive(
    plan: &Plan,
    release: &Release,
    generated: &Generated,
    checks: &[Check],
    scripts: &BTreeMap<&str, String>,
    units: &BTreeMap<String, String>,
    sealed: Option<&SealedBundle>,
) -> Result<Bundle> {
    let broken = |error: &dyn std::fmt::Display| Error::new(Kind::Internal, "pack the release").cause(error);
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: String, mode: u32, content: &[u8]| -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_data(&mut header, path, content).map_err(|error| broken(&error))
    };
    for name in &plan.scripts {
        if let Some(text) = scripts.get(name.as_str()) {
            add(format!("bin/{name}"), 0o755, text.as_bytes())?;
        }
    }
    add("release/manifest".to_owned(), 0o600, manifest(release, generated).as_bytes())?;
    add("release/forward".to_owned(), 0o600, step::list(&plan.forward).as_bytes())?;
    add("release/back".to_owned(), 0o600, step::list(&plan.back).as_bytes())?;
    let checks = serde_json::to_vec(checks).map_err(|error| broken(&error))?;
    add("release/checks.json".to_owned(), 0o600, &checks)?;
    for (name, text) in units {
        add(format!("release/units/{name}"), 0o644, text.as_bytes())?;
    }
    if let Some(sealed) = sealed {
        add("release/sealed.age".to_owned(), 0o600, &sealed.0)?;
    }
    for path in &plan.send {
        if let Some(file) = generated.files.get(path) {
            add(format!("release/files/{path}"), 0o644, &file.content)?;
        }
    }
    let archive = builder.into_inner().map_err(|error| broken(&error))?;
    let digest = crate::stack::digest(&archive);
    Ok(Bundle { archive, digest })
}
