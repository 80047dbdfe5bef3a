//! What a tunnel carries to a service: the requests of programs and of the service's own pages, and not those that other
//! pages of the browser make. While a tunnel is open any page can send to localhost, and these services ask for no login.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN, UPGRADE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::sync::Mutex;

type Body = BoxBody<Bytes, hyper::Error>;

/// Carries one connection of this machine to a service, until either side ends it. `has_pages`: whether links of other
/// pages, a mail's for one, may lead there.
pub(super) async fn relay<L, R>(local: L, remote: R, has_pages: bool)
where
    L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    R: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok((sender, connection)) = hyper::client::conn::http1::handshake(TokioIo::new(remote)).await else {
        return;
    };
    let remote = tokio::spawn(connection.with_upgrades());
    let sender = Arc::new(Mutex::new(sender));
    let service = service_fn(move |request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            if let Some(why) = refusal(request.method(), request.headers(), has_pages) {
                return Ok::<_, Infallible>(answer(StatusCode::FORBIDDEN, &why));
            }
            Ok(forward(&sender, request).await.unwrap_or_else(|error| {
                answer(StatusCode::BAD_GATEWAY, &format!("the service does not answer: {error}"))
            }))
        }
    });
    // A browser sees a closed connection where it broke.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(local), service)
        .with_upgrades()
        .await;
    remote.abort();
}

async fn forward(
    sender: &Mutex<SendRequest<Incoming>>,
    mut request: Request<Incoming>,
) -> hyper::Result<Response<Body>> {
    // Grafana's pages hear of changes over a web socket.
    let upgrade = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let mut response = {
        let mut sender = sender.lock().await;
        sender.ready().await?;
        sender.send_request(request).await?
    };
    if let (Some(ours), StatusCode::SWITCHING_PROTOCOLS) = (upgrade, response.status()) {
        let theirs = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            if let (Ok(ours), Ok(theirs)) = tokio::join!(ours, theirs) {
                let _ = copy_bidirectional(&mut TokioIo::new(ours), &mut TokioIo::new(theirs)).await;
            }
        });
    }
    Ok(response.map(BodyExt::boxed))
}

/// Why a request is not carried. Browsers say where it comes from (`Origin`, `Sec-Fetch-Site`) and by which name they found
/// us (`Host`: a name of another page's may lead here as well); programs say nothing of the kind.
fn refusal(method: &Method, headers: &HeaderMap, has_pages: bool) -> Option<String> {
    let text = |value: Option<&HeaderValue>| {
        value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let host = text(headers.get(HOST)).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host.as_str(), |(name, _)| name);
    if !["localhost", "127.0.0.1", "[::1]"].contains(&name) {
        return Some(format!("it asks for {host:?}: this tunnel is localhost"));
    }
    if let Some(origin) = text(headers.get(ORIGIN)).filter(|origin| *origin != format!("http://{host}")) {
        return Some(format!("it comes from the page {origin:?}"));
    }
    let site = text(headers.get("sec-fetch-site")).unwrap_or_default();
    let is = |header: &str, value: &str| headers.get(header).is_some_and(|found| found == value);
    let link = *method == Method::GET && is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document");
    match site.as_str() {
        "" | "none" | "same-origin" => None,
        _ if link && has_pages => None,
        _ => Some(format!("it comes from another page ({site})")),
    }
}

