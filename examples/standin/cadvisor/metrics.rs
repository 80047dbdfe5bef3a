//! `/metrics`, with the names and labels that cAdvisor has.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use actix_web::HttpResponse;

use super::housekeeping::Reading;
use super::network::Interface;
use super::{Settings, VERSION};
use crate::exposition::Exposition;

/// The page of the latest readings.
pub(super) fn page(settings: &Settings, latest: &Mutex<Vec<Reading>>, started: SystemTime) -> HttpResponse {
    let readings = latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut page = Exposition::of("cAdvisor");
    machine(&mut page);
    write(&mut page, settings, &readings);
    page.process(started).answer()
}

/// One metric of a container: name, kind, help, the part of `-disable_metrics` that it belongs to, further label,
/// value, and whether it carries the moment of its reading.
type Metric = (&'static str, &'static str, &'static str, &'static str, fn(&Reading) -> f64, bool);

const METRICS: [Metric; 18] = [
    (
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed in seconds.",
        "cpu",
        |it| it.usage.cpu,
        true,
    ),
    (
        "container_cpu_user_seconds_total",
        "counter",
        "Cumulative user cpu time consumed in seconds.",
        "cpu",
        |it| it.usage.cpu_user,
        true,
    ),
    (
        "container_cpu_system_seconds_total",
        "counter",
        "Cumulative system cpu time consumed in seconds.",
        "cpu",
        |it| it.usage.cpu_system,
        true,
    ),
    (
        "container_memory_usage_bytes",
        "gauge",
        "Current memory usage in bytes.",
        "memory",
        |it| it.usage.memory,
        true,
    ),
    (
        "container_memory_working_set_bytes",
        "gauge",
        "Current working set in bytes.",
        "memory",
        |it| it.usage.working_set,
        true,
    ),
    ("container_memory_rss", "gauge", "Size of RSS in bytes.", "memory", |it| it.usage.rss, true),
    (
        "container_memory_cache",
        "gauge",
        "Number of bytes of page cache memory.",
        "memory",
        |it| it.usage.cache,
        true,
    ),
    ("container_memory_swap", "gauge", "Container swap usage in bytes.", "memory", |it| it.usage.swap, true),
    (
        "container_memory_mapped_file",
        "gauge",
        "Size of memory mapped files in bytes.",
        "memory",
        |it| it.usage.mapped_file,
        true,
    ),
    (
        "container_memory_max_usage_bytes",
        "gauge",
        "Maximum memory usage recorded in bytes",
        "memory",
        |it| it.usage.max_memory,
        true,
    ),
    (
        "container_memory_failcnt",
        "counter",
        "Number of memory usage hits limits",
        "memory",
        |it| it.usage.failures,
        true,
    ),
    (
        "container_oom_events_total",
        "counter",
        "Count of out of memory events observed for the container",
        "oom_event",
        |it| it.usage.killed,
        true,
    ),
    (
        "container_spec_memory_limit_bytes",
        "gauge",
        "Memory limit for the container.",
        "",
        |it| it.container.memory_limit,
        false,
    ),
    (
        "container_spec_memory_reservation_limit_bytes",
        "gauge",
        "Memory reservation limit for the container.",
        "",
        |it| it.container.memory_reservation,
        false,
    ),
    (
        "container_spec_memory_swap_limit_bytes",
        "gauge",
        "Memory swap limit for the container.",
        "",
        |it| it.container.swap_limit,
        false,
    ),
    (
        "container_spec_cpu_shares",
        "gauge",
        "CPU share of the container.",
        "",
        |it| it.container.cpu_shares,
        false,
    ),
    (
        "container_start_time_seconds",
        "gauge",
        "Start time of the container since unix epoch in seconds.",
        "",
        |it| it.container.created,
        false,
    ),
    ("container_last_seen", "gauge", "Last time a container was seen by the exporter", "", last_seen, true),
];

#[allow(clippy::cast_precision_loss, reason = "seconds since 1970")]
fn last_seen(reading: &Reading) -> f64 {
    (reading.at / 1000) as f64
}

