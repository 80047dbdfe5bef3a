//! The interface as a client sees it, against the recordings.

use std::io::{BufRead, BufReader, Write};

use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, call_service, init_service, read_body};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::grafana::state::GUARD_FAILURES;
use crate::recorded;

const PASSWORD: &str = "a long enough password";

/// A data folder, a configuration and provisioning of its own.
struct House(tempfile::TempDir);

impl House {
    fn new(prometheus: &str) -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        house.write("provisioning/datasources/all.yml", &format!(
            "datasources:\n  - {{name: Prometheus, type: prometheus, uid: prometheus, url: '{prometheus}', \
             isDefault: true}}\n  - {{name: Alertmanager, type: alertmanager, uid: alertmanager, url: '{prometheus}'}}\n"
        ));
        let folder = house.0.path().join("json");
        house.write(
            "provisioning/dashboards/ours.yml",
            &format!("providers: [{{name: ours, options: {{path: '{}'}}}}]", folder.display()),
        );
        let (_, dashboard) = recorded::answer("grafana-7.5.5/dashboard");
        house.write("json/overview.json", &dashboard["dashboard"].to_string());
        house
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn settings(&self, password: &str) -> Settings {
        self.write("password", password);
        let at = self.0.path().display();
        self.write(
            "grafana.ini",
            &format!(
                "[paths]\ndata = {at}/data\nprovisioning = {at}/provisioning\n\
             [security]\nadmin_password = $__file{{{at}/password}}\n"
            ),
        );
        Settings::load(&self.0.path().join("grafana.ini"), |_| None).unwrap()
    }

    fn start(&self) -> Data<State> {
        Data::new(State::start(self.settings(PASSWORD)).unwrap())
    }
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn with(request: TestRequest, password: &str) -> TestRequest {
    let value = format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{password}")));
    request.insert_header((AUTHORIZATION, value))
}

/// Status and text of an answer, after a look at its label.
async fn text(state: &Data<State>, request: TestRequest) -> (u16, String) {
    let app = init_service(App::new().app_data(state.clone()).wrap(label()).configure(routes)).await;
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(response.headers().get("X-Stand-In").unwrap(), "grafana");
    let status = response.status().as_u16();
    (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

async fn ask(state: &Data<State>, request: TestRequest) -> (u16, Value) {
    let (status, text) = text(state, request).await;
    (status, serde_json::from_str(&text).unwrap_or_else(|cause| panic!("{cause}: {text}")))
}

async fn admin(state: &Data<State>, path: &str) -> (u16, Value) {
    ask(state, with(get(path), PASSWORD)).await
}

/// A Prometheus that gives one recorded answer to everything; gives its URL and the request lines it got.
fn answering(recording: &str) -> (String, std::sync::mpsc::Receiver<String>) {
    let (status, body) = recorded::answer(recording);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let first = lines.next().unwrap();
            lines.find(String::is_empty).unwrap();
            let body = body.to_string();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n");
            write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
                .unwrap();
            if sender.send(first).is_err() {
                break;
            }
        }
    });
    (url, receiver)
}

#[actix_web::test]
async fn refusals_are_the_recorded_ones() {
    let house = House::new("http://prometheus:9090");
    let state = house.start();
    let nobody = ask(&state, get("/api/search?type=dash-db")).await;
    assert_eq!(nobody, recorded::answer("grafana-12.4.0/search-unauthorized"));
    let wrong = ask(&state, with(get("/api/search?type=dash-db"), "wrong")).await;
    assert_eq!(wrong, recorded::answer("grafana-12.4.0/search-wrong-password"));
    let missing = admin(&state, "/api/dashboards/uid/nothing").await;
    assert_eq!(missing, recorded::answer("grafana-12.4.0/dashboard-missing"));
}

