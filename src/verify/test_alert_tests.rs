//! The test alert, under a clock that stands still, against an Alertmanager in memory.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;
use crate::verify::recorded::changed;

/// An Alertmanager that groups for 30 seconds and then sends a mail, which fails `failing` times.
#[derive(Default)]
struct State {
    posted: Vec<serde_json::Value>,
    failing: u32,
    takes: bool,
}

struct Server {
    state: Arc<Mutex<State>>,
    start: Instant,
}

impl Forward for &Server {
    type Stream = DuplexStream;

    async fn open(&self, _port: u16) -> Result<DuplexStream, String> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(serve(theirs, Arc::clone(&self.state), self.start));
        Ok(ours)
    }
}

async fn serve(mut stream: DuplexStream, state: Arc<Mutex<State>>, start: Instant) {
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(char::from(byte)),
                Err(_) => return,
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let answer = answer(&head, &body, &state, start.elapsed().as_secs());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn answer(head: &str, body: &[u8], state: &Mutex<State>, seconds: u64) -> String {
    let mut state = state.lock().unwrap();
    let say = |status: u16, body: &str| {
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    if head.starts_with("POST") {
        if !state.takes {
            return say(400, "\"bad labels\"");
        }
        state.posted.push(serde_json::from_slice(body).unwrap());
        return say(200, "");
    }
    if head.starts_with("GET /metrics") {
        let failed = u64::from(state.failing).min(seconds.saturating_sub(29));
        let tried = if seconds < 30 { 0 } else { failed + u64::from(failed == u64::from(state.failing)) };
        let name = "alertmanager_notification_requests";
        return say(
            200,
            &format!(
                "{name}_total{{integration=\"email\"}} {}\n{name}_total{{integration=\"webhook\"}} 9\n\
                 {name}_failed_total{{integration=\"email\",reason=\"x\"}} {failed}\n",
                tried + 3
            ),
        );
    }
    let fires = state.posted.len() == 1;
    if !fires {
        return say(200, "[]");
    }
    // As a real one lists an alert.
    let name = state.posted[0][0]["labels"]["alertname"].as_str().unwrap();
    let listed = changed("alertmanager-0.25/alerts", "\"Watchdog\"", &format!("\"{name}\""));
    say(200, &String::from_utf8(listed.body).unwrap())
}

async fn run(state: State, seconds: u64) -> (Finding, Vec<serde_json::Value>, Vec<String>) {
    let server = Server { state: Arc::new(Mutex::new(state)), start: Instant::now() };
    let (events, mut received) = tokio::sync::mpsc::unbounded_channel();
    let test = TestAlert {
        host: "vps",
        connections: &Connections::new(&server),
        port: 9093,
        service: "alertmanager",
        nonce: "7f3a",
        deadline: Instant::now() + Duration::from_secs(seconds),
        now: Timestamp::UNIX_EPOCH,
        events: &events,
    };
    let finding = test.run().await;
    drop(events);
    let mut lines = Vec::new();
    while let Some(event) = received.recv().await {
        if let Event::Waiting { found, .. } = event {
            lines.push(found);
        }
    }
    let posted = server.state.lock().unwrap().posted.clone();
    (finding, posted, lines)
}

#[tokio::test(start_paused = true)]
async fn the_alert_is_followed_to_the_mail_server_and_resolved() {
    let (finding, posted, lines) = run(State { takes: true, ..State::default() }, 120).await;
    assert_eq!(finding.status, Status::Holds, "{finding:?}");
    insta::assert_snapshot!(finding.found, @"listed in 0.0 s, taken by the mail server in 30.0 s, resolved in 0.0 s");
    insta::assert_snapshot!(lines.join("\n"), @"waits to be sent: no mail was tried yet");
    assert_eq!(posted.len(), 2);
    assert_eq!(posted[0][0]["labels"]["alertname"], "ProvisionTest-7f3a");
    assert_eq!(posted[1][0]["labels"], posted[0][0]["labels"]);
    // The first lasts ten minutes, the second ended when it was posted.
    assert_eq!(posted[0][0]["endsAt"], "1970-01-01T00:10:00Z");
    assert_eq!(posted[1][0]["endsAt"], "1970-01-01T00:00:30Z");
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_fails_at_first_is_waited_for() {
    let (finding, _, lines) = run(State { takes: true, failing: 2, ..State::default() }, 120).await;
    assert_eq!(finding.status, Status::Holds, "{finding:?}");
    insta::assert_snapshot!(lines.join("\n"), @r"
    waits to be sent: no mail was tried yet
    waits to be sent: attempts that the mail server refused: 1
    ");
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_refuses_is_told_and_the_alert_is_resolved_all_the_same() {
    let (finding, posted, _) = run(State { takes: true, failing: 9999, ..State::default() }, 60).await;
    insta::assert_snapshot!(format!("{:?}: {}\n{}", finding.status, finding.found, finding.remedy), @r"
    Fails: the test alert waited in vain to be sent: attempts that the mail server refused: 31 (listed in 0.0 s)
    Is there a route with an e-mail receiver, and does the mail server take the login and the sender? Read what the service says: `provision logs alertmanager`.
    ");
    assert_eq!(posted.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_is_refused_is_no_wait() {
    let (finding, _, _) = run(State::default(), 60).await;
    insta::assert_snapshot!(format!("{:?}: {}", finding.status, finding.found), @r#"Fails: alertmanager: refused the alert: "bad labels""#);
    assert_eq!(finding.took_ms, 0);
}

#[test]
fn mails_are_counted_of_the_real_text() {
    let text = "# HELP alertmanager_notification_requests_total x\n\
                alertmanager_notification_requests_total{integration=\"email\",receiver_name=\"a\"} 4\n\
                alertmanager_notification_requests_total{integration=\"email\",receiver_name=\"b\"} 1\n\
                alertmanager_notification_requests_failed_total{integration=\"email\"} 2\n";
    let answer = Answer { status: 200, content_type: String::new(), date: None, body: text.into() };
    assert_eq!(mails(&answer), Mails { tried: 5.0, failed: 2.0 });
}
