//! What a service that was taken over comes to: secrets of others, and docker's socket.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::leaks::READERS;
use super::{Lab, container, vps};

const HUNT: &str = include_str!("hunt.sh");

/// The services of the stack, and how their containers were made.
fn containers() -> BTreeMap<String, serde_json::Value> {
    let text = vps(
        "docker ps -q --filter label=com.docker.compose.project=koprogo-monitoring | xargs docker inspect",
    );
    let list: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let name = |one: &serde_json::Value| {
        one["Config"]["Labels"]["com.docker.compose.service"].as_str().unwrap().to_owned()
    };
    list.into_iter().map(|one| (name(&one), one)).collect()
}

/// Hunts by a command of the VPS that has a shell, and gives what was found.
fn hunt(command: &[&str], wanted: &[&str]) -> Vec<String> {
    let mut child = Command::new("docker")
        .args(["exec", "-i", &container("vps")])
        .args(command)
        .args(["sh", "-c", HUNT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(wanted.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    // The application's own copies, of its database's password and its token, are not ours.
    found.lines().filter(|line| !line.contains("/opt/koprogo/app")).map(str::to_owned).collect()
}

/// Hunts as a service: in a container of an image that has a shell, with that service's user, capabilities, mounts
/// and processes. Most images have no shell to be taken over with; who takes one over brings a program of his own.
fn hunt_as(service: &serde_json::Value, image: &str, wanted: &[&str]) -> Vec<String> {
    let host = &service["HostConfig"];
    let id = service["Id"].as_str().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut arguments: Vec<String> = [
        "docker",
        "run",
        "--rm",
        "-i",
        "--pull",
        "never",
        "--network",
        "none",
        "--tmpfs",
        "/tmp:mode=1777",
        "--volumes-from",
        id,
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.extend(["--user".to_owned(), text(&service["Config"]["User"])]);
    for (option, key) in
        [("--cap-drop", "CapDrop"), ("--cap-add", "CapAdd"), ("--security-opt", "SecurityOpt")]
    {
        for value in host[key].as_array().into_iter().flatten() {
            arguments.extend([option.to_owned(), text(value)]);
        }
    }
    if host["PidMode"] == "host" {
        arguments.extend(["--pid".to_owned(), "host".to_owned()]);
    }
    arguments.extend(["--entrypoint".to_owned(), "env".to_owned(), image.to_owned()]);
    hunt(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), wanted)
}

#[test]
fn nobody_but_their_readers_comes_to_the_secrets_or_to_dockers_socket() {
    let lab = Lab::take();
    let values: BTreeMap<&str, (&str, String)> = READERS
        .iter()
        .map(|(name, service, _)| {
            let value = lab.provision(&["secrets", "view", "lab", name]).stdout.trim().to_owned();
            assert!(value.len() >= 16, "{name} is too short to look for");
            (*name, (*service, value))
        })
        .collect();
    let all: Vec<&str> = values.values().map(|(_, value)| value.as_str()).collect();
    let image = vps("docker inspect -f '{{.Config.Image}}' koprogo-frontend");
    let services = containers();
    assert_eq!(services.len(), 9, "{:?}", services.keys());

    // The hunt finds what can be found: as root of the host, and as a service finds its own.
    let planted = format!("PLANTED={}", all[0]);
    let found = hunt(&["env", &planted], &all);
    for (_, service, file) in READERS {
        let file = format!("/run/provision/koprogo-monitoring/{service}/{file}");
        assert!(found.contains(&file), "{file} is not found");
    }
    assert!(found.iter().any(|line| line.ends_with("/environ")), "no environment is found");
    assert!(found.contains(&"/run/docker.sock".to_owned()), "docker's socket is not found");
    let own = hunt_as(&services["grafana"], &image, &all);
    assert!(own.contains(&"/run/secrets/admin_password".to_owned()), "{own:?}");
    let own = hunt_as(&services["socket-proxy"], &image, &all);
    assert!(own.contains(&"/run/docker.sock".to_owned()), "{own:?}");

    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let mut came: BTreeMap<String, Vec<String>> = std::thread::scope(|scope| {
        let hunts: Vec<_> = services
            .iter()
            .map(|(name, service)| {
                let others =
                    values.values().filter(|(reader, _)| reader != name).map(|(_, value)| value.as_str());
                let (others, image) = (others.collect::<Vec<_>>(), &image);
                (name, scope.spawn(move || hunt_as(service, image, &others)))
            })
            .collect();
        hunts.into_iter().map(|(name, hunt)| (name.clone(), hunt.join().unwrap())).collect()
    });
    // It has the socket: what it lets through is its own matter.
    came.get_mut("socket-proxy").unwrap().retain(|line| !line.ends_with("/docker.sock"));
    // The application's backend is that user as well, and has its own copy of its token.
    let backend = format!("/proc/{}/", vps("docker inspect -f '{{.State.Pid}}' koprogo-backend"));
    let mut found = hunt(&nobody, &all);
    found.retain(|line| !line.starts_with(&backend));
    came.insert("nobody, on the host".to_owned(), found);
    came.retain(|_, found| !found.is_empty());
    assert!(came.is_empty(), "{came:#?}");
}
