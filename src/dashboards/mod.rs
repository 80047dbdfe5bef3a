//! Dashboards of grafana.com: fetch → bind to our datasources → the stack's folder, with a lock file.
//!
//! Never needed by a deploy: what was fetched lies in the repository. Only `fetch` touches the network, only
//! `shelf` the disk.

mod bind;
mod fetch;
mod lock;
mod panels;
mod shelf;

pub use bind::{Bound, bind};
pub use fetch::{Fetched, Shop};
pub use lock::{Entry, FOLDER, Inspected, LOCK, Lock, Pin, inspect, path_of};
pub use shelf::{Shelf, State};
