//! `provision plan`: what a deploy would change. Touches nothing.

use super::reach;
use super::{Context, deploy, hosts};
use crate::error::Result;
use crate::outcome::{ExitCode, Outcome};
use crate::plan;

/// Runs the command.
pub(super) async fn run(
    context: &Context<'_>,
    environment: Option<&str>,
    detailed: bool,
) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let events = reporter.events();
    let looked = async {
        let loaded = hosts::load(context, environment, &events)?;
        hosts::remarks(&loaded, &events);
        let mut plans = Vec::new();
        for host in &loaded.environment.hosts {
            let name = host.name.to_string();
            let planned = async {
                let reached = reach::reach(&loaded, host, &events).await?;
                reached.session.close().await;
                let loaded = &reached.loaded;
                let least = loaded.environment.deploy.min_free_disk;
                plan::requirements(&loaded.release, &reached.state, least)?;
                Ok(deploy::make_plan(loaded, &reached.state))
            };
            let planned = planned.await.map_err(|error: crate::error::Error| error.host(&name));
            if let Ok(plan) = &planned {
                let _ = events.send(crate::event::Event::Planned {
                    host: name.clone(),
                    release: plan.release.to_string(),
                    lines: if plan.is_empty() { vec!["nothing to do".to_owned()] } else { plan.lines() },
                });
            }
            plans.push((name, planned));
        }
        Ok(plans)
    }
    .await;
    drop(events);
    reporter.finish().await;
    let mut outcomes = Vec::new();
    for (name, planned) in looked? {
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
