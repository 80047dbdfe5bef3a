//! An error as a person reads it.

use std::fmt::Write as _;

use console::Style;

use crate::error::{Error, Kind, Problem};
use crate::words::wrap;

/// How many problems are shown; the rest is counted.
const SHOWN: usize = 30;

/// The whole text, several lines; on a terminal of `width` columns they are broken between words. What stands in files
/// and what a host printed stays as it is.
pub(super) fn render(error: &Error, colors: bool, width: Option<usize>) -> String {
    let fit = |line: String, indent: &str| {
        // A text of several lines stays below its first: none of them can pass for a line of ours.
        let line = line.replace('\n', &format!("\n    {indent}"));
        match width {
            Some(width) => wrap(&line, width, indent),
            None => line,
        }
    };
    let style = |style: Style| style.force_styling(colors);
    let bad = style(Style::new().red().bold());
    let hint = style(Style::new().cyan());
    let dim = style(Style::new().dim());
    let mut text = String::new();
    let host = error.host_name().map_or_else(String::new, |host| format!("{host}: "));
    let word = match error.kind() {
        Kind::Internal => "bug",
        Kind::Interrupted => "interrupted",
        _ => "error",
    };
    let failed = if error.kind() == Kind::Interrupted { "" } else { "failed to " };
    let first = format!("{}: {host}{failed}{}", bad.apply_to(word), error.doing());
    let _ = writeln!(text, "{}", fit(first, "  "));
    for cause in error.causes() {
        let _ = writeln!(text, "{}", fit(format!("  {cause}"), "  "));
    }
    let problems = error.all_problems();
    for problem in problems.iter().take(SHOWN) {
        render_problem(&mut text, problem, &hint, &dim, &fit);
    }
    if problems.len() > SHOWN {
        let _ = writeln!(text, "  … and {} more", problems.len() - SHOWN);
    }
    for line in error.output_lines() {
        let _ = writeln!(text, "  {} {}", dim.apply_to("|"), line.replace('\n', " "));
    }
    for line in error.notes() {
        let line = format!("{}: {line}", style(Style::new().green()).apply_to("now"));
        let _ = writeln!(text, "{}", fit(line, "     "));
    }
    for line in error.hints() {
        let _ = writeln!(text, "{}", fit(format!("{}: {line}", hint.apply_to("hint")), "      "));
    }
    if error.kind() == Kind::Internal {
        let _ = writeln!(
            text,
            "{}: This is a bug in provision: please report it with this text.",
            hint.apply_to("hint")
        );
    }
    text
}

fn render_problem(
    text: &mut String,
    problem: &Problem,
    hint: &Style,
    dim: &Style,
    fit: &dyn Fn(String, &str) -> String,
) {
    let _ = writeln!(text, "\n{}", fit(format!("  {}: {}", problem.place, problem.what), "  "));
    if !problem.place.text.is_empty() {
        let _ =
            writeln!(text, "    {} {}", dim.apply_to("|"), problem.place.text.trim_end().replace('\n', " "));
        if problem.place.column > 0 {
            let before = " ".repeat(problem.place.column - 1);
            let _ = writeln!(text, "    {} {before}^", dim.apply_to("|"));
        }
    }
    if !problem.hint.is_empty() {
        let line = format!("    {}: {}", hint.apply_to("hint"), problem.hint);
        let _ = writeln!(text, "{}", fit(line, "      "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    #[test]
    fn an_error_says_what_where_and_what_to_do() {
        let error = Error::new(Kind::Unreachable, "connect to 203.0.113.10:22")
            .host("vps")
            .cause("connection refused")
            .hint("Is sshd running there?");
        insta::assert_snapshot!(render(&error, false, None), @r"
        error: vps: failed to connect to 203.0.113.10:22
          connection refused
        hint: Is sshd running there?
        ");
    }

    #[test]
    fn on_a_terminal_lines_are_broken_between_words() {
        let error = Error::new(Kind::Failed, "activate the release")
            .host("vps")
            .cause("pull failed: registry.example/prometheus:9: manifest unknown")
            .output(["a line of a container stays as it is, however long it is".to_owned()])
            .note("The host runs release 0a again, and that was verified.")
            .hint("Is the name right, and does that tag exist? Try `docker pull` there.");
        insta::assert_snapshot!(render(&error, false, Some(40)), @r"
        error: vps: failed to activate the
          release
          pull failed:
            registry.example/prometheus:9:
            manifest unknown
          | a line of a container stays as it is, however long it is
        now: The host runs release 0a again, and
             that was verified.
        hint: Is the name right, and does that
              tag exist? Try `docker pull`
              there.
        ");
    }

    #[test]
    fn a_problem_shows_its_line_and_column() {
        let place = Place::at("inventory/prod.yml", "a: 1\n  alert_email: x\n", 2, 3);
        let error =
            Error::problems("load the inventory of prod", vec![Problem::new(place, "is wrong", "Do this.")]);
        insta::assert_snapshot!(render(&error, false, None), @r"
        error: failed to load the inventory of prod

          inventory/prod.yml:2:3: is wrong
            |   alert_email: x
            |   ^
            hint: Do this.
        ");
    }
}
