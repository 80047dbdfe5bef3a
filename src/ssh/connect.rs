//! From an address to an authenticated connection: TCP, jump hosts, handshake, login.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::{Disconnect, Preferred, cipher, compression, kex, mac};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use super::auth;
use super::config::{self, Target};
use super::dial::dial;
use super::host_key::{Offered, Stop, Watch, in_words};
use super::jump::{self, Jump};
use super::known_hosts::HostKeys;
use super::prompt_ack::PromptAck;
use super::session::Session;
use super::surroundings::Surroundings;
use crate::error::{Error, Kind, Result};
use crate::inventory::Host;

/// How to connect, apart from where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that the inventory's paths are relative to.
    pub project_root: PathBuf,
    /// `inventory/<environment>.known_hosts`. Where it knows a host, OpenSSH's own files do not count.
    pub known_hosts: PathBuf,
    /// The environment's name, for hints.
    pub environment: String,
    /// How long TCP with the handshake, and then each attempt to log in, may take.
    pub connect_timeout: Duration,
    /// Whether the connection is for a word that is no secret: its keys are then agreed on by a curve where the host
    /// has one, which is smaller than what also withstands quantum computers.
    pub brief: bool,
}

impl Options {
    /// The default of [`Options::connect_timeout`].
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
}

/// How many jump hosts may lead to one another: a configuration can go in circles.
const MOST_JUMPS: usize = 8;

/// What the bytes of a connection run over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A connection that is logged in.
pub(super) struct Connection {
    pub handle: Handle<Watch>,
    pub target: Arc<Target>,
    pub fingerprint: String,
    pub gone: watch::Receiver<Option<String>>,
    /// Keeps the jump host's session alive as long as this one.
    pub jump: Option<Session>,
}

/// Connects to `host` and logs in.
pub(super) async fn connect(host: &Host, options: &Options, around: &Surroundings) -> Result<Connection> {
    connect_at(host, options, around, 0).await
}

fn connect_at<'a>(
    host: &'a Host,
    options: &'a Options,
    around: &'a Surroundings,
    depth: usize,
) -> Pin<Box<dyn Future<Output = Result<Connection>> + Send + 'a>> {
    Box::pin(async move {
        let target = Arc::new(config::resolve(host, &options.project_root, around).await?);
        let (wire, jump) = wire(host, &target, options, around, depth).await?;
        let seen = Arc::new(OnceLock::new());
        let (gone, left) = watch::channel(None);
        let mut handle = handshake(wire, &target, options, Arc::clone(&seen), gone, None).await?;
        auth::authenticate(&mut handle, &target, around, options.connect_timeout).await?;
        let fingerprint = seen.get().cloned().unwrap_or_default();
        Ok(Connection { handle, target, fingerprint, gone: left, jump })
    })
}

/// The key that `host` shows, without accepting it and without logging in; or that of the first jump host on
/// the way that is not known.
pub(super) async fn look(host: &Host, options: &Options, around: &Surroundings) -> Result<Offered> {
    let mut host = host.clone();
    let mut target = Arc::new(config::resolve(&host, &options.project_root, around).await?);
    for _ in 0..MOST_JUMPS {
        let Some(hop) = target.jump.as_deref().map(jump::parse).transpose()?.flatten() else { break };
        let gate = gate(&host, hop);
        let before = Arc::new(config::resolve(&gate, &options.project_root, around).await?);
        let keys = HostKeys::load(&options.known_hosts, &before.known_hosts, &before.names())?;
        if !keys.is_empty() {
            break;
        }
        (host, target) = (gate, before);
    }
    let host = &host;
    let (wire, _jump) = wire(host, &target, options, around, 0).await?;
    let found = Arc::new(OnceLock::new());
    let (gone, _) = watch::channel(None);
    let end = handshake(wire, &target, options, Arc::default(), gone, Some(Arc::clone(&found))).await;
    match (found.get(), end) {
        (Some(offered), _) => Ok(offered.clone()),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(unreachable(&target).cause("the host showed no key")),
    }
}

/// The error of a host that cannot be reached.
pub(super) fn unreachable(target: &Target) -> Error {
    Error::new(Kind::Unreachable, format!("connect to {}", target.place())).host(&target.name)
}

/// What is worth knowing where an address or a port may be wrong.
pub(super) fn with_hints(error: Error, target: &Target) -> Error {
    if target.from_openssh {
        error
    } else {
        error.hint(
            "OpenSSH's client is not installed here, so ~/.ssh/config was not read: the inventory alone counts.",
        )
    }
}

