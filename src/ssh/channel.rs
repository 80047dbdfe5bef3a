//! One channel, driven by a task of its own.
//!
//! russh delivers all channels of a connection in order through bounded queues: one that nobody reads stalls
//! them all. So each has a task that always reads; it also feeds stdin, and closes the channel when whoever
//! wanted it is gone, which russh does not do by itself.

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// How much may wait to be read. russh opens the window for what it has received, not for what was read, so
/// a host could fill our memory; beyond this the channel is closed.
const MOST_WAITING: usize = 64 * 1024 * 1024;

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

/// Counts what waits.
#[derive(Clone, Default)]
struct Room(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Room {
    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed) + bytes <= MOST_WAITING
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Pieces {
    /// The next piece; none when the channel is closed.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(super) fn poll_next(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Piece>> {
        let piece = self.queue.poll_recv(cx);
        if let std::task::Poll::Ready(Some(Piece::Out(bytes) | Piece::Err(bytes))) = &piece {
            self.room.give_back(bytes.len());
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
pub(super) fn drive(channel: Channel<Msg>, input: Input) -> (Pieces, oneshot::Receiver<()>, Writer) {
    let (read, write) = channel.split();
    let (sender, queue) = mpsc::unbounded_channel();
    let (open, closed) = oneshot::channel();
    let room = Room::default();
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
        let size = match &piece {
            Piece::Out(bytes) | Piece::Err(bytes) => bytes.len(),
            _ => 0,
        };
        let full = !room.take(size);
        if sender.send(if full { Piece::TooMuch } else { piece }).is_err() || full {
            break;
        }
    }
    drop(sender);
    drop(open);
    let _ = write.close().await;
}
