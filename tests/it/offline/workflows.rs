//! Which job of the workflows sees which secret, on which trigger: read from the files as GitHub does.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use insta::assert_snapshot;
use serde_yaml::{Mapping, Value};

const WORKFLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.github/workflows");

/// The key that may only plan. Every other secret opens more.
const PLAN_KEY: &str = "PROVISION_PLAN_KEY";

struct Workflow {
    name: String,
    triggers: BTreeSet<String>,
    root: Value,
}

impl Workflow {
    fn read(path: &Path) -> Self {
        let root: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let triggers = match &root["on"] {
            Value::String(one) => BTreeSet::from([one.clone()]),
            Value::Sequence(several) => several.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
            Value::Mapping(map) => map.keys().map(|key| key.as_str().unwrap().to_owned()).collect(),
            other => panic!("{}: on: {other:?}", path.display()),
        };
        Self { name: path.file_name().unwrap().to_str().unwrap().to_owned(), triggers, root }
    }

    fn jobs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.root["jobs"].as_mapping().unwrap().iter().map(|(name, job)| (name.as_str().unwrap(), job))
    }
}

fn workflows() -> Vec<Workflow> {
    let mut paths: Vec<_> =
        std::fs::read_dir(WORKFLOWS).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Workflow::read(path)).collect()
}

fn steps(job: &Value) -> &[Value] {
    job["steps"].as_sequence().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap()
}

/// The names behind `secrets.` in a piece of a workflow; `*` where it takes them some other way.
fn secrets(value: &Value) -> BTreeSet<String> {
    let text = text(value);
    let mut found = BTreeSet::new();
    for rest in text.split("secrets").skip(1) {
        let name: String = rest
            .strip_prefix('.')
            .unwrap_or_default()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let is_prose = !rest.starts_with(['.', '[', ')', ':']);
        if !is_prose {
            found.insert(if name.is_empty() { "*".to_owned() } else { name });
        }
    }
    found
}

/// What a job's steps are started with: actions, without their versions.
fn actions(job: &Value) -> BTreeSet<&str> {
    steps(job)
        .iter()
        .filter_map(|step| step["uses"].as_str())
        .map(|uses| uses.split('@').next().unwrap())
        .collect()
}

/// A line for each job.
fn table(workflows: &[Workflow]) -> String {
    let mut table = String::new();
    for workflow in workflows {
        for (name, job) in workflow.jobs() {
            let secrets = Vec::from_iter(secrets(job)).join(" ");
            let environment = job["environment"].as_str().unwrap_or("-");
            let cache = if actions(job).contains("actions/cache") { "a cache" } else { "no cache" };
            let triggers = Vec::from_iter(workflow.triggers.clone()).join(" ");
            let _ = writeln!(
                table,
                "{} {name} | {triggers} | environment {environment} | {cache} | {}",
                workflow.name,
                if secrets.is_empty() { "-" } else { &secrets }
            );
        }
    }
    table
}

/// What is wrong with a workflow, as sentences.
fn mistakes(workflow: &Workflow) -> Vec<String> {
    let mut wrong = Vec::new();
    if workflow.root["permissions"].as_mapping() != Some(&read_only()) {
        wrong.push("its token may do more than read".to_owned());
    }
    if !secrets(&workflow.root["env"]).is_empty() {
        wrong.push("every job sees a secret".to_owned());
    }
    for (name, job) in workflow.jobs() {
        mistakes_of(workflow, name, job, &mut wrong);
    }
    wrong
}

fn mistakes_of(workflow: &Workflow, name: &str, job: &Value, wrong: &mut Vec<String>) {
    let mut say = |what: &str| wrong.push(format!("{name}: {what}"));
    let seen = secrets(job);
    if !job["permissions"].is_null() {
        say("has a token of its own");
    }
    if !secrets(&job["env"]).is_empty() {
        say("every step sees a secret");
    }
    for step in steps(job) {
        let run = step["run"].as_str().unwrap_or_default();
        if run.contains("${{") {
            say("puts an expression into a script");
        }
        let is_checkout = step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@"));
        if is_checkout && step["with"]["persist-credentials"].as_bool() != Some(false) {
            say("leaves the token in the checkout");
        }
    }
    let of_the_change = |job: &Value| {
        steps(job).iter().any(|step| text(&step["with"]).contains("github.event.pull_request.head"))
    };
    let builds = |job: &Value| steps(job).iter().any(|step| text(&step["run"]).contains("cargo "));
    let trusted_branch = !workflow.triggers.contains("pull_request_target");
    if of_the_change(job) && !trusted_branch && builds(job) {
        say("runs code of the change with main's token");
    }
    if !trusted_branch && actions(job).contains("actions/cache") {
        say("writes main's cache for a pull request");
    }
    if seen.is_empty() {
        return;
    }
    if workflow.triggers.contains("pull_request") {
        say("sees a secret in a workflow that the branch itself may change");
    }
    if !trusted_branch && seen.iter().any(|secret| secret != PLAN_KEY) {
        say("sees more than the key that may only plan, for a pull request");
    }
    if job["environment"].as_str().is_none() {
        say("sees a secret that no environment protects");
    }
    if builds(job) {
        say("builds, which runs the code of every dependency, beside a secret");
    }
    let needed: Vec<&str> = match &job["needs"] {
        Value::String(one) => vec![one],
        Value::Sequence(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let jobs = [name].into_iter().chain(needed);
    if jobs.into_iter().any(|name| actions(&workflow.root["jobs"][name]).contains("actions/cache")) {
        say("runs what another job may have put into a cache");
    }
}

fn read_only() -> Mapping {
    Mapping::from_iter([(Value::from("contents"), Value::from("read"))])
}

#[test]
fn each_job_sees_what_it_needs_and_a_pull_request_at_most_the_key_that_may_only_plan() {
    let workflows = workflows();
    assert_snapshot!(table(&workflows), @"
    ci.yml lint | pull_request push | environment - | a cache | -
    ci.yml test | pull_request push | environment - | a cache | -
    ci.yml check | pull_request push | environment - | a cache | -
    ci.yml audit | pull_request push | environment - | no cache | -
    ci.yml oldest-rust | pull_request push | environment - | no cache | -
    deploy.yml build | push workflow_dispatch | environment - | no cache | -
    deploy.yml deploy | push workflow_dispatch | environment prod | no cache | PROVISION_IDENTITY PROVISION_SSH_KEY
    plan.yml build | pull_request_target | environment - | no cache | -
    plan.yml plan | pull_request_target | environment prod-plan | no cache | PROVISION_PLAN_KEY
    ");
    for workflow in &workflows {
        assert_eq!(mistakes(workflow), Vec::<String>::new(), "{}", workflow.name);
    }
    let deploy = &workflows.iter().find(|workflow| workflow.name == "deploy.yml").unwrap().root;
    assert_eq!(deploy["on"]["push"]["branches"][0].as_str(), Some("main"));
}

#[test]
fn the_workflow_that_handed_the_key_to_any_branch_is_refused() {
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/workflows/deploy-6ef571a.yml");
    let workflow = Workflow::read(Path::new(old));
    assert_snapshot!(mistakes(&workflow).join("\n"), @"
    plan: sees a secret in a workflow that the branch itself may change
    plan: builds, which runs the code of every dependency, beside a secret
    plan: runs what another job may have put into a cache
    deploy: sees a secret in a workflow that the branch itself may change
    deploy: builds, which runs the code of every dependency, beside a secret
    deploy: runs what another job may have put into a cache
    ");
}