async fn wire(
    host: &Host,
    target: &Arc<Target>,
    options: &Options,
    around: &Surroundings,
    depth: usize,
) -> Result<(Box<dyn Wire>, Option<Session>)> {
    let hop =
        target.jump.as_deref().map(jump::parse).transpose().map_err(|error| error.host(&target.name))?;
    if let Some(hop) = hop.flatten() {
        if depth >= MOST_JUMPS {
            return Err(unreachable(target)
                .cause(format!("more than {MOST_JUMPS} jump hosts lead to it"))
                .hint("Look for a ProxyJump in ~/.ssh/config that leads in a circle: ssh -G HOST | grep proxyjump"));
        }
        let gate = gate(host, hop);
        let gate = connect_at(&gate, options, around, depth + 1).await.map_err(|error| {
            error.hint(format!(
                "{} is the jump host to {}.",
                target.jump.as_deref().unwrap_or_default(),
                target.name
            ))
        })?;
        let gate = Session::of(gate);
        let stream = timeout(options.connect_timeout, gate.raw_forward(&target.host, target.port)).await;
        let stream = stream.map_err(|_| timed_out(target, options))?.map_err(|cause| {
            let hint = "The host's address is resolved on the jump host, which must allow forwarding.";
            unreachable(target).cause(format!("the jump host {}", gate.place())).cause(cause).hint(hint)
        })?;
        return Ok((Box::new(stream), Some(gate)));
    }
    if let Some(command) = &target.proxy {
        let mut child = tokio::process::Command::new("/bin/sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| unreachable(target).cause("start its ProxyCommand").cause(error))?;
        if let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) {
            return Ok((Box::new(tokio::io::join(output, input)), None));
        }
    }
    Ok((Box::new(PromptAck(dial(target, options).await?)), None))
}

/// The jump host as a host: it has the name of the one it leads to, whose errors its own are.
fn gate(host: &Host, hop: Jump) -> Host {
    Host {
        name: host.name.clone(),
        address: hop.host,
        port: hop.port,
        user: hop.user,
        sudo: false,
        identity_file: host.identity_file.clone(),
        jump: hop.before,
    }
}

pub(super) fn timed_out(target: &Target, options: &Options) -> Error {
    let error = unreachable(target)
        .cause(format!("no answer within {} s", options.connect_timeout.as_secs()))
        .hint("Is the host up, and does a firewall let this machine reach its SSH port?");
    with_hints(error, target)
}

async fn handshake(
    wire: Box<dyn Wire>,
    target: &Arc<Target>,
    options: &Options,
    seen: Arc<OnceLock<String>>,
    gone: watch::Sender<Option<String>>,
    look: Option<Arc<OnceLock<Offered>>>,
) -> Result<Handle<Watch>> {
    let keys = HostKeys::load(&options.known_hosts, &target.known_hosts, &target.names())
        .map_err(|error| error.host(&target.name))?;
    let config = client_config(&keys, look.is_some(), options.brief);
    let watch = Watch {
        target: Arc::clone(target),
        environment: options.environment.clone(),
        keys: Arc::new(keys),
        seen,
        look,
        gone,
    };
    let handshake = client::connect_stream(Arc::new(config), wire, watch);
    match timeout(options.connect_timeout, handshake).await {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(Stop::Refused(error))) => Err(error),
        Ok(Err(Stop::Protocol(error))) => {
            let closed = matches!(&error, russh::Error::Disconnect | russh::Error::HUP | russh::Error::IO(_));
            let mut found = unreachable(target).cause("the SSH handshake failed").cause(in_words(&error));
            if let Some(proxy) = &target.proxy {
                found = found
                    .hint(format!("The connection goes through a ProxyCommand; try it by hand: {proxy}"));
            } else if closed {
                found = found.hint("sshd turns an address away after many failed logins, or while it starts many; wait a minute.");
            }
            Err(with_hints(found, target))
        }
        Err(_) => Err(timed_out(target, options)),
    }
}

fn client_config(keys: &HostKeys, looking: bool, brief: bool) -> client::Config {
    // Each name is sent with every connection, so there is one of each kind: for servers of today, for those that
    // allow no curve of ours (FIPS: the groups), and for those from before OpenSSH 7.3 (the curve's first name).
    let mut exchanges = vec![
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::DH_G16_SHA512,
        kex::DH_G14_SHA256,
        kex::EXTENSION_SUPPORT_AS_CLIENT,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    ];
    if brief {
        // The large one stays as the last choice: a host may know no other.
        exchanges.sort_by_key(|name| *name == kex::MLKEM768X25519_SHA256);
    }
    client::Config {
        preferred: Preferred {
            kex: exchanges.into(),
            key: keys.algorithms().into(),
            // A key that is to be written down is wanted, not a certificate.
            host_key_certificates: if looking { Vec::new() } else { keys.certificate_algorithms() }.into(),
            // AES is in the hardware of every server: twice as fast as the default.
            cipher: vec![cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR].into(),
            // Only AES_256_CTR needs one.
            mac: vec![mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA256].into(),
            // After the login. Most of what a deploy says is said again and again: channels, requests, JSON.
            compression: vec![compression::ZLIB_LEGACY, compression::NONE].into(),
        },
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 3,
        window_size: 2 * 1024 * 1024,
        maximum_packet_size: 32 * 1024,
        nodelay: true,
        ..client::Config::default()
    }
}

/// Says goodbye.
pub(super) async fn disconnect(handle: &Handle<Watch>) {
    let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
}
