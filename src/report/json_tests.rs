//! One line of every kind, as it is really written, against the schema that we publish.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;
use crate::error::{Kind, Place, Problem};
use crate::event::Stage;
use crate::host::{Actor, KeptRelease, Status as HostStatus, Unit};
use crate::plan::check::{Finding, Status};
use crate::plan::{
    Changes, Container, FileChange, HostState, ImageChange, ReleaseId, SecretChange, ServiceChange,
};

fn text(text: &str) -> String {
    text.to_owned()
}

fn events() -> Vec<Event> {
    let host = || text("vps");
    let changes = Changes {
        services: vec![ServiceChange {
            service: text("web"),
            action: "reload",
            because: vec![text("a.yml changed")],
        }],
        images: vec![ImageChange {
            service: text("web"),
            from: text("web:1"),
            from_id: text("sha256:0"),
            to: text("web:2"),
        }],
        secrets: vec![SecretChange { name: text("token"), change: "changed" }],
        files: vec![
            FileChange {
                path: text("a.yml"),
                change: "changed",
                drift: Some("edited"),
                diff: Some(text("-a\n+b\n")),
                values: vec![text("a: 1 → 2")],
            },
            FileChange { path: text("b.yml"), change: "added", drift: None, diff: None, values: Vec::new() },
        ],
        notes: vec![text("an interrupted activation")],
    };
    let finding = |status, detail| Finding {
        status,
        detail,
        ..Finding::fact("web.ready", "/ answers 200", Err((text("503"), text("Look."))))
    };
    let checked = |finding| Event::Checked { host: host(), finding };
    let mut all: Vec<Event> = [
        Stage::Load,
        Stage::Connect,
        Stage::Probe,
        Stage::Plan,
        Stage::Send,
        Stage::Activate,
        Stage::Verify,
        Stage::Confirm,
        Stage::Return,
    ]
    .map(|stage| Event::StageStarted { host: host(), stage })
    .into();
    all.extend([
        Event::StageDone { host: host(), stage: Stage::Verify, detail: text("3 checks hold"), took_ms: 12 },
        Event::Loaded { environment: text("prod"), release: Some(text("0a")) },
        Event::Loaded { environment: text("prod"), release: None },
        Event::RollingBack { host: host(), because: text("pull failed: x"), to: Some(text("0b")) },
        Event::RollingBack { host: host(), because: text("pull failed: x"), to: None },
        Event::Running { host: host(), release: text("0a") },
        Event::Planned {
            host: host(),
            release: text("0a"),
            lines: vec![text("web: reload")],
            changes: Box::new(changes),
        },
        Event::Step { host: host(), verb: text("up"), detail: text("0a") },
        Event::Progress { host: host(), subject: text("web"), state: text("started") },
        Event::Output { host: host(), line: text("x") },
        Event::Waiting { host: host(), check: text("web.ready"), found: text("503") },
        checked(finding(Status::Holds, Vec::new())),
        checked(finding(Status::Fails, vec![text("a line")])),
        checked(finding(Status::Skipped, Vec::new())),
        Event::Log { host: host(), service: text("web"), lines: vec![text("x")] },
        Event::Warning { host: String::new(), text: text("x") },
    ]);
    all
}

fn records() -> Vec<Record> {
    let by = Actor {
        user: text("ann"),
        from: text("laptop"),
        commit: Some(text("0f")),
        dirty: true,
        command: text("deploy"),
    };
    let record = Record {
        time: 1_763_890_000,
        release: text("0b"),
        from: text("0a"),
        outcome: text("deployed"),
        seconds: 9,
        by,
        reason: text("pull: no such image"),
    };
    vec![Record { by: Actor::default(), ..record.clone() }, record]
}

/// A host of which there is something to say in every field.
fn look() -> Look {
    let container =
        |service: &str| Container { service: text(service), state: text("running"), ..Container::default() };
    let state = HostState {
        current: Some(ReleaseId(text("0b"))),
        containers: vec![container("web"), container("old")],
        files: BTreeMap::from([(text("a.yml"), text("1"))]),
        declared: BTreeMap::from([(text("a.yml"), text("0"))]),
        interrupted: Some(text("0c")),
        holder: Some(text("process 7")),
        ..HostState::default()
    };
    let status = HostStatus {
        now: 1_763_900_000,
        deployed: records().pop(),
        kept: vec![KeptRelease {
            release: text("0b"),
            confirmed: 1_763_890_000,
            gone: vec![text("web: web:1")],
        }],
        services: BTreeMap::from([(text("web"), (text("ff"), false)), (text("db"), (text("ff"), false))]),
        memory: BTreeMap::from([(text("web"), 1024)]),
        started: BTreeMap::from([(text("web"), text("2026-11-24T00:00:00Z"))]),
        units: vec![Unit { name: text("finish"), state: text("failed"), words: text("x") }],
        records: 4096,
    };
    Look::new(&state, &status)
}

