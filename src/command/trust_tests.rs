//! What `trust` says and asks.

use super::*;
use crate::ssh::OldKey;

fn offered(standing: Standing) -> Offered {
    Offered {
        name: "[10.0.0.7]:2222".to_owned(),
        algorithm: "ssh-ed25519".to_owned(),
        fingerprint: "SHA256:new".to_owned(),
        line: String::new(),
        names: Vec::new(),
        standing,
    }
}

fn changed() -> Standing {
    let old = |place: &str, own| OldKey {
        place: place.to_owned(),
        own,
        algorithm: "ssh-ed25519".to_owned(),
        fingerprint: "SHA256:old".to_owned(),
        key: String::new(),
    };
    Standing::Changed(vec![
        old("/p/inventory/prod.known_hosts:2", true),
        old("/home/ana/.ssh/known_hosts:7", false),
    ])
}

fn arguments(fingerprint: &[&str], replace: bool, leaked: bool) -> Arguments {
    let fingerprint = fingerprint.iter().map(|&it| it.to_owned()).collect();
    Arguments { environment: None, fingerprint, replace, leaked }
}

fn told(error: &Error) -> String {
    let causes = error.causes().iter().map(|cause| format!("  {cause}"));
    let hints = error.hints().iter().map(|hint| format!("hint: {hint}"));
    let lines: Vec<String> =
        std::iter::once(format!("failed to {}", error.doing())).chain(causes).chain(hints).collect();
    lines.join("\n")
}

#[test]
fn a_change_is_shown_with_both_fingerprints() {
    let show = |standing| describe("vps", &offered(standing), Path::new("/p"));
    insta::assert_snapshot!(show(Standing::New), @"vps: ssh-ed25519 SHA256:new");
    insta::assert_snapshot!(show(Standing::Known), @r"
    vps: ssh-ed25519 SHA256:new
      known already
    ");
    insta::assert_snapshot!(show(Standing::KnownElsewhere("/home/ana/.ssh/known_hosts:7".to_owned())), @r"
    vps: ssh-ed25519 SHA256:new
      /home/ana/.ssh/known_hosts:7 knows it; others who deploy do not
    ");
    insta::assert_snapshot!(show(changed()), @r"
    vps: ssh-ed25519 SHA256:new
      CHANGED: this is not the key that the host is known by
      inventory/prod.known_hosts:2 has ssh-ed25519 SHA256:old
      /home/ana/.ssh/known_hosts:7 has ssh-ed25519 SHA256:old
      Either the host was reinstalled, or somebody is in the middle of this connection.
    ");
}

#[test]
fn a_change_is_agreed_to_by_another_word_than_a_first_key() {
    let agrees = |standing: Standing, answer: &str| {
        agree(&arguments(&[], false, false), "prod", &offered(standing), &|_| Some(answer.to_owned())).is_ok()
    };
    assert!(agrees(Standing::New, "y\n") && !agrees(Standing::New, "\n"));
    assert!(!agrees(changed(), "y\n") && !agrees(changed(), "yes\n") && agrees(changed(), "replace\n"));
    let asked = std::cell::RefCell::new(String::new());
    let ask = |question: &str| {
        question.clone_into(&mut asked.borrow_mut());
        None
    };
    let error = agree(&arguments(&[], false, true), "prod", &offered(changed()), &ask).unwrap_err();
    insta::assert_snapshot!(asked.borrow(), @r"
    Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's console.
    Type `replace` to put it in the place of the old key:
    ");
    insta::assert_snapshot!(told(&error), @r"
    failed to trust the host key
      the fingerprint was not confirmed
    hint: Where there is no terminal to ask on, name it once you have compared it: provision trust prod --fingerprint SHA256:new --replace --leaked
    ");
}

#[test]
fn a_fingerprint_on_the_command_line_has_to_be_the_one_that_is_shown() {
    let nobody = |_: &str| -> Option<String> { panic!("asks though it was told") };
    let agree = |arguments: &Arguments, standing| agree(arguments, "prod", &offered(standing), &nobody);
    agree(&arguments(&["SHA256:new"], false, false), Standing::New).unwrap();
    agree(&arguments(&["SHA256:new"], true, false), changed()).unwrap();
    let error = agree(&arguments(&["SHA256:other"], true, false), Standing::New).unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    failed to trust the host key
      the host shows SHA256:new, not SHA256:other
    hint: Compare it at the host's console; somebody may be in the middle of this connection.
    ");
    let error = agree(&arguments(&["SHA256:new"], false, true), changed()).unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    failed to trust the host key
      the host is known by another key, and --fingerprint alone replaces none
    hint: If the host was reinstalled: provision trust prod --fingerprint SHA256:new --replace --leaked
    ");
    let revoked = Standing::Revoked("inventory/prod.known_hosts:3".to_owned());
    let error = agree(&arguments(&["SHA256:new"], true, false), revoked).unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    failed to trust the host key
      the host shows the key SHA256:new, which is revoked
      inventory/prod.known_hosts:3 revokes it
    hint: A revoked key may be in somebody else's hands. Give the host a new key at its console.
    ");
}

#[test]
fn what_was_written_and_what_still_has_the_old_key_is_said() {
    insta::assert_snapshot!(written("prod", &offered(Standing::New), false), @"  written to inventory/prod.known_hosts: commit it");
    insta::assert_snapshot!(written("prod", &offered(changed()), true), @r"
    written to inventory/prod.known_hosts, in place of the old key: commit it, then deploy
    the old key is revoked there
    /home/ana/.ssh/known_hosts:7 still has the old key: ssh-keygen -f '/home/ana/.ssh/known_hosts' -R '[10.0.0.7]:2222'
    ");
}

#[test]
fn what_came_to_nothing_is_an_error() {
    let shown = ["SHA256:one".to_owned(), "SHA256:two".to_owned()];
    unused(&arguments(&["SHA256:two"], false, false), "prod", &shown, false).unwrap();
    let error = unused(&arguments(&["SHA256:old"], false, false), "prod", &shown, false).unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    failed to trust the host key
      no host of prod shows SHA256:old
      shown: SHA256:one, SHA256:two
    hint: Compare it at the host's console; somebody may be in the middle of this connection.
    ");
    let error = unused(&arguments(&[], false, true), "prod", &shown, false).unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    failed to revoke the old host key
      no host of prod shows another key than the one it is known by
    hint: Give the host a new key first. A key that no line has any more is revoked by hand: `@revoked * TYPE KEY` in inventory/prod.known_hosts.
    ");
    unused(&arguments(&[], false, true), "prod", &shown, true).unwrap();
}
