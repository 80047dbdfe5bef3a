use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::super::check::{Check, ConfigurationOf, Question};
use super::super::testing::{Sketch, fingerprints, generated, name, release, running, scripts};
use super::super::{after, generate};
use super::*;
use crate::stack::File;

const SECRETS: [&str; 3] = ["a", "b", "c"];

/// One to five services; each may depend on those before it.
fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let one = (any::<bool>(), subsequence(SECRETS.to_vec(), 0..=3), any::<[bool; 5]>());
    prop::collection::vec(one, 1..=5).prop_map(|list| {
        list.into_iter()
            .enumerate()
            .map(|(index, (reloads, secrets, depends))| Sketch {
                reloads,
                secrets: secrets.into_iter().collect(),
                depends_on: (0..index).filter(|other| depends[*other]).collect(),
            })
            .collect()
    })
}

fn plan(release: &Release, state: &HostState) -> Plan {
    make(release, &generated(release), state, &scripts(), 10)
}

fn change(release: &mut Release, path: &str) {
    release.files.insert(path.to_owned(), File::new(b"changed\n".to_vec()));
}

/// The paths of the files with this change.
fn files(plan: &Plan, change: &str) -> Vec<String> {
    plan.changes.files.iter().filter(|file| file.change == change).map(|file| file.path.clone()).collect()
}

/// Somebody edits a file on the host, or removes it, as the probe sees it.
fn edit(state: &mut HostState, path: &str, digest: Option<String>) {
    if let Some(released) = state.released(path).cloned() {
        state.declared.insert(path.to_owned(), released);
    }
    if let Some(digest) = digest {
        state.files.insert(path.to_owned(), digest);
        state.foreign.insert(path.to_owned());
    } else {
        state.files.remove(path);
        state.foreign.remove(path);
    }
}

/// The names of the services with this action.
fn with_action(plan: &Plan, action: &str) -> BTreeSet<String> {
    plan.changes
        .services
        .iter()
        .filter(|change| change.action == action)
        .map(|change| change.service.clone())
        .collect()
}

/// `first` and everything that depends on one of them, however indirectly.
fn and_dependents(sketches: &[Sketch], first: BTreeSet<usize>) -> BTreeSet<String> {
    let mut all = first;
    // A service depends on earlier ones only, so one pass in order finds all.
    for (index, sketch) in sketches.iter().enumerate() {
        if sketch.depends_on.iter().any(|other| all.contains(other)) {
            all.insert(index);
        }
    }
    all.into_iter().map(name).collect()
}

fn verbs(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.line().split('\t').next().unwrap().to_owned()).collect()
}

