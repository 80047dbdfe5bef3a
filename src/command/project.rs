//! The project on disk, loaded offline: what every command that goes to a host begins with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::ExposeSecret as _;

use crate::error::{Error, Place, Problem, Result};
use crate::host::Kept;
use crate::inventory::{self, Environment};
use crate::plan::check::Check;
use crate::plan::{self, Generated};
use crate::secrets::{self, Identity, Secrets};
use crate::stack::{self, File, Release};
use crate::verify;

/// Everything that is known before a host is asked.
pub(super) struct Loaded {
    pub environment: Environment,
    pub secrets: Arc<Secrets>,
    pub release: Release,
    pub generated: Generated,
    pub checks: Vec<Check>,
    /// Checks that the inventory leaves out (`verify: {skip: …}`).
    pub skipped: Vec<Check>,
    /// Whether the secrets were left closed: then they count as those that a host has.
    pub closed: bool,
}

/// What becomes of the secrets while a project is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// They are opened; a key that is missing is an error.
    Demanded,
    /// They are opened where there is a key. Without one the rest can be looked at all the same.
    WithAKey,
    /// They stay closed, whether there is a key or not.
    Never,
}

/// What it takes to go back on a host: nothing of the stack, which may be broken at the moment.
pub(super) struct Base {
    pub environment: Environment,
    pub secrets: Arc<Secrets>,
}

/// Loads inventory and secrets alone.
///
/// # Errors
/// Usage: what is wrong with them.
pub(super) fn base(root: &Path, name: Option<&str>, identity: Option<&Path>) -> Result<Base> {
    let environment = environment(root, name)?;
    let secrets = Arc::new(open_secrets(root, &environment.name, None, identity)?);
    Ok(Base { environment, secrets })
}

/// Loads the inventory alone.
///
/// # Errors
/// Usage: what is wrong with it.
pub(super) fn environment(root: &Path, name: Option<&str>) -> Result<Environment> {
    Environment::load(root, &Environment::choose(root, name)?)
}

/// The nearest folder upwards from `start` that has `inventory/`.
///
/// # Errors
/// Usage, when there is none.
pub(super) fn root(start: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(start).unwrap_or_else(|_| start.to_owned());
    absolute.ancestors().find(|folder| folder.join("inventory").is_dir()).map(Path::to_owned).ok_or_else(
        || {
            Error::usage("find the project")
                .cause(format!("neither {} nor a folder above it has an inventory/", absolute.display()))
                .hint("Go into the project's folder, or name it: `provision -C DIR …`.")
        },
    )
}

/// What could be read of a project offline, and all that is wrong with it.
pub(super) struct Gathered {
    pub environment: Option<Environment>,
    pub release: Option<Release>,
    /// None where they cannot be opened, or there is no key and none is demanded.
    pub secrets: Option<Secrets>,
    pub checks: Vec<Check>,
    /// What was being done when the first problem was found.
    doing: String,
    pub problems: Vec<Problem>,
}

impl Gathered {
    /// Reads inventory, stack and secrets of the environment `name`. A mistake in one does not keep those of the
    /// others from being found. `opening` says whether a missing key is a mistake. `known` is told the inventory as soon
    /// as it is read and has no mistake.
    ///
    /// # Errors
    /// What is no mistake in a file: a key that cannot be had, where nothing else is wrong.
    pub(super) fn read(
        root: &Path,
        name: &str,
        identity: Option<&Path>,
        opening: Opening,
        known: impl FnOnce(&Environment),
    ) -> Result<Self> {
        let (environment, mut problems) = Environment::read(root, name);
        let mut doing = format!("load the inventory of {name}");
        // Of an address that is none it cannot be said whose it is.
        if let Some(environment) = &environment
            && problems.is_empty()
        {
            problems.extend(inventory::server_problems(root, environment));
        }
        let wrong_inventory = problems.len();
        if let Some(environment) = &environment
            && problems.is_empty()
        {
            known(environment);
        }
        let release = match &environment {
            Some(environment) => collect(&mut problems, stack::load(environment))?,
            None => None,
        };
        let needs_none = release.as_ref().is_some_and(|release| release.secret_names().is_empty());
        let has_key = needs_none || Identity::is_given(identity);
        let is_wanted = match opening {
            Opening::Demanded => has_key || problems.is_empty(),
            Opening::WithAKey => has_key,
            Opening::Never => false,
        };
        let mut secrets = None;
        if is_wanted {
            match open_secrets(root, name, release.as_ref(), identity) {
                Ok(opened) => secrets = Some(opened),
                Err(error) if problems.is_empty() => return Err(error),
                Err(error) => problems.push(as_problem(name, &error)),
            }
        }
        let mut checks = Vec::new();
        if let Some(release) = &release {
            if let Some(secrets) = &secrets {
                problems.extend(secret_problems(name, release, secrets));
                // A deploy encrypts nothing to the list; that it cannot be read, `secrets check` says.
                if opening == Opening::WithAKey {
                    problems.extend(listed_anew(root, name, secrets).unwrap_or_default());
                }
            }
            match plan::checks(release) {
                Ok(found) => checks = found,
                Err(found) => problems.extend(found),
            }
        }
        if problems.len() > wrong_inventory {
            doing = format!("load {name}");
        }
        Ok(Self { environment, release, secrets, checks, doing, problems })
    }

