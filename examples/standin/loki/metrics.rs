//! `/metrics`, under the names that Loki has.

use actix_web::HttpResponse;

use super::VERSION;
use super::api::State;
use crate::exposition::Exposition;

/// The page. Looking at it also lets the compactor run when it is due.
#[allow(clippy::cast_precision_loss, reason = "counters")]
pub(super) fn page(state: &State) -> HttpResponse {
    let compacted = state.compact();
    let mut page = Exposition::of("Loki");
    page.family("loki_build_info", "gauge", "A metric with a constant '1' value.").sample(
        "loki_build_info",
        &[("branch", "stand-in"), ("goversion", "none"), ("revision", "stand-in"), ("version", VERSION)],
        1.0,
    );
    requests(state, &mut page);
    {
        let store = state.store();
        let hours = (state.config.limits.retention / 3_600_000_000_000).to_string();
        let counts = &store.counts;
        page.family("loki_distributor_lines_received_total", "counter", "Lines received.").sample(
            "loki_distributor_lines_received_total",
            &[("aggregated_metric", "false"), ("tenant", "fake")],
            counts.lines as f64,
        );
        page.family("loki_distributor_bytes_received_total", "counter", "Bytes received.").sample(
            "loki_distributor_bytes_received_total",
            &[("aggregated_metric", "false"), ("retention_hours", &hours), ("tenant", "fake")],
            counts.bytes as f64,
        );
        page.family("loki_ingester_memory_streams", "gauge", "Streams in memory.").sample(
            "loki_ingester_memory_streams",
            &[("tenant", "fake")],
            store.len() as f64,
        );
        // A chunk a stream: the stand-in flushes nothing.
        page.single("loki_ingester_memory_chunks", "gauge", "Chunks in memory.", store.len() as f64);
        page.family("loki_ingester_streams_created_total", "counter", "Streams created.").sample(
            "loki_ingester_streams_created_total",
            &[("tenant", "fake")],
            counts.streams_created as f64,
        );
        for (name, bytes) in [("loki_discarded_samples_total", false), ("loki_discarded_bytes_total", true)] {
            if !counts.discarded.is_empty() {
                page.family(name, "counter", "What was discarded, by reason.");
            }
            for (reason, (lines, size)) in &counts.discarded {
                let labels = [
                    ("policy", ""),
                    ("reason", reason),
                    ("retention_hours", hours.as_str()),
                    ("tenant", "fake"),
                ];
                page.sample(name, &labels, if bytes { *size } else { *lines } as f64);
            }
        }
    }
    page.single("loki_boltdb_shipper_compactor_running", "gauge", "Whether the compactor runs.", 1.0);
    page.single(
        "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds",
        "gauge",
        "When tables were compacted last.",
        compacted,
    );
    page.single(
        "loki_compactor_apply_retention_last_successful_run_timestamp_seconds",
        "gauge",
        "When retention was applied last.",
        if state.config.retention_enabled { compacted } else { 0.0 },
    );
    page.single("loki_panic_total", "counter", "Panics.", 0.0);
    page.process(state.started).answer()
}

#[allow(clippy::cast_precision_loss, reason = "counters")]
fn requests(state: &State, page: &mut Exposition) {
    let requests = state.requests();
    page.family("loki_request_duration_seconds", "histogram", "Time spent serving HTTP requests.");
    for ((method, route, status), (count, seconds)) in requests.iter() {
        let status = status.to_string();
        let labels =
            [("method", method.as_str()), ("route", route), ("status_code", &status), ("ws", "false")];
        // No request to the stand-in takes longer than the widest bucket that is kept.
        let mut all = labels.to_vec();
        all.push(("le", "+Inf"));
        page.sample("loki_request_duration_seconds_bucket", &all, *count as f64);
        page.sample("loki_request_duration_seconds_sum", &labels, *seconds);
        page.sample("loki_request_duration_seconds_count", &labels, *count as f64);
    }
}
