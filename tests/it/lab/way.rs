//! Other ways to the VPS's sshd than the straight one: ports of this machine that count, or break off.

use std::io::Read as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ROOT;

/// The VPS's address.
pub(super) fn address() -> String {
    let net = std::fs::read_to_string(Path::new(ROOT).join("tests/lab/.state/net")).unwrap();
    format!("{}.10", net.trim())
}

/// Lets a project reach the VPS by a port of this machine.
pub(super) fn go_by(project: &Path, port: u16) {
    for (file, from, to) in [
        ("inventory/lab.yml", address(), "127.0.0.1".to_owned()),
        ("inventory/lab.yml", "port: 22".to_owned(), format!("port: {port}")),
        ("inventory/lab.known_hosts", address(), format!("[127.0.0.1]:{port}")),
    ] {
        let path = project.join(file);
        let text = std::fs::read_to_string(&path).unwrap().replace(&from, &to);
        std::fs::write(path, text).unwrap();
    }
}

/// A way that breaks off after so many bytes from here to there; its port. There is one connection only.
pub(super) fn narrow(bytes: u64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (here, _) = listener.accept().unwrap();
        drop(listener);
        let there = answering(&here);
        let _ = std::io::copy(&mut (&here).take(bytes), &mut &there);
        let _ = (here.shutdown(Shutdown::Both), there.shutdown(Shutdown::Both));
    });
    port
}

/// A way that counts the bytes from here to there; its port, and the count.
pub(super) fn counted() -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut here in listener.incoming().map_while(Result::ok) {
            let counts = Arc::clone(&counts);
            std::thread::spawn(move || {
                let mut there = answering(&here);
                let mut buffer = [0; 16384];
                while let Ok(read @ 1..) = here.read(&mut buffer) {
                    counts.fetch_add(read as u64, Ordering::Relaxed);
                    if std::io::Write::write_all(&mut there, &buffer[..read]).is_err() {
                        break;
                    }
                }
                let _ = there.shutdown(Shutdown::Write);
            });
        }
    });
    (port, count)
}

/// A connection to the VPS's sshd, whose answers go back.
fn answering(here: &TcpStream) -> TcpStream {
    let there = TcpStream::connect(format!("{}:22", address())).unwrap();
    let (mut from_there, mut to_here) = (there.try_clone().unwrap(), here.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from_there, &mut to_here));
    there
}
