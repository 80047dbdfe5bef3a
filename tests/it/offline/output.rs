//! What a good project says, and the same as JSON lines.

use insta::assert_snapshot;
use serde_json::Value;

use crate::schema;
use crate::support::Project;

fn json(text: &str) -> Vec<Value> {
    schema::valid(text)
        .into_iter()
        .map(|mut value| {
            let line = value.to_string();
            let object = value.as_object_mut().unwrap();
            assert_eq!(object.remove("version"), Some(1.into()), "{line}");
            assert!(
                object.remove("time").is_some_and(|time| time.as_str().unwrap().ends_with('Z')),
                "{line}"
            );
            value
        })
        .collect()
}

#[test]
fn a_good_project_is_ok_and_nothing_is_written() {
    let project = Project::new();
    let before = project.tree();
    let run = project.provision(&["check"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_snapshot!(run.stdout, @r"
    test: ok (21 files, 9 services, 17 checks)
    test: remark: dashboards of grafana.com that are wanted and not here: 179, 1860, 9628, 11462; `provision dashboards update` fetches them
    ");
    assert!(before == project.tree());
}

#[test]
fn a_project_is_found_from_a_folder_below_and_by_its_name() {
    let project = Project::new();
    let mut command = project.command(&["check"]);
    command.current_dir(project.root().join("stack/monitoring"));
    assert_eq!(project.run(command).code, 0);
    let mut command = project.command(&["check", "-C", project.root().to_str().unwrap()]);
    command.current_dir("/");
    assert_eq!(project.run(command).code, 0);
}

#[test]
fn the_problems_are_the_same_in_json() {
    let project = Project::new();
    project.edit(
        "inventory/test.yml",
        "alert_email: ops@example.com",
        "alert_email: ops\n  retention_time: 30",
    );
    let text = project.provision(&["check", "test"]).stderr;
    for command in ["check", "plan", "deploy"] {
        let run = project.provision(&[command, "test", "--output", "json"]);
        assert_eq!((run.code, run.stderr.as_str()), (2, ""), "{command}");
        let lines = json(&run.stdout);
        let errors: Vec<&Value> = lines.iter().filter(|line| line["event"] == "error").collect();
        let [error] = errors.as_slice() else { panic!("{}", run.stdout) };
        let problems = error["problems"].as_array().unwrap();
        assert_eq!(problems.len(), 2);
        for problem in problems {
            let line =
                format!("  {}: {}\n", problem["place"].as_str().unwrap(), problem["what"].as_str().unwrap());
            assert!(text.contains(&line), "{line} in {text}");
            assert!(text.contains(&format!("hint: {}\n", problem["hint"].as_str().unwrap())), "{text}");
        }
        let end = serde_json::json!({"event": "end", "exit_code": 2, "meaning": "usage"});
        assert_eq!(lines.last(), Some(&end));
    }
}

#[test]
fn check_reports_each_environment() {
    let project = Project::new();
    project.write("inventory/broken.yml", "hosts: {}\n");
    let run = project.provision(&["check"]);
    assert_eq!(run.code, 2);
    assert!(run.stdout.starts_with("test: ok"), "{}", run.stdout);
    assert!(run.stderr.starts_with("error: failed to"), "{}", run.stderr);
}

#[test]
fn a_host_that_cannot_be_reached_is_not_a_mistake_in_the_project() {
    let project = Project::new();
    for command in ["plan", "deploy"] {
        let run = project.provision(&[command, "test"]);
        assert_eq!(run.code, 3, "{command}: {run:?}");
    }
}

#[test]
fn wrong_usage_ends_with_two_and_help_with_zero() {
    let project = Project::new();
    assert_eq!(project.provision(&["depoly"]).code, 2);
    assert_eq!(project.provision(&["check", "--nonsense"]).code, 2);
    assert_eq!(project.provision(&["--help"]).code, 0);
    assert_eq!(project.provision(&["--version"]).code, 0);
}

#[test]
fn without_colours_there_are_no_control_codes() {
    let project = Project::new();
    project.edit("inventory/test.yml", "alert_email: ops@example.com", "alert_email: ops");
    let run = project.provision(&["check"]);
    assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr);
}

#[test]
fn the_published_schema_is_the_programs() {
    let schema = Project::bare().provision(&["schema"]);
    assert_eq!(schema.code, 0);
    let path = format!("{}/docs/output.schema.json", env!("CARGO_MANIFEST_DIR"));
    let published = std::fs::read_to_string(path).unwrap();
    assert!(
        schema.stdout == published,
        "docs/output.schema.json is not what `provision schema` prints: write it anew"
    );
    for event in ["stage_done", "checked", "waiting", "outcome", "end", "loaded", "log"] {
        assert!(published.contains(&format!("\"{event}\"")), "{event}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_known_before_anything_is_done() {
    let project = Project::new();
    let run = project.provision(&["deploy", "test", "--junit", "/nowhere/x.xml"]);
    assert_eq!(run.code, 2);
    assert_snapshot!(run.stderr, @r"
    error: failed to write the report /nowhere/x.xml
      No such file or directory (os error 2)
    hint: Name a file in a folder that exists: --junit FILE.
    ");
}

#[test]
fn the_mistakes_of_all_files_come_in_one_round() {
    let project = Project::new();
    // In the inventory itself, in a value for the stack, in a template, and in the secrets.
    project.edit("inventory/test.yml", "hosts:", "deploy: {keep_releases: 0}\nhosts:");
    project.edit(
        "stack/monitoring/prometheus/prometheus.yml.tera",
        "scrape_configs:",
        "{{ nobody }}\nscrape_configs:",
    );
    assert_eq!(project.provision(&["secrets", "set", "test", "one_too_many", "--generate"]).code, 0);
    for command in ["check", "plan", "deploy"] {
        let run = project.provision(&[command, "test"]);
        assert_eq!(run.code, 2, "{command}: {run:?}");
        for text in ["keep_releases", "nobody"] {
            assert!(run.stderr.contains(text), "{command}: `{text}` is not in {}", run.stderr);
        }
    }
    project.edit("stack/monitoring/prometheus/prometheus.yml.tera", "{{ nobody }}\n", "");
    let run = project.provision(&["check", "test"]);
    for text in ["keep_releases", "the secret `one_too_many` is used by nothing"] {
        assert!(run.stderr.contains(text), "`{text}` is not in {}", run.stderr);
    }
}

#[test]
fn a_secret_that_the_stack_does_not_know_is_asked_about() {
    let project = Project::new();
    let run = project.provision(&["secrets", "set", "test", "smtp_pasword", "--generate"]);
    assert_eq!(run.code, 2);
    assert_snapshot!(run.stderr, @r"
    error: failed to set the secret `smtp_pasword` of test
      the stack needs no secret of that name
    hint: Did you mean `smtp_password`? `provision secrets set test smtp_password`
    hint: If the stack will need it: `provision secrets set test smtp_pasword --new`
    ");
    let run = project.provision(&["secrets", "set", "test", "smtp_pasword", "--generate", "--new"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = project.provision(&["secrets", "set", "test", "quite_another", "--generate"]);
    assert!(run.stdout.contains("The stack does not use it yet"), "{run:?}");
}
