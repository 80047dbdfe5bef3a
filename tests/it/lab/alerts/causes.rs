//! What provokes alerts in the VPS, and takes it away again.

use crate::lab::{sql, try_vps, vps};

/// Where the disk that is filled is mounted in the VPS.
pub(super) const DISK: &str = "/var/lib/docker";

/// The folder of the stack on the VPS.
const STACK: &str = "/opt/koprogo/monitoring";

/// What has to be undone, last first; done when it is dropped, whatever happens in between.
#[derive(Default)]
pub(super) struct Undo(Vec<String>);

impl Undo {
    /// Runs `line` in the VPS, and remembers what undoes it.
    pub(super) fn after(&mut self, line: &str, undo: &str) {
        self.0.push(undo.to_owned());
        vps(line);
    }

    /// Undoes all.
    pub(super) fn all(&mut self) {
        while let Some(line) = self.0.pop() {
            let output = try_vps(&line);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "`{line}` failed in the VPS: {error}");
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        while let Some(line) = self.0.pop() {
            try_vps(&line);
        }
    }
}

/// Free and total bytes, free and total inodes of the disk that holds Docker's data, as node-exporter counts them.
pub(super) fn disk() -> [f64; 4] {
    let numbers = vps("stat -f -c '%a %b %d %c %S' /var/lib/docker");
    let numbers: Vec<f64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
    [numbers[0] * numbers[4], numbers[1] * numbers[4], numbers[2], numbers[3]]
}

/// Available and total bytes of memory.
pub(super) fn memory() -> [f64; 2] {
    let text = vps("cat /proc/meminfo");
    ["MemAvailable:", "MemTotal:"].map(|name| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
    })
}

/// A folder on the disk with Docker's data; all of it is removed at the end.
const FOLDER: &str = "/var/lib/docker/lab-fill";

/// Fills the disk by `megabytes`, which have to be less than 2 GB.
pub(super) fn fill_disk(undo: &mut Undo, megabytes: u32) {
    assert!(megabytes < 2000);
    undo.after(
        &format!("mkdir -p {FOLDER} && fallocate -l {megabytes}M {FOLDER}/file"),
        &format!("rm -rf {FOLDER}"),
    );
}

/// 20 000 files.
pub(super) fn use_inodes(undo: &mut Undo) {
    undo.after(
        &format!("mkdir -p {FOLDER}/many && cd {FOLDER}/many && seq 20000 | xargs touch"),
        &format!("rm -rf {FOLDER}"),
    );
}

/// Both of two sessions wait for what the other holds.
pub(super) fn deadlock(undo: &mut Undo) {
    sql("CREATE TABLE IF NOT EXISTS lab_lock AS SELECT id, 0 AS n FROM generate_series(1, 2) id");
    undo.0.push(
        "docker exec koprogo-postgres psql -q -U koprogo -d koprogo_db -c 'DROP TABLE IF EXISTS lab_lock'"
            .to_owned(),
    );
    let session = |first: u8, second: u8| {
        format!(
            "docker exec koprogo-postgres psql -q -U koprogo -d koprogo_db -c 'BEGIN; UPDATE lab_lock SET n = 1 WHERE id = {first}; \
             SELECT pg_sleep(1); UPDATE lab_lock SET n = 2 WHERE id = {second}; COMMIT' >/dev/null 2>&1"
        )
    };
    vps(&format!("{} & {} ; wait", session(1, 2), session(2, 1)));
}

/// Statements that take 20 ms each.
pub(super) fn slow_queries() {
    sql(&"SELECT pg_sleep(0.02);\n".repeat(100));
}

/// A table too large for the buffers that one scan may take: each scan reads it anew.
pub(super) fn large_table(undo: &mut Undo) {
    undo.0.push(
        "docker exec koprogo-postgres psql -q -U koprogo -d koprogo_db -c 'DROP TABLE IF EXISTS lab_large'"
            .to_owned(),
    );
    sql(
        "CREATE TABLE IF NOT EXISTS lab_large AS SELECT id, repeat('x', 1000) FROM generate_series(1, 45000) id",
    );
}

