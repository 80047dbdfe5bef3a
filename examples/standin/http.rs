//! Outgoing requests: plain `http://`, which is all that a stand-in needs to ask its neighbours.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a neighbour may take, from the name's look-up to the last byte.
const DEADLINE: Duration = Duration::from_secs(10);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Asks for `url`. An error says in one line what happened, with the URL.
pub(crate) async fn get(url: &str) -> Result<Answer, String> {
    send(Method::GET, url, HeaderMap::new(), Bytes::new()).await
}

/// Sends a request with headers (`Host` is added where it is missing) and a body.
pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, String> {
    let verb = match method {
        Method::GET => "Get",
        Method::HEAD => "Head",
        Method::POST => "Post",
        _ => "Ask",
    };
    match tokio::time::timeout(DEADLINE, exchange(method, url, headers, body)).await {
        Ok(result) => result.map_err(|cause| format!("{verb} \"{url}\": {cause}")),
        Err(_) => Err(format!("{verb} \"{url}\": no answer within {} s", DEADLINE.as_secs())),
    }
}

async fn exchange(method: Method, url: &str, mut headers: HeaderMap, body: Bytes) -> Result<Answer, String> {
    let uri: Uri = url.parse().map_err(|cause| format!("not a URL: {cause}"))?;
    if uri.scheme_str() != Some("http") {
        return Err("a stand-in speaks plain http only".to_owned());
    }
    let authority = uri.authority().ok_or("the URL has no host")?;
    let address = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await.map_err(|cause| cause.to_string())?;
    if !headers.contains_key(HOST) {
        let host = authority.as_str().parse().map_err(|_| "the URL's host cannot stand in a header")?;
        headers.insert(HOST, host);
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|cause| format!("not a path: {cause}"))?;
    *request.headers_mut() = headers;
    over(TokioIo::new(stream), request).await
}

/// Sends a request whose URI is only the path over a connection of any kind.
pub(crate) async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, String>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(stream).await.map_err(|cause| cause.to_string())?;
    // The connection has to be driven while the answer is read; it ends with the sender.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|cause| cause.to_string())?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/octet-stream").to_owned();
    let body = response.into_body().collect().await.map_err(|cause| cause.to_string())?.to_bytes();
    Ok(Answer { status, content_type, headers, body })
}

/// Writes a value for a query string: all but letters, digits and `-._~` as `%XX`.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_survives_the_url() {
        assert_eq!(encode("up{a=\"é\"}+1"), "up%7Ba%3D%22%C3%A9%22%7D%2B1");
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_said_with_its_url() {
        let Err(message) = get("https://prometheus:9090/").await else { panic!("https was accepted") };
        assert_eq!(message, "Get \"https://prometheus:9090/\": a stand-in speaks plain http only");
    }
}
