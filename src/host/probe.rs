//! One exec that looks at a host.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::broken::{Login, broken};
use super::listening::Listening;
use super::{lock, scripts};
use crate::error::{Error, Kind, Result};
use crate::inventory::{Environment, Host};
use crate::plan::{self, Container, Deployed, HostState, ReleaseId};
use crate::ssh::{Output, Session};

/// Looks at the host; changes nothing there.
///
/// # Errors
/// Unreachable when root cannot be had or the answer is not a probe's; failed when what runs there is another
/// environment's or another project's.
pub async fn probe(session: &Session, host: &Host, environment: &Environment) -> Result<HostState> {
    let output = scripts::PROBE.exec(session, host, environment, &[], &[]).await?;
    let state = parse(&output, &Login::of(session)).map_err(|error| error.host(host.name.to_string()))?;
    let of = (environment.project.as_str(), environment.name.as_str());
    plan::owned(&environment.remote.path, &super::layout::records(of.0), of, &state)
        .map_err(|error| error.host(host.name.to_string()))?;
    Ok(state)
}

/// The chosen fields of one container, as the probe's format prints them.
#[derive(Deserialize)]
struct Line {
    service: Option<String>,
    name: String,
    id: String,
    image: String,
    #[serde(default)]
    image_id: String,
    state: String,
    health: String,
    restarts: u32,
    exit_code: i32,
    digest: Option<String>,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    network: String,
    /// Port in the container → where it is published.
    #[serde(default)]
    ports: Option<BTreeMap<String, Option<Vec<Published>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Published {
    host_ip: String,
    host_port: String,
}

impl Published {
    fn address(&self) -> String {
        if self.host_ip.contains(':') {
            format!("[{}]:{}", self.host_ip, self.host_port)
        } else {
            format!("{}:{}", self.host_ip, self.host_port)
        }
    }
}

pub(super) fn parse(output: &Output, login: &Login) -> Result<HostState> {
    let text = escaped(&output.stdout);
    let mut lines = text.lines();
    let complete = lines.next() == Some("provision-probe 1") && text.trim_end().ends_with("\nend");
    if !complete {
        return Err(broken("look at the host", login, output));
    }
    if text.lines().nth(MOST_ENTRIES).is_some() {
        return Err(too_many(login));
    }
    let mut state = HostState::default();
    let mut listening = Listening::default();
    for line in lines {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let pair = || value.split_once(' ').map(|(one, two)| (one.to_owned(), two.to_owned()));
        match key {
            "docker" => state.docker = Some(value.to_owned()),
            "docker-error" => value.trim().clone_into(&mut state.docker_error),
            "api" => state.docker_api = Some(value.to_owned()),
            "docker-root" => state.docker_root = Some(value.to_owned()),
            "security" => {
                state.docker_security.insert(value.to_owned());
            }
            "snap" => state.docker_snap = true,
            "root" => state.root_shared = Some(value == "shared"),
            "gateway" => state.gateway = Some(value.to_owned()),
            "socket-group" => state.socket_group = value.parse().ok(),
            "halfkey" => state.half_key = Some(value.to_owned()),
            "machine" => value.clone_into(&mut state.machine),
            "owner" => state.owner = pair(),
            "moves-from" => state.moves_from = Some(value.to_owned()),
            "linked" => state.linked = Some(value.to_owned()),
            "stack" => state.stacks.extend(stack(value)),
            "readonly" => {
                state.read_only.insert(value.to_owned());
            }
            "free" => free(&mut state, value).ok_or_else(|| broken("look at the host", login, output))?,
            "compose" => state.compose = Some(value.to_owned()),
            "missing" => {
                state.missing_commands.insert(value.to_owned());
            }
            "systemd" => state.systemd = value == "yes",
            "hostkey" => state.host_key = Some(value.to_owned()),
            "current" => state.current = Some(ReleaseId(value.to_owned())),
            "digest" => value.clone_into(&mut state.digest),
            "file" => state.files.extend(pair().map(|(digest, path)| (path, digest))),
            "declared" => state.declared.extend(pair().map(|(digest, path)| (path, digest))),
            "foreign" => {
                state.foreign.insert(value.to_owned());
            }
            "odd" => {
                let odd = pair().and_then(|(digest, name)| Some((path(&hex::decode(name).ok()?), digest)));
                let (path, digest) = odd.ok_or_else(|| broken("look at the host", login, output))?;
                state.foreign.insert(path.clone());
                state.files.insert(path, digest);
            }
            "strangers" => {
                state.strangers =
                    value.trim().parse().map_err(|_| broken("look at the host", login, output))?;
            }
            "part" => state.parts.extend(pair().map(|(digest, name)| (name, digest))),
            "script" => state.scripts.extend(pair().map(|(digest, name)| (name, digest))),
            "fingerprint" => state.fingerprints.extend(pair()),
            "sealed" => state.sealed = Some(value.to_owned()),
            "kept" => {
                state.kept.insert(ReleaseId(value.to_owned()));
            }
            "unsealed" => state.unsealed = value == "yes",
            "network" => {
                state.networks.insert(value.to_owned());
            }
            "listen" => listening.socket(value),
            "holds" => listening.held(value),
            "interrupted" => state.interrupted = Some(value.to_owned()),
            "holder" => state.holder = Some(lock::holder(value)),
            "container" => state
                .containers
                .push(container(value).ok_or_else(|| broken("look at the host", login, output))?),
            _ => {}
        }
    }
    state.listening = listening.taken();
    state.sockets = listening.sockets_of(&state.containers);
    Ok(state)
}

/// A path that the host sent as bytes, so that it is one line of text which shows each of them: what is no text, control
/// characters and the backslash itself are escaped.
fn path(bytes: &[u8]) -> String {
    let mut path = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => path.push_str("\\\\"),
                c if c.is_control() => path.extend(c.escape_default()),
                c => path.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(path, "\\x{byte:02x}");
        }
    }
    path
}

