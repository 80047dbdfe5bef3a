//! `provision dashboards`: dashboards of grafana.com, kept in the stack's folder.

use std::path::Path;

use clap::Subcommand;

use super::Context;
use crate::dashboards::{Shelf, Shop, State, bind};
use crate::error::{Error, Kind, Result};
use crate::outcome::{ExitCode, Outcome};
use crate::stack;

/// What can be done with them.
#[derive(Debug, Subcommand)]
pub(super) enum DashboardsCommand {
    /// Show which dashboards the stack wants, and which are here
    List,
    /// Fetch a dashboard by its number on grafana.com; without one, all that are missing
    Add {
        /// Its number
        id: Option<u32>,
        /// This revision [default: the newest]
        #[arg(long, requires = "id", value_name = "N")]
        revision: Option<u32>,
    },
    /// Bring a dashboard, or all of them, to the newest revision; fetches what is missing
    Update {
        /// Its number [default: all]
        id: Option<u32>,
    },
}

/// What to do, and where.
pub(super) struct Wanted<'a> {
    pub command: &'a DashboardsCommand,
    /// The folder below stack/; else the only one that has a lock file.
    pub stack: Option<&'a str>,
    /// The address of grafana.com.
    pub base: &'a str,
}

/// Runs the command.
pub(super) async fn run(context: &Context<'_>, wanted: &Wanted<'_>) -> Result<ExitCode> {
    let stack = match wanted.stack {
        Some(stack) => stack.to_owned(),
        None => only_stack(context.root)?,
    };
    let mut shelf = Shelf::open(context.root, &stack, stack::digest)?;
    let orders = match *wanted.command {
        DashboardsCommand::List => {
            context.output.line(&list(&shelf));
            return Ok(ExitCode::Ok);
        }
        DashboardsCommand::Add { id: Some(id), revision } => vec![(id, revision)],
        DashboardsCommand::Add { id: None, .. } => missing(&shelf),
        DashboardsCommand::Update { id: Some(id) } if shelf.state(id).is_none() => {
            return Err(Error::usage(format!("update dashboard {id}"))
                .cause(format!("stack/{stack} does not have it"))
                .hint(format!("`provision dashboards add {id}` adds it.")));
        }
        DashboardsCommand::Update { id: Some(id) } => vec![(id, None)],
        DashboardsCommand::Update { id: None } => {
            shelf.lock.dashboards.keys().map(|id| (*id, None)).collect()
        }
    };
    let mut reporter = context.reporter();
    reporter.finish().await;
    if orders.is_empty() {
        reporter.line("Nothing is missing.");
    }
    let mut outcomes = Vec::new();
    for (id, revision) in orders {
        // What is wrong with one does not keep the others away.
        let result = take(&mut shelf, wanted.base, id, revision).await.map(|text| {
            reporter.line(&text);
            Outcome::Verified
        });
        outcomes.push(reporter.conclude(&format!("dashboard {id}"), result));
    }
    let code = match Outcome::combine(&outcomes) {
        ExitCode::Mixed => ExitCode::Usage,
        code => code,
    };
    reporter.end(code);
    Ok(code)
}

/// Fetches, binds and stores one; what came of it.
async fn take(shelf: &mut Shelf, base: &str, id: u32, revision: Option<u32>) -> Result<String> {
    let shop = Shop::new(base);
    let fetching = tokio::task::spawn_blocking(move || {
        let revision = revision.map_or_else(|| shop.newest(id), Ok)?;
        shop.fetch(id, revision)
    });
    let fetched =
        fetching.await.map_err(|error| Error::new(Kind::Internal, "fetch a dashboard").cause(error))??;
    let bound = bind(id, fetched.json.clone(), &shelf.lock.datasources).map_err(|what| {
        let before = fetched.revision.saturating_sub(1).max(1);
        Error::usage(format!("take revision {} of dashboard {id}", fetched.revision))
            .cause(what)
            .hint(format!("An older one may do: `provision dashboards add {id} --revision {before}`."))
    })?;
    let done = if shelf.store(id, &fetched, &bound)? { "fetched" } else { "is here already" };
    let mut text = format!("{id} {}: revision {} {done}", bound.title, fetched.revision);
    for remark in &bound.remarks {
        text.push_str("\n  ");
        text.push_str(remark);
    }
    Ok(text)
}

/// What is not as it was fetched, at the revision that the lock file has.
fn missing(shelf: &Shelf) -> Vec<(u32, Option<u32>)> {
    let entries = shelf.lock.dashboards.iter();
    entries
        .filter(|(id, _)| shelf.state(**id) == Some(State::Missing))
        .map(|(id, entry)| (*id, entry.fetched.as_ref().map(|pin| pin.revision)))
        .collect()
}

fn list(shelf: &Shelf) -> String {
    let mut lines = Vec::new();
    for (id, entry) in &shelf.lock.dashboards {
        let revision = entry.fetched.as_ref().map_or("-".to_owned(), |pin| pin.revision.to_string());
        let word = shelf.state(*id).map_or("", State::word);
        lines.push(format!("{id:>6}  revision {revision:>4}  {word:<8} {}", entry.title));
    }
    if lines.is_empty() {
        lines.push("There are none: `provision dashboards add ID`.".to_owned());
    }
    lines.join("\n")
}

/// The stack that keeps dashboards, where there is only one.
fn only_stack(root: &Path) -> Result<String> {
    let names = std::fs::read_dir(root.join("stack")).into_iter().flatten().flatten();
    let mut names: Vec<String> = names
        .filter(|entry| entry.path().join(crate::dashboards::LOCK).is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Error::usage("find the stack")
            .cause(format!("none below stack/ has a {}", crate::dashboards::LOCK))
            .hint("It says `datasources: {prometheus: prometheus}`: a type and the uid of the stack's datasource.")),
        several => Err(Error::usage("choose a stack")
            .cause("several keep dashboards")
            .hint(format!("Name one: `--stack {}`.", several.join("` or `--stack ")))),
    }
}
