//! Who can open the secrets: `recipients …` and `rekey`.

use clap::Subcommand;

use super::{Around, Said};
use crate::error::{Error, Result};
use crate::report::Output;
use crate::secrets::{self, Identity, Listed, Roster};

/// Show and change who can open the secrets
#[derive(Debug, Clone, Subcommand)]
pub enum RecipientsCommand {
    /// Show who can open the secrets
    List {
        /// The list of this environment alone [default: the shared one]
        #[arg(long, short, value_name = "ENVIRONMENT")]
        environment: Option<String>,
    },
    /// Add a public key, and encrypt the secrets again
    Add {
        /// age1…, or the line of an SSH public key (ed25519, RSA); a comment may follow
        #[arg(required = true, value_name = "KEY")]
        key: Vec<String>,
        /// To the list of this environment alone [default: the shared one]
        #[arg(long, short, value_name = "ENVIRONMENT")]
        environment: Option<String>,
    },
    /// Take a public key off, and encrypt the secrets again
    Remove {
        /// The public key, or the comment behind it
        #[arg(required = true, value_name = "WHO")]
        who: Vec<String>,
        /// Off the list of this environment alone [default: the shared one]
        #[arg(long, short, value_name = "ENVIRONMENT")]
        environment: Option<String>,
    },
}

impl RecipientsCommand {
    pub(super) fn run(&self, around: &Around<'_>) -> Result<Said> {
        let identity = || Identity::find(around.identity);
        let text = match self {
            Self::List { environment } => list(&Roster::of(around.root, environment.as_deref())?)?,
            Self::Add { key, environment } => {
                let roster = Roster::of(around.root, environment.as_deref())?;
                let listed = roster.add(&key.join(" "), identity)?;
                format!("Added to {}: {}\n{}", listed.list, listed.key, encrypted(&listed))
            }
            Self::Remove { who, environment } => {
                let roster = Roster::of(around.root, environment.as_deref())?;
                let listed = roster.remove(&who.join(" "), identity)?;
                format!(
                    "Taken off {}: {}\n{}{}",
                    listed.list,
                    listed.key,
                    encrypted(&listed),
                    to_change(&listed)
                )
            }
        };
        Ok(Said::Text(text.trim_end().to_owned()))
    }
}

fn list(roster: &Roster<'_>) -> Result<String> {
    let people = roster.people()?;
    let mut lines: Vec<String> =
        people.iter().map(|(key, comment)| format!("{key}  {comment}").trim_end().to_owned()).collect();
    if lines.is_empty() {
        lines.push(format!("{} names nobody.", roster.label()));
    }
    Ok(lines.join("\n"))
}

/// Which files were encrypted again.
fn encrypted(listed: &Listed) -> String {
    if listed.environments.is_empty() {
        return "There are no secrets yet that it goes for.\n".to_owned();
    }
    let files: Vec<String> =
        listed.environments.iter().map(|(name, _)| format!("secrets/{name}.yml.age")).collect();
    format!("Encrypted again: {}. Commit them together with the list.\n", files.join(", "))
}

/// What somebody who was taken off still knows.
fn to_change(listed: &Listed) -> String {
    if listed.environments.iter().all(|(_, names)| names.is_empty()) {
        return String::new();
    }
    let mut text = "Whoever has that key has read these values, and git keeps the old files. Change them where they are \
                    used, and here:\n"
        .to_owned();
    for (environment, names) in &listed.environments {
        for name in names {
            text.push_str("  provision secrets set ");
            text.push_str(environment);
            text.push(' ');
            text.push_str(name);
            text.push('\n');
        }
    }
    text
}

pub(super) fn rekey(around: &Around<'_>, only: Option<&str>, yes: bool) -> Result<Said> {
    let identity = Identity::find(around.identity)?;
    let changed = secrets::listed_anew(around.root, only, &identity);
    if !yes && !changed.is_empty() {
        let question = format!("{}\nEncrypt to those who are on the list now? [y/N] ", changed.join("\n"));
        if !Output::ask(&question).is_some_and(|answer| answer.trim().eq_ignore_ascii_case("y")) {
            return Err(changed.into_iter().fold(Error::usage("encrypt the secrets again"), Error::cause).hint(
                "Nothing was changed. Where that is meant and there is no terminal to ask on: `provision secrets rekey --yes`.",
            ));
        }
    }
    let environments = secrets::rekey(around.root, only, &identity)?;
    let files: Vec<String> = environments.iter().map(|name| format!("secrets/{name}.yml.age")).collect();
    Ok(Said::Text(format!("Encrypted again: {}.", files.join(", "))))
}
