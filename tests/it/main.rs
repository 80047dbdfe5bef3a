//! The integration tests: one binary, a file a subject. They run the built program from outside.

// A helper that cannot do its work fails the test that asked for it.
#![allow(clippy::unwrap_used)]

mod lab;
mod offline;
mod schema;
mod stack;
mod support;
