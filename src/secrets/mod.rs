//! age file + identity → [`Secrets`]: the values that a deploy needs and nobody else may see.
//!
//! Never writes plain text to a disk, never prints a value.
//!
//! `docs/secrets.md` has the model. In a release a secret is a placeholder ([`token`]); values are put in only
//! while the bundle for one host is built, which is then encrypted to that host ([`seal_to_host`]).

mod agreed;
mod bound;
mod document;
mod edit;
mod file;
mod generate;
mod identity;
mod import;
mod map;
mod name;
mod open;
mod passphrase;
mod process;
mod recipients;
mod redact;
mod rekey;
mod replace;
mod rewrite;
mod roster;
mod save;
mod scram;
mod seal;
mod set;
mod spelling;
#[cfg(test)]
mod testing;
mod textconv;
pub mod token;
mod vault;
mod weakness;
mod workspace;

pub use edit::{Edit, Edited, Editor};
pub use file::{environments, exists};
pub use generate::{generate_identity, generate_password};
pub use identity::Identity;
pub use import::{Import, Imported};
pub use map::Secrets;
pub use name::SecretName;
pub use open::view;
pub(crate) use passphrase::ask;
pub use process::harden_process;
pub use recipients::Recipients;
pub use redact::Redactor;
pub use rekey::{listed_anew, outdated, rekey};
pub use roster::{Listed, Roster};
pub use scram::scram_verifier;
pub use seal::seal_to_host;
pub use set::{set, unset};
pub use textconv::textconv;
pub use weakness::{Weakness, is_placeholder, weaknesses};
