//! What the collectors do to a line, tried on lines: they name container and level alike, and what is personal or
//! secret does not leave them. The regular expressions are taken from the rendered configurations.

use regex_lite::Regex;
use serde_yaml::Value;

use super::{full, text, variant};

/// Promtail's stages of a job, in order.
fn stages(job: &str) -> Vec<Value> {
    let release = variant("promtail");
    let configuration: Value = serde_yaml::from_str(text(&release, "promtail/promtail.yml")).unwrap();
    let jobs = configuration["scrape_configs"].as_sequence().unwrap();
    let job = jobs.iter().find(|found| found["job_name"] == job).unwrap();
    job["pipeline_stages"].as_sequence().unwrap().clone()
}

/// What finds the line's end that Docker keeps.
const ENDING: &str = r"(\r?\n)$";

/// The expressions of the stages that change the line itself.
fn redactions(job: &str) -> Vec<Regex> {
    let replaces = stages(job).into_iter().filter_map(|stage| stage.get("replace").cloned());
    replaces
        .filter(|replace| replace.get("source").is_none() && replace["expression"] != ENDING)
        .map(|replace| {
            assert_eq!(replace["replace"], "<redacted>");
            Regex::new(replace["expression"].as_str().unwrap()).unwrap()
        })
        .collect()
}

/// As the collectors' `replace` stage does it: what the group matched is replaced, the rest stays.
fn redacted(line: &str, expressions: &[Regex]) -> String {
    let mut line = line.to_owned();
    for expression in expressions {
        let mut result = String::new();
        let mut at = 0;
        for found in expression.captures_iter(&line) {
            let group = found.get(1).unwrap();
            result.push_str(&line[at..group.start()]);
            result.push_str("<redacted>");
            at = group.end();
        }
        result.push_str(&line[at..]);
        line = result;
    }
    line
}

