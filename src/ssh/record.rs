//! Writing a host's key down in the environment's `known_hosts` file, in place of the one that it had.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::host_key::Offered;
use super::known_hosts::{Entry, key_of, matches_name, plain_text};
use crate::error::{Error, Result};

/// Writes the key that a host shows into `file`. Lines that know the host by another key no longer do; other hosts of
/// such a line keep it. With `leaked` the old keys are revoked, for every host.
///
/// # Errors
/// Usage: the file cannot be read or written; it is then as it was.
pub fn record(file: &Path, offered: &Offered, leaked: bool) -> Result<()> {
    let failed = |error: std::io::Error| Error::usage(format!("write {}", file.display())).cause(error);
    let text = match fs::read(file) {
        Ok(bytes) => plain_text(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let revoked = if leaked { offered.old_keys() } else { Vec::new() };
    replace(file, &rewritten(&text, &offered.names, &offered.line, &revoked)).map_err(failed)
}

/// Puts `text` in the place of `file` at once.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = file.with_file_name(name);
    let write = || {
        let mut out = fs::File::create(&new)?;
        if let Ok(old) = fs::metadata(&file) {
            out.set_permissions(old.permissions())?;
        }
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&new, &file)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

/// `text` in which the host of `names` is known by `line` alone, and the keys in `revoked` by nobody.
fn rewritten(text: &str, names: &[String], line: &str, revoked: &[String]) -> String {
    let mut out = String::new();
    for old in text.lines() {
        let words = old.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let entry = words.parse::<Entry>().ok().filter(|entry| key_of(entry).is_some());
        let ours = entry.is_some_and(|entry| names.iter().any(|name| matches_name(&entry, name)));
        let kept = if ours { without(&words, names) } else { Some(old.to_owned()) };
        if let Some(kept) = kept {
            out.push_str(&kept);
            out.push('\n');
        }
    }
    for key in revoked {
        let revocation = format!("@revoked * {key}");
        if !out.lines().any(|line| line.starts_with(&revocation)) {
            out.push_str(&revocation);
            out.push('\n');
        }
    }
    out.push_str(line);
    out.push('\n');
    out
}

/// A line without the host of `names`; none where it is of no other.
fn without(line: &str, names: &[String]) -> Option<String> {
    let (patterns, rest) = line.split_once(' ')?;
    if patterns.starts_with('|') {
        return None;
    }
    let is_ours = |pattern: &str| names.iter().any(|name| pattern.eq_ignore_ascii_case(name));
    let mut left: Vec<String> =
        patterns.split(',').filter(|pattern| !is_ours(pattern)).map(str::to_owned).collect();
    if left.iter().all(|pattern| pattern.starts_with('!')) {
        return None;
    }
    for name in names {
        let line = format!("{} {rest}", left.join(","));
        if line.parse::<Entry>().is_ok_and(|entry| matches_name(&entry, name)) {
            left.push(format!("!{name}"));
        }
    }
    Some(format!("{} {rest}", left.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::tests::key;

    /// The text with short words for keys.
    fn after(text: &str, revoked: &[u8]) -> String {
        let long = |seed: u8| key(seed).public_key().to_openssh().unwrap().trim().to_owned();
        let mut text = text.to_owned();
        for seed in 1..=4 {
            text = text.replace(&format!("KEY{seed}"), &long(seed));
        }
        let revoked: Vec<String> = revoked.iter().map(|seed| long(*seed)).collect();
        let names = ["vps.example.net".to_owned(), "10.0.0.7".to_owned()];
        let mut text = rewritten(&text, &names, &format!("10.0.0.7 {}", long(4)), &revoked);
        for seed in 1..=4 {
            text = text.replace(&long(seed), &format!("KEY{seed}"));
        }
        text
    }

    #[test]
    fn the_new_key_stands_in_the_place_of_the_old_ones() {
        let text = "# servers\nweb KEY1 ana\nvps.example.net,10.0.0.7 KEY2 old\n10.0.0.7\tKEY3\nbroken\n\n@cert-authority * KEY1";
        insta::assert_snapshot!(after(text, &[]), @r"
        # servers
        web KEY1 ana
        broken

        @cert-authority * KEY1
        10.0.0.7 KEY4
        ");
    }

    #[test]
    fn other_hosts_of_a_line_keep_its_key() {
        let text = "web,VPS.example.net KEY1 c\n*.example.net KEY2\n*,!bad KEY3\n";
        insta::assert_snapshot!(after(text, &[]), @r"
        web KEY1 c
        *.example.net,!vps.example.net KEY2
        *,!bad,!vps.example.net,!10.0.0.7 KEY3
        10.0.0.7 KEY4
        ");
    }

    #[test]
    fn a_key_that_leaked_is_revoked_for_all() {
        insta::assert_snapshot!(after("10.0.0.7 KEY1\n@revoked * KEY2\n", &[1, 2]), @r"
        @revoked * KEY2
        @revoked * KEY1
        10.0.0.7 KEY4
        ");
    }

    #[test]
    fn a_first_key_is_added_on_a_line_of_its_own() {
        insta::assert_snapshot!(after("", &[]), @"10.0.0.7 KEY4");
        insta::assert_snapshot!(after("web KEY1", &[]), @r"
        web KEY1
        10.0.0.7 KEY4
        ");
    }

    #[test]
    fn a_hashed_line_of_the_host_goes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        let line = |seed: u8| key(seed).public_key().to_openssh().unwrap();
        fs::write(&file, format!("10.0.0.7 {}\nother {}\n", line(1), line(2))).unwrap();
        let hashed =
            std::process::Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output().unwrap();
        assert!(hashed.status.success());
        let text = after(&fs::read_to_string(&file).unwrap(), &[]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with("|1|") && lines[0].ends_with("KEY2"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("no-folder/known_hosts");
        assert!(replace(&file, "text").is_err());
        let file = dir.path().join("known_hosts");
        replace(&file, "one\n").unwrap();
        replace(&file, "two\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
