//! README.md's "Your own server", followed word for word on a server that nothing was deployed to: the commands are those
//! of the page. What a reader brings is here: the edits of step 3, what is typed at a prompt, the browser of step 11.
//!
//! The name lets it come first, when a new lab has no stack yet.

mod reader;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_yaml::Value;

use super::{ROOT, Run, command_in, try_vps, turn, vps};
use reader::{Answer, Reader};

/// A step of the page: its words, and the lines of its code block.
struct Step {
    text: String,
    commands: Vec<String>,
}

/// The numbered steps of a section of a page.
fn steps(page: &str, section: &str) -> Vec<Step> {
    let section = page.split_once(&format!("\n## {section}\n")).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut is_code = false;
    for line in section.lines() {
        let number = format!("{}. ", steps.len() + 1);
        if let Some(rest) = line.strip_prefix(&number) {
            steps.push(Step { text: rest.to_owned(), commands: Vec::new() });
            continue;
        }
        // What belongs to a step is indented as far as its first word; less, and it ends the list for a Markdown reader.
        let indent = format!("{}. ", steps.len()).len();
        let Some(step) = steps.last_mut() else { continue };
        if line.is_empty() {
            continue;
        }
        let inner = line
            .strip_prefix(&" ".repeat(indent))
            .unwrap_or_else(|| panic!("{line:?} is not indented by {indent}"));
        if inner.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            step.commands.push(inner.to_owned());
        } else {
            let _ = write!(step.text, " {inner}");
        }
    }
    steps
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn succeeded(line: &str, run: Run) -> String {
    assert_eq!(run.code, 0, "`{line}` of README.md failed:\n{}{}", run.stdout, run.stderr);
    run.stdout
}

/// A secret of the lab's environment.
fn secret_of_the_lab(name: &str) -> String {
    let output = command_in(Path::new(ROOT), &["secrets", "view", "lab", name]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Takes the stack off the server, as docs/on-the-host.md says; what it does not find is no mistake here.
fn remove_everything() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/on-the-host.md")).unwrap();
    let section = page.split_once("\n## Remove everything\n").unwrap().1;
    let commands = section.split("```").nth(1).unwrap();
    if try_vps("test -d /opt/koprogo/monitoring").status.success() {
        let output = try_vps(commands);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docs/on-the-host.md, Remove everything: {error}");
    }
    let left = vps("docker ps -aq --filter label=com.docker.compose.project=koprogo-monitoring; \
         docker volume ls -q --filter label=com.docker.compose.project=koprogo-monitoring; \
         ls -d /opt/koprogo/monitoring /run/provision/koprogo-monitoring* /etc/systemd/system/provision-koprogo-monitoring* 2>/dev/null || true");
    assert_eq!(left, "", "left after all was removed");
}

/// Step 3: what the page names, and what the lab has in the place of a real server's.
fn describe_the_lab(reader: &Reader) {
    let lab: Value =
        serde_yaml::from_str(&std::fs::read_to_string(Path::new(ROOT).join("inventory/lab.yml")).unwrap())
            .unwrap();
    let file = "inventory/prod.yml";
    let address = lab["hosts"]["vps"]["address"].as_str().unwrap();
    // Address, user, domain, mail.
    reader.edit(file, "address: 203.0.113.10", &format!("address: {address}"));
    reader.edit(file, "user: deploy", "user: deploy");
    reader.edit(file, "domain: koprogo.example.com", "domain: koprogo.lab");
    reader.edit(file, "ops@example.com", "ops@koprogo.lab");
    reader.edit(file, "smtp.gmail.com:587", "mail.lab:587");
    reader.edit(file, "alertmanager@koprogo.com", "alertmanager@koprogo.lab");
    let mut text = std::fs::read_to_string(reader.project().join(file)).unwrap();
    let written: Value = serde_yaml::from_str(&text).unwrap();
    // The variables are the last of the file's maps.
    for (name, value) in lab["variables"].as_mapping().unwrap() {
        if written["variables"].get(name).is_none() {
            // JSON is YAML of one line.
            let _ = writeln!(text, "  {}: {}", name.as_str().unwrap(), serde_json::to_string(value).unwrap());
        }
    }
    let _ = writeln!(text, "deploy: {}", serde_json::to_string(&lab["deploy"]).unwrap());
    std::fs::write(reader.project().join(file), text).unwrap();
}

/// The answer to a GET of Grafana at an address that the tunnel printed.
fn get(address: &str, path: &str, user: &str) -> String {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let login = base64::prelude::BASE64_STANDARD.encode(user);
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Step 11: what the tunnel prints leads to Grafana, and the secret opens it.
fn opens_grafana(reader: &Reader, tunnel: &str, view: &str) {
    // `exec`: Ctrl-C is for the program itself.
    let mut child =
        reader.command("sh", &["-c", &format!("exec {tunnel}")]).stdin(Stdio::null()).spawn().unwrap();
    let mut printed = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let _ = writeln!(printed, "{line}");
        if line.contains("Ctrl-C") {
            break;
        }
    }
    let address = |service: &str| {
        let line = printed.lines().find(|line| line.split_whitespace().next() == Some(service));
        let line = line.unwrap_or_else(|| panic!("no {service} in\n{printed}"));
        line.split_whitespace().last().unwrap().to_owned()
    };
    let password = reader.does(view);
    let user = format!("admin:{}", password.trim_end());
    let dashboards = get(&address("grafana"), "/api/search?type=dash-db", &user);
    for service in ["prometheus", "alertmanager"] {
        let ready = get(&address(service), "/-/ready", "");
        assert!(ready.contains(" 200 "), "{service}: {ready}");
    }
    let ended = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let until = Instant::now() + Duration::from_secs(10);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "Ctrl-C does not end the tunnel");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(dashboards.contains(" 200 ") && dashboards.contains("koprogo-overview"), "{dashboards}");
}

