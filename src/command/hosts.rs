//! All hosts of an environment at once, and what became of each.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::Context;
use super::deploy as one;
use super::interrupt::Interrupt;
use super::project::{self, Loaded};
use super::reach::Clock;
use crate::error::Result;
use crate::event::{Event, Stage};
use crate::outcome::{ExitCode, Outcome};

/// Loads the environment and makes its secrets unprintable.
pub(super) fn load(
    context: &Context<'_>,
    environment: Option<&str>,
    events: &crate::event::Sender,
) -> Result<Arc<Loaded>> {
    let clock = Clock::start(events, "", Stage::Load);
    let loaded = project::load(context.root, environment, context.identity)?;
    let names = loaded.secrets.names().filter_map(|name| loaded.secrets.get(name).cloned());
    context.output.redact(names);
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

/// `provision deploy`.
pub(super) async fn deploy(context: &Context<'_>, environment: Option<&str>) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let loaded = match load(context, environment, &reporter.events()) {
        Ok(loaded) => loaded,
        Err(error) => {
            reporter.finish().await;
            return Err(error);
        }
    };
    let actor = actor(context.root).await;
    let interrupt = Interrupt::listen(reporter.events());
    let mut tasks = JoinSet::new();
    for host in loaded.environment.hosts.clone() {
        let name = host.name.to_string();
        let task = one::deploy(loaded.clone(), host, actor.clone(), reporter.events(), interrupt.clone());
        tasks.spawn(async move { (name, task.await) });
    }
    let results = tasks.join_all().await;
    reporter.finish().await;
    let mut outcomes = Vec::new();
    for (name, deployed) in results {
        if !deployed.findings.is_empty() {
            reporter.findings(&name, &deployed.findings);
        }
        let release = &loaded.generated.id;
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

/// Who deploys, from where and from which commit: a JSON object for the host's audit log.
async fn actor(root: &std::path::Path) -> String {
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
    let variable = |name: &str| std::env::var(name).ok();
    let user = variable("GITHUB_ACTOR")
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let from = std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
    serde_json::json!({ "user": user, "from": from, "commit": commit }).to_string()
}
