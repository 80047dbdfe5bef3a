//! `check`: whether the secrets files can be deployed, and by whom they can be opened.

use super::{Around, Said};
use crate::command::project;
use crate::error::{Error, Place, Problem, Result};
use crate::inventory::Environment;
use crate::secrets::{self, Identity, Secrets};
use crate::stack;

pub(super) fn run(around: &Around<'_>, environment: Option<&str>) -> Result<Said> {
    let names = match environment {
        Some(name) => vec![name.to_owned()],
        None => secrets::environments(around.root),
    };
    if names.is_empty() {
        return Err(Error::usage("check the secrets")
            .cause("no environment has a secrets file")
            .hint("`provision secrets edit ENVIRONMENT` makes one."));
    }
    let identity = Identity::find(around.identity)?;
    let mut problems = Vec::new();
    let mut lines = Vec::new();
    for name in names {
        match one(around, &name, &identity) {
            Ok((line, found)) => {
                lines.push(line);
                problems.extend(found);
            }
            Err(error) if error.all_problems().is_empty() => {
                problems.push(project::as_problem(&name, &error));
            }
            Err(error) => problems.extend(error.all_problems().iter().cloned()),
        }
    }
    if problems.is_empty() {
        return Ok(Said::Text(lines.join("\n")));
    }
    Err(Error::problems("check the secrets", problems))
}

fn one(around: &Around<'_>, name: &str, identity: &Identity) -> Result<(String, Vec<Problem>)> {
    let secrets = Secrets::load(around.root, name, identity)?;
    let mut problems = Vec::new();
    let anew = project::listed_anew(around.root, name, &secrets)?;
    if anew.is_empty()
        && let Some(what) = secrets::outdated(around.root, name)?
    {
        problems.push(Problem::new(
            Place::file(format!("secrets/{name}.yml.age")),
            what,
            "`provision secrets rekey` encrypts it to those who are on the list.",
        ));
    }
    problems.extend(anew);
    // A stack that has mistakes of its own is `provision check`'s matter.
    let release = Environment::load(around.root, name).and_then(|environment| stack::load(&environment)).ok();
    let mut remark = project::remark(name, &secrets);
    match &release {
        Some(release) => problems.extend(project::secret_problems(name, release, &secrets)),
        None => remark.push_str("; not compared with the stack, which cannot be loaded"),
    }
    Ok((format!("{name}: ok ({} secrets{remark})", secrets.names().count()), problems))
}
