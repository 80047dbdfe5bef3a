//! Asks grafana.com for a dashboard: `/api/dashboards/ID` says which revision is the newest,
//! `/api/dashboards/ID/revisions/N/download` gives it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// The largest dashboard that is taken, in bytes. Node Exporter Full has some 700 KB.
const LARGEST: u64 = 8 * 1024 * 1024;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where dashboards come from.
pub struct Shop {
    agent: ureq::Agent,
    base: String,
}

/// A dashboard as it was fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// Its revision.
    pub revision: u32,
    /// The address that it came from.
    pub from: String,
    /// What came.
    pub json: Value,
}

#[derive(Deserialize)]
struct About {
    revision: u32,
}

impl Shop {
    /// The shop at `base` (`https://grafana.com`), reached through the proxy that `HTTPS_PROXY` or `ALL_PROXY`
    /// names, if one does.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .user_agent(concat!("provision/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), base: base.trim_end_matches('/').to_owned() }
    }

    /// The newest revision of the dashboard `id`. Blocks.
    ///
    /// # Errors
    /// Usage: no network, no such dashboard, not JSON.
    pub fn newest(&self, id: u32) -> Result<u32> {
        let doing = format!("ask for dashboard {id}");
        let url = format!("{}/api/dashboards/{id}", self.base);
        let absent = "Its number stands in its address: https://grafana.com/grafana/dashboards/1860-….";
        let body = self.get(&doing, &url, &format!("there is no dashboard {id}"), absent)?;
        let about: About = serde_json::from_slice(&body).map_err(|error| not_json(&doing, &url, &error))?;
        Ok(about.revision)
    }

    /// A revision of the dashboard `id`. Blocks.
    ///
    /// # Errors
    /// Usage: no network, no such revision, not JSON.
    pub fn fetch(&self, id: u32, revision: u32) -> Result<Fetched> {
        let doing = format!("fetch revision {revision} of dashboard {id}");
        let from = format!("{}/api/dashboards/{id}/revisions/{revision}/download", self.base);
        let absent = format!(
            "https://grafana.com/grafana/dashboards/{id}/ has its revisions; without `--revision` it is the newest."
        );
        let body = self.get(&doing, &from, "there is no such dashboard or revision", &absent)?;
        let json = serde_json::from_slice(&body).map_err(|error| not_json(&doing, &from, &error))?;
        Ok(Fetched { revision, from, json })
    }

    fn get(&self, doing: &str, url: &str, absent: &str, remedy: &str) -> Result<Vec<u8>> {
        let unreachable = |error: ureq::Error| {
            Error::usage(doing)
                .cause(format!("{url}: {error}"))
                .hint("Is there a way to it from here? A proxy is named by HTTPS_PROXY. Nothing was changed; a deploy needs none of this.")
        };
        let mut answer = self.agent.get(url).call().map_err(unreachable)?;
        match answer.status().as_u16() {
            200 => answer.body_mut().with_config().limit(LARGEST).read_to_vec().map_err(unreachable),
            404 => Err(Error::usage(doing).cause(absent).hint(remedy)),
            429 => Err(Error::usage(doing)
                .cause(format!("{url} answered 429: too many requests"))
                .hint("Wait some minutes, then again.")),
            status => Err(Error::usage(doing)
                .cause(format!("{url} answered {status}"))
                .hint("Nothing was changed; try again later, or look at the address with a browser.")),
        }
    }
}

fn not_json(doing: &str, url: &str, error: &serde_json::Error) -> Error {
    Error::usage(doing)
        .cause(format!("{url} answered something that is not the JSON expected: {error}"))
        .hint("A proxy or a login page may answer in its place: look at the address with a browser.")
}
