//! All hosts of an environment at once, and what became of each.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Context;
use super::deploy::{self as one, Goal, Manner};
use super::interrupt::Interrupt;
use super::machines::Machines;
use super::project::{self, Base, Loaded, Opening};
use super::reach::Clock;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Stage};
use crate::inventory::{Environment, Host};
use crate::outcome::{ExitCode, Outcome};
use crate::report::Reporter;
use crate::secrets::Secrets;
use crate::words::{count, took};

/// Loads inventory and secrets and makes these unprintable.
pub(super) fn load_base(
    context: &Context<'_>,
    environment: Option<&str>,
    events: &crate::event::Sender,
) -> Result<Arc<Base>> {
    let clock = Clock::start(events, "", Stage::Load);
    let base = project::base(context.root, environment, context.identity)?;
    redact(context, &base.secrets);
    clock.done(format!("{}: {}", base.environment.name, count(base.environment.hosts.len(), "host")));
    Ok(Arc::new(base))
}

fn redact(context: &Context<'_>, secrets: &Secrets) {
    context.output.redact(secrets.names().filter_map(|name| secrets.get(name).cloned()));
}

/// Loads the environment and makes its secrets unprintable.
pub(super) fn load(
    context: &Context<'_>,
    environment: Option<&str>,
    events: &crate::event::Sender,
) -> Result<Arc<Loaded>> {
    load_and(context, environment, events, Opening::Demanded, |_| ())
}

/// The same; `known` is told the inventory as soon as it is read and has no mistake.
pub(super) fn load_and(
    context: &Context<'_>,
    environment: Option<&str>,
    events: &crate::event::Sender,
    opening: Opening,
    known: impl FnOnce(&Environment),
) -> Result<Arc<Loaded>> {
    let clock = Clock::start(events, "", Stage::Load);
    let loaded = project::load(context.root, environment, context.identity, opening, known)?;
    redact(context, &loaded.secrets);
    let environment = &loaded.environment;
    // What is found on the host makes another release of it, the secrets that it has as well.
    let is_whole = loaded.release.sought.is_empty() && !loaded.closed;
    let _ = events.send(Event::Loaded {
        environment: environment.name.clone(),
        release: is_whole.then(|| loaded.generated.id.to_string()),
    });
    clock.done(format!(
        "{}: {}, {}, {}",
        environment.name,
        count(loaded.release.files.len(), "file"),
        count(loaded.release.services.len(), "service"),
        match environment.hosts.as_slice() {
            [host] => format!("host {}", host.name),
            hosts => count(hosts.len(), "host"),
        }
    ));
    Ok(loaded)
}

/// `provision deploy` and `rollback`: each host at once, towards its goal.
pub(super) async fn activate(
    context: &Context<'_>,
    command: &str,
    goal: impl FnOnce(&crate::event::Sender) -> Result<Goal>,
    lock_wait: Duration,
) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let begun = std::time::Instant::now();
    // Asks git, which takes its time, while the project is loaded.
    let actor = tokio::spawn(actor(context.root.to_owned(), command.to_owned()));
    let goal = match goal(&reporter.events()) {
        Ok(goal) => goal,
        Err(error) => {
            reporter.finish().await;
            return Err(error);
        }
    };
    goal.remark(&reporter.events());
    let actor =
        actor.await.map_err(|error| Error::new(Kind::Internal, "ask git for the commit").cause(error))?;
    let manner = Manner { actor, lock_wait, machines: Machines::default() };
    let interrupt = Interrupt::listen(reporter.events(), context.output.clone(), context.format);
    let mut tasks = JoinSet::new();
    for host in goal.environment().hosts.clone() {
        let name = host.name.to_string();
        interrupt.fate(&name, "nothing was changed".to_owned());
        let task = one::deploy(goal.clone(), host, manner.clone(), reporter.events(), interrupt.clone());
        tasks.spawn(async move { (name, task.await) });
    }
    let results = tasks.join_all().await;
    reporter.finish().await;
    let total = took(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    let mut outcomes = Vec::new();
    for (name, deployed) in results {
        if !deployed.findings.is_empty() {
            reporter.findings(&name, &deployed.findings);
        }
        let release = deployed.release.map(|id| id.to_string()).unwrap_or_default();
        match deployed.result {
            Ok(Outcome::Unchanged) => {
                reporter
                    .line(&format!("{name}: release {release} runs already; nothing was touched, {total}"));
            }
            Ok(_) => reporter.line(&format!("{name}: release {release} is deployed and proved, {total}")),
            Err(_) => {}
        }
        outcomes.push(reporter.conclude(&name, deployed.result));
    }
    let code = Outcome::combine(&outcomes);
    reporter.end(code);
    Ok(code)
}

/// Goes to one host after the other with the inventory alone, and says what became of each. `ask` gives what to
/// show, which `show` does once the live lines are gone.
pub(super) async fn each<T>(
    context: &Context<'_>,
    environment: Option<&str>,
    ask: impl AsyncFn(&Environment, &Host, &crate::event::Sender) -> Result<T>,
    show: impl Fn(&Reporter, &str, &T) -> Outcome,
) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let events = reporter.events();
    let environment = project::environment(context.root, environment)?;
    let mut results = Vec::new();
    for host in &environment.hosts {
        let name = host.name.to_string();
        let result = ask(&environment, host, &events).await.map_err(|error| error.host(&name));
        results.push((name, result));
    }
    drop(events);
    reporter.finish().await;
    let mut outcomes = Vec::new();
    for (name, result) in results {
        let result = result.map(|answer| show(&reporter, &name, &answer));
        outcomes.push(reporter.conclude(&name, result));
    }
    let code = Outcome::combine(&outcomes);
    reporter.end(code);
    Ok(code)
}

/// How long git may take; a hook of its own may hang.
const GIT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// Who deploys, from where and from which commit: a JSON object for the host's audit log.
async fn actor(root: PathBuf, command: String) -> String {
    let git = async |arguments: &[&str]| {
        let mut command = crate::child::command("git");
        command.args(arguments).current_dir(&root);
        match crate::child::output(command, GIT_TIMEOUT).await {
            Ok(output) if output.status.success() => {
                Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
            }
            // What it lists are changes.
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Some("more".to_owned()),
            _ => None,
        }
    };
    // What makes a release: a commit says nothing of it where these are not as it has them.
    let status = ["status", "--porcelain", "--untracked-files=all", "--", "inventory", "stack", "secrets"];
    let (commit, changed) = tokio::join!(git(&["rev-parse", "HEAD"]), git(&status));
    let dirty = changed.is_some_and(|changed| !changed.is_empty());
    let user = user();
    let from = std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
    serde_json::json!({ "user": user, "from": from, "commit": commit, "dirty": dirty, "command": command })
        .to_string()
}

/// Who we are, for others to read.
pub(super) fn user() -> String {
    let variable = |name: &str| std::env::var(name).ok();
    variable("GITHUB_ACTOR")
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
