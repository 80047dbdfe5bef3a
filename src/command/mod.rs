//! One file a subcommand; this one parses the command line and hands over.

mod activate;
mod bootstrap;
mod check;
mod dashboards;
mod deploy;
mod early;
mod help;
mod history;
mod hosts;
mod interrupt;
mod logs;
mod machines;
mod options;
mod plan;
mod plan_key;
mod probes;
mod project;
mod reach;
mod returned;
mod rollback;
pub mod secrets;
mod status;
mod trust;
mod tunnel;
mod unlock;
mod validation;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::deploy::Goal;
use self::early::Early;
use self::options::{ReportFiles, Rollout};
use self::project::Opening;
use crate::error::Result;
use crate::event::Sender;
use crate::inventory::Environment;
use crate::outcome::ExitCode;
use crate::report::{Files, Format, Here, Output, Reporter};

/// Puts a Docker Compose stack on servers over SSH and proves that it runs.
#[derive(Debug, Parser)]
#[command(name = "provision", version, max_term_width = 100)]
struct Cli {
    /// The project: the nearest folder upwards from here that has inventory/
    #[arg(short = 'C', long, global = true, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// The key that opens the secrets [default: `$PROVISION_IDENTITY`, `~/.config/provision/identity.txt`, `~/.ssh/id_ed25519`]
    #[arg(long, global = true, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// How to report
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// What the run is about.
    fn here(&self, root: &Path) -> Here {
        let environments = crate::inventory::names(root);
        let named = match &self.command {
            Command::Check { environment }
            | Command::Plan { environment, .. }
            | Command::Deploy { environment, .. }
            | Command::Status { environment }
            | Command::History { environment, .. }
            | Command::Unlock { environment }
            | Command::Bootstrap { environment }
            | Command::Tunnel { environment, .. }
            | Command::Trust(trust::Arguments { environment, .. }) => environment.as_deref(),
            Command::Verify(arguments) => arguments.environment(),
            Command::Secrets(command) => command.environment(),
            Command::Rollback { words, .. } => words.first().map(String::as_str),
            Command::Logs { words, .. } => words.first().map(String::as_str).filter(|_| words.len() > 1),
            Command::Dashboards { .. } | Command::Schema => None,
        };
        let every = matches!(&self.command, Command::Check { environment: None });
        let environment = Environment::choose(root, named).ok().filter(|_| !every);
        let directory = (self.directory != Path::new(".")).then(|| self.directory.display().to_string());
        Here { environment, environments, directory }
    }

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
        /// Open no secrets and forward no port, as a key does that may only plan; whether a secret changed is not known then
        #[arg(long)]
        without_secrets: bool,
        /// Only print the line of `authorized_keys` with which the public key in FILE may plan, and do nothing else
        #[arg(long, value_name = "FILE")]
        authorize: Option<PathBuf>,
    },
    /// Deploy the stack and prove it; go back to what ran before when that fails
    Deploy {
        /// The environment
        environment: Option<String>,
        #[command(flatten)]
        rollout: Rollout,
    },
    /// Go back to a release that the host keeps, prove it, and return from it when that fails
    #[command(override_usage = "provision rollback [OPTIONS] [ENVIRONMENT] [RELEASE]")]
    Rollback {
        /// The environment [default: `default:` in inventory/all.yml]; after it the beginning of a release's id [default: the one before the current]
        #[arg(num_args = 0..=2, value_names = ["ENVIRONMENT", "RELEASE"])]
        words: Vec<String>,
        /// Bring its secrets back too, instead of keeping today's
        #[arg(long)]
        with_secrets: bool,
        #[command(flatten)]
        rollout: Rollout,
    },
    /// Show what runs on the hosts, and how it is
    Status {
        /// The environment
        environment: Option<String>,
    },
    /// Show what was deployed, when and by whom
    History {
        /// The environment
        environment: Option<String>,
        /// How many of the last deploys
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: u32,
    },
    /// Ask a deploy that holds the lock to go back
    Unlock {
        /// The environment
        environment: Option<String>,
    },
    /// Prove that the stack runs
    Verify(verify::Arguments),
    /// Prepare what the stack needs of the application: roles in its databases. May be repeated
    Bootstrap {
        /// The environment
        environment: Option<String>,
    },
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
        /// The environment [default: `default:` in inventory/all.yml]; after it the service
        #[arg(required = true, num_args = 1..=2, value_names = ["ENVIRONMENT", "SERVICE"])]
        words: Vec<String>,
        /// How many of the last lines
        #[arg(long, short = 'n', default_value_t = 100)]
        lines: u32,
        /// Go on until Ctrl-C
        #[arg(long, short)]
        follow: bool,
    },
    /// Trust a host's key: write it to `inventory/ENVIRONMENT.known_hosts`
    Trust(trust::Arguments),
    /// Keep dashboards of grafana.com in the stack; a deploy needs no internet for them
    Dashboards {
        /// The folder below stack/ [default: the only one that keeps dashboards]
        #[arg(long, global = true, value_name = "NAME")]
        stack: Option<String>,
        /// Another address in place of grafana.com
        #[arg(
            long,
            global = true,
            hide = true,
            value_name = "URL",
            env = "PROVISION_GRAFANA_COM",
            default_value = "https://grafana.com"
        )]
        base: String,
        #[command(subcommand)]
        command: dashboards::DashboardsCommand,
    },
    /// Print the JSON schema of the lines of --output json
    Schema,
    /// Keep the secrets of an environment: one encrypted file
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
}

