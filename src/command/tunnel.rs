//! `provision tunnel`: the stack's loopback ports, reachable from this machine until Ctrl-C.

mod relay;

use std::collections::BTreeSet;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::project::Loaded;
use super::{Context, hosts, reach};
use crate::error::{Error, Result};
use crate::outcome::ExitCode;
use crate::ssh::Session;
use crate::stack::Verify;

/// Runs the command.
pub(super) async fn run(
    context: &Context<'_>,
    environment: Option<&str>,
    host: Option<&str>,
) -> Result<ExitCode> {
    let mut reporter = context.reporter();
    let events = reporter.events();
    let opened = async {
        let loaded = hosts::load(context, environment, &events)?;
        let all = &loaded.environment.hosts;
        let chosen = match (host, all.as_slice()) {
            (Some(name), _) => all.iter().find(|host| host.name.0 == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(chosen) = chosen else {
            let names: Vec<String> = all.iter().map(|host| host.name.to_string()).collect();
            let cause = match host {
                Some(name) => format!("there is no host `{name}`"),
                None => "the environment has several".to_owned(),
            };
            return Err(Error::usage("choose a host")
                .cause(cause)
                .hint(format!("Name one: `--host {}`.", names.join("` or `--host "))));
        };
        let session = reach::connect(&loaded.environment, chosen, &events).await?;
        let silent = silent(&loaded, &session).await;
        reach::may_forward(&session, chosen).await?;
        Ok((loaded, session, silent))
    }
    .await;
    drop(events);
    reporter.finish().await;
    let (loaded, session, silent) = opened?;
    let mut tasks = JoinSet::new();
    for service in loaded.release.services.values() {
        // Mails have links to these; the others have no page that a link leads to.
        let has_pages = matches!(
            service.verify,
            Some(Verify::Grafana { .. } | Verify::Prometheus { .. } | Verify::Alertmanager { .. })
        );
        for port in &service.ports {
            let listener = listen(*port).await?;
            let local = listener.local_addr().map_err(|error| cannot_listen(&error))?;
            let note = if silent.contains(port) { "  (nothing answers there at the moment)" } else { "" };
            reporter.line(&format!("{:<20} http://{local}{note}", service.name));
            tasks.spawn(serve(listener, session.clone(), *port, has_pages));
        }
    }
    reporter.line("Ctrl-C ends it.");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = session.closed() => {
            return Err(Error::new(crate::error::Kind::Unreachable, "keep the tunnel open").cause("the connection was lost"));
        }
    }
    session.close().await;
    Ok(ExitCode::Ok)
}

/// The ports of the stack that cannot be reached on the host; all are tried at once.
async fn silent(loaded: &Loaded, session: &Session) -> BTreeSet<u16> {
    let mut tried = JoinSet::new();
    for port in loaded.release.services.values().flat_map(|service| &service.ports).copied() {
        let session = session.clone();
        tried.spawn(async move { session.forward(port).await.is_err().then_some(port) });
    }
    tried.join_all().await.into_iter().flatten().collect()
}

/// The same port here if it is free, else any.
async fn listen(port: u16) -> Result<TcpListener> {
    match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| cannot_listen(&error)),
    }
}

fn cannot_listen(error: &std::io::Error) -> Error {
    Error::usage("listen on 127.0.0.1").cause(error)
}

async fn serve(listener: TcpListener, session: Session, port: u16, has_pages: bool) {
    while let Ok((local, _)) = listener.accept().await {
        let session = session.clone();
        tokio::spawn(async move {
            // A browser sees a closed connection where the host has none.
            if let Ok(remote) = session.forward(port).await {
                relay::relay(local, remote, has_pages).await;
            }
        });
    }
}
