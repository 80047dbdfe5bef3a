//! One file a subcommand; this one parses the command line and hands over.

mod check;
mod deploy;
mod hosts;
mod interrupt;
mod logs;
mod plan;
mod probes;
mod project;
mod reach;
mod returned;
pub mod secrets;
mod trust;
mod tunnel;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::outcome::ExitCode;
use crate::report::{Files, Format, Output, Reporter};

/// Puts a Docker Compose stack on servers over SSH and proves that it runs.
#[derive(Debug, Parser)]
#[command(name = "provision", version, max_term_width = 100)]
struct Cli {
    /// The project: the nearest folder upwards from here that has inventory/
    #[arg(short = 'C', long, global = true, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// The key that opens the secrets [default: $`PROVISION_IDENTITY`, ~/.config/provision/identity.txt, ~/.`ssh/id_ed25519`]
    #[arg(long, global = true, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// How to report
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// How to report: what a command asks for goes before the option of all commands.
    fn format(&self) -> Format {
        match &self.command {
            Command::Verify(arguments) if arguments.quiet => Format::Quiet,
            _ => self.output,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look for mistakes in inventory, stack and secrets, without touching a host
    Check {
        /// The environment [default: all of them]
        environment: Option<String>,
    },
    /// Show what a deploy would change
    Plan {
        /// The environment
        environment: Option<String>,
        /// Exit with 10 when there are changes
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Deploy the stack and prove it; go back to what ran before when that fails
    Deploy {
        /// The environment
        environment: Option<String>,
        #[command(flatten)]
        reports: ReportFiles,
    },
    /// Prove that the stack runs
    Verify(verify::Arguments),
    /// Reach the stack's web pages from here, until Ctrl-C
    Tunnel {
        /// The environment
        environment: Option<String>,
        /// Only this host
        #[arg(long)]
        host: Option<String>,
    },
    /// Show what a service says on its host
    #[command(override_usage = "provision logs [OPTIONS] [ENVIRONMENT] <SERVICE>")]
    Logs {
        /// The service, after the environment where one is named
        #[arg(required = true, num_args = 1..=2, value_names = ["ENVIRONMENT", "SERVICE"])]
        words: Vec<String>,
        /// How many of the last lines
        #[arg(long, short = 'n', default_value_t = 100)]
        lines: u32,
        /// Go on until Ctrl-C
        #[arg(long, short)]
        follow: bool,
    },
    /// Trust a host's key: write it to inventory/<environment>.`known_hosts`
    Trust {
        /// The environment
        environment: Option<String>,
        /// Accept this fingerprint without asking (SHA256:…)
        #[arg(long)]
        fingerprint: Option<String>,
    },
    /// Print the JSON schema of the lines of --output json
    Schema,
    /// Keep the secrets of an environment: one encrypted file
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
}

/// Files that a run leaves behind.
#[derive(Debug, Clone, Default, clap::Args)]
struct ReportFiles {
    /// Write the checks as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a page for a browser: timeline, checks, plan
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Command {
    /// The word for reports.
    fn word(&self) -> &'static str {
        match self {
            Command::Check { .. } => "check",
            Command::Plan { .. } => "plan",
            Command::Deploy { .. } => "deploy",
            Command::Verify(_) => "verify",
            Command::Tunnel { .. } => "tunnel",
            Command::Logs { .. } => "logs",
            Command::Trust { .. } => "trust",
            Command::Schema => "schema",
            Command::Secrets(_) => "secrets",
        }
    }

    /// The files that it leaves behind.
    fn files(&self, root: &Path) -> Files {
        let reports = match self {
            Command::Deploy { reports, .. } => reports.clone(),
            Command::Verify(arguments) => arguments.reports.clone(),
            _ => ReportFiles::default(),
        };
        let title = format!("provision {}", self.word());
        Files { title, junit: reports.junit, html: reports.report, root: root.to_owned() }
    }
}

fn duration(text: &str) -> std::result::Result<std::time::Duration, String> {
    crate::inventory::units::duration(text).ok_or_else(|| "like 30s or 5m".to_owned())
}

/// What every command is given.
struct Context<'a> {
    root: &'a Path,
    identity: Option<&'a Path>,
    output: &'a Output,
    format: Format,
    files: Files,
}

impl Context<'_> {
    fn reporter(&self) -> Reporter {
        Reporter::start(self.output.clone(), self.format, self.files.clone())
    }
}

/// Runs the program on the process's arguments and gives its exit code.
pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own words; help and version are no errors.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Ok };
        }
    };
    let output = Output::of_process();
    let root = project::root(&cli.directory).unwrap_or_else(|_| cli.directory.clone());
    let mut files = cli.command.files(&root);
    let result = match files.prepare() {
        Ok(()) => run(&cli, &output, &files).await,
        Err(error) => {
            (files.junit, files.html) = (None, None);
            Err(error)
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let mut reporter = Reporter::start(output, cli.format(), files);
            reporter.finish().await;
            reporter.error(&error);
            let code = error.kind().exit_code();
            reporter.end(code);
            code
        }
    }
}

async fn run(cli: &Cli, output: &Output, files: &Files) -> Result<ExitCode> {
    let root = match &cli.command {
        Command::Schema => cli.directory.clone(),
        Command::Secrets(command) if !command.needs_project() => cli.directory.clone(),
        _ => project::root(&cli.directory)?,
    };
    let identity = cli.identity.as_deref();
    let context = Context { root: &root, identity, output, format: cli.format(), files: files.clone() };
    match &cli.command {
        Command::Check { environment } => check::run(&context, environment.as_deref()).await,
        Command::Plan { environment, detailed_exitcode } => {
            plan::run(&context, environment.as_deref(), *detailed_exitcode).await
        }
        Command::Deploy { environment, .. } => hosts::deploy(&context, environment.as_deref()).await,
        Command::Verify(arguments) => verify::run(&context, arguments).await,
        Command::Schema => {
            output.line(crate::report::schema().trim_end());
            Ok(ExitCode::Ok)
        }
        Command::Tunnel { environment, host } => {
            tunnel::run(&context, environment.as_deref(), host.as_deref()).await
        }
        Command::Logs { words, lines, follow } => {
            let (service, environment) = match words.as_slice() {
                [environment, service] => (service, Some(environment.as_str())),
                words => (&words[0], None),
            };
            let wanted = logs::Wanted { environment, service, lines: *lines, follow: *follow };
            logs::run(&context, &wanted).await
        }
        Command::Trust { environment, fingerprint } => {
            trust::run(&context, environment.as_deref(), fingerprint.as_deref()).await
        }
        Command::Secrets(command) => secrets(command, &context).await,
    }
}

async fn secrets(command: &secrets::SecretsCommand, context: &Context<'_>) -> Result<ExitCode> {
    let names = command.environment().and_then(|name| {
        let environment = crate::inventory::Environment::load(context.root, name).ok()?;
        Some(crate::stack::load(&environment).ok()?.secret_names())
    });
    let names: Vec<String> = names.unwrap_or_default().into_iter().collect();
    let output = context.output.clone();
    let mut again = |error: &crate::error::Error| {
        output.error(error);
        Output::ask("Edit again? [Y/n] ").is_some_and(|answer| !answer.trim().eq_ignore_ascii_case("n"))
    };
    let mut around =
        secrets::Around { root: context.root, identity: context.identity, names: &names, again: &mut again };
    match command.run(&mut around).await? {
        secrets::Said::Text(text) => context.output.line(&text),
        secrets::Said::Secret(value) => context.output.secret(&value),
    }
    Ok(ExitCode::Ok)
}
