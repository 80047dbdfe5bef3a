//! A byte stream to a port of the host.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::channel::{Piece, Pieces, Writer};
use super::session::Session;

/// A connection to a port on the host's loopback address. Dropped, it is closed.
pub struct Forwarded {
    pieces: Pieces,
    /// Resolves when the channel is closed; none after that.
    closed: Option<oneshot::Receiver<()>>,
    writer: Writer,
    /// Received and not yet read.
    left: Bytes,
    /// Whether our end may be closed alone, while the other still speaks.
    half: bool,
    /// The connection lives as long as what runs through it.
    _session: Session,
}

impl Forwarded {
    pub(super) fn new(
        pieces: Pieces,
        closed: oneshot::Receiver<()>,
        writer: Writer,
        session: Session,
    ) -> Self {
        Self { pieces, closed: Some(closed), writer, left: Bytes::new(), half: true, _session: session }
    }

    /// Closes both ends at once, when it is dropped: enough where one question has one answer, and a packet less.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.half = false;
        self
    }

    /// An error once the channel is closed: russh would wait for its window for ever.
    fn still_open(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(closed) = &mut self.closed {
            if Pin::new(closed).poll(cx).is_pending() {
                return Ok(());
            }
            self.closed = None;
        }
        Err(io::Error::new(io::ErrorKind::BrokenPipe, "the host has closed the forwarded connection"))
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.left.is_empty() {
            match self.pieces.poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Piece::Out(bytes))) => self.left = bytes,
                Poll::Ready(Some(Piece::Eof) | None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Piece::TooMuch)) => {
                    let what = "more came through the forwarded connection than was read";
                    return Poll::Ready(Err(io::Error::other(what)));
                }
                Poll::Ready(Some(_)) => {}
            }
        }
        let count = self.left.len().min(buf.remaining());
        buf.put_slice(&self.left[..count]);
        self.left.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.still_open(cx)?;
        self.writer.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.half || self.still_open(cx).is_err() {
            return Poll::Ready(Ok(()));
        }
        self.writer.as_mut().poll_shutdown(cx)
    }
}
