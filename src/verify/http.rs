//! One HTTP/1.1 connection over any byte stream: an SSH channel in the program, a local socket in tests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

/// The largest body that is read, in bytes. A dashboard search of 5000 entries is about 2 MB.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// The most that all answers of one host hold at once, in bytes: some sixty questions are asked together.
const HELD_LIMIT: usize = 64 * 1024 * 1024;

/// The most that is read ahead of what is understood, the head of an answer for one, in bytes; and the most headers.
const HEAD_LIMIT: usize = 64 * 1024;
const MOST_HEADERS: usize = 64;

/// Counts the bytes of answers that are held at the same time; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Budget(Arc<AtomicUsize>);

/// Bytes that an answer holds, until this is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    fn hold(&self) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }
}

impl Held {
    /// Takes so many bytes more; whether there was room for them.
    fn take(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.budget.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= HELD_LIMIT
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One GET, or with a body one POST.
#[derive(Debug, Clone)]
pub struct Request {
    /// Path and query, with a leading slash.
    pub path: String,
    /// The `Host` header: `127.0.0.1:9090`.
    pub host: String,
    /// Login name and password. The password never shows in `Debug` or in an error.
    pub basic_auth: Option<(String, SecretString)>,
    /// JSON to post.
    pub body: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The `Content-Type` header; empty where there is none.
    pub content_type: String,
    /// The `Date` header: what the server's own clock says.
    pub date: Option<Timestamp>,
    /// The body, at most [`BODY_LIMIT`] bytes.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// The request cannot be put into HTTP, such as a path with a space in it.
    Request(String),
    /// The stream broke, or what came over it is not HTTP. Asking over a new stream may help.
    Connection(String),
    /// The body is larger than [`BODY_LIMIT`].
    TooLarge,
    /// All answers of the host are together larger than what is held at once.
    TooMuch,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Request(why) => write!(f, "cannot ask: {why}"),
            HttpError::Connection(why) => write!(f, "the connection broke: {why}"),
            HttpError::TooLarge => {
                write!(f, "the answer is larger than {} MiB, which none has", BODY_LIMIT >> 20)
            }
            HttpError::TooMuch => {
                write!(
                    f,
                    "the answers of the host are together larger than {} MiB, which none are",
                    HELD_LIMIT >> 20
                )
            }
        }
    }
}

impl std::error::Error for HttpError {}

/// A connection that can be asked more than once, one request at a time.
#[derive(Debug)]
pub struct Connection(http1::SendRequest<Full<Bytes>>);

impl Connection {
    /// Speaks HTTP/1.1 over `stream`. Costs no round trip. The connection is driven by a task of its own,
    /// which ends (and shuts the stream down) when this value is dropped.
    ///
    /// # Errors
    /// When the stream is already broken.
    pub async fn new<S>(stream: S) -> Result<Self, HttpError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .max_headers(MOST_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // Its error is told to the request that waits, too.
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        Ok(Self(sender))
    }

    /// Whether the other end is known to have closed it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Asks, and reads the whole answer. No time limit: the caller knows it.
    ///
    /// # Errors
    /// See [`HttpError`]; after one the connection is of no more use.
    pub async fn get(&mut self, request: &Request) -> Result<Answer, HttpError> {
        self.ask(request, &Budget::default()).await.map(|(answer, _)| answer)
    }

    /// As [`Connection::get`], within `budget`; what is given with the answer is to be kept as long as it.
    ///
    /// # Errors
    /// See [`HttpError`]; after one the connection is of no more use.
    pub async fn ask(&mut self, request: &Request, budget: &Budget) -> Result<(Answer, Held), HttpError> {
        let message = message(request)?;
        self.0.ready().await.map_err(broken)?;
        let response = self.0.send_request(message).await.map_err(broken)?;
        let status = response.status().as_u16();
        let content_type = text(response.headers(), &CONTENT_TYPE);
        let date =
            jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text(response.headers(), &DATE)).ok();
        let (mut body, mut held) = (Vec::new(), budget.hold());
        let mut stream = response.into_body();
        while let Some(frame) = stream.frame().await {
            // Trailers say nothing here.
            let Ok(bytes) = frame.map_err(broken)?.into_data() else { continue };
            if body.len() + bytes.len() > BODY_LIMIT {
                return Err(HttpError::TooLarge);
            }
            if !held.take(bytes.len()) {
                return Err(HttpError::TooMuch);
            }
            body.extend_from_slice(&bytes);
        }
        Ok((Answer { status, content_type, date, body }, held))
    }
}

/// One GET over `stream`, which is used up.
///
/// # Errors
/// See [`HttpError`].
pub async fn get<S>(stream: S, request: &Request) -> Result<Answer, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Connection::new(stream).await?.get(request).await
}

