//! Events, findings and errors without known secrets: cleaned before anything is encoded, wrapped or cut.
//!
//! Each field is named here, so that a new one cannot be forgotten.

use crate::event::Event;
use crate::plan::check::Finding;
use crate::plan::{Changes, FileChange, ImageChange, SecretChange, ServiceChange};

/// Takes secrets out of a text.
pub(super) type Clean<'a> = &'a dyn Fn(&str) -> String;

fn all(lines: &[String], clean: Clean<'_>) -> Vec<String> {
    lines.iter().map(|line| clean(line)).collect()
}

/// An event as it may be shown.
pub(super) fn event(event: &Event, clean: Clean<'_>) -> Event {
    let name = clean;
    match event {
        Event::StageStarted { host, stage } => Event::StageStarted { host: name(host), stage: *stage },
        Event::StageDone { host, stage, detail, took_ms } => {
            Event::StageDone { host: name(host), stage: *stage, detail: clean(detail), took_ms: *took_ms }
        }
        Event::Loaded { environment, release } => {
            Event::Loaded { environment: name(environment), release: release.clone() }
        }
        Event::Running { host, release } => Event::Running { host: name(host), release: release.clone() },
        Event::RollingBack { host, because, to } => {
            Event::RollingBack { host: name(host), because: clean(because), to: to.clone() }
        }
        Event::Planned { host, release, lines, changes } => Event::Planned {
            host: name(host),
            release: release.clone(),
            lines: all(lines, clean),
            changes: Box::new(self::changes(changes, clean)),
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
            Event::Checked { host: name(host), finding: self::finding(finding, clean) }
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
    Finding {
        check: clean(check),
        service: clean(service),
        status: *status,
        expected: clean(expected),
        found: clean(found),
        remedy: clean(remedy),
        took_ms: *took_ms,
        detail: all(detail, clean),
    }
}

/// Findings as they may be shown.
pub(super) fn findings(findings: &[Finding], clean: Clean<'_>) -> Vec<Finding> {
    findings.iter().map(|one| finding(one, clean)).collect()
}

fn changes(changes: &Changes, clean: Clean<'_>) -> Changes {
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
        diff: diff.as_deref().map(clean),
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

/// A line of JSON whose strings may be shown: each is cleaned as what it says, not as how it is written.
pub(super) fn json(line: &str, clean: Clean<'_>) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(begin) = rest.find('"') {
        out.push_str(&rest[..begin]);
        let mut escaped = false;
        let inside = rest[begin + 1..].char_indices().find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let end = inside.map_or(rest.len(), |(at, _)| begin + at + 2);
        let literal = &rest[begin..end];
        match serde_json::from_str::<String>(literal).map(|said| (clean(&said), said)) {
            Ok((cleaned, said)) if cleaned != said => {
                out.push_str(&serde_json::Value::from(cleaned).to_string());
            }
            _ => out.push_str(literal),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is printed or written of a run of which each text has the secret in it.
    #[test]
    fn no_format_shows_a_secret_in_any_spelling() {
        use crate::report::record::{Record, sample};
        use crate::report::{errors, github, json as lines, junit, lines as text, page, table};
        let secret = "p\"a\\s<s>%w'&d";
        let output = crate::report::Output::default();
        output.redact([secrecy::SecretString::from(secret)]);
        let clean = |text: &str| output.clean(text);
        // Plain, and as the program had printed it: in JSON, HTML, a URL.
        for printed in
            [secret, r#"p\"a\\s<s>%w'&d"#, "p&quot;a\\s&lt;s&gt;%w&#39;&amp;d", "p%22a%5Cs%3Cs%3E%25w%27%26d"]
        {
            let dirty = |text: &str| format!("{text} [{printed}]");
            let sample = sample();
            let mut record = Record { events: Vec::new(), errors: Vec::new(), ..sample.clone() };
            let mut shown = Vec::new();
            for (time, event) in &sample.events {
                let event = super::event(&super::event(event, &dirty), &clean);
                shown.extend(text::text(&event));
                shown.push(lines::event(&event));
                record.events.push((*time, event));
            }
            for findings in record.findings.values_mut() {
                *findings = super::findings(&super::findings(findings, &dirty), &clean);
                shown.push(table::render("vps", findings, Some(40), false));
                shown.push(github::findings("vps", findings));
            }
            for error in &sample.errors {
                let error = error.map_text(&dirty).map_text(&clean);
                shown.extend([errors::render(&error, false, Some(60)), lines::error(&error)]);
                record.errors.push(error);
            }
            let code = crate::outcome::ExitCode::Mixed;
            shown.extend([
                junit::render(&record),
                page::render(&record, code),
                github::summary(&record, code),
            ]);
            let all = shown.join("\n");
            assert!(all.matches("redacted").count() > 60, "{all}");
            // Whatever the encoding: nothing of the value but single characters.
            for part in ["a\\s", "s&lt;s", "%3Cs", "<s>", "%25w", "%w", "&d", "amp;d", "%26d"] {
                assert!(!all.contains(part), "{part} of {printed} in {all}");
            }
        }
    }

    #[test]
    fn the_strings_of_a_line_are_cleaned_and_it_stays_json() {
        let clean = |text: &str| text.replace("n\"ab", "<redacted>");
        let line = serde_json::json!({"a": ["x\n\"ab", "n\"ab\\", "\\"], "n\"ab": 1}).to_string();
        let cleaned = json(&line, &clean);
        assert_eq!(cleaned, r#"{"a":["x\n\"ab","<redacted>\\","\\"],"<redacted>":1}"#);
        assert_eq!(json("12", &clean), "12");
    }
}
