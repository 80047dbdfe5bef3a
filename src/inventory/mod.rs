//! YAML → `Environment`: which hosts, where on them, and the values of the stack's variables.
//!
//! Never touches the network.

mod environment;
mod host;
mod layer;
pub mod units;
mod verify;

pub use environment::{Deploy, Environment, Remote, Variables, names};
pub use host::{Host, HostName};
pub use verify::{Budget, Verify};
