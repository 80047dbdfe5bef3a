//! What is sent to a host: one tar stream of what it does not have yet.

use std::collections::BTreeMap;
use std::io::Write as _;

use super::{Generated, Plan, SealedBundle, delta, manifest, step};
use crate::error::{Error, Kind, Result};
use crate::plan::check::Check;
use crate::stack::Release;

/// What goes over the wire for one deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The tar archive, packed with gzip.
    pub archive: Vec<u8>,
    /// The first half of its SHA-256, 32 hex digits. The host refuses a stream of another size or digest: a tar that is cut at a member's end
    /// unpacks without an error.
    pub digest: String,
}

/// Packs the plan: lists, manifest, changed files, changed records (checks, the release itself, units), scripts that
/// the host lacks and, when secrets changed, the sealed bundle.
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
    // What the host has of the current release's records it copies from there.
    let known = |name: &str, content: &[u8]| {
        plan.parts.get(name).is_some_and(|digest| *digest == crate::stack::digest(content))
    };
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
    let manifest = manifest(release, generated);
    match delta_of(plan, "manifest", manifest.as_bytes()) {
        Some(delta) => add("delta/manifest".to_owned(), 0o600, &delta)?,
        None => add("release/manifest".to_owned(), 0o600, manifest.as_bytes())?,
    }
    add("release/forward".to_owned(), 0o600, step::list(&plan.forward).as_bytes())?;
    add("release/back".to_owned(), 0o600, step::list(&plan.back).as_bytes())?;
    if let Some(base) = &plan.base {
        add("base".to_owned(), 0o600, format!("{base}\n").as_bytes())?;
    }
    for (name, content) in [
        ("checks.json", serde_json::to_vec_pretty(checks).map_err(|error| broken(&error))?),
        ("release.json", serde_json::to_vec_pretty(release).map_err(|error| broken(&error))?),
    ] {
        // Without the last newline it would be no text of whole lines.
        let content = [content.as_slice(), b"\n"].concat();
        match delta_of(plan, name, &content) {
            _ if known(name, &content) => {}
            Some(delta) => add(format!("delta/{name}"), 0o600, &delta)?,
            None => add(format!("release/{name}"), 0o600, &content)?,
        }
    }
    // All of them or none: one that is no more does not come along.
    if !units.iter().all(|(name, text)| known(&format!("units/{name}"), text.as_bytes())) {
        for (name, text) in units {
            add(format!("release/units/{name}"), 0o644, text.as_bytes())?;
        }
    }
    if let Some(sealed) = sealed {
        add("release/sealed.age".to_owned(), 0o600, &sealed.ciphertext)?;
        add("release/sealed.for".to_owned(), 0o600, format!("{}\n", sealed.host_key).as_bytes())?;
    }
    for path in &plan.send {
        if let Some(file) = generated.files.get(path) {
            let name = format!("files/{path}");
            match delta_of(plan, &name, &file.content) {
                Some(delta) => add(format!("delta/{name}"), 0o644, &delta)?,
                None => add(format!("release/{name}"), 0o644, &file.content)?,
            }
        }
    }
    let unpacked = builder.into_inner().map_err(|error| broken(&error))?;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&unpacked).map_err(|error| broken(&error))?;
    let archive = packer.finish().map_err(|error| broken(&error))?;
    let digest = crate::stack::short_digest(&archive);
    Ok(Bundle { archive, digest })
}

