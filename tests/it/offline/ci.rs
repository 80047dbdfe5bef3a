//! What GitHub Actions sees: annotations, summary, outputs, reports.

use insta::assert_snapshot;

use crate::support::{Project, Run};

/// Runs a command as a step of a workflow whose checkout is the project.
fn step(project: &Project, arguments: &[&str]) -> (Run, String, String) {
    let (summary, output) = (project.home().join("summary.md"), project.home().join("output"));
    let mut command = project.command(arguments);
    command
        .env("CI", "true")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", project.root())
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_OUTPUT", &output);
    let run = project.run(command);
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    (run, read(&summary), read(&output))
}

#[test]
fn a_mistake_is_an_annotation_at_its_line() {
    let project = Project::new();
    project.edit("inventory/test.yml", "alert_email: ops@example.com", "alert_email: ops%");
    let (run, summary, output) = step(&project, &["check", "test"]);
    assert_eq!(run.code, 2);
    let commands: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert_snapshot!(commands.join("\n"), @"::error file=inventory/test.yml,line=7,col=3,title=failed to load test::`alert_email` is `ops%25`, which is not an e-mail address%0ALike ops@koprogo.com, or a list of such.");
    assert_snapshot!(summary, @r"
    ## ❌ provision check

    - **test**: usage

    <pre>failed to load test&#10;inventory/test.yml:7:3: `alert_email` is `ops%`, which is not an e-mail address</pre>
    ");
    assert_snapshot!(output, @r"
    outcome=usage
    release=
    changes=false
    exit_code=2
    ");
}

#[test]
fn a_good_project_has_a_summary_and_outputs() {
    let project = Project::new();
    let (run, summary, output) = step(&project, &["check", "test"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_snapshot!(summary, @r"
    ## ✅ provision check

    - **test**: verified
    ");
    assert_snapshot!(output, @r"
    outcome=verified
    release=
    changes=false
    exit_code=0
    ");
}

#[test]
fn a_host_that_is_not_there_is_in_every_report() {
    let project = Project::new();
    let junit = project.home().join("junit.xml");
    let page = project.home().join("page.html");
    let arguments =
        ["deploy", "test", "--junit", junit.to_str().unwrap(), "--report", page.to_str().unwrap()];
    let (run, summary, output) = step(&project, &arguments);
    assert_eq!(run.code, 3);
    assert!(
        run.stdout.lines().any(|line| line.starts_with("::error title=vps%3A failed to connect")),
        "{}",
        run.stdout
    );
    let first: Vec<&str> = output.lines().filter(|line| !line.starts_with("release=")).collect();
    assert_eq!(first, ["outcome=unreachable", "changes=false", "exit_code=3"]);
    // What was never on a host is no release.
    assert!(output.lines().any(|line| line == "release="), "{output}");
    let junit = std::fs::read_to_string(junit).unwrap();
    let page = std::fs::read_to_string(page).unwrap();
    for text in [&summary, &junit, &page] {
        assert!(text.contains("failed to connect to"), "{text}");
    }
    assert!(page.ends_with("</html>\n"));
}

#[test]
fn without_github_nothing_is_said_to_it() {
    let project = Project::new();
    project.edit("inventory/test.yml", "alert_email: ops@example.com", "alert_email: ops");
    let run = project.provision(&["check", "test"]);
    assert!(!run.stdout.contains("::error"), "{}", run.stdout);
}
