//! The polling, under a clock that stands still, against servers in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use super::*;
use crate::plan::check::Question;

/// What a server in memory does with one question, by how many were asked before and the seconds since start.
#[derive(Clone, Copy)]
enum Reply {
    Say(u16, &'static str),
    Hang,
    Break,
}

type Behaviour = Box<dyn Fn(usize, f64) -> Reply + Send + Sync>;

#[derive(Default)]
struct Log {
    opened: usize,
    asked: Vec<String>,
}

/// Servers by port; a port without one refuses.
struct Servers {
    behaviours: HashMap<u16, Arc<Behaviour>>,
    log: Arc<Mutex<Log>>,
    refused: Mutex<VecDeque<()>>,
    start: Instant,
}

impl Servers {
    fn new(behaviours: Vec<(u16, Behaviour)>) -> Self {
        Self {
            behaviours: behaviours.into_iter().map(|(port, behaviour)| (port, Arc::new(behaviour))).collect(),
            log: Arc::default(),
            refused: Mutex::default(),
            start: Instant::now(),
        }
    }

    fn opened(&self) -> usize {
        self.log.lock().unwrap().opened
    }

    fn asked(&self) -> Vec<String> {
        self.log.lock().unwrap().asked.clone()
    }
}

impl Forward for &Servers {
    type Stream = DuplexStream;

