//! What the stack uses on a host, as `host::measure` found it; here it is only data.

use std::collections::BTreeMap;

/// What was measured on a host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// CPUs of the host.
    pub cpus: u64,
    /// Seconds between the two readings.
    pub seconds: f64,
    /// Service → bytes of memory that is not page cache.
    pub memory: BTreeMap<String, u64>,
    /// Service → microseconds of CPU over the window.
    pub cpu: BTreeMap<String, u64>,
    /// Volume → bytes.
    pub disk: BTreeMap<String, u64>,
}
