//! Loki: its running configuration, and whether a line that was written is found again.
//!
//! Answers as Loki 3.4.6 gave them (recorded); the paths are those of every 2.x and 3.x
//! (<https://grafana.com/docs/loki/latest/reference/loki-http-api>).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::configuration;
use super::http::Answer;
use super::verdict::{Verdict, json, see_log, unless_ok};

/// Where the running configuration is, as YAML.
pub const CONFIG: &str = "/config";

/// Where lines are looked for.
const QUERY: &str = "/loki/api/v1/query_range";

/// The parts that decide what is kept, how long, and how much is taken.
const SECTIONS: [&str; 2] = ["compactor", "limits_config"];

/// Judges [`CONFIG`]: compactor, retention and limits run as `sent`. It prints everything, with defaults.
#[must_use]
pub fn configuration(service: &str, sent: &str, answer: &Answer) -> Verdict {
    if let Some(verdict) = unless_ok(service, CONFIG, answer) {
        return verdict;
    }
    // What is no YAML is told by the comparison.
    let sent = match serde_yaml::from_str::<serde_yaml::Mapping>(sent) {
        Ok(map) => {
            let kept = map.into_iter().filter(|(key, _)| SECTIONS.iter().any(|name| key == *name));
            serde_yaml::to_string(&kept.collect::<serde_yaml::Mapping>()).unwrap_or_default()
        }
        Err(_) => sent.to_owned(),
    };
    configuration::judge(service, &sent, &String::from_utf8_lossy(&answer.body))
}

/// The question for any one line of the last ten minutes.
// {job=~".+"}
pub const ANY_LINE: &str = "/loki/api/v1/query_range?query=%7Bjob%3D~%22.%2B%22%7D&since=10m&limit=1";

/// Judges the answer to [`ANY_LINE`]: it is one, and a Loki that has no lines yet is well.
#[must_use]
pub fn query(service: &str, answer: &Answer) -> Verdict {
    if let Some(verdict) = unless_ok(service, QUERY, answer) {
        return verdict;
    }
    match json::<Found>(service, QUERY, answer) {
        Ok(found) if found.data.result.is_empty() => Verdict::Holds("answers; no lines yet".to_owned()),
        Ok(_) => Verdict::Holds("answers with lines".to_owned()),
        Err(verdict) => verdict,
    }
}

/// What to do about a query that gets no answer.
#[must_use]
pub fn when_slow(service: &str) -> String {
    format!(
        "Where /ready of {service} holds, its parts do not reach each other: `common.instance_addr` in its \
         configuration must be an address on which `server.grpc_listen_address` listens. {}",
        see_log(service)
    )
}

/// The question for lines of the last ten minutes that hold `nonce`, a word of letters and digits.
#[must_use]
pub fn line_path(nonce: &str) -> String {
    // {job=~".+"} |= "nonce"
    format!("{QUERY}?query=%7Bjob%3D~%22.%2B%22%7D%20%7C%3D%20%22{nonce}%22&since=10m&limit=20")
}

#[derive(Deserialize)]
struct Found {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    stream: BTreeMap<String, String>,
    values: Vec<(String, String)>,
}

