//! What the servers have in common: the label in every answer, the first line of the log, the end at SIGTERM.

use std::time::Duration;

use actix_web::middleware::DefaultHeaders;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};

/// Every answer says what it comes from.
pub(crate) fn label(name: &'static str) -> DefaultHeaders {
    DefaultHeaders::new().add(("X-Stand-In", name))
}

/// The first line of every stand-in's log.
pub(crate) fn introduce(name: &str) {
    println!("this is a STAND-IN for {name}, made for the lab; it is not {name}");
}

/// How long a connection may say nothing. Of the three it is Loki that is least patient: its
/// `http_server_read_timeout` is 30 s by default, Grafana's `read_timeout` and Alloy's have no end.
const QUIET: Duration = Duration::from_secs(30);

/// Serves at the address until SIGTERM, with a task beside it that ends with the server.
pub(crate) fn serve<F>(
    name: &'static str,
    addresses: &[String],
    routes: F,
    beside: impl Future<Output = ()> + 'static,
) -> Result<(), String>
where
    F: Fn(&mut ServiceConfig) + Send + Clone + 'static,
{
    actix_web::rt::System::new().block_on(async move {
        let mut server = HttpServer::new(move || App::new().wrap(label(name)).configure(routes.clone()))
            .workers(1)
            .client_request_timeout(QUIET)
            .keep_alive(QUIET)
            .shutdown_timeout(3);
        for address in addresses {
            // Go writes `:8080` where it means every address.
            let full = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.clone() };
            server = server.bind(&full).map_err(|cause| format!("cannot listen on {address}: {cause}"))?;
            println!("level=info msg=\"listening (stand-in for {name})\" address={full}");
        }
        let beside = actix_web::rt::spawn(beside);
        let ended = server.run().await.map_err(|cause| cause.to_string());
        beside.abort();
        ended
    })
}
