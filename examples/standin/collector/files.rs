//! Follows files that a pattern finds, through rotation and truncation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Target;

/// So much of a file is read at a time, so that one file does not keep the others waiting.
const AT_ONCE: u64 = 256 << 10;

/// The files of one source.
pub(super) struct Follower {
    targets: Vec<Target>,
    open: BTreeMap<PathBuf, Tail>,
}

struct Tail {
    file: File,
    inode: u64,
    /// Where the next line begins.
    offset: u64,
    /// Which of the targets found it.
    target: usize,
}

/// One line and where it came from.
pub(super) struct Found {
    pub(super) path: String,
    pub(super) target: usize,
    pub(super) line: String,
}

impl Follower {
    pub(super) fn new(targets: Vec<Target>) -> Self {
        Self { targets, open: BTreeMap::new() }
    }

    pub(super) fn target(&self, at: usize) -> &Target {
        &self.targets[at]
    }

    /// How many files are followed.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// How far each file was read.
    pub(super) fn positions(&self) -> impl Iterator<Item = (String, u64)> {
        self.open.iter().map(|(path, tail)| (path.display().to_string(), tail.offset))
    }

    /// Looks for new files, which begin where `positions` says or at their beginning, and forgets those that are gone.
    pub(super) fn look(&mut self, positions: &BTreeMap<String, String>) {
        let mut found = BTreeMap::new();
        for (at, target) in self.targets.iter().enumerate() {
            for path in glob(&target.pattern) {
                let excluded = target.exclude.as_ref().is_some_and(|pattern| glob(pattern).contains(&path));
                if !excluded {
                    found.entry(path).or_insert(at);
                }
            }
        }
        self.open.retain(|path, _| found.contains_key(path));
        for (path, target) in found {
            if self.open.contains_key(&path) {
                continue;
            }
            let known =
                positions.get(&path.display().to_string()).and_then(|text| text.parse().ok()).unwrap_or(0);
            if let Some(tail) = Tail::open(&path, known, target) {
                self.open.insert(path, tail);
            }
        }
    }

    /// Reads what is new.
    pub(super) fn read(&mut self) -> Vec<Found> {
        let mut all = Vec::new();
        for (path, tail) in &mut self.open {
            let lines = tail.lines().unwrap_or_default();
            if lines.is_empty() {
                // At its end: has another file taken its place, or was it cut?
                if let Ok(now) = std::fs::metadata(path)
                    && (now.ino() != tail.inode || now.len() < tail.offset)
                    && let Some(new) = Tail::open(path, 0, tail.target)
                {
                    *tail = new;
                }
            }
            let name = path.display().to_string();
            all.extend(lines.into_iter().map(|line| Found { path: name.clone(), target: tail.target, line }));
        }
        all
    }
}

impl Tail {
    fn open(path: &Path, offset: u64, target: usize) -> Option<Self> {
        let file = File::open(path)
            .map_err(|cause| {
                println!("level=error msg=\"failed to tail file\" path={} error={cause:?}", path.display());
            })
            .ok()?;
        let data = file.metadata().ok()?;
        Some(Self { inode: data.ino(), offset: if offset > data.len() { 0 } else { offset }, file, target })
    }

    /// The whole lines behind the offset, at most `AT_ONCE` bytes of them.
    fn lines(&mut self) -> std::io::Result<Vec<String>> {
        self.file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(AT_ONCE).read_to_end(&mut bytes)?;
        let full = bytes.len() as u64 == AT_ONCE;
        // A line longer than that is cut: it would keep the file from going on.
        let end =
            bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1).or(full.then_some(bytes.len()));
        let Some(end) = end else { return Ok(Vec::new()) };
        self.offset += end as u64;
        Ok(String::from_utf8_lossy(&bytes[..end]).lines().map(str::to_owned).collect())
    }
}

/// The files of a pattern in whose parts `*` stands for anything.
fn glob(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "." })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found
            .into_iter()
            .flat_map(|folder| {
                if !part.contains('*') {
                    return vec![folder.join(part)];
                }
                let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
                entries
                    .filter(|entry| matches(part, &entry.file_name().to_string_lossy()))
                    .map(|entry| entry.path())
                    .collect()
            })
            .collect();
    }
    found.retain(|path| path.is_file());
    found
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    struct House(tempfile::TempDir);

    impl House {
        fn follower(&self) -> Follower {
            let pattern = format!("{}/*/*-json.log", self.0.path().display());
            Follower::new(vec![Target { pattern, exclude: None, labels: [].into() }])
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn append(&self, name: &str, text: &str) {
            std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
            let mut file = File::options().create(true).append(true).open(self.path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
    }

    fn lines(follower: &mut Follower) -> Vec<String> {
        follower.look(&BTreeMap::new());
        follower.read().into_iter().map(|found| found.line).collect()
    }

    #[test]
    fn follows_whole_lines_of_what_the_pattern_finds() {
        let house = House(tempfile::tempdir().unwrap());
        house.append("a/a-json.log", "one\ntw");
        house.append("a/other.log", "never\n");
        let mut follower = house.follower();
        assert_eq!(lines(&mut follower), ["one"]);
        house.append("a/a-json.log", "o\n");
        house.append("b/b-json.log", "new\n");
        assert_eq!(lines(&mut follower), ["two", "new"]);
        assert!(lines(&mut follower).is_empty());
        assert_eq!(follower.positions().map(|(_, offset)| offset).collect::<Vec<_>>(), [8, 4]);
        assert_eq!(follower.len(), 2);
    }

    #[test]
    fn loses_nothing_when_a_file_is_rotated() {
        let house = House(tempfile::tempdir().unwrap());
        house.append("a/a-json.log", "one\n");
        let mut follower = house.follower();
        assert_eq!(lines(&mut follower), ["one"]);
        house.append("a/a-json.log", "two\n");
        std::fs::rename(house.path("a/a-json.log"), house.path("a/a-json.log.1")).unwrap();
        house.append("a/a-json.log", "three\n");
        assert_eq!(lines(&mut follower), ["two"]);
        assert!(lines(&mut follower).is_empty());
        assert_eq!(lines(&mut follower), ["three"]);
        std::fs::write(house.path("a/a-json.log"), "4\n").unwrap();
        assert!(lines(&mut follower).is_empty());
        assert_eq!(lines(&mut follower), ["4"]);
    }

    #[test]
    fn goes_on_where_the_last_process_ended() {
        let house = House(tempfile::tempdir().unwrap());
        house.append("a/a-json.log", "one\ntwo\n");
        let mut follower = house.follower();
        follower.look(&[(house.path("a/a-json.log").display().to_string(), "4".to_owned())].into());
        assert_eq!(follower.read().into_iter().map(|found| found.line).collect::<Vec<_>>(), ["two"]);
        assert!(matches("*-json*.log", "x-json.1.log") && !matches("a*", "b"));
    }
}
