//! What `provision verify` finds: each kind of check holds, and fails for the right reason. The reports of it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Lab, Run, asked, container, percent_encoded, try_vps, vps, wait_for};

/// The line of a check in the table.
fn line<'a>(run: &'a Run, check: &str) -> &'a str {
    let found = run.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some(check));
    found.unwrap_or_else(|| panic!("no line of {check} in\n{}\n{}", run.stdout, run.stderr))
}

fn holds(run: &Run, check: &str) {
    assert!(line(run, check).trim_start().starts_with("ok "), "{}", line(run, check));
}

fn fails(run: &Run, check: &str, text: &str) {
    let line = line(run, check);
    assert!(line.trim_start().starts_with("FAIL ") && line.contains(text), "{line}");
}

#[test]
fn probes_hold() {
    let lab = Lab::take();
    // The machine of the tests is busy, and its stand-ins are no measure of a server.
    lab.edit("inventory/lab.yml", "variables:", "verify: {cpu_percent: 90}\nvariables:");
    let run =
        lab.provision(&["verify", "lab", "--probes", "--skip", "grafana.panels", "--skip", "loki.canary"]);
    run.ends_with(0, &[]);
    for check in [
        "exposure.inside",
        "exposure.outside",
        "logs.drivers",
        "overhead.memory",
        "overhead.cpu",
        "overhead.disk",
    ] {
        holds(&run, check);
    }
    assert!(line(&run, "exposure.outside").contains("9090"));
    // A probe that is named is asked without --probes, and nothing else is.
    let run = lab.provision(&["verify", "lab", "--only", "grafana.panels", "--timeout", "120s"]);
    run.ends_with(0, &[]);
    holds(&run, "grafana.panels");
    assert!(run.stdout.contains("1 of 1 check holds"), "{}", run.stdout);
}

#[test]
fn a_container_that_is_open_to_the_world_is_seen_from_inside_and_outside() {
    let lab = Lab::take();
    let image = vps("docker inspect --format '{{.Config.Image}}' koprogo-monitoring-node-exporter-1");
    vps(&format!(
        "docker run -d --name rogue --label com.docker.compose.project=koprogo-monitoring \
         --label com.docker.compose.service=rogue -p 0.0.0.0:8099:9100 {image}"
    ));
    wait_for("the container to listen", Duration::from_secs(30), || {
        try_vps("docker exec rogue wget -q -O /dev/null http://127.0.0.1:9100/").status.success()
    });
    let run = lab.provision(&["verify", "lab", "--probes", "--only", "exposure"]);
    vps("docker rm -f rogue");
    run.ends_with(7, &[]);
    fails(&run, "exposure.inside", "rogue publishes 0.0.0.0:8099");
    fails(&run, "exposure.outside", "8099");
    assert!(!line(&run, "exposure.outside").contains("9090"));
}

#[test]
fn a_budget_that_is_exceeded_is_named_with_the_largest() {
    let lab = Lab::take();
    lab.edit(
        "inventory/lab.yml",
        "variables:",
        "verify: {memory: 1MB, cpu_percent: 0.0001, disk: 1KB, skip: [prometheus.retention]}\nvariables:",
    );
    let run =
        lab.provision(&["verify", "lab", "--probes", "--only", "overhead", "--only", "prometheus.retention"]);
    run.ends_with(7, &[]);
    fails(&run, "overhead.memory", "of 1 MB (");
    fails(&run, "overhead.cpu", "% over 10 s of 0.0 % (");
    fails(&run, "overhead.disk", " of 0 MB (");
    assert!(line(&run, "prometheus.retention").trim_start().starts_with("skip "));
}

#[test]
fn a_test_alert_reaches_the_mail_server() {
    let lab = Lab::take();
    let run = lab.provision(&["verify", "lab", "--only", "alertmanager.test_alert", "--timeout", "120s"]);
    run.ends_with(0, &[]);
    let told = line(&run, "alertmanager.test_alert");
    assert!(told.contains("taken by the mail server in") && told.contains("resolved in"), "{told}");
    // The mail server has taken the mail by then; it delivers it in its own time.
    wait_for("the mail of the test alert", Duration::from_secs(30), || {
        let mails =
            Command::new(Path::new(super::ROOT).join("tests/lab/lab.sh")).arg("mails").output().unwrap();
        String::from_utf8_lossy(&mails.stdout).contains("ProvisionTest-")
    });
}

