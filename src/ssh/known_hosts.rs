//! Which keys a host is known by: `known_hosts` files, read by the `ssh-key` crate and matched by us.
//!
//! The format is sshd(8), "`SSH_KNOWN_HOSTS` FILE FORMAT".

use std::fs;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
pub(super) use russh::keys::ssh_key::known_hosts::Entry;
use russh::keys::ssh_key::known_hosts::{HostPatterns, Marker};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};
use sha1::Sha1;

use crate::error::{Error, Kind, Result};

/// The port that a name without one means.
pub(super) const DEFAULT_PORT: u16 = 22;

/// What a line says of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The host has it.
    Key,
    /// It signs host certificates (`@cert-authority`).
    Authority,
    /// It must never be accepted (`@revoked`).
    Revoked,
}

/// A line that speaks of the host.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub role: Role,
    pub key: PublicKey,
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Whether the environment's file says so.
    pub own: bool,
    /// Whether the host is bound to it; a key that is known for another port is merely accepted.
    pub binding: bool,
}

impl Known {
    /// `file:line`.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// The names that a host may have in a file.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// In the environment's own file: the inventory's address as well as what it stands for.
    pub inventory: Vec<String>,
    /// In the user's and the system's files.
    pub user: String,
    /// As OpenSSH does: a host at another port may show a key that it is known by at port 22, but need not.
    pub without_port: Option<String>,
}

/// The name of `host` at `port` as the files write it: `host`, or `[host]:port`.
pub(super) fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == DEFAULT_PORT { host } else { format!("[{host}]:{port}") }
}

/// All that the files say of one host.
#[derive(Debug, Clone, Default)]
pub(super) struct HostKeys {
    known: Vec<Known>,
}

impl HostKeys {
    /// Reads what `own` (the environment's file, which wins) and `others` say of the host.
    ///
    /// If `own` knows the host, the others count only for what they revoke. Files that do not exist say
    /// nothing. Errors: a file that cannot be read, and a line of `own` that is none: it is committed, so a
    /// broken line is a mistake to be seen; OpenSSH's files are read as OpenSSH reads them, which skips it.
    /// `revoked` is the file of `RevokedHostKeys`.
    pub(super) fn load(
        own: &Path,
        others: &[PathBuf],
        revoked: Option<&Path>,
        names: &Names,
    ) -> Result<Self> {
        let mut known = matching(own, &read(own)?, &names.inventory, true)?;
        if let Some(file) = revoked {
            known.extend(super::revoked::read(file)?);
        }
        let decided = known.iter().any(|line| line.role != Role::Revoked);
        for file in others {
            let text = read(file)?;
            let mut lines = matching(file, &text, std::slice::from_ref(&names.user), false)?;
            if let Some(name) = &names.without_port {
                let more = matching(file, &text, std::slice::from_ref(name), false)?;
                lines.extend(more.into_iter().map(|line| Known { binding: false, ..line }));
            }
            known.extend(lines.into_iter().filter(|line| !decided || line.role == Role::Revoked));
        }
        Ok(Self { known })
    }

    /// Whether no line could let the host in.
    pub(super) fn is_empty(&self) -> bool {
        self.known.iter().all(|known| known.role == Role::Revoked)
    }

    /// The lines of `role`.
    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(move |known| known.role == role)
    }

    /// The line of `role` with this very key.
    pub(super) fn find(&self, role: Role, key: &PublicKey) -> Option<&Known> {
        self.of(role).find(|known| known.key.key_data() == key.key_data())
    }

    /// The keys that the host should show one of.
    pub(super) fn binding(&self) -> impl Iterator<Item = &Known> {
        self.of(Role::Key).filter(|known| known.binding)
    }

    /// The host key algorithms to offer, the known ones first: a server that has several keys then shows the
    /// one that is known. SHA-1 is not among them.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let mut all = algorithms();
        all.sort_by_key(|algorithm| {
            !self.of(Role::Key).any(|known| same_family(&known.key.algorithm(), algorithm))
        });
        all
    }

    /// The algorithms under which a host certificate is asked for: none where no authority is known.
    pub(super) fn certificate_algorithms(&self) -> Vec<Algorithm> {
        if self.of(Role::Authority).next().is_some() { algorithms() } else { Vec::new() }
    }
}

fn algorithms() -> Vec<Algorithm> {
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ]
}

