//! What GitHub Actions wants to hear: annotations, groups, the step's summary, its outputs.
//!
//! What a host says can be no command: see [`tame`] (for lines) and [`data`] (inside a command).
//! <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::record::Record;
use crate::error::{Error, Kind};
use crate::event::Event;
use crate::outcome::{ExitCode, Outcome};
use crate::plan::check::{Finding, Status};

/// A step of a workflow that this run is in.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    /// Where the summary goes.
    summary: Option<PathBuf>,
    /// Where the outputs go.
    output: Option<PathBuf>,
    /// The checkout, which annotations name files below.
    workspace: Option<PathBuf>,
}

impl Step {
    /// The step, as the environment describes it; `None` outside of GitHub Actions.
    pub(super) fn of_environment() -> Option<Self> {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        (std::env::var("GITHUB_ACTIONS").as_deref() == Ok("true")).then(|| Self {
            summary: path("GITHUB_STEP_SUMMARY"),
            output: path("GITHUB_OUTPUT"),
            workspace: path("GITHUB_WORKSPACE"),
        })
    }

    /// Writes summary and outputs. Several steps, or commands of one step, share a file: it is added to.
    pub(super) fn end(&self, record: &Record, code: ExitCode) -> std::io::Result<()> {
        if let Some(path) = &self.summary {
            append(path, &summary(record, code))?;
        }
        if let Some(path) = &self.output {
            append(path, &outputs(record, code))?;
        }
        Ok(())
    }

    /// The commands for an error: one a problem, at its place.
    pub(super) fn error(&self, error: &Error, root: &Path) -> String {
        let host = error.host_name().map_or_else(String::new, |host| format!("{host}: "));
        let mut commands = Vec::new();
        for problem in error.all_problems() {
            let mut text = problem.what.clone();
            if !problem.hint.is_empty() {
                let _ = write!(text, "\n{}", problem.hint);
            }
            let mut place = Vec::new();
            if let Some(file) = self.file(root, &problem.place.file) {
                place.push(format!("file={}", property(&file)));
                if problem.place.line > 0 {
                    place.push(format!("line={}", problem.place.line));
                }
                if problem.place.column > 0 {
                    place.push(format!("col={}", problem.place.column));
                }
            } else {
                text = format!("{}: {text}", problem.place);
            }
            place.push(format!("title={}", property(&format!("failed to {}", error.doing()))));
            commands.push(format!("::error {}::{}", place.join(","), data(&text)));
        }
        if error.all_problems().is_empty() {
            let failed = if error.kind() == Kind::Interrupted { "" } else { "failed to " };
            let title = property(&format!("{host}{failed}{}", error.doing()));
            let mut text = error.causes().to_vec();
            text.extend(error.notes().iter().chain(error.hints()).cloned());
            commands.push(format!("::error title={title}::{}", data(&text.join("\n"))));
        }
        commands.join("\n")
    }

    /// A file of the project, relative to the checkout; `None` for what is no file there.
    fn file(&self, root: &Path, file: &str) -> Option<String> {
        let path = std::path::absolute(root.join(file)).ok()?;
        if !path.is_file() {
            return None;
        }
        let below = match &self.workspace {
            Some(workspace) => path.strip_prefix(workspace).ok()?,
            None => Path::new(file),
        };
        Some(below.to_string_lossy().into_owned())
    }
}

/// The commands for the findings of a host that fail.
pub(super) fn findings(host: &str, findings: &[Finding]) -> String {
    let failing = findings.iter().filter(|finding| finding.fails());
    let commands = failing.map(|finding| {
        let title = property(&format!("{host}: {} does not hold", finding.check));
        format!("::error title={title}::{}", data(&format!("{}\n{}", finding.found, finding.remedy)))
    });
    commands.collect::<Vec<_>>().join("\n")
}

/// `text` as a group that can be folded.
pub(super) fn group(title: &str, text: &str) -> String {
    format!("::group::{}\n{}\n::endgroup::", data(title), tame(text))
}

