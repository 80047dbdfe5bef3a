//! Room on a host: bytes, files that can still be made, and whether anything can be written at all.

use super::HostState;
use crate::error::{Error, Kind, Result};

/// The least that /run must have: an activation's log and answers are there, and the secrets beside it.
const LEAST_RUN: u64 = 4 << 20;

/// The least number of files that a file system must still be able to take: a release's own, twice.
const LEAST_FILES: u64 = 1000;

/// Whether there is room for a release; `least_free` is in bytes.
///
/// # Errors
/// Failed, with the place and what to do about it. Nothing was changed.
pub(super) fn room(state: &HostState, least_free: u64) -> Result<()> {
    let error = |found: String| Error::new(Kind::Failed, "prepare the host").cause(found);
    if let Some(mount) = state.read_only.first() {
        return Err(error(format!("{mount} there is mounted read-only"))
            .hint(format!(
                "A disk with errors becomes so: `dmesg` and `findmnt {mount}` on the host say more; \
                 `mount -o remount,rw {mount}` makes it writable again."
            ))
            .hint("Nothing was changed."));
    }
    let megabytes = |bytes: u64| bytes / 1_048_576;
    for (what, free) in [("the remote folder", state.disk_free), ("docker's data", state.docker_free)] {
        if free < least_free {
            return Err(error(format!(
                "the disk is full: {} MB free for {what}, {} MB are wanted",
                megabytes(free),
                megabytes(least_free)
            ))
            .hint(
                "Make room: `docker system df` and `journalctl --disk-usage` on the host show what is large.",
            )
            .hint("`deploy: {min_free_disk: …}` in the inventory is the limit."));
        }
    }
    if let Some(free) = state.run_free.filter(|free| *free < LEAST_RUN) {
        return Err(error(format!(
            "/run is full: {} MB free, {} MB are wanted",
            megabytes(free),
            megabytes(LEAST_RUN)
        ))
        .hint("It is memory: `du -xsh /run/* | sort -h` on the host shows what fills it."));
    }
    for (place, what) in [("remote", "the remote folder"), ("docker", "docker's data"), ("run", "/run")] {
        if let Some(free) = state.inodes.get(place).filter(|free| **free < LEAST_FILES) {
            return Err(error(format!(
                "the file system of {what} has no inodes left: room for {free} files, {LEAST_FILES} are wanted"
            ))
            .hint("Many small files fill it, not large ones: `df -i` on the host shows where, `du --inodes -x / | sort -n | tail` in which folders."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut HostState)) -> String {
        let inodes = [("remote".to_owned(), 5000), ("run".to_owned(), 5000)].into();
        let mut state = HostState {
            disk_free: 2 << 30,
            docker_free: 2 << 30,
            run_free: Some(LEAST_RUN),
            inodes,
            ..HostState::default()
        };
        change(&mut state);
        match room(&state, 1 << 30) {
            Ok(()) => "enough".to_owned(),
            Err(error) => format!("{error} | {}", error.hints().join(" ")),
        }
    }

    #[test]
    fn each_want_is_named_with_its_own_remedy() {
        assert_eq!(refusal(|_| {}), "enough");
        assert_eq!(refusal(|state| state.run_free = None), "enough");
        insta::assert_snapshot!(refusal(|state| { state.read_only.insert("/opt".to_owned()); }), @"prepare the host: /opt there is mounted read-only | A disk with errors becomes so: `dmesg` and `findmnt /opt` on the host say more; `mount -o remount,rw /opt` makes it writable again. Nothing was changed.");
        insta::assert_snapshot!(refusal(|state| state.docker_free = 5 << 20), @"prepare the host: the disk is full: 5 MB free for docker's data, 1024 MB are wanted | Make room: `docker system df` and `journalctl --disk-usage` on the host show what is large. `deploy: {min_free_disk: …}` in the inventory is the limit.");
        insta::assert_snapshot!(refusal(|state| state.run_free = Some(1 << 20)), @"prepare the host: /run is full: 1 MB free, 4 MB are wanted | It is memory: `du -xsh /run/* | sort -h` on the host shows what fills it.");
        insta::assert_snapshot!(refusal(|state| { state.inodes.insert("remote".to_owned(), 3); }), @"prepare the host: the file system of the remote folder has no inodes left: room for 3 files, 1000 are wanted | Many small files fill it, not large ones: `df -i` on the host shows where, `du --inodes -x / | sort -n | tail` in which folders.");
    }
}
