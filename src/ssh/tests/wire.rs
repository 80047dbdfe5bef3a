//! What must be seen on the wire, against the in-process server.

use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::EcdsaKeypair;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::server::{FLOOD, Play, serve};
use super::{Machine, host, key, known_line};
use crate::ssh::session::Session;
use crate::ssh::{Command, Line, Standing, connect, record};

async fn session(play: Play) -> (Machine, Session) {
    let machine = Machine::new();
    let port = serve(play, vec![key(9)]).await;
    machine.know(port, &key(9));
    let session = machine.connect(&host(port)).await.unwrap();
    (machine, session)
}

fn ecdsa() -> PrivateKey {
    let pair = EcdsaKeypair::random(&mut rand::rng(), russh::keys::EcdsaCurve::NistP256).unwrap();
    PrivateKey::new(pair.into(), "").unwrap()
}

#[tokio::test]
async fn the_exit_status_counts_wherever_it_comes() {
    for play in [Play::StatusFirst, Play::EofFirst] {
        let (_machine, session) = session(play).await;
        let output = session.exec(&Command::script(":"), Vec::new()).await.unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..], output.status), (&b"out"[..], &b"err"[..], 7));
        let mut lines = session.stream(&Command::script(":"), Vec::new()).await.unwrap();
        assert_eq!(lines.next().await.unwrap(), Some(Line::Out("out".to_owned())), "{play:?}");
        assert_eq!(lines.next().await.unwrap(), Some(Line::Err("err".to_owned())));
        assert_eq!(lines.next().await.unwrap(), None);
        assert_eq!(lines.status().await.unwrap(), 7);
    }
}

#[tokio::test]
async fn the_fingerprint_is_that_of_the_key_that_was_accepted() {
    let (_machine, session) = session(Play::StatusFirst).await;
    assert_eq!(session.fingerprint(), key(9).fingerprint(russh::keys::HashAlg::Sha256).to_string());
}

#[tokio::test]
async fn a_command_that_ends_without_reading_does_not_hold_up_its_stdin() {
    let (_machine, session) = session(Play::Deaf).await;
    let command = Command::script(":");
    let run = session.exec(&command, vec![b'x'; 20 * 1024 * 1024]);
    assert_eq!(timeout(Duration::from_secs(20), run).await.unwrap().unwrap().status, 0);
}

#[tokio::test]
async fn a_channel_that_nobody_reads_does_not_stall_the_others() {
    let (_machine, session) = session(Play::StatusFirst).await;
    let mut unread = session.forward(80).await.unwrap();
    for _ in 0..50 {
        let command = Command::script(":");
        let run = session.exec(&command, Vec::new());
        assert_eq!(timeout(Duration::from_secs(10), run).await.expect("stalled").unwrap().status, 7);
    }
    let mut got = Vec::new();
    timeout(Duration::from_secs(20), unread.read_to_end(&mut got)).await.unwrap().unwrap();
    assert_eq!(got.len(), FLOOD);
}

#[tokio::test]
async fn a_host_known_under_another_key_type_shows_that_one() {
    let machine = Machine::new();
    let other = ecdsa();
    let port = serve(Play::StatusFirst, vec![key(9), other.clone()]).await;
    machine.know(port, &other);
    let session = machine.connect(&host(port)).await.unwrap();
    assert_eq!(session.fingerprint(), other.fingerprint(russh::keys::HashAlg::Sha256).to_string());
}

#[tokio::test]
async fn any_of_several_known_keys_will_do() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    machine.known(&(known_line(port, &key(3)) + &known_line(port, &key(9))));
    machine.connect(&host(port)).await.unwrap();
}

#[tokio::test]
async fn the_inventory_s_file_wins_but_a_revocation_elsewhere_counts() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    let mine = machine.write("home/.ssh/known_hosts", &known_line(port, &key(9)));
    machine.connect(&host(port)).await.expect("OpenSSH's file counts where ours says nothing");
    machine.know(port, &key(3));
    let error = machine.refused(&host(port)).await;
    assert_eq!(error.causes()[0], "the host's key has changed");
    machine.know(port, &key(9));
    std::fs::write(mine, format!("@revoked * {}\n", key(9).public_key().to_openssh().unwrap())).unwrap();
    let error = machine.refused(&host(port)).await;
    assert!(error.causes()[0].contains("revoked"), "{error}");
}

#[tokio::test]
async fn looking_at_a_key_accepts_nothing() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    let host = host(port);
    let offered = connect::look(&host, &machine.options(), &machine.around).await.unwrap();
    assert_eq!(offered.line, known_line(port, &key(9)).trim_end());
    assert_eq!(offered.standing, Standing::New);
    machine.known(&format!("{}\n", offered.line));
    let offered = connect::look(&host, &machine.options(), &machine.around).await.unwrap();
    assert_eq!(offered.standing, Standing::Known);
    machine.connect(&host).await.unwrap();
}

#[tokio::test]
async fn a_changed_key_is_told_and_takes_the_place_of_the_old_one() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    let host = host(port);
    let file = machine.path("inventory/lab.known_hosts");
    let look = async || connect::look(&host, &machine.options(), &machine.around).await.unwrap();
    machine.write("home/.ssh/known_hosts", &known_line(port, &key(9)));
    assert!(matches!(look().await.standing, Standing::KnownElsewhere(_)));
    machine.know(port, &key(3));
    let offered = look().await;
    let Standing::Changed(old) = &offered.standing else { panic!("{offered:?}") };
    assert_eq!(old[0].fingerprint, key(3).fingerprint(russh::keys::HashAlg::Sha256).to_string());
    assert!(old[0].own && old.len() == 1);
    record(&file, &offered, true).unwrap();
    machine.connect(&host).await.unwrap();
    assert_eq!(look().await.standing, Standing::Known);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    // The old key is of no use any more, whoever has it.
    machine.known(&format!("{text}{}", known_line(port, &key(3))));
    let port = serve(Play::StatusFirst, vec![key(3)]).await;
    let offered = connect::look(&super::host(port), &machine.options(), &machine.around).await.unwrap();
    assert!(matches!(offered.standing, Standing::Revoked(_)), "{offered:?}");
}

#[tokio::test]
async fn a_lost_connection_is_noticed() {
    let (_machine, session) = session(Play::HangUp).await;
    let waiting = session.clone();
    let closed = tokio::spawn(async move { waiting.closed().await });
    assert!(session.exec(&Command::script(":"), Vec::new()).await.is_err());
    timeout(Duration::from_secs(10), closed).await.unwrap().unwrap();
}

#[tokio::test]
async fn close_ends_the_connection() {
    let (_machine, session) = session(Play::StatusFirst).await;
    timeout(Duration::from_secs(10), session.close()).await.unwrap();
    assert!(session.exec(&Command::script(":"), Vec::new()).await.is_err());
}

#[tokio::test]
async fn a_key_known_for_another_port_is_accepted_and_no_other_is_called_changed() {
    let machine = Machine::new();
    let port = serve(Play::StatusFirst, vec![key(9)]).await;
    let at_22 = |seed| format!("127.0.0.1 {}\n", key(seed).public_key().to_openssh().unwrap());
    machine.write("home/.ssh/known_hosts", &at_22(9));
    machine.connect(&host(port)).await.unwrap();
    machine.write("home/.ssh/known_hosts", &at_22(3));
    let error = machine.refused(&host(port)).await;
    assert!(error.causes()[0].contains("is not known"), "{error}");
}
