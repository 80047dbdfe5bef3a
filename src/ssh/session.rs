//! An open connection to a host, and what can be done over it.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelOpenFailure, ChannelStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::bootstrap::Command;
use super::channel::{self, Input, Piece, Pieces};
use super::connect::{self, Connection, Options};
use super::forward::Forwarded;
use super::host_key::{Offered, in_words};
use super::lines::{End, Lines};
use super::surroundings::Surroundings;
use crate::error::{Error, Kind, Result, quoted};
use crate::inventory::Host;

/// How long a port of the host may take to accept, at most: it is its own loopback address.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// The whole output of a command that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// Its exit status.
    pub status: u32,
}

/// A connection to a host, logged in. Clones share it; with the last one, and the last stream over it, it ends.
#[derive(Clone)]
pub struct Session(Arc<Connection>);

impl Session {
    /// Connects to `host` and logs in: 6 round trips with a key, no more than OpenSSH needs.
    ///
    /// # Errors
    ///
    /// [`Kind::Unreachable`] with the host, the cause and what to do, for a name without an address, a
    /// port that does not answer, a key that is not the known one, a login that is refused; [`Kind::Usage`] for
    /// an SSH configuration or a committed `known_hosts` that cannot be read.
    pub async fn connect(host: &Host, options: &Options) -> Result<Self> {
        Self::connect_from(host, options, &Surroundings::of_process()).await
    }

    pub(super) async fn connect_from(host: &Host, options: &Options, around: &Surroundings) -> Result<Self> {
        connect::connect(host, options, around).await.map(Self::of)
    }

    /// The key that `host` shows, for `provision trust`: nothing is accepted and nobody logs in. Counts as a
    /// connection without a login, of which sshd allows few. Where a jump host on the way is not known, it is
    /// that one's key: trust it, and look again.
    ///
    /// # Errors
    ///
    /// As [`Session::connect`], as far as it gets.
    pub async fn look(host: &Host, options: &Options) -> Result<Offered> {
        connect::look(host, options, &Surroundings::of_process()).await
    }

    pub(super) fn of(connection: Connection) -> Self {
        Self(Arc::new(connection))
    }