#[test]
fn personal_data_and_tokens_do_not_leave_the_collector() {
    let expressions = redactions("docker");
    for (line, wanted) in [
        ("login of marie.dupont+x@koprogo.com failed", "login of <redacted> failed"),
        ("{\"email\":\"a@b.example\",\"id\":7}", "{\"email\":\"<redacted>\",\"id\":7}"),
        ("authorization: Bearer abcdefgh.ij-kl_mn==", "authorization: Bearer <redacted>"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27 ok", "jwt <redacted> ok"),
        ("paid from BE68 5390 0754 7034, thanks", "paid from <redacted>, thanks"),
        ("iban=FR7630006000011234567890189", "iban=<redacted>"),
        ("NO93 8601 1117 947", "<redacted>"),
        ("POST /login?user=7&password=hunter22&next=/", "POST /login?user=7&password=<redacted>&next=/"),
        ("{\"api_key\": \"k-123456\"}", "{\"api_key\": \"<redacted>\"}"),
    ] {
        assert_eq!(redacted(line, &expressions), wanted);
    }
}

#[test]
fn what_is_neither_stays_as_it_was() {
    let expressions = redactions("docker");
    for line in [
        "2026-11-24T13:25:16.123456Z  INFO koprogo: 200 GET /api/v1/buildings/42 in 12 ms",
        "level=error ts=2026-11-24T13:25:16Z msg=\"context deadline exceeded\" ip=192.0.2.7:51234",
        "container 420c6b40a25d70b3ee28bbe38b46cf6ca6ae93d69a5a8ab9e4b6d3b6612a4fbd started",
        "2026-11-24 13:25:16.123 UTC [71] LOG:  checkpoint complete: wrote 3 buffers (0.0%)",
        "tokens: 5000, passwords changed: 3, 7 secrets",
        "HTTP/1.1 500 in POST /api/v1/owners; request 17A1-B2C3-D4E5",
    ] {
        assert_eq!(redacted(line, &expressions), line);
    }
}

#[test]
fn both_collectors_and_both_sources_redact_alike() {
    let text_of =
        |expressions: &[Regex]| -> Vec<String> { expressions.iter().map(ToString::to_string).collect() };
    let docker = text_of(&redactions("docker"));
    assert!(docker.len() >= 4);
    assert_eq!(text_of(&redactions("journal")), docker);
    let release = full();
    let alloy = text(&release, "alloy/config.alloy");
    for (process, write) in [("redact", "loki"), ("redact_journal", "journal")] {
        let (_, redact) = alloy.split_once(&format!("loki.process \"{process}\" {{")).unwrap();
        let (redact, _) = redact.split_once("\n}\n").unwrap();
        let in_alloy: Vec<String> = redact
            .lines()
            .filter_map(|line| line.trim().strip_prefix("expression = "))
            .map(|quoted| serde_json::from_str(quoted).unwrap())
            .collect();
        assert_eq!(in_alloy, docker, "{process}");
        // Nothing reaches Loki but by way of these.
        let receiver = format!("loki.write.{write}.receiver");
        assert_eq!(alloy.matches(&receiver).count(), 1);
        assert!(redact.contains(&receiver));
    }
}

/// As many lines as Docker keeps of a container: 30 MB, of records that are seldom shorter than this.
const DOCKER_KEEPS: u64 = 30_000_000 / 150;

#[test]
fn no_container_and_no_unit_takes_the_room_of_another() {
    let limit = |job: &str| {
        let stages = stages(job);
        let mut limits = stages.iter().filter_map(|stage| stage.get("limit"));
        let limit = limits.next().unwrap().clone();
        assert!(limits.next().is_none());
        assert_eq!(limit["drop"], true, "a stage that waits would hold up all others");
        let text = |key: &str| serde_yaml::to_string(&limit[key]).unwrap().trim().to_owned();
        (text("by_label_name"), text("rate"), limit["burst"].as_u64().unwrap())
    };
    let (docker, journal) = (limit("docker"), limit("journal"));
    assert_eq!((docker.0.as_str(), journal.0.as_str()), ("container", "unit"));
    assert!(docker.2 >= DOCKER_KEEPS, "a collector that catches up would lose lines");
    let release = full();
    let alloy = text(&release, "alloy/config.alloy");
    for (process, (label, rate, burst)) in [("containers", docker), ("journal", journal)] {
        let (_, process) = alloy.split_once(&format!("loki.process \"{process}\" {{")).unwrap();
        let (_, stage) = process.split_once("stage.limit {\n").unwrap();
        let (stage, _) = stage.split_once('}').unwrap();
        let stage: Vec<String> =
            stage.lines().map(|line| line.replace(' ', "")).filter(|line| !line.is_empty()).collect();
        let wanted = [
            format!("rate={rate}"),
            format!("burst={burst}"),
            "drop=true".to_owned(),
            format!("by_label_name=\"{label}\""),
        ];
        assert_eq!(stage, wanted);
    }
}

/// The level that a line gets: the stages on `level` in their order.
fn level(line: &str, stages: &[Value]) -> Option<String> {
    let mut level: Option<String> = None;
    for stage in stages {
        if let Some(regex) = stage.get("regex").filter(|regex| regex.get("source").is_none()) {
            let expression = Regex::new(regex["expression"].as_str().unwrap()).unwrap();
            if let Some(found) = expression.captures(line) {
                level = Some(found.name("level").unwrap().as_str().to_owned());
            }
        } else if stage.get("template").is_some() {
            assert_eq!(stage["template"]["template"], "{{ ToLower .Value }}");
            level = level.map(|level| level.to_lowercase());
        } else if let Some(replace) = stage.get("replace").filter(|stage| stage.get("source").is_some()) {
            let expression = Regex::new(replace["expression"].as_str().unwrap()).unwrap();
            if level.as_ref().is_some_and(|level| expression.is_match(level)) {
                level = Some(replace["replace"].as_str().unwrap().to_owned());
            }
        }
    }
    level
}

#[test]
fn a_line_gets_one_of_six_levels_or_none() {
    let stages = stages("docker");
    for (line, wanted) in [
        ("2026-11-24T13:25:16Z  WARN koprogo::db: slow statement, no error", Some("warn")),
        ("level=info msg=\"error budget\"", Some("info")),
        ("{\"msg\":\"an error\",\"level\":\"WARNING\"}", Some("warn")),
        ("{\"severity\": \"Critical\"}", Some("fatal")),
        ("2026-11-24T13:25:16Z ERR service not found", Some("error")),
        ("2026-11-24 13:25:16 UTC [71] FATAL:  role does not exist", Some("fatal")),
        ("nginx: [notice] start worker process", Some("info")),
        ("2026-11-24 13:25:16 UTC [71] LOG:  checkpoint starting: time", None),
        ("informed the terror squad", None),
    ] {
        assert_eq!(level(line, &stages).as_deref(), wanted, "{line}");
    }
}

/// `|~ "text$"` finds what `echo text` wrote in a container.
#[test]
fn a_line_ends_where_its_text_does() {
    let removes =
        stages("docker").into_iter().find(|stage| stage["replace"]["expression"] == ENDING).unwrap();
    assert_eq!(removes["replace"]["replace"], "");
    let release = full();
    let alloy = text(&release, "alloy/config.alloy");
    let quoted = serde_json::to_string(ENDING).unwrap();
    let (_, stage) = alloy.split_once(&format!("stage.replace {{\n    expression = {quoted}\n")).unwrap();
    assert!(stage.starts_with("    replace    = \"\"\n"), "{stage}");
    let ending = Regex::new(ENDING).unwrap();
    for (line, wanted) in [("text\n", "text"), ("text\r\n", "text"), ("a\nb\n", "a\nb"), ("part", "part")] {
        assert_eq!(ending.replace_all(line, ""), wanted);
    }
}

/// Alloy names its component as the job of a journal's line, whatever `labels` says.
#[test]
fn a_line_of_the_journal_has_the_job_journal() {
    let release = full();
    let alloy = text(&release, "alloy/config.alloy");
    let (_, rules) = alloy.split_once("loki.relabel \"journal\" {").unwrap();
    assert!(rules.contains("    target_label = \"job\"\n    replacement  = \"journal\"\n"), "{rules}");
}
