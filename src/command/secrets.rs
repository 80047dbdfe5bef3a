//! `provision secrets …`: what people do with the secrets files.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::secrets::{self, Edit, Edited, Editor, Identity, SecretName, Secrets};

/// The largest value that is read from stdin, in bytes: a certificate chain fits many times.
const LARGEST: u64 = 1 << 20;

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
    /// The project root. `keygen` does not look at it.
    pub root: &'a Path,
    /// `--identity`.
    pub identity: Option<&'a Path>,
    /// The names that the stack needs, for the template of a new file.
    pub names: &'a [String],
    /// Shows an error in the edited text and asks whether to edit again; answers no without a terminal.
    pub again: &'a mut dyn FnMut(&Error) -> bool,
}

impl SecretsCommand {
    /// Whether the command works on a project. `keygen` does not.
    #[must_use]
    pub fn needs_project(&self) -> bool {
        !matches!(self, Self::Keygen { .. })
    }

    /// The environment that the command is about.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        match self {
            Self::Keygen { .. } => None,
            Self::View { environment, .. } | Self::Edit { environment } | Self::Set { environment, .. } => {
                Some(environment)
            }
        }
    }

    /// Carries the command out.
    ///
    /// # Errors
    /// Those of `secrets/`; Usage for a name that is not there.
    pub async fn run(&self, around: &mut Around<'_>) -> Result<Said> {
        match self {
            Self::Keygen { file } => keygen(file.as_deref()),
            Self::View { environment, name } => view(around, environment, name.as_deref()),
            Self::Edit { environment } => edit(around, environment).await,
            Self::Set { environment, name, generate } => set(around, environment, name, *generate),
        }
    }
}

fn name(text: &str) -> std::result::Result<SecretName, String> {
    text.parse()
}

fn keygen(file: Option<&Path>) -> Result<Said> {
    let (path, public) = secrets::generate_identity(file)?;
    Ok(Said::Text(format!(
        "Your new key is in {}. Keep it to yourself and keep a copy: without it you cannot open the secrets.\n\
         Its public half:\n{public}\n\
         Add that line to secrets/recipients.txt. Where there are secrets already, somebody who can open them has\n\
         to do it and encrypt them again.",
        path.display()
    )))
}

fn view(around: &Around<'_>, environment: &str, name: Option<&str>) -> Result<Said> {
    let identity = Identity::find(around.identity)?;
    let Some(name) = name else {
        return secrets::view(around.root, environment, &identity).map(Said::Secret);
    };
    let secrets = Secrets::load(around.root, environment, &identity)?;
    secrets.get(name).cloned().map(Said::Secret).ok_or_else(|| {
        let names: Vec<&str> = secrets.names().collect();
        Error::usage(format!("show the secret `{name}` of {environment}"))
            .cause("there is no such secret")
            .hint(format!("There are: {}.", names.join(", ")))
    })
}

async fn edit(around: &mut Around<'_>, environment: &str) -> Result<Said> {
    let identity = Identity::find(around.identity)?;
    let edit = Edit {
        root: around.root,
        environment,
        identity: &identity,
        names: around.names,
        editor: Editor::find(),
    };
    let edited = edit.run(around.again).await?;
    Ok(Said::Text(match edited {
        Edited::Unchanged => "Nothing changed.".to_owned(),
        Edited::Saved => format!("Saved secrets/{environment}.yml.age."),
        Edited::Created => format!("Made secrets/{environment}.yml.age."),
    }))
}

fn set(around: &Around<'_>, environment: &str, name: &SecretName, generate: Option<u16>) -> Result<Said> {
    let identity = Identity::find(around.identity)?;
    let value = match generate {
        Some(length) => secrets::generate_password(usize::from(length)),
        None if std::io::stdin().is_terminal() => ask_twice(name)?,
        None => read_value(std::io::stdin().lock(), name)?,
    };
    let is_new = secrets::set(around.root, environment, &identity, name, &value)?;
    let done = if is_new { "Added" } else { "Changed" };
    Ok(Said::Text(format!("{done} `{name}` in secrets/{environment}.yml.age.")))
}

fn ask_twice(name: &SecretName) -> Result<SecretString> {
    let first = secrets::ask(&format!("the value of {name}"))?;
    let second = secrets::ask("the same again")?;
    if first.expose_secret() == second.expose_secret() {
        Ok(first)
    } else {
        Err(Error::usage(format!("set {name}"))
            .cause("the two values differ")
            .hint("Nothing was saved; try again."))
    }
}

/// The value on `input`, without one line end at its end: `echo` and here-documents add it.
fn read_value(input: impl Read, name: &SecretName) -> Result<SecretString> {
    let failed = |what: String| Error::usage(format!("read the value of {name} from stdin")).cause(what);
    let largest = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(largest + 1));
    input.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() > largest {
        return Err(failed("it is larger than 1 MiB".to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        failed("it is not UTF-8 text".to_owned()).hint("Encode it first, for example with `base64`.")
    })?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.is_empty() {
        return Err(failed("there is none".to_owned()).hint(format!(
            "Give the value on stdin, type it on a terminal, or use `--generate`: `provision secrets set ENVIRONMENT {name} < FILE`."
        )));
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
