//! The scripts by themselves, under dash and busybox.

use super::scripts;
use super::testing::{Stand, printed};

/// The scripts that only look, with arguments beside the folder and the project, and what they answer on a host
/// where nothing of ours is.
const LOOKING: [(&str, &str, &[&str], &str); 6] = [
    ("texts, in place", scripts::TEXTS.text, &[""], ""),
    ("texts, of a release", scripts::TEXTS.text, &["0123456789abcdef"], ""),
    ("history", scripts::HISTORY, &["20"], "end\n"),
    ("unlock", scripts::UNLOCK, &["ann"], "outcome\tfree\n"),
    ("await-lock", scripts::AWAIT_LOCK, &["1"], "free\n"),
    ("resume", scripts::RESUME, &["0123456789abcdef", "1"], "outcome\tvanished\n"),
];

#[test]
fn what_only_looks_finds_nothing_on_a_fresh_host_and_makes_nothing() {
    for (name, text, args, answer) in LOOKING {
        let stand = Stand::new();
        for (shell, output) in stand.run(text, args, "prometheus/prometheus.yml\n") {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status, &*said), (0, ""), "{name} under {shell}");
            if name.starts_with("texts") {
                assert_eq!(super::texts::read(&output.stdout).unwrap().len(), 0, "{name} under {shell}");
            } else {
                assert_eq!(printed(&output), answer, "{name} under {shell}");
            }
        }
        assert!(!stand.path("opt/stack").exists() && !stand.path("run/provision").exists(), "{name}");
    }
}

#[test]
fn texts_are_those_in_place_or_those_of_a_kept_release() {
    let stand = Stand::new();
    stand.write("opt/stack/a b.yml", "in place\n");
    stand.write("opt/stack/.provision/releases/0a/files/a b.yml", "kept\n");
    let paths = "a b.yml\nfiles/a b.yml\nmissing\n";
    for (folder, path, text) in [("", "a b.yml", "in place\n"), ("0a", "files/a b.yml", "kept\n")] {
        for (shell, output) in stand.run(scripts::TEXTS.text, &[folder], paths) {
            let texts = super::texts::read(&output.stdout).unwrap();
            assert_eq!(texts.len(), 1, "{shell}");
            assert_eq!(texts[path], text.as_bytes(), "{shell}");
        }
    }
}

#[test]
fn status_of_a_fresh_host_is_whole() {
    let stand = Stand::new();
    for (shell, output) in stand.run(scripts::STATUS, &[], "") {
        let status = super::status::parse(&output);
        let status = status.unwrap_or_else(|| panic!("{shell}: {output:?}"));
        assert!(status.now > 0 && status.kept.is_empty() && status.services.is_empty(), "{shell}");
    }
}
