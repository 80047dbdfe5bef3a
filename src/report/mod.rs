//! Events → progress bars, plain lines, JSON lines; errors and findings as a person reads them.
//!
//! Never decides. The only room that prints.

mod bars;
mod consumer;
mod errors;
mod history;
mod json;
mod lines;
mod output;
mod status;
mod table;

pub use consumer::{Format, Reporter, leave};
pub use output::Output;