    /// The error with all problems.
    pub(super) fn error(self) -> Error {
        Error::problems(self.doing, self.problems)
    }
}

/// Loads an environment whole. All mistakes that can be found offline are found here, together. Secrets that stay closed
/// are for a plan alone. `known` is told the inventory as soon as it is read and has no mistake.
///
/// # Errors
/// Usage: what is wrong with inventory, stack or secrets.
pub(super) fn load(
    root: &Path,
    name: Option<&str>,
    identity: Option<&Path>,
    opening: Opening,
    known: impl FnOnce(&Environment),
) -> Result<Arc<Loaded>> {
    let name = Environment::choose(root, name)?;
    let mut gathered = Gathered::read(root, &name, identity, opening, known)?;
    let closed = opening == Opening::Never;
    let secrets = if closed { Some(Secrets::empty()) } else { gathered.secrets.take() };
    match (gathered.environment.take(), gathered.release.take(), secrets) {
        (Some(environment), Some(release), Some(secrets)) if gathered.problems.is_empty() => {
            let loaded = Loaded::new(environment, Arc::new(secrets), release, gathered.checks);
            Ok(Arc::new(Loaded { closed, ..loaded }))
        }
        _ => Err(gathered.error()),
    }
}

impl Loaded {
    fn new(environment: Environment, secrets: Arc<Secrets>, release: Release, checks: Vec<Check>) -> Self {
        let fingerprints = release
            .secret_names()
            .into_iter()
            .filter_map(|name| secrets.fingerprint(&name).map(|fingerprint| (name, fingerprint)))
            .collect();
        Self::with(environment, secrets, release, checks, &fingerprints)
    }

    fn with(
        environment: Environment,
        secrets: Arc<Secrets>,
        release: Release,
        checks: Vec<Check>,
        fingerprints: &BTreeMap<String, String>,
    ) -> Self {
        let generated = plan::generate(&release, fingerprints);
        let skip = &environment.verify.skip;
        let (skipped, checks) = checks
            .into_iter()
            .partition(|check| skip.iter().any(|pattern| verify::select::matches(pattern, &check.name)));
        Self { environment, secrets, release, generated, checks, skipped, closed: false }
    }

    /// A release that a host keeps, as if the project had made it: its files have digests and no content, and its
    /// secrets are those whose fingerprints are given. Checks whose password is not known here go to `skipped`.
    pub(super) fn kept(base: &Base, kept: &Kept, fingerprints: &BTreeMap<String, String>) -> Self {
        let mut release = kept.release.clone();
        release.environment.clone_from(&base.environment.name);
        release.files = kept
            .digests
            .iter()
            .filter(|(path, _)| *path != plan::OVERRIDE_FILE)
            .map(|(path, digest)| (path.clone(), File { content: Vec::new(), digest: digest.clone() }))
            .collect();
        let generated = plan::generate(&release, fingerprints);
        let known = |check: &Check| {
            check
                .secret()
                .is_none_or(|name| base.secrets.fingerprint(name).as_ref() == fingerprints.get(name))
        };
        let (checks, skipped) = kept.checks.iter().cloned().partition(known);
        Self {
            environment: base.environment.clone(),
            secrets: base.secrets.clone(),
            release,
            generated,
            checks,
            skipped,
            closed: false,
        }
    }

    /// The release that runs on a host, for its proof: labels and id are the host's own, whatever this version of
    /// provision would make of the release.
    pub(super) fn running(base: &Base, kept: &Kept) -> Self {
        let mut loaded = Self::kept(base, kept, &kept.fingerprints);
        loaded.generated.id = kept.id.clone();
        loaded.generated.labels = kept.labels.clone();
        loaded
    }

    /// The same for a host that looks like `state`: with what the inventory leaves to be found there. Where
    /// that cannot be told it stays as it is, and the host does not meet the requirements.
    ///
    /// # Errors
    /// Usage: the stack cannot be rendered with what was found.
    pub(super) fn on(self: &Arc<Self>, state: &plan::HostState) -> Result<Arc<Self>> {
        let found = plan::found(&self.release, state).unwrap_or_default();
        if found.is_empty() {
            return Ok(if self.closed { Arc::new(self.as_opened_on(state)) } else { self.clone() });
        }
        let environment = self.environment.with_variables(&found);
        let release = stack::load(&environment)?;
        let checks = plan::checks(&release)
            .map_err(|problems| Error::problems(format!("load {}", environment.name), problems))?;
        let mut loaded = Self::new(environment, self.secrets.clone(), release, checks);
        if self.closed {
            loaded = loaded.as_opened_on(state);
        }
        Ok(Arc::new(loaded))
    }

