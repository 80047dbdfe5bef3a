//! `provision plan`, and `deploy` and `rollback` with `--dry-run`: what would change. Touches nothing.

use super::Context;
use super::deploy::Goal;
use super::machines::Machines;
use crate::error::Result;
use crate::event::{self, Event};
use crate::host;
use crate::inventory::Host;
use crate::outcome::{ExitCode, Outcome};
use crate::plan::{OVERRIDE_FILE, Plan};

/// Runs the command; `goal` says which release is planned for.
pub(super) async fn run(
    context: &Context<'_>,
    goal: impl FnOnce(&event::Sender) -> Result<Goal>,
    detailed: bool,
) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let events = reporter.events();
    let mut next = String::new();
    let looked = async {
        let goal = goal(&events)?;
        next = goal.command();
        goal.remark(&events);
        let mut plans = Vec::new();
        let machines = Machines::default();
        for host in &goal.environment().hosts {
            let name = host.name.to_string();
            let planned = plan(&goal, host, &machines, &events).await.map_err(|error| error.host(&name));
            if let Ok(plan) = &planned {
                let _ = events.send(Event::planned(&name, plan));
            }
            plans.push((name, planned));
        }
        Ok(plans)
    }
    .await;
    drop(events);
    reporter.finish().await;
    let mut outcomes = Vec::new();
    let looked = looked?;
    for (name, planned) in &looked {
        // The last line says what it comes to and what is next; an error has its own.
        match planned {
            Ok(plan) if plan.is_empty() => {
                reporter.line(&format!("{name}: nothing to do; `provision verify` proves what runs"));
            }
            Ok(plan) => reporter.line(&format!("{name}: {}; next: `{next}`", plan.changes.summary())),
            Err(_) => {}
        }
    }
    for (name, planned) in looked {
        let result = planned.map(|plan| Outcome::Planned { changes: !plan.is_empty() });
        outcomes.push(reporter.conclude(&name, result));
    }
    let mut code = Outcome::combine(&outcomes);
    let changes = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Planned { changes: true }));
    if code == ExitCode::Ok && detailed && changes {
        code = ExitCode::Changes;
    }
    reporter.end(code);
    Ok(code)
}

/// The plan for one host, with the difference of each file.
async fn plan(goal: &Goal, host: &Host, machines: &Machines, events: &event::Sender) -> Result<Plan> {
    let reached = goal.reach(host, events).await?;
    machines.claim(&host.name.0, &reached.state)?;
    if let Some(holder) = &reached.state.holder {
        let text = format!("{holder} is at work there: what follows compares with what is on its way");
        let _ = events.send(Event::Warning { host: host.name.to_string(), text });
    }
    let (loaded, mut plan) = goal.plan(host, &reached.session, &reached.state, events).await?;
    // A path with escapes is shown and no more.
    let fetched = plan.changes.files.iter().map(|file| &file.path).filter(|path| !path.contains('\\'));
    let paths: Vec<String> = fetched.cloned().collect();
    if !paths.is_empty() {
        let (session, environment) = (&reached.session, goal.environment());
        let mut generated = loaded.generated.clone();
        if let Some(base) = &plan.base {
            // A kept release's files are only on the host.
            let kept: Vec<String> = paths.iter().map(|path| format!("files/{path}")).collect();
            for (path, content) in host::texts(session, host, environment, Some(base), &kept).await? {
                if let Some(path) = path.strip_prefix("files/").filter(|path| *path != OVERRIDE_FILE)
                    && let Some(file) = generated.files.get_mut(path)
                {
                    file.content = content;
                }
            }
        }
        let old = host::texts(session, host, environment, None, &paths).await?;
        plan.changes.compare(&old, &generated);
    }
    reached.session.close().await;
    Ok(plan)
}
