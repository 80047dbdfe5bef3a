//! `Release` + `HostState` → `Plan`; `Release` → `Vec<Check>`; `Release` + `Secrets` + host key → `SealedBundle`.
//!
//! Never does I/O: all of it is pure values and property-tested.

mod bundle;
pub mod check;
mod checks;
mod labels;
mod make;
mod manifest;
mod panels;
mod requirements;
mod seal;
mod state;
mod step;
#[cfg(test)]
mod testing;
mod usage;

pub use bundle::{Bundle, archive};
pub use checks::{checks, probes};
pub use labels::{Generated, OVERRIDE_FILE, ReleaseId, generate};
pub use make::{Plan, ServiceChange, make};
pub use manifest::manifest;
pub use requirements::requirements;
pub use seal::{SealedBundle, seal};
pub use state::{Container, HostState, Socket};
pub use step::Step;
pub use usage::Usage;
