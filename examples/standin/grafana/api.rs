//! The HTTP side: routes, who may use them, and what they answer.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, LOCATION};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Data, Path, Query};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, HttpServer, ResponseError};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::Account;
use super::datasources::Datasource;
use super::settings::Settings;
use super::{VERSION, dashboards, datasources, query};
use crate::http;

/// So many wrong passwords within `GUARD_WINDOW` shut the login, also for the right one. Grafana does this, and
/// whoever repeats a refused request locks himself out.
const GUARD_FAILURES: usize = 5;
const GUARD_WINDOW: Duration = Duration::from_secs(5 * 60);

struct State {
    settings: Settings,
    provisioned: RwLock<Arc<Provisioned>>,
    failures: Mutex<Vec<Instant>>,
    started: SystemTime,
}

struct Provisioned {
    datasources: Vec<Datasource>,
    providers: Vec<dashboards::Provider>,
}

impl Provisioned {
    fn load(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            datasources: datasources::load(&settings.provisioning.join("datasources"))?,
            providers: dashboards::providers(&settings.provisioning.join("dashboards"))?,
        })
    }
}

impl State {
    /// Does what a start does: the account, the provisioning.
    fn start(settings: Settings) -> Result<Self, String> {
        let made = Account::load_or_create(&settings.data, &settings.admin_user, &settings.admin_password)?;
        println!(
            "level=info msg=\"{}\"",
            if made { "Created default admin" } else { "account found: the configured password is not used" }
        );
        let provisioned = RwLock::new(Arc::new(Provisioned::load(&settings)?));
        Ok(Self { settings, provisioned, failures: Mutex::new(Vec::new()), started: SystemTime::now() })
    }

    fn provisioned(&self) -> Arc<Provisioned> {
        Arc::clone(&self.provisioned.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn datasource(&self, uid: &str) -> Result<Datasource, Refusal> {
        let found = self.provisioned().datasources.iter().find(|one| one.uid == uid).cloned();
        found.ok_or_else(|| Refusal::new(404, "Data source not found"))
    }

    /// Looks at login and password, and counts the failures.
    fn admits(&self, login: &str, password: &str) -> Result<(), Refusal> {
        let refusal = || Refusal::new(401, "invalid username or password");
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|moment| moment.elapsed() < GUARD_WINDOW);
        if self.settings.brute_force_protection && failures.len() >= GUARD_FAILURES {
            println!("level=warn msg=\"too many wrong passwords: the login is shut for some minutes\"");
            return Err(refusal());
        }
        let account = Account::load(&self.settings.data).map_err(|cause| Refusal::new(500, &cause))?;
        if account.is_some_and(|account| account.admits(login, password)) {
            failures.clear();
            return Ok(());
        }
        failures.push(Instant::now());
        Err(refusal())
    }
}

/// An answer that is not 200: Grafana puts its reason into `message`.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl Refusal {
    fn new(status: u16, message: &str) -> Self {
        Self(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), message.to_owned())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.1)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.0
    }

    fn error_response(&self) -> HttpResponse {
        answer(self.0.as_u16(), &json!({"message": self.1}))
    }
}

type Answer = Result<HttpResponse, Refusal>;

fn answer(status: u16, body: &Value) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type("application/json; charset=UTF-8").body(body.to_string())
}

/// Proof that the request carried the admin's name and password. A handler that takes one cannot forget to ask.
struct Admin;

impl FromRequest for Admin {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let unauthorized = || Refusal::new(401, "Unauthorized");
        let check = || {
            let state = request.app_data::<Data<State>>().ok_or_else(|| Refusal::new(500, "no state"))?;
            let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            let encoded = header.and_then(|value| value.strip_prefix("Basic ")).ok_or_else(unauthorized)?;
            let text =
                BASE64_STANDARD.decode(encoded.trim()).ok().and_then(|text| String::from_utf8(text).ok());
            let text = text.ok_or_else(unauthorized)?;
            let (login, password) = text.split_once(':').ok_or_else(unauthorized)?;
            state.admits(login, password).map(|()| Self)
        };
        ready(check())
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(to_login))
        .route("/login", web::get().to(login_page))
        .route("/metrics", web::get().to(metrics))
        .route("/api/health", web::get().to(health))
        .route("/api/org", web::get().to(org))
        .route("/api/user", web::get().to(user))
        .route("/api/user/password", web::put().to(change_own_password))
        .route("/api/admin/users/1/password", web::put().to(set_password))
        .route("/api/admin/provisioning/{what}/reload", web::post().to(reload))
        .route("/api/search", web::get().to(search))
        .route("/api/dashboards/uid/{uid}", web::get().to(dashboard))
        .route("/api/datasources", web::get().to(list))
        .route("/api/datasources/uid/{uid}", web::get().to(datasource))
        .route("/api/datasources/uid/{uid}/health", web::get().to(datasource_health))
        .route("/api/datasources/proxy/uid/{uid}/{path:.*}", web::get().to(proxy))
        .route("/api/ds/query", web::post().to(ds_query))
        .default_service(web::to(|| async { answer(404, &json!({"message": "Not found"})) }));
}

