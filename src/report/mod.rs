//! Events → progress bars, plain lines, JSON lines, JUnit, a page, GitHub's annotations and summary; errors and
//! findings as a person reads them.
//!
//! Never decides. The only room that prints.

mod bars;
mod clean;
mod consumer;
mod errors;
mod files;
mod github;
mod hints;
mod history;
mod json;
mod junit;
mod lines;
mod markup;
mod output;
mod page;
mod public;
mod record;
mod sanitize;
mod status;
mod table;

pub use bars::leave_clean;
pub use consumer::{Format, Reporter, leave};
pub use files::Files;
pub use hints::Here;
pub use json::schema;
pub use output::Output;
