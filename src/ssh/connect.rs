//! From an address to an authenticated connection: TCP, jump hosts, handshake, login.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::{Disconnect, Preferred, cipher, compression, kex, mac};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use super::auth::{self, Server};
use super::channel::Room;
use super::config::{self, Target};
use super::dial::dial;
use super::host_key::{Offered, Standing, Stop, Watch, Watched, in_words};
use super::known_hosts::HostKeys;
use super::prompt_ack::PromptAck;
use super::proxy::{self, Complaints};
use super::said::{Heard, Said};
use super::session::Session;
use super::surroundings::Surroundings;
use crate::error::{Error, Kind, Result};
use crate::inventory::Host;
use crate::inventory::jump::{self, Jump};

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
    /// What a login waits for: connecting up to there is done meanwhile. Without it nothing is waited for.
    pub before_login: Option<watch::Receiver<bool>>,
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
    /// How it was made, so that another can be made beside it.
    pub origin: Origin,
    /// Connections for commands that the host would not run over this one.
    pub beside: tokio::sync::Mutex<Vec<Session>>,
    /// The ports that sshd would not forward to.
    pub prohibited: Mutex<BTreeSet<u16>>,
    /// What waits to be read, of all its channels together.
    pub room: Room,
}

/// What a connection is made from.
pub(super) struct Origin {
    pub host: Host,
    pub options: Options,
    pub around: Surroundings,
}

/// What the bytes of a connection run over, and what was said on the way.
struct Way {
    wire: Box<dyn Wire>,
    jump: Option<Session>,
    /// What a `ProxyCommand` complains of.
    complaints: Option<Complaints>,
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
        let mut way = way(host, &target, options, around, depth).await?;
        let jump = way.jump.take();
        let watched = Watched::default();
        let (gone, left) = watch::channel(None);
        let mut handle = handshake(way, &target, options, &watched, gone, false).await?;
        if let Some(mut may) = options.before_login.clone() {
            let nobody = |_| unreachable(&target).cause("nobody wants the connection any more");
            may.wait_for(|may| *may).await.map_err(nobody)?;
        }
        let server = Server { banner: &watched.banner, gone: &left };
        auth::authenticate(&mut handle, &target, around, options.connect_timeout, &server).await?;
        let fingerprint = watched.seen.get().cloned().unwrap_or_default();
        let origin = Origin { host: host.clone(), options: options.clone(), around: around.clone() };
        Ok(Connection {
            handle,
            target,
            fingerprint,
            gone: left,
            jump,
            origin,
            beside: tokio::sync::Mutex::default(),
            prohibited: Mutex::default(),
            room: Room::default(),
        })
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
        let keys = known(options, &before)?;
        if !keys.is_empty() {
            break;
        }
        (host, target) = (gate, before);
    }
    let mut way = match way(&host, &target, options, around, 0).await {
        Ok(way) => way,
        Err(error) => return changed_gate(&host, &target, options, around).await.ok_or(error),
    };
    let _jump = way.jump.take();
    let watched = Watched::default();
    let (gone, _) = watch::channel(None);
    let end = handshake(way, &target, options, &watched, gone, true).await;
    match (watched.look.get(), end) {
        (Some(offered), _) => Ok(offered.clone()),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(unreachable(&target).cause("the host showed no key")),
    }
}

/// The key of the jump host to `host`, where that is why nothing came through it.
async fn changed_gate(
    host: &Host,
    target: &Target,
    options: &Options,
    around: &Surroundings,
) -> Option<Offered> {
    let gate = gate(host, jump::parse(target.jump.as_deref()?).ok()??);
    let offered = Box::pin(look(&gate, options, around)).await.ok()?;
    matches!(offered.standing, Standing::Changed(_) | Standing::Revoked(_)).then_some(offered)
}

/// The error of a host that cannot be reached.
pub(super) fn unreachable(target: &Target) -> Error {
    Error::new(Kind::Unreachable, format!("connect to {}", target.place())).host(&target.name)
}

/// What is worth knowing where an address or a port may be wrong.
pub(super) fn with_hints(error: Error, target: &Target) -> Error {
    if !target.from_openssh {
        return error.hint(
            "OpenSSH's client is not installed here, so ~/.ssh/config was not read: the inventory alone counts.",
        );
    }
    target.not_used.iter().fold(error, |error, setting| {
        error.hint(format!("provision does not use `{setting}` of the SSH configuration."))
    })
}

/// What the files say of the host.
fn known(options: &Options, target: &Target) -> Result<HostKeys> {
    HostKeys::load(&options.known_hosts, &target.known_hosts, target.revoked.as_deref(), &target.names())
        .map_err(|error| error.host(&target.name))
}

async fn way(
    host: &Host,
    target: &Arc<Target>,
    options: &Options,
    around: &Surroundings,
    depth: usize,
) -> Result<Way> {
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
        return Ok(Way { wire: Box::new(stream), jump: Some(gate), complaints: None });
    }
    if let Some(command) = &target.proxy {
        let (proxy, complaints) = proxy::start(command, target)?;
        return Ok(Way { wire: Box::new(proxy), jump: None, complaints: Some(complaints) });
    }
    let wire = Box::new(PromptAck(dial(target, options).await?));
    Ok(Way { wire, jump: None, complaints: None })
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
    way: Way,
    target: &Arc<Target>,
    options: &Options,
    watched: &Watched,
    gone: watch::Sender<Option<String>>,
    looking: bool,
) -> Result<Handle<Watch>> {
    let keys = known(options, target)?;
    let config = client_config(&keys, looking, options.brief);
    let watch = Watch {
        target: Arc::clone(target),
        environment: options.environment.clone(),
        keys: Arc::new(keys),
        watched: watched.clone(),
        looking,
        gone,
    };
    let heard = Said::default();
    let wire = Heard { wire: way.wire, said: heard.clone(), count: 0 };
    let handshake = client::connect_stream(Arc::new(config), wire, watch);
    let error = match timeout(options.connect_timeout, handshake).await {
        Ok(Ok(handle)) => return Ok(handle),
        Ok(Err(Stop::Refused(error))) => return Err(error),
        Ok(Err(Stop::Protocol(error))) => {
            let closed = matches!(&error, russh::Error::Disconnect | russh::Error::HUP | russh::Error::IO(_));
            let error = unreachable(target).cause("the SSH handshake failed").cause(in_words(&error));
            if closed && target.proxy.is_none() {
                error.hint("sshd turns an address away after many failed logins, or while it starts many; wait a minute.")
            } else {
                error
            }
        }
        Err(_) => unreachable(target)
            .cause(format!(
                "a connection was made, but the SSH handshake was not over within {} s",
                options.connect_timeout.as_secs()
            ))
            .hint("The host may be overloaded, or what listens on that port is not an SSH server."),
    };
    Err(with_hints(explained(error, way.complaints, &heard, target).await, target))
}

/// Adds what the server and a `ProxyCommand` said to the error of a handshake.
async fn explained(mut error: Error, complaints: Option<Complaints>, heard: &Said, target: &Target) -> Error {
    if let Some(words) = heard.before_version() {
        error = error.cause(format!("it said: {words}"));
    }
    if let Some(mut complaints) = complaints {
        if let Some(words) = complaints.quoted().await {
            error = error.cause(format!("its ProxyCommand said: {words}"));
        }
        let command = target.proxy.as_deref().unwrap_or_default();
        error = error.hint(format!("The connection goes through a ProxyCommand; try it by hand: {command}"));
    }
    error
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