/// Judges the answer to [`line_path`]: the line is there under each of `jobs`.
#[must_use]
pub fn line(service: &str, nonce: &str, jobs: &[String], answer: &Answer) -> Verdict {
    if let Some(verdict) = unless_ok(service, QUERY, answer) {
        return verdict;
    }
    let streams = match json::<Found>(service, QUERY, answer) {
        Ok(found) => found.data.result,
        Err(verdict) => return verdict,
    };
    let holds = |stream: &&Stream| stream.values.iter().any(|(_, line)| line.contains(nonce));
    let found: Vec<&Stream> = streams.iter().filter(holds).collect();
    let under = |job: &String| found.iter().any(|stream| stream.stream.get("job") == Some(job));
    let missing: Vec<&str> = jobs.iter().filter(|job| !under(job)).map(String::as_str).collect();
    if missing.is_empty() {
        let label = |name: &str| found.iter().find_map(|stream| stream.stream.get(name).cloned());
        let from = label("compose_service").map_or(String::new(), |name| format!(", {name}'s"));
        return Verdict::Holds(format!("found under the job {}{from}", jobs.join(" and ")));
    }
    Verdict::not_yet(
        format!("the line {nonce} is not found under the job {}", missing.join(" nor ")),
        format!(
            "The collector did not send it: look at its log, and whether it may read /var/lib/docker/containers \
             and the journal. {}",
            see_log(service)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::recorded::{changed, recorded, show};

    /// What the recorded server was given, as far as it is compared.
    const SENT: &str = "
common: {path_prefix: /elsewhere}
compactor:
  working_directory: /loki/compactor
  retention_enabled: true
  delete_request_store: filesystem
  compaction_interval: 10m
  retention_delete_delay: 2h
limits_config: {retention_period: 168h, per_stream_rate_limit: 3MB}
";

    #[test]
    fn the_recorded_configuration_means_what_was_sent() {
        let verdict = configuration("loki", SENT, &recorded("loki-3.4.6/config"));
        insta::assert_snapshot!(show(&verdict), @"holds: runs as sent");
    }

    #[test]
    fn each_changed_field_is_named() {
        let with = |from, to| show(&configuration("loki", SENT, &changed("loki-3.4.6/config", from, to)));
        insta::assert_snapshot!(with("retention_enabled: true", "retention_enabled: false"), @r"
        not yet: loki runs another configuration: compactor.retention_enabled: sent true, running false
        It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs loki`.
        ");
        insta::assert_snapshot!(with("retention_period: 1w", "retention_period: 4w"), @r"
        not yet: loki runs another configuration: limits_config.retention_period: sent 168h, running 4w
        It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs loki`.
        ");
        insta::assert_snapshot!(with("compaction_interval: 10m0s", "compaction_interval: 20m0s"), @r"
        not yet: loki runs another configuration: compactor.compaction_interval: sent 10m, running 20m0s
        It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs loki`.
        ");
        insta::assert_snapshot!(with("delete_request_store: filesystem", "delete_request_store: s3"), @r"
        not yet: loki runs another configuration: compactor.delete_request_store: sent filesystem, running s3
        It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs loki`.
        ");
        insta::assert_snapshot!(with("compactor:", "compactors:"), @r#"
        not yet: loki runs another configuration: compactor: sent {"working_directory":"/loki/compactor","retention_enabled":…, running nothing
        It did not reload, or refused the new file and kept the old one. Read what the service says: `provision logs loki`.
        "#);
    }

    fn look(nonce: &str, jobs: &[&str], answer: &Answer) -> String {
        let jobs: Vec<String> = jobs.iter().map(|job| (*job).to_owned()).collect();
        show(&line("loki", nonce, &jobs, answer))
    }

    #[test]
    fn a_line_is_found_under_its_jobs() {
        let answer = recorded("loki-3.4.6/query_range");
        insta::assert_snapshot!(look("7f3a", &["docker"], &answer), @"holds: found under the job docker, backend's");
        insta::assert_snapshot!(look("7f3a", &["docker", "journal"], &answer), @r"
        not yet: the line 7f3a is not found under the job journal
        The collector did not send it: look at its log, and whether it may read /var/lib/docker/containers and the journal. Read what the service says: `provision logs loki`.
        ");
        insta::assert_snapshot!(look("0000", &["docker"], &answer), @r"
        not yet: the line 0000 is not found under the job docker
        The collector did not send it: look at its log, and whether it may read /var/lib/docker/containers and the journal. Read what the service says: `provision logs loki`.
        ");
        insta::assert_snapshot!(look("7f3a", &["docker"], &recorded("loki-3.4.6/query_range-empty")), @r"
        not yet: the line 7f3a is not found under the job docker
        The collector did not send it: look at its log, and whether it may read /var/lib/docker/containers and the journal. Read what the service says: `provision logs loki`.
        ");
        insta::assert_snapshot!(look("7f3a", &["docker"], &recorded("loki-3.4.6/query_range-bad")), @r"
        refused: loki: 400 from /loki/api/v1/query_range, parse error at line 1, col 5: syntax error: unexpected $end, expecting = or =~ or !~ or !=
        Read what the service says: `provision logs loki`.
        ");
        insta::assert_snapshot!(look("7f3a", &["docker"], &changed("loki-3.4.6/query_range", "\"job\":\"docker\"", "\"job\":\"other\"")), @r"
        not yet: the line 7f3a is not found under the job docker
        The collector did not send it: look at its log, and whether it may read /var/lib/docker/containers and the journal. Read what the service says: `provision logs loki`.
        ");
        insta::assert_snapshot!(look("7f3a", &["docker"], &changed("loki-3.4.6/query_range", "\"values\"", "\"lines\"")), @r"
        not yet: loki: /loki/api/v1/query_range answered something unexpected (application/json; charset=UTF-8): missing field `values` at line 1 column 215
        Something else may listen on that port, or this version of loki answers differently: ask it yourself with `provision tunnel`.
        ");
        insta::assert_snapshot!(look("7f3a", &["docker"], &changed("loki-3.4.6/query_range", "canary 7f3a", "canary")), @r"
        not yet: the line 7f3a is not found under the job docker
        The collector did not send it: look at its log, and whether it may read /var/lib/docker/containers and the journal. Read what the service says: `provision logs loki`.
        ");
    }

    #[test]
    fn a_query_is_answered_with_and_without_lines() {
        let look = |answer: &Answer| show(&query("loki", answer));
        insta::assert_snapshot!(look(&recorded("loki-3.7.6/query_range")), @"holds: answers with lines");
        insta::assert_snapshot!(look(&recorded("loki-3.7.6/query_range-empty")), @"holds: answers; no lines yet");
        let failing = Answer {
            status: 500,
            body: b"too many unhealthy instances in the ring".to_vec(),
            ..recorded("loki-3.7.6/query_range")
        };
        insta::assert_snapshot!(look(&failing), @r"
        not yet: loki: 500 from /loki/api/v1/query_range, too many unhealthy instances in the ring
        Read what the service says: `provision logs loki`.
        ");
    }

    #[test]
    fn the_question_is_a_query() {
        insta::assert_snapshot!(line_path("a1"), @"/loki/api/v1/query_range?query=%7Bjob%3D~%22.%2B%22%7D%20%7C%3D%20%22a1%22&since=10m&limit=20");
    }
}