async fn to_login() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/login")).finish()
}

async fn login_page() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(
        "<!doctype html><html lang=\"en\"><head><title>Stand-in for Grafana</title></head><body>\
         <h1>This is a stand-in for Grafana</h1><p>It answers Grafana's HTTP interface in the lab, where the real \
         image cannot be had. There is nothing to see or to log in to.</p></body></html>\n",
    )
}

async fn health() -> HttpResponse {
    answer(200, &json!({"commit": "stand-in", "database": "ok", "version": VERSION}))
}

async fn org(_: Admin) -> HttpResponse {
    answer(
        200,
        &json!({"id": 1, "name": "Main Org.", "address": {
            "address1": "", "address2": "", "city": "", "zipCode": "", "state": "", "country": "",
        }}),
    )
}

async fn user(_: Admin, state: Data<State>) -> HttpResponse {
    answer(
        200,
        &json!({
            "id": 1, "uid": "standin-admin", "email": "admin@localhost", "name": "", "login": state.settings.admin_user,
            "theme": "", "orgId": 1, "isGrafanaAdmin": true, "isDisabled": false, "isExternal": false, "authLabels": [],
        }),
    )
}

/// Reads a JSON body; the content type is not looked at, as Grafana does not.
fn body(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|_| Refusal::new(400, "bad request data"))
}

async fn change_own_password(_: Admin, state: Data<State>, bytes: web::Bytes) -> Answer {
    let request = body(&bytes)?;
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let account = Account::load(&state.settings.data).map_err(|cause| Refusal::new(500, &cause))?;
    if !account.is_some_and(|account| account.admits(&account.login, text("oldPassword"))) {
        return Err(Refusal::new(401, "invalid old password"));
    }
    Account::reset(&state.settings.data, text("newPassword")).map_err(|cause| Refusal::new(400, &cause))?;
    Ok(answer(200, &json!({"message": "User password changed"})))
}

async fn set_password(_: Admin, state: Data<State>, bytes: web::Bytes) -> Answer {
    let request = body(&bytes)?;
    let password = request["password"].as_str().unwrap_or_default();
    Account::reset(&state.settings.data, password).map_err(|cause| Refusal::new(400, &cause))?;
    Ok(answer(200, &json!({"message": "User password updated"})))
}

async fn reload(_: Admin, state: Data<State>, what: Path<String>) -> Answer {
    let message = match what.as_str() {
        "dashboards" => "Dashboards config reloaded",
        "datasources" => "Datasources config reloaded",
        _ => return Err(Refusal::new(404, "Not found")),
    };
    let new = Provisioned::load(&state.settings).map_err(|cause| Refusal::new(500, &cause))?;
    *state.provisioned.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    Ok(answer(200, &json!({"message": message})))
}

#[derive(Deserialize)]
struct Search {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    query: String,
}

async fn search(_: Admin, state: Data<State>, wanted: Query<Search>) -> HttpResponse {
    let dashboards = dashboards::load(&state.provisioned().providers);
    answer(200, &json!(dashboards::search(&dashboards, wanted.kind.as_deref(), &wanted.query)))
}

async fn dashboard(_: Admin, state: Data<State>, uid: Path<String>) -> Answer {
    let dashboards = dashboards::load(&state.provisioned().providers);
    let found = dashboards.iter().find(|one| one.uid == *uid);
    found.map(|one| answer(200, &one.whole())).ok_or_else(|| Refusal::new(404, "Dashboard not found"))
}

async fn list(_: Admin, state: Data<State>) -> HttpResponse {
    let mut all = state.provisioned().datasources.clone();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    answer(200, &all.iter().map(Datasource::listed).collect())
}

