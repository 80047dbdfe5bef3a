//! Where things lie on a host, under dash and busybox: hosts of the older layout, folders that are not root's alone, and
//! what becomes of the remote folder.

use super::scripts;
use super::scripts_tests::probed;
use super::testing::{SHELLS, Stand, printed};

/// A host that an older provision deployed a release with one file to.
fn older(stand: &Stand) {
    stand.write("opt/stack/.provision/current", "0a\n");
    stand.write("opt/stack/.provision/releases/0a/manifest", "compose\tc.yml\nfile\taa\tweb/page.txt\n");
    stand.write("opt/stack/.provision/releases/0a/files/web/page.txt", "page\n");
    stand.write("opt/stack/.provision/audit.jsonl", "{}\n");
    stand.write("opt/stack/web/page.txt", "edited\n");
}

#[test]
fn a_host_of_the_older_layout_is_read_where_it_lies_and_its_files_are_those_of_its_release() {
    for state in probed(older) {
        assert_eq!(state.current.unwrap().0, "0a");
        assert!(state.moves_from.unwrap().ends_with("/opt/stack"));
        assert_eq!(state.files.keys().collect::<Vec<_>>(), ["web/page.txt"]);
        assert!(state.scripts.is_empty() && state.strangers == 0);
    }
    let stand = Stand::new();
    older(&stand);
    for (shell, output) in
        stand.run(scripts::TEXTS.text, &[""], "web/page.txt\n@records/releases/0a/manifest\n")
    {
        let texts = super::texts::read(&output.stdout).unwrap();
        assert_eq!((texts.len(), &texts["web/page.txt"][..]), (2, &b"page\n"[..]), "{shell}");
    }
    for (shell, output) in stand.run(scripts::HISTORY, &["9"], "") {
        assert_eq!(printed(&output), "{}\nend\n", "{shell}");
    }
}

