//! One channel, driven by a task of its own.
//!
//! russh delivers all channels of a connection in order through bounded queues: one that nobody reads stalls
//! them all. So each has a task that always reads; it also feeds stdin, and closes the channel when whoever
//! wanted it is gone, which russh does not do by itself.

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// How much may wait to be read of all channels of a connection together, in bytes. russh opens the window for what it
/// has received, not for what was read, so a host could fill our memory; beyond this the channel is closed.
pub(super) const MOST_WAITING: usize = 64 * 1024 * 1024;

/// What a piece takes beside its bytes: a host may send them one by one.
const PIECE: usize = 128;

/// What comes out of a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Out(Bytes),
    Err(Bytes),
    /// The host sends no more.
    Eof,
    /// The exit status.
    Status(u32),
    /// The signal that ended the command.
    Signal(String),
    /// The server would not run the command.
    Refused,
    /// More than [`MOST_WAITING`] was waiting.
    TooMuch,
}

/// The reading end.
pub(super) struct Pieces {
    queue: mpsc::UnboundedReceiver<Piece>,
    room: Room,
}

/// Counts what waits; clones share it.
#[derive(Clone, Default)]
pub(super) struct Room(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Room {
    /// Makes room for a piece of so many bytes; whether there was any. It is given back in either case.
    fn take(&self, bytes: usize) -> bool {
        let size = bytes + PIECE;
        self.0.fetch_add(size, std::sync::atomic::Ordering::Relaxed) + size <= MOST_WAITING
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes + PIECE, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Drop for Pieces {
    /// What was not read makes room for other channels.
    fn drop(&mut self) {
        self.queue.close();
        while let Ok(piece) = self.queue.try_recv() {
            self.room.give_back(piece.len());
        }
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Piece::Out(bytes) | Piece::Err(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

impl Pieces {
    /// The next piece; none when the channel is closed.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(super) fn poll_next(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Piece>> {
        let piece = self.queue.poll_recv(cx);
        if let std::task::Poll::Ready(Some(piece)) = &piece {
            self.room.give_back(piece.len());
        }
        piece
    }
}

/// What to send: all of stdin, followed by its end; nothing, where somebody else writes or nobody reads.
pub(super) enum Input {
    All(Vec<u8>),
    Nothing,
}

/// Starts the task. The sender it returns with the pieces resolves when the channel is closed.
pub(super) fn drive(
    channel: Channel<Msg>,
    input: Input,
    room: &Room,
) -> (Pieces, oneshot::Receiver<()>, Writer) {
    let (read, write) = channel.split();
    let (sender, queue) = mpsc::unbounded_channel();
    let (open, closed) = oneshot::channel();
    let room = room.clone();
    let writer: Writer = Box::pin(write.make_writer());
    tokio::spawn(run(read, write, input, sender, room.clone(), open));
    (Pieces { queue, room }, closed, writer)
}

/// Writes into a channel.
pub(super) type Writer = std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>;

async fn run(
    mut read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    input: Input,
    sender: mpsc::UnboundedSender<Piece>,
    room: Room,
    open: oneshot::Sender<()>,
) {
    let feed = async {
        if let Input::All(bytes) = input {
            // An error means that the channel is gone, which reading will tell.
            let _ = write.data_bytes(bytes).await;
            let _ = write.eof().await;
        }
    };
    tokio::pin!(feed);
    let mut feeding = true;
    loop {
        let message = tokio::select! {
            // Where a command ends without reading its stdin, the window never opens again: reading sees
            // the end, and the loop leaves with the rest unsent.
            message = read.wait() => message,
            () = &mut feed, if feeding => { feeding = false; continue; }
            () = sender.closed() => break,
        };
        let piece = match message {
            Some(ChannelMsg::Data { data }) => Piece::Out(data),
            Some(ChannelMsg::ExtendedData { data, .. }) => Piece::Err(data),
            Some(ChannelMsg::Eof) => Piece::Eof,
            Some(ChannelMsg::ExitStatus { exit_status }) => Piece::Status(exit_status),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => Piece::Signal(format!("{signal_name:?}")),
            Some(ChannelMsg::Failure) => Piece::Refused,
            Some(ChannelMsg::Close) | None => break,
            Some(_) => continue,
        };
        let size = piece.len();
        let full = !room.take(size);
        if full {
            // The last piece is an empty one.
            room.give_back(size);
            room.take(0);
        }
        let size = if full { 0 } else { size };
        if sender.send(if full { Piece::TooMuch } else { piece }).is_err() {
            room.give_back(size);
            break;
        }
        if full {
            break;
        }
    }
    drop(sender);
    drop(open);
    // What still comes must not wait for a reader: russh would deliver it before it sends our goodbye.
    drop(read);
    let _ = write.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_counted_with_what_a_piece_takes_and_makes_room_again() {
        let room = Room::default();
        let (sender, queue) = mpsc::unbounded_channel();
        let mut pieces = Pieces { queue, room: room.clone() };
        let mut sent = 0;
        while room.take(1) {
            sender.send(Piece::Out(Bytes::from_static(b"y"))).unwrap();
            sent += 1;
        }
        room.give_back(1);
        assert_eq!(sent, MOST_WAITING / (PIECE + 1), "bytes that come one by one");
        assert!(!room.take(MOST_WAITING), "of another channel of the connection");
        room.give_back(MOST_WAITING);
        assert_eq!(pieces.next().await, Some(Piece::Out(Bytes::from_static(b"y"))));
        assert!(room.take(1));
        room.give_back(1);
        drop(pieces);
        assert!(room.take(MOST_WAITING - PIECE), "what nobody reads any more");
    }
}
