//! A configuration of the kind that the stack ships, and mistakes in it.

use super::super::syntax;
use super::*;

const GOOD: &str = r#"
logging { level = "warn" }

local.file_match "containers" {
  path_targets = [{
    "__path__" = "/var/lib/docker/containers/*/*-json.log",
    "job"      = "docker",
    "host"     = "vps",
  }]
  sync_period = "3s"
}

loki.source.file "containers" {
  targets    = local.file_match.containers.targets
  forward_to = [loki.process.containers.receiver]
}

loki.process "containers" {
  forward_to = [loki.process.redact.receiver]
  stage.json {
    expressions = {container = "attrs.tag", line = "log", compose_service = "attrs.\"com.docker.compose.service\""}
  }
  stage.labels { values = {container = "", compose_service = ""} }
  stage.output { source = "line" }
}

loki.process "redact" {
  forward_to = [loki.write.default.receiver]
  stage.replace {
    expression = `([\w.+-]+@[\w.-]+)`
    replace    = "<mail>"
  }
  stage.label_drop { values = ["filename"] }
  stage.match {
    selector = "{job=\"journal\"}"
    stage.static_labels { values = {a = "b"} }
  }
}

loki.relabel "journal" {
  forward_to = []
  rule {
    source_labels = ["__journal__systemd_unit"]
    target_label  = "unit"
  }
}

loki.source.journal "host" {
  max_age       = "12h"
  labels        = {job = "journal", host = constants.hostname}
  relabel_rules = loki.relabel.journal.rules
  forward_to    = [loki.process.redact.receiver]
}

loki.write "default" {
  endpoint { url = "http://loki:3100/loki/api/v1/push" }
}
"#;

fn read(text: &str) -> Result<Vec<Source>, String> {
    sources(&syntax::parse(text)?)
}

#[test]
fn follows_every_line_to_loki() {
    let all = read(GOOD).unwrap();
    assert_eq!(
        all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["loki.source.file.containers", "loki.source.journal.host"]
    );
    let SourceKind::Files { targets, look_every } = &all[0].kind else { panic!("no files") };
    assert_eq!(*look_every, Duration::from_secs(3));
    assert_eq!(
        (targets[0].pattern.as_str(), targets[0].labels["job"].as_str()),
        ("/var/lib/docker/containers/*/*-json.log", "docker")
    );
    assert_eq!(all[0].routes.len(), 1);
    assert_eq!(
        (all[0].routes[0].0.len(), all[0].routes[0].1.as_str()),
        (6, "http://loki:3100/loki/api/v1/push")
    );
    let SourceKind::Journal(journal) = &all[1].kind else { panic!("no journal") };
    assert_eq!(
        (journal.max_age_seconds, journal.labels["job"].as_str(), journal.rules.len()),
        (43_200, "loki.source.journal.host", 1)
    );
    assert_eq!(all[1].routes[0].0.len(), 3);
}

#[test]
fn refuses_what_alloy_refuses() {
    let error = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        read(&GOOD.replace(from, to)).unwrap_err()
    };
    for (from, to, wanted) in [
        (
            "loki.write.default.receiver",
            "loki.write.other.receiver",
            "component \"loki.write.other.receiver\" does not exist",
        ),
        ("local.file_match.containers.targets", "local.file_match.x.targets", "does not exist"),
        ("loki.relabel.journal.rules", "loki.relabel.journal.rule", "does not exist"),
        ("path_targets", "paths", "unrecognized attribute name \"paths\""),
        ("stage.output", "stage.outputs", "the stand-in does not know the stage `outputs`"),
        ("stage.output", "output", "unrecognized block name \"output\""),
        ("([\\w.+-]+@", "([\\w.+-+@", "could not compile"),
        ("endpoint { url = \"http://loki:3100/loki/api/v1/push\" }", "", "no endpoint"),
        ("loki.write \"default\"", "loki.write", "requires a label"),
        ("loki.write \"default\"", "loki.sink \"default\"", "does not know the component \"loki.sink\""),
        (
            "targets    = local.file_match.containers.targets",
            "targets = [{__path__ = \"/a/*.log\"}]",
            "no local.file_match",
        ),
        (
            "forward_to = [loki.write.default.receiver]",
            "forward_to = [loki.process.redact.receiver]",
            "lead to themselves",
        ),
        ("max_age       = \"12h\"", "max_age = \"long\"", "no duration: long"),
        ("sync_period = \"3s\"", "sync_period = \"soon\"", "no duration: soon"),
        ("target_label  = \"unit\"", "", "needs a target label"),
    ] {
        let message = error(from, to);
        assert!(message.contains(wanted), "{to}: {message}");
    }
}
