//! A real sshd on a loopback port, with its own configuration and keys; never the system's service.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use russh::keys::PrivateKey;

use super::Machine;

/// Stopped when dropped.
pub(super) struct Sshd {
    pub port: u16,
    child: Child,
}

impl Sshd {
    /// Starts one that has `host_key` and lets `key(1)` in; `more` is put in front of its configuration, where it wins.
    pub(super) fn start(machine: &Machine, name: &str, host_key: &PrivateKey, more: &str) -> Self {
        // Between choosing a free port and listening on it, another test may take it.
        (0..5).find_map(|_| Self::try_start(machine, name, host_key, more)).expect("sshd does not stay up")
    }

    fn try_start(machine: &Machine, name: &str, host_key: &PrivateKey, more: &str) -> Option<Self> {
        let program = Path::new("/usr/sbin/sshd");
        assert!(program.exists(), "no sshd; install it: apt-get install openssh-server");
        // sshd as root insists on this folder, which its service would make.
        let _ = std::fs::create_dir_all("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host_key = machine.write_key(&format!("{name}.host"), host_key);
        let allowed = super::key(1).public_key().to_openssh().unwrap();
        let allowed = machine.write(&format!("{name}.authorized"), &allowed);
        let config = format!(
            "{more}\nListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n",
            host_key.display(),
            allowed.display(),
        );
        let config = machine.write(&format!("{name}.config"), &config);
        let child = Command::new(program)
            .args(["-D", "-E"])
            .arg(machine.path(&format!("{name}.log")))
            .arg("-f")
            .arg(config)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut sshd = Self { port, child };
        let begin = Instant::now();
        loop {
            let log = std::fs::read_to_string(machine.path(&format!("{name}.log"))).unwrap_or_default();
            if log.contains(&format!("Server listening on 127.0.0.1 port {port}")) {
                return Some(sshd);
            }
            if sshd.child.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "sshd does not listen: {log}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
