//! Text as people save it: on Windows, with a byte order mark, as UTF-16, with maps that are merged.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use provision::inventory::Environment;
use provision::stack;

use super::refused;
use crate::support::{INVENTORY, Project};

/// The files below `folder`, at any depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found
}

fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_project_saved_on_windows_makes_the_same_release() {
    let project = Project::new();
    let release = || stack::load(&Environment::load(&project.root(), "test").unwrap()).unwrap();
    let before = release();
    for folder in ["inventory", "stack", "secrets"] {
        for path in files(&project.root().join(folder)) {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
        }
    }
    let identity = std::fs::read_to_string(project.identity()).unwrap();
    std::fs::write(project.identity(), format!("\u{feff}{}", identity.replace('\n', "\r\n"))).unwrap();
    assert_eq!(release(), before);
    let run = project.provision(&["check", "test"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let run = project.provision(&["secrets", "rekey"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn utf_16_is_named_with_what_to_do() {
    let project = Project::new();
    std::fs::write(project.root().join("inventory/test.yml"), utf16(INVENTORY)).unwrap();
    assert_snapshot!(refused(&project), @r"
    error: failed to load the inventory of test

      inventory/test.yml:1:1: it is UTF-16 text, not UTF-8
        hint: Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 inventory/test.yml > inventory/test.yml.new && mv inventory/test.yml.new inventory/test.yml`.
    ");
    project.write("inventory/test.yml", INVENTORY);
    for (path, text) in
        [("stack/monitoring/prometheus/own.yml", "a: 1"), ("stack/monitoring/own.json.tera", "{}")]
    {
        std::fs::write(project.root().join(path), utf16(text)).unwrap();
    }
    assert_snapshot!(refused(&project), @r"
    error: failed to load test

      stack/monitoring/own.json.tera:1:1: it is UTF-16 text, not UTF-8
        hint: Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 stack/monitoring/own.json.tera > stack/monitoring/own.json.tera.new && mv stack/monitoring/own.json.tera.new stack/monitoring/own.json.tera`.
    ");
}

#[test]
fn a_letter_that_is_no_utf_8_is_named_by_line_and_column() {
    let project = Project::new();
    let text = [INVENTORY.as_bytes(), b"  # caf\xe9\n"].concat();
    std::fs::write(project.root().join("inventory/test.yml"), text).unwrap();
    assert_snapshot!(refused(&project), @r"
    error: failed to load the inventory of test

      inventory/test.yml:10:8: it is not UTF-8 text
        hint: Save it as UTF-8, if it was saved on Windows: `iconv -f WINDOWS-1252 -t UTF-8 inventory/test.yml > inventory/test.yml.new && mv inventory/test.yml.new inventory/test.yml`.
    ");
}

#[test]
fn what_hosts_share_is_merged_from_an_extension() {
    let project = Project::new();
    let inventory = |host: &str| {
        INVENTORY.replace(
            "hosts:\n  vps: {address: 127.0.0.1, port: 1, user: deploy, sudo: true}\n",
            &format!("x-base: &base\n  port: 1\n  user: deploy\n  sudo: true\nhosts:\n  vps:\n    {host}\n    address: 127.0.0.1\n"),
        )
    };
    project.write("inventory/test.yml", &inventory("<<: *base"));
    let hosts = Environment::load(&project.root(), "test").unwrap().hosts;
    assert_eq!((hosts[0].port, hosts[0].user.as_deref(), hosts[0].sudo), (Some(1), Some("deploy"), true));
    assert_eq!(project.provision(&["check", "test"]).code, 0);

    project.write("inventory/test.yml", &inventory("<<: base"));
    assert_snapshot!(refused(&project), @r"
    error: failed to load the inventory of test

      inventory/test.yml:7:9: `<<` merges maps, and this is none
        |     <<: base
        |         ^
        hint: Like `<<: *base`, or `<<: [*base, *more]`, where `&base` marks a map.
    ");
    project.write("inventory/test.yml", &inventory("<<: *base").replace("sudo:", "sodu:"));
    assert_snapshot!(refused(&project), @r"
    error: failed to load the inventory of test

      inventory/test.yml:4:3: hosts.vps: unknown field `sodu`
        |   sodu: true
        |   ^
        hint: Did you mean `sudo`?
    ");
    project.write("inventory/test.yml", &inventory("<<: *base").replace("port: 1", "port: none"));
    assert_snapshot!(refused(&project), @r#"
    error: failed to load the inventory of test

      inventory/test.yml:2:3: hosts.vps.port: invalid type: string "none", expected u16
        |   port: none
        |   ^
        hint: A number from 0 to 65535.
    "#);
}
