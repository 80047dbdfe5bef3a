//! A command's output, line by line, as it comes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::channel::{Piece, Pieces};
use super::session::{Session, exit_status};
use crate::error::Result;

/// A line longer than this is given in parts: a host must not be able to fill our memory with one.
const LONGEST: usize = 64 * 1024;

/// One line without its end. What is not UTF-8 is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// From stdout.
    Out(String),
    /// From stderr.
    Err(String),
}

/// The lines of a running command. Dropped, it closes the channel; the command may go on.
pub struct Lines {
    pieces: Pieces,
    session: Session,
    out: Buffer,
    err: Buffer,
    ready: VecDeque<Line>,
    end: End,
    ended: bool,
    /// Whether the command has said that it has begun, and how long it may take to: the login shell comes first.
    begun: bool,
    silence: Duration,
    /// How long it may take in all, and when that is over.
    longest: Option<(Duration, Instant)>,
}

/// What is known of a command's end.
#[derive(Debug, Default)]
pub(super) struct End {
    pub status: Option<u32>,
    pub signal: Option<String>,
    pub refused: bool,
    pub too_much: bool,
}

impl End {
    /// Takes what tells of the end; gives back what is output.
    pub(super) fn note(&mut self, piece: Piece) -> Option<Piece> {
        match piece {
            Piece::Status(status) => self.status = Some(status),
            Piece::Signal(signal) => self.signal = Some(signal),
            Piece::Refused => self.refused = true,
            Piece::TooMuch => self.too_much = true,
            Piece::Eof => {}
            output => return Some(output),
        }
        None
    }
}

impl Lines {
    pub(super) fn new(
        pieces: Pieces,
        session: Session,
        silence: Duration,
        longest: Option<Duration>,
    ) -> Self {
        Self {
            pieces,
            session,
            out: Buffer::default(),
            err: Buffer::default(),
            ready: VecDeque::new(),
            end: End::default(),
            ended: false,
            begun: false,
            silence,
            longest: longest.map(|longest| (longest, Instant::now() + longest)),
        }
    }

    async fn piece(&mut self) -> Result<Option<Piece>> {
        let next = async {
            if self.begun {
                return Ok(self.pieces.next().await);
            }
            let first = timeout(self.silence, self.pieces.next()).await;
            first.map_err(|_| self.session.silent(self.silence))
        };
        let Some((longest, until)) = self.longest else { return next.await };
        timeout_at(until, next).await.map_err(|_| self.session.endless(longest))?
    }

    /// The next line; none when the command has ended. Can be cancelled without losing a line.
    ///
    /// # Errors
    ///
    /// The connection was lost, or the server would not run the command
    /// ([`crate::error::Kind::Unreachable`]).
    pub async fn next(&mut self) -> Result<Option<Line>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            if self.ended {
                return exit_status(&self.session, &self.end).map(|_| None);
            }
            let Some(mut piece) = self.piece().await? else {
                self.out.rest(Line::Out, &mut self.ready);
                self.err.rest(Line::Err, &mut self.ready);
                self.ended = true;
                continue;
            };
            if let (false, Piece::Err(bytes)) = (self.begun, &mut piece)
                && bytes.first() == Some(&b'\n')
            {
                // The command's own word that it has begun, which is for nobody else.
                let _ = bytes.split_to(1);
            }
            self.begun = true;
            match self.end.note(piece) {
                Some(Piece::Out(bytes)) => self.out.split(&bytes, Line::Out, &mut self.ready),
                Some(Piece::Err(bytes)) => self.err.split(&bytes, Line::Err, &mut self.ready),
                _ => {}
            }
        }
    }

    /// Reads on to the end and gives the exit status.
    ///
    /// # Errors
    ///
    /// As [`Lines::next`], and a command that ended without a status.
    pub async fn status(&mut self) -> Result<u32> {
        while self.next().await?.is_some() {}
        exit_status(&self.session, &self.end)
    }
}

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
struct Buffer(Vec<u8>);

impl Buffer {
    fn split(&mut self, bytes: &[u8], line: fn(String) -> Line, ready: &mut VecDeque<Line>) {
        let mut parts = bytes.split(|&byte| byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.0.extend_from_slice(part);
            if parts.peek().is_some() {
                self.give(self.0.len(), line, ready);
                // A line that is a multiple of the longest has given all its parts already.
            }
            while self.0.len() >= LONGEST {
                self.give(LONGEST, line, ready);
            }
        }
    }

    fn give(&mut self, bytes: usize, line: fn(String) -> Line, ready: &mut VecDeque<Line>) {
        let rest = self.0.split_off(bytes);
        let mut text = String::from_utf8_lossy(&self.0).into_owned();
        if text.ends_with('\r') {
            text.pop();
        }
        ready.push_back(line(text));
        self.0 = rest;
    }

    fn rest(&mut self, line: fn(String) -> Line, ready: &mut VecDeque<Line>) {
        if !self.0.is_empty() {
            self.give(self.0.len(), line, ready);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<Line> {
        let (mut buffer, mut ready) = (Buffer::default(), VecDeque::new());
        for part in parts {
            buffer.split(part, Line::Out, &mut ready);
        }
        buffer.rest(Line::Out, &mut ready);
        ready.into()
    }

    fn out(text: &str) -> Line {
        Line::Out(text.to_owned())
    }

    #[test]
    fn lines_come_whole_however_they_were_cut() {
        assert_eq!(lines(&[b"one\ntw", b"o\n", b"\nthree"]), [out("one"), out("two"), out(""), out("three")]);
        assert_eq!(lines(&["zw\u{f6}lf\n".as_bytes().split_at(3).0, b"\xb6lf\r\n"]), [out("zw\u{f6}lf")]);
        assert_eq!(lines(&[b"\xff\n"]), [out("\u{fffd}")]);
    }

    #[test]
    fn a_line_without_end_is_given_in_parts() {
        let long = vec![b'a'; LONGEST + 5];
        let got = lines(&[&long, b"b\nc\n"]);
        assert_eq!(got, [out(&"a".repeat(LONGEST)), out("aaaaab"), out("c")]);
    }
}
