//! What the probe found on a host. `host::probe` fills it in; here it is only data to plan from.

use std::collections::{BTreeMap, BTreeSet};

use super::ReleaseId;

/// One container of the compose project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// Its compose service.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its id, 64 hex digits.
    pub id: String,
    /// The image it was created from, as written in the compose file.
    pub image: String,
    /// The id of that image, `sha256:…`.
    pub image_id: String,
    /// docker's word: created, running, restarting, exited, dead, paused.
    pub state: String,
    /// healthy, unhealthy, starting; empty without a health check.
    pub health: String,
    /// How often docker restarted it.
    pub restarts: u32,
    /// Exit code of the last end.
    pub exit_code: i32,
    /// Our label: what it was created from (see [`super::labels`]).
    pub digest: String,
    /// Ports of the host that it publishes, while it runs.
    pub ports: Vec<u16>,
    /// The host's number of its main process; 0 when it does not run.
    pub pid: u32,
    /// Whether it is on the host's own network.
    pub host_network: bool,
    /// Addresses of the host on which docker publishes its ports: `127.0.0.1:9090`.
    pub published: Vec<String>,
}

/// A socket that takes TCP connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// `ADDRESS:PORT`, the address as `ss` prints it.
    pub address: String,
    /// The processes that hold it.
    pub pids: Vec<u32>,
}

impl Container {
    /// Whether it has only just started and its health check has not passed yet.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.state == "running" && self.health == "starting"
    }

    /// Whether it is there and does not do its work: unhealthy, or paused.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.state == "paused" || (self.state == "running" && self.health == "unhealthy")
    }

    /// Whether it is as a container that stays should be.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.state == "running" && (self.health.is_empty() || self.health == "healthy")
    }
}

/// A stack that is deployed to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Its environment, where the host knows it.
    pub environment: Option<String>,
    /// Its remote folder.
    pub path: String,
}

/// What the probe found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostState {
    /// Version of the docker engine, or `known` where a release runs already; `None` when it does not answer, with docker's words in `docker_error`.
    pub docker: Option<String>,
    /// What docker said when it did not answer.
    pub docker_error: String,
    /// The newest API version that the engine speaks; `None` where a release runs already.
    pub docker_api: Option<String>,
    /// The folder in which docker keeps its data; `None` when it does not answer.
    pub docker_root: Option<String>,
    /// What docker says of its own confinement, where it was asked: seccomp, apparmor, userns, rootless.
    pub docker_security: BTreeSet<String>,
    /// Whether docker is there as a snap alone.
    pub docker_snap: bool,
    /// Whether the host's `/` is a shared mount: where it is private, as in some containers, docker refuses to hand on
    /// what is mounted below it. `None` where the probe did not say.
    pub root_shared: Option<bool>,
    /// The host's address on docker's own bridge, docker0.
    pub gateway: Option<String>,
    /// The number of the group that may open docker's socket.
    pub socket_group: Option<u32>,
    /// Version of compose, or `known`; `None` when there is none.
    pub compose: Option<String>,
    /// Commands that the host lacks and the scripts need.
    pub missing_commands: BTreeSet<String>,
    /// Whether systemd runs there.
    pub systemd: bool,
    /// A host key line that age can encrypt to: ssh-ed25519, else ssh-rsa.
    pub host_key: Option<String>,
    /// A private host key whose public half is missing and could not be derived.
    pub half_key: Option<String>,
    /// The same for two names of one machine, and for no two machines.
    pub machine: String,
    /// The folder from which containers or records have still to move to where they lie now.
    pub moves_from: Option<String>,
    /// Where the remote folder leads to, if that is a link which is not ours.
    pub linked: Option<String>,
    /// The stacks of the host by their compose project, the own one among them.
    pub stacks: BTreeMap<String, Deployed>,
    /// The compose project and the environment that own the remote folder, where a release says so.
    pub owner: Option<(String, String)>,
    /// Where the file systems of the remote folder or of /run are mounted, if nothing can be written there.
    pub read_only: BTreeSet<String>,
    /// Bytes free in /run.
    pub run_free: Option<u64>,
    /// How many files can still be made, by place: remote, docker or run. Places without such a limit are not there.
    pub inodes: BTreeMap<String, u64>,
    /// Bytes free where the remote folder is or will be.
    pub disk_free: u64,
    /// Bytes free where docker keeps its data.
    pub docker_free: u64,
    /// The release that runs.
    pub current: Option<ReleaseId>,
    /// The first half of the SHA-256 over the current release's name and all files: what a plan is bound to.
    pub digest: String,
    /// Files in the live tree that provision put there, and those that lie in a folder which a service mounts as
    /// its configuration: path → SHA-256, or `-` for what is no file. A path that no line can hold is written with
    /// escapes: a backslash is in no path of a release.
    pub files: BTreeMap<String, String>,
    /// What the current release declares of files that are not so in place: path → SHA-256.
    pub declared: BTreeMap<String, String>,
    /// Those of them that provision did not put there, or not as they are.
    pub foreign: BTreeSet<String>,
    /// How much lies in the remote folder of a host where nothing of ours is: 1000 is that or more.
    pub strangers: usize,
    /// The current release's own records that need not be sent again: name → SHA-256.
    pub parts: BTreeMap<String, String>,
    /// Our scripts on the host: name → SHA-256.
    pub scripts: BTreeMap<String, String>,
    /// Fingerprints of the secrets of the current release.
    pub fingerprints: BTreeMap<String, String>,
    /// What the current release's sealed bundle was made of (see `Generated::sealed_digest`).
    pub sealed: Option<String>,
    /// Releases that were confirmed and are kept on the host.
    pub kept: BTreeSet<ReleaseId>,
    /// Containers of the project.
    pub containers: Vec<Container>,
    /// Whether every secret file of the current release is in tmpfs.
    pub unsealed: bool,
    /// Where containers on the host's own network listen, beyond 127.0.0.1; `None` where that could not be read.
    pub sockets: Option<Vec<Socket>>,
    /// Names of docker networks on the host.
    pub networks: BTreeSet<String>,
    /// Ports on which something listens that a service could not publish on 127.0.0.1 any more.
    pub listening: BTreeSet<u16>,
    /// An interrupted activation's release, if its journal is still there.
    pub interrupted: Option<String>,
    /// Who holds the lock, if somebody does.
    pub holder: Option<String>,
}

impl HostState {
    /// The digest that the current release has for a file; `None` where it has no such file.
    #[must_use]
    pub fn released(&self, path: &str) -> Option<&String> {
        self.declared.get(path).or_else(|| self.files.get(path).filter(|_| !self.foreign.contains(path)))
    }

    /// Whether somebody put that file there, and provision did not.
    #[must_use]
    pub fn is_strange(&self, path: &str) -> bool {
        self.foreign.contains(path) && !self.declared.contains_key(path)
    }

    /// The container of a service.
    #[must_use]
    pub fn container(&self, service: &str) -> Option<&Container> {
        self.containers.iter().find(|container| container.service == service)
    }
}
