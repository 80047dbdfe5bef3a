//! Whether the collector can see what the host's containers log: it reads the files of Docker's `json-file`.

use std::collections::BTreeMap;

use crate::plan::check::Finding;

/// The name of the finding, a probe.
pub const NAME: &str = "logs.drivers";

/// Judges the log driver of each container, by its name. A container without any log wants none collected.
#[must_use]
pub fn judge(drivers: &BTreeMap<String, String>) -> Finding {
    let unseen: Vec<String> = drivers
        .iter()
        .filter(|(_, driver)| !matches!(driver.as_str(), "json-file" | "none"))
        .map(|(name, driver)| format!("{name} ({driver})"))
        .collect();
    let verdict = if unseen.is_empty() {
        Ok(format!(
            "{}, none with a driver that the collector cannot read",
            super::verdict::count(drivers.len(), "container")
        ))
    } else {
        Err((
            format!("the collector cannot read the logs of {}", unseen.join(", ")),
            "Give them `logging: {driver: json-file}` in their compose file and make them anew \
             (docs/application.md, Logs); or leave this probe out: `verify: {skip: [logs.drivers]}` in the inventory."
                .to_owned(),
        ))
    };
    Finding::fact(NAME, "every container logs where the collector reads", verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(drivers: &[(&str, &str)]) -> String {
        let drivers = drivers.iter().map(|(name, driver)| ((*name).to_owned(), (*driver).to_owned()));
        let Finding { status, found, remedy, .. } = judge(&drivers.collect());
        format!("{status:?}: {found}\n{remedy}")
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        insta::assert_snapshot!(found(&[("web", "json-file"), ("quiet", "none")]), @"Holds: 2 containers, none with a driver that the collector cannot read");
        insta::assert_snapshot!(found(&[("web", "journald"), ("db", "local"), ("loki", "json-file")]), @r"
        Fails: the collector cannot read the logs of db (local), web (journald)
        Give them `logging: {driver: json-file}` in their compose file and make them anew (docs/application.md, Logs); or leave this probe out: `verify: {skip: [logs.drivers]}` in the inventory.
        ");
    }
}
