//! A stand-in for wollomatic/socket-proxy: lets through to Docker's socket what its flags allow, nothing else.
//!
//! Unlike the others it is a working proxy: what it lets through is answered by the real Docker engine.

mod rules;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, HOST, HeaderName, TRANSFER_ENCODING};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use rules::Rules;

use crate::{http, serve};

/// Where the health check is answered, when it is allowed.
const HEALTH: &str = "127.0.0.1:55555";

/// Runs `socket-proxy ARGUMENTS`.
pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    let rules = Rules::parse(arguments)?;
    serve::introduce("socket-proxy 1.12");
    // The real one stops as well when there is no socket to talk to.
    std::os::unix::net::UnixStream::connect(&rules.socket)
        .map_err(|cause| format!("socket not available: {}: {cause}", rules.socket))?;
    let rules = Arc::new(rules);
    let addresses = [rules.address.clone()];
    let shared = Data::from(rules.clone());
    let routes = move |config: &mut ServiceConfig| {
        config
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(1 << 20))
            .default_service(web::to(proxy));
    };
    serve::serve("socket-proxy", &addresses, routes, beside(rules))
}

/// Runs `healthcheck`, the second program of the image.
pub(crate) fn check_health() -> Result<(), String> {
    actix_web::rt::System::new().block_on(async {
        let answer = http::send(
            Method::HEAD,
            &format!("http://{HEALTH}/health"),
            hyper::HeaderMap::new(),
            Bytes::new(),
        )
        .await?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(format!("health check failed, got status: {}", answer.status))
        }
    })
}

/// The health check's server and the watchdog, as far as they are wanted.
async fn beside(rules: Arc<Rules>) {
    if rules.health {
        let socket = rules.socket.clone();
        let server = actix_web::HttpServer::new(move || {
            let socket = socket.clone();
            actix_web::App::new().wrap(serve::label("socket-proxy")).route(
                "/health",
                web::head().to(move || {
                    let socket = socket.clone();
                    async move {
                        match UnixStream::connect(&socket).await {
                            Ok(_) => HttpResponse::Ok().finish(),
                            Err(_) => HttpResponse::ServiceUnavailable().finish(),
                        }
                    }
                }),
            )
        });
        match server.workers(1).disable_signals().bind(HEALTH) {
            Ok(server) => drop(actix_web::rt::spawn(server.run())),
            Err(cause) => println!("level=ERROR msg=\"cannot listen on {HEALTH}: {cause}\""),
        }
    }
    let Some(interval) = rules.watchdog else { return std::future::pending().await };
    loop {
        tokio::time::sleep(Duration::from_secs(interval)).await;
        if let Err(cause) = UnixStream::connect(&rules.socket).await {
            println!("level=ERROR msg=\"socket is unavailable: {cause}\"");
            if rules.stop {
                std::process::exit(10);
            }
        }
    }
}

fn refuse(status: StatusCode) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(format!("{status}\n"))
}

async fn proxy(rules: Data<Rules>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let Some(peer) = request.peer_addr() else { return refuse(StatusCode::FORBIDDEN) };
    let (method, path) = (request.method().as_str(), request.path());
    if !rules.admits(peer.ip()).await {
        println!(
            "level=WARN msg=\"blocked request\" reason=\"forbidden IP\" method={method} URL={path:?} client={peer}"
        );
        return refuse(StatusCode::FORBIDDEN);
    }
    if let Err(status) = rules.allows(method, path) {
        println!(
            "level=WARN msg=\"blocked request\" reason={status} method={method} URL={path:?} client={peer}"
        );
        return refuse(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN));
    }
    match forward(&rules.socket, &request, body).await {
        Ok(answer) => answer,
        Err(cause) => {
            println!("level=ERROR msg=\"error in reverse proxy: {cause}\"");
            refuse(StatusCode::BAD_GATEWAY)
        }
    }
}

/// Hands a request on to the socket.
async fn forward(socket: &str, request: &HttpRequest, body: Bytes) -> Result<HttpResponse, String> {
    let stream = UnixStream::connect(socket).await.map_err(|cause| format!("{socket}: {cause}"))?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut outgoing =
        Request::builder().method(request.method().as_str()).uri(path).header(HOST, "localhost");
    for (name, value) in request.headers() {
        if !hop(name.as_str()) && name.as_str() != HOST.as_str() {
            outgoing = outgoing.header(name.as_str(), value.as_bytes());
        }
    }
    let outgoing = outgoing.body(Full::new(body)).map_err(|cause| cause.to_string())?;
    let answer = http::over(TokioIo::new(stream), outgoing).await?;
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).unwrap_or_default());
    for (name, value) in &answer.headers {
        if !hop(name.as_str()) && name != HeaderName::from_static("content-length") {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    Ok(response.body(answer.body))
}

/// Whether a header belongs to one connection only.
fn hop(name: &str) -> bool {
    name == CONNECTION.as_str()
        || name == TRANSFER_ENCODING.as_str()
        || name == "keep-alive"
        || name == "upgrade"
}

#[cfg(test)]
mod tests;
