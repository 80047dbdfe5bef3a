//! Loki's configuration file: read, checked, and laid over the defaults.

use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::{duration, known};

/// The configuration in effect.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) address: String,
    pub(super) port: u16,
    folder: PathBuf,
    pub(super) limits: Limits,
    /// How often the compactor runs, in seconds.
    pub(super) compaction_seconds: i64,
    pub(super) retention_enabled: bool,
    /// Whether an answer finds back to the part that was asked, see [`parts_meet`].
    pub(super) answers_queries: bool,
    /// All of it, defaults included: what `/config` prints.
    whole: Value,
}

/// What may be taken in.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) streams: usize,
    pub(super) line_bytes: u64,
    pub(super) truncate: bool,
    /// Of all streams together: bytes a second, and at once.
    pub(super) rate: f64,
    pub(super) burst: f64,
    /// Of one stream.
    pub(super) stream_rate: f64,
    pub(super) stream_burst: f64,
    /// Nanoseconds; nothing where any age is taken.
    pub(super) oldest: Option<i64>,
    pub(super) retention: i64,
    pub(super) find_service_name: bool,
    pub(super) find_level: bool,
}

impl Config {
    /// Reads a file; `expand` replaces `${NAME}` by the environment's values, as `-config.expand-env` does.
    pub(super) fn load(path: &Path, expand: bool) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| format!("failed parsing config: {}: {cause}", path.display()))?;
        let text = if expand { expanded(&text) } else { text };
        Self::parse(&text).map_err(|cause| format!("failed parsing config: {}: {cause}", path.display()))
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let ours: Value = serde_yaml::from_str(text).map_err(|cause| cause.to_string())?;
        let mut whole = known::defaults();
        let mut wrong = Vec::new();
        known::overlay(&mut whole, &ours, "", &mut wrong);
        if !wrong.is_empty() {
            let lines: Vec<String> = wrong
                .iter()
                .map(|(name, cause)| format!("\n  line {}: {cause}", line_of(text, name)))
                .collect();
            return Err(format!("yaml: unmarshal errors:{}", lines.concat()));
        }
        judge(&ours, &whole)?;
        let get = |path: &str| known::at(&whole, path);
        let string = |path: &str| get(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |path: &str| get(path).and_then(Value::as_f64).unwrap_or_default();
        let truth = |path: &str| get(path).and_then(Value::as_bool).unwrap_or_default();
        let length = |path: &str| duration::parse(&string(path)).unwrap_or_default();
        #[allow(clippy::cast_precision_loss, reason = "a size")]
        let size = |path: &str| duration::bytes(&string(path)).unwrap_or_default() as f64;
        let megabyte = 1024.0 * 1024.0;
        let port = get("server.http_listen_port").and_then(Value::as_u64).unwrap_or(3100);
        let address = string("server.http_listen_address");
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of streams")]
        let limits = Limits {
            streams: number("limits_config.max_global_streams_per_user") as usize,
            line_bytes: duration::bytes(&string("limits_config.max_line_size")).unwrap_or_default(),
            truncate: truth("limits_config.max_line_size_truncate"),
            rate: number("limits_config.ingestion_rate_mb") * megabyte,
            burst: number("limits_config.ingestion_burst_size_mb") * megabyte,
            stream_rate: size("limits_config.per_stream_rate_limit"),
            stream_burst: size("limits_config.per_stream_rate_limit_burst"),
            oldest: truth("limits_config.reject_old_samples")
                .then(|| length("limits_config.reject_old_samples_max_age")),
            retention: length("limits_config.retention_period"),
            find_service_name: get("limits_config.discover_service_name")
                .is_some_and(|names| names.as_sequence().is_none_or(|names| !names.is_empty())),
            find_level: truth("limits_config.discover_log_levels"),
        };
        Ok(Self {
            address: if address.is_empty() { "0.0.0.0".to_owned() } else { address },
            port: u16::try_from(port).map_err(|_| format!("server.http_listen_port is no port: {port}"))?,
            folder: get_given(&ours, "common.path_prefix").unwrap_or_else(|| "/loki".to_owned()).into(),
            limits,
            compaction_seconds: length("compactor.compaction_interval") / 1_000_000_000,
            retention_enabled: truth("compactor.retention_enabled"),
            answers_queries: parts_meet(&ours),
            whole,
        })
    }

    /// What `/config` answers.
    pub(super) fn print(&self) -> String {
        serde_yaml::to_string(&self.whole).unwrap_or_default()
    }

    /// Makes the folders that Loki makes: where it may not write it does not start.
    pub(super) fn make_folders(&self) -> Result<(), String> {
        for name in ["chunks", "wal", "compactor"] {
            let folder = self.folder.join(name);
            std::fs::create_dir_all(&folder)
                .map_err(|cause| format!("error initialising module: mkdir {}: {cause}", folder.display()))?;
        }
        let probe = self.folder.join(".probe");
        std::fs::write(&probe, "")
            .and_then(|()| std::fs::remove_file(&probe))
            .map_err(|cause| format!("error initialising module: open {}: {cause}", probe.display()))
    }
}

