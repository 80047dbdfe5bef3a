//! Findings as a table.

use console::{Style, measure_text_width, pad_str, truncate_str};

use crate::plan::check::{Finding, Status};

/// One line a finding: status, check, what was found, time. `width` is the terminal's, in columns.
pub(super) fn render(host: &str, findings: &[Finding], width: usize, colors: bool) -> String {
    let name_width = findings.iter().map(|f| measure_text_width(&f.check)).max().unwrap_or(0);
    let mut lines = Vec::new();
    let bold = Style::new().bold().force_styling(colors);
    let held = findings.iter().filter(|finding| finding.status == Status::Holds).count();
    lines.push(format!("{} {held} of {} checks hold", bold.apply_to(format!("{host}:")), findings.len()));
    for finding in findings {
        let (mark, style) = match finding.status {
            Status::Holds => ("ok  ", Style::new().green()),
            Status::Fails => ("FAIL", Style::new().red().bold()),
            Status::Skipped => ("skip", Style::new().yellow()),
        };
        let mark = style.force_styling(colors).apply_to(mark);
        let name = pad_str(&finding.check, name_width, console::Alignment::Left, None);
        let time = format!("{:>6} ms", finding.took_ms);
        // What fails is shown whole, what holds fits its line.
        let room = width.saturating_sub(name_width + 22).max(20);
        let found = if finding.status == Status::Holds {
            truncate_str(&finding.found, room, "…").into_owned()
        } else {
            finding.found.clone()
        };
        lines.push(format!("  {mark}  {name}  {time}  {found}"));
        if finding.status == Status::Fails {
            let indent = " ".repeat(8);
            lines.push(format!("{indent}expected: {}", finding.expected));
            if !finding.remedy.is_empty() {
                lines.push(format!("{indent}hint: {}", finding.remedy));
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
    let count = format!("{held} of {} checks hold{also}", findings.len());
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
        insta::assert_snapshot!(render("vps", &findings, 80, false), @r"
        vps: 1 of 2 checks hold
          ok    a.ready        12 ms  ready
          FAIL  b.targets      12 ms  x is down
                expected: all up
                hint: Look there.
                | level=error no
        ");
        insta::assert_snapshot!(summary("vps", &findings), @"vps: FAIL, 1 of 2 checks hold; b.targets: x is down");
        insta::assert_snapshot!(summary("vps", &findings[..1]), @"vps: ok, 1 of 1 checks hold");
    }
}
