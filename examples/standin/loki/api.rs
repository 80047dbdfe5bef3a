//! The HTTP side.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::config::Config;
use super::logql::{self, Matcher};
use super::store::{Labels, Store};
use super::{VERSION, metrics, push, query};
use crate::exposition::seconds;

/// How long `/ready` says no after the start. Loki takes 15 seconds; a lab shall not wait so long, but whoever
/// does not wait at all shall notice.
pub(super) const NOT_READY: Duration = Duration::from_secs(3);

/// Requests by method, route and status: their number and seconds.
type Requests = BTreeMap<(String, String, u16), (u64, f64)>;

/// What all requests share.
pub(super) struct State {
    pub(super) config: Config,
    store: Mutex<Store>,
    pub(super) started: SystemTime,
    since: Instant,
    /// When the compactor ran last, in seconds since 1970.
    compacted: Mutex<f64>,
    requests: Mutex<Requests>,
}

impl State {
    pub(super) fn new(config: Config) -> Data<Self> {
        let store = Mutex::new(Store::new(config.limits.clone()));
        Data::new(Self {
            config,
            store,
            started: SystemTime::now(),
            since: Instant::now(),
            compacted: Mutex::new(0.0),
            requests: Mutex::default(),
        })
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the compactor when it is due: at the first look, and after each interval.
    pub(super) fn compact(&self) -> f64 {
        let mut last = self.compacted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = seconds(SystemTime::now());
        #[allow(clippy::cast_precision_loss, reason = "an interval")]
        if now - *last >= self.config.compaction_seconds as f64 {
            self.store().retain(nanoseconds_now());
            *last = now;
        }
        *last
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for ever where Loki's parts do not reach each other.
    async fn answers_queries(&self) {
        if !self.config.answers_queries {
            std::future::pending::<()>().await;
        }
    }

    /// Counts an answer under its route.
    fn counted(&self, request: &HttpRequest, begin: Instant, answer: HttpResponse) -> HttpResponse {
        let route = request.path().trim_matches('/').replace(['/', '.'], "_");
        // The label's name would be a route of its own.
        let route = if route.starts_with("loki_api_v1_label_") {
            "loki_api_v1_label_name_values".to_owned()
        } else {
            route
        };
        let key = (request.method().to_string(), route, answer.status().as_u16());
        let mut requests = self.requests();
        let count = requests.entry(key).or_default();
        count.0 += 1;
        count.1 += begin.elapsed().as_secs_f64();
        answer
    }
}

pub(super) fn routes(routes: &mut ServiceConfig, state: &Data<State>) {
    routes
        .app_data(state.clone())
        // Loki takes 4 MB of compressed push; ours are not compressed.
        .app_data(web::PayloadConfig::new(16 << 20))
        .route("/ready", web::get().to(ready))
        .route("/config", web::get().to(async |state: Data<State>| text(200, state.config.print())))
        .route("/metrics", web::get().to(async |state: Data<State>| metrics::page(&state)))
        .route("/loki/api/v1/status/buildinfo", web::get().to(build))
        .route("/loki/api/v1/push", web::post().to(take))
        .route("/loki/api/v1/label/{name}/values", web::to(label_values))
        .route("/loki/api/v1/{question}", web::to(question))
        .default_service(web::to(async || text(404, "404 page not found\n".to_owned())));
}

fn text(status: u16, text: String) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}

fn success(data: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json; charset=UTF-8")
        .body(json!({"status": "success", "data": data}).to_string())
}

async fn ready(state: Data<State>) -> HttpResponse {
    if state.since.elapsed() < NOT_READY {
        return text(503, "Ingester not ready: waiting for 15s after being ready\n".to_owned());
    }
    text(200, "ready\n".to_owned())
}

async fn build() -> HttpResponse {
    let body = json!({
        "version": VERSION, "revision": "stand-in", "branch": "stand-in", "buildUser": "stand-in", "buildDate": "",
        "goVersion": "none",
    });
    HttpResponse::Ok().content_type("application/json").body(body.to_string())
}

async fn take(state: Data<State>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let begin = Instant::now();
    let answer = match push::read(&body) {
        Err(cause) => text(400, format!("{cause}\n")),
        Ok(streams) => match state.store().push(streams, nanoseconds_now()) {
            Ok(()) => HttpResponse::NoContent().finish(),
            Err((reason @ ("rate_limited" | "stream_limit" | "per_stream_rate_limit"), cause)) => {
                text(429, format!("{reason}: {cause}\n"))
            }
            Err((_, cause)) => text(400, format!("{cause}\n")),
        },
    };
    state.counted(&request, begin, answer)
}

/// The parameters of the query string and of a form.
pub(super) type Parameters = HashMap<String, Vec<String>>;

fn parameters(request: &HttpRequest, body: &[u8]) -> Parameters {
    let form = String::from_utf8_lossy(body);
    let mut all = Parameters::new();
    for source in [request.query_string(), &form] {
        if let Ok(pairs) = web::Query::<Vec<(String, String)>>::from_query(source) {
            for (key, value) in pairs.into_inner() {
                all.entry(key).or_default().push(value);
            }
        }
    }
    all
}

async fn label_values(state: Data<State>, request: HttpRequest, name: Path<String>) -> HttpResponse {
    let begin = Instant::now();
    state.answers_queries().await;
    let asked = parameters(&request, &[]);
    let answer = match streams(&state, &asked, &["query", "match[]"]) {
        Ok(streams) => {
            success(&json!(streams.iter().filter_map(|labels| labels.get(&*name)).collect::<BTreeSet<_>>()))
        }
        Err(cause) => text(400, cause),
    };
    state.counted(&request, begin, answer)
}

async fn question(
    state: Data<State>,
    request: HttpRequest,
    what: Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let begin = Instant::now();
    state.answers_queries().await;
    let asked = parameters(&request, &body);
    let now = nanoseconds_now();
    let answer = match what.as_str() {
        "query_range" => query::answer(&state.store(), &asked, now, true),
        "query" => query::answer(&state.store(), &asked, now, false),
        "labels" | "label" => streams(&state, &asked, &["query"])
            .map(|all| json!(all.iter().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>())),
        "series" => streams(&state, &asked, &["match[]", "match"]).map(|all| json!(all)),
        _ => return text(404, "404 page not found\n".to_owned()),
    };
    let answer = answer.map_or_else(|cause| text(400, cause), |data| success(&data));
    state.counted(&request, begin, answer)
}

/// The labels of the streams with a line in the range asked for, and that a selector matches where one is given.
fn streams(state: &State, asked: &Parameters, names: &[&str]) -> Result<Vec<Labels>, String> {
    let now = nanoseconds_now();
    let (start, end) = query::span(asked, now, 6 * 3600)?;
    let given = names.iter().filter_map(|name| asked.get(*name)).flatten().filter(|it| !it.is_empty());
    let selectors: Vec<Vec<Matcher>> =
        given.map(|text| logql::parse_matchers(text)).collect::<Result<_, _>>()?;
    let store = state.store();
    let in_range = store.streams().filter(|(_, lines)| {
        lines.front().is_some_and(|first| first.stamp <= end)
            && lines.back().is_some_and(|last| last.stamp >= start)
    });
    let wanted = |labels: &Labels| {
        selectors.is_empty() || selectors.iter().any(|one| one.iter().all(|matcher| matcher.matches(labels)))
    };
    Ok(in_range.map(|(labels, _)| labels.clone()).filter(wanted).collect())
}

pub(super) fn nanoseconds_now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
