//! Against OpenSSH's own server, agent and keys.

use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::agent::Agent;
use super::sshd::Sshd;
use super::{Machine, host, key, known_line, user};
use crate::ssh::{Command, Line, connect};

pub(super) fn keygen(args: &[&str], dir: &Path) {
    let output = Process::new("ssh-keygen").args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_command_gets_its_arguments_and_stdin_and_gives_output_and_status() {
    let machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    let session = machine.connect(&host(sshd.port)).await.unwrap();
    let command =
        Command::script("printf '%s,' \"$@\"; cat; echo oops >&2; exit 3").arg("it's").arg("").arg("a\n");
    let output = session.exec(&command, b"payload".to_vec()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "it's,,a\n,payload");
    assert_eq!((output.stderr.as_slice(), output.status), (b"oops\n".as_slice(), 3));

    let mut lines = session
        .stream(&Command::script("while read -r x; do echo \"<$x>\"; done"), b"1\n2\n".to_vec())
        .await
        .unwrap();
    assert_eq!(lines.next().await.unwrap(), Some(Line::Out("<1>".to_owned())));
    assert_eq!(lines.next().await.unwrap(), Some(Line::Out("<2>".to_owned())));
    assert_eq!(lines.status().await.unwrap(), 0);
    timeout(Duration::from_secs(10), session.close()).await.unwrap();
}

#[tokio::test]
async fn fifteen_megabytes_go_in_while_as_many_come_out() {
    let machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    let session = machine.connect(&host(sshd.port)).await.unwrap();
    let payload: Vec<u8> = (0..15 * 1024 * 1024_u32).map(|i| (i % 251) as u8).collect();
    let command = Command::script("cat");
    let run = session.exec(&command, payload.clone());
    let output = timeout(Duration::from_secs(60), run).await.expect("stalled").unwrap();
    assert!(output.stdout == payload && output.status == 0);
}

#[tokio::test]
async fn a_port_of_the_host_is_a_byte_stream_here() {
    let machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.unwrap();
        got.reverse();
        stream.write_all(&got).await.unwrap();
    });
    let session = machine.connect(&host(sshd.port)).await.unwrap();
    let mut stream = session.forward(port).await.unwrap();
    drop(session);
    stream.write_all(b"abc").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"cba");
}

#[tokio::test]
async fn sshd_s_own_refusal_to_forward_is_understood() {
    let machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "AllowTcpForwarding no");
    machine.know(sshd.port, &key(9));
    let session = machine.connect(&host(sshd.port)).await.unwrap();
    let error = session.forward(80).await.err().unwrap();
    assert!(error.hints()[0].contains("AllowTcpForwarding"), "{error}");
}

#[tokio::test]
async fn an_agent_signs_also_for_a_key_file_that_is_encrypted() {
    let mut machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    let _agent = Agent::start(&mut machine, "id");
    machine.write_key("id", &key(1).encrypt(&mut rand::rng(), "secret").unwrap());
    machine.connect(&host(sshd.port)).await.unwrap();
    let mut host = host(sshd.port);
    host.identity_file = None;
    machine.connect(&host).await.unwrap();
}

#[tokio::test]
async fn rsa_keys_and_old_pem_files_log_in() {
    let machine = Machine::new();
    let dir = machine.dir.path().to_path_buf();
    keygen(&["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", "rsa"], &dir);
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    std::fs::copy(dir.join("rsa.pub"), dir.join("sshd.authorized")).unwrap();
    let mut host = host(sshd.port);
    host.identity_file = Some("rsa".into());
    machine.connect(&host).await.unwrap();
}

