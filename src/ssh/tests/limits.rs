//! Nothing waits without a limit, and the error names it: a server that falls silent after each step, an agent, a shell.

use std::net::TcpListener;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::server::{Play, serve};
use super::sshd::Sshd;
use super::{Machine, host, key};
use crate::error::Error;
use crate::ssh::session::Session;
use crate::ssh::{Command, Options};

const SHORT: Duration = Duration::from_secs(1);

impl Machine {
    fn brief(&self) -> Options {
        Options { connect_timeout: SHORT, ..self.options() }
    }

    async fn briefly(&self, port: u16) -> crate::error::Result<Session> {
        let (host, options) = (host(port), self.brief());
        let connected = Session::connect_from(&host, &options, &self.around);
        timeout(Duration::from_secs(20), connected).await.expect("waits without a limit")
    }
}

async fn silent(play: Play) -> (Machine, u16, crate::error::Result<Session>) {
    let machine = Machine::new();
    let port = serve(play, vec![key(9)]).await;
    machine.know(port, &key(9));
    let session = machine.briefly(port).await;
    (machine, port, session)
}

/// The cause alone: the hints are in other snapshots.
fn cause(machine: &Machine, error: &Error, port: u16) -> String {
    machine.told(error, &[port]).lines().filter(|line| line.starts_with("  ")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_server_that_says_its_version_and_no_more() {
    let machine = Machine::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-Silent\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let error = machine.briefly(port).await.err().unwrap();
    insta::assert_snapshot!(cause(&machine, &error, port), @"  a connection was made, but the SSH handshake was not over within 1 s");
}

#[tokio::test]
async fn a_server_that_does_not_answer_to_a_key() {
    let (machine, port, session) = silent(Play::SilentLogin).await;
    insta::assert_snapshot!(cause(&machine, &session.err().unwrap(), port), @r"
    the login did not come to an end
    no answer to DIR/id (ssh-ed25519 SHA256:fe85JkIjo8VPe+XqXJGH5Mau1EMFdK1OdKvJUFicyA8) within 1 s
    ");
}

#[tokio::test]
async fn a_server_that_opens_no_channel() {
    let (machine, port, session) = silent(Play::SilentOpen).await;
    let session = session.unwrap();
    let command = Command::script(":");
    let ran = timeout(Duration::from_secs(20), session.exec(&command, Vec::new())).await;
    let error = ran.expect("waits without a limit").unwrap_err();
    insta::assert_snapshot!(cause(&machine, &error, port), @"  sshd opened no channel within 1 s");
}

#[tokio::test]
async fn a_port_of_the_host_that_does_not_accept() {
    let (machine, port, session) = silent(Play::StatusFirst).await;
    let session = session.unwrap();
    let opened = timeout(Duration::from_secs(20), session.forward(3)).await;
    let error = opened.expect("waits without a limit").err().unwrap();
    insta::assert_snapshot!(cause(&machine, &error, port), @"  127.0.0.1:3 there accepts no connection within 1 s");
}

#[tokio::test]
async fn a_command_that_is_taken_and_never_begun() {
    let (machine, port, session) = silent(Play::SilentCommand).await;
    let session = session.unwrap();
    let command = Command::script(":").silent_for(SHORT);
    let error = session.exec(&command, Vec::new()).await.unwrap_err();
    insta::assert_snapshot!(machine.told(&error, &[port]), @r"
    Unreachable on vps
    failed to run a command
      the host has said nothing for 1 s
    hint: What the login shell runs may wait for something, or the host is overloaded. Try: ssh -p PORT USER@127.0.0.1 true
    ");
    let mut lines = session.stream(&command, Vec::new()).await.unwrap();
    let error = lines.next().await.unwrap_err();
    assert!(error.to_string().contains("has said nothing for 1 s"), "{error}");
}

#[tokio::test]
async fn a_login_shell_that_sleeps() {
    let machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "ForceCommand sleep 600");
    machine.know(sshd.port, &key(9));
    let session = machine.connect(&host(sshd.port)).await.unwrap();
    let command = Command::script("echo here").silent_for(SHORT);
    let error = session.exec(&command, Vec::new()).await.unwrap_err();
    assert_eq!(error.causes()[0], "the host has said nothing for 1 s");
    let mut lines = session.stream(&command, Vec::new()).await.unwrap();
    assert_eq!(lines.next().await.unwrap_err().causes()[0], "the host has said nothing for 1 s");
}

#[tokio::test]
async fn a_command_that_has_begun_may_be_silent() {
    let machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    let session = machine.connect(&host(sshd.port)).await.unwrap();
    // The limit is for the beginning, which takes its time on a busy machine.
    let command = Command::script("sleep 5; echo out; echo >&2").silent_for(SHORT * 4);
    let mut lines = session.stream(&command, Vec::new()).await.unwrap();
    assert_eq!(lines.next().await.unwrap(), Some(crate::ssh::Line::Out("out".to_owned())));
    assert_eq!(lines.next().await.unwrap(), Some(crate::ssh::Line::Err(String::new())));
    assert_eq!(lines.status().await.unwrap(), 0);
}

#[tokio::test]
async fn an_agent_that_never_answers_does_not_hold_up_a_key_file() {
    let mut machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    let socket = machine.path("agent.sock");
    // The kernel takes the connection; nobody reads from it.
    let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    machine.around.agent = Some(socket);
    machine.briefly(sshd.port).await.unwrap();
    machine.write_key("id", &key(2));
    let error = machine.briefly(sshd.port).await.err().unwrap();
    insta::assert_snapshot!(machine.told(&error, &[sshd.port]), @r"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      the host accepted none of our keys
      the agent at DIR/agent.sock: no answer within 1 s
      DIR/id (ssh-ed25519 SHA256:4A9jyZBOhnKZvcGQ6TRFbf5Gymb41AfYvYaVmWHD+G4): refused
      the host would take: publickey
    hint: The public half of one of the keys must be in ~/.ssh/authorized_keys of USER on the host.
    hint: Why it refused a key is in sshd's log on the host: journalctl -u ssh -n 20
    hint: Set `identity_file:` and `user:` for the host in the inventory, or add the key to ssh-agent.
    ");
}

#[tokio::test]
async fn a_proxy_command_that_never_answers() {
    let mut machine = Machine::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    machine.around.config =
        Some(machine.write("config", "Host *\n  ProxyCommand sh -c 'echo waiting for %h >&2; sleep 600'\n"));
    machine.around.client = Some("ssh".into());
    let error = machine.briefly(port).await.err().unwrap();
    insta::assert_snapshot!(machine.told(&error, &[port]), @r#"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      a connection was made, but the SSH handshake was not over within 1 s
      its ProxyCommand said: "waiting for 127.0.0.1"
    hint: The host may be overloaded, or what listens on that port is not an SSH server.
    hint: The connection goes through a ProxyCommand; try it by hand: sh -c 'echo waiting for 127.0.0.1 >&2; sleep 600'
    "#);
}

#[tokio::test]
async fn a_login_waits_for_the_word_that_it_may_be_tried() {
    let machine = Machine::new();
    let port = serve(Play::SilentLogin, vec![key(9)]).await;
    machine.know(port, &key(9));
    let host = host(port);
    let (may, wait) = tokio::sync::watch::channel(false);
    let options = Options { before_login: Some(wait), ..machine.brief() };
    let connecting = Session::connect_from(&host, &options, &machine.around);
    tokio::pin!(connecting);
    // A login that is tried ends within SHORT at this server.
    assert!(timeout(SHORT * 2, &mut connecting).await.is_err(), "it did not wait");
    may.send(true).unwrap();
    let error = timeout(Duration::from_secs(20), connecting).await.unwrap().err().unwrap();
    assert!(cause(&machine, &error, port).contains("within 1 s"), "{error}");

    let (nobody, wait) = tokio::sync::watch::channel(false);
    let options = Options { before_login: Some(wait), ..machine.brief() };
    drop(nobody);
    let error = Session::connect_from(&host, &options, &machine.around).await.err().unwrap();
    insta::assert_snapshot!(cause(&machine, &error, port), @"  nobody wants the connection any more");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    for play in [Play::Yes, Play::OneLine] {
        let (machine, port, session) = silent(play).await;
        let ran =
            timeout(Duration::from_secs(60), session.unwrap().exec(&Command::script(":"), Vec::new())).await;
        let error = ran.expect("reads without a limit").unwrap_err();
        if play == Play::Yes {
            let told = machine.told(&error, &[port]);
            let told = told.replace(&"y / ".repeat(75), "y … ");
            insta::assert_snapshot!(told, @r#"
            Unreachable on vps
            failed to run a command
              the host answered more than 16 MiB, which no answer has
              it begins with "y … …"
            hint: What answers may not be what it should be, or one of its folders has far too many files. Look at it: ssh -p PORT USER@127.0.0.1
            "#);
        }
        assert!(error.causes()[0].contains("more than 16 MiB"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_byte_by_byte_does_not_keep_a_step_alive() {
    let (machine, port, session) = silent(Play::Dribble).await;
    let session = session.unwrap();
    let command = Command::script(":").within(SHORT);
    let ran = timeout(Duration::from_secs(20), session.exec(&command, Vec::new())).await;
    let error = ran.expect("waits without a limit").unwrap_err();
    insta::assert_snapshot!(machine.told(&error, &[port]), @r"
    Unreachable on vps
    failed to run a command
      it has not ended within 1 s, although the host goes on speaking
    hint: The host or the line to it is very slow, or what answers is not what it should be. Look at it: ssh -p PORT USER@127.0.0.1
    ");
    let mut lines = session.stream(&command, Vec::new()).await.unwrap();
    let ended = timeout(Duration::from_secs(20), lines.next()).await;
    assert_eq!(ended.expect("waits without a limit").unwrap_err().causes(), error.causes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_without_end_are_cut_off_one_after_the_other_and_beside_one_another() {
    let (_machine, _, session) = silent(Play::Yes).await;
    let session = session.unwrap();
    let command = Command::script(":").silent_for(Duration::from_secs(10));
    for _ in 0..2 {
        let (one, two) = tokio::join!(session.exec(&command, Vec::new()), session.exec(&command, Vec::new()));
        for ended in [one, two] {
            let error = ended.unwrap_err();
            assert!(error.causes()[0].contains("more than 16 MiB"), "{error}");
        }
    }
}
