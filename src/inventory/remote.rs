//! Where the stack lives on a host.

use super::layer::RemoteLayer;
use super::merge::Wrong;

/// Where the stack lives on a host, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// An absolute folder.
    pub path: String,
    /// Its owner, a user name or number.
    pub owner: String,
    /// Its group, a name or number.
    pub group: String,
    /// Its mode, octal digits.
    pub mode: String,
}

/// Puts the two layers together; without a path it is a folder under /opt with the project's name.
pub(super) fn remote(base: RemoteLayer, over: RemoteLayer, project: &str) -> Result<Remote, Vec<Wrong>> {
    let remote = Remote {
        path: over.path.or(base.path).unwrap_or_else(|| format!("/opt/{project}")),
        owner: over.owner.or(base.owner).unwrap_or_else(|| "root".to_owned()),
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
    for (key, value) in [("owner", &remote.owner), ("group", &remote.group)] {
        if value.is_empty() || !value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            wrong.push((key, format!("`{value}` is not a user or group"), ""));
        }
    }
    let octal = remote.mode.len() >= 3 && u32::from_str_radix(&remote.mode, 8).is_ok_and(|m| m <= 0o7777);
    if !octal {
        let mode = &remote.mode;
        wrong.push(("mode", format!("`{mode}` is not a mode"), "Quoted octal digits: \"0700\"."));
    }
    if wrong.is_empty() { Ok(remote) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> RemoteLayer {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn the_folder_is_named_like_the_project_and_the_environment_wins() {
        let found = remote(layer("{owner: ops, mode: '0750'}"), layer("{mode: '0755'}"), "p").unwrap();
        let remote = Remote {
            path: "/opt/p".to_owned(),
            owner: "ops".to_owned(),
            group: "root".to_owned(),
            mode: "0755".to_owned(),
        };
        assert_eq!(found, remote);
    }

    #[test]
    fn a_folder_that_could_be_the_systems_and_what_a_shell_would_read_is_refused() {
        for path in ["/opt", "opt/p", "/opt/../etc", "/opt/p q", "/opt/$HOME"] {
            let over = RemoteLayer { path: Some(path.to_owned()), ..RemoteLayer::default() };
            assert!(remote(RemoteLayer::default(), over, "p").is_err(), "{path}");
        }
        let wrong = remote(layer("{}"), layer("{owner: 'a b', mode: '9'}"), "p").unwrap_err();
        insta::assert_snapshot!(format!("{wrong:?}"), @r#"[("owner", "`a b` is not a user or group", ""), ("mode", "`9` is not a mode", "Quoted octal digits: \"0700\".")]"#);
    }
}