/// `text` without a line that the runner would take for a command: `::x::` at its beginning, or `##[x]`.
pub(super) fn tame(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace("##[", "## [");
        let rest = line.trim_start();
        if let Some(after) = rest.strip_prefix("::") {
            let space = &line[..line.len() - rest.len()];
            return format!("{space}: :{after}");
        }
        line
    };
    // The runner ends a line at a carriage return, too.
    text.replace('\r', "\n").split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Text in a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text in a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    std::fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

/// The outputs: words of ours only, so that nothing can add another.
fn outputs(record: &Record, code: ExitCode) -> String {
    let word = match record.outcomes.as_slice() {
        [] => meaning(code),
        [(_, outcome)] => word(*outcome),
        several => match several.iter().map(|(_, outcome)| word(*outcome)).collect::<Vec<_>>() {
            words if words.windows(2).all(|pair| pair[0] == pair[1]) => words[0].clone(),
            _ if code == ExitCode::Ok => "deployed".to_owned(),
            _ => meaning(code),
        },
    };
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    format!(
        "outcome={word}\nrelease={}\nchanges={}\nexit_code={}\n",
        plain(record.release().unwrap_or_default()),
        record.changes(),
        code as u8
    )
}

/// An outcome as one word.
pub(super) fn word(outcome: Outcome) -> String {
    match outcome {
        Outcome::Deployed => "deployed".to_owned(),
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Verified => "verified".to_owned(),
        Outcome::Planned { changes: true } => "changes".to_owned(),
        Outcome::Planned { changes: false } => "no_changes".to_owned(),
        Outcome::Failed(code) => meaning(code),
    }
}

