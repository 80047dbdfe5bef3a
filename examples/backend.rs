//! A small actix-web service, instrumented the way the monitoring stack expects its application to be.
//!
//! It is both the lab's stand-in for the KoproGo backend and the page to copy from: what a dashboard or an
//! alert of the stack needs is `Metrics`, `measure` and `metrics` below, about a hundred lines.
//!
//! ```text
//! BIND                      address to listen on, default 0.0.0.0:8080
//! METRICS_AUTH_TOKEN_FILE   file with the bearer token that /metrics asks for (preferred: it shows nowhere)
//! METRICS_AUTH_TOKEN        the token itself; `docker inspect` shows it to everyone who may use docker
//! ```
//!
//! With neither of the two, `/metrics` is open, which is right only where no router leads to it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a service logs to stdout and stderr")]

use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, ContentType, WWW_AUTHENTICATE};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder};
use prometheus::{Encoder, Gauge, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Upper edges of the latency buckets, in seconds. A percentile is never more precise than the buckets around
/// it, so there are some on both sides of what the alerts look at (a quarter of a second to two seconds).
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];

/// How long open requests may take to end after SIGTERM, in seconds. Docker kills after ten by default.
const SHUTDOWN_SECONDS: u64 = 8;

/// Everything this service measures. One value, made once, shared by all workers: a second registration of
/// the same name would be an error, and a registry a worker would show a different truth at every scrape.
struct Metrics {
    registry: Registry,
    duration: HistogramVec,
    requests: IntCounterVec,
}

impl Metrics {
    fn new() -> Result<Self, prometheus::Error> {
        let labels = ["method", "route", "status"];
        let duration = HistogramVec::new(
            HistogramOpts::new("http_request_duration_seconds", "Time from request to answer, in seconds.")
                .buckets(BUCKETS.to_vec()),
            &labels,
        )?;
        let requests =
            IntCounterVec::new(Opts::new("http_requests_total", "Requests that were answered."), &labels)?;
        // The constant 1 with its labels is how Prometheus keeps text: a panel can show the version, and a
        // graph can be annotated with the moment when it changed.
        let build = Gauge::with_opts(
            Opts::new("koprogo_build_info", "Always 1; the labels say what runs.")
                .const_label("version", env!("CARGO_PKG_VERSION"))
                .const_label("revision", option_env!("GIT_REVISION").unwrap_or("unknown")),
        )?;
        build.set(1.0);
        // The name is the one every Prometheus client library uses, so common dashboards find it. The `process`
        // feature of the crate gives it too, with memory and descriptors, at the cost of two more crates.
        let started = Gauge::new("process_start_time_seconds", "Start of the process, seconds since 1970.")?;
        started.set(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()));

        let registry = Registry::new();
        registry.register(Box::new(duration.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(build))?;
        registry.register(Box::new(started))?;
        Ok(Self { registry, duration, requests })
    }
}

/// Measures one request. Wrapped around the whole application, so that a new route is measured by itself.
async fn measure(
    metrics: Data<Metrics>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // The pattern (`/api/v1/buildings/{id}`), never the path: each new label value is a new time series that
    // Prometheus keeps in memory, and whoever may choose the path could make millions. For the same reason all
    // that matches no route shares one value.
    let route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let method = method_label(request.method());
    let begin = Instant::now();
    let answer = next.call(request).await;
    // A handler's error becomes its status only further out, so both ways are looked at.
    let status = match &answer {
        Ok(answer) => answer.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let labels = [method, &route, status.as_str()];
    metrics.duration.with_label_values(&labels).observe(begin.elapsed().as_secs_f64());
    metrics.requests.with_label_values(&labels).inc();
    answer
}

/// A client may invent method names; as label values there are only these.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// The bearer token that `/metrics` asks for, if any.
struct MetricsToken(Option<String>);

impl MetricsToken {
    /// Takes the token from its file, or else from the environment. A file that was named but cannot be used
    /// is an error: to go on without a token would open what was meant to be closed.
    fn from(environment: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        if let Some(path) = environment("METRICS_AUTH_TOKEN_FILE") {
            let text = std::fs::read_to_string(&path)
                .map_err(|cause| format!("cannot read METRICS_AUTH_TOKEN_FILE {path}: {cause}"))?;
            return match text.trim() {
                "" => Err(format!("METRICS_AUTH_TOKEN_FILE {path} is empty")),
                token => Ok(Self(Some(token.to_owned()))),
            };
        }
        // Compose sets a variable without a value to the empty string; that means "none" here.
        Ok(Self(environment("METRICS_AUTH_TOKEN").filter(|token| !token.is_empty())))
    }

    fn admits(&self, request: &HttpRequest) -> bool {
        let Some(expected) = &self.0 else { return true };
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, given)) = given.and_then(|value| value.split_once(' ')) else { return false };
        scheme.eq_ignore_ascii_case("bearer") && same(given.trim(), expected)
    }
}