/// Whether a key of the one type can be shown under the other: RSA keys sign with several hashes.
pub(super) fn same_family(one: &Algorithm, other: &Algorithm) -> bool {
    one == other || matches!((one, other), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

fn read(file: &Path) -> Result<String> {
    match fs::read(file) {
        Ok(bytes) => Ok(plain_text(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::new(Kind::Unreachable, format!("read {}", file.display())).cause(error)),
    }
}

/// `bytes` as text, without the mark that some editors put in front of it.
pub(super) fn plain_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned()
}

/// Whether a line that cannot be read has a kind of key that is not known: OpenSSH passes over it, since a newer one
/// may have written it.
fn of_unknown_kind(line: &str) -> bool {
    let mut words = line.split(' ').filter(|word| !word.starts_with('@')).skip(1);
    let (Some(kind), Some(_key)) = (words.next(), words.next()) else { return false };
    !matches!(Algorithm::new(kind), Ok(known) if !matches!(known, Algorithm::Other(_)))
        && kind.bytes().all(|c| c.is_ascii_alphanumeric() || b"-@.".contains(&c))
        && kind.contains('-')
}

fn matching(file: &Path, text: &str, names: &[String], strict: bool) -> Result<Vec<Known>> {
    let mut found = Vec::new();
    for (index, text) in text.lines().enumerate() {
        // The crate's parser splits at single spaces; OpenSSH at any run of blanks.
        let line = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Ok(entry) = line.parse::<Entry>() else {
            if strict && !of_unknown_kind(&line) {
                return Err(Error::new(Kind::Usage, format!("read {}:{}", file.display(), index + 1))
                    .cause("not a line of the known_hosts format with a key")
                    .hint("Each line is `[marker] names key-type base64-key [comment]`, see sshd(8)."));
            }
            continue;
        };
        if names.iter().any(|name| matches(entry.host_patterns(), name)) {
            found.push(Known {
                role: match entry.marker() {
                    None => Role::Key,
                    Some(Marker::CertAuthority) => Role::Authority,
                    Some(Marker::Revoked) => Role::Revoked,
                },
                key: entry.public_key().clone(),
                file: file.to_path_buf(),
                line: index + 1,
                own: strict,
                binding: true,
            });
        }
    }
    Ok(found)
}

/// The key of a line that says of a host that it has it.
pub(super) fn key_of(entry: &Entry) -> Option<&PublicKey> {
    entry.marker().is_none().then(|| entry.public_key())
}

/// Whether a line speaks of `name`.
pub(super) fn matches_name(entry: &Entry, name: &str) -> bool {
    matches(entry.host_patterns(), name)
}

/// Whether a line's names mean `name`: a hash of it, or a pattern that fits while no negated one does.
fn matches(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
            .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
        HostPatterns::Patterns(patterns) => {
            let mut fits = false;
            for pattern in patterns {
                match pattern.strip_prefix('!') {
                    Some(negated) if wildcard(negated, name) => return false,
                    Some(_) => {}
                    None => fits = fits || wildcard(pattern, name),
                }
            }
            fits
        }
    }
}

/// Whether `text` fits `pattern`, in which `*` is any run of characters and `?` is one. Case does not count.
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` was, and the text position it has eaten up to.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    t = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::tests::key;

    /// The lines that `name` is known by in `text`, where every `KEYn` is a key.
    fn lines(text: &str, name: &str) -> Vec<usize> {
        let mut text = text.to_owned();
        for seed in 1..=3 {
            let key = key(seed).public_key().to_openssh().unwrap();
            text = text.replace(&format!("KEY{seed}"), key.trim());
        }
        let found = matching(Path::new("known_hosts"), &text, &[name.to_owned()], false).unwrap();
        found.into_iter().map(|known| known.line).collect()
    }

    #[test]
    fn names_patterns_ports_and_negations_match_as_in_openssh() {
        let text = "# a comment\n\nvps,10.0.0.1 KEY1\n*.example.net,!bad.example.net KEY2\n\
                    [vps]:2222 KEY3\n[*.example.net]:2222\tKEY3 with a  comment\nweb? KEY1\nbroken\n* KEY3\n";
        assert_eq!(lines(text, "vps"), [3, 9]);
        assert_eq!(lines(text, "10.0.0.1"), [3, 9]);
        assert_eq!(lines(text, "a.example.net"), [4, 9]);
        assert_eq!(lines(text, "bad.example.net"), [9]);
        assert_eq!(lines(text, "[vps]:2222"), [5, 9]);
        assert_eq!(lines(text, "[a.example.net]:2222"), [6, 9]);
        assert_eq!(lines(text, "web1"), [7, 9]);
        assert_eq!(lines(text, "web12"), [9]);
    }

    #[test]
    fn a_negation_counts_wherever_it_stands_in_the_line() {
        assert!(lines("!bad,bad KEY1\nbad,!bad KEY1\n!bad KEY1\n", "bad").is_empty());
        assert!(lines("!bad KEY1\n", "good").is_empty());
    }

    #[test]
    fn a_line_with_an_unknown_kind_of_key_is_passed_over_and_a_broken_one_is_not() {
        let read = |text: &str| matching(Path::new("own"), text, &["vps".to_owned()], true);
        for line in ["vps ssh-mldsa44-ed25519 AAAA", "@revoked vps future-key@example.net AAAA c"] {
            assert!(read(&format!("{line}\n")).is_ok_and(|found| found.is_empty()), "{line}");
        }
        for line in ["vps ssh-ed25519 notbase64", "vps", "vps ssh-rsa", "vps 1024 35 123", "ssh-ed25519 AAAA"]
        {
            assert!(read(&format!("{line}\n")).is_err(), "{line}");
        }
    }

    #[test]
    fn a_mark_at_the_file_s_start_does_not_hide_its_first_line() {
        let text = format!("\u{feff}vps {}\r\n", key(1).public_key().to_openssh().unwrap());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        fs::write(&file, text).unwrap();
        let names = Names { inventory: vec!["vps".to_owned()], user: "vps".to_owned(), without_port: None };
        let none = dir.path().join("none");
        for (own, others) in [(&file, vec![]), (&none, vec![file.clone()])] {
            let keys = HostKeys::load(own, &others, None, &names).unwrap();
            assert!(keys.find(Role::Key, key(1).public_key()).is_some());
        }
    }

    #[test]
    fn hashed_names_are_those_of_ssh_keygen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        let key = key(1).public_key().to_openssh().unwrap();
        fs::write(&file, format!("vps {key}\n[vps]:2222 {key}\nother {key}\n")).unwrap();
        let hashed =
            std::process::Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output().unwrap();
        assert!(hashed.status.success(), "{}", String::from_utf8_lossy(&hashed.stderr));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.lines().all(|line| line.starts_with("|1|")), "{text}");
        assert_eq!(lines(&text, "vps"), [1]);
        assert_eq!(lines(&text, &name("VPS", 2222)), [2]);
        assert!(lines(&text, "nobody").is_empty());
    }

    #[test]
    fn known_key_types_are_offered_first_and_certificates_only_with_an_authority() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7";
        assert!(lines(&format!("vps {rsa}\n"), "vps").is_empty(), "half a key is none");
        let of = |role| HostKeys {
            known: vec![Known {
                role,
                key: key(1).public_key().clone(),
                file: PathBuf::new(),
                line: 1,
                own: true,
                binding: true,
            }],
        };
        assert_eq!(of(Role::Key).algorithms()[0], Algorithm::Ed25519);
        assert_eq!(HostKeys::default().algorithms().len(), 6);
        assert!(of(Role::Key).certificate_algorithms().is_empty());
        assert_eq!(of(Role::Authority).certificate_algorithms().len(), 6);
    }

    #[test]
    fn wildcards_do_not_blow_up() {
        assert!(wildcard("*", ""));
        assert!(wildcard("a*b?c*", "aXXbYc"));
        assert!(!wildcard("a*b?c", "aXXbc"));
        assert!(wildcard("Vps.EXAMPLE.net", "vps.example.NET"));
        assert!(!wildcard(&"*a".repeat(50), &"b".repeat(500)));
    }

    #[test]
    fn no_file_breaks_what_reads_it() {
        let seeds = [
            &b"[127.0.0.1]:22,vps ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2nVKxbyPB5HkWfPz8dqwDv7WT2LKZoSkBqrXTX5gw9 c\n"[..],
            b"@cert-authority *.x,!y ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2nVKxbyPB5HkWfPz8dqwDv7WT2LKZoSkBqrXTX5gw9\n",
            b"|1|aaaaaaaaaaaaaaaaaaaaaaaaaaa=|bbbbbbbbbbbbbbbbbbbbbbbbbbb= ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==\n",
        ];
        let names = ["vps".to_owned(), "[127.0.0.1]:22".to_owned()];
        crate::fuzz::run("known_hosts", &seeds.map(<[u8]>::to_vec), &|data| {
            let text = plain_text(data);
            for strict in [true, false] {
                let _ = matching(Path::new("known_hosts"), &text, &names, strict);
            }
        });
    }
}