#[tokio::test]
async fn certificates_identify_us_and_the_host() {
    let machine = Machine::new();
    let dir = machine.dir.path().to_path_buf();
    machine.write_key("ca", &key(5));
    machine.write_key("sshd.host", &key(9));
    machine.write_key("id", &key(2));
    keygen(&["-q", "-s", "ca", "-I", "ana", "-n", &user(), "id.pub"], &dir);
    keygen(&["-q", "-s", "ca", "-I", "vps", "-h", "-n", "127.0.0.1", "sshd.host.pub"], &dir);
    let more = format!("TrustedUserCAKeys {0}/ca.pub\nHostCertificate {0}/sshd.host-cert.pub", dir.display());
    let sshd = Sshd::start(&machine, "sshd", &key(9), &more);
    let ca = |seed| format!("@cert-authority {}", known_line(sshd.port, &key(seed)));
    machine.known(&ca(5));
    machine.connect(&host(sshd.port)).await.unwrap();
    // Another authority than the one that signed.
    machine.known(&ca(6));
    let error = machine.refused(&host(sshd.port)).await;
    assert!(error.causes()[0].contains("is not known"), "{error}");
    // A certificate for another name.
    keygen(&["-q", "-s", "ca", "-I", "vps", "-h", "-n", "other.example", "sshd.host.pub"], &dir);
    drop(sshd);
    let sshd = Sshd::start(&machine, "sshd", &key(9), &more);
    machine.known(&format!("@cert-authority {}", known_line(sshd.port, &key(5))));
    let error = machine.refused(&host(sshd.port)).await;
    assert!(error.causes()[1].contains("it is for \"other.example\", not for 127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_host_behind_a_jump_host_is_reached_and_both_keys_are_checked() {
    let machine = Machine::new();
    let gate = Sshd::start(&machine, "gate", &key(8), "");
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    let mut behind = host(sshd.port);
    behind.jump = Some(format!("{}@127.0.0.1:{}", user(), gate.port));
    machine.known(&(known_line(gate.port, &key(8)) + &known_line(sshd.port, &key(9))));
    let session = machine.connect(&behind).await.unwrap();
    let output = session.exec(&Command::script("echo \"$SSH_CONNECTION\""), Vec::new()).await.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(&sshd.port.to_string()));
    session.close().await;
    machine.known(&(known_line(gate.port, &key(8)) + &known_line(sshd.port, &key(3))));
    assert_eq!(machine.refused(&behind).await.causes()[0], "the host's key has changed");
    // A jump host whose key has changed is what trusting is about, too.
    machine.known(&(known_line(gate.port, &key(3)) + &known_line(sshd.port, &key(9))));
    assert_eq!(machine.refused(&behind).await.causes()[0], "the host's key has changed");
    let offered = connect::look(&behind, &machine.options(), &machine.around).await.unwrap();
    assert_eq!(offered.name, format!("[127.0.0.1]:{}", gate.port));
    assert!(matches!(offered.standing, crate::ssh::Standing::Changed(_)));
    machine.known(&known_line(sshd.port, &key(9)));
    assert!(machine.refused(&behind).await.causes()[0].contains("is not known"));
    // Trusting goes hop by hop.
    machine.known("");
    for expected in [&gate, &sshd] {
        let offered = connect::look(&behind, &machine.options(), &machine.around).await.unwrap();
        assert_eq!(offered.name, format!("[127.0.0.1]:{}", expected.port));
        let known = std::fs::read_to_string(machine.path("inventory/lab.known_hosts")).unwrap();
        machine.known(&format!("{known}{}\n", offered.line));
    }
    machine.connect(&behind).await.unwrap();
}

#[tokio::test]
async fn openssh_s_configuration_is_honoured() {
    let mut machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    let known = machine.write("known", &known_line(sshd.port, &key(9)));
    let config = format!(
        "Host web\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        sshd.port,
        user(),
        machine.path("id").display(),
        known.display(),
    );
    machine.around.config = Some(machine.write("config", &config));
    machine.around.client = Some("ssh".into());
    let mut host = host(sshd.port);
    host.address = "web".to_owned();
    (host.port, host.user, host.identity_file) = (None, None, None);
    let session = machine.connect(&host).await.unwrap();
    assert_eq!(session.exec(&Command::script("exit 0"), Vec::new()).await.unwrap().status, 0);

    machine.write("config", &format!("{config}  ProxyCommand no-such-program\n"));
    assert!(machine.refused(&host).await.causes()[0].contains("handshake"));
    machine.write("config", "Nonsense yes\n");
    assert_eq!(machine.refused(&host).await.kind(), crate::error::Kind::Usage);
}