proptest! {
    #[test]
    fn the_same_inputs_give_the_same_release_and_plan(sketches in sketches()) {
        let (one, two) = (release(&sketches), release(&sketches));
        prop_assert_eq!(generated(&one), generated(&two));
        let state = HostState::default();
        prop_assert_eq!(plan(&one, &state), plan(&two, &state));
    }

    #[test]
    fn what_was_deployed_needs_nothing(sketches in sketches()) {
        let release = release(&sketches);
        let plan = plan(&release, &running(&release, &generated(&release)));
        prop_assert!(plan.is_empty() && plan.back.is_empty() && plan.changes.lines().is_empty());
        prop_assert!(plan.send.is_empty() && plan.scripts.is_empty() && !plan.send_sealed);
    }

    #[test]
    fn a_changed_dashboard_touches_no_service(sketches in sketches(), which in any::<Index>()) {
        let old = release(&sketches);
        let mut new = old.clone();
        let path = format!("{}/dashboards/a.json", name(which.index(sketches.len())));
        change(&mut new, &path);
        let plan = plan(&new, &running(&old, &generated(&old)));
        prop_assert!(plan.changes.services.is_empty(), "{:?}", plan.changes.services);
        prop_assert!(!verbs(&plan.forward).contains(&"signal".to_owned()));
        prop_assert_eq!(files(&plan, "changed"), std::slice::from_ref(&path));
        prop_assert_eq!(&plan.send, &[path]);
        prop_assert!(!plan.send_sealed);
    }

    #[test]
    fn a_changed_rule_is_one_reload_or_else_recreates(sketches in sketches(), which in any::<Index>()) {
        let index = which.index(sketches.len());
        let old = release(&sketches);
        let mut new = old.clone();
        change(&mut new, &format!("{}/rules/a.yml", name(index)));
        let plan = plan(&new, &running(&old, &generated(&old)));
        let signals: Vec<&Step> =
            plan.forward.iter().filter(|step| matches!(step, Step::Signal { .. })).collect();
        if sketches[index].reloads {
            prop_assert_eq!(plan.changes.services.len(), 1);
            prop_assert_eq!(with_action(&plan, "reload"), BTreeSet::from([name(index)]));
            let expected = Step::Signal { service: name(index), signal: "HUP".to_owned() };
            prop_assert_eq!(signals, vec![&expected]);
        } else {
            prop_assert!(signals.is_empty());
            prop_assert_eq!(with_action(&plan, "recreate"), and_dependents(&sketches, BTreeSet::from([index])));
        }
    }

    #[test]
    fn a_changed_configuration_recreates_its_service_and_what_depends_on_it(
        sketches in sketches(), which in any::<Index>()
    ) {
        let index = which.index(sketches.len());
        let old = release(&sketches);
        let mut new = old.clone();
        change(&mut new, &format!("{}/conf.yml", name(index)));
        let plan = plan(&new, &running(&old, &generated(&old)));
        prop_assert_eq!(with_action(&plan, "recreate"), and_dependents(&sketches, BTreeSet::from([index])));
        prop_assert_eq!(plan.changes.services.len(), with_action(&plan, "recreate").len());
    }

    #[test]
    fn a_changed_secret_recreates_its_consumers_and_what_depends_on_them(
        sketches in sketches(), which in 0..3_usize
    ) {
        let release = release(&sketches);
        let old = generated(&release);
        let new = generate(&release, &fingerprints(&release, Some(SECRETS[which])));
        let plan = make(&release, &new, &running(&release, &old), &scripts(), 10);
        let consumers: BTreeSet<usize> =
            (0..sketches.len()).filter(|index| sketches[*index].secrets.contains(SECRETS[which])).collect();
        prop_assert_eq!(plan.send_sealed, !consumers.is_empty());
        prop_assert_eq!(plan.is_empty(), consumers.is_empty());
        prop_assert_eq!(plan.changes.services.len(), with_action(&plan, "recreate").len());
        for index in &consumers {
            let change = plan.changes.services.iter().find(|change| change.service == name(*index)).unwrap();
            prop_assert_eq!(&change.because, &[format!("the secret {} changed", SECRETS[which])]);
        }
        prop_assert_eq!(with_action(&plan, "recreate"), and_dependents(&sketches, consumers));
    }

    #[test]
    fn a_service_that_is_gone_is_removed(sketches in sketches()) {
        let old = release(&sketches);
        let mut shorter = sketches.clone();
        shorter.pop();
        let new = release(&shorter);
        let last = name(shorter.len());
        let plan = plan(&new, &running(&old, &generated(&old)));
        prop_assert_eq!(plan.changes.services.len(), 1);
        prop_assert_eq!(with_action(&plan, "remove"), BTreeSet::from([last.clone()]));
        let removed = files(&plan, "removed");
        prop_assert_eq!(removed.len(), 3);
        let prefix = format!("{last}/");
        prop_assert!(removed.iter().all(|path| path.starts_with(&prefix)));
    }

    #[test]
    fn exactly_what_differs_is_sent(
        sketches in sketches(), changed in any::<Vec<Index>>(), missing in any::<Vec<Index>>()
    ) {
        let release = release(&sketches);
        let generated = generated(&release);
        let mut state = running(&release, &generated);
        let paths: Vec<String> = generated.files.keys().cloned().collect();
        for index in &changed {
            edit(&mut state, index.get(&paths).as_str(), Some("0".repeat(64)));
        }
        for index in &missing {
            edit(&mut state, index.get(&paths).as_str(), None);
        }
        let plan = make(&release, &generated, &state, &scripts(), 10);
        let differ: BTreeSet<String> = changed.iter().chain(&missing).map(|index| index.get(&paths).clone()).collect();
        prop_assert_eq!(plan.send.iter().cloned().collect::<BTreeSet<_>>(), differ.clone());
        prop_assert_eq!(plan.send.len(), differ.len());
        prop_assert_eq!(plan.is_empty(), differ.is_empty());
        // The release is the same: what differs was edited on the host.
        prop_assert!(files(&plan, "changed").is_empty());
        let drifted: BTreeSet<String> = plan.changes.files.iter().map(|file| file.path.clone()).collect();
        prop_assert_eq!(drifted, differ);
        prop_assert!(plan.changes.files.iter().all(|file| file.drift.is_some() && file.change == "unchanged"));
    }
}

