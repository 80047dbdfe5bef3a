//! Secrets that the real `ansible-vault` encrypted are taken over.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use crate::support::{Project, Run};

/// What Ansible's users keep, in the shapes that they keep it in.
const VARIABLES: &str = "---\n# comment\nvault_smtp_password: \"it's \\\"quoted\\\"\"\ngrafana-Admin.Password: 0123456789012345678901\n\
                         mail:\n  api_key: |\n    two\n    lines\nlist: [a, b]\nnothing:\n";

fn ansible_vault() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ansible-vault.sh");
    let output = Command::new(script).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Runs `ansible-vault` in the project's folder and gives what it prints.
fn vault(project: &Project, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(project.root())
        .env("HOME", project.home())
        .env("ANSIBLE_HOME", project.home())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn import(project: &Project, arguments: &[&str], stdin: &str) -> Run {
    let mut arguments = arguments.to_vec();
    arguments.splice(0..0, ["secrets", "import", "test", "--ansible-vault"]);
    let input = project.root().join("stdin");
    let mut file = std::fs::File::create(&input).unwrap();
    file.write_all(stdin.as_bytes()).unwrap();
    let mut command = project.command(&arguments);
    command.stdin(std::fs::File::open(&input).unwrap());
    project.run(command)
}

#[test]
fn files_and_values_of_ansible_vault_are_taken_over() {
    let program = ansible_vault();
    let project = Project::new();
    project.write("password", "correct horse\n");
    project.write("other", "wrong\n");
    project.write("plain.yml", VARIABLES);
    // Format 1.1 as a whole.
    vault(
        &project,
        &program,
        &["encrypt", "--vault-password-file", "password", "--output", "v11.yml", "plain.yml"],
    );
    assert!(project.read("v11.yml").starts_with("$ANSIBLE_VAULT;1.1;AES256\n"));
    let before = project.tree();
    let run = import(&project, &["v11.yml", "--vault-password-file", "other"], "");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert_snapshot!(run.stderr, @r"
    error: failed to open v11.yml
      the password is not the right one, or the vault is damaged
    ");
    // The stack's `smtp_password` is there already, with another value.
    let run = import(&project, &["v11.yml", "--vault-password-file", "password"], "");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert_snapshot!(run.stderr, @r"
    error: failed to import v11.yml into test
      secrets/test.yml.age has another value already for `grafana_admin_password`, `smtp_password`
    hint: Nothing was saved. `--force` replaces them.
    ");
    std::fs::remove_file(project.root().join("stdin")).unwrap();
    assert!(before == project.tree());
    let run = import(&project, &["v11.yml", "--vault-password-file", "password", "--force"], "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_snapshot!(run.stdout, @r"
    Took `grafana_admin_password` (from `grafana-Admin.Password`).
    Took `mail_api_key` (from `mail.api_key`).
    Took `smtp_password` (from `vault_smtp_password`).
    Left out `list`: it is a list or nested too deep.
    Left out `nothing`: it has no value.
    Saved secrets/test.yml.age. `provision secrets check test` compares it with the stack.
    ");
    let value = |name: &str| project.provision(&["secrets", "view", "test", name]).stdout;
    assert_eq!(value("smtp_password"), "it's \"quoted\"\n");
    assert_eq!(value("grafana_admin_password"), "0123456789012345678901\n");
    assert_eq!(value("mail_api_key"), "two\nlines\n");

    // Format 1.2 with a vault id, the password on standard input: all of it is there already.
    vault(
        &project,
        &program,
        &["encrypt", "--vault-id", "prod@password", "--output", "v12.yml", "plain.yml"],
    );
    assert!(project.read("v12.yml").starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    let encrypted = project.read("secrets/test.yml.age");
    let run = import(&project, &["v12.yml"], "correct horse\n");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(run.stdout.matches("was there already with that value").count(), 3, "{}", run.stdout);
    assert_eq!(project.read("secrets/test.yml.age"), encrypted, "nothing to change, nothing written");

    // Single values in a file in the clear, under two vault ids: one password opens its own.
    let one = |id: &str, name: &str| {
        vault(
            &project,
            &program,
            &["encrypt_string", "--vault-id", id, "--name", name, &format!("value of {name}")],
        )
    };
    let (prod, dev) = (one("prod@password", "first_token"), one("dev@other", "second_token"));
    project.write("vars.yml", &format!("port: 80\n{prod}\n{dev}\n"));
    let run = import(&project, &["vars.yml", "--vault-password-file", "password"], "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_snapshot!(run.stdout, @r"
    Took `first_token`.
    Left out `second_token`: the password is not that of the vault id `dev`, or the vault is damaged.
    Saved secrets/test.yml.age. `provision secrets check test` compares it with the stack.
    ");
    assert_eq!(import(&project, &["vars.yml", "--vault-password-file", "other"], "").code, 0);
    assert_eq!(value("first_token"), "value of first_token\n");
    assert_eq!(value("second_token"), "value of second_token\n");
}

#[test]
fn what_cannot_be_imported_says_why() {
    let project = Project::new();
    project.write("script", "#!/bin/sh\necho x\n");
    project.write("vars.yml", "port: 80\n");
    let refused = |arguments: &[&str]| {
        let run = import(&project, arguments, "");
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
        run.stderr
    };
    assert_snapshot!(refused(&["nothing.yml"]), @r"
    error: failed to read nothing.yml
      No such file or directory (os error 2)
    ");
    assert_snapshot!(refused(&["vars.yml"]), @r"
    error: failed to read the vault password from stdin
      there is none
    hint: Give it on stdin (`< FILE`), or type it on a terminal.
    ");
    assert_snapshot!(refused(&["vars.yml", "--vault-password-file", "script"]), @r"
    error: failed to read the vault password from script
      it is a script, and provision runs none
    hint: Run it yourself: `script | provision secrets import …`.
    ");
}
