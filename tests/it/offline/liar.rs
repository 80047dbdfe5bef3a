//! A host that lies: an SSH server in this process that answers without end, with a bomb, with what steers a terminal.
//! The program runs against it as it is, and its memory is looked at while it does.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};

use crate::support::Project;

/// The most memory that a run may have had, in KiB. One against a host that tells the truth has some 60 MiB in a build
/// without optimisation.
const MOST_MEMORY: u64 = 320 * 1024;
/// A run that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(240);
/// The most that a run may print.
const MOST_PRINTED: usize = 1024 * 1024;

/// The same of one that shows a log as it comes.
const MOST_OF_A_LOG: usize = 16 * 1024 * 1024;

/// What could steer a terminal, break a line, be a command for GitHub's runner, or hide.
const HOSTILE: &str = "\u{1b}[31mred\u{1b}]8;;https://evil.example\u{7}link\u{1b}]8;;\u{7}\u{1b}]0;title\u{7}\u{9b}2J\u{202e}rtl\u{2066}\u{200b}\u{feff}\u{e0041}\u{8}\u{7f}\r::error::x";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Every command is answered `y` for ever.
    Yes,
    /// Every command is answered one line without end.
    OneLine,
    /// A probe of a million names, and so on.
    Names,
    /// Files are a megabyte of gzip that unpacks to a gigabyte.
    Bomb,
    /// Every field of every answer is [`HOSTILE`].
    Hostile,
    /// An activation that never stops speaking.
    Activation,
    /// Services whose answers have no end.
    Services,
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// Serves on a free port for as long as the tests run.
fn serve(lie: Lie) -> u16 {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap().port()).unwrap();
            let config = Arc::new(server::Config { keys: vec![key(9)], ..server::Config::default() });
            while let Ok((stream, _)) = listener.accept().await {
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(session) = server::run_stream(config, stream, Liar(lie, Arc::default())).await {
                        let _ = session.await;
                    }
                });
            }
        });
    });
    receiver.recv().unwrap()
}

/// A connection, and its channels that were closed: nothing more is said there.
struct Liar(Lie, Arc<std::sync::Mutex<std::collections::BTreeSet<u32>>>);

/// The script of a command line, and whether it is only the name of one that the host should have.
fn script(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line).into_owned();
    let packed = line.split("' sh ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let packed = base64::engine::general_purpose::STANDARD.decode(packed).unwrap_or_default();
    let mut script = String::new();
    let _ = flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut script);
    script
}

/// What to answer with: once, or again and again.
enum Words {
    Once(Vec<u8>),
    Endless(Vec<u8>),
}

impl Liar {
    #[allow(clippy::format_push_string, reason = "a text of a test")]
    fn probe(&self) -> String {
        let public = key(8).public_key().to_openssh().unwrap();
        let public = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let h = if self.0 == Lie::Hostile { HOSTILE } else { "" };
        let mut text = format!(
            "provision-probe 1\nsystemd yes\nhostkey {public}\nmachine a{h} b c\nfree remote 99999999999 9999999\nfree docker 99999999999 9999999\n\
             free run 99999999999 -\ndigest 0123\ndocker 28.1.5{h}\napi 1.48\ncompose 2.36.0{h}\nnetwork koprogo_default\ndocker-root /var/lib/docker\ngateway 172.17.0.1\n"
        );
        if matches!(self.0, Lie::Bomb | Lie::Services | Lie::Hostile) {
            text.push_str(&format!(
                "current 0123456789abcdef{h}\nfile aa docker-compose.monitoring.yml\ndeclared bb docker-compose.monitoring.yml\n"
            ));
        }
        if self.0 == Lie::Hostile {
            text.push_str(&format!(
                "foreign prometheus/{h}\nfile cc prometheus/{h}\nkept 0a{h}\nholder {h}\nfingerprint a {h}\n"
            ));
            let json = serde_json::json!({"service": format!("grafana{h}"), "name": h, "id": h, "image": h, "image_id": h,
                "state": format!("running{h}"), "health": h, "restarts": 1, "exit_code": 0, "digest": h});
            text.push_str(&format!("container {json}\n"));
        }
        text + "end\n"
    }