fn two() -> Release {
    let web = Sketch { reloads: true, secrets: BTreeSet::from(["a"]), ..Sketch::default() };
    release(&[web, Sketch::default()])
}

#[test]
fn a_first_deploy_creates_all_and_goes_back_to_nothing() {
    let release = two();
    let state = HostState { digest: "none".to_owned(), ..HostState::default() };
    let plan = plan(&release, &state);
    assert_eq!(with_action(&plan, "create").len(), 2);
    assert_eq!(verbs(&plan.forward), ["pull", "pull", "place", "unseal", "units", "up", "settle"]);
    assert_eq!(plan.back, [Step::Down, Step::Clear]);
    assert_eq!(plan.bound_to, "none");
    assert_eq!(plan.from, None);
    assert!(plan.send_sealed);
    assert_eq!(plan.send, generated(&release).files.keys().cloned().collect::<Vec<_>>());
    assert_eq!(plan.scripts, ["lib.sh", "verbs.sh"]);
}

#[test]
fn only_services_that_read_something_new_are_validated_and_before_anything_is_in_place() {
    let mut release = two();
    let validate = crate::stack::Validate { command: vec!["check".to_owned()], user: None, memory: None };
    for service in release.services.values_mut() {
        service.validate = Some(validate.clone());
    }
    let first = plan(&release, &HostState::default());
    let line = format!("validate\t{}\ts0 s1", first.release);
    let at = first.forward.iter().position(|step| step.line() == line).unwrap();
    assert!(matches!(first.forward[at + 1], Step::Place { .. }), "{:?}", first.forward);
    assert!(!verbs(&first.back).contains(&"validate".to_owned()));

    let state = running(&release, &generated(&release));
    change(&mut release, "s1/conf.yml");
    let update = plan(&release, &state);
    assert!(update.forward.iter().any(|step| step.line() == format!("validate\t{}\ts1", update.release)));
    assert!(!verbs(&update.back).contains(&"validate".to_owned()));
}

