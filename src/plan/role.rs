//! Roles in databases of the application: what `bootstrap` applies, and what a deploy changes.
//!
//! A role's password is changed by the activation, when the secret did, and by its way back: the service and its role always
//! have the same one. So each release has the password's verifier among its sealed secrets.

use std::fmt;
use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Generated, HostState};
use crate::error::{Error, Kind, Result};
use crate::secrets::{Secrets, scram_verifier};
use crate::stack::{Database, Release, Service};

/// SQL to run in a database, and where.
#[derive(Clone)]
pub struct Role {
    /// The service that needs the role.
    pub service: String,
    /// Where, and which role.
    pub database: Database,
    /// What psql reads. It holds the verifier of the role's password, never the password.
    pub script: Zeroizing<String>,
    /// The verifier, so that it can be kept out of all output.
    pub verifier: SecretString,
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Role")
            .field("service", &self.service)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// The roles that the release's services need. `salt` gives random bytes.
///
/// # Errors
/// Usage: a password that SCRAM cannot take. Internal: a secret or a file that loading should have missed.
pub fn roles(release: &Release, secrets: &Secrets, mut salt: impl FnMut() -> [u8; 16]) -> Result<Vec<Role>> {
    let mut roles = Vec::new();
    for service in release.services.values() {
        let Some(database) = &service.database else { continue };
        let bug = |what: &str| {
            Error::new(Kind::Internal, format!("prepare the role {}", database.role)).cause(what)
        };
        let file = release.files.get(&database.sql).ok_or_else(|| bug("its SQL is missing"))?;
        let password = secrets.get(&database.password).ok_or_else(|| bug("its password is missing"))?;
        let verifier = scram_verifier(&database.password, password, &salt())?;
        let mut script = Zeroizing::new(String::new());
        // Names are plain words: nothing in them needs an escape. Terse errors do not quote the statement.
        let _ = writeln!(script, "\\set VERBOSITY terse\n\\set role '{}'", database.role);
        script.push_str(&set_verifier(&verifier));
        script.push_str(&String::from_utf8_lossy(&file.content));
        roles.push(Role { service: service.name.clone(), database: database.clone(), script, verifier });
    }
    Ok(roles)
}

/// The line that gives psql the verifier, which is base64 and needs no escape.
fn set_verifier(verifier: &SecretString) -> Zeroizing<String> {
    Zeroizing::new(format!("\\set verifier '{}'\n", verifier.expose_secret()))
}

/// Where a release's sealed secrets have the line that sets a role's verifier: a folder that no service can be called, so
/// that no container mounts it, and a file.
pub(super) fn sealed_file(service: &str) -> (String, &'static str) {
    (format!("role@{service}"), "verifier")
}

/// The services of a release that have a role.
pub(super) fn services(release: &Release) -> impl Iterator<Item = (&Service, &Database)> {
    release.services.values().filter_map(|service| Some((service, service.database.as_ref()?)))
}

/// The content of [`sealed_file`].
///
/// # Errors
/// Usage: the password is missing, or SCRAM cannot take it.
pub(super) fn sealed(database: &Database, secrets: &Secrets, salt: &[u8; 16]) -> Result<Zeroizing<String>> {
    let password = secrets.get(&database.password).ok_or_else(|| {
        Error::usage(format!("prepare the role {}", database.role))
            .cause(format!("the secret `{}` is missing", database.password))
    })?;
    Ok(set_verifier(&scram_verifier(&database.password, password, salt)?))
}

/// Whether the release that runs on a host has another password for the role than `fingerprint` stands for: then the
/// password is changed by a deploy, together with the service, or that could not log in any more.
#[must_use]
pub fn is_left_to_the_deploy(database: &Database, fingerprint: Option<&str>, state: &HostState) -> bool {
    state.current.is_some()
        && state.fingerprints.get(&database.password).is_some_and(|runs| Some(runs.as_str()) != fingerprint)
}

/// The services whose role gets another password by an activation.
pub(super) fn changed<'a>(
    release: &'a Release,
    generated: &'a Generated,
    state: &'a HostState,
) -> impl Iterator<Item = &'a Service> {
    services(release)
        .filter(|(_, database)| {
            let new = generated.fingerprints.get(&database.password).map(String::as_str);
            is_left_to_the_deploy(database, new, state)
        })
        .map(|(service, _)| service)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::{Sketch, database, generated, release, running};
    use super::*;
    use crate::stack::File;

    #[test]
    fn the_script_has_the_verifier_and_not_the_password() {
        let mut release =
            release(&[Sketch { secrets: BTreeSet::from(["a"]), ..Sketch::default() }, Sketch::default()]);
        release.services.get_mut("s0").unwrap().database = Some(database());
        release.files.insert(
            "s1/role.sql".to_owned(),
            File::new(b"ALTER ROLE :\"role\" PASSWORD :'verifier';\n".to_vec()),
        );
        let secrets = Secrets::for_tests(&[("a", "kT9sPq2mZx7wLr4v")]);
        let roles = roles(&release, &secrets, || [7; 16]).unwrap();
        let [role] = roles.as_slice() else { panic!("{roles:?}") };
        insta::assert_snapshot!(*role.script, @r#"
        \set VERBOSITY terse
        \set role 'watcher'
        \set verifier 'SCRAM-SHA-256$4096:BwcHBwcHBwcHBwcHBwcHBw==$kuW8MA+RaIJ7P3hScXD5zH97ceD5MV4yNf3oUN6vMiw=:8BhEsUmIEcJEVsYVQQ2XMSl2TkezfFbHPWkJZDzJcTI='
        ALTER ROLE :"role" PASSWORD :'verifier';
        "#);
        assert!(!format!("{role:?}").contains("SCRAM"), "Debug shows the verifier");
    }

    #[test]
    fn a_running_release_with_another_password_leaves_it_to_the_deploy() {
        let mut release = release(&[Sketch { secrets: BTreeSet::from(["a"]), ..Sketch::default() }]);
        release.services.get_mut("s0").unwrap().database = Some(database());
        let generated = generated(&release);
        let state = running(&release, &generated);
        let left = |fingerprint: Option<&str>, state: &HostState| {
            is_left_to_the_deploy(&database(), fingerprint, state)
        };
        let same = generated.fingerprints["a"].as_str();
        assert!(left(Some("another"), &state) && left(None, &state));
        assert!(!left(Some(same), &state), "the same password is applied again");
        assert!(!left(Some("another"), &HostState::default()), "nothing runs");
        let without = HostState { fingerprints: std::collections::BTreeMap::new(), ..state };
        assert!(!left(Some("another"), &without), "what runs has no such role yet");
    }
}