    fn answer(&self, script: &str) -> Words {
        let h = HOSTILE;
        if script.contains("exit 90") {
            return Words::Once(b"90".to_vec());
        }
        match self.0 {
            Lie::Yes => return Words::Endless(b"y\n".repeat(16 * 1024)),
            Lie::OneLine => return Words::Endless(vec![b'x'; 32 * 1024]),
            _ => {}
        }
        if script.contains("provision-probe") {
            if self.0 == Lie::Names {
                let names = (0..1_000_000).map(|n| format!("foreign {n}")).collect::<Vec<_>>().join("\n");
                return Words::Once(format!("provision-probe 1\nsystemd yes\n{names}\nend\n").into_bytes());
            }
            return Words::Once(self.probe().into_bytes());
        }
        if script.contains("provision-status") {
            let status = format!(
                "provision-status 1\nnow 9223372036854775807\nkept {h} -9223372036854775808\nunit {h} failed {h}\nservice {h} ff 0\nstarted {h} {h}\nmemory {h} 18446744073709551615\nrecords 18446744073709551615\nend\n"
            );
            return Words::Once(status.into_bytes());
        }
        if script.contains("audit.jsonl") {
            let by = serde_json::json!({"user": h, "from": h, "commit": h, "command": h});
            let record = serde_json::json!({"time": i64::MIN, "release": h, "from": h, "outcome": h, "seconds": u64::MAX, "by": by, "reason": h});
            return Words::Once(format!("{record}\nend\n").into_bytes());
        }
        if script.contains("docker logs") {
            return Words::Once(format!("2026 {h}\n").into_bytes());
        }
        if script.contains("systemd-run") {
            let line = format!("progress\t{}\t{}\n", "x".repeat(50), "waiting");
            return Words::Endless(line.repeat(200).into_bytes());
        }
        // Files.
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..if self.0 == Lie::Bomb { 1024 } else { 0 } {
            packer.write_all(&vec![0; 1024 * 1024]).unwrap();
        }
        Words::Once(packer.finish().unwrap())
    }
}

impl server::Handler for Liar {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        if self.0 == Lie::Services {
            tokio::spawn(async move {
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[";
                let _ = channel.data_bytes(Bytes::from_static(head)).await;
                while channel.data_bytes(Bytes::from(b"[],".repeat(8 * 1024))).await.is_ok() {}
            });
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.1.lock().unwrap().insert(id.into());
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)?;
        let words = self.answer(&script(line));
        let (handle, closed) = (session.handle(), Arc::clone(&self.1));
        tokio::spawn(async move {
            let status = match words {
                Words::Once(words) if words == b"90" => 90,
                Words::Once(words) => {
                    let _ = handle.data(id, Bytes::from(words)).await;
                    0
                }
                Words::Endless(words) => {
                    let words = Bytes::from(words);
                    while !closed.lock().unwrap().contains(&id.into())
                        && handle.data(id, words.clone()).await.is_ok()
                    {
                        tokio::task::yield_now().await;
                    }
                    0
                }
            };
            let _ = handle.exit_status_request(id, status).await;
            let _ = handle.eof(id).await;
            let _ = handle.close(id).await;
        });
        Ok(())
    }
}

/// A project whose host is the liar.
fn project(lie: Lie) -> Project {
    use std::os::unix::fs::PermissionsExt as _;
    let (project, port) = (Project::new(), serve(lie));
    project.write("id", &key(1).to_openssh(LineEnding::LF).unwrap());
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(project.root().join("id"), mode).unwrap();
    project.edit(
        "inventory/test.yml",
        "{address: 127.0.0.1, port: 1, user: deploy, sudo: true}",
        &format!("{{address: 127.0.0.1, port: {port}, user: deploy, sudo: true, identity_file: id}}"),
    );
    let known = format!("[127.0.0.1]:{port} {}\n", key(9).public_key().to_openssh().unwrap());
    project.write("inventory/test.known_hosts", &known);
    project
}