    async fn open(&self, port: u16) -> Result<DuplexStream, String> {
        if self.refused.lock().unwrap().pop_front().is_some() {
            return Err("connection refused".into());
        }
        let behaviour = Arc::clone(self.behaviours.get(&port).ok_or("connection refused")?);
        self.log.lock().unwrap().opened += 1;
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(serve(theirs, behaviour, Arc::clone(&self.log), self.start));
        Ok(ours)
    }
}

async fn serve(mut stream: DuplexStream, behaviour: Arc<Behaviour>, log: Arc<Mutex<Log>>, start: Instant) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let before = {
            let mut log = log.lock().unwrap();
            let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
            log.asked.push(line);
            log.asked.len() - 1
        };
        match behaviour(before, start.elapsed().as_secs_f64()) {
            Reply::Break => return,
            Reply::Hang => std::future::pending().await,
            Reply::Say(status, body) => {
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    }
}

fn ready(name: &str, port: u16) -> Check {
    Check {
        name: format!("{name}.ready"),
        service: name.into(),
        question: Question::Ready { port, path: "/ready".into() },
    }
}

fn login(port: u16) -> Check {
    let question = Question::GrafanaLogin { port, user: "admin".into(), password: "grafana_password".into() };
    Check { name: "grafana.login".into(), service: "grafana".into(), question }
}

/// Runs `checks` with `seconds` until the deadline. Gives the findings, and the events as lines.
async fn run(servers: &Servers, checks: &[Check], seconds: u64, ahead: bool) -> (Vec<Finding>, Vec<String>) {
    ask(servers, checks, Patience::from(Duration::from_secs(seconds)), ahead).await
}

async fn ask(
    servers: &Servers,
    checks: &[Check],
    patience: Patience,
    ahead: bool,
) -> (Vec<Finding>, Vec<String>) {
    let (events, mut received) = mpsc::unbounded_channel();
    let connections = Connections::new(servers);
    if ahead {
        connections.open_for(checks).await;
    }
    let run = Run {
        host: "vps",
        connections: &connections,
        login: &|name| (name == "grafana_password").then(|| SecretString::from("hunter2")),
        deadline: Instant::now() + patience.limit,
        once: patience.once,
        now: Timestamp::UNIX_EPOCH,
        events: &events,
    };
    let findings = run.checks(checks).await;
    drop(events);
    let mut lines = Vec::new();
    while let Some(event) = received.recv().await {
        lines.push(match event {
            Event::Waiting { host, check, found } => format!("{host} {check} waits: {found}"),
            Event::Checked { host, finding } => format!("{host} {} {:?}", finding.check, finding.status),
            other => panic!("{other:?}"),
        });
    }
    (findings, lines)
}

#[tokio::test(start_paused = true)]
async fn healthy_after_forty_seconds_is_seen_at_the_next_look() {
    let servers = Servers::new(vec![(
        3100,
        Box::new(|_, seconds| match seconds {
            ..20.0 => Reply::Say(503, "Ingester not ready: one"),
            ..40.0 => Reply::Say(503, "Ingester not ready: two"),
            _ => Reply::Say(200, "ready"),
        }),
    )]);
    let (findings, events) = run(&servers, &[ready("loki", 3100)], 120, false).await;
    assert_eq!(findings[0].status, Status::Holds);
    assert_eq!(findings[0].remedy, "");
    assert!((40_000..42_500).contains(&findings[0].took_ms), "{}", findings[0].took_ms);
    insta::assert_snapshot!(events.join("\n"), @r"
    vps loki.ready waits: loki: 503, Ingester not ready: one
    vps loki.ready waits: loki: 503, Ingester not ready: two
    vps loki.ready Holds
    ");
    // All over one stream.
    assert_eq!(servers.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_the_first_answer_counts_an_outage_is_told_at_once() {
    let servers = Servers::new(vec![(
        3100,
        Box::new(
            |_, seconds| if seconds < 13.0 { Reply::Say(503, "starting") } else { Reply::Say(200, "ready") },
        ),
    )]);
    let once = Patience { limit: Duration::from_secs(120), once: true };
    let (findings, events) = ask(&servers, &[ready("loki", 3100)], once, false).await;
    assert_eq!((findings[0].status, findings[0].found.as_str()), (Status::Fails, "loki: 503, starting"));
    assert_eq!((servers.asked().len(), events), (1, vec!["vps loki.ready Fails".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn what_never_gets_healthy_ends_at_the_deadline_with_every_name() {
    let servers = Servers::new(vec![
        (3100, Box::new(|_, _| Reply::Say(503, "not ready"))),
        (9090, Box::new(|_, _| Reply::Say(200, "ready"))),
        (12345, Box::new(|_, _| Reply::Hang)),
    ]);
    let checks = [ready("loki", 3100), ready("prometheus", 9090), ready("gone", 1), ready("alloy", 12345)];
    let start = Instant::now();
    let (findings, _) = run(&servers, &checks, 30, false).await;
    assert_eq!(start.elapsed().as_secs(), 30);
    let told: Vec<String> = findings
        .iter()
        .map(|finding| {
            format!("{} {:?} | {} | {}", finding.check, finding.status, finding.found, finding.remedy)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    loki.ready Fails | loki: 503, not ready | It runs but does not become ready. Read what the service says: `provision logs loki`.
    prometheus.ready Holds | ready | 
    gone.ready Fails | port 1: connection refused | See whether the container of gone runs, and whether it publishes port 1 on 127.0.0.1 of vps. Read what the service says: `provision logs gone`.
    alloy.ready Fails | port 12345: no answer within 10 s | See whether the container of alloy runs, and whether it publishes port 12345 on 127.0.0.1 of vps. Read what the service says: `provision logs alloy`.
    ");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_asked_once_and_never_shown() {
    let servers = Servers::new(vec![(
        3001,
        Box::new(|_, _| Reply::Say(401, r#"{"message":"invalid username or password"}"#)),
    )]);
    let (findings, events) = run(&servers, &[login(3001)], 60, false).await;
    assert_eq!(findings[0].status, Status::Fails);
    assert_eq!(servers.asked(), ["GET /api/user HTTP/1.1"]);
    assert_eq!(findings[0].took_ms, 0);
    assert!(!format!("{findings:?} {events:?}").contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn without_the_secret_nothing_is_asked() {
    let servers = Servers::new(vec![(3001, Box::new(|_, _| Reply::Say(200, "{}")))]);
    let mut check = login(3001);
    check.question = Question::GrafanaLogin { port: 3001, user: "admin".into(), password: "other".into() };
    let (findings, _) = run(&servers, &[check], 60, false).await;
    insta::assert_snapshot!(format!("{}\n{}", findings[0].found, findings[0].remedy), @r"
    not asked: there is no secret other
    Put other into the secrets file, or give the identity that opens it.
    ");
    assert!(servers.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_is_opened_again() {
    let servers = Servers::new(vec![(
        9090,
        Box::new(|before, _| match before {
            0 => Reply::Say(503, "starting"),
            // 1 and 3 go over a kept connection that died meanwhile: not worth a word, a new stream is asked.
            2 => Reply::Say(503, "nearly"),
            1 | 3 | 4 => Reply::Break,
            _ => Reply::Say(200, "ready"),
        }),
    )]);
    let (findings, events) = run(&servers, &[ready("prometheus", 9090)], 60, false).await;
    assert_eq!(findings[0].status, Status::Holds);
    insta::assert_snapshot!(events.join("\n"), @r"
    vps prometheus.ready waits: prometheus: 503, starting
    vps prometheus.ready waits: prometheus: 503, nearly
    vps prometheus.ready waits: port 9090: the connection broke: connection closed before message completed
    vps prometheus.ready Holds
    ");
    assert_eq!(servers.opened(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_port_that_refuses_at_first_is_tried_again() {
    let servers = Servers::new(vec![(9090, Box::new(|_, _| Reply::Say(200, "ready")))]);
    servers.refused.lock().unwrap().extend([(), (), ()]);
    let (findings, events) = run(&servers, &[ready("prometheus", 9090)], 60, true).await;
    assert_eq!(findings[0].status, Status::Holds);
    insta::assert_snapshot!(events.join("\n"), @r"
    vps prometheus.ready waits: port 9090: connection refused
    vps prometheus.ready Holds
    ");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_asked_again_over_a_new_stream() {
    let servers = Servers::new(vec![(
        9090,
        Box::new(|before, _| if before == 0 { Reply::Hang } else { Reply::Say(200, "ready") }),
    )]);
    let (findings, events) = run(&servers, &[ready("prometheus", 9090)], 60, true).await;
    assert_eq!(findings[0].status, Status::Holds);
    assert!((10_000..10_300).contains(&findings[0].took_ms), "{}", findings[0].took_ms);
    insta::assert_snapshot!(events.join("\n"), @r"
    vps prometheus.ready waits: port 9090: no answer within 10 s
    vps prometheus.ready Holds
    ");
}

#[tokio::test(start_paused = true)]
async fn questions_that_do_not_depend_on_each_other_go_over_streams_opened_before() {
    let servers =
        Servers::new(vec![(3001, Box::new(|_, _| Reply::Say(200, r#"{"status":"OK","message":"works"}"#)))]);
    let uids = vec!["alertmanager".to_owned(), "loki".to_owned(), "prometheus".to_owned()];
    let question = Question::GrafanaDatasources {
        without_health: Vec::new(),
        port: 3001,
        user: "admin".into(),
        password: "grafana_password".into(),
        uids,
    };
    let checks = [Check { name: "grafana.datasources".into(), service: "grafana".into(), question }];
    let connections = Connections::new(&servers);
    connections.open_for(&checks).await;
    assert_eq!(servers.opened(), 3);
    assert!(servers.asked().is_empty());
    drop(connections);
    let (findings, _) = run(&servers, &checks, 60, true).await;
    assert_eq!(findings[0].found, "alertmanager answers, loki answers, prometheus answers");
    // The login comes before them, over one of their streams.
    assert_eq!(servers.opened(), 6);
    assert_eq!(servers.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_datasource_without_a_health_question_costs_one_more() {
    let servers = Servers::new(vec![(
        3001,
        Box::new(|before, _| match before {
            0 => Reply::Say(200, r#"{"login":"admin"}"#),
            1 => Reply::Say(500, r#"{"message":"Plugin unavailable","messageId":"plugin.unavailable"}"#),
            _ => Reply::Say(200, r#"{"uid":"alertmanager","type":"alertmanager"}"#),
        }),
    )]);
    let question = Question::GrafanaDatasources {
        without_health: Vec::new(),
        port: 3001,
        user: "admin".into(),
        password: "grafana_password".into(),
        uids: vec!["alertmanager".into()],
    };
    let checks = [Check { name: "grafana.datasources".into(), service: "grafana".into(), question }];
    let (findings, _) = run(&servers, &checks, 60, true).await;
    assert_eq!(findings[0].found, "alertmanager present; its type has no health question");
    insta::assert_snapshot!(servers.asked().join("\n"), @r"
    GET /api/user HTTP/1.1
    GET /api/datasources/uid/alertmanager/health HTTP/1.1
    GET /api/datasources/uid/alertmanager HTTP/1.1
    ");
    assert_eq!(servers.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_comes_first_is_told() {
    let servers = Servers::new(vec![(9090, Box::new(|_, _| Reply::Hang))]);
    let (findings, _) = run(&servers, &[ready("prometheus", 9090)], 3, false).await;
    assert_eq!(findings[0].took_ms, 3000);
    insta::assert_snapshot!(findings[0].found, @"port 9090: no answer before the time was up");
}

/// Hosts run side by side in tasks of their own, so a run must be able to move between threads.
#[tokio::test(start_paused = true)]
async fn a_run_fits_into_a_task() {
    let task = tokio::spawn(async {
        let servers = Servers::new(vec![(9090, Box::new(|_, _| Reply::Say(200, "ready")))]);
        let checks = [ready("prometheus", 9090)];
        let (events, _received) = mpsc::unbounded_channel();
        let login = |_: &str| None;
        let connections = Connections::new(&servers);
        let run = Run {
            host: "vps",
            connections: &connections,
            login: &login,
            deadline: Instant::now() + Duration::from_secs(1),
            once: false,
            now: Timestamp::UNIX_EPOCH,
            events: &events,
        };
        connections.open_for(&checks).await;
        run.checks(&checks).await
    });
    assert_eq!(task.await.unwrap()[0].status, Status::Holds);
}

/// Loki 3.7.6 without `common.instance_addr`: ready, and each query waits for ever.
#[tokio::test(start_paused = true)]
async fn a_loki_that_is_ready_and_answers_no_query_is_noticed() {
    let hanging: Behaviour = Box::new(|_, _| Reply::Hang);
    let servers = Servers::new(vec![(3100, Box::new(|_, _| Reply::Say(200, "ready"))), (3101, hanging)]);
    let query = Check {
        name: "loki.query".into(),
        service: "loki".into(),
        question: Question::LokiQuery { port: 3101 },
    };
    let (findings, _) = run(&servers, &[ready("loki", 3100), query], 180, false).await;
    assert_eq!(findings[0].status, Status::Holds);
    assert_eq!(findings[1].status, Status::Fails);
    insta::assert_snapshot!(format!("{}\n{}", findings[1].found, findings[1].remedy), @r"
    port 3101: no answer within 10 s
    Where /ready of loki holds, its parts do not reach each other: `common.instance_addr` in its configuration must be an address on which `server.grpc_listen_address` listens. Read what the service says: `provision logs loki`.
    ");
}

/// Prometheus' configuration, in a deploy that told it to reload if `told`.
fn configuration(port: u16, told: bool) -> Check {
    let since = told.then_some(Timestamp::UNIX_EPOCH);
    let of = crate::plan::check::ConfigurationOf::Prometheus;
    let question = Question::Configuration { port, of, sent: "{}".to_owned(), since };
    Check { name: "prometheus.configuration".into(), service: "prometheus".into(), question }
}

const RELOAD_FAILED: &str =
    r#"{"data":{"reloadConfigSuccess":false,"lastConfigTime":"2026-11-28T05:00:00Z","yaml":"{}"}}"#;
const RELOADED: &str =
    r#"{"data":{"reloadConfigSuccess":true,"lastConfigTime":"2026-11-28T05:00:00Z","yaml":"{}"}}"#;

#[tokio::test(start_paused = true)]
async fn a_reload_that_was_refused_ends_all_checks_of_its_deploy() {
    let servers = Servers::new(vec![
        (1, Box::new(|_, _| Reply::Say(200, RELOAD_FAILED))),
        (2, Box::new(|_, _| Reply::Say(503, "starting"))),
        (3, Box::new(|_, _| Reply::Say(200, "ready"))),
    ]);
    let checks = [ready("loki", 2), configuration(1, true), ready("alloy", 3)];
    let start = Instant::now();
    let (findings, _) = run(&servers, &checks, 180, false).await;
    let took = start.elapsed().as_secs();
    assert!((5..10).contains(&took), "{took} s");
    let found: Vec<_> = findings.iter().map(|f| (f.status, f.found.as_str())).collect();
    assert_eq!(
        found,
        [
            (Status::Skipped, "not waited for: another service refused its reload"),
            (Status::Fails, "prometheus: the last reload failed (reloadConfigSuccess is false)"),
            (Status::Holds, "ready")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_failed_before_is_given_up_soon_and_ends_nothing_else() {
    let servers = Servers::new(vec![
        (1, Box::new(|_, _| Reply::Say(200, RELOAD_FAILED))),
        (
            2,
            Box::new(
                |_, seconds| if seconds < 20.0 { Reply::Say(503, "x") } else { Reply::Say(200, "ready") },
            ),
        ),
    ]);
    let (findings, _) = run(&servers, &[configuration(1, false), ready("loki", 2)], 60, false).await;
    assert!(findings[0].fails() && findings[0].took_ms < 10_000, "{findings:?}");
    assert_eq!(findings[1].status, Status::Holds);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_is_still_under_way_is_waited_for() {
    let late = |_, seconds| Reply::Say(200, if seconds < 3.0 { RELOAD_FAILED } else { RELOADED });
    let servers = Servers::new(vec![(1, Box::new(late))]);
    let (findings, _) = run(&servers, &[configuration(1, true)], 60, false).await;
    assert_eq!(findings[0].status, Status::Holds, "{findings:?}");
}

/// Grafana shuts its door after five wrong passwords, for the right one too.
#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_tried_once_by_all_checks_of_a_run() {
    let (user, password) = ("admin".to_owned(), "grafana_password".to_owned());
    let questions = [
        Question::GrafanaLogin { port: 3001, user: user.clone(), password: password.clone() },
        Question::GrafanaDatasources {
            port: 3001,
            user: user.clone(),
            password: password.clone(),
            uids: vec!["loki".into(), "prometheus".into()],
            without_health: Vec::new(),
        },
        Question::GrafanaDashboards {
            port: 3001,
            user: user.clone(),
            password: password.clone(),
            uids: vec!["docker".into()],
        },
    ];
    let check = |question| Check { name: "grafana.x".into(), service: "grafana".into(), question };
    let checks = questions.map(check);
    let servers = Servers::new(vec![(
        3001,
        Box::new(|_, _| Reply::Say(401, r#"{"message":"Invalid username or password"}"#)),
    )]);
    let (findings, _) = run(&servers, &checks, 60, true).await;
    assert_eq!(servers.asked(), ["GET /api/user HTTP/1.1"]);
    for finding in &findings {
        assert_eq!(finding.status, Status::Fails);
        assert_eq!(finding.found, "grafana: 401 for the user admin, Invalid username or password");
    }
    // The panels, which are asked after the checks, know it from them; after Grafana was made anew it is tried anew.
    let (events, _received) = mpsc::unbounded_channel();
    let connections = Connections::new(&servers);
    let again = Run {
        host: "vps",
        connections: &connections,
        login: &|_| Some(SecretString::from("hunter2")),
        deadline: Instant::now() + Duration::from_secs(60),
        once: false,
        now: Timestamp::UNIX_EPOCH,
        events: &events,
    };
    connections.log_in_for(&checks, &|_| Some(SecretString::from("hunter2"))).await;
    again.checks(&checks).await;
    assert_eq!(servers.asked().len(), 2);
    connections.close(3001);
    again.checks(&checks).await;
    assert_eq!(servers.asked().len(), 3);
}
