//! Promtail's configuration: YAML.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::relabel::Rule;
use super::stages::Stage;
use super::{Flavour, Journal, LOOK_EVERY, Labels, Plan, Source, SourceKind, Target};
use crate::flags::Flags;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    server: Server,
    #[serde(default)]
    positions: Positions,
    #[serde(default)]
    clients: Vec<Client>,
    #[serde(default)]
    scrape_configs: Vec<Scrape>,
    /// Accepted and of no effect in the stand-in.
    #[serde(default, rename = "global")]
    _global: Value,
    #[serde(default, rename = "limits_config")]
    _limits: Value,
    #[serde(default)]
    target_config: TargetFile,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TargetFile {
    sync_period: Option<String>,
    #[serde(default, rename = "stdin")]
    _stdin: Value,
}

#[derive(Deserialize, Default)]
struct Server {
    #[serde(default)]
    http_listen_address: String,
    http_listen_port: Option<u16>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Positions {
    filename: Option<PathBuf>,
    #[serde(default, rename = "sync_period")]
    _sync: Value,
    #[serde(default, rename = "ignore_invalid_yaml")]
    _ignore: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    url: String,
    #[serde(default)]
    external_labels: Labels,
    #[serde(default, rename = "batchwait")]
    _batch_wait: Value,
    #[serde(default, rename = "batchsize")]
    _batch_size: Value,
    #[serde(default, rename = "timeout")]
    _timeout: Value,
    #[serde(default, rename = "backoff_config")]
    _backoff: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scrape {
    job_name: String,
    #[serde(default)]
    static_configs: Vec<Static>,
    journal: Option<JournalFile>,
    #[serde(default)]
    pipeline_stages: Vec<serde_json::Map<String, Value>>,
    #[serde(default)]
    relabel_configs: Vec<RuleFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Static {
    #[serde(default, rename = "targets")]
    _targets: Vec<String>,
    #[serde(default)]
    labels: Labels,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalFile {
    path: Option<PathBuf>,
    max_age: Option<String>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    #[serde(default)]
    source_labels: Vec<String>,
    separator: Option<String>,
    regex: Option<String>,
    #[serde(default)]
    target_label: String,
    replacement: Option<String>,
    action: Option<String>,
}

/// Reads the command line and the file that it names; nothing where only a question was asked.
pub(super) fn plan(arguments: &[String]) -> Result<Option<Plan>, String> {
    let switches =
        ["check-syntax", "config.expand-env", "version", "print-config-stderr", "inspect", "dry-run"];
    let flags = Flags::parse(arguments, &switches, &["config.file", "log.level", "server.http-listen-port"])?;
    if flags.on("version", false) {
        println!(
            "promtail, version {} (branch: stand-in)\n  this is a STAND-IN for Promtail",
            Flavour::Promtail.version()
        );
        return Ok(None);
    }
    let path = flags.get("config.file").ok_or("no -config.file was given")?;
    let text =
        std::fs::read_to_string(path).map_err(|cause| format!("Unable to parse config: {path}: {cause}"))?;
    let plan = parse(&text).map_err(|cause| format!("Unable to parse config: {path}: {cause}"))?;
    if flags.on("check-syntax", false) {
        println!("Valid config file! No syntax issues found (stand-in for Promtail)");
        return Ok(None);
    }
    Ok(Some(plan))
}

fn parse(text: &str) -> Result<Plan, String> {
    let file: File = serde_yaml::from_str(text).map_err(|cause| cause.to_string())?;
    if file.clients.is_empty() {
        return Err("at least one client config must be provided".to_owned());
    }
    let look_every = file.target_config.sync_period.as_deref().map_or(Ok(LOOK_EVERY), period_of)?;
    let mut sources = Vec::new();
    for scrape in file.scrape_configs {
        let routes = file
            .clients
            .iter()
            .map(|client| {
                let mut stages = Vec::new();
                for stage in &scrape.pipeline_stages {
                    for (kind, value) in stage {
                        stages.extend(
                            Stage::parse(kind, value)
                                .map_err(|cause| format!("{}: {cause}", scrape.job_name))?,
                        );
                    }
                }
                if !client.external_labels.is_empty() {
                    stages.push(Stage::StaticLabels(client.external_labels.clone().into_iter().collect()));
                }
                Ok((stages, client.url.clone()))
            })
            .collect::<Result<_, String>>()?;
        let rules = scrape.relabel_configs.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
        let kind = match scrape.journal {
            Some(journal) => SourceKind::Journal(Journal {
                path: journal.path,
                max_age_seconds: age(journal.max_age.as_deref())?,
                labels: journal.labels,
                rules,
                json: journal.json,
            }),
            None => SourceKind::Files {
                targets: scrape.static_configs.into_iter().filter_map(|one| target(one, &rules)).collect(),
                look_every,
            },
        };
        sources.push(Source { name: scrape.job_name, kind, routes });
    }
    let server = file.server;
    let address = if server.http_listen_address.is_empty() { "0.0.0.0" } else { &server.http_listen_address };
    Ok(Plan {
        flavour: Flavour::Promtail,
        address: format!("{address}:{}", server.http_listen_port.unwrap_or(80)),
        positions: file.positions.filename.unwrap_or_else(|| "/var/log/positions.yaml".into()),
        sources,
    })
}

/// Files of a static configuration; nothing where it names none, or a rule drops it.
fn target(mut file: Static, rules: &[Rule]) -> Option<Target> {
    let pattern = file.labels.get("__path__")?.clone();
    let exclude = file.labels.remove("__path_exclude__");
    let labels = super::relabel::apply(rules, file.labels)?;
    Some(Target { pattern, exclude, labels })
}

fn rule(file: &RuleFile) -> Result<Rule, String> {
    Rule::new(
        file.source_labels.clone(),
        file.regex.as_deref(),
        &file.target_label,
        file.replacement.as_deref(),
        file.action.as_deref(),
        file.separator.as_deref(),
    )
}

/// A `sync_period`.
pub(super) fn period_of(text: &str) -> Result<Duration, String> {
    let nanoseconds = crate::loki::duration(text).and_then(|it| u64::try_from(it).ok());
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| format!("sync_period: no duration: {text}"))
}

/// Seconds of a `max_age`, by default seven hours.
pub(super) fn age(text: Option<&str>) -> Result<i64, String> {
    let text = text.unwrap_or("7h");
    crate::loki::duration(text)
        .map(|it| it / 1_000_000_000)
        .ok_or_else(|| format!("max_age: no duration: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &str =
        include_str!("../../../tests/fixtures/recordings/promtail-3.4.6/accepted-config.yml");

    #[test]
    fn takes_what_promtail_took() {
        let plan = parse(ACCEPTED).unwrap();
        assert_eq!(plan.address, "0.0.0.0:9080");
        assert_eq!(plan.positions, PathBuf::from("/positions/positions.yml"));
        let SourceKind::Files { targets, .. } = &plan.sources[0].kind else { panic!("no files") };
        assert_eq!(targets[0].pattern, "/var/lib/docker/containers/*/*-json.log");
        assert_eq!(targets[0].labels.keys().collect::<Vec<_>>(), ["host", "job"]);
        let (stages, url) = &plan.sources[0].routes[0];
        assert_eq!((stages.len(), url.as_str()), (8, "http://loki:3100/loki/api/v1/push"));
    }

    #[test]
    fn refuses_what_promtail_refuses() {
        let error = |from: &str, to: &str| {
            assert!(ACCEPTED.contains(from), "{from}");
            parse(&ACCEPTED.replace(from, to)).unwrap_err()
        };
        assert!(error("scrape_configs", "scrape_config").contains("scrape_config"));
        assert!(error("- output:", "- outputs:").contains("`outputs`"));
        assert!(error("(?i)", "(?x(").contains("could not compile"));
        assert!(error("clients: [{", "clients: []\nx: [{").contains("unknown field"));
        assert!(parse("server: {}").unwrap_err().contains("at least one client"));
    }
}