#[test]
fn the_way_back_of_an_update_is_the_old_release() {
    let old = two();
    let mut new = old.clone();
    change(&mut new, "s0/rules/a.yml");
    change(&mut new, "s1/conf.yml");
    let was = generated(&old).id;
    let plan = plan(&new, &running(&old, &generated(&old)));
    assert_ne!(plan.release, was);
    assert_eq!(plan.from.as_ref(), Some(&was));
    assert_eq!(
        plan.back,
        [
            Step::Place { release: was.clone() },
            Step::Unseal { release: was.clone() },
            Step::Units,
            Step::Up { release: was.clone() },
            Step::Signal { service: "s0".to_owned(), signal: "HUP".to_owned() },
            Step::Settle { release: was, seconds: 10, excused: Vec::new() },
        ]
    );
    insta::assert_snapshot!(plan.changes.lines().join("\n"), @r"
    s0: reload (s0/rules/a.yml changed)
    s1: recreate (s1/conf.yml changed)
    file s0/rules/a.yml: changed
    file s1/conf.yml: changed
    ");
}

#[test]
fn only_a_service_that_is_told_to_reload_must_have_reloaded_since() {
    let release = two();
    let of = ConfigurationOf::Prometheus;
    let check = |service: String| Check {
        name: format!("{service}.configuration"),
        question: Question::Configuration { port: 1, of, sent: String::new(), since: None },
        service,
    };
    let checks: Vec<Check> = release.services.keys().cloned().map(check).collect();
    let mut changed = release.clone();
    let told = name(0);
    change(&mut changed, &format!("{told}/rules/a.yml"));
    let plan = plan(&changed, &running(&release, &generated(&release)));
    assert_eq!(with_action(&plan, "reload"), BTreeSet::from([told.clone()]));
    let begun = Timestamp::from_second(1_795_500_000).unwrap();
    for check in after(&checks, &plan, Some(begun)) {
        let Question::Configuration { since, .. } = check.question else { panic!("another question") };
        assert_eq!(since, (check.service == told).then_some(begun), "{}", check.service);
    }
    assert_eq!(after(&checks, &plan, None), checks);
}

#[test]
fn what_was_edited_on_the_host_is_drift_and_not_a_change() {
    let release = two();
    let mut state = running(&release, &generated(&release));
    edit(&mut state, "s0/rules/a.yml", Some("0".repeat(64)));
    edit(&mut state, "s0/more.yml", Some("0".repeat(64)));
    edit(&mut state, "s1/conf.yml", None);
    insta::assert_snapshot!(plan(&release, &state).changes.lines().join("\n"), @r"
    s0: reload (drift: s0/rules/a.yml was edited on the host)
    drift: s0/more.yml was put there by hand and goes; it is kept in records/set-aside
    drift: s0/rules/a.yml was edited on the host and will be put back; the edit is kept in records/set-aside
    drift: s1/conf.yml was removed on the host and will be put back
    ");
    // A release that changes the same file says both.
    let mut new = release.clone();
    change(&mut new, "s0/rules/a.yml");
    insta::assert_snapshot!(plan(&new, &state).changes.lines().join("\n"), @r"
    s0: reload (s0/rules/a.yml changed)
    drift: s0/more.yml was put there by hand and goes; it is kept in records/set-aside
    drift: s0/rules/a.yml was edited on the host, and this release changes it; the edit is kept in records/set-aside
    drift: s1/conf.yml was removed on the host and will be put back
    ");
}

#[test]
fn a_container_that_is_not_well_is_started() {
    let release = two();
    for (state, health, well) in [
        ("running", "healthy", true),
        ("running", "", true),
        ("running", "unhealthy", false),
        // It was only just started: it is waited for, not started again.
        ("running", "starting", true),
        ("exited", "", false),
        ("restarting", "", false),
        ("paused", "", false),
        ("created", "", false),
    ] {
        let mut host = running(&release, &generated(&release));
        host.containers[0].state = state.to_owned();
        host.containers[0].health = health.to_owned();
        let plan = plan(&release, &host);
        // Compose does nothing for one that is there.
        let action = if state == "paused" || health == "unhealthy" { "recreate" } else { "start" };
        assert_eq!(with_action(&plan, action).contains("s0"), !well, "{state} {health}");
        let settle = plan.back.last().map(super::super::Step::line).unwrap_or_default();
        assert_eq!(settle.ends_with("\ts0"), !well, "{settle}");
        assert_eq!(plan.is_empty(), well, "{state} {health}");
    }
}

#[test]
fn a_one_shot_that_ended_is_left_alone() {
    let mut release = two();
    release.services.get_mut("s0").unwrap().one_shot = true;
    let mut host = running(&release, &generated(&release));
    host.containers[0].state = "exited".to_owned();
    assert!(plan(&release, &host).is_empty());
}

#[test]
fn a_missing_container_is_created_again() {
    let release = two();
    let mut host = running(&release, &generated(&release));
    host.containers.remove(0);
    let plan = plan(&release, &host);
    assert_eq!(with_action(&plan, "create"), BTreeSet::from(["s0".to_owned()]));
    assert!(plan.send.is_empty() && !plan.send_sealed);
}

#[test]
fn secrets_that_are_not_in_place_are_sealed_and_sent_again() {
    let release = two();
    let mut host = running(&release, &generated(&release));
    host.unsealed = false;
    let plan = plan(&release, &host);
    assert!(plan.send_sealed && !plan.is_empty());
    assert!(plan.changes.services.is_empty());
}

#[test]
fn an_interrupted_activation_and_old_scripts_are_put_right() {
    let release = two();
    let mut host = running(&release, &generated(&release));
    host.interrupted = Some("0123".to_owned());
    assert!(!plan(&release, &host).is_empty());
    let mut host = running(&release, &generated(&release));
    host.scripts.insert("lib.sh".to_owned(), "old".to_owned());
    let plan = plan(&release, &host);
    assert_eq!(plan.scripts, ["lib.sh"]);
    insta::assert_snapshot!(plan.changes.lines().join("\n"), @"the release's records on the host are renewed; no service changes");
}

#[test]
fn a_service_that_runs_is_told_of_a_changed_secret_and_of_the_old_one_on_the_way_back() {
    let mut release = release(&[
        Sketch { secrets: BTreeSet::from(["a", "b"]), ..Sketch::default() },
        Sketch { secrets: BTreeSet::from(["a"]), ..Sketch::default() },
    ]);
    let hook = crate::stack::OnSecret { exec: vec!["tell".to_owned(), "it".to_owned()] };
    release.services.get_mut("s0").unwrap().on_secret.insert("a".to_owned(), hook);
    let state = running(&release, &generated(&release));
    let lines = |state: &HostState, changed: Option<&str>| {
        let plan =
            make(&release, &generate(&release, &fingerprints(&release, changed)), state, &scripts(), 10);
        let last = |steps: &[Step]| steps.last().map(Step::line).unwrap_or_default();
        let told = plan.forward.iter().filter(|step| matches!(step, Step::Tell { .. })).count();
        (told, last(&plan.forward), last(&plan.back))
    };
    let tell = "tell\ts0\ta\ttell\tit".to_owned();
    assert_eq!(lines(&state, Some("a")), (1, tell.clone(), tell));
    assert_eq!(lines(&state, Some("b")).0, 0, "another secret");
    assert_eq!(lines(&state, None).0, 0);
    assert_eq!(lines(&HostState::default(), Some("a")).0, 0, "a first start reads the file");
    let stopped = HostState { containers: Vec::new(), ..state };
    assert_eq!(lines(&stopped, Some("a")).0, 0, "a container that is made anew is not running");
}

#[test]
fn a_changed_password_of_a_role_is_set_before_the_services_start_and_set_back_on_the_way_back() {
    let mut release = release(&[
        Sketch { secrets: BTreeSet::from(["a", "b"]), ..Sketch::default() },
        Sketch { secrets: BTreeSet::from(["a"]), ..Sketch::default() },
    ]);
    release.services.get_mut("s1").unwrap().database = Some(super::super::testing::database());
    let state = running(&release, &generated(&release));
    let lines = |state: &HostState, changed: Option<&str>| {
        let plan =
            make(&release, &generate(&release, &fingerprints(&release, changed)), state, &scripts(), 10);
        let around = |steps: &[Step]| {
            let lines: Vec<String> = steps.iter().map(Step::line).collect();
            lines.iter().position(|line| line.starts_with("role\t")).map(|at| {
                [at - 1, at, at + 1]
                    .map(|at| lines[at].split('\t').next().unwrap_or_default().to_owned())
                    .join(" ")
                    + " "
                    + &lines[at].replace('\t', "-")
            })
        };
        (around(&plan.forward), around(&plan.back))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(lines(&state, Some("a")), (some("units role up role-s1"), some("units role up role-s1-back")));
    assert_eq!(lines(&state, Some("b")), (None, None), "another secret");
    assert_eq!(lines(&state, None), (None, None));
    assert_eq!(
        lines(&HostState::default(), Some("a")),
        (None, None),
        "before a first deploy `bootstrap` sets it"
    );
}

#[test]
fn what_mounts_files_of_the_older_layout_is_made_anew_once_and_the_rest_runs_on() {
    let mut release = release(&[Sketch::default(), Sketch::default()]);
    release.services.get_mut("s1").unwrap().mounts.retain(|mount| mount.source.starts_with('/'));
    let mut state = running(&release, &generated(&release));
    state.moves_from = Some("/opt/shop".to_owned());
    let made = plan(&release, &state);
    assert_eq!(with_action(&made, "recreate"), BTreeSet::from([name(0)]));
    assert!(
        made.changes.notes[0].starts_with("an older provision deployed to /opt/shop: "),
        "{:?}",
        made.changes
    );
    assert!(!made.forward.is_empty() && !made.back.is_empty());
    state.moves_from = None;
    assert!(plan(&release, &state).is_empty());
}
