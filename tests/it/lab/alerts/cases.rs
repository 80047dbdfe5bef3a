//! What each alert's mail has to say, and why some alerts are not provoked.

/// An alert that is provoked.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) alert: &'static str,
    pub(super) severity: &'static str,
    /// What tells this rule from others of the name: a label and its value.
    pub(super) label: Option<(&'static str, &'static str)>,
    /// How the summary begins and ends; between them stands the value.
    pub(super) summary: (&'static str, &'static str),
    /// The dashboard that the mail leads to.
    pub(super) dashboard: &'static str,
    pub(super) end: End,
}

/// What is known of an alert's end.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// With its cause.
    Soon,
    /// When its window of up to a quarter of an hour has passed.
    Window,
    /// When its window of half an hour has passed.
    LongWindow,
}

const fn case(
    alert: &'static str,
    severity: &'static str,
    summary: (&'static str, &'static str),
    dashboard: &'static str,
) -> Case {
    Case { alert, severity, label: None, summary, dashboard, end: End::Soon }
}

impl Case {
    const fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.label = Some((name, value));
        self
    }

    const fn late(mut self) -> Self {
        self.end = End::Window;
        self
    }

    const fn very_late(mut self) -> Self {
        self.end = End::LongWindow;
        self
    }
}

const OVERVIEW: &str = "koprogo-overview";

/// The three of `make test`.
pub(super) const QUICK: [Case; 3] = [POSTGRESQL_DOWN, BACKUP_METRIC_ABSENT, TARGET_DOWN];

const POSTGRESQL_DOWN: Case =
    case("PostgreSQLDown", "critical", ("PostgreSQL does not answer", ""), "postgres");
const BACKUP_METRIC_ABSENT: Case =
    case("BackupMetricAbsent", "warning", ("Nothing is known about backups", ""), OVERVIEW);
const TARGET_DOWN: Case = case("TargetDown", "warning", ("alloy does not answer Prometheus", ""), OVERVIEW);

/// What PostgreSQL, Traefik and the host are put through while all containers run.
pub(super) const LIVING: [Case; 20] = [
    case(
        "PostgreSQLConnectionsHigh",
        "warning",
        ("", " % of the PostgreSQL connections are in use"),
        "postgres",
    ),
    case("PostgreSQLSlowQueries", "warning", ("A query takes ", " ms on average"), "postgres").late(),
    case("PostgreSQLDeadlocks", "warning", ("PostgreSQL resolved a deadlock", ""), "postgres").late(),
    case("PostgreSQLCacheHitLow", "warning", ("", " % of the blocks come from the cache"), "postgres")
        .very_late(),
    case("BackupTooOld", "critical", ("The last good backup is ", " hours old"), OVERVIEW),
    case("DiskSpaceLow", "warning", (super::causes::DISK, " % free"), OVERVIEW),
    case("DiskSpaceLow", "critical", (super::causes::DISK, " % free"), OVERVIEW),
    case("InodesLow", "warning", (super::causes::DISK, " % of its inodes free"), OVERVIEW),
    case("HostOomKill", "warning", ("The kernel killed a process for lack of memory", ""), OVERVIEW).late(),
    case("ContainerMemoryNearLimit", "warning", ("lab-memory uses ", " % of its memory limit"), "docker"),
    case("ContainerRestarting", "warning", ("lab-crash restarted ", " times in 15 minutes"), "docker").late(),
    case("ErrorBudgetBurn", "warning", ("", " % of the requests to backend@docker fail"), "traefik")
        .with("burn", "slow")
        .very_late(),
    case("ErrorBudgetBurn", "critical", ("", " % of the requests to backend@docker fail"), "traefik")
        .with("burn", "fast")
        .late(),
    case(
        "ApiLatencyP99High",
        "warning",
        ("One in a hundred requests to backend@docker takes ", " or more"),
        "traefik",
    )
    .late(),
    case(
        "TlsCertificateExpiring",
        "warning",
        ("The certificate of koprogo.lab expires in ", " days"),
        "traefik",
    ),
    case("LokiDiscarding", "warning", ("Loki refuses ", " log lines a minute"), "logs").late(),
    case("PrometheusConfigReloadFailed", "warning", ("Prometheus refused its configuration", ""), OVERVIEW),
    case("PrometheusRuleFailures", "warning", ("An alert rule cannot be evaluated", ""), OVERVIEW).late(),
    case(
        "AlertmanagerConfigReloadFailed",
        "warning",
        ("Alertmanager refused its configuration", ""),
        OVERVIEW,
    ),
    case("TargetMissing", "warning", ("Prometheus has no target for loki", ""), OVERVIEW),
];

/// What the machine is put through. Either silences `ApiLatencyP99High`.
pub(super) const BUSY: [Case; 2] = [
    case("HostMemoryPressure", "warning", ("", " % of the memory is in use"), OVERVIEW),
    case("HostCpuSaturated", "warning", ("CPU has been at ", " % for 5s"), OVERVIEW),
];

/// What follows when containers stop, and when mails or alerts do not get through.
pub(super) const DEAD: [Case; 9] = [
    POSTGRESQL_DOWN,
    BACKUP_METRIC_ABSENT,
    TARGET_DOWN,
    case("TargetDown", "critical", ("The backend does not answer", ""), OVERVIEW)
        .with("job", "koprogo-backend"),
    case("TargetDown", "critical", ("Traefik does not answer", ""), OVERVIEW).with("job", "traefik"),
    case("ContainerDown", "critical", ("The container koprogo-frontend is down", ""), "docker"),
    case("ContainerDown", "warning", ("The container koprogo-monitoring-grafana-1 is down", ""), "docker"),
    case("NotificationsFailing", "critical", ("Alertmanager cannot send by email", ""), OVERVIEW).late(),
    case("NotificationsFailing", "critical", ("Prometheus cannot hand alerts to Alertmanager", ""), OVERVIEW)
        .with("cause", "unreachable")
        .late(),
];

/// A label and its value, where one is needed.
type Label = Option<(&'static str, &'static str)>;

/// A rule that no mail can be expected of in the lab: name, the label that tells it from others, why.
pub(super) const NOT_PROVOKED: [(&str, Label, &str); 9] = [
    ("Watchdog", None, "never a mail; the test asserts that it fires and that none arrived"),
    ("HostMemoryPressure", Some(("cause", "stall")), "the whole machine would have to wait for memory"),
    ("ClockSkew", Some(("cause", "unsynchronised")), "the clock is the machine's"),
    ("ClockSkew", None, "the clock is the machine's"),
    ("DiskWillFill24h", None, "a trend of hours on the machine's own disk: a bounded file makes none"),
    ("PostgreSQLCapacity", None, "wants a day of history"),
    (
        "LokiCompactorStale",
        None,
        "the stand-in's compactor never fails; Loki has no switch that stops it alone",
    ),
    (
        "CollectorDroppingLogs",
        None,
        "in the lab only for lines that Loki refuses: LokiDiscarding silences it, which is asserted",
    ),
    ("LogsMissing", None, "in the lab only when the collector stands still: TargetDown silences it"),
];