pub(super) fn read_large_table() {
    sql(&"SELECT count(*) FROM lab_large;\n".repeat(20));
}

/// All but a few of the connections, for at most two minutes.
pub(super) fn connections(undo: &mut Undo) {
    undo.after(
        "docker exec -d koprogo-postgres sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11; do psql -q -U koprogo -d koprogo_db -c \"SELECT pg_sleep(120) AS lab\" & done; wait'",
        "docker exec koprogo-postgres psql -q -U koprogo -d koprogo_db -c \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(120) AS lab'\" >/dev/null",
    );
}

/// Requests through Traefik, one after the other on one connection: `good` that succeed, then `bad` that do not.
pub(super) fn requests(good: u32, bad: u32) {
    let ask = |count: u32, building: u32| {
        format!(
            "for i in $(seq {count}); do printf 'GET /api/v1/buildings/{building} HTTP/1.1\\r\\nHost: koprogo.lab\\r\\n\\r\\n'; done"
        )
    };
    let script = format!(
        "exec 3<>/dev/tcp/$1/80; {{ {}; {}; printf 'GET /health HTTP/1.1\\r\\nHost: koprogo.lab\\r\\nConnection: close\\r\\n\\r\\n'; }} >&3 & \
         timeout 60 cat <&3 >/dev/null",
        ask(good, 1),
        ask(bad, 500)
    );
    vps(&format!(
        "timeout 60 bash -c '{}' - $(docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' koprogo-traefik)",
        script.replace('\'', "'\\''")
    ));
}

/// Ten requests that find the backend standing still for two seconds.
pub(super) fn slow_requests() {
    vps(
        "docker pause koprogo-backend >/dev/null; docker exec -d koprogo-traefik busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do busybox timeout 9 busybox wget -qO /dev/null --header Host:koprogo.lab http://127.0.0.1/api/v1/buildings/1 & done; wait'; sleep 2; docker unpause koprogo-backend >/dev/null",
    );
}

/// All CPUs busy for at most 280 seconds.
pub(super) fn burn_cpu(undo: &mut Undo) {
    undo.after(
        "for i in $(seq $(nproc)); do nice timeout 280 sh -c 'while :; do :; done' lab-burn >/dev/null 2>&1 & done",
        "ps -eo pid=,args= | awk '/timeout 280 sh -c while .*lab-burn/ && !/awk/ {print $1}' | xargs -r kill",
    );
}

/// Takes memory by a file of `megabytes` (at most 2048) on a tmpfs.
pub(super) fn take_memory(undo: &mut Undo, megabytes: u32) {
    assert!(megabytes <= 2048);
    undo.after(&format!("fallocate -l {megabytes}M /run/lab-fill || dd if=/dev/zero of=/run/lab-fill bs=1M count={megabytes} status=none"), "rm -f /run/lab-fill");
}

/// The image of busybox on the VPS.
const BUSYBOX: &str = "$(docker inspect -f '{{.Config.Image}}' koprogo-frontend)";

/// A process that the kernel kills: it wants more than its container may have.
pub(super) fn oom_kill() {
    vps(&format!(
        "timeout 60 docker run --rm --name lab-oom -m 16m --memory-swap 16m --entrypoint busybox {BUSYBOX} tail /dev/zero >/dev/null 2>&1; test $? -ne 124"
    ));
}

/// A container that uses 60 of its 64 MB.
pub(super) fn full_container(undo: &mut Undo) {
    undo.after(
        &format!("docker run -d --name lab-memory -m 64m --memory-swap 64m --tmpfs /fill:size=64m --entrypoint busybox {BUSYBOX} sh -c 'dd if=/dev/zero of=/fill/file bs=1M count=60; exec sleep 600' >/dev/null"),
        "docker rm -f lab-memory >/dev/null",
    );
}

/// A container that works for a quarter of a minute, dies and is started again by docker.
pub(super) fn crash_loop(undo: &mut Undo) {
    let work = "for s in 1 2 3 4 5 6 7 8 9 10 11 12; do n=0; while [ $n -lt 20000 ]; do n=$((n + 1)); done; sleep 1; done; exit 1";
    undo.after(
        &format!("docker run -d --restart always --name lab-crash --entrypoint busybox {BUSYBOX} sh -c '{work}' >/dev/null"),
        "docker rm -f lab-crash >/dev/null",
    );
}

