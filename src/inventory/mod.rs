//! YAML → `Environment`: which hosts, where on them, and the values of the stack's variables.
//!
//! Never touches the network.

mod host;

pub use host::{Host, HostName};
