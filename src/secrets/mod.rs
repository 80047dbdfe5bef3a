//! secrets room
pub mod token;
