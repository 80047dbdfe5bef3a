//! What is left out where everybody can read what is printed: lines that containers wrote, and texts that somebody
//! wrote into files on a host. Neither is in the repository, and nobody can know what is in them.

use std::path::Path;

use crate::error::Error;
use crate::event::Event;
use crate::plan::check::Finding;

/// Says it for a run, whatever is known of its surroundings: `true` or `false`.
const VARIABLE: &str = "PROVISION_PUBLIC_OUTPUT";

/// Whether everybody can read what this process prints, as far as its environment tells.
pub(super) fn is_public() -> bool {
    told(&|name| std::env::var(name).ok(), &|path| std::fs::read_to_string(path).ok())
}

/// GitHub writes the repository into the event of a run; where that is not found it counts as public. GitLab has a
/// variable. <https://docs.github.com/en/webhooks/webhook-events-and-payloads>,
/// <https://docs.gitlab.com/ci/variables/predefined_variables/>
fn told(variable: &dyn Fn(&str) -> Option<String>, read: &dyn Fn(&Path) -> Option<String>) -> bool {
    match variable(VARIABLE).as_deref() {
        Some("true") => return true,
        Some("false") => return false,
        _ => {}
    }
    if variable("GITHUB_ACTIONS").as_deref() == Some("true") {
        let event = variable("GITHUB_EVENT_PATH").and_then(|path| read(Path::new(&path)));
        let event: Option<serde_json::Value> = event.and_then(|text| serde_json::from_str(&text).ok());
        let private = event.as_ref().and_then(|event| event["repository"]["private"].as_bool());
        return private != Some(true);
    }
    if variable("GITLAB_CI").as_deref() == Some("true") {
        return variable("CI_PROJECT_VISIBILITY").as_deref() != Some("private");
    }
    false
}

fn left_out(number: usize) -> String {
    let lines = crate::words::count(number, "line");
    format!("({lines} left out: everybody can read this output; docs/ci.md says what is left out, and when)")
}

fn cut(lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() { lines } else { vec![left_out(lines.len())] }
}

/// An event as everybody may read it.
pub(super) fn event(event: Event) -> Event {
    match event {
        Event::Planned { host, release, lines, mut changes } => {
            let mut cut = false;
            for file in changes.files.iter_mut().filter(|file| file.drift.is_some()) {
                let number = file.diff.as_ref().map_or(0, |diff| diff.lines().count());
                if number > 0 {
                    file.diff = Some(format!("{}\n", left_out(number)));
                    file.values.clear();
                    cut = true;
                }
            }
            let lines = if cut { changes.lines() } else { lines };
            Event::Planned { host, release, lines, changes }
        }
        Event::Log { host, service, lines } => Event::Log { host, service, lines: self::cut(lines) },
        Event::Checked { host, finding } => Event::Checked { host, finding: self::finding(finding) },
        other => other,
    }
}

/// A finding as everybody may read it.
pub(super) fn finding(finding: Finding) -> Finding {
    Finding { detail: cut(finding.detail), ..finding }
}

/// An error as everybody may read it.
pub(super) fn error(error: Error) -> Error {
    let number = error.output_lines().len();
    if number == 0 { error } else { error.output_instead([left_out(number)]) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::error::Kind;
    use crate::plan::{Changes, FileChange};

    fn public(variables: &[(&str, &str)], event: &str) -> bool {
        let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
        told(&|name| variables.get(name).map(|value| (*value).to_owned()), &|path| {
            (path == Path::new("/event.json")).then(|| event.to_owned())
        })
    }

    #[test]
    fn who_can_read_it_is_told_by_the_surroundings() {
        let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_PATH", "/event.json")];
        assert!(!public(&[], ""), "a terminal");
        assert!(public(&github, r#"{"repository": {"private": false}}"#));
        assert!(!public(&github, r#"{"repository": {"private": true}}"#));
        for unknown in ["", "{}", "no json"] {
            assert!(public(&github, unknown), "{unknown}");
        }
        assert!(public(&github[..1], ""));
        let gitlab = |visibility| [("GITLAB_CI", "true"), ("CI_PROJECT_VISIBILITY", visibility)];
        assert!(public(&gitlab("public"), "") && public(&gitlab("internal"), ""));
        assert!(!public(&gitlab("private"), ""));
        let told = [github[0], github[1], (VARIABLE, "false")];
        assert!(!public(&told, r#"{"repository": {"private": false}}"#));
        assert!(public(&[(VARIABLE, "true")], ""));
    }

    fn file(path: &str, drift: Option<&'static str>) -> FileChange {
        let diff = Some("@@ -1 +1 @@\n-password: hunter2\n+a: b\n".to_owned());
        FileChange {
            path: path.to_owned(),
            change: "changed",
            drift,
            diff,
            values: vec!["x: 1 → 2".to_owned()],
        }
    }

    #[test]
    fn texts_of_hosts_are_left_out_and_what_the_repository_has_stays() {
        let changes = Changes {
            files: vec![file("ours.yml", None), file("theirs.json", Some("edited"))],
            ..Changes::default()
        };
        let (host, release) = ("vps".to_owned(), "0123456789abcdef".to_owned());
        let planned = Event::Planned { host, release, lines: changes.lines(), changes: Box::new(changes) };
        let Event::Planned { lines, changes, .. } = event(planned) else { panic!("another event") };
        insta::assert_snapshot!(lines.join("\n"), @r"
        file ours.yml: changed
            x: 1 → 2
        drift: theirs.json was edited on the host, and this release changes it; the edit is kept in records/set-aside
            (3 lines left out: everybody can read this output; docs/ci.md says what is left out, and when)
        ");
        assert!(!serde_json::to_string(&changes.files[1]).unwrap().contains("hunter2"));
    }

    #[test]
    fn logs_of_containers_are_left_out() {
        let lines = || vec!["panic: secret".to_owned(), "at main".to_owned()];
        let log = Event::Log { host: "vps".to_owned(), service: "web".to_owned(), lines: lines() };
        let failed = error(Error::new(Kind::Failed, "start web").cause("it ends").output(lines()));
        let finding =
            finding(Finding { detail: lines(), ..Finding::fact("web", "runs", Ok("no".to_owned())) });
        let all = format!("{:?}{:?}{:?}", event(log), failed.output_lines(), finding);
        assert!(!all.contains("secret") && !all.contains("at main"), "{all}");
        insta::assert_snapshot!(failed.output_lines().join("\n"), @"(2 lines left out: everybody can read this output; docs/ci.md says what is left out, and when)");
        assert_eq!(failed.causes(), ["it ends"]);
    }
}
