//! `import`: what Ansible had is taken over.

use std::io::IsTerminal;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{Around, Said, values};
use crate::error::{Error, Result};
use crate::secrets::{self, Identity, Import, Imported};
use crate::text;

pub(super) fn run(
    around: &Around<'_>,
    file: &Path,
    password_file: Option<&Path>,
    force: bool,
    environment: &str,
) -> Result<Said> {
    let identity = Identity::find(around.identity)?;
    let text = text_of(file)?;
    let password = match password_file {
        Some(path) => password_of(path)?,
        None if std::io::stdin().is_terminal() => {
            secrets::ask(&format!("the vault password of {}", file.display()))?
        }
        None => values::read_value(std::io::stdin().lock(), "the vault password")?.value,
    };
    let import = Import { root: around.root, environment, identity: &identity, names: around.names, force };
    let imported = import.run(&file.display().to_string(), &text, &password)?;
    Ok(Said::Text(said(&imported, environment)))
}

fn text_of(path: &Path) -> Result<Zeroizing<String>> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| Error::usage(format!("read {shown}")).cause(error))?;
    let text = text::decode(&bytes).map_err(|unreadable| unreadable.error(&shown))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn password_of(path: &Path) -> Result<SecretString> {
    let text = text_of(path)?;
    if text.starts_with("#!") {
        return Err(Error::usage(format!("read the vault password from {}", path.display()))
            .cause("it is a script, and provision runs none")
            .hint(format!("Run it yourself: `{} | provision secrets import …`.", path.display())));
    }
    // As Ansible does it.
    Ok(SecretString::from(text.trim()))
}

fn said(imported: &Imported, environment: &str) -> String {
    let mut lines = Vec::new();
    for (from, name) in &imported.taken {
        let from = if from == name.as_str() { String::new() } else { format!(" (from `{from}`)") };
        lines.push(format!("Took `{name}`{from}."));
    }
    for name in &imported.unchanged {
        lines.push(format!("`{name}` was there already with that value."));
    }
    for (path, why) in &imported.left {
        lines.push(format!("Left out `{path}`: {why}."));
    }
    let count = imported.taken.len();
    lines.push(match count {
        0 => format!("secrets/{environment}.yml.age was left as it is."),
        _ => format!("Saved secrets/{environment}.yml.age. `provision secrets check {environment}` compares it with the stack."),
    });
    lines.join("\n")
}
