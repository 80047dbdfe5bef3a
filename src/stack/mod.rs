//! Folder + environment → `Release`: files with digests, in which a secret is only a placeholder.
//!
//! Never sees a secret's value and does not know that hosts exist.

mod by_file;
mod compose;
mod health;
mod keys;
mod kinds;
mod load;
mod release;
mod render;
mod service;
mod variables;

pub use load::{has_extension, is_yaml, load};
pub use release::{Fact, File, FromHost, Release, digest, short_digest};
pub use service::{
    Database, EmptyUntil, Mount, OnSecret, Reload, SecretFile, SecretValue, Service, Validate, Verify,
};