/// The answer as text, where bytes that are none stay apart from each other: they come from names of files.
fn escaped(answer: &[u8]) -> String {
    let mut text = String::new();
    for chunk in answer.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The most lines that a probe's answer has: one a file below the remote folder, a socket, a container.
const MOST_ENTRIES: usize = 100_000;

fn too_many(login: &Login) -> Error {
    Error::new(Kind::Unreachable, "look at the host")
        .cause(format!("its answer has more than {MOST_ENTRIES} entries, which no host has"))
        .hint(format!(
            "What answers may not be what it should be, or a folder of the stack has far too many files: {}",
            login.by_hand.strip_suffix(" true").unwrap_or(&login.by_hand)
        ))
}

/// What is free at a place: "PLACE BYTES FILES", files `-` where their number has no limit.
fn free(state: &mut HostState, value: &str) -> Option<()> {
    let mut words = value.split(' ');
    let (place, bytes, files) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    match place {
        "remote" => state.disk_free = bytes,
        "docker" => state.docker_free = bytes,
        _ => state.run_free = Some(bytes),
    }
    if files != "-" {
        state.inodes.insert(place.to_owned(), files.parse().ok()?);
    }
    Some(())
}

/// Another stack of the host: "PROJECT ENVIRONMENT PATH".
fn stack(value: &str) -> Option<(String, Deployed)> {
    let mut words = value.splitn(3, ' ');
    let (project, environment, path) = (words.next()?, words.next()?, words.next()?);
    let environment = (environment != "-").then(|| environment.to_owned());
    Some((project.to_owned(), Deployed { environment, path: path.to_owned() }))
}

fn container(json: &str) -> Option<Container> {
    let line: Line = serde_json::from_str(json).ok()?;
    let published: Vec<Published> =
        line.ports.unwrap_or_default().into_values().flatten().flatten().collect();
    Some(Container {
        service: line.service.unwrap_or_default(),
        name: line.name.trim_start_matches('/').to_owned(),
        id: line.id,
        image: line.image,
        image_id: line.image_id,
        state: line.state,
        health: line.health,
        restarts: line.restarts,
        exit_code: line.exit_code,
        digest: line.digest.unwrap_or_default(),
        ports: published.iter().filter_map(|published| published.host_port.parse().ok()).collect(),
        pid: line.pid,
        host_network: line.network == "host",
        published: published.iter().map(Published::address).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Socket;

    fn login() -> Login {
        Login { user: "deploy".to_owned(), by_hand: "ssh deploy@vps true".to_owned() }
    }

    fn output(stdout: &str, stderr: &str, status: u32) -> Output {
        Output { stdout: stdout.as_bytes().to_vec(), stderr: stderr.as_bytes().to_vec(), status }
    }

    #[test]
    fn an_answer_is_read() {
        let text = "provision-probe 1\nsystemd yes\nhostkey ssh-ed25519 AAAA\nfree remote 1024 7\nfree docker 2048 -\ncurrent 0123\n\
                    digest dd\nfile aa prometheus/a b.yml\nscript bb lib.sh\nfingerprint smtp ff\nunsealed yes\n\
                    docker 26.1.5\ncontainer {\"service\":\"db\",\"name\":\"/x-db-1\",\"id\":\"1\",\"image\":\"i:1\",\
                    \"state\":\"running\",\"health\":\"\",\"restarts\":0,\"exit_code\":0,\"digest\":null,\
                    \"pid\":77,\"network\":\"host\",\"ports\":{\"80/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"8080\"},\
                    {\"HostIp\":\"::\",\"HostPort\":\"8080\"}],\"81/tcp\":null}}\n\
                    listen 0100007F 0BB9 11\nlisten 00000000000000000000000000000000 238C 12\nholds 77\n\
                    holds 77 12\nend\n";
        let state = parse(&output(text, "", 0), &login()).unwrap();
        assert_eq!(state.docker.as_deref(), Some("26.1.5"));
        assert_eq!(state.files["prometheus/a b.yml"], "aa");
        assert_eq!(state.containers[0].name, "x-db-1");
        assert_eq!(state.containers[0].ports, [8080, 8080]);
        assert_eq!(state.listening, [3001, 9100].into());
        assert_eq!((state.disk_free, state.docker_free, state.run_free), (1024, 2048, None));
        assert_eq!(state.inodes, [("remote".to_owned(), 7)].into());
        assert!(state.unsealed && state.systemd);
        assert_eq!(state.containers[0].published, ["127.0.0.1:8080", "[::]:8080"]);
        assert!(state.containers[0].host_network);
        let socket = Socket { address: "*:9100".to_owned(), pids: vec![77] };
        assert_eq!(state.sockets, Some(vec![socket]));
    }

    #[test]
    fn an_answer_of_a_million_names_is_refused() {
        let names = "foreign a\n".repeat(1_000_000);
        let error = parse(&output(&format!("provision-probe 1\n{names}end\n"), "", 0), &login()).unwrap_err();
        insta::assert_snapshot!(format!("{error}\n{}", error.hints()[0]), @r"
        look at the host: its answer has more than 100000 entries, which no host has
        What answers may not be what it should be, or a folder of the stack has far too many files: ssh deploy@vps
        ");
    }

    #[test]
    fn a_cut_answer_and_sudos_refusal_are_errors() {
        let error = parse(&output("provision-probe 1\nsystemd yes\n", "", 0), &login()).unwrap_err();
        insta::assert_snapshot!(error, @"look at the host: the answer of its login is not whole (exit status 0): \"provision-probe 1 / systemd yes\"");
        let error = parse(&output("", "sudo: a password is required\n", 1), &login()).unwrap_err();
        insta::assert_snapshot!(error, @r#"look at the host: the host said: "sudo: a password is required""#);
        assert!(error.hints()[0].contains("NOPASSWD"));
    }
}
