//! session → `HostState`; plan + bundle → activation, its events, confirm or return.
//!
//! Never decides: its POSIX sh scripts carry out lists of fixed verbs.

mod activation;
mod broken;
mod forwarding;
#[cfg(test)]
mod fuzz_tests;
mod history;
mod kept;
mod layout;
#[cfg(test)]
mod layout_tests;
mod listening;
mod lock;
mod log;
mod logs;
mod measure;
#[cfg(test)]
mod ownership_tests;
#[cfg(test)]
mod plan_only_tests;
mod probe;
mod role;
mod scripts;
#[cfg(test)]
mod scripts_tests;
mod status;
#[cfg(test)]
mod testing;
mod texts;
mod units;

pub use activation::{Activation, Answer, Ended, Order, Span, answer, start};
pub use forwarding::prohibited;
pub use history::{Actor, Record, history};
pub use kept::{Kept, kept, old_checks, running};
pub use layout::records;
pub use lock::{await_lock, unlock};
pub use logs::{logs, logs_ended};
pub use measure::{log_drivers, overhead, write_line};
pub use probe::probe;
pub use role::apply_role;
pub use scripts::{installed, plan_only_command};
pub use status::{KeptRelease, Status, Unit, status};
pub use texts::texts;
pub use units::units;
