//! `provision rollback`: a release that the host keeps, activated like any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deploy::make_plan;
use super::project::{Base, Loaded};
use crate::error::{Error, Kind, Result};
use crate::event::{self, Event};
use crate::host::{self, Kept};
use crate::inventory::Host;
use crate::plan::check::Check;
use crate::plan::{HostState, OVERRIDE_FILE, Plan, ReleaseId};
use crate::secrets::Secrets;
use crate::ssh::Session;

/// Where to go back to.
#[derive(Clone)]
pub(super) struct Target {
    /// The beginning of a release's id; `None` is the release before the current one.
    pub release: Option<String>,
    /// Whether its secrets come back too, instead of today's.
    pub with_secrets: bool,
}

/// The kept release as if the project had made it, and the plan for it.
pub(super) async fn plan(
    base: &Base,
    target: &Target,
    host: &Host,
    session: &Session,
    state: &HostState,
    events: &event::Sender,
) -> Result<(Arc<Loaded>, Plan)> {
    let environment = &base.environment;
    let id = match &target.release {
        Some(begin) => chosen(begin, state)?,
        None => before(state, &host::status(session, host, environment).await?)?,
    };
    let kept = host::kept(session, host, environment, &id).await?;
    let (loaded, skipped) = loaded(base, target, &kept)?;
    if !skipped.is_empty() {
        let names: Vec<&str> = skipped.iter().map(|check| check.name.as_str()).collect();
        let text = format!("not asked, as the password is not in today's secrets: {}", names.join(", "));
        let _ = events.send(Event::Warning { host: host.name.to_string(), text });
    }
    let mut plan = make_plan(&loaded, state);
    if !plan.is_empty() {
        from_kept(&mut plan, &loaded, &kept, state)?;
    }
    Ok((Arc::new(loaded), plan))
}

fn refused(cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::Failed, "choose a release to go back to").cause(cause)
}

/// The one kept release whose id begins so.
fn chosen(begin: &str, state: &HostState) -> Result<ReleaseId> {
    let found: Vec<&ReleaseId> = state.kept.iter().filter(|id| id.0.starts_with(begin)).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let kept: Vec<&str> = state.kept.iter().map(|id| id.0.as_str()).collect();
            Err(refused(format!("the host keeps no release {begin}"))
                .hint(format!("It keeps: {}. `provision status` says since when.", kept.join(", "))))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|id| id.0.as_str()).collect();
            Err(refused(format!("{begin} can be each of {}", names.join(", "))).hint("Give more of its id."))
        }
    }
}

/// The release that was confirmed last before the current one.
fn before(state: &HostState, status: &host::Status) -> Result<ReleaseId> {
    let current = state.current.as_ref().map_or("", |id| &id.0);
    let other = status.kept.iter().find(|kept| kept.release != current);
    other.map(|kept| ReleaseId(kept.release.clone())).ok_or_else(|| {
        refused("the host keeps no other release than the one that runs")
            .hint("Check out the commit that worked (`provision history` names it), and deploy that.")
    })
}

/// The kept release with its checks, and those checks whose password is not known.
fn loaded(base: &Base, target: &Target, kept: &Kept) -> Result<(Loaded, Vec<Check>)> {
    let fingerprints = if target.with_secrets {
        kept.fingerprints.clone()
    } else {
        todays(&base.secrets, kept, &base.environment.name)?
    };
    let mut loaded = Loaded::kept(base, kept, &fingerprints);
    let unknown = std::mem::take(&mut loaded.skipped);
    Ok((loaded, unknown))
}

/// The fingerprints of today's secrets, as far as the kept release needs them.
fn todays(secrets: &Secrets, kept: &Kept, environment: &str) -> Result<BTreeMap<String, String>> {
    let mut missing = Vec::new();
    let mut fingerprints = BTreeMap::new();
    for name in kept.release.secret_names() {
        match secrets.fingerprint(&name) {
            Some(fingerprint) => drop(fingerprints.insert(name, fingerprint)),
            None => missing.push(name),
        }
    }
    if missing.is_empty() {
        return Ok(fingerprints);
    }
    Err(Error::new(Kind::Failed, format!("go back to release {} with today's secrets", kept.id))
        .cause(format!("secrets/{environment}.yml.age has no {}", missing.join(", ")))
        .hint("`--with-secrets` brings those back that it had."))
}

/// Makes the plan take from the kept release's folder what the host has there.
fn from_kept(plan: &mut Plan, loaded: &Loaded, kept: &Kept, state: &HostState) -> Result<()> {
    let generated = &loaded.generated;
    plan.base = Some(kept.id.clone());
    plan.parts = BTreeMap::new();
    // Its labels follow from the secrets, so with others this one file is another.
    let labels = generated.files.get(OVERRIDE_FILE).map(|file| &file.digest);
    plan.send =
        if kept.digests.get(OVERRIDE_FILE) == labels { Vec::new() } else { vec![OVERRIDE_FILE.to_owned()] };
    let unsealable = kept.sealed_for.is_some() && kept.sealed_for != state.host_key;
    plan.send_sealed = unsealable || kept.sealed.as_ref() != Some(&generated.sealed_digest);
    let todays = |(name, print): (&String, &String)| loaded.secrets.fingerprint(name).as_ref() == Some(print);
    if plan.send_sealed && !generated.fingerprints.iter().all(todays) {
        return Err(Error::new(Kind::Failed, format!("go back to release {} with its secrets", kept.id))
            .cause("they are sealed to a host key that the host has no more, and today's are others")
            .hint("Without `--with-secrets` it runs with today's secrets."));
    }
    Ok(())
}

#[cfg(test)]
#[path = "rollback_tests.rs"]
mod tests;
