//! `provision` puts a Docker Compose stack on servers over SSH and proves that it runs.
//!
//! The rooms, in the order in which data walks through them; each knows only those above it:
//! `inventory` → `secrets` → `dashboards` → `stack` → `plan` → `ssh` → `host` → `verify` → `report` → `command`.
//! `docs/architecture.md` has the picture.

mod child;
pub mod command;
pub mod dashboards;
pub mod error;
pub mod event;
#[cfg(test)]
mod fuzz;
pub mod host;
pub mod inventory;
pub mod logfmt;
pub mod outcome;
pub mod plan;
mod prompt;
pub mod report;
pub mod secrets;
pub mod ssh;
pub mod stack;
pub mod text;
pub mod verify;
pub mod words;
pub mod yaml;