/// Whether the queriers reach the query frontend. It listens where all of Loki's parts do, and tells them
/// `frontend.address`, else `common.instance_addr`, else the address of eth0. Where nothing listens at that one,
/// every query waits for ever, and `/ready` does not know (seen with 3.7.6).
fn parts_meet(ours: &Value) -> bool {
    let listens = get_given(ours, "server.grpc_listen_address").unwrap_or_default();
    let told = get_given(ours, "frontend.address").or_else(|| get_given(ours, "common.instance_addr"));
    listens.is_empty() || listens == "0.0.0.0" || told.is_some_and(|told| told == listens)
}

fn get_given(ours: &Value, path: &str) -> Option<String> {
    known::at(ours, path).and_then(Value::as_str).map(str::to_owned)
}

/// What Loki refuses although every field is known. `ours` is what the file says, `whole` with the defaults.
fn judge(ours: &Value, whole: &Value) -> Result<(), String> {
    let schemas = known::at(ours, "schema_config.configs").and_then(Value::as_sequence);
    let Some(last) = schemas.and_then(|all| all.last()) else {
        return Err("CONFIG ERROR: no schema config: schema_config.configs is empty".to_owned());
    };
    let text = |key: &str| last.get(key).and_then(Value::as_str).unwrap_or_default();
    for key in ["from", "store", "object_store", "schema"] {
        if text(key).is_empty() {
            return Err(format!("CONFIG ERROR: the last of schema_config.configs has no `{key}`"));
        }
    }
    let period = known::at(last, "index.period").and_then(Value::as_str).unwrap_or("168h");
    if text("store") == "tsdb" && duration::parse(period) != duration::parse("24h") {
        return Err("CONFIG ERROR: the index period of a tsdb store must be 24h".to_owned());
    }
    let truth = |path: &str| known::at(whole, path).and_then(Value::as_bool).unwrap_or_default();
    if truth("limits_config.allow_structured_metadata")
        && !(text("store") == "tsdb" && text("schema") >= "v13")
    {
        return Err("CONFIG ERROR: schema v13 is required to store Structured Metadata and use native OTLP \
                    ingestion: set limits_config.allow_structured_metadata to false or use tsdb with v13"
            .to_owned());
    }
    let store = known::at(whole, "compactor.delete_request_store").and_then(Value::as_str);
    if truth("compactor.retention_enabled") && store.unwrap_or_default().is_empty() {
        return Err(
            "CONFIG ERROR: compactor.delete-request-store should be configured when retention is enabled"
                .to_owned(),
        );
    }
    let retention = known::at(whole, "limits_config.retention_period").and_then(Value::as_str);
    let retention = retention.and_then(duration::parse).unwrap_or_default();
    if retention != 0 && Some(retention) < duration::parse("24h") {
        return Err("CONFIG ERROR: the minimum retention period is 24h".to_owned());
    }
    Ok(())
}

