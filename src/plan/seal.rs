//! The sealed bundle: the secret files of all services, encrypted to one host.

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::role;
use crate::error::{Error, Kind, Result};
use crate::secrets::{Secrets, seal_to_host, token};
use crate::stack::{Release, SecretFile};

/// An age file that only one host can open: a tar archive of `<service>/<file>`, readable by the service alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBundle {
    /// The age file.
    pub ciphertext: Vec<u8>,
    /// The public host key that it is encrypted to, as its `.pub` file has it, without the comment.
    pub host_key: String,
}

/// Who reads a secret file.
struct Owner {
    uid: u32,
    gid: Option<u32>,
}

/// Builds and encrypts the bundle. Secrets exist in plain text only inside this function, in memory that is
/// wiped.
///
/// # Errors
/// Usage when a secret is missing; internal when a placeholder cannot be replaced or sealing fails.
pub fn seal(release: &Release, secrets: &Secrets, host_key: &str) -> Result<SealedBundle> {
    let mut entries: Vec<(String, Owner, Zeroizing<String>)> = Vec::new();
    for (name, service) in &release.services {
        for (file, source) in &service.secrets {
            let value = match source {
                SecretFile::Secret(secret) => {
                    let value = secrets.get(secret).ok_or_else(|| missing(secret))?;
                    Zeroizing::new(value.expose_secret().to_owned())
                }
                SecretFile::Template { path, .. } => {
                    let sealed = release.sealed.get(path).or_else(|| release.files.get(path));
                    let text = String::from_utf8_lossy(sealed.map_or(&[][..], |file| &file.content));
                    token::substitute(&text, |name| {
                        secrets.get(name).map(secrecy::ExposeSecret::expose_secret)
                    })
                    .ok_or_else(|| Error::new(Kind::Internal, format!("put the secrets into {path}")))?
                }
            };
            let owner = Owner { uid: service.uid, gid: service.gid };
            entries.push((format!("{name}/{file}"), owner, value));
        }
    }
    for (service, database) in role::services(release) {
        let (folder, file) = role::sealed_file(&service.name);
        let owner = Owner { uid: 0, gid: None };
        entries.push((format!("{folder}/{file}"), owner, role::sealed(database, secrets, &rand::random())?));
    }
    // Room for everything at once: a buffer that grows would leave copies behind.
    let size =
        entries.iter().map(|(_, _, value)| value.len().next_multiple_of(512) + 512).sum::<usize>() + 4096;
    let mut plain = Zeroizing::new(Vec::with_capacity(size));
    {
        let mut builder = tar::Builder::new(&mut *plain);
        for (path, owner, value) in &entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(value.len() as u64);
            // A file of root's that a group may read: who reads it cannot open it to others.
            let (mode, uid, gid) = match owner.gid {
                Some(gid) => (0o440, 0, gid),
                None => (0o400, owner.uid, owner.uid),
            };
            header.set_mode(mode);
            header.set_uid(u64::from(uid));
            header.set_gid(u64::from(gid));
            header.set_mtime(0);
            builder.append_data(&mut header, path, value.as_bytes()).map_err(|error| broken(&error))?;
        }
        builder.finish().map_err(|error| broken(&error))?;
    }
    seal_to_host(&plain, host_key)
        .map(|ciphertext| SealedBundle { ciphertext, host_key: host_key.to_owned() })
}

fn missing(name: &str) -> Error {
    Error::usage("build the sealed bundle").cause(format!("the secret `{name}` is missing"))
}

fn broken(error: &std::io::Error) -> Error {
    Error::new(Kind::Internal, "build the sealed bundle").cause(error)
}
