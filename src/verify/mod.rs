//! Checks + forwards → findings; one file a service. A check's HTTP client works over any byte stream.
//!
//! Changes nothing on the host but for the probes: they write a log line, or post an alert. Asking (`http`,
//! `run`) and judging (`ready`, `prometheus`, `alertmanager`, `grafana`, `loki`, `panels`, `exposure`,
//! `overhead`) are apart: judging is a pure function of recorded answers.

pub mod alertmanager;
pub mod ask;
pub mod configuration;
pub mod containers;
pub mod exposure;
pub mod grafana;
pub mod http;
pub mod log_drivers;
pub mod loki;
pub mod overhead;
pub mod panels;
pub mod prometheus;
pub mod query;
pub mod ready;
pub mod reload;
pub mod rules;
pub mod run;
pub mod select;
pub mod test_alert;
pub mod verdict;

mod client;
mod join;
mod promql;
mod proxied;
mod scalar;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod recorded_checks;
#[cfg(test)]
mod recorded_rows;
#[cfg(test)]
mod recorded_tests;

pub use client::Connections;
pub use run::{Forward, Patience, Run};