#[test]
fn a_test_alert_that_no_mail_server_takes_is_told() {
    let lab = Lab::take();
    let mail = container("mail");
    let docker = |verb: &str| Command::new("docker").args([verb, &mail]).output().unwrap().status.success();
    assert!(docker("pause"));
    let run = lab.provision(&["verify", "lab", "--only", "alertmanager.test_alert", "--timeout", "40s"]);
    assert!(docker("unpause"));
    run.ends_with(7, &[]);
    fails(&run, "alertmanager.test_alert", "the test alert waited in vain to be sent");
}

#[test]
fn what_was_stopped_by_hand_fails_with_its_last_words() {
    let lab = Lab::take();
    vps("docker stop koprogo-monitoring-alertmanager-1");
    let run = lab.provision(&["verify", "lab", "--timeout", "3s", "--only", "alertmanager"]);
    let quiet = lab.provision(&["verify", "lab", "--timeout", "3s", "--only", "alertmanager", "--quiet"]);
    vps("docker start koprogo-monitoring-alertmanager-1");
    run.ends_with(7, &[]);
    fails(&run, "alertmanager.container", "exited");
    fails(&run, "alertmanager.ready", "9093");
    assert!(run.stdout.contains("| the last lines of alertmanager:"), "{}", run.stdout);
    assert!(run.stdout.lines().any(|line| line.contains("| ") && line.contains("level=")), "{}", run.stdout);
    quiet.ends_with(7, &[]);
    assert_eq!(quiet.stdout.lines().count(), 1, "{}", quiet.stdout);
    assert!(quiet.stdout.starts_with("vps: FAIL, 0 of 3 checks hold; alertmanager.container: exited"));
    lab.provision(&["verify", "lab", "--only", "alertmanager"]).ends_with(0, &[]);
}

#[test]
fn checks_are_chosen_by_the_names_of_what_runs() {
    let lab = Lab::take();
    let run = lab.provision(&["verify", "lab", "--only", "grafana.logn"]);
    run.ends_with(2, &["no check has such a name", "Did you mean `grafana.login`?"]);
    let run = lab.provision(&["verify", "lab", "--send-test-alert", "--skip", "alertmanager"]);
    run.ends_with(2, &["the stack has no Alertmanager, or --only or --skip leaves it out"]);
}

#[test]
fn the_release_that_runs_is_proved_whatever_the_files_here_say() {
    let lab = Lab::take();
    let running = lab.snapshot().release;
    // Another configuration, and files that cannot even be rendered.
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  memory: {grafana: 331}");
    let run = lab.provision(&["verify", "lab", "--output", "json"]);
    run.ends_with(0, &[]);
    let lines = crate::schema::valid(&run.stdout);
    let of = |event: &str| lines.iter().find(|line| line["event"] == event).unwrap();
    assert_eq!(of("running")["release"], running.as_str());
    let files = lab.provision(&["verify", "lab", "--against-files", "--timeout", "3s"]);
    files.ends_with(7, &[]);
    assert!(files.stdout.contains("`provision plan lab` shows the difference"), "{}", files.stdout);
    fails(&files, "grafana.container", "release");
    lab.edit("stack/monitoring/prometheus/prometheus.yml.tera", "scrape_configs:", "{{ nobody }}");
    lab.provision(&["verify", "lab", "--only", "grafana"]).ends_with(0, &[]);
}

