//! `provision secrets …`: what people do with the secrets files.

mod check;
mod import;
mod recipients;
mod values;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use secrecy::SecretString;

use crate::error::{Error, Result};
use crate::secrets::{self, Identity, SecretName};

/// Keep the secrets of an environment: one encrypted file, secrets/ENVIRONMENT.yml.age
#[derive(Debug, Clone, Subcommand)]
pub enum SecretsCommand {
    /// Make a key of your own that opens secrets files
    Keygen {
        /// Where to write it; never overwrites [default: ~/.config/provision/identity.txt]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show the secrets, or one of them
    View {
        /// The environment
        environment: String,
        /// Show the value of this one alone
        name: Option<String>,
    },
    /// Show the secrets' names, each with a fingerprint that changes with its value
    List {
        /// The environment
        environment: String,
    },
    /// Edit the secrets in $VISUAL, $EDITOR or vi; the plain text never touches a disk
    Edit {
        /// The environment
        environment: String,
    },
    /// Set one secret: its value is read from stdin, or asked for on a terminal
    Set {
        /// The environment
        environment: String,
        /// The secret's name: a-z, 0-9 and `_`
        #[arg(value_parser = name)]
        name: SecretName,
        /// Make a random value of this many letters and digits instead
        #[arg(long, value_name = "LENGTH", num_args = 0..=1, require_equals = true, default_missing_value = "32",
              value_parser = clap::value_parser!(u16).range(16..=4096))]
        generate: Option<u16>,
        /// Take a name that the stack does not know, though it is like one that it does
        #[arg(long)]
        new: bool,
    },
    /// Remove one secret
    Unset {
        /// The environment
        environment: String,
        /// The secret's name
        #[arg(value_parser = name)]
        name: SecretName,
    },
    /// Look for mistakes in the secrets and in whom they are encrypted to
    Check {
        /// The environment [default: all that have secrets]
        environment: Option<String>,
    },
    /// Encrypt the secrets of all environments again, to those who are on the lists now
    Rekey {
        /// Only this environment
        environment: Option<String>,
        /// Take the lists as they are now without asking
        #[arg(long)]
        yes: bool,
    },
    /// Show and change who can open the secrets
    #[command(subcommand)]
    Recipients(recipients::RecipientsCommand),
    /// Take secrets over from a file that ansible-vault encrypted
    Import {
        /// The file: encrypted as a whole, or with values that are (`!vault`)
        #[arg(long, value_name = "FILE")]
        ansible_vault: PathBuf,
        /// A file with the vault's password [default: stdin, or a prompt on a terminal]
        #[arg(long, value_name = "FILE")]
        vault_password_file: Option<PathBuf>,
        /// Replace values that are there already
        #[arg(long)]
        force: bool,
        /// The environment
        environment: String,
    },
    /// What git shows of a secrets file: names and fingerprints, for a textconv driver
    Diff {
        /// The age file
        file: PathBuf,
    },
}

/// What a command has to say, for `report/` to print.
#[derive(Debug)]
pub enum Said {
    /// Lines for the person at the terminal.
    Text(String),
    /// A secret that was asked for: to be written to stdout as it is, and nowhere else.
    Secret(SecretString),
}

/// What the commands need from outside.
pub struct Around<'a> {
    /// The project root. `keygen` and `diff` do not look at it.
    pub root: &'a Path,
    /// `--identity`.
    pub identity: Option<&'a Path>,
    /// The names that the stack needs, for the template of a new file.
    pub names: &'a [String],
    /// Shows an error in the edited text and asks whether to edit again; answers no without a terminal.
    pub again: &'a mut dyn FnMut(&Error) -> bool,
}

impl SecretsCommand {
    /// Whether the command works on a project. `keygen` does not, and git runs `diff` anywhere.
    #[must_use]
    pub fn needs_project(&self) -> bool {
        !matches!(self, Self::Keygen { .. } | Self::Diff { .. })
    }

    /// The one environment that the command is about.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        match self {
            Self::Keygen { .. }
            | Self::Check { .. }
            | Self::Rekey { .. }
            | Self::Recipients(_)
            | Self::Diff { .. } => None,
            Self::View { environment, .. }
            | Self::List { environment }
            | Self::Edit { environment }
            | Self::Set { environment, .. }
            | Self::Unset { environment, .. }
            | Self::Import { environment, .. } => Some(environment),
        }
    }

    /// Carries the command out.
    ///
    /// # Errors
    /// Those of `secrets/`; Usage for a name that is not there.
    pub async fn run(&self, around: &mut Around<'_>) -> Result<Said> {
        match self {
            Self::Keygen { file } => values::keygen(file.as_deref()),
            Self::View { environment, name } => values::view(around, environment, name.as_deref()),
            Self::List { environment } => values::list(around, environment),
            Self::Edit { environment } => values::edit(around, environment).await,
            Self::Set { environment, name, generate, new } => {
                values::set(around, environment, name, *generate, *new)
            }
            Self::Unset { environment, name } => values::unset(around, environment, name),
            Self::Check { environment } => check::run(around, environment.as_deref()),
            Self::Rekey { environment, yes } => recipients::rekey(around, environment.as_deref(), *yes),
            Self::Recipients(command) => command.run(around),
            Self::Import { ansible_vault, vault_password_file, force, environment } => {
                import::run(around, ansible_vault, vault_password_file.as_deref(), *force, environment)
            }
            Self::Diff { file } => {
                let text = secrets::textconv(file, Identity::find(around.identity))?;
                Ok(Said::Text(text.trim_end().to_owned()))
            }
        }
    }
}

fn name(text: &str) -> std::result::Result<SecretName, String> {
    text.parse()
}

#[cfg(test)]
mod tests;
