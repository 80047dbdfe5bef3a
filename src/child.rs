//! The programs that we start on the operator's machine: they are not given what opens the secrets.

use std::ffi::OsStr;

/// Variables that hold a secret of ours (the second is that of docs/ci.md). No other program has a use for them, and what a program is given its own
/// children, its crash reports and `/proc` have too.
const SECRET: [&str; 2] = ["PROVISION_IDENTITY", "PROVISION_SSH_KEY"];

/// A command for `program`, without our secrets in its environment.
pub(crate) fn command(program: impl AsRef<OsStr>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(program);
    for name in SECRET {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The source files below `folder`, without tests.
    fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if name != "tests" {
                    sources(&path, found);
                }
            } else if path.extension().is_some_and(|it| it == "rs")
                && !name.ends_with("tests.rs")
                && name != "testing.rs"
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path.display().to_string(), text));
            }
        }
    }

    #[test]
    fn every_program_is_started_without_our_secrets() {
        let mut found = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let starts = |(_, text): &&(String, String)| text.contains("Command::new(");
        let files: Vec<&str> = found.iter().filter(starts).map(|(path, _)| path.as_str()).collect();
        assert!(files.len() == 1 && files[0].ends_with("src/child.rs"), "{files:?}: use child::command");
    }

    #[tokio::test]
    async fn a_child_does_not_see_the_identity() {
        // The variable cannot be set in this process; that it is taken out of what is handed on can be asked.
        let command = super::command("env");
        let removed: Vec<_> = command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed, super::SECRET.map(|name| (std::ffi::OsStr::new(name), None)));
    }
}
