//! Whose a remote folder is: one folder belongs to one environment of one project.

use super::HostState;
use crate::error::{Error, Kind, Result};

/// Whether what runs from the remote folder `path` was deployed by that compose project and environment. A folder
/// without a release, or with one of a provision that did not write it down, is nobody's.
///
/// # Errors
/// Failed, with who owns it.
pub fn owned(path: &str, (project, environment): (&str, &str), state: &HostState) -> Result<()> {
    let (Some((owner, theirs)), Some(current)) = (&state.owner, &state.current) else { return Ok(()) };
    let error = Error::new(Kind::Failed, "look at the host");
    if owner != project {
        return Err(error
            .cause(format!("{path} there belongs to the compose project {owner}, and this one is {project}"))
            .hint("Give each project a folder of its own: `remote: {path: …}` in the inventory.")
            .hint("Nothing was changed."));
    }
    if theirs != environment {
        return Err(error
            .cause(format!("what runs there is the environment {theirs}, and this one is {environment}"))
            .hint(format!(
                "Two environments need two hosts, or a `project:` and a `remote: {{path: …}}` of their own: \
                 correct `address` in inventory/{environment}.yml."
            ))
            .hint(format!(
                "If {theirs} was renamed to {environment}, tell the host: \
                 `sed -i 's/^owner.*/owner\\t{project}\\t{environment}/' {path}/.provision/releases/{current}/manifest`"
            )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ReleaseId;

    fn refusal(owner: Option<(&str, &str)>) -> String {
        let state = HostState {
            owner: owner.map(|(project, environment)| (project.to_owned(), environment.to_owned())),
            current: Some(ReleaseId("0123".to_owned())),
            ..HostState::default()
        };
        match owned("/opt/shop", ("shop", "staging"), &state) {
            Ok(()) => "ours".to_owned(),
            Err(error) => format!("{error} | {}", error.hints().join(" ")),
        }
    }

    #[test]
    fn another_environment_or_project_is_refused_by_name() {
        assert_eq!(refusal(None), "ours");
        assert_eq!(refusal(Some(("shop", "staging"))), "ours");
        insta::assert_snapshot!(refusal(Some(("shop", "prod"))), @r"look at the host: what runs there is the environment prod, and this one is staging | Two environments need two hosts, or a `project:` and a `remote: {path: …}` of their own: correct `address` in inventory/staging.yml. If prod was renamed to staging, tell the host: `sed -i 's/^owner.*/owner\tshop\tstaging/' /opt/shop/.provision/releases/0123/manifest`");
        insta::assert_snapshot!(refusal(Some(("blog", "staging"))), @"look at the host: /opt/shop there belongs to the compose project blog, and this one is shop | Give each project a folder of its own: `remote: {path: …}` in the inventory. Nothing was changed.");
    }
}
