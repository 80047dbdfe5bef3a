//! The fault matrix: whatever is pulled, cut or full, a deploy ends at exactly the old release or the new one, and
//! leaves nothing behind. One line a case; each ends with the same questions ([`Matrix::problems`]).

mod cases;
mod faults;
mod look;
mod stack;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use look::Look;
use stack::Shape;

use super::{Lab, ROOT, Run, command_in, vps};

/// What runs when a case is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Old,
    New,
    /// It depends on the instant.
    Either,
}

/// One fault.
struct Case {
    name: String,
    /// Exit codes of the program that are right.
    codes: &'static [i32],
    end: End,
    /// Whether containers that do not change may be started anew: after a reboot.
    restarts: bool,
    /// What the new release is like.
    shape: fn(Shape) -> Shape,
    /// Deploys, and does what the case is about; gives the program's exit code, -9 where it was killed.
    act: Box<dyn Fn(&mut Matrix) -> i32>,
}

impl Case {
    fn new(
        name: impl Into<String>,
        codes: &'static [i32],
        end: End,
        act: impl Fn(&mut Matrix) -> i32 + 'static,
    ) -> Self {
        Self { name: name.into(), codes, end, restarts: false, shape: |shape| shape, act: Box::new(act) }
    }

    fn shaped(self, shape: fn(Shape) -> Shape) -> Self {
        Self { shape, ..self }
    }

    fn restarting(self) -> Self {
        Self { restarts: true, ..self }
    }
}

/// How much is run.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Kills at random instants.
    kills: usize,
    /// Whether each named step has its own kill and its own cut.
    every_step: bool,
    /// Deploys in a row.
    deploys: usize,
}

struct Matrix {
    /// Holds the turn at the VPS, and the real stack's project.
    lab: Lab,
    /// The project of the small stack.
    project: tempfile::TempDir,
    hosts: String,
    image: String,
    shape: Shape,
    /// All values that the secret has had.
    secrets: Vec<String>,
    /// How long a deploy takes that nothing disturbs.
    whole: Duration,
    random: Random,
    rows: String,
    bad: Vec<String>,
}

#[test]
fn faults_in_their_quick_form() {
    run(Size { kills: 6, every_step: false, deploys: 4 });
}

#[test]
#[ignore = "long: make test-all"]
fn faults_in_their_whole_form() {
    let count = |name: &str, count| std::env::var(name).map_or(count, |text| text.parse().unwrap());
    run(Size {
        kills: count("PROVISION_KILLS", 100),
        every_step: true,
        deploys: count("PROVISION_DEPLOYS", 50),
    });
}

fn run(size: Size) {
    let mut matrix = Matrix::new();
    // To look at some cases alone: words of their names, between commas.
    let wanted = std::env::var("PROVISION_CASES").unwrap_or_default();
    let is_wanted = |case: &Case| wanted.split(',').any(|words| case.name.contains(words));
    for case in cases::all(size, &mut matrix.random).iter().filter(|case| is_wanted(case)) {
        matrix.case(case);
    }
    matrix.row("no secret on any disk", "-", "-", 0, &look::hunt());
    faults::remove_stack();
    let name = if size.every_step { "fault-matrix.txt" } else { "fault-matrix-quick.txt" };
    std::fs::write(Path::new(ROOT).join("target").join(name), &matrix.rows).unwrap();
    assert!(matrix.bad.is_empty(), "{}\n{}", matrix.rows, matrix.bad.join("\n"));
}

impl Matrix {
    /// The small stack, deployed for the first time.
    fn new() -> Self {
        let lab = Lab::take();
        faults::heal();
        faults::remove_stack();
        let image = vps("docker ps --filter name=koprogo-monitoring-prometheus --format '{{.Image}}'");
        let lab_file = std::fs::read_to_string(lab.path("inventory/lab.yml")).unwrap();
        let hosts = lab_file.split("deploy:\n").next().unwrap().to_owned();
        let project = tempfile::tempdir().unwrap();
        for folder in ["inventory", "secrets", "stack"] {
            std::fs::create_dir(project.path().join(folder)).unwrap();
        }
        std::fs::write(project.path().join("inventory/all.yml"), "").unwrap();
        for file in ["inventory/lab.known_hosts", "secrets/lab.recipients.txt"] {
            std::fs::copy(lab.path(file), project.path().join(file)).unwrap();
        }
        let seed = std::env::var("PROVISION_SEED").ok().and_then(|seed| seed.parse().ok());
        let random = Random(seed.unwrap_or_else(rand::random));
        let mut matrix = Self {
            lab,
            project,
            hosts,
            image,
            shape: Shape::new(0),
            secrets: Vec::new(),
            whole: Duration::ZERO,
            rows: String::new(),
            bad: Vec::new(),
            random,
        };
        matrix.say(&format!("seed {} (PROVISION_SEED)", matrix.random.0));
        matrix.say("case                                                    exit  ended as  seconds  ok");
        matrix.new_secret();
        matrix.write();
        matrix.deploy().ends_with(0, &[]);
        matrix.next();
        let begun = Instant::now();
        matrix.deploy().ends_with(0, &[]);
        matrix.whole = begun.elapsed();
        matrix.say(&format!("a deploy of three services takes {:.1} s", matrix.whole.as_secs_f64()));
        matrix
    }

