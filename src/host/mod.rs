//! session → `HostState`; plan + bundle → activation, its events, confirm or return.
//!
//! Never decides: its POSIX sh scripts carry out lists of fixed verbs.

mod activation;
mod log;
mod logs;
mod measure;
mod probe;
mod scripts;
mod units;

pub use activation::{Activation, Answer, Ended, Order, answer, start};
pub use logs::logs;
pub use measure::{overhead, write_line};
pub use probe::{old_checks, probe};
pub use scripts::installed;
pub use units::units;