/// A certificate that ends in five days in the place of Traefik's. It starts anew: until then the one before counts too.
pub(super) fn old_certificate(undo: &mut Undo) {
    const SAVED: &str = "/run/lab-certificate";
    undo.after(
        &format!(
            "mkdir -p {SAVED} && cd /opt/koprogo/app/traefik && cp certificate.pem key.pem {SAVED} && openssl req -x509 -newkey ec \
             -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out certificate.pem -days 5 -subj /CN=koprogo.lab \
             -addext subjectAltName=DNS:koprogo.lab 2>/dev/null && docker restart -t 3 koprogo-traefik >/dev/null"
        ),
        &format!(
            "cp {SAVED}/* /opt/koprogo/app/traefik/ && rm -r {SAVED} && docker restart -t 3 koprogo-traefik >/dev/null"
        ),
    );
}

/// A container's log whose lines are weeks old: Loki refuses them, and the collector gives them up.
pub(super) fn old_logs(undo: &mut Undo) {
    let folder = "/var/lib/docker/containers/lab-old";
    undo.after(
        &format!(
            "mkdir -p {folder}; (for i in $(seq 60); do printf '%s\\n' '{{\"log\":\"an old line\\n\",\"stream\":\"stdout\",\"time\":\"2024-01-01T00:00:00.0Z\"}}' >>{folder}/lab-old-json.log || exit; sleep 2; done) >/dev/null 2>&1 &"
        ),
        &format!("rm -rf {folder}"),
    );
}

fn reload(service: &str) -> String {
    format!("docker kill -s HUP koprogo-monitoring-{service}-1 >/dev/null")
}

/// Puts what comes out of `filter` in the place of a configuration, and has it read.
pub(super) fn reconfigure(undo: &mut Undo, service: &str, file: &str, filter: &str) {
    let (path, saved) = (format!("{STACK}/{file}"), format!("/run/lab-{service}"));
    undo.after(
        &format!("cp {path} {saved} && {filter} <{saved} >{path} && {}", reload(service)),
        &format!("cat {saved} >{path} && rm {saved} && {}", reload(service)),
    );
}

/// A rule that can be read and not evaluated: several series on both sides.
pub(super) fn rule_that_fails(undo: &mut Undo) {
    let path = format!("{STACK}/prometheus/alerts/lab.yml");
    undo.after(
        &format!("printf 'groups: [{{name: lab, rules: [{{record: lab, expr: up + on () up}}]}}]\\n' >{path} && chmod 0644 {path} && {}", reload("prometheus")),
        &format!("rm {path} && {}", reload("prometheus")),
    );
}

pub(super) fn old_backup(undo: &mut Undo) {
    undo.after("koprogo-backup-metric $(($(date +%s) - 30 * 3600))", "koprogo-backup-metric");
}

pub(super) fn no_backup(undo: &mut Undo) {
    let file = "/var/lib/node_exporter/textfile_collector/backup.prom";
    undo.after(
        &format!("mv {file} /var/tmp/lab-backup.prom"),
        &format!("mv /var/tmp/lab-backup.prom {file}"),
    );
}

pub(super) fn stop(undo: &mut Undo, name: &str) {
    undo.after(&format!("docker stop -t 3 {name} >/dev/null"), &format!("docker start {name} >/dev/null"));
}

/// The container stands still: it exists, and answers nobody.
pub(super) fn pause(undo: &mut Undo, name: &str) {
    undo.after(&format!("docker pause {name} >/dev/null"), &format!("docker unpause {name} >/dev/null"));
}

/// Nobody answers at the mail server's port any more. (One that only stood still would keep Alertmanager waiting, which
/// counts as no failure.)
pub(super) fn no_mail(undo: &mut Undo) {
    let rule = "-p tcp --dport 587 -j REJECT --reject-with tcp-reset";
    undo.after(&format!("iptables -I DOCKER-USER {rule}"), &format!("iptables -D DOCKER-USER {rule}"));
}
