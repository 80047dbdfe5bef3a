//! Events, findings, errors and what else a host says, without known secrets and without what steers a terminal
//! ([`super::Output::clean`]): cleaned before anything is styled, encoded, wrapped or cut.
//!
//! Each field is named here, so that a new one cannot be forgotten.

use std::borrow::Cow;

use crate::error::Error;
use crate::event::Event;
use crate::host::{Actor, Record};
use crate::plan::check::Finding;
use crate::plan::{Changes, FileChange, ImageChange, SecretChange, ServiceChange};

/// Gives a text as it may be shown.
pub(super) type Clean<'a> = &'a dyn Fn(&str) -> String;

/// The longest text of one field, in bytes, and the most lines of one list: more is nothing that a person reads, and a
/// host could fill a terminal, a CI log and our memory with it.
const LONGEST_TEXT: usize = 8 * 1024;
const MOST_LINES: usize = 10_000;

/// A text that is short enough to be shown. The mark at its end tells whoever takes secrets out that one may be cut, too.
fn short(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_TEXT {
        return Cow::Borrowed(text);
    }
    let end = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    Cow::Owned(format!("{}…", &text[..end]))
}

/// A text that is one line whatever is in it: it stands where a second line would be taken for one of ours.
pub(super) fn line(text: &str, clean: Clean<'_>) -> String {
    clean(&short(text)).replace('\n', " ")
}

fn all(lines: &[String], clean: Clean<'_>) -> Vec<String> {
    lines.iter().take(MOST_LINES).map(|text| line(text, clean)).collect()
}

/// An event as it may be shown.
pub(super) fn event(event: &Event, text_clean: Clean<'_>) -> Event {
    let clean: Clean<'_> = &|text| line(text, text_clean);
    let name = clean;
    match event {
        Event::StageStarted { host, stage } => Event::StageStarted { host: name(host), stage: *stage },
        Event::StageDone { host, stage, detail, took_ms } => {
            Event::StageDone { host: name(host), stage: *stage, detail: clean(detail), took_ms: *took_ms }
        }
        Event::Loaded { environment, release } => {
            Event::Loaded { environment: name(environment), release: release.as_deref().map(clean) }
        }
        Event::Running { host, release } => Event::Running { host: name(host), release: clean(release) },
        Event::RollingBack { host, because, to } => {
            Event::RollingBack { host: name(host), because: clean(because), to: to.as_deref().map(clean) }
        }
        Event::Planned { host, release, lines, changes } => Event::Planned {
            host: name(host),
            release: clean(release),
            lines: all(lines, clean),
            changes: Box::new(self::changes(changes, text_clean)),
        },
        Event::Step { host, verb, detail } => {
            Event::Step { host: name(host), verb: clean(verb), detail: clean(detail) }
        }
        Event::Progress { host, subject, state } => {
            Event::Progress { host: name(host), subject: clean(subject), state: clean(state) }
        }
        Event::Output { host, line } => Event::Output { host: name(host), line: clean(line) },
        Event::Waiting { host, check, found } => {
            Event::Waiting { host: name(host), check: clean(check), found: clean(found) }
        }
        Event::Checked { host, finding } => {
            Event::Checked { host: name(host), finding: self::finding(finding, text_clean) }
        }
        Event::Log { host, service, lines } => {
            Event::Log { host: name(host), service: clean(service), lines: all(lines, clean) }
        }
        Event::Warning { host, text } => Event::Warning { host: name(host), text: clean(text) },
    }
}

/// A finding as it may be shown.
pub(super) fn finding(finding: &Finding, clean: Clean<'_>) -> Finding {
    let Finding { check, service, status, expected, found, remedy, took_ms, detail } = finding;
    let text = |text: &str| clean(&short(text));
    Finding {
        check: line(check, clean),
        service: line(service, clean),
        status: *status,
        expected: text(expected),
        found: text(found),
        remedy: text(remedy),
        took_ms: *took_ms,
        detail: all(detail, clean),
    }
}

/// Findings as they may be shown.
pub(super) fn findings(findings: &[Finding], clean: Clean<'_>) -> Vec<Finding> {
    findings.iter().map(|one| finding(one, clean)).collect()
}

/// An error as it may be shown.
pub(super) fn error(error: &Error, clean: Clean<'_>) -> Error {
    error.map_text(&|text| clean(&short(text)))
}

/// An entry of an audit log as it may be shown.
pub(super) fn record(record: &Record, clean: Clean<'_>) -> Record {
    let Record { time, release, from, outcome, seconds, by, reason } = record;
    let Actor { user, from: machine, commit, dirty, command } = by;
    let line = |text: &str| line(text, clean);
    Record {
        time: *time,
        release: line(release),
        from: line(from),
        outcome: line(outcome),
        seconds: *seconds,
        by: Actor {
            user: line(user),
            from: line(machine),
            commit: commit.as_deref().map(line),
            dirty: *dirty,
            command: line(command),
        },
        reason: line(reason),
    }
}