#[test]
fn folders_that_others_can_write_linked_ones_and_newer_ones_are_refused_by_every_script() {
    let refused = |change: &dyn Fn(&Stand)| {
        let stand = Stand::new();
        change(&stand);
        let mut said = Vec::new();
        for text in [scripts::PROBE.text, scripts::RECEIVE.text, scripts::STATUS] {
            for (_, output) in stand.run(text, &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"], "")
            {
                assert_eq!((output.status, printed(&output).as_str()), (93, ""));
                said.push(String::from_utf8(output.stderr).unwrap());
            }
        }
        said.dedup();
        assert_eq!(said.len(), 1, "{said:?}");
        said.remove(0)
    };
    let owners = |line: &'static str| move |stand: &Stand| stand.program("stat", line);
    assert_eq!(
        refused(&owners("echo '0 0 755 /'; echo '1000 0 700 /var/lib'")),
        "layout unsound 1000 700 /var/lib\n"
    );
    assert_eq!(refused(&owners("echo '0 50 775 /var/a b'")), "layout unsound 0 775 /var/a b\n");
    assert_eq!(refused(&owners("echo '0 0 1777 /var'")), "layout unsound 0 1777 /var\n");
    assert_eq!(refused(&|stand| stand.write("lib/p/records/format", "3\n")), "layout newer 3\n");
    // The older layout's records, which somebody else put there, or which lie elsewhere.
    let said = refused(&|stand| {
        older(stand);
        stand.program("stat", "[ $# -gt 3 ] || echo 1000 1000 755");
    });
    assert!(
        said.starts_with("layout unsound 1000 755 ") && said.ends_with("/opt/stack/.provision\n"),
        "{said}"
    );
    let said = refused(&|stand| {
        older(stand);
        std::fs::rename(stand.path("opt/stack/.provision"), stand.path("opt/r")).unwrap();
        std::os::unix::fs::symlink("../r", stand.path("opt/stack/.provision")).unwrap();
    });
    assert!(said.starts_with("layout linked ") && said.ends_with("/opt/r\n"), "{said}");
    // Root's own group may write, and so may root.
    let stand = Stand::new();
    stand.program("stat", "echo '0 0 775 /var/lib'; echo '0 42 1755 /run'");
    for (shell, output) in stand.run(scripts::HISTORY, &["9"], "") {
        assert_eq!((output.status, printed(&output).as_str()), (0, "end\n"), "{shell}: {output:?}");
    }
}

#[test]
fn the_stacks_of_a_host_are_found_by_their_units_and_by_their_records() {
    let unit = |command: &str| format!("[Service]\nExecStart=/bin/sh {command} finish\n");
    for state in probed(|stand| {
        let write = |name: &str, command: &str| {
            stand.write(&format!("etc/systemd/system/provision-{name}-finish.service"), &unit(command));
        };
        write("old", "/opt/old/.provision/bin/boot.sh /opt/old old");
        write("p", "/var/lib/provision/p/records/bin/boot.sh /opt/stack p");
        stand.write("lib/new/records/current", "0b\n");
        stand.write("lib/new/records/path", "/srv/new\n");
        stand.write("lib/new/records/releases/0b/manifest", "owner\tnew\tprod\n");
        stand.write("lib/failed/records/path", "/srv/failed\n");
        stand.write("opt/stack/theirs", "");
    }) {
        let found = state.stacks.iter().map(|(name, at)| format!("{name} {:?} {}", at.environment, at.path));
        assert_eq!(
            found.collect::<Vec<_>>(),
            ["new Some(\"prod\") /srv/new", "old None /opt/old", "p None /opt/stack"]
        );
        assert_eq!((state.strangers, state.linked), (1, None));
    }
}

#[test]
fn what_was_moved_from_is_tidied_up_and_no_link_leads_astray() {
    let text = concat!(
        scripts::lib!(),
        include_str!("scripts/verbs.sh"),
        include_str!("scripts/move.sh"),
        "use \"$1\" \"$2\"\nmkdir -p \"$control\"\nlog=$control/log\ntidy\n"
    );
    let digest = crate::stack::digest(b"page\n");
    for (shell, is_linked) in SHELLS.into_iter().flat_map(|shell| [(shell, false), (shell, true)]) {
        let stand = Stand::new();
        for (path, text) in [
            ("lib/p/records/format", "2\n"),
            ("lib/p/live/web/page.txt", "page\n"),
            ("opt/stack/.provision/releases/0a/manifest", "x\n"),
            ("opt/stack/.provision/theirs", "x\n"),
            ("opt/stack/a/b/page.txt", "page\n"),
            ("opt/stack/edited.txt", "edited\n"),
            ("victim/web/page.txt", "page\n"),
        ] {
            stand.write(path, text);
        }
        stand.write("lib/p/records/moved-from", &format!("{}\n", stand.remote()));
        let files =
            ["a/b/page.txt", "edited.txt", "web/page.txt"].map(|path| format!("file\t{digest}\t{path}\n"));
        stand.write("lib/p/records/releases/0a/manifest", &files.concat());
        // The very file that would be removed, behind a link.
        std::os::unix::fs::symlink(stand.path("victim/web"), stand.path("opt/stack/web")).unwrap();
        if is_linked {
            std::fs::rename(stand.path("opt/stack"), stand.path("opt/other")).unwrap();
            std::os::unix::fs::symlink("other", stand.path("opt/stack")).unwrap();
        }
        let output = stand.run_in(shell, text, &[], "");
        let log = std::fs::read_to_string(stand.path("run/provision/p.control/log")).unwrap_or_default();
        assert_eq!(
            (output.status, String::from_utf8_lossy(&output.stderr).as_ref()),
            (0, ""),
            "{shell:?} {log}"
        );
        assert!(stand.path("victim/web/page.txt").exists() && stand.path("lib/p/live/web/page.txt").exists());
        assert!(!stand.path("lib/p/records/moved-from").exists());
        assert_eq!(std::fs::read_to_string(stand.path("lib/p/records/path")).unwrap().trim(), stand.remote());
        let said: Vec<&str> = log.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
        if is_linked {
            assert!(
                stand.path("opt/other/a/b/page.txt").exists()
                    && log.contains("is a link that provision did not make"),
                "{log}"
            );
            continue;
        }
        assert!(!stand.path("opt/stack/a").exists() && !stand.path("opt/stack/.provision/releases").exists());
        for stays in [".provision/theirs", "edited.txt", "web"] {
            assert!(stand.path("opt/stack").join(stays).symlink_metadata().is_ok(), "{stays}");
            assert!(
                said.iter().any(|line| line.starts_with(&format!("{stays} was not placed"))),
                "{stays}: {log}"
            );
        }
        assert!(log.contains("no link was made there"), "{log}");
        // Once it is away the link is made; another path later takes it along.
        std::fs::remove_dir_all(stand.path("opt/stack")).unwrap();
        stand.run_in(shell, text, &[], "");
        assert_eq!(std::fs::read_link(stand.path("opt/stack")).unwrap(), stand.path("lib/p/live"));
        stand.write("lib/p/records/path", &format!("{}\n", stand.path("opt/before").display()));
        std::os::unix::fs::symlink(stand.path("lib/p/live"), stand.path("opt/before")).unwrap();
        stand.run_in(shell, text, &[], "");
        assert!(stand.path("opt/before").symlink_metadata().is_err());
    }
}
