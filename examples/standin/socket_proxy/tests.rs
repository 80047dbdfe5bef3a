//! Through to a socket, and not through.

use std::io::{BufRead, BufReader, Write};

use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service, read_body};

use super::*;

#[actix_web::test]
async fn lets_through_what_is_allowed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        lines.find(String::is_empty).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nApi-Version: 1.44\r\nContent-Length: 2\r\n\r\nok").unwrap();
        first
    });
    let words = ["-allowGET=/info".to_owned(), format!("-socketpath={}", socket.display())];
    let rules = Data::new(Rules::parse(&words).unwrap());
    let app = init_service(App::new().app_data(rules).default_service(web::to(proxy))).await;
    let ask = async |method: &str, path: &str, ip: &str| {
        let method = actix_web::http::Method::from_bytes(method.as_bytes()).unwrap();
        let peer = format!("{ip}:5").parse().unwrap();
        let response =
            call_service(&app, TestRequest::default().method(method).uri(path).peer_addr(peer).to_request())
                .await;
        let version = response.headers().get("Api-Version").map(|it| it.to_str().unwrap().to_owned());
        (response.status().as_u16(), version, String::from_utf8(read_body(response).await.to_vec()).unwrap())
    };
    assert_eq!(ask("GET", "/containers/json", "127.0.0.1").await.0, 403);
    assert_eq!(ask("DELETE", "/info", "127.0.0.1").await.0, 405);
    assert_eq!(ask("GET", "/info", "10.0.0.1").await.0, 403);
    // The only request that reached the socket.
    let through = ask("GET", "/info?a=b", "127.0.0.1").await;
    assert_eq!(through, (200, Some("1.44".to_owned()), "ok".to_owned()));
    assert_eq!(asked.join().unwrap(), "GET /info?a=b HTTP/1.1");
}
