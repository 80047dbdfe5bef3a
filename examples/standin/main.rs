//! The lab's stand-ins: for images that cannot be had where the lab runs, a small program that answers as the
//! recordings in `tests/fixtures/recordings` show. It is named a stand-in in all that it says, and never shipped.
//!
//! ```text
//! standin grafana [server]                                     serve
//! standin grafana cli admin reset-admin-password --password-from-stdin
//! standin loki|alloy|promtail|cadvisor|socket-proxy …           with the arguments of the real program
//! standin healthcheck                                          the second program of the socket proxy's image
//! grafana …                                                    the same, through a link of that name
//! ```
//!
//! A further service is a module, a line in `Service::named` and a line in `main`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a service logs to stdout and stderr")]

mod cadvisor;
mod collector;
mod exposition;
mod flags;
mod grafana;
mod http;
mod loki;
#[cfg(test)]
mod recorded;
mod serve;
mod socket_proxy;

use std::process::ExitCode;

use collector::Flavour;

/// What can be stood in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Grafana,
    Loki,
    Collector(Flavour),
    Cadvisor,
    SocketProxy,
    /// The program in the socket proxy's image that checks its health.
    HealthCheck,
}

/// Their names, for messages.
const NAMES: &str = "grafana, loki, alloy, promtail, cadvisor, socket-proxy, healthcheck";

impl Service {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "grafana" => Self::Grafana,
            "loki" => Self::Loki,
            "alloy" => Self::Collector(Flavour::Alloy),
            "promtail" => Self::Collector(Flavour::Promtail),
            "cadvisor" => Self::Cadvisor,
            "socket-proxy" => Self::SocketProxy,
            "healthcheck" => Self::HealthCheck,
            _ => return None,
        })
    }
}

/// Finds the service and its arguments: the name under which we were started decides, then the first argument.
/// So an image can have a link `grafana` and everything that is called in the real image can be called here.
fn select(arguments: &[String]) -> Result<(Service, Vec<String>), String> {
    let program = arguments.first().map_or("", |path| path.rsplit('/').next().unwrap_or_default());
    let rest = arguments.get(1..).unwrap_or_default();
    if let Some(service) = Service::named(program) {
        return Ok((service, rest.to_vec()));
    }
    let Some((name, rest)) = rest.split_first() else {
        return Err(format!("which service? usage: standin SERVICE [ARGUMENTS], with one of: {NAMES}"));
    };
    // `grafana-cli …` is the older spelling of `grafana cli …`.
    if name == "grafana-cli" {
        return Ok((Service::Grafana, [&["cli".to_owned()], rest].concat()));
    }
    match Service::named(name) {
        Some(service) => Ok((service, rest.to_vec())),
        None => Err(format!("there is no stand-in for `{name}`, only for: {NAMES}")),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let result = select(&arguments).and_then(|(service, arguments)| match service {
        Service::Grafana => grafana::main(&arguments),
        Service::Loki => loki::main(&arguments),
        Service::Collector(flavour) => collector::main(flavour, &arguments),
        Service::Cadvisor => cadvisor::main(&arguments),
        Service::SocketProxy => socket_proxy::main(&arguments),
        Service::HealthCheck => socket_proxy::check_health(),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("stand-in: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(line: &str) -> Result<(Service, String), String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        select(&words).map(|(service, rest)| (service, rest.join(" ")))
    }

    #[test]
    fn the_first_argument_or_the_name_of_the_program_selects() {
        assert_eq!(selected("/standin grafana"), Ok((Service::Grafana, String::new())));
        assert_eq!(selected("grafana server --x"), Ok((Service::Grafana, "server --x".to_owned())));
        assert_eq!(selected("/bin/grafana cli admin"), Ok((Service::Grafana, "cli admin".to_owned())));
        assert_eq!(selected("/usr/bin/loki -health"), Ok((Service::Loki, "-health".to_owned())));
        assert_eq!(selected("alloy run /x"), Ok((Service::Collector(Flavour::Alloy), "run /x".to_owned())));
        assert_eq!(selected("standin grafana-cli admin"), Ok((Service::Grafana, "cli admin".to_owned())));
    }

    #[test]
    fn what_has_no_stand_in_is_refused() {
        assert!(selected("standin nagios").unwrap_err().contains("`nagios`"));
        assert!(selected("standin").unwrap_err().contains("usage"));
    }
}
