//! A little traffic, so that the lab's graphs have something to show.

use std::sync::Arc;
use std::time::Duration;

use super::{State, port};
use crate::http;

/// What is asked, over and over: mostly what exists, now and then what does not. Never an error of the server.
const PATHS: [&str; 6] = [
    "/health",
    "/api/v1/buildings",
    "/api/v1/buildings/1",
    "/api/v1/buildings",
    "/api/v1/buildings/2",
    "/api/v1/buildings/77",
];

/// Asks the first entry point that is not the one of the metrics.
pub(super) async fn make(state: Arc<State>) {
    let settings = &state.settings;
    let entrypoint = settings.entrypoints.iter().find(|(name, _)| settings.metrics.as_ref() != Some(*name));
    let Some(port) = entrypoint.and_then(|(_, address)| port(address).ok()) else {
        return std::future::pending().await;
    };
    if settings.traffic_seconds == 0 {
        return std::future::pending().await;
    }
    let mut clock = tokio::time::interval(Duration::from_secs(settings.traffic_seconds));
    for path in PATHS.iter().cycle() {
        clock.tick().await;
        // Who looks at the log sees the answer there.
        drop(http::get(&format!("http://127.0.0.1:{port}{path}")).await);
    }
}
