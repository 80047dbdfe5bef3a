use std::collections::BTreeSet;

use super::super::testing::{Sketch, fingerprints, generated, release, running, scripts};
use super::super::{generate, make};
use super::*;
use crate::stack::File;

fn two() -> Release {
    release(&[
        Sketch { reloads: true, secrets: BTreeSet::from(["a", "b"]), ..Sketch::default() },
        Sketch { depends_on: BTreeSet::from([0]), ..Sketch::default() },
    ])
}

#[test]
fn a_plan_says_everything_that_changes() {
    let old = two();
    let mut state = running(&old, &generated(&old));
    state.containers[1].image_id = format!("sha256:{}", "ab".repeat(32));
    let mut new = two();
    new.files.insert("s0/rules/a.yml".to_owned(), File::new(b"one\ntwo\n".to_vec()));
    new.files.insert("s0/rules/b.yml".to_owned(), File::new(b"more\n".to_vec()));
    new.files.remove("s1/dashboards/a.json");
    let service = new.services.get_mut("s1").unwrap();
    service.image = "example/s1:2".to_owned();
    service.definition = crate::stack::digest(b"other");
    let mut prints = fingerprints(&new, Some("a"));
    prints.remove("b");
    prints.insert("c".to_owned(), "1".to_owned());
    let new_generated = generate(&new, &prints);
    let mut plan = make(&new, &new_generated, &state, &scripts(), 10);
    let texts = BTreeMap::from([
        ("s0/rules/a.yml".to_owned(), b"one\nzwei\n".to_vec()),
        ("s1/dashboards/a.json".to_owned(), b"{}\n".to_vec()),
    ]);
    plan.changes.compare(&texts, &new_generated);
    insta::assert_snapshot!(plan.changes.lines().join("\n"), @r"
    s0: recreate (the secret a changed, the secret b changed)
    s1: recreate (image example/s1:1 → example/s1:2)
    image of s1: example/s1:1 (abababababab) → example/s1:2
    secret a: changed
    secret b: removed
    secret c: added
    file s0/rules/a.yml: changed
        @@ -1,2 +1,2 @@
         one
        -zwei
        +two
    file s0/rules/b.yml: added
        @@ -0,0 +1 @@
        +more
    file s1/dashboards/a.json: removed
        @@ -1 +0,0 @@
        -{}
    ");
}

#[test]
fn a_long_difference_is_cut_for_a_person_only() {
    let long: String = (0..500).flat_map(|n| [n.to_string(), "\n".to_owned()]).collect();
    let file = FileChange {
        path: "x".to_owned(),
        change: "added",
        drift: None,
        diff: Some(difference(b"", long.as_bytes())),
        values: Vec::new(),
    };
    let lines = shown(&file);
    assert_eq!(lines.len(), LONGEST + 1);
    assert_eq!(lines.last().unwrap(), "    … 381 more lines; `--output json` has all");
    assert!(file.diff.unwrap().contains("+499"));
    assert_eq!(difference(b"\xff", b"a"), "not text: 1 bytes, will be 1 bytes\n");
}

#[test]
fn what_else_is_put_right_is_said() {
    let release = two();
    let generated = generated(&release);
    let mut state = running(&release, &generated);
    state.unsealed = false;
    state.interrupted = Some("0123".to_owned());
    let plan = make(&release, &generated, &state, &scripts(), 10);
    insta::assert_snapshot!(plan.changes.lines().join("\n"), @r"
    the activation of release 0123 was interrupted: it is taken up and ended
    the secrets are not in place on the host, or sealed to another host key: sealed anew
    ");
}
