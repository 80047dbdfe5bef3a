//! Findings as JUnit XML: one suite a host, one case a check.

use std::fmt::Write as _;

use super::markup;
use super::record::Record;
use crate::plan::check::{Finding, Status};

/// The whole file.
pub(super) fn render(record: &Record) -> String {
    let text = escape;
    let mut suites = String::new();
    let (mut tests, mut failures) = (0, 0);
    for (host, findings) in &record.findings {
        let failed = findings.iter().filter(|finding| finding.fails()).count();
        let skipped = findings.iter().filter(|finding| finding.status == Status::Skipped).count();
        let total: u64 = findings.iter().map(|finding| finding.took_ms).max().unwrap_or(0);
        tests += findings.len();
        failures += failed;
        let _ = writeln!(
            suites,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" \
             time=\"{}\" timestamp=\"{}\">",
            text(host),
            findings.len(),
            seconds(total),
            record.begun.strftime("%Y-%m-%dT%H:%M:%S")
        );
        for finding in findings {
            case(&mut suites, finding, &text);
        }
        suites.push_str("  </testsuite>\n");
    }
    let errors = record.errors.len();
    if errors > 0 {
        let _ = writeln!(
            suites,
            "  <testsuite name=\"provision\" tests=\"{errors}\" failures=\"0\" errors=\"{errors}\">"
        );
        for error in &record.errors {
            let mut body: Vec<String> = error.causes().to_vec();
            body.extend(error.all_problems().iter().map(|p| format!("{}: {} {}", p.place, p.what, p.hint)));
            body.extend(error.output_lines().iter().map(|line| format!("| {line}")));
            body.extend(error.notes().iter().map(|note| format!("now: {note}")));
            body.extend(error.hints().iter().map(|hint| format!("hint: {hint}")));
            let _ = writeln!(
                suites,
                "    <testcase classname=\"provision\" name=\"{}\">\n      <error message=\"{}\">{}</error>\n    </testcase>",
                text(&record.title),
                text(&format!("failed to {}", error.doing())),
                text(&body.join("\n"))
            );
        }
        suites.push_str("  </testsuite>\n");
        tests += errors;
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n{suites}</testsuites>\n",
        text(&record.title)
    )
}

fn case(suites: &mut String, finding: &Finding, text: &dyn Fn(&str) -> String) {
    let class = if finding.service.is_empty() { "stack" } else { &finding.service };
    let _ = write!(
        suites,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
        text(class),
        text(&finding.check),
        seconds(finding.took_ms)
    );
    match finding.status {
        Status::Holds => suites.push_str("/>\n"),
        Status::Skipped => {
            let _ = writeln!(suites, "><skipped message=\"{}\"/></testcase>", text(&finding.found));
        }
        Status::Fails => {
            let mut body =
                vec![format!("expected: {}", finding.expected), format!("found: {}", finding.found)];
            if !finding.remedy.is_empty() {
                body.push(format!("hint: {}", finding.remedy));
            }
            body.extend(finding.detail.iter().map(|line| format!("| {line}")));
            let _ = writeln!(
                suites,
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                text(&finding.found),
                text(&body.join("\n"))
            );
        }
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// Text for an attribute as well: a reader of XML would make spaces of line ends and tabs there.
fn escape(text: &str) -> String {
    markup::escape(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_suites_and_cases() {
        insta::assert_snapshot!(render(&super::super::record::sample()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="provision deploy" tests="5" failures="1" errors="2">
          <testsuite name="vps" tests="3" failures="1" errors="0" skipped="1" time="4.000" timestamp="2026-11-24T10:00:00">
            <testcase classname="prometheus" name="prometheus.ready" time="0.120"/>
            <testcase classname="prometheus" name="prometheus.targets" time="4.000">
              <failure message="job &lt;node&gt; is down">expected: all targets up&#10;found: job &lt;node&gt; is down&#10;hint: See its log &amp; wait.&#10;| level=error ::error::x</failure>
            </testcase>
            <testcase classname="loki" name="loki.canary" time="0.000"><skipped message="ready"/></testcase>
          </testsuite>
          <testsuite name="provision" tests="2" failures="0" errors="2">
            <testcase classname="provision" name="provision deploy">
              <error message="failed to prove the new release">x: 50% of,&#10;it&#10;hint: Wait.</error>
            </testcase>
            <testcase classname="provision" name="provision deploy">
              <error message="failed to load prod">inventory/prod.yml:1:1: is wrong Do this.</error>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
