//! An SSH server in this process, which does what no real one can be made to do at will.

use std::sync::Arc;

use bytes::Bytes;
use russh::keys::PrivateKey;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Sig};
use tokio::net::TcpListener;

/// What the server does with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Play {
    /// Output, exit status 7, end of output, close.
    StatusFirst,
    /// Output, end of output, exit status 7, close.
    EofFirst,
    /// Output, end of output, close.
    NoStatus,
    /// Ended by a signal.
    Killed,
    /// The request fails.
    Refuse,
    /// The connection ends in the middle.
    HangUp,
    /// Never looks at what comes in and ends with status 0.
    Deaf,
    /// Never answers to a key.
    SilentLogin,
    /// Never answers when a channel is to be opened.
    SilentOpen,
    /// Takes a command and says nothing.
    SilentCommand,
    /// Answers `y` and a line end for ever, as fast as it is taken.
    Yes,
    /// Answers one byte and then another, for ever.
    Dribble,
    /// Answers one line without end.
    OneLine,
}

/// How much a forwarded connection is sent, unasked.
pub(super) const FLOOD: usize = 16 * 1024 * 1024;

/// Serves on a free port of 127.0.0.1 with the host `keys`, and gives the port.
pub(super) async fn serve(play: Play, keys: Vec<PrivateKey>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(server::Config {
        keys,
        auth_rejection_time: std::time::Duration::ZERO,
        ..server::Config::default()
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                if let Ok(session) = server::run_stream(config, stream, Player(play)).await {
                    let _ = session.await;
                }
            });
        }
    });
    port
}

struct Player(Play);

impl server::Handler for Player {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        if self.0 == Play::SilentLogin {
            std::future::pending::<()>().await;
        }
        let ours = super::key(1);
        Ok(if key.public_key.key_data() == ours.public_key().key_data() {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.0 == Play::SilentOpen {
            std::future::pending::<()>().await;
        }
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        match port {
            1 => reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await,
            2 => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            3 => std::future::pending::<()>().await,
            _ => {
                reply.accept().await;
                tokio::spawn(async move {
                    let _ = channel.data_bytes(Bytes::from(vec![b'x'; FLOOD])).await;
                    let _ = channel.eof().await;
                });
            }
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.0 == Play::Refuse {
            session.channel_failure(id)?;
            return session.close(id);
        }
        if self.0 == Play::SilentCommand {
            return Ok(());
        }
        session.channel_success(id)?;
        let endless: Option<(Bytes, std::time::Duration)> = match self.0 {
            Play::Yes => Some((Bytes::from(b"y\n".repeat(8192)), std::time::Duration::ZERO)),
            Play::OneLine => Some((Bytes::from(vec![b'x'; 16 * 1024]), std::time::Duration::ZERO)),
            Play::Dribble => Some((Bytes::from_static(b"."), std::time::Duration::from_millis(20))),
            _ => None,
        };
        if let Some((bytes, pause)) = endless {
            let handle = session.handle();
            tokio::spawn(async move {
                while handle.data(id, bytes.clone()).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
            });
            return Ok(());
        }
        session.data(id, Bytes::from_static(b"out"))?;
        session.extended_data(id, 1, Bytes::from_static(b"err"))?;
        match self.0 {
            Play::StatusFirst => {
                session.exit_status_request(id, 7)?;
                session.eof(id)?;
            }
            Play::EofFirst => {
                session.eof(id)?;
                session.exit_status_request(id, 7)?;
            }
            Play::NoStatus => session.eof(id)?,
            Play::Killed => session.exit_signal_request(id, Sig::KILL, false, "", "")?,
            Play::HangUp => return Err(russh::Error::Disconnect),
            Play::Deaf => session.exit_status_request(id, 0)?,
            _ => {}
        }
        session.close(id)
    }
}