/// Compares in a time that says nothing about where two tokens differ, nor how long the right one is: hashes
/// have one length, and all of their bytes are looked at. (The crate `subtle` does the second half.)
fn same(given: &str, expected: &str) -> bool {
    let (given, expected) = (Sha256::digest(given), Sha256::digest(expected));
    let difference = given.iter().zip(expected.iter()).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// What Prometheus scrapes. Block this path in the public router as well: the token is the second lock.
async fn metrics(request: HttpRequest, metrics: Data<Metrics>, token: Data<MetricsToken>) -> HttpResponse {
    if !token.admits(&request) {
        return HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, "Bearer realm=\"metrics\""))
            .json_text(&json!({"error": "a bearer token is needed"}));
    }
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&metrics.registry.gather(), &mut text) {
        Ok(()) => HttpResponse::Ok().content_type(encoder.format_type()).body(text),
        Err(cause) => {
            eprintln!("cannot encode the metrics: {cause}");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// For the container's health check. It asks no database: a database that is away must not make the
/// orchestrator restart every backend; it has an alert of its own.
async fn health() -> impl Responder {
    HttpResponse::Ok().json_text(&json!({"status": "healthy"}))
}

async fn buildings() -> impl Responder {
    HttpResponse::Ok().json_text(&json!([
        {"id": 1, "name": "Résidence du Parc", "lots": 24},
        {"id": 2, "name": "Les Tilleuls", "lots": 11},
    ]))
}

/// One building. 500 is the id that fails, so that an alert on errors can be tried without breaking anything.
async fn building(id: web::Path<u32>) -> HttpResponse {
    match id.into_inner() {
        1 => HttpResponse::Ok().json_text(&json!({"id": 1, "name": "Résidence du Parc", "lots": 24})),
        2 => HttpResponse::Ok().json_text(&json!({"id": 2, "name": "Les Tilleuls", "lots": 11})),
        500 => HttpResponse::InternalServerError().json_text(&json!({"error": "this building always fails"})),
        _ => HttpResponse::NotFound().json_text(&json!({"error": "no such building"})),
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/health", web::get().to(health))
        .route("/metrics", web::get().to(metrics))
        .route("/api/v1/buildings", web::get().to(buildings))
        .route("/api/v1/buildings/{id}", web::get().to(building));
}

/// An answer from a JSON value.
trait JsonText {
    fn json_text(&mut self, value: &serde_json::Value) -> HttpResponse;
}

impl JsonText for actix_web::HttpResponseBuilder {
    fn json_text(&mut self, value: &serde_json::Value) -> HttpResponse {
        self.insert_header(ContentType::json()).body(value.to_string())
    }
}

async fn serve() -> Result<(), String> {
    let token = Data::new(MetricsToken::from(|name| std::env::var(name).ok())?);
    let measured = Data::new(Metrics::new().map_err(|cause| format!("cannot set up the metrics: {cause}"))?);
    let bind = std::env::var("BIND").unwrap_or_else(|_| "0.0.0.0:8080".to_owned());
    let door = if token.0.is_some() { "asks for a token" } else { "is open" };
    // actix stops by itself on SIGTERM: it takes no new connection and lets the open requests end.
    let server = HttpServer::new(move || {
        App::new().app_data(measured.clone()).app_data(token.clone()).wrap(from_fn(measure)).configure(routes)
    })
    .workers(2)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .bind(&bind)
    .map_err(|cause| format!("cannot listen on {bind}: {cause}"))?;
    println!("listening on {bind}, /metrics {door}");
    server.run().await.map_err(|cause| cause.to_string())
}

#[actix_web::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("backend: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;

    /// Asks one application for several paths and gives the answers' status, `WWW-Authenticate` and text.
    async fn ask(
        token: Option<&str>,
        requests: Vec<TestRequest>,
    ) -> Vec<(StatusCode, Option<String>, String)> {
        let app = init_service(
            App::new()
                .app_data(Data::new(Metrics::new().unwrap()))
                .app_data(Data::new(MetricsToken(token.map(str::to_owned))))
                .wrap(from_fn(measure))
                .configure(routes),
        )
        .await;
        let mut answers = Vec::new();
        for request in requests {
            let answer = call_service(&app, request.to_request()).await;
            let challenge =
                answer.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
            let status = answer.status();
            let text = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
            answers.push((status, challenge, text));
        }
        answers
    }

    fn get(path: &str) -> TestRequest {
        TestRequest::get().uri(path)
    }

    #[actix_web::test]
    async fn counts_by_pattern_and_never_by_path() {
        let answers = ask(
            None,
            vec![
                get("/api/v1/buildings/1"),
                get("/api/v1/buildings/2"),
                get("/api/v1/buildings/77"),
                get("/api/v1/buildings/500"),
                get("/wp-login.php"),
                get("/metrics"),
            ],
        )
        .await;
        let text = &answers[5].2;
        let route = "route=\"/api/v1/buildings/{id}\"";
        for (status, count) in [("200", 2), ("404", 1), ("500", 1)] {
            let line = format!("http_requests_total{{method=\"GET\",{route},status=\"{status}\"}} {count}\n");
            assert!(text.contains(&line), "{line} is not in\n{text}");
            let line = format!(
                "http_request_duration_seconds_count{{method=\"GET\",{route},status=\"{status}\"}} {count}\n"
            );
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(text.contains("route=\"unmatched\",status=\"404\"} 1\n"), "{text}");
        assert!(!text.contains("wp-login") && !text.contains("buildings/77"), "{text}");
    }

    #[actix_web::test]
    async fn an_invented_method_makes_no_new_label_value() {
        let method = Method::from_bytes(b"BREW").unwrap();
        let answers = ask(None, vec![get("/health").method(method), get("/metrics")]).await;
        assert!(answers[1].2.contains("method=\"OTHER\""), "{}", answers[1].2);
        assert!(!answers[1].2.contains("BREW"), "{}", answers[1].2);
    }

    #[actix_web::test]
    async fn tells_what_runs_and_since_when() {
        let text = ask(None, vec![get("/metrics")]).await.remove(0).2;
        let build = format!(
            "koprogo_build_info{{revision=\"unknown\",version=\"{}\"}} 1\n",
            env!("CARGO_PKG_VERSION")
        );
        assert!(text.contains(&build), "{text}");
        let started = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds ")).unwrap();
        assert!(started.parse::<f64>().unwrap() > 1.6e9, "{started}");
    }

    #[actix_web::test]
    async fn metrics_want_the_token_and_the_rest_does_not() {
        let bearer = |text: &str| get("/metrics").insert_header((AUTHORIZATION, text.to_owned()));
        let answers = ask(
            Some("right"),
            vec![
                get("/metrics"),
                bearer("Bearer wrong"),
                bearer("Bearer righ"),
                bearer("Basic right"),
                bearer("Bearer right"),
                bearer("bearer right"),
                get("/health"),
            ],
        )
        .await;
        for answer in &answers[..4] {
            assert_eq!(answer.0, StatusCode::UNAUTHORIZED);
            assert_eq!(answer.1.as_deref(), Some("Bearer realm=\"metrics\""));
            assert!(!answer.2.contains("http_"), "{}", answer.2);
        }
        for answer in &answers[4..] {
            assert_eq!(answer.0, StatusCode::OK);
        }
    }

    #[test]
    fn the_token_comes_from_its_file_or_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token").display().to_string();
        let with_file = |name: &str| match name {
            "METRICS_AUTH_TOKEN_FILE" => Some(path.clone()),
            "METRICS_AUTH_TOKEN" => Some("from the environment".to_owned()),
            _ => None,
        };
        // A file that was named and cannot be used never opens the metrics.
        assert!(MetricsToken::from(with_file).err().unwrap().contains(&path));
        std::fs::write(&path, "\n").unwrap();
        assert!(MetricsToken::from(with_file).err().unwrap().ends_with("is empty"));
        std::fs::write(&path, "from the file\n").unwrap();
        assert_eq!(MetricsToken::from(with_file).unwrap().0.as_deref(), Some("from the file"));

        let variable = |value: &'static str| {
            MetricsToken::from(|name| (name == "METRICS_AUTH_TOKEN").then(|| value.to_owned())).unwrap().0
        };
        assert_eq!(variable("from the environment").as_deref(), Some("from the environment"));
        assert_eq!(variable(""), None);
    }
}
