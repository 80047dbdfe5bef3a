//! Checks and findings: statements about the running stack, and what was found of them.
//!
//! A check is plain data derived from a release. It is stored beside the release on the host, so that after a
//! return the old release is verified by its own checks. It names secrets, it never holds one.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stack::EmptyUntil;

/// A statement about the running stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name: `service.what`, unique in a release (`prometheus.targets`).
    pub name: String,
    /// The compose service that it is about.
    pub service: String,
    /// What is asked.
    #[serde(flatten)]
    pub question: Question,
}

/// What is asked. Ports are on the host's loopback address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub enum Question {
    /// `GET path` answers 200: the service says itself that it is ready.
    Ready {
        /// Port.
        port: u16,
        /// Path with a leading slash, `/-/ready`.
        path: String,
    },
    /// Prometheus: every one of these jobs has at least one target, and every target of it is up and was
    /// scraped within the last three of its intervals.
    Targets {
        /// Port.
        port: u16,
        /// Job names, sorted.
        jobs: Vec<String>,
    },
    /// Prometheus: the rules that run are those of the release: these groups with this many rules each, and
    /// each rule means what was sent.
    Rules {
        /// Port.
        port: u16,
        /// Group name and number of rules.
        groups: Vec<(String, usize)>,
        /// The rules. Releases deployed by an older provision have none stored.
        #[serde(default)]
        rules: Vec<SentRule>,
    },
    /// Prometheus or Alertmanager: the configuration that runs means what was sent (defaults aside).
    Configuration {
        /// Port.
        port: u16,
        /// The flavour, since the two answer at different paths.
        of: ConfigurationOf,
        /// The configuration as sent, YAML text. Secret-free.
        #[serde(with = "lines")]
        sent: String,
        /// The last reload must have succeeded since this time of the host's clock. Only in a deploy that reloads
        /// the service, see [`Check::reloaded_since`]; never stored.
        #[serde(skip)]
        since: Option<Timestamp>,
    },
    /// Prometheus: at least one Alertmanager is connected, none dropped.
    Alertmanagers {
        /// Port.
        port: u16,
    },
    /// Prometheus: an instant query gives 1, in every series of its result.
    Query {
        /// Port.
        port: u16,
        /// In Prometheus' language.
        query: String,
        /// What to do when it does not.
        remedy: String,
    },
    /// Grafana: `/api/health` says that its database is ok.
    GrafanaHealth {
        /// Port.
        port: u16,
    },
    /// Grafana: the admin can log in with the password that the secrets file holds.
    GrafanaLogin {
        /// Port.
        port: u16,
        /// Login name.
        user: String,
        /// The name of the secret.
        password: String,
    },
    /// Grafana: these datasources (uid) are there and each answers.
    GrafanaDatasources {
        /// Port.
        port: u16,
        /// Login name.
        user: String,
        /// The name of the secret.
        password: String,
        /// Uids, sorted.
        uids: Vec<String>,
        /// Those of them whose type has no health question: only their description is asked for, since Grafana
        /// logs an error for the other.
        #[serde(default)]
        without_health: Vec<String>,
    },
    /// Grafana: these dashboards (uid) are there.
    GrafanaDashboards {
        /// Port.
        port: u16,
        /// Login name.
        user: String,
        /// The name of the secret.
        password: String,
        /// Uids, sorted.
        uids: Vec<String>,
    },
    /// Prometheus: it keeps its data as long as it was told to.
    Retention {
        /// Port.
        port: u16,
        /// `--storage.tsdb.retention.time` as sent.
        time: Option<String>,
        /// `--storage.tsdb.retention.size` as sent.
        size: Option<String>,
    },
    /// Loki: the configuration that runs means what was sent (defaults aside): retention and compactor above all.
    LokiConfiguration {
        /// Port.
        port: u16,
        /// The configuration as sent, YAML text. Secret-free.
        sent: String,
    },
    /// Loki: it answers a query. Its `/ready` looks at each part alone, a query goes through all that reading needs.
    LokiQuery {
        /// Port.
        port: u16,
    },
    /// Loki (a probe): a line that was written on the host is found again.
    LogLine {
        /// Port.
        port: u16,
        /// What the line holds and no other line does.
        nonce: String,
        /// The `job` labels under which it must be found, sorted.
        jobs: Vec<String>,
    },
    /// Grafana (a probe): the query of every panel gives data.
    Panels {
        /// Port.
        port: u16,
        /// Login name.
        user: String,
        /// The name of the secret.
        password: String,
        /// The queries.
        queries: Vec<PanelQuery>,
    },
}

