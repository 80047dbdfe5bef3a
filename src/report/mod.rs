//! Events → progress bars, plain lines, JSON lines; errors and findings as a person reads them.
//!
//! Never decides. The only room that prints.

mod bars;
mod consumer;
mod errors;
mod json;
mod lines;
mod output;
mod table;

pub use consumer::{Format, Reporter};
pub use output::Output;
