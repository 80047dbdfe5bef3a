//! The program from outside: the built binary in a project of its own.

mod offline;
mod support;