/// The first line on which a field stands, for messages.
fn line_of(text: &str, field: &str) -> usize {
    let wanted = format!("{field}:");
    text.lines()
        .position(|line| line.split('#').next().unwrap_or_default().contains(&wanted))
        .map_or(1, |at| at + 1)
}

/// `${NAME}` and `${NAME:default}` by the environment's values.
fn expanded(text: &str) -> String {
    let mut parts = text.split("${");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, rest) = part.split_once('}').unwrap_or((part, ""));
        let (name, default) = inside.split_once(':').unwrap_or((inside, ""));
        result += &std::env::var(name).ok().filter(|it| !it.is_empty()).unwrap_or_else(|| default.to_owned());
        result += rest;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &str = include_str!("../../../tests/fixtures/recordings/loki-3.4.6/accepted-config.yml");

    #[test]
    fn takes_what_loki_took_and_prints_it_as_loki_does() {
        let config = Config::parse(ACCEPTED).unwrap();
        assert_eq!((config.port, config.compaction_seconds, config.retention_enabled), (3100, 600, true));
        assert_eq!((config.limits.streams, config.limits.line_bytes), (500, 65_536));
        assert_eq!(config.limits.retention, duration::parse("7d").unwrap());
        let printed: Value = serde_yaml::from_str(&config.print()).unwrap();
        let at = |path: &str| known::at(&printed, path).unwrap().clone();
        assert_eq!(at("limits_config.retention_period"), Value::from("1w"));
        assert_eq!(at("compactor.compaction_interval"), Value::from("10m0s"));
        assert_eq!(at("compactor.delete_request_store"), Value::from("filesystem"));
        assert_eq!(at("ingester.wal.replay_memory_ceiling"), Value::from("96MB"));
        assert!(!at("limits_config.query_timeout").is_null());
        assert!(known::at(&printed, "auth_enabled").is_none());
    }

    #[test]
    fn refuses_what_loki_refuses() {
        let refused = |from: &str, to: &str| {
            assert!(ACCEPTED.contains(from), "{from}");
            Config::parse(&ACCEPTED.replace(from, to)).unwrap_err()
        };
        let field = |line: u8, cause: &str| format!("yaml: unmarshal errors:\n  line {line}: {cause}");
        assert_eq!(
            refused("retention_enabled: true", "retention_on: true"),
            field(31, "field retention_on not found in `compactor`")
        );
        assert_eq!(
            refused("retention_period: 168h", "retention_period: weekly"),
            field(36, "cannot unmarshal weekly into a duration at `limits_config.retention_period`")
        );
        assert_eq!(
            refused("allow_structured_metadata: true", "allow_structured_metadata: 7"),
            field(45, "cannot unmarshal 7 into bool at `limits_config.allow_structured_metadata`")
        );
        for (from, to, wanted) in [
            ("delete_request_store: filesystem", "# nothing", "delete-request-store should be configured"),
            ("period: 24h", "period: 168h", "must be 24h"),
            ("schema: v13", "schema: v12", "schema v13 is required"),
            ("retention_period: 168h", "retention_period: 1h", "minimum retention period is 24h"),
        ] {
            let message = refused(from, to);
            assert!(message.starts_with("CONFIG ERROR: ") && message.contains(wanted), "{message}");
        }
        assert!(Config::parse("server: [").is_err());
        assert!(Config::parse("server: {http_listen_port: 3100}").unwrap_err().contains("no schema config"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let text = ACCEPTED.replace("path_prefix: /loki", &format!("path_prefix: {}", file.display()));
        assert!(Config::parse(&text).unwrap().make_folders().unwrap_err().contains("mkdir"));
        let text =
            ACCEPTED.replace("path_prefix: /loki", &format!("path_prefix: {}", folder.path().display()));
        Config::parse(&text).unwrap().make_folders().unwrap();
    }
}
