//! The lab's image registry: what it has is run on the VPS, so nobody pushes to it but `lab.sh up`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{ROOT, container};

/// The first line that a server answers; empty where nobody listens.
fn answer(address: &str, request: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request =
        format!("{request} HTTP/1.1\r\nHost: registry\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let mut text = String::new();
    // One that closes at once is none that takes anything.
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut text).map(drop));
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_labs_registry_gives_images_and_takes_them_from_nobody() {
    let port = std::fs::read_to_string(Path::new(ROOT).join("tests/lab/.state/registry-port")).unwrap();
    let gives = format!("127.0.0.1:{}", port.trim());
    let takes = Command::new("docker").args(["port", &container("registry"), "5001/tcp"]).output().unwrap();
    let takes = String::from_utf8(takes.stdout).unwrap().trim().to_owned();
    assert!(takes.starts_with("127.0.0.1:"), "{takes}");
    let upload = "POST /v2/lab/planted/blobs/uploads/";
    assert_eq!(answer(&gives, "GET /v2/"), "HTTP/1.1 200 OK");
    assert_eq!(answer(&gives, upload), "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(answer(&gives, "PUT /v2/lab/planted/manifests/1"), "HTTP/1.1 405 Method Not Allowed");
    // What takes images listens only as long as `up` pushes, and lets nobody in then without its password.
    let answered = answer(&takes, upload);
    assert!(answered.is_empty() || answered == "HTTP/1.1 401 Unauthorized", "{answered}");
    assert!(!Path::new(ROOT).join("tests/lab/.state/registry-login").exists());
}
