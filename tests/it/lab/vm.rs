//! The stack on a machine with a kernel of its own: Debian's, under qemu (`tests/lab/lab.sh vm`). There control groups are of
//! version 2, a reboot is one, and power can be lost. Without hardware acceleration it takes a quarter of an hour.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::interruptions::until;
use super::{ROOT, Run, command_in, copy_of_project, turn, wait_for};

const RECORDS: &str = "/var/lib/provision/koprogo-monitoring/records";

/// Runs one of the lab's commands for the machine; it has to succeed.
fn lab(arguments: &[&str]) {
    let command = Command::new(format!("{ROOT}/tests/lab/lab.sh"))
        .arg("vm")
        .args(arguments)
        .stdout(Stdio::null())
        .status();
    assert!(command.unwrap().success(), "lab.sh vm {arguments:?} failed");
}

/// Runs a shell line as root in the machine; `None` where it fails, or the machine does not answer.
fn asked(line: &str) -> Option<String> {
    let script = format!("{ROOT}/tests/lab/lab.sh");
    let output =
        Command::new(script).args(["vm", "exec", "sh", "-c", line]).stdin(Stdio::null()).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn machine(line: &str) -> String {
    asked(line).unwrap_or_else(|| panic!("`{line}` failed in the virtual machine"))
}

fn provision(project: &Path, arguments: &[&str]) -> Run {
    Run::from(&command_in(project, arguments).output().unwrap())
}

/// What Prometheus in the machine answers a query.
fn series(query: &str) -> serde_json::Value {
    let answer = machine(&format!(
        "docker exec koprogo-monitoring-prometheus-1 wget -q -T 60 -O - 'http://127.0.0.1:9090/api/v1/query?query={}'",
        super::percent_encoded(query)
    ));
    serde_json::from_str::<serde_json::Value>(&answer).unwrap()["data"]["result"].clone()
}

fn edit(project: &Path, from: &str, to: &str) {
    let file = project.join("inventory/vm.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// For what takes as long as the machine takes.
const PATIENCE: Duration = Duration::from_secs(900);

/// The measured times.
struct Clock {
    begun: Instant,
    last: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { begun: Instant::now(), last: Instant::now() }
    }

    #[allow(clippy::print_stdout, reason = "shown with --nocapture")]
    fn took(&mut self, what: &str) {
        println!("{what}: {} s (in all {} s)", self.last.elapsed().as_secs(), self.begun.elapsed().as_secs());
        self.last = Instant::now();
    }
}

#[test]
#[ignore = "boots a machine without hardware acceleration: a quarter of an hour"]
fn the_stack_on_a_machine_of_its_own_survives_a_reboot_and_a_power_loss() {
    let _turn = turn();
    let mut clock = Clock::start();
    lab(&["up"]);
    clock.took("made, booted, the application runs");
    let project = copy_of_project();
    let project = project.path();

    provision(project, &["deploy", "vm"]).ends_with(0, &[]);
    clock.took("first deploy, all checks hold");
    let again = provision(project, &["deploy", "vm"]);
    again.ends_with(0, &[]);
    assert!(again.stdout.contains("nothing was touched"), "{}", again.stdout);
    clock.took("deploy with nothing to change");

    assert_eq!(machine("stat -f -c %T /sys/fs/cgroup"), "cgroup2fs");
    let services = services_with_their_limits();
    every_container_is_measured(services);
    what_it_costs_is_measured(project);
    clock.took("limits, cAdvisor, verify --probes");

    lab(&["reboot"]);
    wait_for("the stack to be back after the reboot", PATIENCE, || verifies(project));
    clock.took("rebooted, back and proved");

    power_is_lost_in_the_middle_of_a_deploy(project);
    clock.took("power lost while it settled, back and proved");
    lab(&["down"]);
}

fn verifies(project: &Path) -> bool {
    provision(project, &["verify", "vm", "--timeout", "60s"]).code == 0
}

/// The kernel has the limits that the compose file asks for. Gives how many services there are.
fn services_with_their_limits() -> usize {
    let limits = machine(
        "for id in $(docker ps -q --no-trunc --filter label=com.docker.compose.project=koprogo-monitoring); do
           pid=$(docker inspect -f '{{.State.Pid}}' $id); group=$(sed -n 's/^0:://p' /proc/$pid/cgroup)
           echo $(docker inspect -f '{{index .Config.Labels \"com.docker.compose.service\"}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}' $id) \
                $(cat /sys/fs/cgroup$group/memory.max /sys/fs/cgroup$group/pids.max)
         done",
    );
    for line in limits.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, memory, pids, memory_max, pids_max] = words[..] else { panic!("{line}") };
        assert!(memory != "0" && memory == memory_max && pids == pids_max, "{line}");
    }
    assert_eq!(limits.lines().count(), 9, "{limits}");
    limits.lines().count()
}

/// cAdvisor sees each container, with figures that are none of a missing control group.
fn every_container_is_measured(services: usize) {
    for metric in
        ["container_memory_working_set_bytes", "container_cpu_usage_seconds_total", "container_memory_rss"]
    {
        let query =
            format!("{metric}{{container_label_com_docker_compose_project=\"koprogo-monitoring\"}} > 0");
        wait_for(&format!("{metric} of all services"), PATIENCE, || {
            series(&query).as_array().map(Vec::len) == Some(services)
        });
    }
}

/// The budget of CPU time is for a machine of usual speed: that it is measured is what counts here.
#[allow(clippy::print_stdout, reason = "shown with --nocapture")]
fn what_it_costs_is_measured(project: &Path) {
    let probes = provision(project, &["verify", "vm", "--probes"]);
    assert!([0, 7].contains(&probes.code), "{}", probes.stderr);
    for (name, unit) in [("overhead.memory", "MB"), ("overhead.cpu", "%"), ("overhead.disk", "MB")] {
        let line = probes.stdout.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("no {name}:\n{}", probes.stdout));
        assert!(line.contains(unit) && line.contains("prometheus"), "{line}");
        println!("{line}");
    }
}

/// The deploy changes the password of a role in the database as well: the way back has to set that again.
fn power_is_lost_in_the_middle_of_a_deploy(project: &Path) {
    let release = machine(&format!("cat {RECORDS}/current"));
    provision(project, &["secrets", "set", "vm", "postgres_exporter_password", "--generate"])
        .ends_with(0, &[]);
    edit(project, "variables:", "variables:\n  memory: {grafana: 300}");
    let mut child = command_in(project, &["deploy", "vm"]).spawn().unwrap();
    until(&mut child, "settle ");
    lab(&["power-loss"]);
    child.kill().unwrap();
    child.wait().unwrap();
    lab(&["start"]);
    wait_for("the machine to end the activation by its way back", PATIENCE, || {
        asked(&format!("flock -n {RECORDS}/lock true && ! ls {RECORDS} | grep -q '^activation'")).is_some()
    });
    assert_eq!(machine(&format!("cat {RECORDS}/current")), release);
    let pristine = copy_of_project();
    wait_for("the old release to be proved", PATIENCE, || verifies(pristine.path()));
}