fn message(request: &Request) -> Result<hyper::Request<Full<Bytes>>, HttpError> {
    let invalid = |error: hyper::http::Error| HttpError::Request(error.to_string());
    let mut message = match &request.body {
        None => hyper::Request::get(request.path.as_str()),
        Some(_) => hyper::Request::post(request.path.as_str()).header(CONTENT_TYPE, "application/json"),
    }
    .header(HOST, request.host.as_str())
    .header(ACCEPT, "application/json, */*;q=0.5")
    .body(Full::new(Bytes::from(request.body.clone().unwrap_or_default())))
    .map_err(invalid)?;
    if let Some((user, password)) = &request.basic_auth {
        let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
        let header = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        // Base64 has only characters that a header may hold.
        let mut value = HeaderValue::from_str(&header).map_err(|error| invalid(error.into()))?;
        value.set_sensitive(true);
        message.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(message)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

#[expect(clippy::needless_pass_by_value, reason = "is passed to map_err")]
fn broken(error: hyper::Error) -> HttpError {
    // hyper's own text ends where the cause begins: "connection error".
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    HttpError::Connection(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    fn request() -> Request {
        Request { path: "/-/ready".into(), host: "127.0.0.1:9090".into(), basic_auth: None, body: None }
    }

    async fn read_head(stream: &mut DuplexStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    #[tokio::test]
    async fn an_answer_has_status_type_clock_and_body() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let server = tokio::spawn(async move {
            let head = read_head(&mut theirs).await;
            let answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nDate: Sun, 22 Nov 2026 06:05:10 GMT\r\nContent-Length: 4\r\n\r\nwait";
            theirs.write_all(answer.as_bytes()).await.unwrap();
            head
        });
        let answer = get(ours, &request()).await.unwrap();
        assert_eq!(
            answer,
            Answer {
                status: 503,
                content_type: "text/plain".into(),
                date: Some("2026-11-22T06:05:10Z".parse().unwrap()),
                body: b"wait".to_vec()
            }
        );
        insta::assert_snapshot!(server.await.unwrap().replace('\r', ""), @r"
        GET /-/ready HTTP/1.1
        host: 127.0.0.1:9090
        accept: application/json, */*;q=0.5
        ");
    }

    #[tokio::test]
    async fn the_password_is_sent_and_never_shown() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let request =
            Request { basic_auth: Some(("admin".into(), SecretString::from("hunter2"))), ..request() };
        assert!(!format!("{request:?}").contains("hunter2"));
        assert!(!format!("{:?}", message(&request).unwrap()).contains("YWRtaW46aHVudGVyMg"));
        let server = tokio::spawn(async move { read_head(&mut theirs).await });
        let error = get(ours, &request).await.unwrap_err();
        assert!(server.await.unwrap().contains("authorization: Basic YWRtaW46aHVudGVyMg=="));
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_connection_is_asked_twice() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            for body in ["one", "two"] {
                read_head(&mut theirs).await;
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{body}");
                theirs.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let mut connection = Connection::new(ours).await.unwrap();
        assert_eq!(connection.get(&request()).await.unwrap().body, b"one");
        assert_eq!(connection.get(&request()).await.unwrap().body, b"two");
    }

    #[tokio::test]
    async fn a_body_without_end_is_cut_off() {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            read_head(&mut theirs).await;
            theirs.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while theirs.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        assert_eq!(get(ours, &request()).await, Err(HttpError::TooLarge));
    }

    #[tokio::test]
    async fn a_head_without_end_is_cut_off() {
        for line in ["X-Header: y\r\n".to_owned(), "y".repeat(4096)] {
            let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
            let server = tokio::spawn(async move {
                read_head(&mut theirs).await;
                theirs.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ").await.unwrap();
                let mut sent = 0;
                while theirs.write_all(line.as_bytes()).await.is_ok() {
                    sent += line.len();
                }
                sent
            });
            let error = get(ours, &request()).await.unwrap_err();
            assert!(matches!(error, HttpError::Connection(_)), "{error}");
            assert!(server.await.unwrap() < 4 * HEAD_LIMIT);
        }
    }

    #[tokio::test]
    async fn all_answers_together_have_a_limit_and_make_room_again() {
        let budget = Budget::default();
        let ask = async |size: usize| {
            let (ours, mut theirs) = tokio::io::duplex(1 << 20);
            tokio::spawn(async move {
                read_head(&mut theirs).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
                let _ = theirs.write_all(head.as_bytes()).await;
                let _ = theirs.write_all(&vec![b'x'; size]).await;
            });
            Connection::new(ours).await.unwrap().ask(&request(), &budget).await
        };
        let mut kept = Vec::new();
        for _ in 0..HELD_LIMIT / BODY_LIMIT {
            kept.push(ask(BODY_LIMIT).await.unwrap());
        }
        let error = ask(1).await.unwrap_err();
        insta::assert_snapshot!(error, @"the answers of the host are together larger than 64 MiB, which none are");
        kept.pop();
        assert_eq!(ask(BODY_LIMIT).await.unwrap().0.status, 200);
    }

    #[tokio::test]
    async fn what_is_not_http_says_so() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            read_head(&mut theirs).await;
            theirs.write_all(b"SSH-2.0-OpenSSH_10.0\r\n").await.unwrap();
        });
        let error = get(ours, &request()).await.unwrap_err();
        insta::assert_snapshot!(error, @"the connection broke: invalid HTTP version parsed");
        let (ours, _theirs) = tokio::io::duplex(1024);
        let bad = Request { path: "/a b".into(), ..request() };
        assert!(matches!(get(ours, &bad).await, Err(HttpError::Request(_))));
    }
}
