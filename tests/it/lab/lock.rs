//! A host that somebody else deploys to.

use std::io::{BufRead as _, BufReader, Read as _};

use super::interruptions::{change, goes_back_by_itself, until};
use super::{Lab, lock_is_free};

#[test]
fn a_deploy_waits_for_the_lock_when_it_is_told_to() {
    let lab = Lab::take();
    change(&lab);
    let mut first = lab.spawn(&["deploy", "lab"]);
    until(&mut first, "settle ");
    let second = lab.provision(&["deploy", "lab", "--lock-wait", "2m"]);
    second.ends_with(0, &[]);
    assert!(second.stdout.contains("waiting for the lock, at most"), "{}", second.stdout);
    assert!(second.stdout.contains("nothing was touched"), "{}", second.stdout);
    assert!(first.wait().unwrap().success());
}

#[test]
fn unlock_asks_the_holder_to_go_back() {
    let lab = Lab::take();
    let before = lab.snapshot();
    let free = lab.provision(&["unlock", "lab"]);
    free.ends_with(0, &[]);
    assert!(free.stdout.contains("vps: nobody holds the lock"), "{}", free.stdout);
    change(&lab);
    let mut child = lab.spawn(&["deploy", "lab"]);
    until(&mut child, "settle ");
    // What is on its way is neither anybody's edit nor left over.
    let status = lab.provision(&["status", "lab"]);
    status.ends_with(0, &[]);
    assert!(status.stdout.contains("held by the deploy of release "), "{}", status.stdout);
    assert!(
        !status.stdout.contains("by hand") && !status.stdout.contains("interrupted"),
        "{}",
        status.stdout
    );
    let run = lab.provision(&["unlock", "lab"]);
    run.ends_with(0, &[]);
    assert!(run.stdout.contains("it was held by the deploy of release "), "{}", run.stdout);
    assert!(run.stdout.contains("the host went back to what ran before"), "{}", run.stdout);
    assert!(lock_is_free());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5), "{error}");
    assert!(error.contains("asked for the way back with `provision unlock lab`"), "{error}");
    let history = lab.provision(&["history", "lab", "-n", "1"]).stdout;
    assert!(history.contains("because: unlocked: "), "{history}");
    lab.is_as_before(&before);
}

#[test]
fn the_second_ctrl_c_leaves_at_once_and_says_what_the_host_does() {
    let lab = Lab::take();
    let before = lab.snapshot();
    change(&lab);
    let mut child = lab.spawn(&["deploy", "lab"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let pid = child.id().to_string();
    let press =
        || assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(lines.any(|line| line.contains("settle ")));
    press();
    assert!(lines.any(|line| line.contains("Ctrl-C again leaves at once")));
    press();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(error.contains("vps: left: it "), "{error}");
    assert!(error.contains("goes back by itself") || error.contains("asked to go back"), "{error}");
    goes_back_by_itself();
    lab.is_as_before(&before);
}
