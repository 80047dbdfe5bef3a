//! sshd as somebody set it up: few sessions, no forwarding, other ways to log in.

use tokio::io::AsyncReadExt as _;

use super::sshd::Sshd;
use super::{Machine, host, key, user};
use crate::ssh::session::Session;
use crate::ssh::{Command, Line};

async fn reach(machine: &Machine, more: &str) -> (Sshd, crate::error::Result<Session>) {
    let sshd = Sshd::start(machine, "sshd", &key(9), more);
    machine.know(sshd.port, &key(9));
    let session = machine.connect(&host(sshd.port)).await;
    (sshd, session)
}

async fn connected(machine: &Machine, more: &str) -> (Sshd, Session) {
    let (sshd, session) = reach(machine, more).await;
    (sshd, session.unwrap())
}

async fn refused(more: &str) -> (Machine, String) {
    let machine = Machine::new();
    let (sshd, session) = reach(&machine, more).await;
    let told =
        machine.told(&session.err().unwrap(), &[sshd.port]).replace(&format!("`{}`", user()), "`USER`");
    let told =
        told.replace(&format!("User {}", user()), "User USER").replace(&format!(" {} ", user()), " USER ");
    let told = told.replace(&format!(" {}`", user()), " USER`");
    (machine, told)
}

#[tokio::test]
async fn one_session_a_connection_is_enough() {
    let machine = Machine::new();
    let (_sshd, session) = connected(&machine, "MaxSessions 1").await;
    // What follows a deploy goes on while the host is asked other things.
    let mut followed =
        session.stream(&Command::script("echo one; read -r x; echo \"$x\""), Vec::new()).await.unwrap();
    assert_eq!(followed.next().await.unwrap(), Some(Line::Out("one".to_owned())));
    let (echo, id) = (Command::script("echo $PPID"), Command::script("echo two; cat"));
    let (first, second) = tokio::join!(session.exec(&echo, Vec::new()), session.exec(&id, b"three".to_vec()));
    assert_eq!((first.unwrap().status, second.unwrap().stdout), (0, b"two\nthree".to_vec()));
    assert_eq!(followed.next().await.unwrap(), Some(Line::Out(String::new())));
    assert_eq!(followed.status().await.unwrap(), 0);
    session.close().await;
    assert!(session.exec(&echo, Vec::new()).await.is_err());
}