fn write(page: &mut Exposition, settings: &Settings, readings: &[Reading]) {
    let disabled = |kind: &str| settings.disabled.iter().any(|it| it == kind);
    // Every sample has the same labels; a container without one has it empty.
    let names: BTreeSet<&str> = if settings.all_labels {
        readings.iter().flat_map(|it| it.container.labels.keys()).map(String::as_str).collect()
    } else {
        settings.labels.iter().map(String::as_str).collect()
    };
    let labels_of = |reading: &Reading| -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = names
            .iter()
            .map(|name| {
                let key: String =
                    name.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
                (
                    format!("container_label_{key}"),
                    reading.container.labels.get(*name).cloned().unwrap_or_default(),
                )
            })
            .collect();
        all.push(("id".to_owned(), reading.path.clone()));
        all.push(("image".to_owned(), reading.container.image.clone()));
        all.push(("name".to_owned(), reading.container.name.clone()));
        all
    };
    for (name, kind, help, part, value, dated) in METRICS {
        if disabled(part) {
            continue;
        }
        page.family(name, kind, help);
        for reading in readings {
            let mut labels = labels_of(reading);
            if name == "container_cpu_usage_seconds_total" {
                labels.push(("cpu".to_owned(), "total".to_owned()));
            }
            let labels: Vec<(&str, &str)> =
                labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            if dated {
                page.sample_at(name, &labels, value(reading), reading.at);
            } else {
                page.sample(name, &labels, value(reading));
            }
        }
    }
    if disabled("network") {
        return;
    }
    let columns = ["bytes_total", "packets_total", "errors_total", "packets_dropped_total"];
    for (direction, pick) in [("receive", received as fn(&Interface) -> &[f64; 4]), ("transmit", sent)] {
        for (at, column) in columns.iter().enumerate() {
            let name = format!("container_network_{direction}_{column}");
            page.family(&name, "counter", "Cumulative count.");
            for reading in readings {
                for interface in &reading.interfaces {
                    let mut labels = labels_of(reading);
                    labels.push(("interface".to_owned(), interface.name.clone()));
                    let labels: Vec<(&str, &str)> =
                        labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                    page.sample_at(&name, &labels, pick(interface)[at], reading.at);
                }
            }
        }
    }
}

fn received(interface: &Interface) -> &[f64; 4] {
    &interface.received
}

fn sent(interface: &Interface) -> &[f64; 4] {
    &interface.sent
}

fn machine(page: &mut Exposition) {
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

#[cfg(test)]
mod tests {
    use super::super::docker::Container;
    use super::super::housekeeping::reading;
    use super::*;
    use crate::recorded;

    fn text(flags: &str) -> String {
        let words: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let container = Container {
            name: "koprogo-monitoring-prometheus-1".to_owned(),
            image: "lab/base:1".to_owned(),
            labels: [
                ("com.docker.compose.service".to_owned(), "prometheus".to_owned()),
                ("a.b".to_owned(), "c".to_owned()),
            ]
            .into(),
            ..Container::default()
        };
        let mut page = Exposition::of("cAdvisor");
        let readings = [reading("/", Container::default()), reading("/docker/5", container)];
        write(&mut page, &Settings::parse(&words).unwrap(), &readings);
        page.text().to_owned()
    }

    #[test]
    fn names_labels_and_moments_are_the_recorded_ones() {
        let recorded = recorded::text("cadvisor-0.36/metrics").1;
        let names = recorded::metric_names(&recorded);
        let page = text("");
        for name in recorded::metric_names(&page) {
            // Newer than the recording.
            assert!(names.contains(&name) || name == "container_oom_events_total", "{name} is not recorded");
        }
        // With a moment, or without, as recorded.
        for line in page.lines().filter(|line| line.starts_with("container_") && line.contains("id=\"/\"")) {
            let name = line.split('{').next().unwrap();
            let wanted = recorded
                .lines()
                .find(|line| line.starts_with(&format!("{name}{{")) && line.contains("id=\"/\""));
            let dated = |line: &str| line.rsplit_once('}').unwrap().1.split_whitespace().count() == 2;
            assert!(wanted.is_none_or(|wanted| dated(wanted) == dated(line)), "{line}");
        }
    }

    #[test]
    fn only_wanted_labels_and_metrics() {
        let page = text(
            "--store_container_labels=false --whitelisted_container_labels=com.docker.compose.service --disable_metrics=network",
        );
        assert!(page.contains(
            "container_memory_working_set_bytes{container_label_com_docker_compose_service=\"prometheus\",id=\"/docker/5\",\
             image=\"lab/base:1\",name=\"koprogo-monitoring-prometheus-1\"} 800 1795327510310\n"
        ), "{page}");
        assert!(page.contains("container_last_seen{container_label_com_docker_compose_service=\"\",id=\"/\",image=\"\",name=\"\"} 1795327510 1795327510310"));
        assert!(!page.contains("container_network") && !page.contains("a_b"));
    }
}
