//! Whose a remote folder is: one folder belongs to one environment of one project, and none lies in another's.

use super::HostState;
use crate::error::{Error, Kind, Result};

/// Whether what runs from the remote folder `path` was deployed by that compose project and environment, and no other
/// stack has a folder there, in it or around it. A folder without a release, or with one of a provision that did not
/// write it down, is nobody's. `records` is the folder of the project's records.
///
/// # Errors
/// Failed, with who owns it.
pub fn owned(
    path: &str,
    records: &str,
    (project, environment): (&str, &str),
    state: &HostState,
) -> Result<()> {
    apart(path, project, state)?;
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
                 `sed -i 's/^owner.*/owner\\t{project}\\t{environment}/' {records}/releases/{current}/manifest`"
            )));
    }
    Ok(())
}

/// Whether the folders of all other stacks of the host lie apart from `path`.
fn apart(path: &str, project: &str, state: &HostState) -> Result<()> {
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for (other, deployed) in &state.stacks {
        let theirs = &deployed.path;
        let own = other == project;
        // The own stack may only be where an older provision put it: its records are found from there.
        let elsewhere = own && state.current.is_none() && theirs != path;
        let overlaps = !own && (within(path, theirs) || within(theirs, path));
        if !elsewhere && !overlaps {
            continue;
        }
        let environment = deployed.environment.as_ref().map(|name| format!(", environment {name},"));
        let whose = format!("the project {other}{}", environment.unwrap_or_default());
        let error = Error::new(Kind::Failed, "look at the host");
        return Err(if elsewhere {
            error
                .cause(format!("{whose} is deployed there already, in {theirs}, and not in {path}"))
                .hint(format!("Set `remote: {{path: {theirs}}}` for one deploy, which moves it; then any path will do."))
        } else {
            let relation = if theirs == path {
                format!("has the folder {path} there")
            } else if within(path, theirs) {
                format!("has the folder {theirs} there, and {path} lies in it")
            } else {
                format!("has the folder {theirs} there, which lies in {path}")
            };
            error
                .cause(format!("{whose} {relation}"))
                .hint("Give each project a folder of its own, apart from the others: `remote: {path: …}` in the inventory.")
        }
        .hint("Nothing was changed."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Deployed, ReleaseId};

    fn refusal(owner: Option<(&str, &str)>) -> String {
        let state = HostState {
            owner: owner.map(|(project, environment)| (project.to_owned(), environment.to_owned())),
            current: Some(ReleaseId("0123".to_owned())),
            ..HostState::default()
        };
        told(&state)
    }

    fn told(state: &HostState) -> String {
        let records = "/var/lib/provision/shop/records";
        match owned("/opt/shop", records, ("shop", "staging"), state) {
            Ok(()) => "ours".to_owned(),
            Err(error) => format!("{error} | {}", error.hints().join(" ")),
        }
    }

    #[test]
    fn another_environment_or_project_is_refused_by_name() {
        assert_eq!(refusal(None), "ours");
        assert_eq!(refusal(Some(("shop", "staging"))), "ours");
        insta::assert_snapshot!(refusal(Some(("shop", "prod"))), @r"look at the host: what runs there is the environment prod, and this one is staging | Two environments need two hosts, or a `project:` and a `remote: {path: …}` of their own: correct `address` in inventory/staging.yml. If prod was renamed to staging, tell the host: `sed -i 's/^owner.*/owner\tshop\tstaging/' /var/lib/provision/shop/records/releases/0123/manifest`");
        let with = |project: &str, path: &str, environment: Option<&str>| {
            let deployed = Deployed { environment: environment.map(str::to_owned), path: path.to_owned() };
            told(&HostState { stacks: [(project.to_owned(), deployed)].into(), ..HostState::default() })
        };
        assert_eq!(with("blog", "/opt/shopping", None), "ours");
        assert_eq!(with("shop", "/opt/shop", None), "ours");
        insta::assert_snapshot!(with("shop", "/srv/shop", None), @"look at the host: the project shop is deployed there already, in /srv/shop, and not in /opt/shop | Set `remote: {path: /srv/shop}` for one deploy, which moves it; then any path will do. Nothing was changed.");
        insta::assert_snapshot!(with("blog", "/opt/shop", Some("prod")), @"look at the host: the project blog, environment prod, has the folder /opt/shop there | Give each project a folder of its own, apart from the others: `remote: {path: …}` in the inventory. Nothing was changed.");
        insta::assert_snapshot!(with("blog", "/opt", None), @"look at the host: the project blog has the folder /opt there, and /opt/shop lies in it | Give each project a folder of its own, apart from the others: `remote: {path: …}` in the inventory. Nothing was changed.");
        insta::assert_snapshot!(with("blog", "/opt/shop/blog", None), @"look at the host: the project blog has the folder /opt/shop/blog there, which lies in /opt/shop | Give each project a folder of its own, apart from the others: `remote: {path: …}` in the inventory. Nothing was changed.");
        insta::assert_snapshot!(refusal(Some(("blog", "staging"))), @"look at the host: /opt/shop there belongs to the compose project blog, and this one is shop | Give each project a folder of its own: `remote: {path: …}` in the inventory. Nothing was changed.");
    }
}