fn answer(status: StatusCode, why: &str) -> Response<Body> {
    let text = format!("provision tunnel: this request is not carried: {why}\n");
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    fn refused(method: &str, headers: &[(&'static str, &str)], has_pages: bool) -> Option<String> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        refusal(&method.parse().unwrap(), &headers, has_pages)
    }

    #[test]
    fn programs_and_the_services_own_pages_are_carried() {
        for host in ["localhost:3100", "127.0.0.1:9090", "[::1]:9090", "localhost"] {
            assert_eq!(refused("POST", &[("host", host)], false), None, "{host}");
        }
        let own = [
            ("host", "localhost:3001"),
            ("origin", "http://localhost:3001"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert_eq!(refused("POST", &own, true), None);
        let typed = [("host", "localhost:3100"), ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")];
        assert_eq!(refused("GET", &typed, false), None);
    }

    #[test]
    fn what_another_page_sends_is_not_carried() {
        for (headers, why) in [
            (
                vec![("host", "evil.example:3100")],
                "it asks for \"evil.example:3100\": this tunnel is localhost",
            ),
            (vec![], "it asks for \"\": this tunnel is localhost"),
            (
                vec![("host", "localhost:3100"), ("origin", "https://evil.example")],
                "it comes from the page \"https://evil.example\"",
            ),
            (
                vec![("host", "localhost:3100"), ("origin", "http://localhost:3001")],
                "it comes from the page \"http://localhost:3001\"",
            ),
            (vec![("host", "localhost:3100"), ("origin", "null")], "it comes from the page \"null\""),
            (
                vec![
                    ("host", "localhost:3100"),
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "no-cors"),
                ],
                "it comes from another page (cross-site)",
            ),
            (
                vec![("host", "localhost:3100"), ("sec-fetch-site", "same-site")],
                "it comes from another page (same-site)",
            ),
        ] {
            assert_eq!(refused("POST", &headers, true).as_deref(), Some(why));
        }
    }

    #[test]
    fn a_link_leads_to_a_page_and_to_nothing_else() {
        let link = [
            ("host", "localhost:9090"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(refused("GET", &link, true), None);
        assert!(refused("GET", &link, false).is_some(), "a service without pages");
        assert!(refused("POST", &link, true).is_some(), "a form");
        let mut frame = link;
        frame[3].1 = "iframe";
        assert!(refused("GET", &frame, true).is_some(), "a frame of another page");
    }

    /// What is answered to these bytes of a browser, up to a text, by a service that says which requests it got.
    async fn through(sent: &str, until: &str) -> String {
        let (mut browser, local) = duplex(4096);
        let (remote, upstream) = duplex(4096);
        tokio::spawn(relay(local, remote, true));
        let service = service_fn(|mut request: Request<Incoming>| async move {
            let said = format!("{} {}", request.method(), request.uri());
            if request.headers().contains_key(UPGRADE) {
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    let mut socket = TokioIo::new(upgrade.await.unwrap());
                    let mut word = [0; 4];
                    socket.read_exact(&mut word).await.unwrap();
                    socket.write_all(&word.map(|byte| byte.to_ascii_uppercase())).await.unwrap();
                });
                let mut response = Response::new(Full::new(Bytes::new()));
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
                response.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
                return Ok::<_, Infallible>(response);
            }
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Ok(Response::new(Full::new(Bytes::from(format!("{said} {}.", String::from_utf8_lossy(&body))))))
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(upstream), service)
                .with_upgrades(),
        );
        browser.write_all(sent.as_bytes()).await.unwrap();
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        let all = async {
            while !String::from_utf8_lossy(&answer).ends_with(until) {
                let read = browser.read(&mut piece).await.unwrap();
                assert!(read > 0, "closed after {}", String::from_utf8_lossy(&answer));
                answer.extend(&piece[..read]);
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), all).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn each_request_of_a_connection_is_looked_at() {
        let answer = through(
            "POST /one HTTP/1.1\r\nHost: localhost:3100\r\nContent-Length: 3\r\n\r\nabc\
             POST /two HTTP/1.1\r\nHost: localhost:3100\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n\
             GET /three HTTP/1.1\r\nHost: localhost:3100\r\n\r\n",
            "GET /three .",
        )
        .await;
        assert!(answer.contains("POST /one abc."), "{answer}");
        assert!(answer.contains("403 Forbidden") && answer.contains("it comes from the page"), "{answer}");
        assert!(!answer.contains("/two"), "{answer}");
    }

    #[tokio::test]
    async fn a_web_socket_is_carried() {
        let answer = through(
            "GET /live HTTP/1.1\r\nHost: localhost:3001\r\nOrigin: http://localhost:3001\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\n\r\nping",
            "PING",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    }
}