fn meaning(code: ExitCode) -> String {
    serde_json::to_value(code).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Markdown for the step's summary. Foreign text stands in HTML, escaped, where Markdown means nothing, and in `code` or
/// `pre`, where GitHub makes no links of names and addresses.
pub(super) fn summary(record: &Record, code: ExitCode) -> String {
    let mark = if code == ExitCode::Ok || code == ExitCode::Changes { "✅" } else { "❌" };
    let mut text = format!("## {mark} {}\n\n", html(&record.title));
    if let Some(release) = record.release() {
        let _ = writeln!(text, "Release `{}`\n", release.replace(|c: char| !c.is_ascii_alphanumeric(), ""));
    }
    for (name, outcome) in &record.outcomes {
        let _ = writeln!(text, "- **{}**: {}", html(name), word(*outcome).replace('_', " "));
    }
    for error in &record.errors {
        let problems = error.all_problems().iter().map(|p| format!("{}: {}", p.place, p.what));
        let lines: Vec<String> = std::iter::once(format!("failed to {}", error.doing()))
            .chain(error.causes().iter().cloned())
            .chain(problems)
            .chain(error.output_lines().iter().map(|line| format!("| {line}")))
            .chain(error.notes().iter().map(|note| format!("now: {note}")))
            .chain(error.hints().iter().map(|hint| format!("hint: {hint}")))
            .collect();
        let _ = write!(text, "\n<pre>{}</pre>\n", html(&lines.join("\n")));
    }
    for (_, event) in &record.events {
        if let Event::Planned { host, lines, .. } = event {
            let _ = write!(
                text,
                "\n<details open><summary>Plan for {}</summary>\n<pre>{}</pre>\n</details>\n",
                html(host),
                html(&lines.join("\n"))
            );
        }
    }
    for (host, findings) in &record.findings {
        let held = findings.iter().filter(|finding| finding.status == Status::Holds).count();
        let open = if findings.iter().any(Finding::fails) { " open" } else { "" };
        let _ = write!(
            text,
            "\n<details{open}><summary>{}: {held} of {}</summary>\n<table><tr><th></th><th>check</th><th>found</th></tr>\n",
            html(host),
            crate::words::hold(findings.len())
        );
        for finding in findings {
            let mark = match finding.status {
                Status::Holds => "✅",
                Status::Fails => "❌",
                Status::Skipped => "➖",
            };
            let remedy = if finding.remedy.is_empty() {
                String::new()
            } else {
                format!("<br><em>{}</em>", html(&finding.remedy))
            };
            let _ = writeln!(
                text,
                "<tr><td>{mark}</td><td><code>{}</code></td><td><code>{}</code>{remedy}</td></tr>",
                html(&finding.check),
                html(&finding.found)
            );
        }
        text.push_str("</table>\n</details>\n");
    }
    text.push('\n');
    text
}

/// Text for HTML in Markdown. A line that is empty, or has nothing but spaces, would end the HTML, and what follows it
/// would be Markdown; so a text has no line end of its own.
fn html(text: &str) -> String {
    super::markup::escape(text).replace('\n', "&#10;")
}

#[cfg(test)]
mod tests {
    use super::super::record::sample;
    use super::*;

    #[test]
    fn a_hosts_words_are_no_command() {
        assert_eq!(tame("  ::error::x\r::set-output name=a::b"), "  : :error::x\n: :set-output name=a::b");
        assert_eq!(tame("a ##[add-mask]b ::c"), "a ## [add-mask]b ::c");
        assert_eq!(group("a\nb", "::endgroup::"), "::group::a%0Ab\n: :endgroup::\n::endgroup::");
    }

    #[test]
    fn errors_and_findings_become_annotations() {
        let record = sample();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("inventory")).unwrap();
        std::fs::write(root.path().join("inventory/prod.yml"), "").unwrap();
        let step = Step { workspace: Some(root.path().to_owned()), ..Step::default() };
        let all = [
            step.error(&record.errors[0], root.path()),
            step.error(&record.errors[1], root.path()),
            step.error(&record.errors[1], Path::new("/nowhere")),
            findings("vps", &record.findings["vps"]),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        ::error title=vps%3A failed to prove the new release::x: 50%25 of,%0Ait%0AWait.
        ::error file=inventory/prod.yml,line=1,col=1,title=failed to load prod::is wrong%0ADo this.
        ::error title=failed to load prod::inventory/prod.yml:1:1: is wrong%0ADo this.
        ::error title=vps%3A prometheus.targets does not hold::job <node> is down%0ASee its log & wait.
        ");
    }

    #[test]
    fn a_summary_and_outputs() {
        insta::assert_snapshot!(summary(&sample(), ExitCode::Mixed), @r"
        ## ❌ provision deploy

        Release `0123456789abcdef`

        - **vps**: returned
        - **two**: deployed

        <pre>failed to prove the new release&#10;x: 50% of,&#10;it&#10;hint: Wait.</pre>

        <pre>failed to load prod&#10;inventory/prod.yml:1:1: is wrong</pre>

        <details open><summary>Plan for vps</summary>
        <pre>+ &lt;a&gt; ```</pre>
        </details>

        <details open><summary>vps: 1 of 3 checks hold</summary>
        <table><tr><th></th><th>check</th><th>found</th></tr>
        <tr><td>✅</td><td><code>prometheus.ready</code></td><td><code>ready</code></td></tr>
        <tr><td>❌</td><td><code>prometheus.targets</code></td><td><code>job &lt;node&gt; is down</code><br><em>See its log &amp; wait.</em></td></tr>
        <tr><td>➖</td><td><code>loki.canary</code></td><td><code>ready</code></td></tr>
        </table>
        </details>
        ");
        insta::assert_snapshot!(outputs(&sample(), ExitCode::Mixed), @r"
        outcome=mixed
        release=0123456789abcdef
        changes=true
        exit_code=8
        ");
        let mut one = sample();
        one.outcomes.truncate(1);
        insta::assert_snapshot!(outputs(&one, ExitCode::Returned), @r"
        outcome=returned
        release=0123456789abcdef
        changes=false
        exit_code=5
        ");
    }

    #[test]
    fn the_files_are_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(folder.path().join(name));
        let step = Step { summary: path("summary"), output: path("output"), workspace: None };
        for _ in 0..2 {
            step.end(&sample(), ExitCode::Mixed).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("output").matches("outcome=").count(), 2);
        assert_eq!(read("summary").matches("hint: Wait.").count(), 2);
    }
}
