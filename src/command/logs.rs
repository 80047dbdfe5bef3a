//! `provision logs`: what a service says on its host.

use super::{Context, hosts, reach};
use crate::error::{Error, Kind, Result};
use crate::host;
use crate::outcome::ExitCode;
use crate::ssh::Line;
use crate::yaml::suggestion;

/// What to show.
pub(super) struct Wanted<'a> {
    pub environment: Option<&'a str>,
    pub service: &'a str,
    pub lines: u32,
    pub follow: bool,
}

/// Runs the command.
pub(super) async fn run(context: &Context<'_>, wanted: &Wanted<'_>) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let events = reporter.events();
    let loaded = hosts::load(context, wanted.environment, &events);
    reporter.finish().await;
    let loaded = loaded?;
    let known: Vec<&str> = loaded.release.services.keys().map(String::as_str).collect();
    if !known.contains(&wanted.service) {
        return Err(Error::usage(format!("show the log of `{}`", wanted.service))
            .cause("the stack has no such service")
            .hint(suggestion(wanted.service, &known)));
    }
    for host in &loaded.environment.hosts {
        let session = reach::connect(&loaded.environment, host, &events).await?;
        let mut lines =
            host::logs(&session, host, &loaded.environment, wanted.service, wanted.lines, wanted.follow)
                .await?;
        loop {
            let line = tokio::select! {
                line = lines.next() => line?,
                _ = tokio::signal::ctrl_c() => return Ok(ExitCode::Ok),
            };
            // Control characters of a host never reach the terminal.
            let Some(Line::Out(line) | Line::Err(line)) = line else { break };
            let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
            context.output.line(&line);
        }
        if lines.status().await? != 0 {
            return Err(Error::new(Kind::Failed, format!("show the log of {}", wanted.service))
                .host(host.name.to_string())
                .cause("the service has no container there")
                .hint("`provision verify` shows what runs; `provision deploy` puts it back."));
        }
        session.close().await;
    }
    Ok(ExitCode::Ok)
}
