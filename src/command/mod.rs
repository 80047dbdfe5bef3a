//! room

pub mod secrets;
