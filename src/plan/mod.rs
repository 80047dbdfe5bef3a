//! `Release` + `HostState` → `Plan`; `Release` → `Vec<Check>`; `Release` + `Secrets` + host key → `SealedBundle`.
//!
//! Never does I/O: all of it is pure values and property-tested.

mod bundle;
mod changes;
pub mod check;
mod checks;
mod declared;
mod delta;
mod engine;
mod facts;
mod fits;
mod labels;
mod make;
mod manifest;
#[cfg(test)]
mod model_tests;
mod networks;
mod owner;
mod panels;
mod requirements;
mod role;
mod room;
mod seal;
mod state;
mod step;
#[cfg(test)]
mod testing;
mod usage;
mod values;

pub use bundle::{Bundle, archive};
pub use changes::{Changes, FileChange, ImageChange, SecretChange, ServiceChange};
pub use checks::{PANELS, after, checks, collects_containers, probes};
pub use engine::answers;
pub use facts::found;
pub use fits::{Unfit, unfit};
pub use labels::{Generated, OVERRIDE_FILE, ReleaseId, generate};
pub use make::{Plan, make};
pub use manifest::manifest;
pub use networks::networks;
pub use owner::owned;
pub use requirements::requirements;
pub use role::{Role, is_left_to_the_deploy, roles};
pub use seal::{SealedBundle, seal};
pub use state::{Container, Deployed, HostState, Socket};
pub use step::Step;
pub use usage::Usage;
