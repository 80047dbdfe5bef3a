//! Alerts provoked for real, and their mails at the lab's mail server.
//!
//! Only variables of the inventory shorten the timings. A threshold that a real cause cannot reach in a lab is computed
//! from what the machine shows at the moment.

mod cases;
mod causes;
mod mail;

use std::time::{Duration, Instant};

use cases::{BUSY, Case, DEAD, End, LIVING, NOT_PROVOKED, QUICK};
use causes::Undo;
use mail::{LetterBox, Mail};

use super::{Lab, is_healthy, prometheus, rendered, vps, wait_for};

const RUNBOOK: &str = "https://github.com/gilmry/koprogo/blob/main/docs/alerts.md";
const ON: &str = "on koprogo.lab (lab)";

/// What every test of this file sets beside what the lab has; `for` is five seconds where an alert is provoked.
const SHORT: &str = "
  evaluation_interval: 5s
  group_wait: 1s
  group_wait_critical: 1s
  group_interval: 10s
  alert_for: {";

fn deploy(lab: &Lab, durations: &[&str], thresholds: &str) {
    let durations: Vec<String> = durations.iter().map(|name| format!("{name}: 5s")).collect();
    let variables = format!("variables:{SHORT}{}}}\n{thresholds}", durations.join(", "));
    lab.edit("inventory/lab.yml", "variables:", variables.trim_end());
    lab.deploy().ends_with(0, &[]);
}

impl Case {
    /// Whether a summary is this alert's.
    fn is_said_by(&self, summary: &str) -> bool {
        let (begin, end) = self.summary;
        summary.len() >= begin.len() + end.len() && summary.starts_with(begin) && summary.ends_with(end)
    }

    /// Whether the mail has this alert's block of `status`, one of `FIRING` and `RESOLVED`.
    fn is_in(&self, mail: &Mail, status: &str) -> bool {
        let said = format!("{status}: ");
        mail.subject.contains(&format!(" {} {ON}", self.alert))
            && mail.text.contains(&format!("  severity  {}\n", self.severity))
            && mail.text.lines().filter_map(|line| line.strip_prefix(&said)).any(|line| self.is_said_by(line))
    }

    /// Ends the test unless a mail that has this alert says all that its reader needs.
    fn assert_complete(&self, mail: &Mail) {
        let count = |status: &str| mail.text.lines().filter(|line| line.starts_with(status)).count();
        let (firing, resolved) = (count("FIRING: "), count("RESOLVED: "));
        let subject = if firing > 0 {
            format!("[KoproGo] FIRING:{firing} {} {} {ON}", self.severity, self.alert)
        } else {
            format!("[KoproGo] RESOLVED:{resolved} {} {ON}", self.alert)
        };
        assert_eq!(mail.subject, subject, "{}", mail.text);
        assert_eq!(mail.to, "ops@koprogo.lab");
        let runbook = format!("{RUNBOOK}#{}", self.alert.to_lowercase());
        let dashboard = format!("http://localhost:3001/d/{}", self.dashboard);
        for line in [
            format!("  runbook   {runbook}\n"),
            format!("  dashboard {dashboard}\n"),
            "  query     http://localhost:9090/".to_owned(),
            "Silence or look: http://localhost:9093".to_owned(),
        ] {
            assert!(mail.text.contains(&line), "{line:?} is not in\n{}", mail.text);
        }
        for link in [runbook, dashboard] {
            assert!(mail.html.contains(&format!("<a href=\"{link}\">")), "{link} is not in\n{}", mail.html);
        }
    }
}

/// What the test waits for, and how long it took.
struct Watch {
    letters: LetterBox,
    begin: Instant,
}

impl Watch {
    fn new() -> Self {
        Self { letters: LetterBox::from_now(), begin: Instant::now() }
    }

    /// Whether the mail about the alert's beginning arrived; one that arrived has to be complete.
    fn fired(&self, case: &Case) -> bool {
        self.has(case, "FIRING")
    }

    fn has(&self, case: &Case, status: &str) -> bool {
        let mails = self.letters.mails();
        let Some(mail) = mails.iter().find(|mail| case.is_in(mail, status)) else { return false };
        case.assert_complete(mail);
        true
    }

    /// Waits for the mails about all of these.
    fn await_all(&self, cases: &[&Case], status: &str, limit: Duration) {
        let until = Instant::now() + limit;
        let mut missing: Vec<&&Case> = cases.iter().collect();
        while !missing.is_empty() {
            missing.retain(|case| {
                let there = self.has(case, status);
                if there {
                    self.tell(case, status);
                }
                !there
            });
            assert!(
                Instant::now() < until || missing.is_empty(),
                "no mail {status} about {missing:#?}\nmails: {:#?}\nalerts: {:#?}",
                self.letters.mails().iter().map(|mail| mail.subject.clone()).collect::<Vec<_>>(),
                firing()
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Repeats a cause until its mail is there.
    fn provoke(&self, case: &Case, times: u32, mut act: impl FnMut()) {
        for _ in 0..times {
            act();
            let until = Instant::now() + Duration::from_secs(8);
            while Instant::now() < until {
                if self.fired(case) {
                    self.tell(case, "FIRING");
                    return;
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        }
        self.await_all(&[case], "FIRING", Duration::from_secs(20));
    }

    #[allow(clippy::print_stdout, reason = "shown with --nocapture")]
    fn tell(&self, case: &Case, status: &str) {
        println!("{:4} s  {status:8} {} {}", self.begin.elapsed().as_secs(), case.severity, case.alert);
    }
}

/// Name and labels of what fires.
fn firing() -> Vec<String> {
    let answer = prometheus("/api/v1/query", "ALERTS{alertstate=\"firing\"}");
    answer["data"]["result"].as_array().unwrap().iter().map(|series| series["metric"].to_string()).collect()
}

fn none_fires(cases: &[Case]) -> bool {
    let firing = firing();
    !cases.iter().any(|case| firing.iter().any(|alert| alert.contains(&format!("\"{}\"", case.alert))))
}

/// Whether Alertmanager keeps back the mail about what Prometheus says fires.
fn is_silenced(alert: &str) -> bool {
    let answer = vps(
        "docker exec koprogo-monitoring-prometheus-1 wget -q -O - http://alertmanager:9093/api/v2/alerts",
    );
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let mut alerts = answer.as_array().unwrap().iter().filter(|one| one["labels"]["alertname"] == alert);
    alerts.any(|one| {
        one["status"]["state"] == "suppressed" && !one["status"]["inhibitedBy"].as_array().unwrap().is_empty()
    })
}

/// A case of a list by its name and severity.
fn named<'a>(cases: &'a [Case], alert: &str, severity: &str) -> &'a Case {
    cases.iter().find(|case| case.alert == alert && case.severity == severity).unwrap()
}

#[test]
fn mails_tell_when_postgresql_stops_a_backup_vanishes_and_a_target_is_silent_and_when_that_ends() {
    let lab = Lab::take();
    let before = lab.snapshot();
    deploy(&lab, &["postgresql_down", "backup_metric_absent", "target_down"], "");
    let watch = Watch::new();
    let cases: Vec<&Case> = QUICK.iter().collect();
    let mut undo = Undo::default();
    causes::no_backup(&mut undo);
    causes::pause(&mut undo, "koprogo-monitoring-alloy-1");
    causes::stop(&mut undo, "koprogo-postgres");
    watch.await_all(&cases, "FIRING", Duration::from_secs(60));
    undo.all();
    watch.await_all(&cases, "RESOLVED", Duration::from_secs(90));
    as_the_repository_has_it(lab, &before);
}

/// Deploys the repository's inventory again.
fn as_the_repository_has_it(lab: Lab, before: &super::Snapshot) {
    is_healthy();
    drop(lab);
    let lab = Lab::take();
    wait_for("the lab is as it was", Duration::from_secs(60), || &lab.snapshot() == before);
    lab.is_as_before(before);
}

/// What has a `for` of its own among the alerts of [`LIVING`] and [`DEAD`].
const DURATIONS: [&str; 22] = [
    "target_down",
    "target_down_critical",
    "target_missing",
    "prometheus_config_reload_failed",
    "alertmanager_config_reload_failed",
    "notifications_failing",
    "notifications_dropped",
    "disk_space_low",
    "inodes_low",
    "backup_metric_absent",
    "postgresql_down",
    "postgresql_connections_high",
    "postgresql_slow_queries",
    "postgresql_cache_hit_low",
    "container_down",
    "container_memory_near_limit",
    "error_budget_burn_fast",
    "error_budget_burn_slow",
    "api_latency_p99_high",
    "tls_certificate_expiring",
    "loki_discarding",
    "collector_dropping_logs",
];

#[test]
#[ignore = "long: make test-all"]
fn every_alert_about_what_runs_sends_its_mails() {
    provoke(&DURATIONS, disk_thresholds, &LIVING, living);
}

#[test]
#[ignore = "long: make test-all"]
fn every_alert_about_what_stopped_sends_its_mails() {
    provoke(&DURATIONS, String::new, &DEAD, dead);
}

#[test]
#[ignore = "long: make test-all"]
fn every_alert_about_a_busy_host_sends_its_mails() {
    provoke(&["host_cpu_saturated", "host_memory_pressure"], busy_thresholds, &BUSY, busy);
}

/// Deploys with short durations, provokes `cases`, and deploys what the repository has.
fn provoke(durations: &[&str], thresholds: fn() -> String, cases: &[Case], phase: fn(&Watch)) {
    let lab = Lab::take();
    let before = lab.snapshot();
    // An alert that fires already is not mailed again: a second run wants the windows of the first to end.
    wait_for("what was provoked before has ended", Duration::from_secs(2400), || none_fires(cases));
    deploy(&lab, durations, &thresholds());
    let watch = Watch::new();
    phase(&watch);
    // It fires all the time, and only an outside service hears of it.
    assert!(firing().iter().any(|alert| alert.contains("Watchdog")));
    assert!(watch.letters.mails().iter().all(|mail| !mail.subject.contains("Watchdog")));
    as_the_repository_has_it(lab, &before);
}

/// Thresholds that a bounded cause reaches on this machine.
fn disk_thresholds() -> String {
    let [free, size, files_free, files] = causes::disk();
    let percent_below = |bytes: f64| 100.0 * (free - bytes) / size;
    format!(
        "  disk_free_percent: {:.3}\n  disk_free_critical_percent: {:.3}\n  inodes_free_percent: {:.3}\n",
        percent_below(1.0e9),
        percent_below(1.5e9),
        100.0 * (files_free - 10_000.0) / files,
    )
}

/// The same for its CPUs and its memory.
fn busy_thresholds() -> String {
    let [available, total] = causes::memory();
    let busy =
        prometheus("/api/v1/query", "100 * (1 - avg(rate(node_cpu_seconds_total{mode=\"idle\"}[5m])))");
    let busy: f64 =
        busy["data"]["result"][0]["value"][1].as_str().map_or(50.0, |value| value.parse::<f64>().unwrap());
    format!(
        "  memory_percent: {:.2}\n  cpu_percent: {:.2}\n",
        100.0 * (1.0 - available / total) + 50.0 * memory_to_take(total) * 1_048_576.0 / total,
        (busy + (100.0 - busy) * 0.4).min(97.0),
    )
}

/// In MiB: a twentieth of the machine's, at most 2 GiB.
fn memory_to_take(total: f64) -> f64 {
    (total / 20.0 / 1_048_576.0).min(2048.0).floor()
}

/// All containers run.
fn living(watch: &Watch) {
    let mut undo = Undo::default();
    let case = |alert: &str| LIVING.iter().find(|case| case.alert == alert).unwrap();
    causes::crash_loop(&mut undo);
    causes::old_logs(&mut undo);
    causes::old_backup(&mut undo);
    causes::old_certificate(&mut undo);
    causes::oom_kill();
    causes::full_container(&mut undo);
    causes::deadlock(&mut undo);
    let mut alertmanager = Undo::default();
    causes::reconfigure(
        &mut alertmanager,
        "alertmanager",
        "alertmanager/alertmanager.yml",
        "sed s/^route:/rout:/",
    );
    let mut prometheus = Undo::default();
    causes::reconfigure(
        &mut prometheus,
        "prometheus",
        "prometheus/prometheus.yml",
        "sed s/^scrape_configs:/scrap:/",
    );

    causes::use_inodes(&mut undo);
    causes::fill_disk(&mut undo, 1200);
    // Of fewer requests nothing is said.
    causes::requests(120, 0);
    watch.provoke(case("ApiLatencyP99High"), 6, causes::slow_requests);
    watch.provoke(case("PostgreSQLSlowQueries"), 6, causes::slow_queries);
    causes::large_table(&mut undo);
    watch.provoke(case("PostgreSQLCacheHitLow"), 8, causes::read_large_table);
    causes::connections(&mut undo);
    watch.await_all(&[named(&LIVING, "DiskSpaceLow", "warning")], "FIRING", Duration::from_secs(60));
    causes::fill_disk(&mut undo, 1800);
    watch.provoke(named(&LIVING, "ErrorBudgetBurn", "warning"), 12, || causes::requests(1880, 120));
    watch.provoke(named(&LIVING, "ErrorBudgetBurn", "critical"), 12, || causes::requests(200, 1800));
    wait_for("LokiDiscarding silences CollectorDroppingLogs", Duration::from_secs(60), || {
        is_silenced("CollectorDroppingLogs")
    });
    let reloads =
        ["PrometheusConfigReloadFailed", "AlertmanagerConfigReloadFailed", "LokiDiscarding"].map(case);
    watch.await_all(&reloads, "FIRING", Duration::from_secs(60));
    alertmanager.all();
    prometheus.all();
    causes::reconfigure(
        &mut prometheus,
        "prometheus",
        "prometheus/prometheus.yml",
        "sed 's/job_name: loki$/&\\n    relabel_configs: [{action: drop, regex: .*}]/'",
    );
    causes::rule_that_fails(&mut prometheus);
    let all: Vec<&Case> = LIVING.iter().collect();
    watch.await_all(&all, "FIRING", Duration::from_secs(180));
    prometheus.all();
    undo.all();
    ends(watch, &LIVING, &End::Soon, 330);
    ends(watch, &LIVING, &End::Window, 1200);
    ends(watch, &LIVING, &End::LongWindow, 1500);
}

/// Containers stop, and what should tell of it is cut off.
fn dead(watch: &Watch) {
    let mut undo = Undo::default();
    causes::deadlock(&mut undo);
    wait_for("a deadlock", Duration::from_secs(60), || {
        firing().iter().any(|alert| alert.contains("PostgreSQLDeadlocks"))
    });
    for name in ["koprogo-frontend", "koprogo-monitoring-grafana-1"] {
        causes::stop(&mut undo, name);
    }
    causes::no_backup(&mut undo);
    causes::stop(&mut undo, "koprogo-postgres");
    for name in ["koprogo-monitoring-alloy-1", "koprogo-backend", "koprogo-traefik"] {
        causes::pause(&mut undo, name);
    }
    wait_for("PostgreSQLDown silences what follows from it", Duration::from_secs(60), || {
        is_silenced("PostgreSQLDeadlocks")
    });
    let fires = |text: &str| {
        firing().iter().any(|alert| alert.contains("NotificationsFailing") && alert.contains(text))
    };
    let mut cut_off = Undo::default();
    causes::no_mail(&mut cut_off);
    wait_for("mails fail", Duration::from_secs(120), || fires("\"integration\":\"email\""));
    cut_off.all();
    causes::pause(&mut cut_off, "koprogo-monitoring-alertmanager-1");
    wait_for("Prometheus drops notifications", Duration::from_secs(120), || {
        fires("\"cause\":\"unreachable\"")
    });
    cut_off.all();
    let all: Vec<&Case> = DEAD.iter().collect();
    watch.await_all(&all, "FIRING", Duration::from_secs(150));
    undo.all();
    ends(watch, &DEAD, &End::Soon, 330);
    ends(watch, &DEAD, &End::Window, 900);
}

/// CPUs and memory are in use.
fn busy(watch: &Watch) {
    let mut undo = Undo::default();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2048")]
    causes::take_memory(&mut undo, memory_to_take(causes::memory()[1]) as u32);
    causes::burn_cpu(&mut undo);
    let all: Vec<&Case> = BUSY.iter().collect();
    watch.await_all(&all, "FIRING", Duration::from_secs(270));
    undo.all();
    ends(watch, &BUSY, &End::Soon, 330);
}

fn all_cases() -> impl Iterator<Item = &'static Case> {
    LIVING.iter().chain(&DEAD).chain(&BUSY)
}

/// Waits for the mails about the end of all cases that end so.
fn ends(watch: &Watch, cases: &[Case], end: &End, seconds: u64) {
    let cases: Vec<&Case> = cases.iter().filter(|case| case.end == *end).collect();
    watch.await_all(&cases, "RESOLVED", Duration::from_secs(seconds));
}

/// A rule that is new has to be provoked, or to say why it is not.
#[test]
fn every_rule_is_provoked_or_says_why_not() {
    let release = rendered();
    let rules = crate::stack::rules::rules(&release);
    let is = |rule: &crate::stack::rules::Rule, name: &str, label: Option<(&str, &str)>| {
        let told_apart =
            ["cause", "burn"].iter().find_map(|name| Some((*name, rule.labels.get(*name)?.as_str())));
        rule.name == name
            && label.is_none_or(|(name, value)| rule.labels.get(name).is_some_and(|it| it == value))
            && (told_apart.is_none() || told_apart == label)
    };
    let provoked = |rule: &crate::stack::rules::Rule| {
        all_cases().any(|case| is(rule, case.alert, case.label) && rule.labels["severity"] == case.severity)
    };
    let excused =
        |rule: &crate::stack::rules::Rule| NOT_PROVOKED.iter().any(|(name, label, _)| is(rule, name, *label));
    let unknown: Vec<String> = rules
        .iter()
        .filter(|rule| provoked(rule) == excused(rule))
        .map(crate::stack::rules::Rule::shown)
        .collect();
    assert_eq!(unknown, Vec::<String>::new(), "in neither list, or in both");
    let names = all_cases().map(|case| (case.alert, case.label));
    let names = names.chain(NOT_PROVOKED.iter().map(|(name, label, _)| (*name, *label)));
    for (name, label) in names {
        assert!(rules.iter().any(|rule| is(rule, name, label)), "there is no rule {name} {label:?}");
    }
}
