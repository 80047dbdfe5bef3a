//! What `--help` says beyond clap's own: one screen for the program; for each command examples, and which environment is meant
//! where none is named.

use clap::{Arg, ArgAction, Command};

/// The help of the program: a screen of 24 lines with 80 columns.
const PROGRAM: &str = "\
Puts a Docker Compose stack on servers over SSH, and proves that it runs.
Usage: provision [OPTIONS] COMMAND [ENV]   ENV: `default:` in inventory/all.yml

  check       find mistakes in inventory, stack and secrets; touches no server
  plan        show what a deploy would change
  deploy      deploy and prove; roll back when that fails
  rollback    return to a release that the server keeps
  verify      prove the release that runs
  status      show what runs, and how it is
  history     show what was deployed, when, by whom, and what became of it
  unlock      cancel a running deploy: the server rolls back and frees the lock
  logs        show a service's last log lines
  tunnel      reach the stack's web pages from here
  trust       write a server's key to inventory/ENV.known_hosts
  bootstrap   make what the stack needs of the application's database
  secrets     make, show, set and share the secrets of an environment
  dashboards  keep dashboards of grafana.com in the stack
  schema      print the JSON schema of --output json

  -C DIR           a project's folder, or one below it [default: .]
  --identity FILE  the key that opens the secrets
  --output FORMAT  text, or json: one object a line
  -h, -V           help, also of a command (`provision deploy -h`); the version
";

/// What stands for an environment that is not named.
const DEFAULT: &str = "The environment [default: `default:` in inventory/all.yml]";

/// Two examples of each command, by its words.
const EXAMPLES: [(&str, [&str; 2]); 28] = [
    ("check", ["check", "check prod --output json"]),
    ("plan", ["plan prod", "plan prod --detailed-exitcode"]),
    ("deploy", ["deploy prod", "deploy prod --lock-wait 10m --report deploy.html"]),
    ("rollback", ["rollback prod", "rollback prod d71e --with-secrets"]),
    ("status", ["status", "status prod --output json"]),
    ("history", ["history", "history prod -n 50"]),
    ("unlock", ["unlock", "unlock prod"]),
    ("verify", ["verify prod --probes", "verify prod --only grafana --watch 10s"]),
    ("bootstrap", ["bootstrap", "bootstrap prod"]),
    ("tunnel", ["tunnel", "tunnel prod --host vps"]),
    ("logs", ["logs grafana", "logs prod grafana -n 500 --follow"]),
    ("trust", ["trust prod", "trust prod --fingerprint SHA256:FINGERPRINT"]),
    ("schema", ["schema", "schema >output.schema.json"]),
    ("dashboards", ["dashboards list", "dashboards add 1860"]),
    ("dashboards list", ["dashboards list", "dashboards list --stack monitoring"]),
    ("dashboards add", ["dashboards add 1860", "dashboards add 1860 --revision 37"]),
    ("dashboards update", ["dashboards update", "dashboards update 1860"]),
    ("secrets", ["secrets set prod smtp_password", "secrets list prod"]),
    ("secrets keygen", ["secrets keygen", "secrets keygen --file ci.txt"]),
    ("secrets view", ["secrets view prod", "secrets view prod grafana_admin_password"]),
    ("secrets list", ["secrets list prod", "secrets list lab"]),
    ("secrets edit", ["secrets edit prod", "secrets edit lab"]),
    ("secrets set", ["secrets set prod smtp_password", "secrets set prod grafana_admin_password --generate"]),
    ("secrets unset", ["secrets unset prod smtp_password", "secrets unset lab metrics_token"]),
    ("secrets check", ["secrets check", "secrets check prod"]),
    ("secrets rekey", ["secrets rekey", "secrets rekey prod"]),
    ("secrets recipients", ["secrets recipients list", "secrets recipients add 'age1… # Ann'"]),
    (
        "secrets import",
        [
            "secrets import prod --ansible-vault vault.yml",
            "secrets import prod --ansible-vault vault.yml --force",
        ],
    ),
];

/// The program's command line with all of it.
pub(super) fn complete(program: Command) -> Command {
    commands(program, "").override_help(PROGRAM)
}

fn commands(command: Command, words: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let mut command = command
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .arg(Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("Print this help"));
    if command.get_arguments().any(|arg| arg.get_id() == "environment" && !arg.is_required_set()) {
        command = command.mut_arg("environment", with_default);
    }
    if let Some((_, examples)) = EXAMPLES.iter().find(|(known, _)| *known == words) {
        command = command.after_help(format!("Examples:\n  provision {}", examples.join("\n  provision ")));
    }
    names.into_iter().fold(command, |command, name| {
        let words = if words.is_empty() { name.clone() } else { format!("{words} {name}") };
        command.mut_subcommand(name, |one| commands(one, &words))
    })
}

