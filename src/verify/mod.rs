//! Checks + forwards → findings; one file a service. A check's HTTP client works over any byte stream.
//!
//! Never changes the host. Asking (`http`, `run`) and judging (`ready`, `prometheus`, `alertmanager`,
//! `grafana`) are apart: judging is a pure function of recorded answers.

pub mod alertmanager;
pub mod ask;
pub mod configuration;
pub mod containers;
pub mod grafana;
pub mod http;
pub mod prometheus;
pub mod query;
pub mod ready;
pub mod run;
pub mod verdict;

mod client;
mod join;
mod scalar;

#[cfg(test)]
mod recorded;

pub use run::{Forward, Opened, Run, open_all};