/// A rule as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRule {
    /// Its group.
    pub group: String,
    /// The name of the alert, or of the series that is recorded.
    pub name: String,
    /// Its expression.
    pub expr: String,
    /// `for:`; empty where there is none.
    pub lasts: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A query of a panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanelQuery {
    /// Uid of the dashboard.
    pub dashboard: String,
    /// The panel's title.
    pub panel: String,
    /// Which of the panel's queries; empty where it has only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub legend: String,
    /// Uid of the datasource.
    pub datasource: String,
    /// The query, its variables filled in.
    pub expr: String,
    /// Why it may rightly give nothing; empty where it must give data.
    pub may_be_empty: String,
    /// Whether that holds only where no query of the panel gives data.
    #[serde(default)]
    pub with_its_panel: bool,
    /// This is no panel's query: where it gives nothing, those that are meant may as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excuses: Option<EmptyUntil>,
}

impl PanelQuery {
    /// How it is called in messages.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { dashboard, panel, legend, .. } = self;
        if legend.is_empty() {
            format!("{dashboard}: {panel}")
        } else {
            format!("{dashboard}: {panel} ({legend})")
        }
    }
}

/// A text as a list of its lines: where one line changed, one line of the JSON does.
mod lines {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(text.split('\n'))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Vec::<String>::deserialize(deserializer).map(|lines| lines.join("\n"))
    }
}

/// Whose configuration a [`Question::Configuration`] compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationOf {
    /// `/api/v1/status/config`, YAML in `data.yaml`.
    Prometheus,
    /// `/api/v2/status`, YAML in `config.original`.
    Alertmanager,
}

impl Check {
    /// The loopback port that the check asks.
    #[must_use]
    pub fn port(&self) -> u16 {
        match &self.question {
            Question::Ready { port, .. }
            | Question::Targets { port, .. }
            | Question::Rules { port, .. }
            | Question::Configuration { port, .. }
            | Question::Alertmanagers { port }
            | Question::Query { port, .. }
            | Question::GrafanaHealth { port }
            | Question::GrafanaLogin { port, .. }
            | Question::GrafanaDatasources { port, .. }
            | Question::GrafanaDashboards { port, .. }
            | Question::Retention { port, .. }
            | Question::LokiConfiguration { port, .. }
            | Question::LokiQuery { port }
            | Question::LogLine { port, .. }
            | Question::Panels { port, .. } => *port,
        }
    }

    /// The same check of a service that was told to reload at `since` or later, by the host's clock: what the
    /// service says of its last reload must be of that time. Of a check that asks no such thing, itself.
    #[must_use]
    pub fn reloaded_since(mut self, time: Timestamp) -> Self {
        if let Question::Configuration { since, .. } = &mut self.question {
            *since = Some(time);
        }
        self
    }

    /// Whether it is of a service that this deploy told to reload.
    #[must_use]
    pub fn is_of_a_reload(&self) -> bool {
        matches!(self.question, Question::Configuration { since: Some(_), .. })
    }

    /// The secret that the check logs in with.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match &self.question {
            Question::GrafanaLogin { password, .. }
            | Question::GrafanaDatasources { password, .. }
            | Question::GrafanaDashboards { password, .. }
            | Question::Panels { password, .. } => Some(password),
            _ => None,
        }
    }

    /// How long it may take to hold, where that is less than the time for all checks.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        match &self.question {
            // A collector looks for new lines every few seconds, and sends them in batches.
            Question::LogLine { .. } => Some(Duration::from_secs(60)),
            // A rate needs two scrapes.
            Question::Panels { .. } => Some(Duration::from_secs(90)),
            _ => None,
        }
    }
}

/// Whether a check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// It was left out, and `found` says why. Never used for a check that could have been asked.
    Skipped,
}

/// What was found of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// The check's name.
    pub check: String,
    /// The service that it is about.
    pub service: String,
    /// Whether it holds.
    pub status: Status,
    /// What should be.
    pub expected: String,
    /// What is.
    pub found: String,
    /// What to do when it fails; empty when it holds.
    pub remedy: String,
    /// Milliseconds from the first question to this answer.
    pub took_ms: u64,
    /// More of what was found, line by line: every difference, a container's last words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<String>,
}

impl Finding {
    /// The finding of what is not a question to a service: a fact about host or containers.
    #[must_use]
    pub fn fact(check: &str, expected: &str, verdict: Result<String, (String, String)>) -> Self {
        let (status, found, remedy) = match verdict {
            Ok(found) => (Status::Holds, found, String::new()),
            Err((found, remedy)) => (Status::Fails, found, remedy),
        };
        Self {
            check: check.to_owned(),
            service: String::new(),
            status,
            expected: expected.to_owned(),
            found,
            remedy,
            took_ms: 0,
            detail: Vec::new(),
        }
    }

    /// Whether this stops a rollout.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.status == Status::Fails
    }
}