/// An argument whose help says what it is without; one that says it already stays.
fn with_default(arg: Arg) -> Arg {
    let says = arg.get_help().is_some_and(|help| help.to_string().contains("[default"));
    if says { arg } else { arg.help(DEFAULT) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind::{
        DisplayHelpOnMissingArgumentOrSubcommand as NoneGiven, MissingRequiredArgument, MissingSubcommand,
        ValueValidation,
    };

    use super::super::Cli;
    use super::*;

    fn each(command: &Command, words: &str, seen: &mut Vec<(String, Command)>) {
        for one in command.get_subcommands() {
            let words = format!("{words} {}", one.get_name()).trim().to_owned();
            each(one, &words, seen);
            seen.push((words, one.clone()));
        }
    }

    #[test]
    fn the_help_of_the_program_is_one_screen_and_has_every_command() {
        let help = complete(Cli::command()).render_help().to_string();
        assert_eq!(help, PROGRAM);
        assert!(help.lines().count() <= 24, "{}", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        for command in Cli::command().get_subcommands() {
            assert!(help.contains(&format!("\n  {} ", command.get_name())), "{}", command.get_name());
        }
    }

    #[test]
    fn the_help_of_each_command_has_examples_that_work_and_the_default_environment() {
        let mut all = Vec::new();
        each(&complete(Cli::command()), "", &mut all);
        for (words, mut command) in all {
            let help = command.render_help().to_string();
            // What git calls is nobody's to type, and what only groups others has theirs.
            let has = EXAMPLES.iter().any(|(known, _)| *known == words);
            if !has && !words.starts_with("secrets recipients ") {
                assert_eq!(words, "secrets diff");
                continue;
            }
            if help.contains("[ENVIRONMENT]") {
                assert!(help.contains("[default: "), "{help}");
            }
            let examples: Vec<&str> =
                help.lines().filter_map(|line| line.strip_prefix("  provision ")).collect();
            assert!(examples.len() == 2 || words.starts_with("secrets recipients "), "{help}");
            for example in examples {
                let example = example.split(" >").next().unwrap_or_default();
                let words = std::iter::once("provision").chain(example.split(' '));
                let words: Vec<&str> = words.filter(|word| !matches!(*word, "#" | "Ann'")).collect();
                if let Err(error) = complete(Cli::command()).try_get_matches_from(words) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    /// The commands in backticks of a source file, with a word for what is filled in.
    fn commands_in(source: &str) -> Vec<String> {
        let mut lines = source.split("\\\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let whole = lines.fold(first, |whole, line| whole + line.trim_start());
        let commands = whole.split("`provision ").skip(1).filter_map(|rest| rest.split_once('`'));
        let filled = |command: &str| {
            let mut out = String::new();
            let mut depth = 0;
            for c in command.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => {
                        depth -= 1;
                        out.push('x');
                    }
                    _ if depth > 0 => {}
                    c => out.push(c),
                }
            }
            out
        };
        let commands = commands.map(|(command, _)| filled(command));
        // What goes on is an outline, and a variable is none of ours to fill in.
        commands
            .filter(|command| !command.contains(['…', '\n', '[', '|', '"', '\'', '\\']) && command != "x")
            .collect()
    }

    fn sources(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "sh") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_command_in_our_texts_works_as_it_is_printed() {
        let here = crate::report::Here {
            environment: Some("lab".to_owned()),
            environments: vec!["lab".to_owned(), "prod".to_owned(), "x".to_owned()],
            directory: None,
        };
        let mut paths = Vec::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
        let mut tried = 0;
        for path in paths {
            for command in commands_in(&std::fs::read_to_string(&path).unwrap()) {
                let whole = here.complete(&format!("`provision {command}`"));
                let words = whole.trim_matches('`').split(' ').map(|word| match word {
                    "LENGTH" | "N" | "ID" => "20",
                    "NAME" => "x",
                    word => word,
                });
                match complete(Cli::command()).try_get_matches_from(words) {
                    // A command is called by its name, as in a sentence about it; what is filled in may be a number.
                    Err(error)
                        if matches!(
                            error.kind(),
                            NoneGiven | MissingRequiredArgument | MissingSubcommand | ValueValidation
                        ) => {}
                    Err(error) if error.use_stderr() => panic!("{}: {whole}: {error}", path.display()),
                    _ => tried += 1,
                }
            }
        }
        assert!(tried > 60, "{tried}");
    }
}
