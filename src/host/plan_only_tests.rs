//! The script that a key is bound to which may only plan, under dash and busybox.

use super::scripts::{self, PROBE, TEXTS};
use super::testing::{Stand, printed};
use crate::inventory::Environment;
use crate::ssh::Command;

const BIN: &str = "lib/p/records/bin";
const GUARD: &str = "lib/p/records/bin/plan-only.sh";

/// A host that a release was deployed to, and the environment it belongs to. What the guard would run is printed.
fn host() -> (Stand, Environment, tempfile::TempDir) {
    let stand = Stand::new();
    stand.program("timeout", "echo ran \"$@\"");
    for (name, text) in scripts::installed() {
        stand.write(&format!("{BIN}/{name}"), &text);
    }
    stand.install(GUARD, &scripts::installed()["plan-only.sh"]);
    let root = tempfile::tempdir().unwrap();
    for folder in ["inventory", "stack/s"] {
        std::fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let all = format!("project: p\nstack: s\nremote: {{path: {}}}\n", stand.remote());
    std::fs::write(root.path().join("inventory/all.yml"), all).unwrap();
    std::fs::write(root.path().join("inventory/e.yml"), "hosts: {vps: {address: vps.test, sudo: true}}\n")
        .unwrap();
    let environment = Environment::load(root.path(), "e").unwrap();
    (stand, environment, root)
}

/// What the guard answers under each shell: status, what it would run, why it refuses.
fn asked(stand: &Stand, original: &str) -> (u32, String, String) {
    let remote = stand.remote();
    let records = stand.path("lib/p/records").display().to_string();
    let answers = stand.run_file(GUARD, &[&remote, "p", original], "");
    let one = |output: &crate::ssh::Output| {
        let ran = printed(output).replace(&remote, "REMOTE").replace(&records, "RECORDS");
        (output.status, ran, String::from_utf8_lossy(&output.stderr).replace(&remote, "REMOTE"))
    };
    let first = one(&answers[0].1);
    for (shell, output) in &answers {
        assert_eq!(one(output), first, "{shell}: {original}");
    }
    first
}

#[test]
fn what_plan_asks_is_answered() {
    let (stand, environment, _root) = host();
    let vps = &environment.hosts[0];
    for fed in [true, false] {
        let (status, ran, said) = asked(&stand, &PROBE.kept(vps, &environment, &[]).sent(fed));
        assert_eq!((status, said.as_str()), (0, ""));
        assert_eq!(ran, "ran 120 /bin/sh RECORDS/bin/probe.sh REMOTE p\n");
    }
    // The texts are those of the release, never of files that somebody edited.
    let (status, ran, said) = asked(&stand, &TEXTS.kept(vps, &environment, &[""]).sent(true));
    assert_eq!((status, said.as_str()), (0, ""));
    assert_eq!(ran, "ran 120 /bin/sh RECORDS/bin/texts.sh REMOTE p released\n");
}

#[test]
fn nothing_else_is_run() {
    let (stand, environment, _root) = host();
    let vps = &environment.hosts[0];
    let remote = stand.remote();
    let kept = |name: &str, args: &[&str]| {
        let digest = crate::stack::short_digest(TEXTS.text.as_bytes());
        let command = Command::script(":").arg(&remote).arg(name).arg(digest);
        args.iter().fold(command, Command::arg).sent(true)
    };
    let probe = PROBE.kept(vps, &environment, &[]).sent(true);
    for original in [
        String::new(),
        "sh".to_owned(),
        "id; touch /tmp/x".to_owned(),
        "/usr/lib/openssh/sftp-server".to_owned(),
        "internal-sftp".to_owned(),
        "scp -t /root".to_owned(),
        "rsync --server . /".to_owned(),
        // A script of the client's own, the host's other scripts, and texts of what is no running release.
        Command::script("id").sent(true),
        PROBE.sent(vps, &environment, &[]).sent(true),
        scripts::RECEIVE.kept(vps, &environment, &["a", "b"]).sent(true),
        scripts::ANSWER.kept(vps, &environment, &["a", "b"]).sent(true),
        kept("receive.sh", &[&remote, "p"]),
        kept("../bin/texts.sh", &[&remote, "p", ""]),
        kept("texts.sh", &[&remote, "p", "current"]),
        kept("texts.sh", &[&remote, "p", "0123456789abcdef"]),
        kept("texts.sh", &[&remote, "p", "", "more"]),
        kept("texts.sh", &["/", "p", ""]),
        kept("texts.sh", &[&remote, "other", ""]),
        kept("texts.sh", &[&remote, "p"]),
        kept("texts.sh", &[]),
        TEXTS.kept(vps, &environment, &["0123456789abcdef"]).sent(true),
        // Nothing of the line is read by a shell.
        format!("{probe}; id"),
        format!("{probe} $(id)"),
        format!("{probe}\nid"),
        probe.replace("' sh ", "' sh ; id ; "),
        "' sh *".to_owned(),
        "' sh probe.sh".to_owned(),
    ] {
        let (status, ran, said) = asked(&stand, &original);
        assert_eq!((status, ran.as_str()), (92, ""), "{original}: {said}");
        assert!(said.starts_with("this key may only plan: "), "{original}: {said}");
    }
}

#[test]
fn paths_of_records_and_out_of_the_folder_are_not_passed_on() {
    let (stand, environment, _root) = host();
    stand.program("timeout", "cat");
    let original = TEXTS.kept(&environment.hosts[0], &environment, &[""]).sent(true);
    let paths = "a/b.yml\n/etc/shadow\n@records/releases/0a/sealed.age\n../sealed.age\na/../../x\nc d.yml\n";
    for (shell, output) in stand.run_file(GUARD, &[&stand.remote(), "p", &original], paths) {
        assert_eq!((output.status, printed(&output).as_str()), (0, "a/b.yml\nc d.yml\n"), "{shell}");
    }
}

#[test]
fn another_version_is_said_to_be_one() {
    let (stand, environment, _root) = host();
    stand.write(&format!("{BIN}/probe.sh"), "echo older\n");
    let (status, ran, said) = asked(&stand, &PROBE.kept(&environment.hosts[0], &environment, &[]).sent(true));
    assert_eq!((status, ran.as_str()), (92, ""));
    insta::assert_snapshot!(said.trim_end(), @"this key may only plan: the scripts on this host are another version's");
}

#[test]
fn texts_lead_out_of_no_folder() {
    let stand = Stand::new();
    stand.write("lib/p/records/current", "0a\n");
    stand.write("lib/p/records/releases/0a/files/conf.yml", "released\n");
    stand.write("lib/p/records/releases/0a/sealed.age", "sealed\n");
    stand.write("opt/stack/conf.yml", "edited\n");
    stand.write("opt/secret", "secret\n");
    let outside = stand.path("opt/secret");
    let paths = format!(
        "conf.yml\n../sealed.age\n../../../../../secret\n{}\n./../sealed.age\n@records/current\n",
        outside.display()
    );
    for (shell, output) in stand.run(TEXTS.text, &["released"], &paths) {
        let texts = super::texts::read(&output.stdout).unwrap();
        assert_eq!(texts.len(), 1, "{shell}: {texts:?}");
        assert_eq!(texts["conf.yml"], b"released\n", "{shell}");
    }
}
