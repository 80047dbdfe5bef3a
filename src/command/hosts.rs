//! All hosts of an environment at once, and what became of each.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Context;
use super::deploy::{self as one, Goal, Manner};
use super::interrupt::Interrupt;
use super::project::{self, Base, Loaded};
use super::reach::Clock;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Stage};
use crate::inventory::{Environment, Host};
use crate::outcome::{ExitCode, Outcome};
use crate::report::Reporter;
use crate::secrets::Secrets;

/// Loads inventory and secrets and makes these unprintable.
pub(super) fn load_base(
    context: &Context<'_>,
    environment: Option<&str>,
    events: &crate::event::Sender,
) -> Result<Arc<Base>> {
    let clock = Clock::start(events, "", Stage::Load);
    let base = project::base(context.root, environment, context.identity)?;
    redact(context, &base.secrets);
    clock.done(format!("{}: {} hosts", base.environment.name, base.environment.hosts.len()));
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
    let clock = Clock::start(events, "", Stage::Load);
    let loaded = project::load(context.root, environment, context.identity)?;
    redact(context, &loaded.secrets);
    let environment = &loaded.environment;
    let _ = events.send(Event::Loaded {
        environment: environment.name.clone(),
        release: loaded.generated.id.to_string(),
    });
    clock.done(format!(
        "{}: {} files, {} services, {}",
        environment.name,
        loaded.release.files.len(),
        loaded.release.services.len(),
        match environment.hosts.as_slice() {
            [host] => format!("host {}", host.name),
            hosts => format!("{} hosts", hosts.len()),
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
    let manner = Manner { actor, lock_wait };
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
    let mut outcomes = Vec::new();
    for (name, deployed) in results {
        if !deployed.findings.is_empty() {
            reporter.findings(&name, &deployed.findings);
        }
        let release = deployed.release.map(|id| id.to_string()).unwrap_or_default();
        match deployed.result {
            Ok(Outcome::Unchanged) => {
                reporter.line(&format!("{name}: release {release} runs already; nothing was touched"));
            }
            Ok(_) => reporter.line(&format!("{name}: release {release} is deployed and proved")),
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
    show: impl Fn(&Reporter, &str, &T),
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
        let result = result.map(|answer| {
            show(&reporter, &name, &answer);
            Outcome::Verified
        });
        outcomes.push(reporter.conclude(&name, result));
    }
    let code = Outcome::combine(&outcomes);
    reporter.end(code);
    Ok(code)
}

/// Who deploys, from where and from which commit: a JSON object for the host's audit log.
async fn actor(root: PathBuf, command: String) -> String {
    let commit = tokio::process::Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(root)
        .env_remove("PROVISION_IDENTITY")
        .stderr(std::process::Stdio::null())
        .output()
        .await
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let user = user();
    let from = std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
    serde_json::json!({ "user": user, "from": from, "commit": commit, "command": command }).to_string()
}

/// Who we are, for others to read.
pub(super) fn user() -> String {
    let variable = |name: &str| std::env::var(name).ok();
    variable("GITHUB_ACTOR")
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
