//! A stand-in for Grafana: what a deploy of it can get wrong, it gets wrong in the same way.
//!
//! It reads the same grafana.ini and provisioning folders, takes its admin password only at the first start,
//! and puts queries to the real Prometheus behind it. It draws nothing.

mod account;
mod api;
mod cli;
mod dashboards;
mod datasources;
mod ini;
mod query;
mod refusal;
mod settings;
mod state;

use settings::Settings;

/// The version whose answers are imitated.
const VERSION: &str = "12.4.10";

/// Runs `grafana ARGUMENTS`: the server, or the one command of `cli` that deploys need.
pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    let environment = |name: &str| std::env::var(name).ok();
    match arguments.split_first() {
        Some((first, rest)) if first == "cli" => {
            let settings = Settings::load(&settings::config_path(rest, environment), environment)?;
            cli::run(rest, &settings, std::io::stdin().lock())
        }
        None => api::serve(Settings::load(&settings::config_path(&[], environment), environment)?),
        Some((first, rest)) if first == "server" => {
            api::serve(Settings::load(&settings::config_path(rest, environment), environment)?)
        }
        Some((first, _)) => Err(format!("`grafana {first}` is not there, only `server` and `cli`")),
    }
}