#[actix_web::test]
async fn answers_have_the_recorded_shape() {
    let house = House::new("http://prometheus:9090");
    let state = house.start();
    let health = ask(&state, get("/api/health")).await;
    assert_eq!(health.0, 200);
    assert_eq!(recorded::shape(&health.1), recorded::shape(&recorded::answer("grafana-7.5.5/health").1));
    for (path, name) in [
        ("/api/search?type=dash-db", "search"),
        ("/api/dashboards/uid/overview", "dashboard"),
        ("/api/datasources", "datasources"),
    ] {
        let (status, body) = admin(&state, path).await;
        let (recorded_status, recorded) = recorded::answer(&format!("grafana-7.5.5/{name}"));
        assert_eq!(status, recorded_status);
        assert_eq!(recorded::shape(&body), recorded::shape(&recorded), "{path}");
    }
    let reload = with(TestRequest::post().uri("/api/admin/provisioning/dashboards/reload"), PASSWORD);
    assert_eq!(ask(&state, reload).await, recorded::answer("grafana-7.5.5/reload-dashboards"));
}

#[actix_web::test]
async fn all_that_tells_something_wants_the_password() {
    let house = House::new("http://prometheus:9090");
    let state = house.start();
    for path in [
        "/api/org",
        "/api/user",
        "/api/datasources",
        "/api/datasources/uid/prometheus",
        "/api/datasources/uid/prometheus/health",
        "/api/datasources/proxy/uid/prometheus/api/v1/query",
        "/api/dashboards/uid/overview",
    ] {
        assert_eq!(ask(&state, get(path)).await.0, 401, "{path}");
    }
    assert_eq!(admin(&state, "/api/org").await.1["name"], "Main Org.");
    assert_eq!(admin(&state, "/api/user").await.1["login"], "admin");
}

#[actix_web::test]
async fn a_changed_secret_acts_only_after_a_reset() {
    let house = House::new("http://prometheus:9090");
    drop(house.start());
    let settings = house.settings("another long password");
    let state = Data::new(State::start(settings).unwrap());
    assert_eq!(ask(&state, with(get("/api/org"), "another long password")).await.0, 401);
    assert_eq!(admin(&state, "/api/org").await.0, 200);
    Account::reset(&state.settings.data, "another long password").unwrap();
    assert_eq!(ask(&state, with(get("/api/org"), "another long password")).await.0, 200);
    assert_eq!(admin(&state, "/api/org").await.0, 401);
}

#[actix_web::test]
async fn the_password_changes_over_http() {
    let house = House::new("http://prometheus:9090");
    let state = house.start();
    let put =
        |path: &str, body: Value| with(TestRequest::put().uri(path), PASSWORD).set_payload(body.to_string());
    let wrong = json!({"oldPassword": "wrong", "newPassword": "one more password"});
    assert_eq!(ask(&state, put("/api/user/password", wrong)).await.0, 401);
    let short = json!({"password": "abc"});
    assert_eq!(ask(&state, put("/api/admin/users/1/password", short)).await.0, 400);
    let own = json!({"oldPassword": PASSWORD, "newPassword": PASSWORD});
    assert_eq!(ask(&state, put("/api/user/password", own)).await.1["message"], "User password changed");
    let new = json!({"password": "one more password"});
    assert_eq!(
        ask(&state, put("/api/admin/users/1/password", new)).await.1["message"],
        "User password updated"
    );
    assert_eq!(admin(&state, "/api/org").await.0, 401);
}

#[actix_web::test]
async fn wrong_passwords_shut_the_login_also_for_the_right_one() {
    let house = House::new("http://prometheus:9090");
    let state = house.start();
    // A right one in between begins the count anew.
    for _ in 1..GUARD_FAILURES {
        assert_eq!(ask(&state, with(get("/api/org"), "wrong")).await.0, 401);
    }
    assert_eq!(admin(&state, "/api/org").await.0, 200);
    for _ in 0..GUARD_FAILURES {
        assert_eq!(ask(&state, with(get("/api/org"), "wrong")).await.0, 401);
    }
    assert_eq!(admin(&state, "/api/org").await.0, 401);
}

