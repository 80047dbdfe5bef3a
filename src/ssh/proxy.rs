//! A connection through the SSH configuration's `ProxyCommand`: its standard input and output are the wire.

use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::config::Target;
use super::connect::unreachable;
use super::said::Said;
use crate::child;
use crate::error::Result;

/// How long a command that failed is listened to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The wire; the command ends with it.
pub(super) struct Proxy {
    ends: Join<ChildStdout, ChildStdin>,
    _child: Child,
}

/// What the command complains of.
pub(super) struct Complaints {
    said: Said,
    end: Option<JoinHandle<()>>,
}

impl Complaints {
    /// All of it in quotes, once the command has ended; none where it said nothing.
    pub(super) async fn quoted(&mut self) -> Option<String> {
        if let Some(end) = self.end.take() {
            let _ = timeout(LAST_WORDS, end).await;
        }
        self.said.quoted()
    }
}

/// Starts `command`, which a shell reads.
///
/// # Errors
/// Unreachable: there is no shell to start it.
pub(super) fn start(command: &str, target: &Target) -> Result<(Proxy, Complaints)> {
    let failed = |error: std::io::Error| unreachable(target).cause("start its ProxyCommand").cause(error);
    let mut child = child::command("/bin/sh")
        .args(["-c", &format!("exec {command}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let said = Said::default();
    let end = child.stderr.take().map(|errors| tokio::spawn(said.clone().listen(errors)));
    let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
        return Err(failed(std::io::Error::other("it has no standard input or output")));
    };
    Ok((Proxy { ends: tokio::io::join(output, input), _child: child }, Complaints { said, end }))
}

impl AsyncRead for Proxy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.ends).poll_read(cx, buf)
    }
}

impl AsyncWrite for Proxy {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.ends).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.ends).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.ends).poll_shutdown(cx)
    }
}
