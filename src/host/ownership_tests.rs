//! Whose is what on a host: what provision placed is known by its exact name, and nothing else is touched.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::broken::Login;
use super::scripts;
use super::testing::{SHELLS, Stand, printed};
use crate::plan::HostState;
use crate::ssh::Output;
use crate::stack::digest;

/// The verbs, with the release `0a` in place and `0b` about to come: `$3` is what is run.
const VERBS: &str = concat!(
    scripts::lib!(),
    include_str!("scripts/verbs.sh"),
    include_str!("scripts/move.sh"),
    r#"use "$1" "$2"
mkdir -p "$control"
log=$control/log.n nonce=n id=0b release=0b begun_up=0
manifest=$records/releases/0b/manifest
old_manifest=$records/releases/0a/manifest
eval "$3"
"#
);

/// Writes a release with these files, which all say `release path`, whose services mount `prometheus` and no other
/// folder.
fn release(stand: &Stand, id: &str, files: &[&str]) {
    let folder = format!("lib/p/records/releases/{id}");
    let mut manifest = "owner\tp\tprod\ncompose\tc.yml\n".to_owned();
    for path in files {
        let text = format!("{id} {path}\n");
        let _ = writeln!(manifest, "file\t{}\t{path}", digest(text.as_bytes()));
        stand.write(&format!("{folder}/files/{path}"), &text);
    }
    stand.write(&format!("{folder}/manifest"), &format!("{manifest}folder\tprometheus\n"));
}

/// A host where the release `0a` runs.
fn host() -> Stand {
    let stand = Stand::new();
    let files = ["c.yml", "old.conf", "prometheus/p.yml", "prometheus/rules/old.yml"];
    release(&stand, "0a", &files);
    for path in files {
        stand.write(&format!("lib/p/live/{path}"), &format!("0a {path}\n"));
    }
    stand.write("lib/p/records/current", "0a\n");
    stand
}

fn probed(output: &Output) -> HostState {
    let login = Login { user: "deploy".to_owned(), by_hand: "ssh deploy@vps true".to_owned() };
    super::probe::parse(output, &login).unwrap_or_else(|error| panic!("{error} {output:?}"))
}

