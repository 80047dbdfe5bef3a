//! `provision status`: what runs on a host, and how it is. Touches nothing and needs no key to the secrets.

use super::{Context, hosts, reach};
use crate::error::Result;
use crate::host;
use crate::outcome::{ExitCode, Outcome};

/// Runs the command.
pub(super) async fn run(context: &Context<'_>, environment: Option<&str>) -> Result<ExitCode> {
    hosts::each(
        context,
        environment,
        async |environment, host, events| {
            let session = reach::connect(environment, host, events).await?;
            let (state, status) = tokio::join!(
                host::probe(&session, host, environment),
                host::status(&session, host, environment)
            );
            session.close().await;
            Ok((state?, status?))
        },
        |reporter, host, (state, status)| {
            if reporter.status(host, state, status) {
                Outcome::Verified
            } else {
                Outcome::Failed(ExitCode::CheckFailed)
            }
        },
    )
    .await
}
