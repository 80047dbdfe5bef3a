//! How long a deploy waits, and what it keeps.

use std::time::Duration;

use super::layer::DeployLayer;
use super::merge::Wrong;
use super::units;

/// How a deploy behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// How long every container has to stay as it is before the host calls the activation settled.
    pub settle: Duration,
    /// How long the checks may take to hold.
    pub verify_timeout: Duration,
    /// How long the host waits for the confirmation beyond `verify_timeout` before it goes back.
    pub confirm_timeout: Duration,
    /// How long pulling one image may take.
    pub pull_timeout: Duration,
    /// How many releases a host keeps.
    pub keep_releases: u32,
    /// Bytes that must be free on the host before anything is sent.
    pub min_free_disk: u64,
}

/// Puts the two layers together.
pub(super) fn deploy(base: &DeployLayer, over: &DeployLayer) -> Result<Deploy, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut time = |key, over: &Option<String>, base: &Option<String>, default: &str| {
        let text = over.as_deref().or(base.as_deref()).unwrap_or(default);
        units::duration(text).unwrap_or_else(|| {
            wrong.push((key, format!("`{text}` is not a duration"), "Like 30s, 5m or 1h."));
            Duration::ZERO
        })
    };
    let settle = time("settle", &over.settle, &base.settle, "10s");
    let verify_timeout = time("verify_timeout", &over.verify_timeout, &base.verify_timeout, "180s");
    let confirm_timeout = time("confirm_timeout", &over.confirm_timeout, &base.confirm_timeout, "60s");
    let pull_timeout = time("pull_timeout", &over.pull_timeout, &base.pull_timeout, "10m");
    let disk = over.min_free_disk.as_deref().or(base.min_free_disk.as_deref()).unwrap_or("1GB");
    let min_free_disk = units::size(disk).unwrap_or_else(|| {
        wrong.push(("min_free_disk", format!("`{disk}` is not a size"), "Like 500MB or 2GB."));
        0
    });
    let keep_releases = over.keep_releases.or(base.keep_releases).unwrap_or(5);
    if !(2..=50).contains(&keep_releases) {
        wrong.push((
            "keep_releases",
            format!("{keep_releases} releases cannot be kept"),
            "Between 2 and 50: the one that runs and at least one to go back to.",
        ));
    }
    if wrong.is_empty() {
        Ok(Deploy { settle, verify_timeout, confirm_timeout, pull_timeout, keep_releases, min_free_disk })
    } else {
        Err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_and_what_is_wrong_is_named() {
        let layer = |text: &str| serde_yaml::from_str::<DeployLayer>(text).unwrap();
        let found = deploy(&layer("{settle: 20s, keep_releases: 3}"), &layer("{settle: 4s}")).unwrap();
        assert_eq!((found.settle, found.keep_releases), (Duration::from_secs(4), 3));
        assert_eq!(found.min_free_disk, 1 << 30);
        let wrong = deploy(&layer("{keep_releases: 1}"), &layer("{pull_timeout: '5', min_free_disk: 2}"));
        insta::assert_snapshot!(format!("{:?}", wrong.unwrap_err()), @r#"[("pull_timeout", "`5` is not a duration", "Like 30s, 5m or 1h."), ("min_free_disk", "`2` is not a size", "Like 500MB or 2GB."), ("keep_releases", "1 releases cannot be kept", "Between 2 and 50: the one that runs and at least one to go back to.")]"#);
    }
}
