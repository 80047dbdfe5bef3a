//! The steps of an activation: fixed verbs that `host/scripts/activate.sh` carries out.

use super::ReleaseId;

/// One step. Written as one line of tab-separated words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Pull an image unless the host has it.
    Pull {
        /// With its tag.
        image: String,
    },
    /// Have the images of services read a release's configuration, before anything of it is in place.
    Validate {
        /// Which release.
        release: ReleaseId,
        /// Services whose manifest says how.
        services: Vec<String>,
    },
    /// Put a release's files in place by rename and remove what it does not have.
    Place {
        /// Which.
        release: ReleaseId,
    },
    /// Unseal a release's secrets into tmpfs.
    Unseal {
        /// Which.
        release: ReleaseId,
    },
    /// Install the units that bring the stack back after a reboot.
    Units,
    /// Set the password of a service's role in a database of the application, as the release has it.
    Role {
        /// Which service.
        service: String,
        /// Whether it belongs to the way back, and so is only done where the way forward came to it.
        back: bool,
    },
    /// `docker compose up`, repeated until it is stable.
    Up {
        /// The release whose files are in place.
        release: ReleaseId,
    },
    /// Send a signal to a service's main process.
    Signal {
        /// Which service.
        service: String,
        /// Without `SIG`.
        signal: String,
    },
    /// Run a command in a service's container, with one of its secret files as standard input.
    Tell {
        /// Which service.
        service: String,
        /// The file in its secrets folder.
        file: String,
        /// The command and its arguments.
        command: Vec<String>,
    },
    /// Wait until every container is as the release declares it and stays so.
    Settle {
        /// Which release.
        release: ReleaseId,
        /// For how long nothing may change, in seconds.
        seconds: u64,
        /// Services that were not well before: what becomes of them is not waited for longer than their own health
        /// check takes, and no failure.
        excused: Vec<String>,
    },
    /// Remove the project's containers and networks. Never volumes.
    Down,
    /// Remove files, secrets and units: the way back of a first deploy.
    Clear,
}

impl Step {
    /// The line for the host.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Step::Pull { image } => format!("pull\t{image}"),
            Step::Validate { release, services } => format!("validate\t{release}\t{}", services.join(" ")),
            Step::Place { release } => format!("place\t{release}"),
            Step::Unseal { release } => format!("unseal\t{release}"),
            Step::Units => "units".to_owned(),
            Step::Role { service, back: false } => format!("role\t{service}"),
            Step::Role { service, back: true } => format!("role\t{service}\tback"),
            Step::Up { release } => format!("up\t{release}"),
            Step::Signal { service, signal } => format!("signal\t{service}\t{signal}"),
            Step::Tell { service, file, command } => {
                format!("tell\t{service}\t{file}\t{}", command.join("\t"))
            }
            Step::Settle { release, seconds, excused } if excused.is_empty() => {
                format!("settle\t{release}\t{seconds}")
            }
            Step::Settle { release, seconds, excused } => {
                format!("settle\t{release}\t{seconds}\t{}", excused.join(" "))
            }
            Step::Down => "down".to_owned(),
            Step::Clear => "clear".to_owned(),
        }
    }
}

/// A list of steps as the host reads it.
#[must_use]
pub(super) fn list(steps: &[Step]) -> String {
    steps.iter().map(|step| step.line() + "\n").collect()
}
