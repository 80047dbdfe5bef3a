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
        hint: Remove it: `provision secrets unset test old_token`.
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
    hint: Ask a colleague who can open it to run: provision secrets recipients add <key>
    hint: If you have another key that is meant for it, name it with --identity.
    ");
}

#[test]
fn without_an_identity_check_looks_at_the_rest_and_a_deploy_is_refused() {
    let project = Project::new();
    std::fs::remove_file(project.identity()).unwrap();
    let run = project.provision(&["check", "test"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_snapshot!(run.stdout, @r"
    test: ok (21 files, 9 services, 17 checks; secrets not looked at: no identity)
    test: remark: dashboards of grafana.com that are wanted and not here: 179, 1860, 9628, 11462; `provision dashboards update` fetches them
    ");
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

#[test]
fn a_swapped_file_is_refused_and_says_whose_it_is() {
    let project = Project::new();
    project.write("inventory/other.yml", &crate::support::INVENTORY.replace("port: 1,", "port: 2,"));
    let identity = provision::secrets::Identity::find(Some(&project.identity())).unwrap();
    provision::secrets::set(&project.root(), "other", &identity, &"a".parse().unwrap(), &"x".into()).unwrap();
    std::fs::rename(
        project.root().join("secrets/other.yml.age"),
        project.root().join("secrets/test.yml.age"),
    )
    .unwrap();
    assert_snapshot!(refused(&project), @r"
    error: failed to open secrets/test.yml.age
      it holds the secrets of the environment `other`, as its entry `_environment` says
    hint: Files were swapped, or one was copied over another. Take it from git again: `git checkout -- secrets/test.yml.age`.
    hint: Where a copy is meant: decrypt it with `age -d`, remove the line `_environment`, and encrypt it again.
    ");
    // Nor is it shown, changed or encrypted again under the wrong name.
    let before = project.tree();
    for arguments in [
        &["secrets", "view", "test"][..],
        &["secrets", "list", "test"],
        &["secrets", "set", "test", "a", "--generate"],
        &["secrets", "unset", "test", "a"],
        &["secrets", "edit", "test"],
        &["secrets", "rekey"],
        &["secrets", "check"],
    ] {
        let run = project.provision(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(run.stderr.contains("holds the secrets of the environment `other`"), "{}", run.stderr);
    }
    assert!(before == project.tree());
}

#[test]
fn a_changed_byte_is_refused() {
    let project = Project::new();
    let text = project.read("secrets/test.yml.age");
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len() - 2];
    let changed = if last.starts_with('A') { "B" } else { "A" };
    project.write("secrets/test.yml.age", &text.replace(last, &format!("{changed}{}", &last[1..])));
    assert_snapshot!(refused(&project), @r"
    error: failed to open secrets/test.yml.age
      it is damaged: a part of it was cut off or changed after it was encrypted
    hint: Take it from git again: `git checkout -- secrets/test.yml.age`.
    ");
}

#[test]
fn a_file_that_does_not_say_whose_it_is_passes_with_a_remark_until_the_next_write() {
    let project = Project::new();
    let identity = project.identity();
    let plain = project.provision(&["secrets", "view", "test"]).stdout;
    // What was printed has a word in the place of each key.
    let ours = |line: &&str| !line.contains("environment") && !line.contains("_recipients");
    let without: String = plain.lines().filter(ours).flat_map(|line| [line, "\n"]).collect();
    let encrypted = age(&["-a", "-R", "secrets/recipients.txt"], &project, &without);
    project.write("secrets/test.yml.age", &encrypted);
    let run = project.provision(&["check", "test"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert_snapshot!(run.stdout, @r"
    test: ok (21 files, 9 services, 17 checks; secrets/test.yml.age does not say that it is test's: the next `secrets set` adds it)
    test: remark: dashboards of grafana.com that are wanted and not here: 179, 1860, 9628, 11462; `provision dashboards update` fetches them
    ");
    assert_eq!(project.provision(&["secrets", "set", "test", "smtp_password", "--generate"]).code, 0);
    let text =
        age(&["-d", "-i", identity.to_str().unwrap()], &project, &project.read("secrets/test.yml.age"));
    assert!(text.contains("\n_environment: \"test\"\n"));
    let run = project.provision(&["secrets", "check"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "test: ok (4 secrets)\n"), "{run:?}");
}

/// Runs the `age` command in the project's folder.
fn age(arguments: &[&str], project: &Project, stdin: &str) -> String {
    use std::io::Write as _;
    let mut child = std::process::Command::new("age")
        .args(arguments)
        .current_dir(project.root())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_secret_is_listed_and_removed() {
    let project = Project::new();
    project.set("old_token", "kT9sPq2mZx7wLr4v");
    let list = |project: &Project| -> String {
        let run = project.provision(&["secrets", "list", "test"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        // Fingerprints are keyed: each run of this test has others.
        let shown = run.stdout.lines().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_print = words[1].len() == 16 && words[1].chars().all(|c| c.is_ascii_hexdigit());
            let word = if is_print { "<print>" } else { words[1] };
            [&[words[0], word], &words[2..]].concat().join(" ") + "\n"
        });
        shown.collect::<String>().replace("<release>", "<print>")
    };
    assert_snapshot!(list(&project), @r"
    grafana_admin_password <print>
    metrics_token <print>
    old_token <print> used by nothing
    postgres_exporter_password <print>
    smtp_password <print>
    ");
    let run = project.provision(&["secrets", "unset", "test", "old_token"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_snapshot!(run.stdout, @"Removed `old_token` from secrets/test.yml.age.");
    let run = project.provision(&["secrets", "unset", "test", "smtp_password"]);
    assert_snapshot!(run.stdout, @r"
    Removed `smtp_password` from secrets/test.yml.age.
    The stack still needs it: `provision check` will say so.
    ");
    assert!(list(&project).contains("smtp_password missing\n"));
    let run = project.provision(&["secrets", "unset", "test", "old_token"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert_snapshot!(run.stderr, @r"
    error: failed to remove the secret `old_token` of test
      there is no such secret
    hint: There are: grafana_admin_password, metrics_token, postgres_exporter_password.
    ");
}

#[test]
fn a_value_comes_from_stdin() {
    use std::io::Write as _;
    let project = Project::new();
    let mut command = project.command(&["secrets", "set", "test", "smtp_password"]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"two: 'words'\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!(project.provision(&["secrets", "view", "test", "smtp_password"]).stdout, "two: 'words'\n");
    let run = project.provision(&["secrets", "set", "test", "smtp_password"]);
    assert_eq!(run.code, 2, "an empty standard input is no value");
}

#[test]
fn git_shows_names_and_fingerprints_and_never_a_value() {
    let project = Project::new();
    let git = |arguments: &[&str]| -> String {
        let output = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args([
                "-c",
                &format!("diff.provision-secrets.textconv={} secrets diff", env!("CARGO_BIN_EXE_provision")),
            ])
            .args(arguments)
            .current_dir(project.root())
            .env("HOME", project.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("PROVISION_IDENTITY")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    project.write(".gitattributes", include_str!("../../../.gitattributes"));
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "x"]);
    project.set("smtp_password", "Hn3mPq8vLw2xRt6y");
    project.set("new_one", "Hn3mPq8vLw2xRt6y");
    let diff = git(&["diff"]);
    let changed: Vec<String> = diff
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---"))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(changed, ["+new_one", "-smtp_password", "+smtp_password"], "{diff}");
    assert!(diff.contains(" _environment test\n") && !diff.contains("Hn3mPq8vLw2xRt6y"), "{diff}");
    // Where nobody can open the file, git's diff goes on all the same.
    std::fs::remove_file(project.identity()).unwrap();
    let diff = git(&["diff"]);
    assert!(
        diff.contains(" cannot be shown: there is no --identity") && diff.contains("\n+SHA-256 "),
        "{diff}"
    );
}

#[test]
fn a_colleague_is_added_and_taken_off_with_what_to_change() {
    let project = Project::new();
    let theirs = project.home().join("ben.txt");
    let (_, ben) = provision::secrets::generate_identity(Some(&theirs)).unwrap();
    let ok = |arguments: &[&str]| {
        let run = project.provision(arguments);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{arguments:?}");
        run.stdout
    };
    assert_snapshot!(ok(&["secrets", "recipients", "add", &ben, "#", "ben"]), @r"
    Added to secrets/recipients.txt: <key>
    Encrypted again: secrets/test.yml.age. Commit them together with the list.
    ");
    assert_snapshot!(ok(&["secrets", "recipients", "list"]), @r"
    <key>
    <key>  ben
    ");
    let theirs = theirs.to_str().unwrap();
    assert_eq!(ok(&["secrets", "view", "test", "smtp_password", "--identity", theirs]), "kT9sPq2mZx7wLr4v\n");
    assert_snapshot!(ok(&["secrets", "recipients", "remove", "ben"]), @r"
    Taken off secrets/recipients.txt: <key>
    Encrypted again: secrets/test.yml.age. Commit them together with the list.
    Whoever has that key has read these values, and git keeps the old files. Change them where they are used, and here:
      provision secrets set test grafana_admin_password
      provision secrets set test metrics_token
      provision secrets set test postgres_exporter_password
      provision secrets set test smtp_password
    ");
    assert_eq!(project.provision(&["secrets", "view", "test", "--identity", theirs]).code, 2);
    // Somebody wrote a line by hand: check names it, nothing is encrypted to it in silence, rekey asks.
    let list = project.read("secrets/recipients.txt");
    project.write("secrets/recipients.txt", &format!("{list}{ben}\n"));
    let run = project.provision(&["secrets", "check", "test"]);
    assert_eq!(run.code, 2);
    assert_snapshot!(run.stderr, @r"
    error: failed to check the secrets

      secrets/test.yml.age: secrets/recipients.txt has <key>, who could not open the file before
        hint: Where that is meant: `provision secrets rekey test`, which asks. Else take the list from git again.
    ");
    let run = project.provision(&["check", "test"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("who could not open the file before"), "{}", run.stderr);
    for command in [&["secrets", "set", "test", "smtp_password", "--generate"][..], &["secrets", "rekey"]] {
        let run = project.provision(command);
        assert_eq!(run.code, 2, "{command:?}");
        assert!(run.stderr.contains("who could not open the file before"), "{}", run.stderr);
    }
    assert_snapshot!(ok(&["secrets", "rekey", "--yes"]), @"Encrypted again: secrets/test.yml.age.");
    assert_snapshot!(ok(&["secrets", "check", "test"]), @"test: ok (4 secrets)");
}
