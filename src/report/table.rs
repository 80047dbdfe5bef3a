//! Findings as a table.

use console::{Style, measure_text_width, pad_str, truncate_str};

use crate::plan::check::{Finding, Status};
use crate::words::{hold, took, wrap};

/// Where no terminal says how wide it is, what holds is cut to so many columns.
const WIDTH: usize = 160;

/// One line a finding: status, check, what was found, time; what fails first. On a terminal of `width` columns lines
/// are broken between words.
pub(super) fn render(host: &str, findings: &[Finding], width: Option<usize>, colors: bool) -> String {
    let fit = |line: String, indent: &str| {
        // A text of several lines stays below its first: none of them can pass for a line of ours.
        let line = line.replace('\n', &format!("\n        {indent}"));
        match width {
            Some(width) => wrap(&line, width, indent),
            None => line,
        }
    };
    let name_width = findings.iter().map(|f| measure_text_width(&f.check)).max().unwrap_or(0);
    let mut lines = Vec::new();
    let bold = Style::new().bold().force_styling(colors);
    let held = findings.iter().filter(|finding| finding.status == Status::Holds).count();
    lines.push(format!("{} {held} of {}", bold.apply_to(format!("{host}:")), hold(findings.len())));
    let mut findings: Vec<&Finding> = findings.iter().collect();
    findings.sort_by_key(|finding| finding.status != Status::Fails);
    for finding in findings {
        let (mark, style) = match finding.status {
            Status::Holds => ("ok  ", Style::new().green()),
            Status::Fails => ("FAIL", Style::new().red().bold()),
            Status::Skipped => ("skip", Style::new().yellow()),
        };
        let mark = style.force_styling(colors).apply_to(mark);
        let name = pad_str(&finding.check, name_width, console::Alignment::Left, None);
        let time = format!("{:>9}", took(finding.took_ms));
        // What fails is shown whole, what holds fits its line.
        let room = width.unwrap_or(WIDTH).saturating_sub(name_width + 25).max(20);
        let found = if finding.status == Status::Holds {
            truncate_str(&finding.found.replace('\n', " "), room, "…").into_owned()
        } else {
            finding.found.clone()
        };
        let line = format!("  {mark}  {name}  {time}  {found}");
        lines.push(if finding.status == Status::Holds { line } else { fit(line, "      ") });
        if finding.status == Status::Fails {
            let indent = " ".repeat(8);
            lines.push(fit(format!("{indent}expected: {}", finding.expected), "  "));
            if !finding.remedy.is_empty() {
                lines.push(fit(format!("{indent}hint: {}", finding.remedy), "      "));
            }
            lines.extend(finding.detail.iter().map(|line| format!("{indent}| {line}")));
        }
    }
    lines.join("\n")
}

/// The findings in one line: how many hold, and those that do not.
pub(super) fn summary(host: &str, findings: &[Finding]) -> String {
    let held = findings.iter().filter(|finding| finding.status == Status::Holds).count();
    let skipped = findings.iter().filter(|finding| finding.status == Status::Skipped).count();
    let also = if skipped == 0 { String::new() } else { format!(", {skipped} skipped") };
    let failing: Vec<String> = findings
        .iter()
        .filter(|finding| finding.fails())
        .map(|finding| format!("{}: {}", finding.check, finding.found))
        .collect();
    let count = format!("{held} of {}{also}", hold(findings.len()));
    let line = if failing.is_empty() {
        format!("{host}: ok, {count}")
    } else {
        format!("{host}: FAIL, {count}; {}", failing.join("; "))
    };
    line.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_says_what_was_expected_and_what_to_do() {
        let finding = |check: &str, status, found: &str| Finding {
            check: check.to_owned(),
            service: "s".to_owned(),
            status,
            expected: "all up".to_owned(),
            found: found.to_owned(),
            remedy: "Look there.".to_owned(),
            took_ms: 12,
            detail: vec!["level=error no".to_owned()],
        };
        let findings =
            [finding("a.ready", Status::Holds, "ready"), finding("b.targets", Status::Fails, "x is down")];
        insta::assert_snapshot!(render("vps", &findings, Some(80), false), @r"
        vps: 1 of 2 checks hold
          FAIL  b.targets      12 ms  x is down
                expected: all up
                hint: Look there.
                | level=error no
          ok    a.ready        12 ms  ready
        ");
        insta::assert_snapshot!(summary("vps", &findings), @"vps: FAIL, 1 of 2 checks hold; b.targets: x is down");
        insta::assert_snapshot!(summary("vps", &findings[..1]), @"vps: ok, 1 of 1 check holds");
    }
}
