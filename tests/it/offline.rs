//! What is found before any host is touched: exit code 2 and a message that says what to do.

use crate::support::Project;

mod accepted;
mod choices;
mod ci;
mod compose;
mod dashboards;
mod documents;
mod inventory;
mod isolation;
mod liar;
mod output;
mod secrets;
mod templates;
mod text;
mod vault;
mod workflows;

/// The message of `check`, `plan` and `deploy` for a mistake in the project: all three refuse with exit code
/// 2, say the same but for the first line, print nothing else and write nothing.
fn refused(project: &Project) -> String {
    let before = project.tree();
    let check = project.provision(&["check", "test"]);
    assert_eq!(check.code, 2, "{check:?}");
    assert_eq!(check.stdout, "");
    for command in ["plan", "deploy"] {
        let run = project.provision(&[command, "test"]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{command}: {}", run.stderr);
        assert_eq!(below_the_first_line(&run.stderr), below_the_first_line(&check.stderr), "{command}");
    }
    assert!(before == project.tree(), "something was written");
    check.stderr
}

/// The message of several commands that all refuse in the same words and write nothing.
fn refused_alike(project: &Project, commands: &[&[&str]]) -> String {
    let before = project.tree();
    let texts: std::collections::BTreeSet<String> = commands
        .iter()
        .map(|arguments| {
            let run = project.provision(arguments);
            assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}: {}", run.stderr);
            run.stderr
        })
        .collect();
    assert!(before == project.tree(), "something was written");
    assert_eq!(texts.len(), 1, "{texts:?}");
    texts.into_iter().next().unwrap()
}

fn below_the_first_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rest)| rest)
}
