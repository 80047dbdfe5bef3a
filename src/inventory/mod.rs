//! YAML → `Environment`: which hosts, where on them, and the values of the stack's variables.
//!
//! Never touches the network.

mod deploy;
mod environment;
mod host;
pub mod jump;
mod layer;
mod merge;
mod remote;
mod servers;
pub mod units;
mod verify;

pub use deploy::Deploy;
pub use environment::{Environment, Variables, names};
pub use host::{Host, HostName};
pub use remote::Remote;
pub use servers::server_problems;
pub use verify::{Budget, Verify};
