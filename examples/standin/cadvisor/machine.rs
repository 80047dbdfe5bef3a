//! What is told of the machine itself.

use super::VERSION;
use crate::exposition::Exposition;

/// Writes the machine's metrics.
pub(super) fn write(page: &mut Exposition) {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    page.family("cadvisor_version_info", "gauge", "A metric with a constant '1' value.").sample(
        "cadvisor_version_info",
        &[("cadvisorRevision", "stand-in"), ("cadvisorVersion", VERSION), ("kernelVersion", kernel.trim())],
        1.0,
    );
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<f64>().ok());
    page.single(
        "machine_memory_bytes",
        "gauge",
        "Amount of memory installed on the machine.",
        total.unwrap_or(0.0) * 1024.0,
    );
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    #[allow(clippy::cast_precision_loss, reason = "a count of cores")]
    page.single("machine_cpu_cores", "gauge", "Number of logical CPU cores.", cores as f64);
    page.single(
        "container_scrape_error",
        "gauge",
        "1 if there was an error while getting container metrics, 0 otherwise",
        0.0,
    );
    page.single(
        "machine_scrape_error",
        "gauge",
        "1 if there was an error while getting machine metrics, 0 otherwise.",
        0.0,
    );
}