#[test]
fn watching_shows_the_table_once_and_ends_with_ctrl_c() {
    let lab = Lab::take();
    let mut child = lab.spawn(&["verify", "lab", "--watch", "200ms", "--only", "*.ready"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let first = lines.find(|line| line.starts_with("vps: ")).unwrap();
    assert!(first.contains("checks hold"), "{first}");
    // With its time in front: nothing changed, so there is no table.
    let second = lines.find(|line| line.contains("vps: ok, ")).unwrap();
    assert!(second.starts_with("20"), "{second}");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_line_written_on_the_host_is_found_again_as_long_as_somebody_collects() {
    let lab = Lab::take();
    let run = lab.provision(&["verify", "lab", "--only", "loki.canary"]);
    run.ends_with(0, &[]);
    assert!(line(&run, "loki.canary").contains("found under the job docker and journal"), "{}", run.stdout);
    vps("docker stop koprogo-monitoring-alloy-1");
    let run = lab.provision(&["verify", "lab", "--only", "loki.canary", "--timeout", "5s"]);
    run.ends_with(7, &[]);
    fails(&run, "loki.canary", "is not found under the job docker nor journal");
    flood();
    vps("docker start koprogo-monitoring-alloy-1");
    // What waited arrives whole, each line once and ending where its text does.
    wait_for("every line of the flood", Duration::from_secs(90), || lines_of_the_flood() >= 30_000);
    assert_eq!(lines_of_the_flood(), 30_000);
    vps("docker rm -f flood");
    start_flood("--log-driver local", "sleep 3600");
    let run = lab.provision(&["verify", "lab", "--only", "logs.drivers"]);
    vps("docker rm -f flood");
    run.ends_with(7, &[]);
    fails(&run, "logs.drivers", "flood (local)");
}

/// A container that has written 30,000 lines and stays.
fn flood() {
    start_flood(
        "--log-driver json-file --log-opt max-size=50m --log-opt tag='{{.Name}}'",
        "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); \
         echo \"line $i: a container that writes very much in very little time, of the flood\"; done; sleep 3600",
    );
    wait_for("the flood to be written", Duration::from_secs(60), || {
        vps("docker logs --tail 1 flood 2>&1").contains("line 30000:")
    });
}

fn start_flood(logging: &str, script: &str) {
    let image = vps("docker inspect --format '{{.Config.Image}}' koprogo-monitoring-prometheus-1");
    vps(&format!("docker run -d --name flood {logging} --entrypoint sh {} -c '{script}'", image.trim()));
}

fn lines_of_the_flood() -> u64 {
    let query = "sum(count_over_time({container=\"flood\"} |~ `of the flood$` [1h]))";
    let answer = asked(&format!("http://loki:3100/loki/api/v1/query?query={}", percent_encoded(query)));
    let value = answer["data"]["result"][0]["value"][1].as_str();
    value.map_or(0, |value| value.parse().unwrap())
}

/// Whoever reads a service's log for what is wrong must not find what we did.
#[test]
fn a_verify_leaves_no_error_in_the_log_of_what_it_asks() {
    let lab = Lab::take();
    let since = vps("date -u +%Y-%m-%dT%H:%M:%S");
    lab.provision(&["verify", "lab"]).ends_with(0, &[]);
    for service in ["grafana", "loki", "prometheus"] {
        let log = vps(&format!("docker logs --since {}Z koprogo-monitoring-{service}-1 2>&1", since.trim()));
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("level=error")).collect();
        assert!(errors.is_empty(), "{service}: {errors:#?}");
    }
}

/// Runs a command as a step of a workflow.
fn step(lab: &Lab, arguments: &[&str]) -> Run {
    let mut command = lab.command(arguments);
    command
        .env("CI", "true")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", lab.path(""))
        .env("GITHUB_STEP_SUMMARY", lab.path("summary.md"))
        .env("GITHUB_OUTPUT", lab.path("output"));
    Run::from(&command.output().unwrap())
}

#[test]
fn the_workflows_commands_tell_github_what_it_expects() {
    let lab = Lab::take();
    let path = |name: &str| lab.path(name).to_str().unwrap().to_owned();
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  cpu_percent: 83");
    step(&lab, &["check", "lab"]).ends_with(0, &[]);
    step(&lab, &["plan", "lab"]).ends_with(0, &[]);
    let deploy =
        step(&lab, &["deploy", "lab", "--junit", &path("deploy.xml"), "--report", &path("deploy.html")]);
    deploy.ends_with(0, &[]);
    assert!(deploy.stdout.contains("::group::vps: checks") && deploy.stdout.contains("::endgroup::"));
    assert!(!deploy.stdout.contains("::error"));
    let verify = step(&lab, &["verify", "lab", "--junit", &path("verify.xml")]);
    verify.ends_with(0, &[]);
    let read = |name: &str| std::fs::read_to_string(lab.path(name)).unwrap();
    let outputs = read("output");
    let outcomes: Vec<&str> =
        outputs.lines().filter(|l| l.starts_with("outcome=") || l.starts_with("changes=")).collect();
    assert_eq!(
        outcomes,
        [
            "outcome=verified",
            "changes=false",
            "outcome=changes",
            "changes=true",
            "outcome=deployed",
            "changes=true",
            "outcome=verified",
            "changes=false"
        ]
    );
    let releases: std::collections::BTreeSet<&str> =
        outputs.lines().filter(|line| line.starts_with("release=") && line.len() > 8).collect();
    assert_eq!(releases.len(), 1, "{outputs}");
    let summary = read("summary.md");
    for text in ["Plan for vps", "prometheus: reload", "checks hold", "**vps**: deployed"] {
        assert!(summary.contains(text), "{text} is not in\n{summary}");
    }
    assert!(read("deploy.xml").contains("name=\"prometheus.targets\""));
    assert!(read("verify.xml").contains("failures=\"0\""));
    let page = read("deploy.html");
    for text in ["connect", "send", "activate", "settle", "confirm", "Plan for vps"] {
        assert!(page.contains(text), "{text}");
    }
    // As the repository has it again.
    lab.edit("inventory/lab.yml", "\n  cpu_percent: 83", "");
    lab.deploy().ends_with(0, &[]);
}

/// Opens `page` in a browser in frames of these widths and gives of each the width that its content needs,
/// and the browser's complaints.
fn open(lab: &Lab, page: &str, widths: &[u32]) -> (Vec<u32>, String) {
    let harness = format!(
        "<!doctype html><body><script>async function go() {{ const out = []; for (const width of {widths:?}) {{ \
         const frame = document.createElement('iframe'); frame.style.cssText = `border:0;height:900px;width:${{width}}px`; \
         frame.src = '{page}'; await new Promise(done => {{ frame.onload = done; document.body.append(frame); }}); \
         const root = frame.contentDocument.documentElement; \
         out.push(root.scrollWidth > root.clientWidth ? root.scrollWidth : frame.contentDocument.querySelectorAll('.bar').length ? width : 0); }} \
         document.body.innerHTML = '<p id=result>' + out.join(' ') + '</p>'; }} go();</script>"
    );
    std::fs::write(lab.path("harness.html"), harness).unwrap();
    let output = Command::new("timeout")
        .args([
            "90",
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args(["--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=10000"])
        .arg(format!("--user-data-dir={}", lab.path("browser").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", lab.path("harness.html").display()))
        .output()
        .expect("chromium is there: tests/packages.sh browser");
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let result = dom.split_once("<p id=\"result\">").unwrap_or_else(|| panic!("{dom}")).1;
    let result = result.split('<').next().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    let complaints = complaints.lines().filter(|line| line.contains("CONSOLE"));
    (result.split(' ').map(|number| number.parse().unwrap()).collect(), complaints.collect())
}

#[test]
fn a_browser_shows_the_report_narrow_and_wide() {
    let lab = Lab::take();
    lab.edit("inventory/lab.yml", "variables:", "verify: {memory: 1MB}\nvariables:");
    let page = lab.path("verify.html").to_str().unwrap().to_owned();
    let arguments = ["verify", "lab", "--probes", "--skip", "grafana.panels", "--report", &page];
    lab.provision(&arguments).ends_with(7, &[]);
    let (needed, complaints) = open(&lab, &page, &[400, 1400]);
    assert_eq!(needed, [400, 1400], "the page is wider than its window");
    assert_eq!(complaints, "");
}
