//! Services that say by a status code whether they are ready.

use super::http::Answer;
use super::verdict::{Verdict, first_line, see_log, unless_ok};

/// Judges a readiness question: 200 is ready.
///
/// 503 is what Prometheus, Alertmanager, Loki and Alloy answer while they start; the body says why.
#[must_use]
pub fn judge(service: &str, path: &str, answer: &Answer) -> Verdict {
    match answer.status {
        200 => Verdict::Holds("ready".to_owned()),
        503 => Verdict::not_yet(
            format!("{service}: 503, {}", first_line(&answer.body)),
            format!("It runs but does not become ready. {}", see_log(service)),
        ),
        _ => unless_ok(service, path, answer).unwrap_or_else(|| Verdict::Holds("ready".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::recorded::{recorded, show};

    #[test]
    fn loki_answers_ready() {
        let verdict = judge("loki", "/ready", &recorded("loki-3.4.6/ready"));
        assert_eq!(verdict, Verdict::Holds("ready".into()));
    }

    #[test]
    fn loki_in_its_first_seconds_says_why_it_is_not_ready() {
        let verdict = judge("loki", "/ready", &recorded("loki-3.4.6/ready-starting"));
        insta::assert_snapshot!(show(&verdict), @r"
        not yet: loki: 503, Ingester not ready: waiting for 15s after being ready
        It runs but does not become ready. Read what the service says: `provision logs loki`.
        ");
    }

    #[test]
    fn another_service_on_the_port_is_not_waited_for() {
        let verdict = judge("loki", "/ready", &recorded("grafana-7.5.5/datasource-health"));
        insta::assert_snapshot!(show(&verdict), @r"
        refused: loki: 404 from /ready, Not found
        Something else may listen on that port, or loki serves below another path: compare the ports and URLs of loki in the compose file.
        ");
    }

    #[test]
    fn a_proxy_without_its_backend_is_waited_for() {
        let answer = Answer { status: 502, ..recorded("loki-3.4.6/ready") };
        insta::assert_snapshot!(show(&judge("loki", "/ready", &answer)), @r"
        not yet: loki: 502 from /ready, ready
        Read what the service says: `provision logs loki`.
        ");
    }
}
