//! Traefik's metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use actix_web::HttpResponse;

use super::VERSION;
use super::certificate;
use super::settings::Settings;
use crate::exposition::{Exposition, seconds};

/// What was measured since the start.
pub(super) struct Measured {
    edges: Vec<f64>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// By entry point: how many are being answered.
    open: BTreeMap<String, f64>,
    /// By entry point, service, code, method.
    requests: BTreeMap<(String, String, u16, String), Count>,
}

#[derive(Default, Clone)]
struct Count {
    number: f64,
    seconds: f64,
    /// How many were within each edge.
    within: Vec<f64>,
    bytes: [f64; 2],
}

impl Measured {
    pub(super) fn new(edges: &[f64]) -> Self {
        Self { edges: edges.to_vec(), counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins (1) or ends (-1).
    pub(super) fn open(&self, entrypoint: &str, change: f64) {
        *self.counts().open.entry(entrypoint.to_owned()).or_default() += change;
    }

    /// A request was answered; `bytes` are those that came and those that went.
    pub(super) fn count(
        &self,
        entrypoint: &str,
        service: &str,
        code: u16,
        method: &str,
        took: Duration,
        bytes: [usize; 2],
    ) {
        // Method names are free; Traefik too keeps to the known ones.
        let method = if ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method) {
            method
        } else {
            "EXTENSION_METHOD"
        };
        let mut counts = self.counts();
        let key = (entrypoint.to_owned(), service.to_owned(), code, method.to_owned());
        let count = counts.requests.entry(key).or_default();
        count.within.resize(self.edges.len(), 0.0);
        count.number += 1.0;
        count.seconds += took.as_secs_f64();
        for (edge, within) in self.edges.iter().zip(&mut count.within) {
            if took.as_secs_f64() <= *edge {
                *within += 1.0;
            }
        }
        for (sum, bytes) in count.bytes.iter_mut().zip(bytes) {
            #[allow(clippy::cast_precision_loss, reason = "bytes")]
            let bytes = bytes as f64;
            *sum += bytes;
        }
    }
}

/// `/metrics`.
pub(super) fn page(settings: &Settings, measured: &Measured, started: SystemTime) -> HttpResponse {
    let mut page = Exposition::of("Traefik");
    write(&mut page, settings, measured, started);
    page.process(started).answer()
}

fn write(page: &mut Exposition, settings: &Settings, measured: &Measured, started: SystemTime) {
    let counts = measured.counts();
    // Its routes never change: one load.
    page.single("traefik_config_reloads_total", "counter", "Config reloads", 1.0);
    page.single(
        "traefik_config_last_reload_success",
        "gauge",
        "Last config reload success",
        seconds(started).floor(),
    );
    page.family("traefik_build_info", "gauge", "The build.").sample(
        "traefik_build_info",
        &[("version", VERSION), ("codename", "stand-in")],
        1.0,
    );
    page.family(
        "traefik_open_connections",
        "gauge",
        "How many open connections exist, by entryPoint and protocol",
    );
    for (name, open) in &counts.open {
        page.sample("traefik_open_connections", &[("entrypoint", name), ("protocol", "TCP")], *open);
    }
    if let Some(path) = &settings.certificate {
        match certificate::read(path) {
            Ok(one) => {
                page.family("traefik_tls_certs_not_after", "gauge", "Certificate expiration timestamp")
                    .sample(
                        "traefik_tls_certs_not_after",
                        &[("cn", &one.name), ("sans", &one.alternatives), ("serial", &one.serial)],
                        one.not_after,
                    );
            }
            Err(cause) => {
                println!("level=error msg=\"unable to read the certificate\" path={path} error={cause:?}");
            }
        }
    }
    for (what, wanted) in [
        ("entrypoint", settings.entrypoint_labels),
        ("router", settings.router_labels),
        ("service", settings.service_labels),
    ] {
        if wanted {
            requests(page, what, &measured.edges, &counts.requests);
        }
    }
    let service = format!("{}@docker", settings.service);
    page.family(
        "traefik_service_server_up",
        "gauge",
        "service server is up, described by gauge value of 0 or 1.",
    )
    .sample("traefik_service_server_up", &[("service", &service), ("url", &settings.url)], 1.0);
}

fn requests(
    page: &mut Exposition,
    what: &str,
    edges: &[f64],
    counts: &BTreeMap<(String, String, u16, String), Count>,
) {
    // Each of the three adds up over what it does not name.
    let mut sums: BTreeMap<Vec<(String, String)>, Count> = BTreeMap::new();
    for ((entrypoint, service, code, method), count) in counts {
        let service = format!("{service}@docker");
        let mut labels =
            vec![("code", code.to_string()), ("method", method.clone()), ("protocol", "http".to_owned())];
        match what {
            "entrypoint" => labels.push(("entrypoint", entrypoint.clone())),
            // A docker service and its router have one name.
            "router" => labels.extend([("router", service.clone()), ("service", service)]),
            _ => labels.push(("service", service)),
        }
        let key = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let sum = sums.entry(key).or_default();
        sum.number += count.number;
        sum.seconds += count.seconds;
        sum.within.resize(edges.len(), 0.0);
        sum.within.iter_mut().zip(&count.within).for_each(|(sum, more)| *sum += more);
        sum.bytes.iter_mut().zip(&count.bytes).for_each(|(sum, more)| *sum += more);
    }
    let borrowed = |labels: &'_ [(String, String)]| -> Vec<(String, String)> { labels.to_vec() };
    let sample = |page: &mut Exposition, name: &str, labels: &[(String, String)], value: f64| {
        let labels: Vec<(&str, &str)> =
            labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        page.sample(name, &labels, value);
    };
    for (column, help, pick) in [
        ("requests_total", "How many HTTP requests were processed.", (|it| it.number) as fn(&Count) -> f64),
        ("requests_bytes_total", "The total size of requests in bytes.", |it| it.bytes[0]),
        ("responses_bytes_total", "The total size of responses in bytes.", |it| it.bytes[1]),
    ] {
        let name = format!("traefik_{what}_{column}");
        page.family(&name, "counter", help);
        for (labels, count) in &sums {
            sample(page, &name, labels, pick(count));
        }
    }
    let name = format!("traefik_{what}_request_duration_seconds");
    page.family(&name, "histogram", "How long it took to process the request.");
    for (labels, count) in &sums {
        for (edge, within) in edges.iter().zip(&count.within) {
            let mut labels = borrowed(labels);
            labels.push(("le".to_owned(), edge.to_string()));
            sample(page, &format!("{name}_bucket"), &labels, *within);
        }
        let mut all = borrowed(labels);
        all.push(("le".to_owned(), "+Inf".to_owned()));
        sample(page, &format!("{name}_bucket"), &all, count.number);
        sample(page, &format!("{name}_sum"), labels, count.seconds);
        sample(page, &format!("{name}_count"), labels, count.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_every_bucket_that_is_wide_enough() {
        let words =
            ["--entrypoints.web.address=:80".to_owned(), "--metrics.prometheus.entrypoint=web".to_owned()];
        let settings =
            Settings::parse(&words, |name| (name == "STANDIN_BACKEND").then(|| "b=http://b".to_owned()))
                .unwrap();
        let measured = Measured::new(&[0.1, 0.5]);
        measured.count("web", "b", 200, "GET", Duration::from_millis(300), [0, 50]);
        measured.count("web", "b", 200, "BREW", Duration::from_secs(3), [7, 0]);
        let mut page = Exposition::of("Traefik");
        write(&mut page, &settings, &measured, SystemTime::now());
        let labels = "code=\"200\",method=\"GET\",protocol=\"http\",service=\"b@docker\"";
        for line in [
            format!("traefik_service_request_duration_seconds_bucket{{{labels},le=\"0.1\"}} 0\n"),
            format!("traefik_service_request_duration_seconds_bucket{{{labels},le=\"0.5\"}} 1\n"),
            format!("traefik_service_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 1\n"),
            format!("traefik_service_responses_bytes_total{{{labels}}} 50\n"),
            "traefik_entrypoint_requests_total{code=\"200\",method=\"EXTENSION_METHOD\",protocol=\"http\",entrypoint=\"web\"} 1\n".to_owned(),
        ] {
            assert!(page.text().contains(&line), "{line} in\n{}", page.text());
        }
        assert!(!page.text().contains("traefik_router_"), "{}", page.text());
    }
}
