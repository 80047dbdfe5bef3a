//! From a host to a session: run a command, follow its lines, forward a port.
//!
//! This room alone names russh. It never decides what is run, and never trusts a key that it does not know.

mod agent;
mod auth;
mod bootstrap;
mod channel;
mod config;
mod connect;
mod dial;
mod expand;
mod forward;
mod host_key;
mod keys;
mod known_hosts;
mod lines;
mod openssh;
mod prompt_ack;
mod proxy;
mod public_key;
mod record;
mod refused;
mod revoked;
mod said;
mod session;
mod surroundings;

pub use bootstrap::Command;
pub use connect::Options;
pub use forward::Forwarded;
pub use host_key::{Offered, OldKey, Standing};
pub use lines::{Line, Lines};
pub use public_key::public_key_line;
pub use record::record;
pub use session::{Output, Session};

#[cfg(test)]
mod tests;
