//! What the operator's machine brings along: home, agent, OpenSSH's client, a terminal.

use std::env;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Read once from the process; a value, so that a test is not at the mercy of the machine it runs on.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// The operator's home folder.
    pub home: Option<PathBuf>,
    /// The operator's login name: the last resort for the name on the host.
    pub user: Option<String>,
    /// The agent's socket (`SSH_AUTH_SOCK`).
    pub agent: Option<PathBuf>,
    /// OpenSSH's client, asked for the configuration; none to do without.
    pub client: Option<OsString>,
    /// Another configuration file than the user's and the system's.
    pub config: Option<PathBuf>,
    /// Whether somebody sits there to be asked for a passphrase.
    pub terminal: bool,
    /// The name of the operator's machine.
    pub machine: Option<String>,
    /// The value of an environment variable.
    pub variable: fn(&str) -> Option<String>,
}

/// The name that this system's list of users has for the user who runs this.
fn login_name() -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let ours = rustix::process::getuid().as_raw().to_string();
    let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(|fields| fields.get(2) == Some(&ours.as_str())).map(|fields| fields[0].to_owned())
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let filled = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            home: filled("HOME").map(PathBuf::from),
            user: filled("USER")
                .or_else(|| filled("LOGNAME"))
                .and_then(|user| user.into_string().ok())
                .or_else(login_name),
            agent: filled("SSH_AUTH_SOCK").map(PathBuf::from),
            client: Some(OsString::from("ssh")),
            config: None,
            terminal: std::io::stdin().is_terminal(),
            machine: ["/proc/sys/kernel/hostname", "/etc/hostname"]
                .iter()
                .find_map(|file| std::fs::read_to_string(file).ok())
                .map(|name| name.trim().to_owned()),
            variable: |name| env::var(name).ok(),
        }
    }

    /// `path` with a leading `~/` replaced by the home folder; a relative one is taken from `base`.
    pub(super) fn path(&self, path: &Path, base: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => base.join(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder_and_the_rest_is_relative_to_the_base() {
        let mut around = Surroundings::of_process();
        around.home = Some(PathBuf::from("/home/ana"));
        let at = |path: &str| around.path(Path::new(path), Path::new("/srv/project"));
        assert_eq!(at("~/.ssh/id_ed25519"), Path::new("/home/ana/.ssh/id_ed25519"));
        assert_eq!(at("keys/ci"), Path::new("/srv/project/keys/ci"));
        assert_eq!(at("/etc/key"), Path::new("/etc/key"));
    }
}
