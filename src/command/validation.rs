//! What the image of a service said of a configuration that it refuses: the one line of it that is the cause.

use crate::error::Error;
use crate::host::Ended;
use crate::logfmt;

/// How long a cause may be, in characters.
const LONGEST: usize = 400;

/// Adds to `error` why a service's own tool refused the configuration; `said` is `SERVICE STATUS`.
pub(super) fn explain(error: Error, ended: &Ended, said: &str) -> Error {
    let (service, status) = said.split_once(' ').unwrap_or((said, ""));
    let lines: Vec<&str> = ended
        .validations
        .iter()
        .filter(|(of, _)| of == service)
        .map(|(_, line)| line.as_str())
        .filter(|line| !line.trim().is_empty())
        .collect();
    let why = match (status, cause(&lines)) {
        ("124", _) => "its tool did not end within 60 s".to_owned(),
        ("125", Some(why)) => format!("docker could not run its tool: {why}"),
        (_, Some(why)) => why,
        (status, None) => format!("its tool ended with exit status {status} and said nothing"),
    };
    let several = lines.len() > 1;
    error
        .cause(format!("{service} refuses its new configuration: {why}"))
        .output(lines.into_iter().filter(|_| several).map(|line| format!("{service} | {line}")))
}

/// The first error among the lines of a tool: promtool's and amtool's `FAILED: …`, Loki's `err="…"`, Alloy's `Error: …`;
/// of a tool that marks none the last line.
fn cause(lines: &[&str]) -> Option<String> {
    let marked = ["FAILED:", "level=error", "Error:", "error:", "failed", "rror"]
        .iter()
        .find_map(|mark| lines.iter().position(|line| line.contains(mark)).map(|at| (at, *mark)));
    let (at, text) = match marked {
        Some((at, mark)) => (at, after(lines[at], mark)),
        None => (lines.len().checked_sub(1)?, (*lines.last()?).to_owned()),
    };
    let mut text = text.trim().to_owned();
    // The words for it may come on the next line.
    if let Some(next) = lines.get(at + 1).filter(|_| text.is_empty() || text.ends_with(':')) {
        text = [text.as_str(), next.trim()].join(" ").trim_start().into();
    }
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST - 1).collect::<String>() + "…";
    }
    (!text.is_empty()).then_some(text)
}

/// What a line says after `mark`; of a line in logfmt its `err`, or its `msg`.
fn after(line: &str, mark: &str) -> String {
    if let Some(value) = ["err", "error", "msg"].iter().find_map(|key| logfmt::field(line, key)) {
        return value;
    }
    match mark {
        "FAILED:" | "Error:" => line.split_once(mark).map_or(line, |(_, rest)| rest).to_owned(),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn of(status: &str, output: &str) -> String {
        let ended = Ended {
            outcome: "refused".to_owned(),
            returning: None,
            errors: Vec::new(),
            container_log: Vec::new(),
            validations: output.lines().map(|line| ("web".to_owned(), line.to_owned())).collect(),
        };
        let error = Error::new(Kind::Failed, "validate the new configuration");
        explain(error, &ended, &format!("web {status}")).to_string()
    }

    /// The outputs are those of promtool 2.42 and 3.13, amtool 0.25, Loki 3.7 and Alloy 1.19.
    #[test]
    fn the_first_error_of_each_tool_is_the_cause() {
        insta::assert_snapshot!(of("1", "Checking /etc/prometheus/prometheus.yml\n  FAILED: parsing YAML file /etc/prometheus/prometheus.yml: not a valid duration string: \"15x\"\n"), @r#"validate the new configuration: web refuses its new configuration: parsing YAML file /etc/prometheus/prometheus.yml: not a valid duration string: "15x""#);
        insta::assert_snapshot!(of("1", "Checking prometheus.yml\n SUCCESS: prometheus.yml is valid prometheus config file syntax\n\nChecking /etc/prometheus/alerts/a.yml\n  FAILED:\n     /etc/prometheus/alerts/a.yml: not a valid duration string: \"1h1d\"\n"), @r#"validate the new configuration: web refuses its new configuration: /etc/prometheus/alerts/a.yml: not a valid duration string: "1h1d""#);
        insta::assert_snapshot!(of("1", "amtool: error: failed to validate 1 file(s)\n\nChecking '/etc/alertmanager/alertmanager.yml'  FAILED: undefined receiver \"x\" used in route\n"), @r#"validate the new configuration: web refuses its new configuration: undefined receiver "x" used in route"#);
        insta::assert_snapshot!(of("1", "failed parsing config: /etc/loki/loki.yml: yaml: unmarshal errors:\n  line 64: field nosuch not found in type loki.ConfigWrapper. Use `-config.expand-env=true` flag\n"), @"validate the new configuration: web refuses its new configuration: failed parsing config: /etc/loki/loki.yml: yaml: unmarshal errors: line 64: field nosuch not found in type loki.ConfigWrapper. Use `-config.expand-env=true` flag");
        insta::assert_snapshot!(of("1", r#"level=error ts=2026-11-28T05:32:47.083001128Z caller=main.go:92 msg="validating config" err="CONFIG ERROR: invalid compactor config: compactor.delete-request-store should be configured when retention is enabled""#), @"validate the new configuration: web refuses its new configuration: CONFIG ERROR: invalid compactor config: compactor.delete-request-store should be configured when retention is enabled");
        insta::assert_snapshot!(of("1", "Error: /etc/alloy/config.alloy:5:3: unrecognized attribute name \"levle\"\n\n4 | logging {\n5 |   levle = \"warn\"\n  |   ^^^^^\n"), @r#"validate the new configuration: web refuses its new configuration: /etc/alloy/config.alloy:5:3: unrecognized attribute name "levle""#);
    }

    #[test]
    fn a_tool_that_marks_nothing_says_nothing_or_does_not_end_has_a_cause_too() {
        insta::assert_snapshot!(of("2", "one\ntwo\n"), @"validate the new configuration: web refuses its new configuration: two");
        insta::assert_snapshot!(of("3", ""), @"validate the new configuration: web refuses its new configuration: its tool ended with exit status 3 and said nothing");
        insta::assert_snapshot!(of("124", "reading\n"), @"validate the new configuration: web refuses its new configuration: its tool did not end within 60 s");
        insta::assert_snapshot!(of("125", "docker: Error response from daemon: No such image: lab/none:1\n"), @"validate the new configuration: web refuses its new configuration: docker could not run its tool: docker: Error response from daemon: No such image: lab/none:1");
        assert!(of("1", &format!("Error: {}", "x".repeat(500))).ends_with("xx…"));
    }
}
