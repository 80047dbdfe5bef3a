//! Every message that a user can see of this room.

use std::net::TcpListener;
use std::time::Duration;

use super::server::{Play, serve};
use super::{Machine, host, key, known_line};
use crate::ssh::Command;

async fn ran(play: Play) -> (Machine, crate::error::Error, u16) {
    let machine = Machine::new();
    let port = serve(play, vec![key(9)]).await;
    machine.know(port, &key(9));
    let session = machine.connect(&host(port)).await.unwrap();
    let error = session.exec(&Command::script(":"), Vec::new()).await.unwrap_err();
    (machine, error, port)
}

#[tokio::test]
async fn a_name_without_an_address() {
    let machine = Machine::new();
    let mut host = host(22);
    host.address = "vps.invalid".to_owned();
    let error = machine.refused(&host).await;
    // The resolver's own words differ from machine to machine.
    let told = machine.told(&error, &[]).replace(&error.causes()[1], "RESOLVER");
    insta::assert_snapshot!(told, @r"
    Unreachable on vps
    failed to connect to USER@vps.invalid:22
      the name vps.invalid has no address
      RESOLVER
    hint: Correct `address:` in the inventory, or the DNS record.
    hint: OpenSSH's client is not installed here, so ~/.ssh/config was not read: the inventory alone counts.
    ");
}

#[tokio::test]
async fn a_port_where_nothing_listens() {
    let machine = Machine::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    insta::assert_snapshot!(machine.told(&machine.refused(&host(port)).await, &[port]), @r"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      127.0.0.1:PORT: Connection refused (os error 111)
    hint: The host is up, but nothing listens on port PORT: does sshd run, and is `port:` right?
    hint: OpenSSH's client is not installed here, so ~/.ssh/config was not read: the inventory alone counts.
    ");
}

#[tokio::test]
async fn a_host_that_does_not_answer() {
    let machine = Machine::new();
    // The kernel takes the connection; nobody ever speaks.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = crate::ssh::Options { connect_timeout: Duration::from_secs(1), ..machine.options() };
    let connected = crate::ssh::Session::connect_from(&host(port), &options, &machine.around).await;
    insta::assert_snapshot!(machine.told(&connected.err().unwrap(), &[port]), @r"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      a connection was made, but the SSH handshake was not over within 1 s
    hint: The host may be overloaded, or what listens on that port is not an SSH server.
    hint: OpenSSH's client is not installed here, so ~/.ssh/config was not read: the inventory alone counts.
    ");
}

#[tokio::test]
async fn something_that_is_not_ssh() {
    let machine = Machine::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let error = machine.refused(&host(port)).await;
    assert!(error.causes()[0].contains("handshake"), "{error}");
}

#[tokio::test]
async fn an_unknown_host() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    insta::assert_snapshot!(machine.told(&machine.refused(&host(port)).await, &[port]), @r"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      the host [127.0.0.1]:PORT is not known
      it shows the ssh-ed25519 key SHA256:doxiASlJnKSD9j+JpVoWpfEFHjUrsF9ZYr+cir4FYjo
    hint: To record its key: provision trust lab
    hint: Compare the fingerprint first, at the host's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
    ");
}

#[tokio::test]
async fn a_changed_key() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    machine.known(&format!("# servers\n{}", known_line(port, &key(3))));
    insta::assert_snapshot!(machine.told(&machine.refused(&host(port)).await, &[port]), @r"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      the host's key has changed
      it shows the ssh-ed25519 key SHA256:doxiASlJnKSD9j+JpVoWpfEFHjUrsF9ZYr+cir4FYjo
      DIR/inventory/lab.known_hosts:2 knows the ssh-ed25519 key SHA256:zbv/nU7iZdO0fB0DalMI70dP6/yFD8sctXvvW4+OokY
    hint: Somebody may be in the middle of this connection. Nothing was sent to the host.
    hint: Compare the fingerprint at the host's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
    hint: If the host was reinstalled, and the fingerprint is the one there: provision trust lab
    ");
}

#[tokio::test]
async fn a_revoked_key() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    machine.known(&format!("{}@revoked {}", known_line(port, &key(9)), known_line(port, &key(9))));
    insta::assert_snapshot!(machine.told(&machine.refused(&host(port)).await, &[port]), @r"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      the host shows the key SHA256:doxiASlJnKSD9j+JpVoWpfEFHjUrsF9ZYr+cir4FYjo, which is revoked
      DIR/inventory/lab.known_hosts:2 revokes it
    hint: A revoked key may be in somebody else's hands. Give the host a new key at its console.
    hint: Then record the new key: provision trust lab
    ");
}

#[tokio::test]
async fn a_committed_file_with_a_broken_line() {
    let machine = Machine::new();
    machine.known("# servers\nvps ssh-ed25519 notbase64\n");
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    insta::assert_snapshot!(machine.told(&machine.refused(&host(port)).await, &[port]), @r"
    Usage on vps
    failed to read DIR/inventory/lab.known_hosts:2
      not a line of the known_hosts format with a key
    hint: Each line is `[marker] names key-type base64-key [comment]`, see sshd(8).
    ");
}

#[tokio::test]
async fn a_login_that_is_refused() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    machine.know(port, &key(9));
    machine.write_key("id", &key(2));
    machine.write_key("home/.ssh/id_ed25519", &key(4));
    insta::assert_snapshot!(machine.told(&machine.refused(&host(port)).await, &[port]), @r"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      the host accepted none of our keys
      DIR/id (ssh-ed25519 SHA256:4A9jyZBOhnKZvcGQ6TRFbf5Gymb41AfYvYaVmWHD+G4): refused
      DIR/home/.ssh/id_ed25519 (ssh-ed25519 SHA256:vxu9sT7+WkqIPG3kOwohja2DmYBjKw903FLEcS+Xb6o): refused
      the host would take: none, password, publickey, hostbased, keyboard-interactive
    hint: The public half of one of the keys must be in ~/.ssh/authorized_keys of USER on the host.
    hint: Why it refused a key is in sshd's log on the host: journalctl -u ssh -n 20
    hint: Set `identity_file:` and `user:` for the host in the inventory, or add the key to ssh-agent.
    ");
}

#[tokio::test]
async fn a_key_file_that_is_missing() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    machine.know(port, &key(9));
    std::fs::remove_file(machine.path("id")).unwrap();
    insta::assert_snapshot!(machine.told(&machine.refused(&host(port)).await, &[port]), @r"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      there is no key to log in with
      DIR/id: no such file
      the host would take: password, publickey, hostbased, keyboard-interactive
    hint: Set `identity_file:` and `user:` for the host in the inventory, or add the key to ssh-agent.
    ");
}

#[tokio::test]
async fn an_encrypted_key_and_nobody_to_ask() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    machine.know(port, &key(9));
    machine.write_key("id", &key(1).encrypt(&mut rand::rng(), "secret").unwrap());
    insta::assert_snapshot!(machine.told(&machine.refused(&host(port)).await, &[port]), @r#"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      there is no key to log in with
      DIR/id: encrypted, and there is no terminal to ask for its passphrase
      the host would take: password, publickey, hostbased, keyboard-interactive
    hint: Load the key into an agent: eval "$(ssh-agent)" && ssh-add KEY
    hint: Set `identity_file:` and `user:` for the host in the inventory, or add the key to ssh-agent.
    "#);
}

#[tokio::test]
async fn an_agent_that_is_not_there() {
    let mut machine = Machine::new();
    machine.around.agent = Some(machine.path("agent.sock"));
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    machine.know(port, &key(9));
    machine.write_key("id", &key(2));
    insta::assert_snapshot!(machine.told(&machine.refused(&host(port)).await, &[port]), @r"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      the host accepted none of our keys
      the agent at DIR/agent.sock: No such file or directory (os error 2)
      DIR/id (ssh-ed25519 SHA256:4A9jyZBOhnKZvcGQ6TRFbf5Gymb41AfYvYaVmWHD+G4): refused
      the host would take: none, password, publickey, hostbased, keyboard-interactive
    hint: The public half of one of the keys must be in ~/.ssh/authorized_keys of USER on the host.
    hint: Why it refused a key is in sshd's log on the host: journalctl -u ssh -n 20
    hint: Set `identity_file:` and `user:` for the host in the inventory, or add the key to ssh-agent.
    ");
}

#[tokio::test]
async fn a_jump_host_that_is_not_known() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    let mut behind = host(22);
    behind.jump = Some(format!("127.0.0.1:{port}"));
    insta::assert_snapshot!(machine.told(&machine.refused(&behind).await, &[port]), @r"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      the host [127.0.0.1]:PORT is not known
      it shows the ssh-ed25519 key SHA256:doxiASlJnKSD9j+JpVoWpfEFHjUrsF9ZYr+cir4FYjo
    hint: To record its key: provision trust lab
    hint: Compare the fingerprint first, at the host's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
    hint: 127.0.0.1:PORT is the jump host to vps.
    ");
}

#[tokio::test]
async fn forwarding_that_is_forbidden_or_leads_nowhere() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    machine.know(port, &key(9));
    let session = machine.connect(&host(port)).await.unwrap();
    insta::assert_snapshot!(machine.told(&session.forward(1).await.err().unwrap(), &[port]), @r"
    Unreachable on vps
    failed to forward to port 1 of the host
      the host's sshd forbids forwarding
    hint: Set `AllowTcpForwarding local` (and no PermitOpen against it) in /etc/ssh/sshd_config, then reload sshd.
    ");
    insta::assert_snapshot!(machine.told(&session.forward(2).await.err().unwrap(), &[port]), @r"
    Unreachable on vps
    failed to forward to port 2 of the host
      nothing listens on 127.0.0.1:2 there
    ");
}

#[tokio::test]
async fn a_command_without_an_exit_status() {
    let (machine, error, port) = ran(Play::NoStatus).await;
    insta::assert_snapshot!(machine.told(&error, &[port]), @r"
    Unreachable on vps
    failed to run a command
      it ended without an exit status
    hint: It may have been killed, or the host may be short of memory: look at `dmesg` there.
    ");
}

#[tokio::test]
async fn a_command_that_was_killed() {
    let (machine, error, port) = ran(Play::Killed).await;
    insta::assert_snapshot!(machine.told(&error, &[port]), @r"
    Unreachable on vps
    failed to run a command
      it was ended by the signal KILL
    ");
}

#[tokio::test]
async fn a_command_that_the_server_refuses() {
    let (machine, error, port) = ran(Play::Refuse).await;
    insta::assert_snapshot!(machine.told(&error, &[port]), @r"
    Unreachable on vps
    failed to run a command
      the server refused to run it
    hint: The login must have a shell, and no ForceCommand or restricted key against it.
    ");
}

#[tokio::test]
async fn a_connection_that_breaks_off() {
    let (machine, error, port) = ran(Play::HangUp).await;
    // Whether the end or the reset arrives first is chance.
    let told = machine.told(&error, &[port]).replace(&error.causes()[1], "REASON");
    insta::assert_snapshot!(told, @r"
    Unreachable on vps
    failed to run a command
      the connection to USER@127.0.0.1:PORT was lost
      REASON
    ");
}
