//! A run as one self-contained page: what became of it, its timeline, its checks, its plan.

use std::fmt::Write as _;

use super::github::word;
use super::markup::escape;
use super::record::{Kind, Record, Span};
use crate::event::Event;
use crate::outcome::{ExitCode, Outcome};
use crate::plan::check::{Finding, Status};

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(super) fn render(record: &Record, code: ExitCode) -> String {
    let text = escape;
    let good = code == ExitCode::Ok || code == ExitCode::Changes;
    let mut body = String::new();
    let class = if good { "good" } else { "bad" };
    let _ = write!(
        body,
        "<header>\n<h1>{}</h1>\n<p class=\"{class}\"><strong>{}</strong></p>\n<p>{}",
        text(&record.title),
        text(&headline(record, code)),
        record.begun.strftime("%Y-%m-%d %H:%M:%S UTC")
    );
    if let Some(release) = record.release() {
        let _ = write!(body, " · release <code>{}</code>", text(release));
    }
    body.push_str("</p>\n</header>\n");
    errors(&mut body, record, &text);
    timeline(&mut body, &record.spans(), &text);
    for (host, findings) in &record.findings {
        checks(&mut body, host, findings, &text);
    }
    for (_, event) in &record.events {
        if let Event::Planned { host, lines, .. } = event {
            let _ = write!(
                body,
                "<section>\n<h2>Plan for {}</h2>\n<pre>{}</pre>\n</section>\n",
                text(host),
                text(&lines.join("\n"))
            );
        }
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{}: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        text(&record.title),
        text(&headline(record, code))
    )
}

fn headline(record: &Record, code: ExitCode) -> String {
    let each: Vec<String> = record
        .outcomes
        .iter()
        .map(|(name, outcome)| {
            let word = word(*outcome).replace('_', " ");
            match outcome {
                Outcome::Failed(_) => format!("{name}: failed ({word})"),
                _ => format!("{name}: {word}"),
            }
        })
        .collect();
    if each.is_empty() { format!("ended with exit code {}", code as u8) } else { each.join(", ") }
}

fn errors(body: &mut String, record: &Record, text: &dyn Fn(&str) -> String) {
    for error in &record.errors {
        let host = error.host_name().map_or_else(String::new, |host| format!("{host}: "));
        let _ = write!(
            body,
            "<section class=\"error\">\n<h2>{}</h2>\n",
            text(&format!("{host}failed to {}", error.doing()))
        );
        let problems = error.all_problems().iter().map(|p| format!("{}: {} {}", p.place, p.what, p.hint));
        for line in error.causes().iter().cloned().chain(problems) {
            let _ = writeln!(body, "<p>{}</p>", text(&line));
        }
        if !error.output_lines().is_empty() {
            let _ = writeln!(body, "<pre>{}</pre>", text(&error.output_lines().join("\n")));
        }
        for note in error.notes() {
            let _ = writeln!(body, "<p>Now: {}</p>", text(note));
        }
        for hint in error.hints() {
            let _ = writeln!(body, "<p class=\"hint\">{}</p>", text(hint));
        }
        body.push_str("</section>\n");
    }
}

/// One row a span: a label, a bar on a common scale, a duration.
fn timeline(body: &mut String, spans: &[Span], text: &dyn Fn(&str) -> String) {
    let end = spans.iter().map(|span| span.start + span.took).max().unwrap_or(0).max(1);
    if spans.is_empty() {
        return;
    }
    let _ = writeln!(body, "<section>\n<h2>Timeline</h2>\n<p class=\"note\">{} in all</p>", duration(end));
    let mut host: Option<&str> = None;
    for span in spans {
        if host != Some(&span.host) {
            if host.is_some() {
                body.push_str("</ol>\n");
            }
            if !span.host.is_empty() {
                let _ = writeln!(body, "<h3>{}</h3>", text(&span.host));
            }
            body.push_str("<ol class=\"timeline\">\n");
            host = Some(&span.host);
        }
        let class = match span.kind {
            Kind::Stage => "stage",
            Kind::Step => "step",
            Kind::Holds => "holds",
            Kind::Fails => "fails",
        };
        let permille = |value: u64| value * 1000 / end;
        let (left, width) = (permille(span.start).min(995), permille(span.took).max(5));
        let width = width.min(1000 - left);
        let _ = writeln!(
            body,
            "<li class=\"{class}\" title=\"{}\"><span class=\"label\">{}</span><span class=\"track\">\
             <span class=\"bar\" style=\"left:{}.{}%;width:{}.{}%\"></span></span><span class=\"time\">{}</span></li>",
            text(&span.detail),
            text(&span.label),
            left / 10,
            left % 10,
            width / 10,
            width % 10,
            duration(span.took)
        );
    }
    body.push_str("</ol>\n</section>\n");
}