const CODES: [ExitCode; 11] = [
    ExitCode::Ok,
    ExitCode::Bug,
    ExitCode::Usage,
    ExitCode::Unreachable,
    ExitCode::Locked,
    ExitCode::Returned,
    ExitCode::Stuck,
    ExitCode::CheckFailed,
    ExitCode::Mixed,
    ExitCode::Changes,
    ExitCode::Interrupted,
];

/// A line of every kind.
fn lines() -> Vec<String> {
    let mut all: Vec<String> = events().iter().map(event).collect();
    let problem = Problem::new(Place::at("a.yml", "a: b", 1, 4), "is wrong", "Correct it.");
    all.extend([
        error(&Error::problems("read the project", vec![problem])),
        error(
            &Error::new(Kind::Failed, "activate the release")
                .host("vps")
                .cause("x")
                .hint("y")
                .output([text("a line")]),
        ),
        history("vps", &records()),
        history("vps", &[]),
        status("vps", &look()),
        status("vps", &Look::new(&HostState::default(), &HostStatus::default())),
        answer("vps", "it goes back"),
    ]);
    let outcomes = [
        Outcome::Deployed,
        Outcome::Unchanged,
        Outcome::Verified,
        Outcome::Planned { changes: true },
        Outcome::Failed(ExitCode::Returned),
    ];
    all.extend(outcomes.map(|one| outcome("vps", one)));
    all.extend(CODES.map(end));
    all
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// The schema, which allows fields that it does not name, as one that does not: whatever we write is described.
fn strict() -> Value {
    let mut schema = parse(&schema());
    let definitions = schema["$defs"].as_object_mut().unwrap();
    for (name, definition) in definitions.iter_mut() {
        if name.starts_with("Line") {
            definition["unevaluatedProperties"] = false.into();
        } else if definition.get("properties").is_some() {
            definition["additionalProperties"] = false.into();
        }
    }
    schema
}

/// What the schema has against a line.
fn complaint(schema: &Value, line: &Value) -> Option<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    validator.validate(line).err().map(|error| error.to_string())
}

#[test]
fn every_kind_of_line_is_as_the_schema_says_and_no_field_goes_without_saying() {
    let strict = strict();
    for line in lines() {
        assert_eq!(complaint(&strict, &parse(&line)), None, "{line}");
    }
}

#[test]
fn no_kind_of_line_was_left_out() {
    let said: BTreeSet<String> =
        lines().iter().map(|line| parse(line)["event"].as_str().unwrap().to_owned()).collect();
    let schema = parse(&schema());
    let kinds = ["Line", "Line2"].map(|name| schema["$defs"][name]["oneOf"].as_array().unwrap().clone());
    let kinds: BTreeSet<String> = kinds
        .iter()
        .flatten()
        .map(|kind| kind["properties"]["event"]["const"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, kinds);
    let codes = schema["$defs"]["ExitCode"]["oneOf"].as_array().unwrap().len();
    assert_eq!(CODES.len(), codes);
}

#[test]
fn a_line_with_a_wrong_field_is_refused() {
    let (loose, strict) = (parse(&schema()), strict());
    let good = parse(&event(&events().remove(9)));
    assert_eq!(good["event"], "stage_done");
    let with = |field: &str, value: Value| {
        let mut line = good.clone();
        line[field] = value;
        line
    };
    for (field, value) in [
        ("took_ms", json!("12")),
        ("took_ms", json!(-1)),
        ("stage", json!("verifying")),
        ("event", json!("stage_over")),
        ("version", json!(null)),
    ] {
        assert!(complaint(&loose, &with(field, value.clone())).is_some(), "{field}: {value}");
    }
    for field in ["version", "time", "host", "stage", "detail", "took_ms"] {
        let mut line = good.clone();
        line.as_object_mut().unwrap().remove(field);
        assert!(complaint(&loose, &line).is_some(), "without {field}");
    }
    // A new field is allowed to come; the tests above would see one that the schema does not know.
    assert_eq!(complaint(&loose, &with("colour", json!("red"))), None);
    assert!(complaint(&strict, &with("colour", json!("red"))).is_some());
}
