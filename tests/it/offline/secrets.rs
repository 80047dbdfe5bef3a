//! Mistakes in the secrets, and what there is to open them with.

use insta::assert_snapshot;

use super::{refused, refused_alike};
use crate::support::{Project, SECRETS};

/// The project with the secrets of [`SECRETS`] but those in `without`.
fn without(names: &[&str]) -> Project {
    let project = Project::new();
    std::fs::remove_file(project.root().join("secrets/test.yml.age")).unwrap();
    for (name, value) in SECRETS.iter().filter(|(name, _)| !names.contains(name)) {
        project.set(name, value);
    }
    project
}

#[test]
fn a_missing_secret_says_how_to_set_it() {
    assert_snapshot!(refused(&without(&["smtp_password"])), @r"
    error: failed to load test

      secrets/test.yml.age: the secret `smtp_password` is missing
        hint: Set it: `provision secrets set test smtp_password` (`--generate` makes a random one).
    ");
}

#[test]
fn a_secret_that_nothing_uses_is_refused() {
    let project = Project::new();
    project.set("old_token", "kT9sPq2mZx7wLr4v");
    assert_snapshot!(refused(&project), @r"
    error: failed to load test

      secrets/test.yml.age: the secret `old_token` is used by nothing
        hint: Remove it: `provision secrets edit test`.
    ");
}

#[test]
fn a_short_grafana_password_is_refused() {
    let project = Project::new();
    project.set("grafana_admin_password", "kT9sPq2mZx7wLr4vBn4");
    let text = refused(&project);
    assert!(!text.contains("kT9sPq2mZx7wLr4v"));
    assert_snapshot!(text, @r"
    error: failed to load test

      secrets/test.yml.age: the secret `grafana_admin_password` is shorter than 20 characters
        hint: `--generate` makes one of 32 characters.
    ");
}

#[test]
fn a_placeholder_is_no_secret() {
    let project = Project::new();
    project.set("smtp_password", "changeme");
    project.set("metrics_token", "TODO: ask Ann");
    let text = refused(&project);
    assert!(!text.contains("ask Ann"));
    assert_snapshot!(text, @r"
    error: failed to load test

      secrets/test.yml.age: the secret `metrics_token` is a placeholder, not a secret
        hint: Give it a real value; `--generate` makes one.

      secrets/test.yml.age: the secret `smtp_password` is a placeholder, not a secret
        hint: Give it a real value; `--generate` makes one.
    ");
}

#[test]
fn without_a_secrets_file_the_stack_cannot_be_deployed() {
    let project = Project::new();
    std::fs::remove_file(project.root().join("secrets/test.yml.age")).unwrap();
    assert_snapshot!(refused(&project), @r"
    error: failed to read secrets/test.yml.age
      there is no such file
    hint: Run `provision secrets edit test`: it makes one.
    ");
}

#[test]
fn a_secrets_file_that_is_not_encrypted_is_refused() {
    let project = Project::new();
    project.write("secrets/test.yml.age", "smtp_password: hunter2hunter2\n");
    let text = refused(&project);
    assert!(!text.contains("hunter2"));
    assert_snapshot!(text, @r"
    error: failed to open secrets/test.yml.age
      it is not an age file
    hint: If it is plain text: encrypt it with `age -a -R secrets/recipients.txt`, and change every secret that was ever committed that way.
    ");
}

#[test]
fn a_secrets_file_that_is_cut_short_is_refused() {
    let project = Project::new();
    let text = project.read("secrets/test.yml.age");
    project.write("secrets/test.yml.age", &text[..text.len() / 2]);
    assert_snapshot!(refused(&project), @r"
    error: failed to open secrets/test.yml.age
      it is cut short: its last line (END AGE ENCRYPTED FILE) is missing
    hint: Take it from git again: `git checkout -- secrets/test.yml.age`.
    ");
}

#[test]
fn the_wrong_identity_says_for_whom_it_is() {
    let project = Project::new();
    let other = project.home().join("other.txt");
    provision::secrets::generate_identity(Some(&other)).unwrap();
    let other = other.to_str().unwrap();
    let commands: [&[&str]; 3] = [
        &["check", "test", "--identity", other],
        &["plan", "test", "--identity", other],
        &["deploy", "test", "--identity", other],
    ];
    assert_snapshot!(refused_alike(&project, &commands), @r"
    error: failed to open secrets/test.yml.age
      it is not encrypted to your identity <home>/other.txt (public key: <key>)
    hint: Ask a colleague who can open it to add this line to secrets/recipients.txt and encrypt the file again: <key>
    hint: If you have another key that is meant for it, name it with --identity.
    ");
}

#[test]
fn without_an_identity_check_looks_at_the_rest_and_a_deploy_is_refused() {
    let project = Project::new();
    std::fs::remove_file(project.identity()).unwrap();
    let run = project.provision(&["check", "test"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_snapshot!(run.stdout, @"test: ok (12 files, 9 services, 15 checks; secrets not looked at: no identity)");
    assert_snapshot!(refused_alike(&project, &[&["plan", "test"], &["deploy", "test"]]), @r"
    error: failed to find your identity, the key that opens secrets files
      there is no --identity, no PROVISION_IDENTITY, no ~/.config/provision/identity.txt and no ~/.ssh/id_ed25519
    hint: Run `provision secrets keygen`. In a project that has secrets already, give the line that it prints to somebody who can open them; in a new one put it into secrets/recipients.txt.
    ");
}

#[test]
fn an_identity_that_is_none_is_refused() {
    let project = Project::new();
    for (value, expected) in [("", "empty"), ("nonsense", "neither")] {
        let mut command = project.command(&["deploy", "test"]);
        command.env("PROVISION_IDENTITY", value);
        let run = project.run(command);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
    let run = project.provision(&["deploy", "test", "--identity", "nowhere.txt"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert_snapshot!(run.stderr, @r"
    error: failed to read the identity nowhere.txt
      there is no such file
    hint: `provision secrets keygen` makes one.
    ");
}

#[test]
fn a_secret_is_set_generated_shown_and_never_in_a_message() {
    let project = Project::new();
    let run = project.provision(&["secrets", "set", "test", "smtp_password", "--generate=40"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_snapshot!(run.stdout, @"Changed `smtp_password` in secrets/test.yml.age.");
    let value = project.provision(&["secrets", "view", "test", "smtp_password"]);
    assert_eq!(value.stdout.trim_end().len(), 40);
    assert_eq!(project.provision(&["check", "test"]).code, 0);
    let run = project.provision(&["secrets", "view", "test", "smtp_pasword"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert_snapshot!(run.stderr, @r"
    error: failed to show the secret `smtp_pasword` of test
      there is no such secret
    hint: There are: grafana_admin_password, metrics_token, postgres_exporter_password, smtp_password.
    ");
}