    /// Runs a case, asks the questions, prints its line; after one that went wrong the stack is deployed anew.
    fn case(&mut self, case: &Case) {
        let begun = Instant::now();
        let before = Look::take();
        self.next();
        self.shape = (case.shape)(self.shape.clone());
        self.write();
        let code = catch_unwind(AssertUnwindSafe(|| (case.act)(self)));
        let (code, mut problems) = match code {
            Ok(code) => (code, Vec::new()),
            Err(panic) => (i32::MIN, vec![text_of(panic.as_ref())]),
        };
        if !case.codes.contains(&code) {
            problems.push(format!("exit {code}, not {:?}", case.codes));
        }
        faults::heal();
        let after = look::rest();
        problems.extend(self.problems(case, &before, &after));
        let ended = if after.release == before.release { "old" } else { "new" };
        let code = match code {
            -9 => "killed".to_owned(),
            i32::MIN => "-".to_owned(),
            code => code.to_string(),
        };
        self.row(&case.name, &code, ended, begun.elapsed().as_secs(), &problems);
        self.shape = Shape::new(self.shape.mark);
        if !problems.is_empty() {
            self.next();
            if self.deploy().code != 0 {
                faults::remove_stack();
                self.deploy().ends_with(0, &[]);
            }
        }
    }

    /// What is not as it should be.
    fn problems(&mut self, case: &Case, before: &Look, after: &Look) -> Vec<String> {
        let mut problems = Vec::new();
        if after.release == before.release {
            if case.end == End::New {
                problems.push("it is still the old release".to_owned());
            }
            problems.extend(before.differences(after));
        } else {
            if case.end == End::Old {
                problems.push("it is not the old release any more".to_owned());
            }
            // Does the program, asked again, find all as the project has it?
            let plan = self.provision(&["plan", "lab", "--detailed-exitcode"]);
            if plan.code != 0 {
                problems.push(format!("the new release is not whole: {}{}", plan.stdout, plan.stderr));
            }
            problems.extend(after.not_as_declared());
        }
        if !case.restarts && before.started("still") != after.started("still") {
            problems.push("a service that does not change was started anew".to_owned());
        }
        problems.extend(after.left.iter().map(|line| format!("left over: {line}")));
        problems.extend(after.secrets.iter().map(|path| format!("a secret lies in {path}")));
        problems
    }

    fn row(&mut self, name: &str, code: &str, ended: &str, seconds: u64, problems: &[String]) {
        let ok = if problems.is_empty() { "ok" } else { "NOT OK" };
        self.say(&format!("{name:<55} {code:<5} {ended:<9} {seconds:>7}  {ok}"));
        for problem in problems {
            self.say(&format!("    {problem}"));
            self.bad.push(format!("{name}: {problem}"));
        }
    }

    fn say(&mut self, line: &str) {
        // Past the test harness, so that a long run can be watched.
        let _ = writeln!(std::io::stderr(), "{line}");
        let _ = writeln!(self.rows, "{line}");
    }

    /// The next release: another mark and page; every third one has another secret too.
    fn next(&mut self) {
        let mark = self.shape.mark + 1;
        self.shape = Shape { mark, page: mark, ..self.shape.clone() };
        if mark.is_multiple_of(3) {
            self.new_secret();
        }
        self.write();
    }

    fn write(&self) {
        stack::write(self.project.path(), &self.hosts, &self.image, &self.shape);
    }

    /// Another value of the one secret; all values are looked for on the host's disk.
    fn new_secret(&mut self) {
        let value = format!("matrix-{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
        look::fed(
            self.command(&["secrets", "set", "lab", "matrix_token"]).stderr(std::process::Stdio::inherit()),
            &value,
        );
        self.secrets.push(value);
        self.remember_secrets();
    }

    /// In the VPS's memory, which a reboot empties.
    fn remember_secrets(&self) {
        look::vps_fed("umask 077; cat >/dev/shm/matrix-wanted", &(self.secrets.join("\n") + "\n"));
    }

    fn go_straight(&self) {
        let file = "inventory/lab.known_hosts";
        std::fs::copy(self.lab.path(file), self.project.path().join(file)).unwrap();
        self.write();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command_in(self.project.path(), arguments)
    }

    fn provision(&self, arguments: &[&str]) -> Run {
        Run::from(&self.command(arguments).output().unwrap())
    }

    fn deploy(&self) -> Run {
        self.provision(&["deploy", "lab"])
    }

    fn spawn(&self) -> Child {
        self.command(&["deploy", "lab"]).spawn().unwrap()
    }
}

/// A small generator whose seed is printed: a run can be repeated.
struct Random(u64);

impl Random {
    /// Below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % limit
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned()
}

/// Service → the rest of its line.
fn by_service(lines: &[String]) -> BTreeMap<&str, &str> {
    lines.iter().filter_map(|line| line.split_once(' ')).collect()
}
