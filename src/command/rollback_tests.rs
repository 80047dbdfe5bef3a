use super::*;

fn state(kept: &[&str]) -> HostState {
    HostState {
        current: kept.first().map(|id| ReleaseId((*id).to_owned())),
        kept: kept.iter().map(|id| ReleaseId((*id).to_owned())).collect(),
        ..HostState::default()
    }
}

fn told(result: &Result<ReleaseId>) -> String {
    match result {
        Ok(id) => id.to_string(),
        Err(error) => format!("{:?} {error} | {}", error.kind(), error.hints().join(" ")),
    }
}

#[test]
fn a_release_is_chosen_by_the_beginning_of_its_id() {
    let state = state(&["0a11", "0a22", "0b33"]);
    let all = ["0b", "0a", "0c"].map(|begin| told(&chosen(begin, &state))).join("\n");
    insta::assert_snapshot!(all, @r"
    0b33
    Failed choose a release to go back to: 0a can be each of 0a11, 0a22 | Give more of its id.
    Failed choose a release to go back to: the host keeps no release 0c | It keeps: 0a11, 0a22, 0b33. `provision status` says since when.
    ");
}

#[test]
fn without_one_it_is_the_release_before() {
    let kept = |release: &str, confirmed| host::KeptRelease {
        release: release.to_owned(),
        confirmed,
        gone: Vec::new(),
    };
    let status = host::Status {
        kept: vec![kept("0a11", 30), kept("0b33", 20), kept("0a22", 10)],
        ..host::Status::default()
    };
    assert_eq!(told(&before(&state(&["0a11", "0a22", "0b33"]), &status)), "0b33");
    let alone = host::Status { kept: vec![kept("0a11", 30)], ..host::Status::default() };
    insta::assert_snapshot!(told(&before(&state(&["0a11"]), &alone)), @"Failed choose a release to go back to: the host keeps no other release than the one that runs | Check out the commit that worked (`provision history` names it), and deploy that.");
}
