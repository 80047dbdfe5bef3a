//! The HTTP side, and the engine beside it.

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::engine::Engine;
use super::metrics::Shared;
use super::{Flavour, Plan, Source, alloy};
use crate::serve::{introduce, serve as serve_http};

/// Serves and collects until SIGTERM. `arguments` are read again at SIGHUP, which only Alloy understands.
pub(super) fn serve(plan: Plan, arguments: Vec<String>) -> Result<(), String> {
    let name = plan.flavour.name();
    introduce(&format!("{name} {}", plan.flavour.version()));
    let shared = Arc::new(Shared::new(plan.flavour));
    let routes = {
        let shared = Data::from(shared.clone());
        move |config: &mut ServiceConfig| routes(config, &shared)
    };
    serve_http(name, &[plan.address], routes, collect(plan.sources, plan.positions, shared, arguments))
}

fn text(status: u16, text: &'static str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}

fn routes(config: &mut ServiceConfig, shared: &Data<Shared>) {
    config.app_data(shared.clone()).route("/metrics", web::get().to(async |it: Data<Shared>| it.page()));
    match shared.flavour {
        Flavour::Alloy => config
            .route("/-/ready", web::get().to(async || text(200, "Alloy is ready.\n")))
            .route("/-/healthy", web::get().to(async || text(200, "All Alloy components are healthy.\n"))),
        Flavour::Promtail => config.route("/ready", web::get().to(ready)),
    };
    config.default_service(web::to(async || text(404, "404 page not found\n")));
}

/// Promtail is ready once it follows something.
async fn ready(shared: Data<Shared>) -> HttpResponse {
    let counters = shared.counters();
    if counters.active_files > 0 || counters.journal_lines > 0 {
        text(200, "Ready")
    } else {
        text(
            500,
            "Not ready: Unable to find any logs to tail. Please verify permissions, volumes, scrape_config, etc.\n",
        )
    }
}

async fn collect(sources: Vec<Source>, positions: PathBuf, shared: Arc<Shared>, arguments: Vec<String>) {
    // Promtail ends at SIGHUP, as a program does that does not know the signal.
    let mut hangup = if shared.flavour == Flavour::Alloy { signal(SignalKind::hangup()).ok() } else { None };
    let mut engine = Engine::start(sources, &positions);
    loop {
        tokio::select! {
            () = engine.run(&positions, &shared) => {}
            () = received(&mut hangup) => {}
        }
        match alloy::plan(&arguments) {
            Ok(Some(plan)) => {
                println!("level=info msg=\"config reloaded\" (stand-in for Alloy)");
                shared.counters().load(true);
                engine = Engine::start(plan.sources, &positions);
            }
            Ok(None) => {}
            Err(cause) => {
                println!("level=error msg=\"failed to reload config\" err={cause:?}");
                shared.counters().load(false);
            }
        }
    }
}

/// Waits for the signal; for ever where there is none to wait for.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
