//! What the collectors count, under the names that each has.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use actix_web::HttpResponse;

use super::Flavour;
use super::pipeline::Dropped;
use crate::exposition::{Exposition, seconds};

/// What the server and the engine share.
pub(super) struct Shared {
    pub(super) flavour: Flavour,
    started: SystemTime,
    counters: Mutex<Counters>,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// By file: lines and bytes.
    read: BTreeMap<String, (u64, u64)>,
    /// By Loki's host: lines and bytes.
    sent: BTreeMap<String, (u64, u64)>,
    /// By host and reason: lines and bytes.
    dropped: BTreeMap<(String, String), (u64, u64)>,
    /// By reason, in stages.
    filtered: BTreeMap<String, u64>,
    /// By name and value of a label, in limits.
    limited: BTreeMap<(String, String), u64>,
    /// By host and status: requests and seconds.
    requests: BTreeMap<(String, u16), (u64, f64)>,
    pub(super) retries: u64,
    pub(super) journal_lines: u64,
    pub(super) active_files: usize,
    /// Whether the last configuration was taken, and when one was.
    pub(super) loaded: bool,
    pub(super) loaded_at: f64,
}

fn add(count: &mut (u64, u64), lines: usize, bytes: usize) {
    count.0 += lines as u64;
    count.1 += bytes as u64;
}

impl Counters {
    pub(super) fn read(&mut self, path: &str, bytes: usize) {
        add(self.read.entry(path.to_owned()).or_default(), 1, bytes);
    }

    pub(super) fn sent(&mut self, host: &str, lines: usize, bytes: usize) {
        add(self.sent.entry(host.to_owned()).or_default(), lines, bytes);
        // The reasons exist from the first line on, so that an increase from nothing shows.
        for reason in ["ingester_error", "rate_limited", "stream_limited", "line_too_long"] {
            self.dropped(host, reason, 0, 0);
        }
    }

    pub(super) fn dropped(&mut self, host: &str, reason: &str, lines: usize, bytes: usize) {
        add(self.dropped.entry((host.to_owned(), reason.to_owned())).or_default(), lines, bytes);
    }

    pub(super) fn filtered(&mut self, dropped: Dropped) {
        *self.filtered.entry(dropped.reason).or_default() += 1;
        if let Some(label) = dropped.by {
            *self.limited.entry(label).or_default() += 1;
        }
    }

    pub(super) fn request(&mut self, host: &str, status: u16, took: Duration) {
        let count = self.requests.entry((host.to_owned(), status)).or_default();
        count.0 += 1;
        count.1 += took.as_secs_f64();
    }

    /// A configuration was taken or refused.
    pub(super) fn load(&mut self, good: bool) {
        self.loaded = good;
        if good {
            self.loaded_at = seconds(SystemTime::now());
        }
    }
}

impl Shared {
    pub(super) fn new(flavour: Flavour) -> Self {
        let mut counters = Counters::default();
        counters.load(true);
        Self { flavour, started: SystemTime::now(), counters: Mutex::new(counters) }
    }

    pub(super) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `/metrics`.
    pub(super) fn page(&self) -> HttpResponse {
        let mut page = Exposition::of(self.flavour.name());
        self.write(&mut page);
        page.process(self.started).answer()
    }

