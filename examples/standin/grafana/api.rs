//! The HTTP side: routes and what they answer.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::header::LOCATION;
use actix_web::http::{KeepAlive, StatusCode};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Data, Path, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::Account;
use super::datasources::Datasource;
use super::refusal::{Refusal, answer};
use super::settings::Settings;
use super::state::{Admin, Provisioned, State};
use super::{VERSION, dashboards, query};
use crate::http;

type Answer = Result<HttpResponse, Refusal>;

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
    // One that is not there is no 404 here: 500, and a line in the log (seen with 12.4.0).
    let Ok(datasource) = state.datasource(&uid) else {
        println!("level=error msg=\"Unable to load datasource metadata\" uid={uid}");
        return Err(Refusal::new(500, "Unable to load datasource metadata"));
    };
    let (status, body) = query::health(&datasource).await;
    if status == 500 {
        println!("level=error msg=\"Failed to check datasource health\" error=plugin.unavailable uid={uid}");
    }
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
    text.extend(
        kinds
            .iter()
            .map(|(kind, count)| format!("grafana_stat_totals_datasource{{plugin_id=\"{kind}\"}} {count}\n")),
    );
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
                // Grafana's `read_timeout` is 0 by default: a quiet connection stays.
                .client_request_timeout(Duration::ZERO)
                .keep_alive(KeepAlive::Os)
                .shutdown_timeout(5)
                .bind(&address)
                .map_err(|cause| format!("cannot listen on {address}: {cause}"))?;
        println!("level=info msg=\"HTTP Server Listen (stand-in)\" address={address}");
        server.run().await.map_err(|cause| cause.to_string())
    })
}

#[cfg(test)]
mod tests;
