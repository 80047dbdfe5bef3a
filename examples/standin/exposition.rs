//! Metrics in Prometheus' text format, and what every process tells about itself.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::HttpResponse;

/// A page of metrics that is being written.
pub(crate) struct Exposition(String);

impl Exposition {
    /// A page that says that a stand-in for `name` wrote it.
    pub(crate) fn of(name: &str) -> Self {
        Self(format!("# A stand-in for {name} says this.\n"))
    }

    /// Begins a metric: `kind` is `counter`, `gauge` or `histogram`.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) -> &mut Self {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self
    }

    /// One sample, with the moment of the scrape.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.line(name, labels, value);
        self.0.push('\n');
        self
    }

    /// One sample of another moment, in milliseconds since 1970.
    pub(crate) fn sample_at(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: f64,
        at: i64,
    ) -> &mut Self {
        self.line(name, labels, value);
        let _ = writeln!(self.0, " {at}");
        self
    }

    /// A metric with one sample and no labels.
    pub(crate) fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) -> &mut Self {
        self.family(name, kind, help).sample(name, &[], value)
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (key, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{key}=\"{text}\"", if at == 0 { '{' } else { ',' });
        }
        self.0.push_str(if labels.is_empty() { " " } else { "} " });
        if value.is_infinite() {
            self.0.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        } else {
            let _ = write!(self.0, "{value}");
        }
    }

    /// What Go's client library tells about every process, read from `/proc/self`.
    pub(crate) fn process(&mut self, started: SystemTime) -> &mut Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kilobytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
        };
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The fields behind the name, which may contain spaces: utime and stime are the 12th and 13th.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        self.single(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            kilobytes("VmRSS:"),
        )
        .single(
            "process_virtual_memory_bytes",
            "gauge",
            "Virtual memory size in bytes.",
            kilobytes("VmSize:"),
        )
        .single(
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            (ticks(11) + ticks(12)) / 100.0,
        )
        .single(
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
            seconds(started),
        )
    }

    /// The page as an answer.
    pub(crate) fn answer(&mut self) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(std::mem::take(&mut self.0))
    }

    /// The page as text.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// Seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_prometheus_reads() {
        let mut page = Exposition::of("Loki");
        page.family("a", "counter", "Help.").sample("a", &[("x", "1\"\\\n"), ("y", "")], 2.5);
        page.sample_at("b", &[], f64::INFINITY, 7);
        assert_eq!(
            page.text(),
            "# A stand-in for Loki says this.\n# HELP a Help.\n# TYPE a counter\n\
             a{x=\"1\\\"\\\\\\n\",y=\"\"} 2.5\nb +Inf 7\n"
        );
    }

    #[test]
    fn a_process_knows_itself() {
        let mut page = Exposition::of("x");
        page.process(SystemTime::now());
        let resident =
            page.text().lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        assert!(resident.unwrap().parse::<f64>().unwrap() > 1e5);
    }
}
