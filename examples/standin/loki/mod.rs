//! A stand-in for Loki: takes lines, keeps them in memory, answers a useful part of `LogQL`.
//!
//! It reads the same configuration file and refuses what Loki refuses: an unknown field, a value of the wrong
//! kind, retention without a store for delete requests. What it keeps is bounded and gone with the process.

mod api;
mod config;
mod duration;
mod known;
mod logql;
mod metrics;
mod push;
mod store;

use std::path::Path;

use config::Config;

use crate::flags::Flags;
use crate::{http, serve};

/// The version whose behaviour is imitated.
const VERSION: &str = "3.7.6";

/// Runs `loki ARGUMENTS`.
pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    let switches = [
        "config.expand-env",
        "verify-config",
        "version",
        "health",
        "print-config-stderr",
        "log-config-reverse-order",
    ];
    let flags = Flags::parse(arguments, &switches, &["config.file", "target", "log.level", "health.url"])?;
    if flags.on("version", false) {
        println!(
            "loki, version {VERSION} (branch: stand-in, revision: stand-in)\n  this is a STAND-IN for Loki"
        );
        return Ok(());
    }
    // Before any configuration is read, which its caller does not name.
    if flags.on("health", false) {
        return ask_health(flags.or("health.url", "http://localhost:3100/ready"));
    }
    let path = flags.or("config.file", "config.yaml");
    let config = Config::load(Path::new(path), flags.on("config.expand-env", false))?;
    if flags.on("verify-config", false) {
        println!("level=info msg=\"config is valid\" (stand-in for Loki)");
        return Ok(());
    }
    serve::introduce(&format!("Loki {VERSION}"));
    config.make_folders()?;
    let address = format!("{}:{}", config.address, config.port);
    let state = api::State::new(config);
    serve::serve("loki", &[address], move |routes| api::routes(routes, &state), std::future::pending())
}

/// What `-health` does: asks the server in the same container.
fn ask_health(url: &str) -> Result<(), String> {
    actix_web::rt::System::new().block_on(async {
        let answer = http::get(url).await?;
        match answer.status {
            200 => {
                println!("Loki is healthy");
                Ok(())
            }
            status => Err(format!("Loki is unhealthy: status code {status}")),
        }
    })
}

/// A log selector with filters, for whoever has lines and labels of its own.
#[derive(Debug)]
pub(crate) struct Selector(logql::Selection);

impl Selector {
    /// Reads `{job="x"} |= "text"`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match logql::parse(text)? {
            logql::Expression::Lines(selection) => Ok(Self(selection)),
            _ => Err(format!("no selector: {text}")),
        }
    }

    /// Whether a line passes.
    pub(crate) fn matches(&self, labels: &std::collections::BTreeMap<String, String>, line: &str) -> bool {
        self.0.matches(labels, line)
    }
}

/// Bytes of `64KB`.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    duration::bytes(text)
}

/// Nanoseconds of `5m`.
pub(crate) fn duration(text: &str) -> Option<i64> {
    duration::parse(text)
}
