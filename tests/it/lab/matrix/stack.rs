//! The stack that the fault matrix deploys: five small services of an image that the VPS has.

use std::path::Path;

/// Which of it differs from deploy to deploy, or is broken.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// In the environment of two services: another one, another container of each.
    pub(super) mark: u32,
    /// In a file that `web` reads again at a signal.
    pub(super) page: u32,
    /// Lines of the service `third`.
    pub(super) third: String,
    /// Bytes of noise in a file: a release that does not fit.
    pub(super) bulk: usize,
    /// Seconds that the host waits for its confirmation.
    pub(super) patience: u32,
    /// Seconds that nothing may change in before it is settled.
    pub(super) settle: u32,
}

/// What `third` is like when nothing is wrong with it.
pub(super) const THIRD: &str = r#"image: IMAGE
    entrypoint: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 5 & wait; done"]"#;

impl Shape {
    pub(super) fn new(mark: u32) -> Self {
        Self { mark, page: mark, third: THIRD.to_owned(), bulk: 0, patience: 3, settle: 1 }
    }
}

/// `web` reloads, `keeper` has a secret, `third` depends on `web`, `pulse` has a health check and a volume, and nothing
/// ever changes for `still`.
const COMPOSE: &str = r#"
{%- set common %}
    restart: unless-stopped
    user: "65534:65534"
    stop_grace_period: 2s
{%- endset %}
services:
  web:
    image: IMAGE
    {{- common }}
    entrypoint: ["/bin/sh", "-c", "trap 'cat /web/page.txt' HUP; trap 'exit 0' TERM; while :; do sleep 5 & wait; done"]
    volumes:
      - {type: bind, source: ./web, target: /web, read_only: true, bind: {create_host_path: false}}
    x-provision:
      reload: {paths: [web/page.txt], signal: HUP}
  keeper:
    image: IMAGE
    {{- common }}
    environment: {MARK: "<MARK>"}
    entrypoint: ["/bin/sh", "-c", "test -s /run/secrets/token || exit 9; trap 'exit 0' TERM; while :; do sleep 5 & wait; done"]
    volumes:
      - {type: bind, source: {{ secrets_dir }}/keeper, target: /run/secrets, read_only: true, bind: {create_host_path: false}}
    x-provision:
      uid: 65534
      secrets: {token: matrix_token}
  third:
    {{- common }}
    environment: {MARK: "<MARK>"}
    depends_on: [web]
    <THIRD>
  pulse:
    image: IMAGE
    {{- common }}
    entrypoint: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 5 & wait; done"]
    healthcheck: {test: [CMD-SHELL, "test ! -e /data/sick && test ! -e /tmp/sick"], interval: 1s, timeout: 2s, retries: 2, start_period: 1s}
    volumes:
      - data:/data
  still:
    image: IMAGE
    {{- common }}
    entrypoint: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 5 & wait; done"]
volumes:
  data: {}
"#;

/// Writes the stack and its inventory into a project; `hosts` is how the lab's inventory begins.
pub(super) fn write(project: &Path, hosts: &str, image: &str, shape: &Shape) {
    let stack = project.join("stack/matrix");
    std::fs::create_dir_all(stack.join("web")).unwrap();
    let compose = COMPOSE
        .replace("<MARK>", &shape.mark.to_string())
        .replace("<THIRD>", &shape.third)
        .replace("IMAGE", image);
    std::fs::write(stack.join("docker-compose.matrix.yml.tera"), compose).unwrap();
    std::fs::write(stack.join("web/page.txt"), format!("page {}\n", shape.page)).unwrap();
    let noise: String = (0..shape.bulk).map(|_| char::from(rand::random_range(b'!'..=b'z'))).collect();
    std::fs::write(stack.join("web/noise.txt"), noise).unwrap();
    std::fs::write(
        project.join("inventory/lab.yml"),
        format!(
            "{hosts}project: matrix\nstack: matrix\nremote: {{path: /opt/koprogo/matrix}}\ndeploy:\n  settle: {}s\n  \
             verify_timeout: {}s\n  confirm_timeout: 1s\n  keep_releases: 3\n  min_free_disk: 1MB\n",
            shape.settle, shape.patience
        ),
    )
    .unwrap();
}