#[test]
fn the_readme_leads_from_a_bare_server_to_grafana() {
    let _turn = turn();
    remove_everything();
    let reader = Reader::new();
    let page = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let steps = steps(&page, "Your own server");
    assert_eq!(steps.len(), 11, "the steps are others: this test has to follow them");
    let mut key = String::new();
    for (number, step) in (1..).zip(&steps) {
        let commands: Vec<&str> = step.commands.iter().map(String::as_str).collect();
        match (number, commands.as_slice()) {
            (1, [keygen]) => {
                let printed = reader.does(keygen);
                key = printed.lines().find(|line| line.starts_with("age1")).unwrap().to_owned();
            }
            (2, [add]) => {
                assert!(add.contains("age1…"), "{add}");
                reader.does(&add.replace("age1…", &key));
            }
            (3, []) => {
                assert!(quoted(&step.text).contains(&"inventory/prod.yml"), "{}", step.text);
                describe_the_lab(&reader);
            }
            (4, commands) => {
                assert_eq!(commands.len(), 4, "{commands:?}");
                for command in commands {
                    if command.contains("--generate") {
                        reader.does(command);
                        continue;
                    }
                    // One is typed, the other comes from a pipe: the page names both ways.
                    let name = command.split_whitespace().nth(4).unwrap();
                    let value = secret_of_the_lab(name);
                    let run = if name == "smtp_password" {
                        reader.typed(
                            command,
                            &["value of smtp_password", "same again"].map(|question| Answer {
                                question,
                                text: &value,
                                is_hidden: true,
                            }),
                        )
                    } else {
                        reader.fed(command, &value)
                    };
                    let printed = succeeded(command, run);
                    assert!(!printed.contains(&value), "the secret was shown: {printed}");
                }
            }
            (6, [trust]) => {
                let fingerprint = vps("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
                let printed = succeeded(
                    trust,
                    reader.typed(trust, &[Answer { question: "[y/N]", text: "y", is_hidden: false }]),
                );
                let fingerprint = fingerprint.split(' ').nth(1).unwrap();
                assert!(printed.contains(fingerprint), "{fingerprint} is not in {printed}");
            }
            (8, []) => {
                let files = quoted(&step.text).join(" ");
                reader.does(&format!("git add {files} && git commit -qm 'The server'"));
                assert_eq!(reader.does("git status --porcelain"), "", "the page forgets a file");
            }
            (9, [plan, deploy]) => {
                let printed = reader.does(plan);
                assert!(printed.contains("prometheus"), "{printed}");
                reader.does(deploy);
                let again = reader.does(deploy);
                assert!(again.contains("nothing was touched"), "{again}");
            }
            (11, [tunnel, view]) => opens_grafana(&reader, tunnel, view),
            (5 | 7 | 10, [command]) => {
                reader.does(command);
            }
            _ => panic!("step {number} has other commands than this test follows: {commands:?}"),
        }
    }
    // The server is the lab's again: its next deploy is a first one, and the exporter's role has its password.
    remove_everything();
    let output = command_in(Path::new(ROOT), &["bootstrap", "lab"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
