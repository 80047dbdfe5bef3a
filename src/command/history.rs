//! `provision history`: what was deployed to a host, by whom.

use super::{Context, hosts, reach};
use crate::error::Result;
use crate::host;
use crate::outcome::{ExitCode, Outcome};

/// Runs the command.
pub(super) async fn run(context: &Context<'_>, environment: Option<&str>, lines: u32) -> Result<ExitCode> {
    hosts::each(
        context,
        environment,
        async |environment, host, events| {
            let session = reach::connect(environment, host, events).await?;
            let records = host::history(&session, host, environment, lines).await?;
            session.close().await;
            Ok(records)
        },
        |reporter, host, records| {
            reporter.history(host, records);
            Outcome::Verified
        },
    )
    .await
}
