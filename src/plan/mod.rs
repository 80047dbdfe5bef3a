//! `Release` + `HostState` → `Plan`; `Release` → `Vec<Check>`; `Release` + `Secrets` + host key → `SealedBundle`.
//!
//! Never does I/O: all of it is pure values and property-tested.

pub mod check;