async fn datasource(_: Admin, state: Data<State>, uid: Path<String>) -> Answer {
    Ok(answer(200, &state.datasource(&uid)?.listed()))
}

async fn datasource_health(_: Admin, state: Data<State>, uid: Path<String>) -> Answer {
    let (status, body) = query::health(&state.datasource(&uid)?).await;
    Ok(answer(status, &body))
}

/// Passes a GET on to a datasource.
async fn proxy(_: Admin, state: Data<State>, request: HttpRequest, path: Path<(String, String)>) -> Answer {
    let (uid, path) = path.into_inner();
    let mut url = state.datasource(&uid)?.below(&path);
    if !request.query_string().is_empty() {
        url = format!("{url}?{}", request.query_string());
    }
    let got = http::get(&url).await.map_err(|cause| Refusal::new(502, &cause))?;
    let status = StatusCode::from_u16(got.status).unwrap_or(StatusCode::BAD_GATEWAY);
    Ok(HttpResponse::build(status).content_type(got.content_type).body(got.body))
}

async fn ds_query(_: Admin, state: Data<State>, bytes: web::Bytes) -> Answer {
    let request = body(&bytes)?;
    let now = jiff::Timestamp::now().as_millisecond();
    let range = query::Range::read(&request, now).ok_or_else(|| Refusal::new(400, "bad time range"))?;
    let queries = request["queries"].as_array().filter(|all| !all.is_empty());
    let mut results = BTreeMap::new();
    for one in queries.ok_or_else(|| Refusal::new(400, "no queries found"))? {
        if one["hide"] == true {
            continue;
        }
        let datasource = state.datasource(one["datasource"]["uid"].as_str().unwrap_or_default())?;
        let name = one["refId"].as_str().unwrap_or("A").to_owned();
        results.insert(name, query::run(&datasource, one, range).await);
    }
    // One failed query makes the whole answer a 400; the others' results are in it nevertheless.
    let status = if results.values().any(|result| result["error"].is_string()) { 400 } else { 200 };
    Ok(answer(status, &json!({"results": results})))
}

async fn metrics(state: Data<State>) -> HttpResponse {
    let provisioned = state.provisioned();
    let started = state.started.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let dashboards = dashboards::load(&provisioned.providers).len();
    let mut kinds = BTreeMap::<&str, usize>::new();
    for one in &provisioned.datasources {
        *kinds.entry(&one.kind).or_default() += 1;
    }
    let mut text = format!(
        "# A stand-in for Grafana says this.\n\
         # HELP grafana_build_info A metric with a constant '1' value.\n# TYPE grafana_build_info gauge\n\
         grafana_build_info{{branch=\"stand-in\",edition=\"oss\",goversion=\"none\",revision=\"stand-in\",version=\"{VERSION}\"}} 1\n\
         # TYPE grafana_instance_start_total counter\ngrafana_instance_start_total 1\n\
         # TYPE grafana_stat_totals_dashboard gauge\ngrafana_stat_totals_dashboard {dashboards}\n\
         # TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {started}\n\
         # TYPE grafana_stat_totals_datasource gauge\n",
    );
    for (kind, count) in kinds {
        text.push_str(&format!("grafana_stat_totals_datasource{{plugin_id=\"{kind}\"}} {count}\n"));
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}

/// Every answer says what it comes from.
fn label() -> DefaultHeaders {
    DefaultHeaders::new().add(("X-Stand-In", "grafana"))
}

/// Serves until SIGTERM. Errors before that are those at which Grafana would not start either.
pub(super) fn serve(settings: Settings) -> Result<(), String> {
    let address = format!("{}:{}", settings.address, settings.port);
    println!("this is a STAND-IN for Grafana {VERSION}, made for the lab; it is not Grafana");
    let state = Data::new(State::start(settings)?);
    actix_web::rt::System::new().block_on(async move {
        let server =
            HttpServer::new(move || App::new().app_data(state.clone()).wrap(label()).configure(routes))
                .workers(1)
                .shutdown_timeout(5)
                .bind(&address)
                .map_err(|cause| format!("cannot listen on {address}: {cause}"))?;
        println!("level=info msg=\"HTTP Server Listen (stand-in)\" address={address}");
        server.run().await.map_err(|cause| cause.to_string())
    })
}

#[cfg(test)]
mod tests;
