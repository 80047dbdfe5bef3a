//! A private folder in memory for the one moment in which plain text has to be a file: while an editor is open.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// `f_type` of tmpfs and ramfs, from Linux's `include/uapi/linux/magic.h`.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// A folder in memory, readable by its owner alone. Its files are overwritten and removed when it is dropped.
pub(super) struct Workspace(PathBuf);

impl Workspace {
    /// A new folder below `XDG_RUNTIME_DIR` or `/dev/shm`, whichever is in memory.
    ///
    /// # Errors
    /// Usage: neither is. A disk is never taken instead.
    pub(super) fn create() -> Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        Self::create_below(runtime.into_iter().chain([PathBuf::from("/dev/shm")]))
    }

    fn create_below(candidates: impl Iterator<Item = PathBuf>) -> Result<Self> {
        let mut causes = Vec::new();
        for parent in candidates {
            if !is_in_memory(&parent) {
                causes.push(format!("{} is not a folder in memory (tmpfs)", parent.display()));
                continue;
            }
            let folder = parent.join(format!("provision-{:016x}", rand::random::<u64>()));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) => causes.push(format!("{}: {error}", parent.display())),
            }
        }
        Err(Error::usage("open an editor without writing plain text to a disk")
            .cause(causes.join(", "))
            .hint("Mount a tmpfs at /dev/shm, or use `provision secrets set`, which needs no file."))
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file of the folder, readable by its owner alone.
    pub(super) fn write(&self, name: &str, text: &str) -> std::io::Result<PathBuf> {
        let path = self.0.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?
            .write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        overwrite(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Fills every file below `folder` with zeros: editors leave copies of their own beside the file.
fn overwrite(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            overwrite(&entry.path());
        } else if kind.is_file() {
            let length = entry.metadata().map_or(0, |metadata| metadata.len());
            if let Ok(mut file) = OpenOptions::new().write(true).open(entry.path()) {
                let _ = std::io::copy(&mut std::io::Read::take(std::io::repeat(0), length), &mut file);
            }
        }
    }
}

fn is_in_memory(folder: &Path) -> bool {
    rustix::fs::statfs(folder)
        .is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|kind| IN_MEMORY.contains(&kind)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use insta::assert_snapshot;

    use super::super::testing::show;
    use super::*;

    #[test]
    fn it_is_private_and_leaves_nothing() {
        let workspace = Workspace::create().unwrap();
        let folder = workspace.path().to_owned();
        let file = workspace.write("a.yml", "hunter2").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        // A second name shows what became of the content.
        let elsewhere = folder.with_extension("link");
        fs::hard_link(&file, &elsewhere).unwrap();
        drop(workspace);
        assert!(!folder.exists());
        let left = fs::read(&elsewhere).unwrap();
        fs::remove_file(&elsewhere).unwrap();
        assert_eq!(left, [0; 7]);
    }

    #[test]
    fn a_disk_is_refused() {
        let error =
            Workspace::create_below(["/proc", "/nowhere"].map(PathBuf::from).into_iter()).err().unwrap();
        assert_snapshot!(show(&error), @r"
        [Usage] open an editor without writing plain text to a disk: /proc is not a folder in memory (tmpfs), /nowhere is not a folder in memory (tmpfs)
        → Mount a tmpfs at /dev/shm, or use `provision secrets set`, which needs no file.
        ");
    }
}