fn checks(body: &mut String, host: &str, findings: &[Finding], text: &dyn Fn(&str) -> String) {
    let held = findings.iter().filter(|finding| finding.status == Status::Holds).count();
    let _ = write!(
        body,
        "<section>\n<h2>Checks of {}</h2>\n<p class=\"note\">{held} of {} hold</p>\n<ul class=\"checks\">\n",
        text(host),
        findings.len()
    );
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| match finding.status {
        Status::Fails => 0,
        Status::Skipped => 1,
        Status::Holds => 2,
    });
    for finding in sorted {
        let (class, word) = match finding.status {
            Status::Holds => ("holds", "holds"),
            Status::Fails => ("fails", "fails"),
            Status::Skipped => ("skipped", "skipped"),
        };
        let _ = write!(
            body,
            "<li class=\"{class}\"><p><span class=\"mark\">{word}</span> <code>{}</code>{}</p>\n<p>{}</p>\n",
            text(&finding.check),
            // What was seen with the probe took no time of its own.
            if finding.took_ms == 0 {
                String::new()
            } else {
                format!(" <span class=\"time\">{}</span>", duration(finding.took_ms))
            },
            text(&finding.found)
        );
        if finding.fails() {
            let _ = writeln!(body, "<p class=\"note\">expected: {}</p>", text(&finding.expected));
        }
        if !finding.remedy.is_empty() {
            let _ = writeln!(body, "<p class=\"hint\">{}</p>", text(&finding.remedy));
        }
        if !finding.detail.is_empty() {
            let _ = writeln!(body, "<pre>{}</pre>", text(&finding.detail.join("\n")));
        }
        body.push_str("</li>\n");
    }
    body.push_str("</ul>\n</section>\n");
}

fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..120_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::sample;
    use super::*;

    #[test]
    fn a_page_stands_by_itself_and_shows_foreign_text_as_text() {
        let page = render(&sample(), ExitCode::Mixed);
        for outside in ["http://", "https://", "src=", "<script", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("job &lt;node&gt; is down") && page.contains("Wait."));
        let body = page.split_once("<main>").unwrap().1;
        insta::assert_snapshot!(body, @r#"
        <header>
        <h1>provision deploy</h1>
        <p class="bad"><strong>vps: failed (returned), two: deployed</strong></p>
        <p>2026-11-24 10:00:00 UTC · release <code>0123456789abcdef</code></p>
        </header>
        <section class="error">
        <h2>vps: failed to prove the new release</h2>
        <p>x: 50% of,
        it</p>
        <p class="hint">Wait.</p>
        </section>
        <section class="error">
        <h2>failed to load prod</h2>
        <p>inventory/prod.yml:1:1: is wrong Do this.</p>
        </section>
        <section>
        <h2>Timeline</h2>
        <p class="note">8.9 s in all</p>
        <ol class="timeline">
        <li class="stage" title="prod"><span class="label">load</span><span class="track"><span class="bar" style="left:0.0%;width:0.5%"></span></span><span class="time">9 ms</span></li>
        </ol>
        <h3>vps</h3>
        <ol class="timeline">
        <li class="stage" title="done"><span class="label">connect</span><span class="track"><span class="bar" style="left:0.2%;width:4.4%"></span></span><span class="time">400 ms</span></li>
        <li class="stage" title="done"><span class="label">probe</span><span class="track"><span class="bar" style="left:5.0%;width:1.6%"></span></span><span class="time">150 ms</span></li>
        <li class="stage" title="done"><span class="label">activate</span><span class="track"><span class="bar" style="left:7.8%;width:46.0%"></span></span><span class="time">4.1 s</span></li>
        <li class="step" title="prometheus"><span class="label">pull prometheus</span><span class="track"><span class="bar" style="left:8.9%;width:11.2%"></span></span><span class="time">1.0 s</span></li>
        <li class="step" title=""><span class="label">up</span><span class="track"><span class="bar" style="left:20.2%;width:33.7%"></span></span><span class="time">3.0 s</span></li>
        <li class="fails" title="did not end"><span class="label">verify</span><span class="track"><span class="bar" style="left:54.0%;width:45.9%"></span></span><span class="time">4.0 s</span></li>
        <li class="fails" title="job &lt;node&gt; is down"><span class="label">prometheus.targets</span><span class="track"><span class="bar" style="left:55.0%;width:44.9%"></span></span><span class="time">4.0 s</span></li>
        <li class="holds" title="ready"><span class="label">prometheus.ready</span><span class="track"><span class="bar" style="left:98.6%;width:1.3%"></span></span><span class="time">120 ms</span></li>
        </ol>
        </section>
        <section>
        <h2>Checks of vps</h2>
        <p class="note">1 of 3 hold</p>
        <ul class="checks">
        <li class="fails"><p><span class="mark">fails</span> <code>prometheus.targets</code> <span class="time">4.0 s</span></p>
        <p>job &lt;node&gt; is down</p>
        <p class="note">expected: all targets up</p>
        <p class="hint">See its log &amp; wait.</p>
        <pre>level=error ::error::x</pre>
        </li>
        <li class="skipped"><p><span class="mark">skipped</span> <code>loki.canary</code></p>
        <p>ready</p>
        </li>
        <li class="holds"><p><span class="mark">holds</span> <code>prometheus.ready</code> <span class="time">120 ms</span></p>
        <p>ready</p>
        </li>
        </ul>
        </section>
        <section>
        <h2>Plan for vps</h2>
        <pre>+ &lt;a&gt; ```</pre>
        </section>
        </main>
        </body>
        </html>
        "#);
    }
}
