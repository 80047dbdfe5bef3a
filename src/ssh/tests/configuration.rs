//! OpenSSH's configuration, as `ssh -G` prints it and OpenSSH means it.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::real::keygen;
use super::sshd::Sshd;
use super::{Machine, host, key, known_line, user};
use crate::inventory::Host;
use crate::ssh::Command;

impl Machine {
    /// Has `settings` for `Host *` in the SSH configuration.
    fn configure(&mut self, settings: &str) {
        self.around.config = Some(self.write("config", &format!("Host *\n{settings}\n")));
        self.around.client = Some("ssh".into());
    }
}

/// The host at `port`, whose key the configuration names.
fn plain(port: u16) -> Host {
    Host { identity_file: None, ..host(port) }
}

#[tokio::test]
async fn a_public_key_selects_the_agent_s() {
    let mut machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    let agent = Agent::start(&mut machine, "id");
    std::fs::remove_file(machine.path("id")).unwrap();
    let settings = format!("  IdentitiesOnly yes\n  IdentityFile \"{}\"", machine.path("id.pub").display());
    machine.configure(&settings);
    machine.connect(&plain(sshd.port)).await.unwrap();
    // The inventory may name it too.
    let host = Host { identity_file: Some("id.pub".into()), ..host(sshd.port) };
    machine.connect(&host).await.unwrap();
    drop(agent);
    machine.around.agent = None;
    let error = machine.refused(&plain(sshd.port)).await;
    insta::assert_snapshot!(machine.told(&error, &[sshd.port]), @r"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      there is no key to log in with
      DIR/id.pub: a public key, and no agent here has the private one
      the host would take: publickey
    hint: Set `identity_file:` and `user:` for the host in the inventory, or add the key to ssh-agent.
    ");
}

#[tokio::test]
async fn a_certificate_in_another_folder_is_used_for_its_key() {
    let mut machine = Machine::new();
    let dir = machine.dir.path().to_path_buf();
    machine.write_key("ca", &key(5));
    machine.write_key("id", &key(2));
    keygen(&["-q", "-s", "ca", "-I", "ana", "-n", &user(), "id.pub"], &dir);
    std::fs::create_dir(dir.join("my certs")).unwrap();
    std::fs::rename(dir.join("id-cert.pub"), dir.join("my certs/ana.pub")).unwrap();
    let sshd = Sshd::start(&machine, "sshd", &key(9), &format!("TrustedUserCAKeys {}/ca.pub", dir.display()));
    machine.know(sshd.port, &key(9));
    let error = machine.refused(&host(sshd.port)).await;
    assert!(error.causes()[0].contains("none of our keys"), "{error}");
    let certificate = format!("  CertificateFile \"{}\"", dir.join("my certs/ana.pub").display());
    machine.configure(&certificate);
    machine.connect(&host(sshd.port)).await.unwrap();
    // Also for a key that only the agent has.
    let _agent = Agent::start(&mut machine, "id");
    std::fs::remove_file(machine.path("id")).unwrap();
    machine.connect(&plain(sshd.port)).await.unwrap();
    machine.configure(&format!("  CertificateFile {}", dir.join("none.pub").display()));
    let error = machine.refused(&plain(sshd.port)).await;
    assert!(error.causes().iter().any(|cause| cause.contains("none.pub: No such file")), "{error}");
}

#[tokio::test]
async fn a_key_that_is_named_and_not_there_is_told() {
    let mut machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    machine.around.variable = |name| (name == "KEYS").then(|| "/no/such/folder".to_owned());
    machine.configure("  IdentityFile ${KEYS}/%r_%p");
    let error = machine.refused(&plain(sshd.port)).await;
    insta::assert_snapshot!(machine.told(&error, &[sshd.port]).replace(&format!("{}_", user()), "USER_"), @r"
    Unreachable on vps
    failed to log in to USER@127.0.0.1:PORT
      there is no key to log in with
      /no/such/folder/USER_PORT: no such file
      the host would take: publickey
    hint: Set `identity_file:` and `user:` for the host in the inventory, or add the key to ssh-agent.
    ");
    machine.configure("  IdentityFile ${NOKEYS}/id");
    let error = machine.refused(&plain(sshd.port)).await;
    assert_eq!(error.kind(), crate::error::Kind::Usage);
}

#[tokio::test]
async fn a_key_in_revoked_host_keys_is_refused() {
    let mut machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    let revoked = machine.write("revoked", &key(9).public_key().to_openssh().unwrap());
    machine.configure(&format!("  RevokedHostKeys {}", revoked.display()));
    let error = machine.refused(&host(sshd.port)).await;
    insta::assert_snapshot!(machine.told(&error, &[sshd.port]), @r"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      the host shows the key SHA256:doxiASlJnKSD9j+JpVoWpfEFHjUrsF9ZYr+cir4FYjo, which is revoked
      DIR/revoked:1 revokes it
    hint: A revoked key may be in somebody else's hands. Give the host a new key at its console.
    hint: Then record the new key: provision trust lab
    ");
    machine.write("revoked", &key(3).public_key().to_openssh().unwrap());
    machine.connect(&host(sshd.port)).await.unwrap();
}

#[tokio::test]
async fn a_known_hosts_file_may_have_a_blank_in_its_name() {
    let mut machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    let known = machine.write("my known hosts", &known_line(sshd.port, &key(9)));
    machine.configure(&format!("  UserKnownHostsFile \"{}\" /no/such/file", known.display()));
    machine.connect(&host(sshd.port)).await.unwrap();
}

#[tokio::test]
async fn a_host_certificate_for_a_pattern_is_refused_as_openssh_does() {
    let machine = Machine::new();
    let dir = machine.dir.path().to_path_buf();
    machine.write_key("ca", &key(5));
    machine.write_key("sshd.host", &key(9));
    keygen(&["-q", "-s", "ca", "-I", "vps", "-h", "-n", "127.0.0.*", "sshd.host.pub"], &dir);
    let more = format!("HostCertificate {}/sshd.host-cert.pub", dir.display());
    let sshd = Sshd::start(&machine, "sshd", &key(9), &more);
    machine.known(&format!("@cert-authority {}", known_line(sshd.port, &key(5))));
    let error = machine.refused(&host(sshd.port)).await;
    insta::assert_snapshot!(machine.told(&error, &[sshd.port]), @r#"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      the host's certificate "vps" does not hold
      it is for "127.0.0.*", not for 127.0.0.1 (a pattern means only itself, as in OpenSSH)
    hint: Sign the host's key anew: ssh-keygen -s CA -h -n NAMES -V +52w ssh_host_ed25519_key.pub
    "#);
    // OpenSSH itself says no.
    let known = dir.join("inventory/lab.known_hosts");
    let ssh = std::process::Command::new("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "IdentityAgent=none",
        ])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known.display()))
        .arg("-i")
        .arg(machine.path("id"))
        .args(["-p", &sshd.port.to_string(), &format!("{}@127.0.0.1", user()), "true"])
        .output()
        .unwrap();
    assert!(!ssh.status.success(), "{}", String::from_utf8_lossy(&ssh.stderr));
}

#[tokio::test]
async fn a_proxy_command_is_ended_with_us_and_its_complaint_is_quoted() {
    let mut machine = Machine::new();
    let sshd = Sshd::start(&machine, "sshd", &key(9), "");
    machine.know(sshd.port, &key(9));
    let (pid, config) = (machine.path("pid"), machine.path("sshd.config"));
    // sshd itself, for one connection, over its standard input and output.
    let command =
        format!("sh -c 'echo $$ >{}; exec /usr/sbin/sshd -i -f {}'", pid.display(), config.display());
    machine.configure(&format!("  ProxyCommand {command}"));
    let session = machine.connect(&host(sshd.port)).await.unwrap();
    let output = session.exec(&Command::script("echo here"), Vec::new()).await.unwrap();
    assert_eq!(output.stdout, b"here\n");
    let process = format!("/proc/{}", std::fs::read_to_string(&pid).unwrap().trim());
    assert!(std::path::Path::new(&process).exists());
    drop(session);
    let begin = Instant::now();
    let zombie = |process: &str| {
        std::fs::read_to_string(format!("{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    };
    while zombie(&process) {
        assert!(begin.elapsed() < Duration::from_secs(10), "the ProxyCommand goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    machine.configure("  ProxyCommand sh -c 'echo \"websocket: bad handshake\" >&2; exit 1'");
    let error = machine.refused(&host(sshd.port)).await;
    // Whether the end or a broken pipe is seen first is chance.
    let told = machine.told(&error, &[sshd.port]).replace(&error.causes()[1], "REASON");
    insta::assert_snapshot!(told, @r#"
    Unreachable on vps
    failed to connect to USER@127.0.0.1:PORT
      the SSH handshake failed
      REASON
      its ProxyCommand said: "websocket: bad handshake"
    hint: The connection goes through a ProxyCommand; try it by hand: sh -c 'echo "websocket: bad handshake" >&2; exit 1'
    "#);
}
