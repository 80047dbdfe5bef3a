//! Roles in databases of the application: what `bootstrap` applies.

use std::fmt;
use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::secrets::{Secrets, scram_verifier};
use crate::stack::{Database, Release};

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
        // Names are plain words and a verifier is base64: nothing in them needs an escape. Terse errors do
        // not quote the statement.
        let _ = writeln!(script, "\\set VERBOSITY terse\n\\set role '{}'", database.role);
        let _ = writeln!(script, "\\set verifier '{}'", verifier.expose_secret());
        script.push_str(&String::from_utf8_lossy(&file.content));
        roles.push(Role { service: service.name.clone(), database: database.clone(), script, verifier });
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::{Sketch, release};
    use super::*;
    use crate::stack::File;

    #[test]
    fn the_script_has_the_verifier_and_not_the_password() {
        let mut release =
            release(&[Sketch { secrets: BTreeSet::from(["a"]), ..Sketch::default() }, Sketch::default()]);
        release.services.get_mut("s0").unwrap().database = Some(Database {
            container: "app-db".to_owned(),
            user: "app".to_owned(),
            name: "app_db".to_owned(),
            role: "watcher".to_owned(),
            password: "a".to_owned(),
            sql: "s0/role.sql".to_owned(),
            up: None,
        });
        release.files.insert(
            "s0/role.sql".to_owned(),
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
}