#[actix_web::test]
async fn health_of_a_datasource_really_asks() {
    let (url, requests) = answering("prometheus-2.42/query-up");
    let house = House::new(&url);
    let state = house.start();
    let well = json!({"message": "Successfully queried the Prometheus API.", "status": "OK"});
    assert_eq!(admin(&state, "/api/datasources/uid/prometheus/health").await, (200, well));
    assert_eq!(requests.recv().unwrap(), "GET /api/v1/query?query=1 HTTP/1.1");
    // Grafana cannot check this type; the proxy can be used instead.
    let (status, body) = admin(&state, "/api/datasources/uid/alertmanager/health").await;
    assert_eq!((status, body), recorded::answer("grafana-12.4.0/datasource-health-alertmanager"));
    assert_eq!(admin(&state, "/api/datasources/proxy/uid/alertmanager/-/ready").await.0, 200);
    assert_eq!(requests.recv().unwrap(), "GET /-/ready HTTP/1.1");
    assert_eq!(
        admin(&state, "/api/datasources/uid/nothing/health").await,
        recorded::answer("grafana-12.4.0/datasource-health-missing")
    );
    assert_eq!(
        admin(&state, "/api/datasources/uid/nothing").await,
        recorded::answer("grafana-12.4.0/datasource-missing")
    );
}

#[actix_web::test]
async fn a_datasource_that_is_away_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let house = House::new(&url);
    let (status, body) = admin(&house.start(), "/api/datasources/uid/prometheus/health").await;
    assert_eq!((status, &body["status"]), (400, &json!("ERROR")));
    assert!(body["message"].as_str().unwrap().contains(&url), "{body}");
}

fn ds_query(expression: &str) -> TestRequest {
    let body = json!({
        "queries": [{"refId": "A", "datasource": {"uid": "prometheus"}, "expr": expression, "instant": true}],
        "from": "now-5m", "to": "now",
    });
    with(TestRequest::post().uri("/api/ds/query"), PASSWORD).set_payload(body.to_string())
}

#[actix_web::test]
async fn a_query_is_passed_on() {
    let (url, requests) = answering("prometheus-2.42/query-up");
    let house = House::new(&url);
    let (status, body) = ask(&house.start(), ds_query("up")).await;
    assert_eq!(status, 200);
    assert!(requests.recv().unwrap().starts_with("GET /api/v1/query?query=up&time="));
    assert_eq!(body["results"]["A"]["status"], 200);
    assert_eq!(body["results"]["A"]["frames"].as_array().unwrap().len(), 5);
    let (_, recorded) = recorded::answer("grafana-7.5.5/proxy-query");
    let state = house.start();
    let (_, passed) = admin(&state, "/api/datasources/proxy/uid/prometheus/api/v1/query?query=up").await;
    assert_eq!(recorded::shape(&passed), recorded::shape(&recorded));
}

#[actix_web::test]
async fn a_query_that_prometheus_refuses_tells_why() {
    let (url, _requests) = answering("prometheus-2.42/query-bad");
    let house = House::new(&url);
    let (status, body) = ask(&house.start(), ds_query("sum(")).await;
    assert_eq!(status, 400);
    let error = body["results"]["A"]["error"].as_str().unwrap();
    assert!(error.starts_with("bad_data: ") && error.contains("parse error"), "{error}");
}

#[actix_web::test]
async fn the_open_pages_say_what_this_is() {
    let house = House::new("http://prometheus:9090");
    let state = house.start();
    assert!(text(&state, get("/login")).await.1.contains("This is a stand-in for Grafana"));
    assert_eq!(text(&state, get("/")).await.0, 302);
    let (status, metrics) = text(&state, get("/metrics")).await;
    assert_eq!(status, 200);
    assert!(metrics.contains(&format!("version=\"{VERSION}\"}} 1\n")), "{metrics}");
    assert!(metrics.contains("grafana_stat_totals_dashboard 1\n"), "{metrics}");
    assert!(metrics.contains("grafana_stat_totals_datasource{plugin_id=\"prometheus\"} 1\n"), "{metrics}");
    assert_eq!(ask(&state, get("/api/nothing")).await, (404, json!({"message": "Not found"})));
}

#[test]
fn broken_provisioning_stops_the_start() {
    let house = House::new("http://prometheus:9090");
    house.write("provisioning/datasources/b.yml", "datasources: [{name: Prometheus, type: x}]");
    let message = State::start(house.settings(PASSWORD)).err().unwrap();
    assert!(message.contains("`Prometheus` is used twice"), "{message}");
}
