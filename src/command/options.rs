//! Options that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use super::deploy::Goal;
use super::{hosts, plan};
use crate::error::Result;
use crate::event::Sender;
use crate::outcome::ExitCode;

/// Files that a run leaves behind.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ReportFiles {
    /// Write the checks as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write a page for a browser: timeline, checks, plan
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
}

/// How a release is brought to the hosts, whichever it is.
#[derive(Debug, clap::Args)]
pub(super) struct Rollout {
    /// Only show what would change, like `plan`
    #[arg(long)]
    dry_run: bool,
    /// Wait so long for another deploy to end
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    lock_wait: Duration,
    #[command(flatten)]
    pub(super) reports: ReportFiles,
}

impl Rollout {
    /// Brings the hosts to `goal`, or shows what that would change; `command` is the word for the host's records.
    pub(super) async fn run(
        &self,
        context: &Context<'_>,
        command: &str,
        goal: impl FnOnce(&Sender) -> Result<Goal>,
    ) -> Result<ExitCode> {
        if self.dry_run {
            plan::run(context, goal, false).await
        } else {
            hosts::activate(context, command, goal, self.lock_wait).await
        }
    }
}

/// A time as the inventory writes it.
pub(super) fn duration(text: &str) -> std::result::Result<Duration, String> {
    crate::inventory::units::duration(text).ok_or_else(|| "like 30s or 5m".to_owned())
}