impl Command {
    /// The word for reports.
    fn word(&self) -> &'static str {
        match self {
            Command::Check { .. } => "check",
            Command::Plan { .. } => "plan",
            Command::Deploy { .. } => "deploy",
            Command::Rollback { .. } => "rollback",
            Command::Status { .. } => "status",
            Command::History { .. } => "history",
            Command::Unlock { .. } => "unlock",
            Command::Bootstrap { .. } => "bootstrap",
            Command::Dashboards { .. } => "dashboards",
            Command::Verify(_) => "verify",
            Command::Tunnel { .. } => "tunnel",
            Command::Logs { .. } => "logs",
            Command::Trust(_) => "trust",
            Command::Schema => "schema",
            Command::Secrets(_) => "secrets",
        }
    }

    /// The files that it leaves behind.
    fn files(&self, root: &Path) -> Files {
        let reports = match self {
            Command::Deploy { rollout, .. } | Command::Rollback { rollout, .. } => rollout.reports.clone(),
            Command::Verify(arguments) => arguments.reports.clone(),
            _ => ReportFiles::default(),
        };
        let title = format!("provision {}", self.word());
        Files { title, junit: reports.junit, html: reports.report, root: root.to_owned() }
    }
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

/// Leaves the terminal as it was found, also in the middle of a question.
pub fn leave() {
    crate::report::leave_clean();
    crate::prompt::give_up();
}

/// Runs the program on the process's arguments and gives its exit code.
pub async fn main() -> ExitCode {
    let parsed = help::complete(Cli::command()).try_get_matches();
    let cli = match parsed.and_then(|found| Cli::from_arg_matches(&found)) {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own words; help and version are no errors.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Ok };
        }
    };
    let root = project::root(&cli.directory).unwrap_or_else(|_| cli.directory.clone());
    let output = Output::of_process().about(cli.here(&root));
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
        Command::Plan { environment, authorize: Some(file), .. } => {
            plan_key::run(&context, environment.as_deref(), file)
        }
        Command::Plan { environment, detailed_exitcode, without_secrets, .. } => {
            let opening = if *without_secrets { Opening::Never } else { Opening::Demanded };
            let goal = project_goal(&context, environment.as_deref(), opening);
            plan::run(&context, goal, *detailed_exitcode).await
        }
        Command::Deploy { environment, rollout } => {
            let goal = project_goal(&context, environment.as_deref(), Opening::Demanded);
            rollout.run(&context, "deploy", goal).await
        }
        Command::Rollback { words, with_secrets, rollout } => {
            let target = rollback::Target { release: words.get(1).cloned(), with_secrets: *with_secrets };
            let environment = words.first().map(String::as_str);
            let goal =
                |events: &Sender| Ok(Goal::Kept(hosts::load_base(&context, environment, events)?, target));
            rollout.run(&context, "rollback", goal).await
        }
        Command::Status { environment } => status::run(&context, environment.as_deref()).await,
        Command::History { environment, lines } => {
            history::run(&context, environment.as_deref(), *lines).await
        }
        Command::Unlock { environment } => unlock::run(&context, environment.as_deref()).await,
        Command::Verify(arguments) => verify::run(&context, arguments).await,
        Command::Schema => {
            output.line(crate::report::schema().trim_end());
            Ok(ExitCode::Ok)
        }
        Command::Bootstrap { environment } => bootstrap::run(&context, environment.as_deref()).await,
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
        Command::Trust(arguments) => trust::run(&context, arguments).await,
        Command::Dashboards { stack, base, command } => {
            dashboards::run(&context, &dashboards::Wanted { command, stack: stack.as_deref(), base }).await
        }
        Command::Secrets(command) => secrets(command, &context).await,
    }
}

/// The release that the project makes.
fn project_goal<'a>(
    context: &'a Context<'a>,
    environment: Option<&'a str>,
    opening: Opening,
) -> impl FnOnce(&Sender) -> Result<Goal> + 'a {
    move |events| {
        let early = Early::default();
        let known = |environment: &Environment| early.begin(environment);
        let loaded = hosts::load_and(context, environment, events, opening, known)?;
        Ok(Goal::Project(loaded, Arc::new(early)))
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
