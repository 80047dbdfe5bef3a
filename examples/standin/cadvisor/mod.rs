//! A stand-in for cAdvisor: real figures of real containers, read from their control groups.
//!
//! As the real one it finds containers by their control groups, in both versions of the kernel's interface, and asks
//! Docker's API only for their names and labels. Without that API, or refused by a proxy, it knows no container.

mod cgroup;
mod docker;
mod housekeeping;
mod metrics;
mod network;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};

use housekeeping::Reading;

use crate::flags::Flags;
use crate::serve;

/// The version whose names are imitated.
const VERSION: &str = "0.60.5";

const SWITCHES: [&str; 17] = [
    "docker_only",
    "store_container_labels",
    "allow_dynamic_housekeeping",
    "logtostderr",
    "alsologtostderr",
    "docker-tls",
    "disable_root_cgroup_stats",
    "profiling",
    "log_cadvisor_usage",
    "one_output",
    "skip_headers",
    "update_machine_info",
    "version",
    "enable_load_reader",
    "add_dir_header",
    "skip_log_headers",
    "referenced_reset_on_read",
];

const VALUED: [&str; 28] = [
    "docker",
    "docker_root",
    "docker_env_metadata_whitelist",
    "env_metadata_whitelist",
    "housekeeping_interval",
    "max_housekeeping_interval",
    "global_housekeeping_interval",
    "update_machine_info_interval",
    "storage_duration",
    "storage_driver",
    "disable_metrics",
    "enable_metrics",
    "whitelisted_container_labels",
    "raw_cgroup_prefix_whitelist",
    "port",
    "listen_ip",
    "url_base_prefix",
    "prometheus_endpoint",
    "machine_id_file",
    "boot_id_file",
    "containerd",
    "containerd-namespace",
    "podman",
    "event_storage_age_limit",
    "event_storage_event_limit",
    "v",
    "vmodule",
    "stderrthreshold",
];

/// What `-disable_metrics` and `-enable_metrics` may name.
const KINDS: [&str; 25] = [
    "advtcp",
    "app",
    "cpu",
    "cpuLoad",
    "cpu_topology",
    "cpuset",
    "disk",
    "diskIO",
    "hugetlb",
    "memory",
    "memory_numa",
    "network",
    "oom_event",
    "percpu",
    "perf_event",
    "pressure",
    "process",
    "psi_avg",
    "psi_total",
    "referenced_memory",
    "resctrl",
    "sched",
    "tcp",
    "udp",
    "accelerator",
];

/// What the flags say.
#[derive(Debug)]
struct Settings {
    address: String,
    docker: String,
    interval: Duration,
    all_labels: bool,
    labels: Vec<String>,
    disabled: Vec<String>,
    machine_itself: bool,
}

impl Settings {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let flags = Flags::parse(arguments, &SWITCHES, &VALUED)?;
        let list = |name: &str| -> Vec<String> {
            flags.or(name, "").split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()
        };
        let mut disabled = list("disable_metrics");
        let enabled = list("enable_metrics");
        if let Some(kind) = disabled.iter().chain(&enabled).find(|kind| !KINDS.contains(&kind.as_str())) {
            return Err(format!("unsupported metric {kind:?} specified"));
        }
        if !enabled.is_empty() {
            disabled = KINDS
                .iter()
                .filter(|kind| !enabled.iter().any(|it| it == *kind))
                .map(|it| (*it).to_owned())
                .collect();
        }
        let interval = flags.or("housekeeping_interval", "1s");
        let nanoseconds = crate::loki::duration(interval).filter(|it| *it > 0);
        let nanoseconds = nanoseconds
            .ok_or_else(|| format!("invalid value {interval:?} for flag -housekeeping_interval"))?;
        let port: u16 =
            flags.or("port", "8080").parse().map_err(|_| "invalid value for flag -port".to_owned())?;
        let ip = match flags.or("listen_ip", "") {
            "" => "0.0.0.0",
            ip => ip,
        };
        Ok(Self {
            address: format!("{ip}:{port}"),
            docker: flags.or("docker", "unix:///var/run/docker.sock").to_owned(),
            interval: Duration::from_nanos(nanoseconds.unsigned_abs()),
            all_labels: flags.on("store_container_labels", true),
            labels: list("whitelisted_container_labels"),
            disabled,
            machine_itself: !flags.on("disable_root_cgroup_stats", false),
        })
    }
}

/// Runs `cadvisor ARGUMENTS`.
pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    let settings = Arc::new(Settings::parse(arguments)?);
    serve::introduce(&format!("cAdvisor {VERSION}"));
    let latest: Data<Mutex<Vec<Reading>>> = Data::new(Mutex::new(Vec::new()));
    let started = SystemTime::now();
    let address = settings.address.clone();
    let routes = {
        let (latest, settings) = (latest.clone(), settings.clone());
        move |config: &mut ServiceConfig| {
            let settings = settings.clone();
            let page = move |latest: Data<Mutex<Vec<Reading>>>| {
                let settings = settings.clone();
                async move { metrics::page(&settings, &latest, started) }
            };
            config
                .app_data(latest.clone())
                .route("/metrics", web::get().to(page))
                .route("/healthz", web::get().to(async || HttpResponse::Ok().body("ok")))
                .default_service(web::to(async || HttpResponse::NotFound().body("404 page not found\n")));
        }
    };
    serve::serve("cadvisor", &[address], routes, housekeeping::keep(settings, latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Settings, String> {
        Settings::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn takes_the_flags_of_the_real_one() {
        let settings = parse("--docker=tcp://socket-proxy:2375 --docker_only --housekeeping_interval=30s \
            --store_container_labels=false --whitelisted_container_labels=com.docker.compose.project,com.docker.compose.service \
            --disable_metrics=disk,tcp,udp,percpu,sched,process").unwrap();
        assert_eq!((settings.interval.as_secs(), settings.all_labels, settings.labels.len()), (30, false, 2));
        assert_eq!(settings.docker, "tcp://socket-proxy:2375");
        assert_eq!(settings.disabled.len(), 6);
    }

    #[test]
    fn refuses_what_the_real_one_refuses() {
        assert_eq!(parse("--docker-only").unwrap_err(), "flag provided but not defined: -docker-only");
        assert_eq!(parse("--disable_metrics=disks").unwrap_err(), "unsupported metric \"disks\" specified");
        assert!(parse("--housekeeping_interval=soon").unwrap_err().contains("housekeeping_interval"));
    }
}