fn delta_of(plan: &Plan, name: &str, content: &[u8]) -> Option<Vec<u8>> {
    delta::delta(plan.old.get(name)?, content)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Read as _;

    use super::super::testing::{Sketch, generated, release, running, scripts};
    use super::super::{HostState, make, seal};
    use super::*;
    use crate::plan::check::Question;
    use crate::secrets::Secrets;
    use crate::stack::{File, digest, short_digest};

    const VALUE: &str = "Zk3mPq8vLw2xRt6yBn4c";
    const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPgzDy1fXzCx/tms8FoIGAbEMCOBhwPX+J5ZWVtnxNAw";

    fn sample() -> Release {
        release(&[Sketch { secrets: BTreeSet::from(["a"]), ..Sketch::default() }])
    }

    fn packed(
        release: &Release,
        state: &HostState,
        sealed: Option<&SealedBundle>,
    ) -> (Bundle, Vec<(String, u32, Vec<u8>)>) {
        let generated = generated(release);
        let plan = make(release, &generated, state, &scripts(), 10);
        let texts = BTreeMap::from([("lib.sh", "lib".to_owned()), ("verbs.sh", "verbs".to_owned())]);
        let units = BTreeMap::from([("p.service".to_owned(), "[Unit]\n".to_owned())]);
        let question = Question::Ready { port: 1, path: "/".to_owned() };
        let checks = [Check { name: "s0.ready".to_owned(), service: "s0".to_owned(), question }];
        let bundle = archive(&plan, release, &generated, &checks, &texts, &units, sealed).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bundle.archive[..]));
        let members = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let path = entry.path().unwrap().to_str().unwrap().to_owned();
                (path, entry.header().mode().unwrap(), content)
            })
            .collect();
        (bundle, members)
    }

    fn paths(members: &[(String, u32, Vec<u8>)]) -> Vec<String> {
        members.iter().map(|(path, mode, _)| format!("{path} {mode:o}")).collect()
    }

    #[test]
    fn a_first_bundle_has_everything_and_only_ciphertext_of_secrets() {
        let release = sample();
        let secrets = Secrets::for_tests(&[("a", VALUE)]);
        let sealed = seal(&release, &secrets, HOST_KEY).unwrap();
        let (bundle, members) = packed(&release, &HostState::default(), Some(&sealed));
        assert_eq!(
            paths(&members),
            [
                "bin/lib.sh 755",
                "bin/verbs.sh 755",
                "release/manifest 600",
                "release/forward 600",
                "release/back 600",
                "release/checks.json 600",
                "release/release.json 600",
                "release/units/p.service 644",
                "release/sealed.age 600",
                "release/sealed.for 600",
                "release/files/docker-compose.p.yml 644",
                "release/files/docker-compose.provision.yml 644",
                "release/files/s0/conf.yml 644",
                "release/files/s0/dashboards/a.json 644",
                "release/files/s0/rules/a.yml 644",
            ]
        );
        assert_eq!(bundle.digest, short_digest(&bundle.archive));
        let holds = |text: &[u8]| {
            members.iter().any(|(_, _, content)| content.windows(text.len()).any(|window| window == text))
        };
        assert!(holds(HOST_KEY.as_bytes()), "what is there is found");
        assert!(!holds(VALUE.as_bytes()));
        assert!(!holds(b"PROVISIONSECRET"));
        assert!(members[8].2.starts_with(b"age-encryption.org/v1\n"));
    }

    #[test]
    fn what_the_host_has_is_not_sent_again() {
        let old = sample();
        let state = running(&old, &generated(&old));
        let mut new = old.clone();
        new.files.insert("s0/rules/a.yml".to_owned(), File::new(b"changed\n".to_vec()));
        let (_, members) = packed(&new, &state, None);
        let sent: Vec<String> =
            paths(&members).into_iter().filter(|path| !path.starts_with("release/units")).collect();
        assert_eq!(
            sent,
            [
                "release/manifest 600",
                "release/forward 600",
                "release/back 600",
                "release/checks.json 600",
                "release/release.json 600",
                // Not a reload here: the label changes with the rule.
                "release/files/docker-compose.provision.yml 644",
                "release/files/s0/rules/a.yml 644",
            ]
        );
        assert_eq!(members.iter().find(|(path, ..)| path.ends_with("a.yml")).unwrap().2, b"changed\n");
    }

    #[test]
    fn records_that_are_the_same_are_not_sent_again() {
        let old = sample();
        let mut state = running(&old, &generated(&old));
        let (_, members) = packed(&old, &HostState::default(), None);
        for (path, _, content) in members {
            if let Some(name) = path.strip_prefix("release/") {
                state.parts.insert(name.to_owned(), digest(&content));
            }
        }
        let mut new = old.clone();
        new.files.insert("s0/rules/a.yml".to_owned(), File::new(b"changed\n".to_vec()));
        let sent = |state: &HostState| paths(&packed(&new, state, None).1);
        assert_eq!(
            sent(&state),
            [
                "release/manifest 600",
                "release/forward 600",
                "release/back 600",
                "release/files/docker-compose.provision.yml 644",
                "release/files/s0/rules/a.yml 644",
            ]
        );
        state.parts.insert("units/p.service".to_owned(), "other".to_owned());
        assert!(sent(&state).contains(&"release/units/p.service 644".to_owned()));
    }

    #[test]
    fn a_release_comes_back_from_its_json_without_its_files() {
        let mut release = sample();
        release.sealed.insert("t.conf".to_owned(), File::new(b"token\n".to_vec()));
        let text = serde_json::to_string(&release).unwrap();
        let back: Release = serde_json::from_str(&text).unwrap();
        assert!(back.files.is_empty());
        assert_eq!(Release { files: release.files.clone(), ..back }, release);
    }

    #[test]
    fn long_paths_survive_the_archive() {
        let mut release = sample();
        let path = format!("s0/{}/{}.yml", "d".repeat(120), "f".repeat(120));
        release.files.insert(path.clone(), File::new(b"x".to_vec()));
        let (_, members) = packed(&release, &HostState::default(), None);
        assert!(members.iter().any(|(name, ..)| *name == format!("release/files/{path}")));
    }

    #[test]
    fn equal_plans_are_packed_into_equal_bundles() {
        let release = sample();
        assert_eq!(
            packed(&release, &HostState::default(), None).0,
            packed(&release, &HostState::default(), None).0
        );
    }
}
