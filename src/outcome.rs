//! How a command ended: the last of the types that carry a deploy, and the exit code it becomes.

use serde::Serialize;

/// The exit codes (documented in `docs/exit-codes.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitCode {
    /// Done, verified.
    Ok = 0,
    /// A bug in provision.
    Bug = 1,
    /// Wrong usage or configuration; no host was touched.
    Usage = 2,
    /// A host could not be reached, or its identity or ours was refused; nothing was changed there.
    Unreachable = 3,
    /// Another deploy holds the lock.
    Locked = 4,
    /// Failed; the host is back where it was and that verifies.
    Returned = 5,
    /// Failed, and the way back failed too: a person is needed.
    Stuck = 6,
    /// `verify`: a check does not hold.
    CheckFailed = 7,
    /// Several hosts with different outcomes.
    Mixed = 8,
    /// `plan --detailed-exitcode`: there are changes.
    Changes = 10,
    /// Interrupted; what the host does now was said.
    Interrupted = 130,
}

/// What became of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new release runs and is proved.
    Deployed,
    /// There was nothing to do, and the checks hold.
    Unchanged,
    /// Only looked: all checks hold.
    Verified,
    /// Only planned: there are changes.
    Planned {
        /// Whether a deploy would change anything.
        changes: bool,
    },
    /// A failure; the error says which and what to do.
    Failed(
        /// The exit code of the failure.
        ExitCode,
    ),
}

impl Outcome {
    /// The exit code for this outcome alone.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Outcome::Failed(code) => code,
            _ => ExitCode::Ok,
        }
    }

    /// The exit code of several hosts: theirs if they agree, else [`ExitCode::Mixed`].
    #[must_use]
    pub fn combine(outcomes: &[Outcome]) -> ExitCode {
        let mut codes = outcomes.iter().map(|outcome| outcome.exit_code());
        let Some(first) = codes.next() else { return ExitCode::Ok };
        if codes.all(|code| code == first) { first } else { ExitCode::Mixed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_agree_share_their_code_and_others_are_mixed() {
        let failed = Outcome::Failed(ExitCode::Returned);
        assert_eq!(Outcome::combine(&[Outcome::Deployed, Outcome::Unchanged]), ExitCode::Ok);
        assert_eq!(Outcome::combine(&[failed, failed]), ExitCode::Returned);
        assert_eq!(Outcome::combine(&[Outcome::Deployed, failed]), ExitCode::Mixed);
    }
}