    #[allow(clippy::cast_precision_loss, reason = "counters")]
    fn write(&self, page: &mut Exposition) {
        let counters = self.counters();
        let alloy = self.flavour == Flavour::Alloy;
        // The same counters have two sets of names.
        let (write, source) =
            if alloy { ("loki_write", "loki_source_file") } else { ("promtail", "promtail") };
        let build = format!("{}_build_info", self.flavour.name());
        page.family(&build, "gauge", "A metric with a constant '1' value.").sample(
            &build,
            &[("branch", "stand-in"), ("revision", "stand-in"), ("version", self.flavour.version())],
            1.0,
        );
        if alloy {
            page.single(
                "alloy_config_last_load_successful",
                "gauge",
                "Whether the last config was loaded.",
                f64::from(u8::from(counters.loaded)),
            );
            page.single(
                "alloy_config_last_load_success_timestamp_seconds",
                "gauge",
                "When one was loaded.",
                counters.loaded_at,
            );
        }
        for (name, at) in [("read_lines_total", 0), ("read_bytes_total", 1)] {
            let name = format!("{source}_{name}");
            page.family(&name, "counter", "What was read, by file.");
            for (path, (lines, bytes)) in &counters.read {
                page.sample(&name, &[("path", path)], if at == 0 { *lines } else { *bytes } as f64);
            }
        }
        page.single(
            &format!("{source}_files_active_total"),
            "gauge",
            "Files that are followed.",
            counters.active_files as f64,
        );
        let journal = if alloy {
            "loki_source_journal_target_lines_total"
        } else {
            "promtail_journal_target_lines_total"
        };
        page.single(journal, "counter", "Lines of the journal.", counters.journal_lines as f64);
        for (name, at) in [("sent_entries_total", 0), ("sent_bytes_total", 1)] {
            let name = format!("{write}_{name}");
            page.family(&name, "counter", "What was sent.");
            for (host, (lines, bytes)) in &counters.sent {
                page.sample(&name, &[("host", host)], if at == 0 { *lines } else { *bytes } as f64);
            }
        }
        for (name, at) in [("dropped_entries_total", 0), ("dropped_bytes_total", 1)] {
            let name = format!("{write}_{name}");
            page.family(&name, "counter", "What was dropped because Loki did not take it.");
            for ((host, reason), (lines, bytes)) in &counters.dropped {
                let labels = [("host", host.as_str()), ("reason", reason), ("tenant", "")];
                page.sample(&name, &labels, if at == 0 { *lines } else { *bytes } as f64);
            }
        }
        let filtered =
            if alloy { "loki_process_dropped_lines_total" } else { "logentry_dropped_lines_total" };
        page.family(filtered, "counter", "Lines that stages dropped.");
        for (reason, lines) in &counters.filtered {
            page.sample(filtered, &[("reason", reason)], *lines as f64);
        }
        let limited = filtered.replace("lines_total", "lines_by_label_total");
        page.family(&limited, "counter", "Lines that a limit by a label dropped.");
        for ((name, value), lines) in &counters.limited {
            page.sample(&limited, &[("label_name", name), ("label_value", value)], *lines as f64);
        }
        page.single(
            &format!("{write}_batch_retries_total"),
            "counter",
            "Pushes that were tried again.",
            counters.retries as f64,
        );
        let duration = format!("{write}_request_duration_seconds");
        page.family(&duration, "histogram", "How long pushes took.");
        for ((host, status), (count, seconds)) in &counters.requests {
            let status = if *status == 0 { "-1".to_owned() } else { status.to_string() };
            let labels = [("host", host.as_str()), ("status_code", &status)];
            page.sample(
                &format!("{duration}_bucket"),
                &[labels[0], labels[1], ("le", "+Inf")],
                *count as f64,
            );
            page.sample(&format!("{duration}_sum"), &labels, *seconds);
            page.sample(&format!("{duration}_count"), &labels, *count as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flavour_has_its_names() {
        for (flavour, names) in [
            (
                Flavour::Alloy,
                [
                    "loki_write_dropped_entries_total",
                    "loki_write_sent_entries_total",
                    "loki_source_file_read_lines_total",
                ],
            ),
            (
                Flavour::Promtail,
                [
                    "promtail_dropped_entries_total",
                    "promtail_sent_entries_total",
                    "promtail_read_lines_total",
                ],
            ),
        ] {
            let shared = Shared::new(flavour);
            shared.counters().read("/x", 5);
            shared.counters().sent("loki:3100", 2, 10);
            shared.counters().dropped("loki:3100", "ingester_error", 3, 10);
            let mut page = Exposition::of("x");
            shared.write(&mut page);
            for (name, rest) in names.into_iter().zip([
                "{host=\"loki:3100\",reason=\"ingester_error\",tenant=\"\"} 3\n",
                "{host=\"loki:3100\"} 2\n",
                "{path=\"/x\"} 1\n",
            ]) {
                assert!(page.text().contains(&format!("{name}{rest}")), "{name} in\n{}", page.text());
            }
        }
    }
}
