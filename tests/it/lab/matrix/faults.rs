//! What can happen to a server, and its undoing.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::lab::way::address;
use crate::lab::{ROOT, container, vps, wait_for};

pub(super) const RECORDS: &str = "/var/lib/provision/matrix/records";

/// A file of sshd's that keeps our user out.
const NO_LOGIN: &str = "/etc/ssh/sshd_config.d/matrix.conf";

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn network() -> String {
    container("vps").trim_end_matches("-vps").to_owned()
}

/// Pulls the plug out of the network.
pub(super) fn cut() {
    docker(&["network", "disconnect", &network(), &container("vps")]);
}

fn is_cut() -> bool {
    docker(&["inspect", "-f", "{{len .NetworkSettings.Networks}}", &container("vps")]) == "0"
}

/// Puts it in again, with the address of before.
pub(super) fn plug_in() {
    docker(&["network", "connect", "--ip", &address(), &network(), &container("vps")]);
}

/// Every packet to sshd is answered with a reset: a connection that is lost at once and does not come back.
pub(super) fn reset_connections() {
    vps("iptables -I INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset");
}

/// sshd lets nobody in any more; connections stay.
pub(super) fn break_login() {
    vps(&format!("echo 'DenyUsers deploy' >{NO_LOGIN}; systemctl reload ssh"));
}

pub(super) fn stop_sshd() {
    vps("systemctl stop ssh");
}

pub(super) fn stop_docker() {
    vps("systemctl stop docker.socket docker.service");
}

pub(super) fn reboot() {
    let status =
        Command::new(format!("{ROOT}/tests/lab/lab.sh")).arg("reboot").stdout(Stdio::null()).status();
    assert!(status.unwrap().success(), "the VPS did not come back");
}

/// The records move to a small file system of their own, on which only so much is free.
pub(super) fn fill_disk(kilobytes_free: u32) {
    vps(&format!(
        "rm -rf /tmp/matrix-records && cp -a {RECORDS} /tmp/matrix-records && \
         mount -t tmpfs -o size=8m,mode=0700 small {RECORDS} && cp -a /tmp/matrix-records/. {RECORDS}/ && \
         free=$(df -P -k {RECORDS} | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4) && \
         head -c \"$(((free - {kilobytes_free}) * 1024))\" /dev/zero >{RECORDS}/fill"
    ));
}

/// A stream as a deploy sends it, and where each of its members ends.
pub(super) struct Packed {
    /// The tar, before it is packed.
    tar: Vec<u8>,
    pub(super) ends: Vec<usize>,
    pub(super) archive: Vec<u8>,
}

impl Packed {
    pub(super) fn digest(&self) -> String {
        provision::stack::short_digest(&self.archive)
    }

    /// A well-formed stream that ends after so many members.
    pub(super) fn until(&self, members: usize) -> Vec<u8> {
        pack(&self.tar[..members.checked_sub(1).map_or(0, |last| self.ends[last])])
    }
}

pub(super) fn packed(members: &[&str]) -> Packed {
    let mut builder = tar::Builder::new(Vec::new());
    let mut ends = Vec::new();
    for path in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(path.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, path, path.as_bytes()).unwrap();
        ends.push(builder.get_ref().len());
    }
    let tar = builder.into_inner().unwrap();
    Packed { archive: pack(&tar), tar, ends }
}

fn pack(tar: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(tar).unwrap();
    packer.finish().unwrap()
}

/// Gives a stream to the script that the host keeps for it; what the script says.
pub(super) fn receive(stream: &[u8], size: usize, digest: &str) -> String {
    let mut child = Command::new("docker")
        .args(["exec", "-i", &container("vps"), "sh", &format!("{RECORDS}/bin/receive.sh")])
        .args(["/opt/koprogo/matrix", "matrix", "root", "0755", "3", "cut", &size.to_string(), digest])
        .args(["-", "3", "60", "c0ffee", "{}"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stream).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// Undoes whatever a case did to the server.
pub(super) fn heal() {
    if is_cut() {
        plug_in();
    }
    vps(&format!(
        "while iptables -D INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset 2>/dev/null; do :; done; \
         if [ -e {NO_LOGIN} ]; then rm {NO_LOGIN}; systemctl restart ssh; fi; \
         systemctl is-active -q ssh || systemctl start ssh; \
         if ! systemctl is-active -q docker; then systemctl reset-failed docker.service; systemctl start docker.socket docker.service; fi; \
         if [ -e {RECORDS}/fill ]; then rm {RECORDS}/fill; umount {RECORDS}; rm -rf /tmp/matrix-records; fi"
    ));
}

/// The small stack with all that belongs to it.
pub(super) fn remove_stack() {
    vps(
        "docker ps -aq --filter label=com.docker.compose.project=matrix | xargs -r docker rm -f >/dev/null; \
         docker volume rm -f matrix_data >/dev/null; docker network rm matrix_default >/dev/null 2>&1; \
         systemctl disable --quiet --now provision-matrix-unseal.service provision-matrix-finish.service 2>/dev/null; \
         rm -rf /opt/koprogo/matrix /var/lib/provision/matrix /etc/systemd/system/provision-matrix-*; systemctl daemon-reload; \
         umount /run/provision/matrix 2>/dev/null; rm -rf /run/provision/matrix /run/provision/matrix.control; \
         docker images --format '{{.Repository}}:{{.Tag}}' | grep provision.keep/matrix/ | xargs -r docker rmi >/dev/null",
    );
}

/// Waits until docker says so of a container's health.
pub(super) fn wait_for_health(service: &str, health: &str) {
    let ask = format!("docker inspect -f '{{{{.State.Health.Status}}}}' matrix-{service}-1");
    wait_for(&format!("{service} to be {health}"), Duration::from_secs(30), || vps(&ask) == health);
}
