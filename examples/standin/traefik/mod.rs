//! A stand-in for the application's Traefik: a small reverse proxy with Traefik's metrics of its own real traffic.
//!
//! It takes Traefik's flags. Where Traefik would ask Docker for its routes, this one is told by the environment:
//!
//! ```text
//! STANDIN_BACKEND          name and address of the one service: backend=http://backend:8080
//! STANDIN_CERTIFICATE      a PEM file, shown as a certificate that Traefik serves
//! STANDIN_TRAFFIC_SECONDS  a request to itself every so many seconds, so that the lab's graphs move; 0: none
//! ```

mod certificate;
mod measure;
mod settings;
mod traffic;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method};

use measure::Measured;
use settings::Settings;

use crate::{http, serve};

/// The version whose metrics are imitated.
const VERSION: &str = "3.7";

/// What requests share.
struct State {
    settings: Settings,
    measured: Measured,
    started: SystemTime,
}

/// Runs `traefik ARGUMENTS`.
pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    let settings = Settings::parse(arguments, |name| std::env::var(name).ok())?;
    serve::introduce(&format!("Traefik {VERSION}"));
    let state =
        Data::new(State { measured: Measured::new(&settings.buckets), started: SystemTime::now(), settings });
    let metrics =
        state.settings.metrics.clone().and_then(|name| state.settings.entrypoints.get(&name).cloned());
    let addresses: Vec<String> = state.settings.entrypoints.values().cloned().collect();
    let metrics_port = metrics.as_deref().map(port).transpose()?;
    let routes = {
        let state = state.clone();
        move |config: &mut ServiceConfig| {
            config.app_data(state.clone()).app_data(web::PayloadConfig::new(16 << 20));
            config.default_service(web::to(move |state: Data<State>, request: HttpRequest, body: Bytes| {
                let of_metrics =
                    metrics_port.is_some_and(|port| request.app_config().local_addr().port() == port);
                answer(state, request, body, of_metrics)
            }));
        }
    };
    let beside = traffic::make(state.clone().into_inner());
    serve::serve("traefik", &addresses, routes, beside)
}

fn port(address: &str) -> Result<u16, String> {
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| format!("an entry point's address has no port: {address}"))
}

async fn answer(state: Data<State>, request: HttpRequest, body: Bytes, of_metrics: bool) -> HttpResponse {
    if of_metrics {
        return match request.path() {
            "/metrics" => measure::page(&state.settings, &state.measured, state.started),
            "/ping" => HttpResponse::Ok().body("OK"),
            _ => HttpResponse::NotFound().body("404 page not found\n"),
        };
    }
    let port = request.app_config().local_addr().port();
    let entrypoint = state.settings.entrypoints.iter().find(|(_, address)| self::port(address) == Ok(port));
    let entrypoint = entrypoint.map_or("", |(name, _)| name.as_str());
    let begin = Instant::now();
    state.measured.open(entrypoint, 1.0);
    let (status, answer) = forward(&state, &request, body.clone()).await;
    state.measured.open(entrypoint, -1.0);
    let (code, method) = (status.as_u16(), request.method().as_str());
    let bytes = answer.as_ref().map_or(0, |answer| answer.body.len());
    state.measured.count(
        entrypoint,
        &state.settings.service,
        code,
        method,
        begin.elapsed(),
        [body.len(), bytes],
    );
    if state.settings.access_log {
        let peer = request.peer_addr().map_or_else(String::new, |peer| peer.ip().to_string());
        println!(
            "{peer} - - \"{method} {} HTTP/1.1\" {code} {bytes} \"-\" \"-\" \"{}@docker\" {}ms",
            request.uri(),
            state.settings.service,
            begin.elapsed().as_millis()
        );
    }
    let mut response = HttpResponse::build(status);
    let Some(answer) = answer else { return response.body(format!("{status}\n")) };
    for (name, value) in &answer.headers {
        if ![CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH].contains(name) {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    response.body(answer.body)
}

/// Asks the service; 502 where it does not answer.
async fn forward(
    state: &Arc<State>,
    request: &HttpRequest,
    body: Bytes,
) -> (StatusCode, Option<http::Answer>) {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // The application's own metrics are not for the public: docs/application.md.
    if request.path() == "/metrics" {
        return (StatusCode::NOT_FOUND, None);
    }
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        let name: Result<hyper::header::HeaderName, _> = name.as_str().parse();
        if let (Ok(name), Ok(value)) = (name, value.as_bytes().try_into())
            && ![CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH, HOST].contains(&name)
        {
            headers.append(name, value);
        }
    }
    let method = Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or(Method::GET);
    match http::send(method, &format!("{}{path}", state.settings.url), headers, body).await {
        Ok(answer) => (StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY), Some(answer)),
        Err(cause) => {
            println!("level=debug msg=\"502 Bad Gateway\" error={cause:?}");
            (StatusCode::BAD_GATEWAY, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    #[actix_web::test]
    async fn hands_on_and_counts() {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let first = lines.next().unwrap();
            lines.find(String::is_empty).unwrap();
            stream.write_all(b"HTTP/1.1 404 X\r\nX-From: backend\r\nContent-Length: 4\r\n\r\nnone").unwrap();
            first
        });
        let words: Vec<String> = [
            "--entrypoints.web.address=:80",
            "--entrypoints.metrics.address=:8082",
            "--metrics.prometheus=true",
            "--metrics.prometheus.entrypoint=metrics",
            "--metrics.prometheus.addrouterslabels=true",
        ]
        .map(str::to_owned)
        .into();
        let settings =
            Settings::parse(&words, |name| (name == "STANDIN_BACKEND").then(|| format!("backend={url}")))
                .unwrap();
        let measured = Measured::new(&settings.buckets);
        let state = Data::new(State { settings, measured, started: SystemTime::now() });
        let app = init_service(App::new().app_data(state.clone()).default_service(web::to(
            |state: Data<State>, request: HttpRequest, body: Bytes| {
                let of_metrics = request.headers().contains_key("x-metrics");
                answer(state, request, body, of_metrics)
            },
        )))
        .await;
        let response = call_service(&app, TestRequest::get().uri("/api/x?y=1").to_request()).await;
        assert_eq!(
            (response.status().as_u16(), response.headers().get("X-From").unwrap().to_str().unwrap()),
            (404, "backend")
        );
        assert_eq!(read_body(response).await, "none");
        assert_eq!(asked.join().unwrap(), "GET /api/x?y=1 HTTP/1.1");
        // Now nobody answers behind it.
        let response = call_service(&app, TestRequest::get().uri("/").to_request()).await;
        assert_eq!(response.status().as_u16(), 502);
        let response = call_service(
            &app,
            TestRequest::get().uri("/metrics").insert_header(("x-metrics", "1")).to_request(),
        )
        .await;
        let page = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        for line in [
            "traefik_service_requests_total{code=\"404\",method=\"GET\",protocol=\"http\",service=\"backend@docker\"} 1",
            "traefik_service_requests_total{code=\"502\",method=\"GET\",protocol=\"http\",service=\"backend@docker\"} 1",
            "traefik_router_requests_total{code=\"404\",method=\"GET\",protocol=\"http\",router=\"backend@docker\",service=\"backend@docker\"} 1",
        ] {
            assert!(page.contains(line), "{line} in\n{page}");
        }
    }
}
