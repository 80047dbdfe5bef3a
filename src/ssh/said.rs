//! What others say in their own words while we connect: a server's banner, a `ProxyCommand`'s complaint.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::connect::Wire;
use crate::error::quoted;

/// How much is kept.
const MOST: usize = 2048;

/// Collects what is said; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    /// Adds `text`, as far as there is room.
    pub(super) fn note(&self, text: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST - kept.len();
        kept.extend_from_slice(&text[..text.len().min(room)]);
    }

    /// All of it in quotes, cleaned and cut; none where nothing was said.
    pub(super) fn quoted(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        quoted(&String::from_utf8_lossy(&kept))
    }

    /// What stood in front of the server's version, which is all that a server says that turns us away; none where
    /// it was the version itself.
    pub(super) fn before_version(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept).into_owned();
        quoted(&text.lines().take_while(|line| !line.starts_with("SSH-")).collect::<Vec<_>>().join("\n"))
    }

    /// Keeps what `source` says until its end.
    pub(super) async fn listen(self, mut source: impl AsyncRead + Unpin) {
        let mut bytes = [0; 512];
        while let Ok(count @ 1..) = source.read(&mut bytes).await {
            self.note(&bytes[..count]);
        }
    }
}

/// A wire whose first words are kept.
pub(super) struct Heard {
    pub wire: Box<dyn Wire>,
    pub said: Said,
    /// How many bytes came.
    pub count: usize,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.wire).poll_read(cx, buf);
        if self.count < MOST {
            let new = &buf.filled()[before..];
            self.said.note(new);
            self.count += new.len();
        }
        polled
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_version_is_the_servers_word() {
        let heard = |text: &str| {
            let said = Said::default();
            said.note(text.as_bytes());
            said.before_version()
        };
        assert_eq!(heard("Exceeded MaxStartups\r\n").as_deref(), Some("\"Exceeded MaxStartups\""));
        assert_eq!(heard("SSH-2.0-OpenSSH_9.2\r\n\0\0\x03"), None);
        assert_eq!(heard(""), None);
    }

    #[test]
    fn only_so_much_is_kept() {
        let said = Said::default();
        for _ in 0..10 {
            said.note(&[b'x'; 1000]);
        }
        assert_eq!(said.0.lock().unwrap().len(), MOST);
    }
}