/// All files below a folder, by their paths in it.
fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().as_bytes().escape_ascii().to_string();
        if entry.file_type().unwrap().is_dir() {
            found.extend(below(&entry.path()).into_iter().map(|path| format!("{name}/{path}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

fn in_place(stand: &Stand) -> Vec<String> {
    below(&stand.path("lib/p/live"))
}

#[test]
fn what_somebody_put_there_is_left_alone_but_for_what_a_service_reads_as_its_configuration() {
    for shell in SHELLS {
        let stand = host();
        release(&stand, "0b", &["c.yml", "web/new.conf", "prometheus/p.yml"]);
        for path in ["data/pg_wal/1", "README", "prometheus-old/a.yml", "web/theirs.conf", "c.yml.bak"] {
            stand.write(&format!("lib/p/live/{path}"), "theirs\n");
        }
        stand.write("lib/p/live/prometheus/rules/stray.yml", "theirs\n");
        stand.write("lib/p/live/old.conf", "edited\n");
        let state = probed(&stand.run_in(shell, scripts::PROBE.text, &[], ""));
        let foreign: Vec<&str> = state.foreign.iter().map(String::as_str).collect();
        assert_eq!(foreign, ["old.conf", "prometheus/rules/stray.yml"], "{shell:?}");
        assert_eq!(state.files.len(), 5, "{:?}", state.files);
        let output = stand.run_in(shell, VERBS, &["verb_place 0b"], "");
        assert_eq!(output.status, 0, "{shell:?} {output:?}");
        assert_eq!(
            in_place(&stand),
            [
                "README",
                "c.yml",
                "c.yml.bak",
                "data/pg_wal/1",
                "prometheus-old/a.yml",
                "prometheus/p.yml",
                "web/new.conf",
                "web/theirs.conf"
            ],
            "{shell:?}"
        );
        let aside = stand.path("lib/p/records/set-aside/n");
        assert_eq!(below(&aside), ["old.conf", "prometheus/rules/stray.yml"], "{shell:?}");
        let placed = std::fs::read_to_string(stand.path("lib/p/records/placed")).unwrap();
        let placed: Vec<&str> = placed.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
        assert_eq!(placed.len(), 3, "{placed:?}");
        // The way back: what the new release brought goes, by its name.
        let back = "manifest=$records/releases/0a/manifest old_manifest=$records/releases/0b/manifest; verb_place 0a";
        assert_eq!(stand.run_in(shell, VERBS, &[back], "").status, 0, "{shell:?}");
        assert!(
            !stand.path("lib/p/live/web/new.conf").exists()
                && stand.path("lib/p/live/web/theirs.conf").exists()
        );
        assert_eq!(std::fs::read_to_string(stand.path("lib/p/live/old.conf")).unwrap(), "0a old.conf\n");
    }
}

#[test]
fn what_an_interrupted_release_placed_is_known_when_its_own_records_are_gone() {
    for shell in SHELLS {
        let stand = host();
        release(&stand, "0b", &["c.yml", "web/interrupted.conf"]);
        assert_eq!(stand.run_in(shell, VERBS, &["note_placed \"$records/releases/0b\""], "").status, 0);
        stand.write("lib/p/live/web/interrupted.conf", "0b web/interrupted.conf\n");
        stand.write("lib/p/live/web/half.conf.provision-new", "theirs");
        stand.write("lib/p/live/web/interrupted.conf.provision-new", "half");
        std::fs::remove_dir_all(stand.path("lib/p/records/releases/0b")).unwrap();
        let state = probed(&stand.run_in(shell, scripts::PROBE.text, &[], ""));
        assert!(
            state.files.contains_key("web/interrupted.conf") && state.foreign.is_empty(),
            "{shell:?} {state:?}"
        );
        release(&stand, "0b", &["c.yml"]);
        assert_eq!(stand.run_in(shell, VERBS, &["verb_place 0b"], "").status, 0, "{shell:?}");
        assert_eq!(in_place(&stand), ["c.yml", "web/half.conf.provision-new"], "{shell:?}");
        assert!(!stand.path("lib/p/records/set-aside").exists(), "{shell:?}");
    }
}

#[test]
fn a_first_deploy_that_fails_removes_what_it_placed_and_that_alone() {
    for shell in SHELLS {
        let stand = Stand::new();
        release(&stand, "0b", &["c.yml", "prometheus/p.yml"]);
        stand.write("lib/p/records/releases/0b/units/provision-p-unseal.service", "ours");
        stand.write("run-systemd/system/x", "");
        stand.program("systemctl", "echo \"$*\" >>\"${0%/*}/asked\"");
        stand.write("lib/p/live/prometheus/theirs.txt", "theirs");
        let first =
            "old_manifest=; release=0b; note_placed \"$records/releases/0b\"; verb_units; verb_place 0b";
        stand.write("etc/systemd/system/provision-p-metrics-unseal.service", "another project's");
        stand.write("etc/systemd/system/provision-p-other.service", "somebody's");
        stand.run_in(shell, VERBS, &[first], "");
        assert!(stand.path("etc/systemd/system/provision-p-unseal.service").exists(), "{shell:?}");
        let output = stand.run_in(shell, VERBS, &[&format!("{first}; verb_clear")], "");
        assert_eq!(output.status, 0, "{shell:?} {output:?}");
        let units = below(&stand.path("etc/systemd/system"));
        assert_eq!(units, ["provision-p-metrics-unseal.service", "provision-p-other.service"], "{shell:?}");
        let asked = std::fs::read_to_string(stand.path("bin/asked")).unwrap();
        assert!(asked.contains("disable --quiet provision-p-unseal.service\n"), "{asked}");
        assert!(!asked.contains("metrics") && !asked.contains("other"), "{asked}");
        assert_eq!(in_place(&stand), [""; 0], "{shell:?}");
        assert_eq!(below(&stand.path("lib/p/records/set-aside/n")), ["prometheus/theirs.txt"]);
        assert!(!stand.path("lib/p/records/placed").exists());
    }
}

/// Names that a program could take for something else, or that no line can hold.
const ODD: [&[u8]; 8] = [
    b"back\\slash.yml",
    b"new\nline.yml",
    b"file 0 forged\nend",
    b" blanks  .yml ",
    b"-rf",
    b"--files-from=x",
    b"\xff\xfe.yml",
    b"\x1b[31m.yml",
];

#[test]
fn odd_names_are_reported_and_put_away_and_never_misread() {
    for shell in SHELLS {
        let stand = host();
        release(&stand, "0b", &["c.yml", "prometheus/p.yml"]);
        for folder in ["prometheus", "data"] {
            for name in ODD {
                stand.write(&format!("lib/p/live/{folder}/x"), "theirs");
                let folder = stand.path(&format!("lib/p/live/{folder}"));
                std::fs::rename(folder.join("x"), folder.join(OsStr::from_bytes(name))).unwrap();
            }
            std::os::unix::fs::symlink("p.yml", stand.path(&format!("lib/p/live/{folder}/link.yml")))
                .unwrap();
            let fifo = stand.path(&format!("lib/p/live/{folder}/fifo"));
            assert!(std::process::Command::new("mkfifo").arg(fifo).status().unwrap().success());
        }
        // In the place of a file of ours: what is the same behind a link is no file of ours.
        std::fs::rename(stand.path("lib/p/live/c.yml"), stand.path("lib/p/live/theirs")).unwrap();
        std::os::unix::fs::symlink("theirs", stand.path("lib/p/live/c.yml")).unwrap();
        let state = probed(&stand.run_in(shell, scripts::PROBE.text, &[], ""));
        let foreign: Vec<&str> = state.foreign.iter().map(String::as_str).collect();
        assert_eq!(
            foreign,
            [
                "c.yml",
                "prometheus/ blanks  .yml ",
                "prometheus/--files-from=x",
                "prometheus/-rf",
                "prometheus/\\u{1b}[31m.yml",
                "prometheus/\\xff\\xfe.yml",
                "prometheus/back\\\\slash.yml",
                "prometheus/fifo",
                "prometheus/file 0 forged\\nend",
                "prometheus/link.yml",
                "prometheus/new\\nline.yml",
            ],
            "{shell:?}"
        );
        assert_eq!(state.files["prometheus/link.yml"], "-");
        assert_eq!(state.files["prometheus/new\\nline.yml"], digest(b"theirs"));
        assert!(!state.files.contains_key("forged"));
        let untouched = below(&stand.path("lib/p/live/data"));
        let output = stand.run_in(shell, VERBS, &["verb_place 0b"], "");
        assert_eq!(output.status, 0, "{shell:?} {output:?}");
        assert_eq!(below(&stand.path("lib/p/live/prometheus")), ["p.yml"], "{shell:?}");
        assert_eq!(below(&stand.path("lib/p/live/data")), untouched, "{shell:?}");
        let aside = below(&stand.path("lib/p/records/set-aside/n/prometheus"));
        assert_eq!(aside.len(), ODD.len() + 2, "{shell:?} {aside:?}");
        assert!(stand.path("lib/p/records/set-aside/n/c.yml").is_symlink());
        assert_eq!(std::fs::read_to_string(stand.path("lib/p/live/theirs")).unwrap(), "0a c.yml\n");
        // Once put away there is nothing left to report.
        stand.write("lib/p/records/current", "0b\n");
        let state = probed(&stand.run_in(shell, scripts::PROBE.text, &[], ""));
        assert!(state.foreign.is_empty() && state.declared.is_empty(), "{shell:?} {state:?}");
    }
}

#[test]
fn odd_names_among_our_records_forge_nothing() {
    let stand = host();
    for name in [&b"x\nend"[..], b"x\ncurrent 0c", b"back\\slash"] {
        for folder in ["bin", "releases/0a/units"] {
            stand.write(&format!("lib/p/records/{folder}/x"), "");
            let folder = stand.path(&format!("lib/p/records/{folder}"));
            std::fs::rename(folder.join("x"), folder.join(OsStr::from_bytes(name))).unwrap();
        }
    }
    stand.write("lib/p/records/releases/x\nkept 0c/confirmed", "");
    for (shell, output) in stand.run(scripts::PROBE.text, &[], "") {
        let state = probed(&output);
        assert_eq!(state.current.as_ref().map(|id| id.0.as_str()), Some("0a"), "{shell}");
        assert!(state.kept.is_empty() && state.scripts.is_empty(), "{shell} {state:?}");
    }
}

#[test]
fn a_name_in_a_manifest_is_no_pattern() {
    let stand = Stand::new();
    stand.write("manifest", "patience\ta.b\t1\npatience\taxb\t2\npatience\ta\t3\n");
    let text = concat!(
        scripts::lib!(),
        "for name in a.b axb a '.*'; do manifest_lines_of \"$3\" patience \"$name\"; done\n"
    );
    let manifest = stand.path("manifest").to_str().unwrap().to_owned();
    for (shell, output) in stand.run(text, &[&manifest], "") {
        assert_eq!(printed(&output), "1\n2\n3\n", "{shell}");
    }
}

#[test]
fn the_sql_of_a_role_is_run_in_the_container_of_that_name_and_in_no_other() {
    let stand = Stand::new();
    // Docker takes the beginning of an id as well: this is another container's, whose id begins so.
    stand.docker(
        "case \"$1 $2\" in
'container inspect') echo '/minio running' ;;
'exec -i') echo 'ran it' ;;
esac",
    );
    // The script's own arguments come first here: the stand's folder and `p` are its container and its user.
    let text = scripts::ROLE.replace("need_root\n", "need_root; shift 2\n");
    for (shell, output) in stand.run(&text, &["db", "app", "app_db"], "SELECT 1") {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status, said.trim()), (4, "there is no container db"), "{shell}");
        assert_eq!(printed(&output), "", "{shell}");
    }
    for (shell, output) in stand.run(&text, &["minio", "app", "app_db"], "SELECT 1") {
        assert_eq!((output.status, printed(&output).as_str()), (0, "ran it\n"), "{shell} {output:?}");
    }
}