    /// The host's name in the inventory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.target.name
    }

    /// `user@host:port`, as it was resolved.
    #[must_use]
    pub fn place(&self) -> String {
        self.0.target.place()
    }

    /// The fingerprint of the host key that was accepted: `SHA256:…`.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// Runs `command` to its end: 2 round trips and its own time. `stdin` is sent while output is read.
    ///
    /// # Errors
    ///
    /// [`Kind::Unreachable`] if the connection is lost, the server refuses to run it, says nothing for as long as the
    /// command allows, takes longer or prints more than that, or it ends without an exit status. A status other than 0 is
    /// not an error here.
    pub async fn exec(&self, command: &Command, stdin: Vec<u8>) -> Result<Output> {
        let (mut pieces, session) = self.start(command, stdin).await?;
        let (mut stdout, mut stderr, mut end) = (Vec::new(), Vec::new(), End::default());
        let (silence, longest) = (command.silence(), command.longest_run());
        let until = Instant::now() + longest;
        loop {
            let end_of_patience = until.min(Instant::now() + silence);
            let piece = timeout_at(end_of_patience, pieces.next()).await.map_err(|_| {
                if Instant::now() < until { session.silent(silence) } else { session.endless(longest) }
            })?;
            let Some(piece) = piece else { break };
            match end.note(piece) {
                Some(Piece::Out(bytes)) => stdout.extend_from_slice(&bytes),
                Some(Piece::Err(bytes)) => stderr.extend_from_slice(&bytes),
                _ => {}
            }
            if stdout.len() + stderr.len() > Command::most_output() {
                return Err(session.too_much(&stdout));
            }
        }
        let status = exit_status(&session, &end)?;
        Ok(Output { stdout, stderr, status })
    }

    /// Starts `command` and gives its output by lines.
    ///
    /// # Errors
    ///
    /// As [`Session::exec`].
    pub async fn stream(&self, command: &Command, stdin: Vec<u8>) -> Result<Lines> {
        let (pieces, session) = self.start(&command.clone().announced(), stdin).await?;
        Ok(Lines::new(pieces, session, command.silence(), command.longest_stream()))
    }

    async fn start(&self, command: &Command, stdin: Vec<u8>) -> Result<(Pieces, Session)> {
        let input = if stdin.is_empty() { Input::Nothing } else { Input::All(stdin) };
        let line = command.line(matches!(input, Input::All(_)))?;
        let (channel, session) = self.channel().await?;
        // The reply is not waited for: a refusal comes as a message before the channel's end.
        channel.exec(true, line).await.map_err(|error| session.lost("run a command", &error))?;
        let (pieces, _, _) = channel::drive(channel, input, &self.0.room);
        Ok((pieces, session))
    }

    /// A channel for a command. Where sshd's `MaxSessions` allows no further one over this connection, it is over
    /// another one beside it.
    async fn channel(&self) -> Result<(Channel<Msg>, Session)> {
        if let Some(channel) = self.try_channel().await? {
            return Ok((channel, self.clone()));
        }
        // Held while connecting, so that two commands at once do not make more connections than they need.
        let mut beside = self.0.beside.lock().await;
        beside.retain(|session| !session.0.handle.is_closed());
        for session in beside.iter() {
            if let Some(channel) = session.try_channel().await? {
                return Ok((channel, session.clone()));
            }
        }
        let origin = &self.0.origin;
        let another = Self::connect_from(&origin.host, &origin.options, &origin.around).await?;
        let channel = another.try_channel().await?.ok_or_else(|| {
            self.error("run a command")
                .cause("the host's sshd opens no session for it, not even over a connection of its own")
                .hint("`MaxSessions` in /etc/ssh/sshd_config must be at least 1: see `sshd -T | grep -i maxsessions` there, and reload sshd.")
        })?;
        beside.push(another.clone());
        Ok((channel, another))
    }

    /// None where the server opens no further one.
    async fn try_channel(&self) -> Result<Option<Channel<Msg>>> {
        // As long as a step of the login: it is sshd's work alone.
        let limit = self.0.origin.options.connect_timeout;
        match timeout(limit, self.0.handle.channel_open_session()).await {
            Ok(Ok(channel)) => Ok(Some(channel)),
            Ok(Err(russh::Error::ChannelOpenFailure(_))) => Ok(None),
            Ok(Err(error)) => Err(self.lost("run a command", &error)),
            Err(_) => Err(self
                .error("run a command")
                .cause(format!("sshd opened no channel within {} s", limit.as_secs()))
                .hint("The host may be overloaded: look at its load, memory and disk.")),
        }
    }

    /// A byte stream to `port` of the host's 127.0.0.1: one round trip.
    ///
    /// # Errors
    ///
    /// [`Kind::Unreachable`] if nothing listens there, if sshd forbids forwarding (see
    /// [`Session::prohibited`]), if the port does not accept in time, or if the connection is lost.
    pub async fn forward(&self, port: u16) -> Result<Forwarded> {
        let doing = format!("forward to port {port} of the host");
        let open = self.0.handle.channel_open_direct_tcpip("127.0.0.1", u32::from(port), "127.0.0.1", 0);
        let limit = FORWARD_TIMEOUT.min(self.0.origin.options.connect_timeout);
        let open = timeout(limit, open).await.map_err(|_| {
            self.error(&doing)
                .cause(format!("127.0.0.1:{port} there accepts no connection within {} s", limit.as_secs()))
                .hint("What listens there hangs, or a firewall on the host drops its own loopback traffic.")
        })?;
        let channel = open.map_err(|error| match error {
            russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited) => {
                self.0.prohibited.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
                self.error(&doing)
                    .cause("the host's sshd forbids forwarding")
                    .hint("Set `AllowTcpForwarding local` (and no PermitOpen against it) in /etc/ssh/sshd_config, then reload sshd.")
            }
            russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed) => {
                self.error(&doing).cause(format!("nothing listens on 127.0.0.1:{port} there"))
            }
            russh::Error::ChannelOpenFailure(reason) => {
                self.error(&doing).cause(format!("the server refused it: {reason:?}"))
            }
            error => self.lost(&doing, &error),
        })?;
        let (pieces, closed, writer) = channel::drive(channel, Input::Nothing, &self.0.room);
        Ok(Forwarded::new(pieces, closed, writer, self.clone()))
    }

    /// The ports that sshd refused to forward to, whatever listens there: its configuration or the key's options
    /// forbid it.
    #[must_use]
    pub fn prohibited(&self) -> BTreeSet<u16> {
        self.0.prohibited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name that we logged in with.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0.target.user
    }

    /// The command that tries the same login by hand, for a hint: it prints nothing where all is well.
    #[must_use]
    pub fn by_hand(&self) -> String {
        self.0.target.by_hand()
    }

    /// The wire to a host behind this one. Errors: a fragment.
    pub(super) async fn raw_forward(
        &self,
        host: &str,
        port: u16,
    ) -> std::result::Result<ChannelStream<russh::client::Msg>, String> {
        let open = self.0.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0).await;
        open.map(russh::Channel::into_stream).map_err(|error| match error {
            russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited) => {
                "it forbids forwarding (AllowTcpForwarding)".to_owned()
            }
            russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed) => {
                format!("it cannot reach {host}:{port}")
            }
            error => in_words(&error),
        })
    }

    /// Resolves when the connection is gone, for whatever reason.
    pub async fn closed(&self) {
        let mut gone: watch::Receiver<_> = self.0.gone.clone();
        while gone.changed().await.is_ok() {}
    }

    /// Says goodbye and waits until the connection is gone, and those to jump hosts with it; a host that no
    /// longer takes anything is not waited for.
    pub async fn close(&self) {
        let goodbye = async {
            connect::disconnect(&self.0.handle).await;
            self.closed().await;
        };
        let _ = timeout(GOODBYE, goodbye).await;
        for session in std::mem::take(&mut *self.0.beside.lock().await) {
            Box::pin(session.close()).await;
        }
        if let Some(jump) = &self.0.jump {
            Box::pin(jump.close()).await;
        }
    }

    /// The error of a command that has said nothing for `limit`.
    pub(super) fn silent(&self, limit: Duration) -> Error {
        self.error("run a command")
            .cause(format!("the host has said nothing for {} s", limit.as_secs()))
            .hint(format!(
                "What the login shell runs may wait for something, or the host is overloaded. Try: {}",
                self.0.target.by_hand()
            ))
    }

    /// The error of a command that has not ended after `limit`.
    pub(super) fn endless(&self, limit: Duration) -> Error {
        self.error("run a command")
            .cause(format!("it has not ended within {} s, although the host goes on speaking", limit.as_secs()))
            .hint(format!(
                "The host or the line to it is very slow, or what answers is not what it should be. Look at it: {}",
                self.by_hand_open()
            ))
    }

    /// The error of a command that prints without end; `said` is the beginning.
    fn too_much(&self, said: &[u8]) -> Error {
        let words = quoted(&String::from_utf8_lossy(&said[..said.len().min(1024)]));
        self.error("run a command")
            .cause(format!("the host answered more than {} MiB, which no answer has", Command::most_output() >> 20))
            .cause(format!("it begins with {}", words.unwrap_or_else(|| "nothing that can be shown".to_owned())))
            .hint(format!(
                "What answers may not be what it should be, or one of its folders has far too many files. Look at it: {}",
                self.by_hand_open()
            ))
    }

    /// The command that logs in by hand.
    fn by_hand_open(&self) -> String {
        let by_hand = self.0.target.by_hand();
        by_hand.strip_suffix(" true").unwrap_or(&by_hand).to_owned()
    }

    fn error(&self, doing: &str) -> Error {
        Error::new(Kind::Unreachable, doing).host(self.name())
    }

    fn lost(&self, doing: &str, error: &russh::Error) -> Error {
        let why = self.0.gone.borrow().clone().unwrap_or_else(|| in_words(error));
        self.error(doing).cause(format!("the connection to {} was lost", self.0.target.place())).cause(why)
    }
}

/// The exit status of a command that has ended, or what was wrong with its end.
pub(super) fn exit_status(session: &Session, end: &End) -> Result<u32> {
    let error = || session.error("run a command");
    if end.too_much {
        return Err(error()
            .cause(format!("the host sent {} MiB more than could be read", channel::MOST_WAITING >> 20))
            .hint("What answers may not be what it should be, or this machine is overloaded: try again."));
    }
    if let Some(status) = end.status {
        return Ok(status);
    }
    if end.refused {
        return Err(error()
            .cause("the server refused to run it")
            .hint("The login must have a shell, and no ForceCommand or restricted key against it."));
    }
    if let Some(signal) = &end.signal {
        return Err(error().cause(format!("it was ended by the signal {signal}")));
    }
    if session.0.handle.is_closed() {
        return Err(session.lost("run a command", &russh::Error::Disconnect));
    }
    Err(error()
        .cause("it ended without an exit status")
        .hint("It may have been killed, or the host may be short of memory: look at `dmesg` there."))
}