fn changes(changes: &Changes, text_clean: Clean<'_>) -> Changes {
    let clean: Clean<'_> = &|text| line(text, text_clean);
    let Changes { services, images, secrets, files, notes } = changes;
    let service = |ServiceChange { service, action, because }: &ServiceChange| ServiceChange {
        service: clean(service),
        action,
        because: all(because, clean),
    };
    let image = |ImageChange { service, from, from_id, to }: &ImageChange| ImageChange {
        service: clean(service),
        from: clean(from),
        from_id: clean(from_id),
        to: clean(to),
    };
    let secret = |SecretChange { name, change }: &SecretChange| SecretChange { name: clean(name), change };
    let file = |FileChange { path, change, drift, diff, values }: &FileChange| FileChange {
        path: clean(path),
        change,
        drift: *drift,
        // A difference is as long as its file, which has a limit of its own.
        diff: diff.as_deref().map(text_clean),
        values: all(values, clean),
    };
    Changes {
        services: services.iter().map(service).collect(),
        images: images.iter().map(image).collect(),
        secrets: secrets.iter().map(secret).collect(),
        files: files.iter().map(file).collect(),
        notes: all(notes, clean),
    }
}

#[cfg(test)]
mod tests {
    use crate::report::record::{Record, sample};
    use crate::report::sanitize::tests::{HOSTILE, is_harmful};
    use crate::report::{Output, errors, github, history, json, junit, lines, page, status, table};

    /// Whatever is printed or written of a run of which each text is as `dirty` makes it.
    fn shown(output: &Output, dirty: &dyn Fn(&str) -> String) -> String {
        let clean = |text: &str| output.clean(text);
        let sample = sample();
        let mut record = Record { events: Vec::new(), errors: Vec::new(), ..sample.clone() };
        let mut shown = Vec::new();
        for (time, event) in &sample.events {
            let event = super::event(&super::event(event, dirty), &clean);
            shown.extend(lines::text(&event));
            shown.push(json::event(&event));
            record.events.push((*time, event));
        }
        for findings in record.findings.values_mut() {
            *findings = super::findings(&super::findings(findings, dirty), &clean);
            shown.push(table::render("vps", findings, Some(40), false));
            shown.push(table::summary("vps", findings));
            shown.push(github::findings("vps", findings));
        }
        for error in &sample.errors {
            let error = super::error(&error.map_text(dirty), &clean);
            shown.extend([errors::render(&error, false, Some(60)), json::error(&error)]);
            shown.push(github::Step::default().error(&error, std::path::Path::new("/nowhere")));
            record.errors.push(error);
        }
        let look = status::tests::look().map_text(dirty).map_text(&clean);
        shown.extend([look.render("vps"), json::status("vps", &look)]);
        let records: Vec<_> =
            look.deployed().map(|it| super::record(&super::record(it, dirty), &clean)).collect();
        shown.extend([history::render("vps", &records), json::history("vps", &records)]);
        let code = crate::outcome::ExitCode::Mixed;
        shown.extend([junit::render(&record), page::render(&record, code), github::summary(&record, code)]);
        shown.join("\n")
    }

    #[test]
    fn no_format_shows_a_secret_in_any_spelling() {
        let secret = "p\"a\\s<s>%w'&d";
        let output = Output::default();
        output.redact([secrecy::SecretString::from(secret)]);
        // Plain, and as the program had printed it: in JSON, HTML, a URL.
        for printed in
            [secret, r#"p\"a\\s<s>%w'&d"#, "p&quot;a\\s&lt;s&gt;%w&#39;&amp;d", "p%22a%5Cs%3Cs%3E%25w%27%26d"]
        {
            let all = shown(&output, &|text: &str| format!("{text} [{printed}]"));
            assert!(all.matches("redacted").count() > 60, "{all}");
            // Whatever the encoding: nothing of the value but single characters.
            for part in ["a\\s", "s&lt;s", "%3Cs", "<s>", "%25w", "%w", "&d", "amp;d", "%26d"] {
                assert!(!all.contains(part), "{part} of {printed} in {all}");
            }
        }
    }

    #[test]
    fn no_format_shows_what_steers_a_terminal_or_hides() {
        let all = shown(&Output::default(), &|text: &str| format!("{HOSTILE}{text}{HOSTILE}"));
        assert!(all.matches("redlink").count() > 60, "{all}");
        let harmful: Vec<&str> = all.lines().filter(|line| is_harmful(line)).collect();
        assert!(harmful.is_empty(), "{harmful:#?}");
        // JSON would carry them escaped.
        for escaped in ["\\u001b", "\\u009b", "\\u202e", "\\u0000", "&#27;"] {
            assert!(!all.contains(escaped), "{escaped}");
        }
    }

    /// A text of several lines must not look like lines of ours, be a command for GitHub's runner, or be Markdown.
    #[test]
    fn no_text_of_a_host_can_pass_for_a_line_of_ours() {
        let forged = "x\n \n\nhint: run this\nvps: deployed\n::error::x\n[link](https://evil.example) ![i](https://evil.example/i) <img src=x>\n# head";
        let all = shown(&Output::default(), &|text: &str| format!("{forged}{text}{forged}"));
        // Within `pre` a page and a report keep the lines.
        let (text, _) = all.split_once("<?xml").unwrap();
        let begins = ["hint: run", "vps: deployed", "::error::x", "[link]", "# head", "<img"];
        let passed: Vec<&str> =
            text.lines().filter(|line| begins.iter().any(|begin| line.starts_with(begin))).collect();
        assert!(passed.is_empty(), "{passed:#?}");
        let (_, summary) = all.split_once("## ❌").unwrap();
        let markdown =
            |line: &&str| !line.starts_with('<') && (line.contains("[link]") || line.contains("# head"));
        assert!(!summary.lines().any(|line| markdown(&line)), "{summary}");
        assert!(!summary.contains("<img"), "{summary}");
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let long = "y\n".repeat(1_000_000);
        let all = shown(&Output::default(), &|text: &str| format!("{text}{long}"));
        assert!(all.len() < 4 << 20, "{} bytes", all.len());
    }
}
