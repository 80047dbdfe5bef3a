//! OpenSSH's agent.

use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use super::Machine;

/// An agent that holds `key`; stopped when dropped.
pub(super) struct Agent(Child);

impl Agent {
    pub(super) fn start(machine: &mut Machine, key: &str) -> Self {
        let socket = machine.path("agent.sock");
        let child =
            Process::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let agent = Self(child);
        let begin = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "no agent");
            std::thread::yield_now();
        }
        let added =
            Process::new("ssh-add").arg(machine.path(key)).env("SSH_AUTH_SOCK", &socket).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        machine.around.agent = Some(socket);
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