    /// The same with the secrets that `state` says the host has; one that it does not have counts as new.
    fn as_opened_on(&self, state: &plan::HostState) -> Self {
        let fingerprints = self
            .release
            .secret_names()
            .into_iter()
            .map(|name| {
                let known = state.fingerprints.get(&name).cloned().unwrap_or_else(|| "unknown".to_owned());
                (name, known)
            })
            .collect();
        let (environment, release) = (self.environment.clone(), self.release.clone());
        let loaded =
            Self::with(environment, self.secrets.clone(), release, self.checks.clone(), &fingerprints);
        Self { closed: true, ..loaded }
    }
}

/// The secrets, where the release needs some or there is a file.
pub(super) fn open_secrets(
    root: &Path,
    name: &str,
    release: Option<&Release>,
    identity: Option<&Path>,
) -> Result<Secrets> {
    let needed = release.is_some_and(|release| !release.secret_names().is_empty());
    if !needed && !secrets::exists(root, name) {
        return Ok(Secrets::empty());
    }
    Secrets::load(root, name, &Identity::find(identity)?)
}

/// Secrets that cannot be opened, beside other mistakes: so that none hides the others.
pub(super) fn as_problem(environment: &str, error: &Error) -> Problem {
    let place = Place::file(format!("secrets/{environment}.yml.age"));
    let what = std::iter::once(format!("failed to {}", error.doing())).chain(error.causes().iter().cloned());
    Problem::new(place, what.collect::<Vec<_>>().join(": "), error.hints().join(" "))
}

/// Takes the problems out of an error that has some; any other error ends the loading.
pub(super) fn collect<T>(problems: &mut Vec<Problem>, result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if !error.all_problems().is_empty() => {
            problems.extend(error.all_problems().iter().cloned());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Who was added to or taken off the list of recipients since the secrets were last written.
///
/// # Errors
/// Usage: the list cannot be read.
pub(super) fn listed_anew(root: &Path, environment: &str, secrets: &Secrets) -> Result<Vec<Problem>> {
    if !secrets::exists(root, environment) {
        return Ok(Vec::new());
    }
    let recipients = secrets::Recipients::load(root, environment)?;
    let place = || Place::file(format!("secrets/{environment}.yml.age"));
    let hint = format!(
        "Where that is meant: `provision secrets rekey {environment}`, which asks. Else take the list from git again."
    );
    let found = secrets.listed_anew(&recipients).into_iter();
    Ok(found.map(|what| Problem::new(place(), what, hint.clone())).collect())
}

/// What is to be said of secrets that are in order.
pub(super) fn remark(environment: &str, secrets: &Secrets) -> String {
    let mut remark = secrets.remark().map(|text| format!("; {text}")).unwrap_or_default();
    if !secrets.is_bound() {
        let _ = write!(
            remark,
            "; secrets/{environment}.yml.age does not say that it is {environment}'s: the next `secrets set` adds it"
        );
    }
    remark
}

/// What is wrong between the release and the secrets: missing, unused, weak.
pub(super) fn secret_problems(environment: &str, release: &Release, secrets: &Secrets) -> Vec<Problem> {
    let place = || Place::file(format!("secrets/{environment}.yml.age"));
    let wanted = release.secret_names();
    let mut problems = Vec::new();
    for name in wanted.iter().filter(|name| secrets.get(name).is_none()) {
        problems.push(Problem::new(
            place(),
            format!("the secret `{name}` is missing"),
            format!(
                "Set it: `provision secrets set {environment} {name}` (`--generate` makes a random one)."
            ),
        ));
    }
    for name in secrets.names().filter(|name| !wanted.contains(*name)) {
        problems.push(Problem::new(
            place(),
            format!("the secret `{name}` is used by nothing"),
            format!("Remove it: `provision secrets unset {environment} {name}`."),
        ));
    }
    for unfit in plan::unfit(release, secrets) {
        problems.push(Problem::new(
            place(),
            format!("the secret `{}` cannot be put into {}: its value {}", unfit.name, unfit.path, unfit.what),
            "Give the placeholder quotes there, or the secret a value of letters and digits; best let the program read it \
             from a file of its own.",
        ));
    }
    for service in release.services.values() {
        for (name, kind) in &service.secret_values {
            let mistake = secrets.get(name).and_then(|value| kind.mistake(value.expose_secret()));
            if let Some(mistake) = mistake {
                problems.push(Problem::new(
                    place(),
                    format!("the secret `{name}` {mistake}, and {} cannot read that", service.name),
                    format!("Set another: `provision secrets set {environment} {name}`."),
                ));
            }
        }
    }
    let rules = release.secret_rules();
    let rules: Vec<(&str, usize)> = rules.iter().map(|(name, least)| (name.as_str(), *least)).collect();
    for weakness in secrets::weaknesses(secrets, &rules) {
        problems.push(Problem::new(
            place(),
            format!("the secret `{}` {}", weakness.name, weakness.what),
            weakness.hint,
        ));
    }
    problems
}