/// A run: how it ended, what it printed, and the most memory that it had, in KiB.
fn run(project: &Project, arguments: &[&str]) -> (i32, String, u64) {
    let mut command = project.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let read = |mut source: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            let _ = source.read_to_end(&mut all);
            all
        })
    };
    let out = read(Box::new(child.stdout.take().unwrap()));
    let err = read(Box::new(child.stderr.take().unwrap()));
    let (begun, mut most) = (Instant::now(), 0);
    let status = loop {
        // The kernel remembers the most there ever was, so the last look before the end tells of all.
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        most = most.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > LONGEST {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = [out.join().unwrap(), err.join().unwrap()].concat();
    (status.code().unwrap(), String::from_utf8(text).unwrap(), most)
}

/// Runs a command against a liar. It must end by itself, with an exit code that it may have, and be small in all.
#[allow(clippy::print_stdout, reason = "the figures of a run, which a test that passes hides")]
fn withstands(lie: Lie, arguments: &[&str], codes: &[i32]) -> String {
    let project = project(lie);
    let begun = Instant::now();
    let (code, text, memory) = run(&project, arguments);
    let what = format!("{lie:?} {arguments:?}: {code}, {} MiB, {:?}", memory / 1024, begun.elapsed());
    println!("{what}");
    assert!(codes.contains(&code), "{what}\n{text}");
    assert!(memory > 0 && memory < MOST_MEMORY, "{what}\n{text}");
    let shows_a_log = lie == Lie::Activation || arguments[0] == "logs";
    let most = if shows_a_log { MOST_OF_A_LOG } else { MOST_PRINTED };
    assert!(text.len() < most, "{what}: {} bytes", text.len());
    let harmful = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    assert!(!text.contains(harmful) && !text.contains("\\u001b"), "{what}\n{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("::error")), "{what}\n{text}");
    text
}

const COMMANDS: [&[&str]; 6] = [
    &["plan", "test"],
    &["deploy", "test"],
    &["verify", "test"],
    &["status", "test"],
    &["history", "test"],
    &["logs", "test", "grafana"],
];

#[test]
fn answers_without_end_are_cut_off() {
    for lie in [Lie::Yes, Lie::OneLine] {
        // `status` asks two things at once, and this server starves one of two answers without end.
        for arguments in COMMANDS.into_iter().filter(|arguments| arguments[0] != "status") {
            let text = withstands(lie, arguments, &[3, 5]);
            let limit = if arguments[0] == "logs" { "lines were asked for" } else { "more than 16 MiB" };
            assert!(text.contains(limit) && text.contains("vps"), "{arguments:?}: {text}");
        }
    }
}

#[test]
fn a_million_names_are_refused() {
    for arguments in [COMMANDS[0], COMMANDS[3]] {
        let text = withstands(Lie::Names, arguments, &[3]);
        assert!(text.contains("more than 100000 entries"), "{text}");
    }
}

#[test]
fn a_gzip_bomb_is_not_unpacked() {
    let text = withstands(Lie::Bomb, COMMANDS[0], &[5]);
    assert!(text.contains("unpacks to more than 64 MiB"), "{text}");
}

#[test]
fn no_field_of_an_answer_steers_a_terminal() {
    for arguments in COMMANDS {
        withstands(Lie::Hostile, arguments, &[0, 3, 4, 5, 7]);
        withstands(Lie::Hostile, &[&["--output", "json"], arguments].concat(), &[0, 3, 4, 5, 7]);
    }
}

#[test]
fn services_that_answer_without_end_are_cut_off() {
    let text = withstands(Lie::Services, &["verify", "test", "--against-files", "--timeout", "3s"], &[7]);
    assert!(text.contains("larger than 8 MiB") || text.contains("larger than 64 MiB"), "{text}");
}

#[test]
fn an_activation_that_never_stops_speaking_is_left() {
    let text = withstands(Lie::Activation, COMMANDS[1], &[6]);
    assert!(text.contains("its log has more than"), "{text}");
}
