//! The program from outside: the built binary in a project of its own.

// A helper that cannot do its work fails the test that asked for it.
#![allow(clippy::unwrap_used)]

mod offline;
mod support;
