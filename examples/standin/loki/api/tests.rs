//! The interface as a client sees it, against the recordings.

use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service, read_body};

use super::*;
use crate::{http, recorded, serve};

const ACCEPTED: &str = include_str!("../../../../tests/fixtures/recordings/loki-3.4.6/accepted-config.yml");

fn state() -> Data<State> {
    State::new(Config::parse(ACCEPTED).unwrap())
}

/// Status, content type and text.
async fn ask(state: &Data<State>, request: TestRequest) -> (u16, String, String) {
    let state = state.clone();
    let app = init_service(App::new().wrap(serve::label("loki")).configure(|it| routes(it, &state))).await;
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(response.headers().get("X-Stand-In").unwrap(), "loki");
    let kind = response.headers().get("content-type").map(|it| it.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    (status, kind.unwrap_or_default(), String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

async fn get(state: &Data<State>, path: &str) -> (u16, Value) {
    let (status, _, text) = ask(state, TestRequest::get().uri(path)).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn range(state: &Data<State>, query: &str) -> (u16, Value) {
    get(state, &format!("/loki/api/v1/query_range?query={}", http::encode(query))).await
}

async fn push(state: &Data<State>, container: &str, line: &str) -> u16 {
    let stamp = nanoseconds_now().to_string();
    let labels = json!({"job": "docker", "compose_service": container});
    let body = json!({"streams": [{"stream": labels, "values": [[stamp, line]]}]});
    ask(state, TestRequest::post().uri("/loki/api/v1/push").set_payload(body.to_string())).await.0
}

/// The answer without what describes how it was found, which clients do not read.
fn shape(mut answer: Value) -> BTreeSet<String> {
    if let Some(data) = answer["data"].as_object_mut() {
        data.remove("stats");
    }
    recorded::shape(&answer)
}

#[actix_web::test]
async fn is_not_ready_at_once() {
    let state = state();
    let (status, kind, text) = ask(&state, TestRequest::get().uri("/ready")).await;
    assert_eq!((status, text.clone()), recorded::text("loki-3.4.6/ready-starting"));
    assert_eq!(kind, "text/plain; charset=utf-8");
    tokio::time::sleep_until((state.since + NOT_READY).into()).await;
    let (status, _, text) = ask(&state, TestRequest::get().uri("/ready")).await;
    assert_eq!((status, text), recorded::text("loki-3.4.6/ready"));
}

#[actix_web::test]
async fn a_pushed_line_is_found_in_the_recorded_shape() {
    let state = state();
    let (status, empty) = range(&state, r#"{job="docker"}"#).await;
    assert_eq!((status, shape(empty)), (200, shape(recorded::answer("loki-3.4.6/query_range-empty").1)));
    assert_eq!(push(&state, "backend", "canary 7f3a").await, 204);
    let (_, found) = range(&state, r#"{compose_service="backend"} |= "canary""#).await;
    let (_, wanted) = recorded::answer("loki-3.4.6/query_range");
    assert_eq!(shape(found.clone()), shape(wanted.clone()));
    // The labels are those that Loki showed, `service_name` and `detected_level` included.
    assert_eq!(found["data"]["result"][0]["stream"]["service_name"], "docker");
    let keys = |answer: &Value| {
        answer["data"]["result"][0]["stream"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&found), keys(&wanted));
    assert_eq!(get(&state, "/loki/api/v1/labels").await, recorded::answer("loki-3.4.6/labels"));
    let (_, values) = get(&state, "/loki/api/v1/label/compose_service/values").await;
    assert_eq!(values["data"], json!(["backend"]));
    let (_, series) =
        get(&state, &format!("/loki/api/v1/series?match[]={}", http::encode(r#"{job="docker"}"#))).await;
    assert_eq!(series["data"][0]["compose_service"], "backend");
}

#[actix_web::test]
async fn numbers_come_as_vector_matrix_and_scalar() {
    let state = state();
    push(&state, "a", "one").await;
    push(&state, "a", "two").await;
    let query = http::encode(r#"sum(count_over_time({job="docker"}[5m]))"#);
    let (_, vector) = get(&state, &format!("/loki/api/v1/query?query={query}")).await;
    assert_eq!(vector["data"]["resultType"], "vector");
    assert_eq!(vector["data"]["result"][0]["value"][1], "2");
    let (_, matrix) = get(&state, &format!("/loki/api/v1/query_range?query={query}&step=60")).await;
    assert_eq!(matrix["data"]["resultType"], "matrix");
    assert_eq!(get(&state, "/loki/api/v1/query?query=1%2B1").await.1["data"]["resultType"], "scalar");
    // What Grafana's health check asks.
    let (status, health) = get(&state, "/loki/api/v1/query?query=vector(1)%2Bvector(1)").await;
    assert_eq!((status, &health["data"]["result"][0]["value"][1]), (200, &json!("2")));
}

#[actix_web::test]
async fn refusals_are_text() {
    let state = state();
    let (status, text) = range(&state, "{bad").await;
    let (recorded_status, recorded_text) = recorded::text("loki-3.4.6/query_range-bad");
    assert_eq!((status, text), (recorded_status, json!(recorded_text.trim_end())));
    let lines = http::encode(r#"{job="docker"}"#);
    let (status, text) = get(&state, &format!("/loki/api/v1/query?query={lines}")).await;
    assert!(status == 400 && text.as_str().unwrap().contains("not supported as an instant query"), "{text}");
    let fine = format!("/loki/api/v1/query_range?query={lines}&start=soon");
    assert_eq!(get(&state, &fine).await.0, 400);
    let fine = http::encode(r#"rate({job="docker"}[1m])"#);
    assert_eq!(get(&state, &format!("/loki/api/v1/query_range?query={fine}&step=0.01")).await.0, 400);
    assert_eq!(get(&state, "/loki/api/v1/nothing").await.0, 404);
}

#[actix_web::test]
async fn metrics_have_recorded_names_and_move() {
    let state = state();
    push(&state, "a", "four").await;
    assert_eq!(ask(&state, TestRequest::post().uri("/loki/api/v1/push").set_payload("{}")).await.0, 400);
    // More than the burst of 2 MB at once.
    assert_eq!(push(&state, "a", &"x".repeat(3 << 20)).await, 429);
    let (_, _, page) = ask(&state, TestRequest::get().uri("/metrics")).await;
    let recorded = recorded::metric_names(&recorded::text("loki-3.4.6/metrics").1);
    // Only there once something was discarded, so not recorded; names from Loki's source.
    let unrecorded =
        ["loki_discarded_samples_total", "loki_discarded_bytes_total", "process_cpu_seconds_total"];
    for name in recorded::metric_names(&page) {
        let process = name.starts_with("process_") || unrecorded.contains(&name.as_str());
        assert!(process || recorded.contains(&name), "{name} is not recorded");
    }
    for line in [
        r#"loki_distributor_lines_received_total{aggregated_metric="false",tenant="fake"} 1"#,
        r#"loki_ingester_memory_streams{tenant="fake"} 1"#,
        r#"reason="rate_limited",retention_hours="168",tenant="fake"} 1"#,
        r#"loki_request_duration_seconds_count{method="POST",route="loki_api_v1_push",status_code="204",ws="false"} 1"#,
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}

#[actix_web::test]
async fn says_what_it_is_and_what_it_reads() {
    let state = state();
    let (_, build) = get(&state, "/loki/api/v1/status/buildinfo").await;
    assert_eq!(recorded::shape(&build), recorded::shape(&recorded::answer("loki-3.4.6/buildinfo").1));
    assert_eq!(build["branch"], "stand-in");
    let (status, kind, _) = ask(&state, TestRequest::get().uri("/config")).await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"));
}

/// As 3.7.6 does.
#[actix_web::test]
async fn a_query_is_not_answered_where_its_parts_do_not_meet() {
    let inside = "server:\n  grpc_listen_address: 127.0.0.1";
    let hangs = ACCEPTED.replacen("server:", inside, 1);
    let (named, elsewhere) = ("common:\n  instance_addr: 127.0.0.1", "common:\n  instance_addr: 10.0.0.2");
    for (text, answered) in [
        (ACCEPTED.to_owned(), true),
        (hangs.clone(), false),
        (hangs.replacen("common:", named, 1), true),
        (hangs.replacen("common:", elsewhere, 1), false),
    ] {
        let state = State::new(Config::parse(&text).unwrap());
        assert_eq!(push(&state, "a", "x").await, 204);
        let asked = range(&state, r#"{job="docker"}"#);
        let waited = tokio::time::timeout(Duration::from_millis(100), asked).await;
        assert_eq!(waited.is_ok(), answered, "{text}");
    }
}
