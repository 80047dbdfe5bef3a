//! `provision logs`: what a service says on its host.

use super::{Context, hosts, reach};
use crate::error::{Error, Kind, Result};
use crate::host;
use crate::inventory::Host;
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
        let mut complaint = String::new();
        let (mut shown, mut bytes) = (0, 0);
        loop {
            let line = tokio::select! {
                line = lines.next() => line?,
                _ = tokio::signal::ctrl_c() => return Ok(ExitCode::Ok),
            };
            match line {
                Some(Line::Out(line)) => {
                    (shown, bytes) = (shown + 1, bytes + line.len());
                    let (lines, size) = most(wanted.lines);
                    if !wanted.follow && (shown > lines || bytes > size) {
                        return Err(too_many(host, wanted));
                    }
                    context.output.line(&line);
                }
                // What the service says comes on stdout; this is about it.
                Some(Line::Err(line)) => complaint = line,
                None => break,
            }
        }
        host::logs_ended(host, wanted.service, lines.status().await?, &complaint)?;
        session.close().await;
    }
    Ok(ExitCode::Ok)
}

/// What so many lines of a log may be, in lines and in bytes: docker splits a line at 16 KiB, and one above 64 KiB comes
/// in parts.
fn most(lines: u32) -> (usize, usize) {
    let lines = lines as usize;
    (
        lines.saturating_mul(2).saturating_add(1000),
        lines.saturating_mul(16 * 1024).saturating_add(1024 * 1024),
    )
}

/// The error of a host that sends more than it was asked for.
fn too_many(host: &Host, wanted: &Wanted<'_>) -> Error {
    let (lines, bytes) = most(wanted.lines);
    Error::new(Kind::Failed, format!("show the log of {}", wanted.service))
        .host(host.name.to_string())
        .cause(format!(
            "{} lines were asked for, and the host sends more than {lines}, or more than {} MiB",
            wanted.lines,
            bytes >> 20
        ))
        .hint(format!(
            "What answers may not be what it should be. On the host, `docker logs --tail {}` shows what it is; with \
             `--follow` it is read until Ctrl-C.",
            wanted.lines
        ))
}
