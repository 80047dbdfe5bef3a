//! Where everything lies on a host; `scripts/layout.sh` is the same for the scripts.
//!
//! ```text
//! /var/lib/provision/PROJECT/           0711 root
//!     records/                          0700 root: all that root executes or believes
//!     live/                             root, `remote.group` may read: what services mount
//! remote.path                           a link to live
//! ```

use crate::error::{Error, Kind, Result};
use crate::inventory::Environment;

/// The version of this layout. Version 1 had its records in `.provision` below the remote folder, where whoever owned a
/// folder above could exchange what root executes; it wrote no version.
pub(super) const FORMAT: u32 = 2;

/// The folder of the records of a project.
#[must_use]
pub fn records(project: &str) -> String {
    format!("{}/{project}/records", Environment::HOME)
}

/// The exit status of every script that refuses to use what it found.
const REFUSED: u32 = 93;

/// Refuses a host whose folders are not root's alone, or which a newer version laid out; `said` is what a script wrote.
///
/// # Errors
/// Failed, with what was found and the command that puts it right.
pub(super) fn sound(name: &str, status: u32, said: &str) -> Result<()> {
    if status != REFUSED {
        return Ok(());
    }
    let line = said.lines().rev().find_map(|line| line.strip_prefix("layout ")).unwrap_or_default();
    let error = Error::new(Kind::Failed, "look at the host").host(name);
    let error = match *line.split(' ').collect::<Vec<_>>() {
        ["unsound", uid, mode, ..] => {
            let path = line.splitn(4, ' ').last().unwrap_or_default();
            error
                .cause(format!(
                    "{path} there has the mode {mode} and belongs to the user {uid}: others than root could \
                     exchange what root executes below it"
                ))
                .hint(format!(
                    "Look at who wrote there, then give it to root: `chown root:root {path} && chmod go-w {path}`."
                ))
        }
        ["linked", path, real] => error
            .cause(format!(
                "{path} there is reached through a link: it is {}",
                real.trim_end_matches("/.provision")
            ))
            .hint("Write that path into the inventory: `remote: {path: …}`."),
        ["newer", found] => error
            .cause(format!(
                "a newer provision laid out its folders there: format {found}, and this one knows {FORMAT}"
            ))
            .hint("Use that version, or a newer one."),
        _ => error.cause(format!("its folders there cannot be used: {line}")),
    };
    Err(error.hint("Nothing was changed."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_have_the_same_places_and_the_same_version() {
        let script = include_str!("scripts/layout.sh");
        assert!(script.contains(&format!("\nformat={FORMAT}\n")));
        assert!(script.contains(&format!("\thome={}/$project\n", Environment::HOME)));
        assert!(script.contains("\trecords=$home/records\n\tlive=$home/live\n"));
        assert_eq!(records("shop"), "/var/lib/provision/shop/records");
        assert!(script.contains(&format!("exit {REFUSED}")));
    }

    #[test]
    fn folders_that_are_not_roots_alone_are_refused_with_the_remedy() {
        sound("vps", 0, "").unwrap();
        let refusal = |said: &str| {
            let error = sound("vps", REFUSED, said).unwrap_err();
            format!("{error} | {}", error.hints().join(" "))
        };
        insta::assert_snapshot!(refusal("noise\nlayout unsound 1000 777 /var/lib/a b\n"), @"look at the host: /var/lib/a b there has the mode 777 and belongs to the user 1000: others than root could exchange what root executes below it | Look at who wrote there, then give it to root: `chown root:root /var/lib/a b && chmod go-w /var/lib/a b`. Nothing was changed.");
        insta::assert_snapshot!(refusal("layout linked /opt/shop /srv/shop/.provision\n"), @"look at the host: /opt/shop there is reached through a link: it is /srv/shop | Write that path into the inventory: `remote: {path: …}`. Nothing was changed.");
        insta::assert_snapshot!(refusal("layout newer 3\n"), @"look at the host: a newer provision laid out its folders there: format 3, and this one knows 2 | Use that version, or a newer one. Nothing was changed.");
        insta::assert_snapshot!(refusal("layout gone /opt/shop/.provision\n"), @"look at the host: its folders there cannot be used: gone /opt/shop/.provision | Nothing was changed.");
    }
}
