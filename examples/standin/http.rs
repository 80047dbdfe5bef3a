//! Outgoing requests: plain `http://` and GET, which is all that a stand-in needs to ask its neighbours.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a neighbour may take, from the name's look-up to the last byte.
const DEADLINE: Duration = Duration::from_secs(10);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

/// Asks for `url`. An error says in one line what happened, with the URL.
pub(crate) async fn get(url: &str) -> Result<Answer, String> {
    match tokio::time::timeout(DEADLINE, exchange(url)).await {
        Ok(result) => result.map_err(|cause| format!("Get \"{url}\": {cause}")),
        Err(_) => Err(format!("Get \"{url}\": no answer within {} s", DEADLINE.as_secs())),
    }
}

async fn exchange(url: &str) -> Result<Answer, String> {
    let uri: Uri = url.parse().map_err(|cause| format!("not a URL: {cause}"))?;
    if uri.scheme_str() != Some("http") {
        return Err("a stand-in speaks plain http only".to_owned());
    }
    let authority = uri.authority().ok_or("the URL has no host")?;
    let address = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await.map_err(|cause| cause.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|cause| cause.to_string())?;
    // The connection has to be driven while the answer is read; it ends with the sender.
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .body(Empty::<Bytes>::new())
        .map_err(|cause| cause.to_string())?;
    let response = sender.send_request(request).await.map_err(|cause| cause.to_string())?;
    let status = response.status().as_u16();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/octet-stream").to_owned();
    let body = response.into_body().collect().await.map_err(|cause| cause.to_string())?.to_bytes();
    Ok(Answer { status, content_type, body })
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
