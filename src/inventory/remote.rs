//! Where the stack lives on a host.

use super::layer::RemoteLayer;
use super::merge::Wrong;

/// Where people find the stack on a host, and who may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// An absolute path, without empty parts: a link to the live tree.
    pub path: String,
    /// The group of the live tree, a name or number. Its owner is root.
    pub group: String,
    /// The mode of the live tree, octal digits: root alone may write.
    pub mode: String,
}

/// Puts the two layers together; without a path it is a folder under /opt with the project's name.
pub(super) fn remote(base: RemoteLayer, over: RemoteLayer, project: &str) -> Result<Remote, Vec<Wrong>> {
    let remote = Remote {
        path: over.path.or(base.path).map_or_else(|| format!("/opt/{project}"), |path| plain_path(&path)),
        group: over.group.or(base.group).unwrap_or_else(|| "root".to_owned()),
        mode: over.mode.or(base.mode).unwrap_or_else(|| "0700".to_owned()),
    };
    let mut wrong = Vec::new();
    let path = &remote.path;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    let depth = path.split('/').filter(|part| !part.is_empty()).count();
    if !path.starts_with('/') || !path.chars().all(plain) || path.contains("..") || depth < 2 {
        wrong.push((
                "path",
                format!("`{path}` cannot be the remote folder"),
                "An absolute path of at least two parts, of letters, digits, `-`, `_` and `.`: /opt/koprogo/monitoring.",
            ));
    }
    let group = &remote.group;
    if group.is_empty() || !group.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        wrong.push(("group", format!("`{group}` is not a group"), ""));
    }
    let owner = over.owner.or(base.owner).unwrap_or_else(|| "root".to_owned());
    if !matches!(owner.as_str(), "root" | "0") {
        wrong.push((
            "owner",
            format!("`{owner}` cannot own what root executes"),
            "The stack's files are root's. Take this line out; `group` and `mode: \"0750\"` let others read them.",
        ));
    }
    let octal = remote.mode.len() >= 3 && u32::from_str_radix(&remote.mode, 8).is_ok_and(|m| m <= 0o7777);
    let mode = &remote.mode;
    if !octal {
        wrong.push(("mode", format!("`{mode}` is not a mode"), "Quoted octal digits: \"0700\"."));
    } else if u32::from_str_radix(mode, 8).is_ok_and(|mode| mode & 0o022 != 0) {
        let text = format!("with the mode `{mode}` others than root could change what root executes");
        wrong.push(("mode", text, "\"0750\" lets `group` read the files."));
    }
    if wrong.is_empty() { Ok(remote) } else { Err(wrong) }
}

/// A path without the parts that mean nothing: `/opt//shop/` is `/opt/shop`.
fn plain_path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> RemoteLayer {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn the_folder_is_named_like_the_project_and_the_environment_wins() {
        let found = remote(layer("{group: ops, mode: '0700'}"), layer("{mode: '0750'}"), "p").unwrap();
        let expected = Remote { path: "/opt/p".to_owned(), group: "ops".to_owned(), mode: "0750".to_owned() };
        assert_eq!(found, expected);
        let found = remote(layer("{path: /opt//shop/./p/, owner: root}"), layer("{}"), "p").unwrap();
        assert_eq!(found.path, "/opt/shop/p");
    }

    #[test]
    fn a_folder_that_could_be_the_systems_and_what_a_shell_would_read_is_refused() {
        for path in ["/opt", "opt/p", "/opt/../etc", "/opt/p q", "/opt/$HOME"] {
            let over = RemoteLayer { path: Some(path.to_owned()), ..RemoteLayer::default() };
            assert!(remote(RemoteLayer::default(), over, "p").is_err(), "{path}");
        }
        let wrong = remote(layer("{}"), layer("{group: 'a b', mode: '9'}"), "p").unwrap_err();
        insta::assert_snapshot!(format!("{wrong:?}"), @r#"[("group", "`a b` is not a group", ""), ("mode", "`9` is not a mode", "Quoted octal digits: \"0700\".")]"#);
        let wrong = remote(layer("{owner: koprogo, mode: '0775'}"), layer("{}"), "p").unwrap_err();
        insta::assert_snapshot!(format!("{wrong:?}"), @r#"[("owner", "`koprogo` cannot own what root executes", "The stack's files are root's. Take this line out; `group` and `mode: \"0750\"` let others read them."), ("mode", "with the mode `0775` others than root could change what root executes", "\"0750\" lets `group` read the files.")]"#);
    }
}