#[tokio::test]
async fn no_session_at_all_is_named() {
    let machine = Machine::new();
    let (sshd, session) = connected(&machine, "MaxSessions 0").await;
    let error = session.exec(&Command::script(":"), Vec::new()).await.unwrap_err();
    insta::assert_snapshot!(machine.told(&error, &[sshd.port]), @r"
    Unreachable on vps
    failed to run a command
      the host's sshd opens no session for it, not even over a connection of its own
    hint: `MaxSessions` in /etc/ssh/sshd_config must be at least 1: see `sshd -T | grep -i maxsessions` there, and reload sshd.
    ");
}

/// What is said of a host whose sshd has the setting `more`, after one question to its port 1.
async fn prohibited(more: &str, options: &str) -> String {
    let machine = Machine::new();
    let (sshd, first) = connected(&machine, more).await;
    first.close().await;
    let key = key(1).public_key().to_openssh().unwrap();
    machine.write("sshd.authorized", &format!("{options}{key}"));
    let session = machine.connect(&host(sshd.port)).await.unwrap();
    assert!(session.forward(1).await.is_err());
    assert_eq!(session.prohibited(), [1].into());
    let error = crate::host::prohibited(&session, &host(sshd.port), &session.prohibited()).await;
    assert_eq!(error.kind(), crate::error::Kind::Unreachable);
    error.causes()[1].clone()
}

#[tokio::test]
async fn the_setting_that_forbids_forwarding_is_found_in_what_sshd_runs_with() {
    insta::assert_snapshot!(prohibited("AllowTcpForwarding no", "").await, @"its setting is `AllowTcpForwarding no`");
    insta::assert_snapshot!(prohibited("PermitOpen 127.0.0.1:5432 localhost:*", "").await, @"its setting is `PermitOpen 127.0.0.1:5432 localhost:*`");
    insta::assert_snapshot!(prohibited("DisableForwarding yes", "").await, @"its setting is `DisableForwarding yes`");
    insta::assert_snapshot!(prohibited(&format!("Match User {} Address 127.0.0.1\nAllowTcpForwarding remote\nMatch all", user()), "").await, @"its setting is `AllowTcpForwarding remote`");
    for options in ["restrict ", "no-port-forwarding ", "permitopen=\"127.0.0.1:5432\" "] {
        let told = prohibited("", options).await;
        assert_eq!(told, "its settings allow it, so an option in front of our key forbids it", "{options}");
    }
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_not_forbidden() {
    let machine = Machine::new();
    let (_sshd, session) = connected(&machine, "").await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = session.forward(port).await.err().unwrap();
    assert!(error.to_string().contains("nothing listens"), "{error}");
    assert!(session.prohibited().is_empty());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut stream = session.forward(port).await.unwrap();
    drop(listener);
    let _ = stream.read_u8().await;
}

#[tokio::test]
async fn a_second_factor_is_named() {
    let (_, told) = refused("AuthenticationMethods publickey,password\nPasswordAuthentication yes").await;
    insta::assert_snapshot!(told, @r"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      the host accepted our key and wants more than a key
      DIR/id (ssh-ed25519 SHA256:fe85JkIjo8VPe+XqXJGH5Mau1EMFdK1OdKvJUFicyA8): accepted, but not enough
      the host would take: password
    hint: provision logs in with keys only. Exempt this login on the host: `Match User USER` and below it `AuthenticationMethods publickey` in /etc/ssh/sshd_config, then `systemctl reload ssh`.
    ");
}

#[tokio::test]
async fn a_host_that_takes_passwords_only_is_named() {
    let (_, told) = refused("PubkeyAuthentication no\nPasswordAuthentication yes").await;
    insta::assert_snapshot!(told, @r"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      the host takes no keys for this login
      DIR/id (ssh-ed25519 SHA256:fe85JkIjo8VPe+XqXJGH5Mau1EMFdK1OdKvJUFicyA8): refused
      the host would take: password
    hint: provision logs in with keys only. Let USER in with one: `PubkeyAuthentication yes` in /etc/ssh/sshd_config (also look for a `Match` that forbids it), then `systemctl reload ssh`.
    ");
}

#[tokio::test]
async fn the_host_s_own_words_are_part_of_the_error() {
    let machine = Machine::new();
    let banner = machine.write("banner", "\n*** Only for staff\t***\nask ops@example.net\n");
    machine.write_key("id", &key(2));
    let sshd = Sshd::start(&machine, "sshd", &key(9), &format!("Banner {}", banner.display()));
    machine.know(sshd.port, &key(9));
    let error = machine.refused(&host(sshd.port)).await;
    let said = error.causes().iter().find(|cause| cause.contains("banner")).unwrap();
    insta::assert_snapshot!(said, @r#"the host's banner says: "*** Only for staff *** / ask ops@example.net""#);
}

#[tokio::test]
async fn too_many_keys_before_the_right_one() {
    let machine = Machine::new();
    machine.write_key("id", &key(2));
    machine.write_key("home/.ssh/id_ed25519", &key(3));
    machine.write_key("home/.ssh/id_ecdsa", &key(1));
    let sshd = Sshd::start(&machine, "sshd", &key(9), "MaxAuthTries 2");
    machine.know(sshd.port, &key(9));
    let error = machine.refused(&host(sshd.port)).await;
    insta::assert_snapshot!(machine.told(&error, &[sshd.port]), @r#"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      the host ended the connection during the login
      DIR/id (ssh-ed25519 SHA256:4A9jyZBOhnKZvcGQ6TRFbf5Gymb41AfYvYaVmWHD+G4): refused
      DIR/home/.ssh/id_ed25519 (ssh-ed25519 SHA256:zbv/nU7iZdO0fB0DalMI70dP6/yFD8sctXvvW4+OokY): the host ended the connection
      the host said: "Too many authentication failures"
      the host would take: publickey
    hint: The host allows few attempts (`MaxAuthTries`), and other keys came first: name the right one with `identity_file:` in the inventory, or `IdentityFile` with `IdentitiesOnly yes` in ~/.ssh/config.
    "#);
}
