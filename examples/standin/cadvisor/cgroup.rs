//! Control groups: which are containers, and what they use. Both versions of the kernel's interface.

use std::path::{Path, PathBuf};

/// The control groups of a machine.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    root: PathBuf,
    /// Version 2: one tree for all controllers.
    unified: bool,
}

/// What a group uses.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) memory: f64,
    pub(super) working_set: f64,
    pub(super) rss: f64,
    pub(super) cache: f64,
    pub(super) swap: f64,
    pub(super) mapped_file: f64,
    pub(super) max_memory: f64,
    /// How often the limit was hit.
    pub(super) failures: f64,
    /// How many processes were killed for want of memory.
    pub(super) killed: f64,
    /// Seconds.
    pub(super) cpu: f64,
    pub(super) cpu_user: f64,
    pub(super) cpu_system: f64,
}

impl Tree {
    /// The tree mounted at a folder, usually `/sys/fs/cgroup`.
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), unified: root.join("cgroup.controllers").exists() }
    }

    fn controller(&self, name: &str) -> PathBuf {
        if self.unified { self.root.clone() } else { self.root.join(name) }
    }

    /// The groups of containers: path below the root, container id.
    pub(super) fn containers(&self) -> Vec<(String, String)> {
        let root = self.controller("memory");
        let mut found = Vec::new();
        walk(&root, &root, 0, &mut found);
        found
    }

    /// What a group uses; nothing where it is gone.
    pub(super) fn usage(&self, path: &str) -> Option<Usage> {
        if self.unified { self.second(path) } else { self.first(path) }
    }

    fn first(&self, path: &str) -> Option<Usage> {
        let below = |controller: &str| self.controller(controller).join(path.trim_start_matches('/'));
        let memory = below("memory");
        let number = |name: &str| read_number(&memory.join(name));
        let stat = Table::read(&memory.join("memory.stat"))?;
        let used = number("memory.usage_in_bytes")?;
        let oom = Table::read(&memory.join("memory.oom_control"));
        let accounting = below("cpuacct");
        let ticks = Table::read(&accounting.join("cpuacct.stat"));
        let ticks = |name: &str| ticks.as_ref().map_or(0.0, |table| table.get(name) / 100.0);
        Some(Usage {
            memory: used,
            working_set: (used - stat.get("total_inactive_file")).max(0.0),
            rss: stat.get("total_rss"),
            cache: stat.get("total_cache"),
            swap: stat.get("total_swap"),
            mapped_file: stat.get("total_mapped_file"),
            max_memory: number("memory.max_usage_in_bytes").unwrap_or(0.0),
            failures: number("memory.failcnt").unwrap_or(0.0),
            killed: oom.map_or(0.0, |table| table.get("oom_kill")),
            cpu: read_number(&accounting.join("cpuacct.usage")).unwrap_or(0.0) / 1e9,
            cpu_user: ticks("user"),
            cpu_system: ticks("system"),
        })
    }

    fn second(&self, path: &str) -> Option<Usage> {
        let folder = self.root.join(path.trim_start_matches('/'));
        let stat = Table::read(&folder.join("memory.stat"))?;
        // The root has no such file: there the sum is taken.
        let used = read_number(&folder.join("memory.current"))
            .unwrap_or_else(|| stat.get("anon") + stat.get("file"));
        let events = Table::read(&folder.join("memory.events"));
        let event = |name: &str| events.as_ref().map_or(0.0, |table| table.get(name));
        let cpu = Table::read(&folder.join("cpu.stat"));
        let cpu = |name: &str| cpu.as_ref().map_or(0.0, |table| table.get(name) / 1e6);
        Some(Usage {
            memory: used,
            working_set: (used - stat.get("inactive_file")).max(0.0),
            rss: stat.get("anon"),
            cache: stat.get("file"),
            swap: read_number(&folder.join("memory.swap.current")).unwrap_or(0.0),
            mapped_file: stat.get("file_mapped"),
            max_memory: read_number(&folder.join("memory.peak")).unwrap_or(0.0),
            failures: event("max"),
            killed: event("oom_kill"),
            cpu: cpu("usage_usec"),
            cpu_user: cpu("user_usec"),
            cpu_system: cpu("system_usec"),
        })
    }
}

/// Lines of a name and a number.
struct Table(String);

impl Table {
    fn read(path: &Path) -> Option<Self> {
        std::fs::read_to_string(path).ok().map(Self)
    }

    fn get(&self, name: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0.0)
    }
}

fn read_number(path: &Path) -> Option<f64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Containers are never deeper: a container in a container has at most six folders above it.
const DEEPEST: usize = 8;

fn walk(root: &Path, folder: &Path, depth: usize, found: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let path = entry.path();
        if let Some(id) = container_id(&entry.file_name().to_string_lossy())
            && let Ok(below) = path.strip_prefix(root)
        {
            found.push((format!("/{}", below.display()), id));
        }
        if depth < DEEPEST {
            walk(root, &path, depth + 1, found);
        }
    }
}

/// The id in a group's name: `<id>`, or `docker-<id>.scope` where systemd makes the groups.
fn container_id(name: &str) -> Option<String> {
    let id = name.strip_prefix("docker-").and_then(|name| name.strip_suffix(".scope")).unwrap_or(name);
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        std::fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn reads_the_first_version() {
        let root = tempfile::tempdir().unwrap();
        let id = "a".repeat(64);
        write(
            &root.path().join("memory/docker").join(&id),
            &[
                ("memory.stat", "cache 1\ntotal_cache 300\ntotal_rss 500\ntotal_inactive_file 200\n"),
                ("memory.usage_in_bytes", "1000\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            ],
        );
        write(
            &root.path().join("cpuacct/docker").join(&id),
            &[("cpuacct.usage", "2500000000\n"), ("cpuacct.stat", "user 150\nsystem 50\n")],
        );
        let tree = Tree::at(root.path());
        assert_eq!(tree.containers(), [(format!("/docker/{id}"), id.clone())]);
        let usage = tree.usage(&format!("/docker/{id}")).unwrap();
        assert_eq!((usage.working_set, usage.rss, usage.cache, usage.killed), (800.0, 500.0, 300.0, 2.0));
        assert_eq!((usage.cpu, usage.cpu_user, usage.cpu_system), (2.5, 1.5, 0.5));
        assert_eq!(tree.usage("/docker/gone"), None);
    }

    #[test]
    fn reads_the_second_version() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("cgroup.controllers", "cpu memory\n")]);
        let id = "b".repeat(64);
        let path = format!("system.slice/docker-{id}.scope");
        write(
            &root.path().join(&path),
            &[
                ("memory.stat", "anon 400\nfile 500\ninactive_file 100\n"),
                ("memory.current", "1000\n"),
                ("memory.events", "max 3\noom_kill 1\n"),
                ("cpu.stat", "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n"),
            ],
        );
        let tree = Tree::at(root.path());
        assert_eq!(tree.containers(), [(format!("/{path}"), id)]);
        let usage = tree.usage(&format!("/{path}")).unwrap();
        assert_eq!((usage.working_set, usage.rss, usage.killed, usage.failures), (900.0, 400.0, 1.0, 3.0));
        assert_eq!((usage.cpu, usage.cpu_user), (1.5, 1.0));
    }
}
