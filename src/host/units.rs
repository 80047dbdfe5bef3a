//! The systemd units that bring a stack back after a reboot, without us.

use std::collections::BTreeMap;

use crate::inventory::Environment;

/// The two units by file name. All values in them are plain words (see `inventory`'s checks).
#[must_use]
pub fn units(environment: &Environment) -> BTreeMap<String, String> {
    let project = &environment.project;
    let remote = &environment.remote.path;
    let boot = format!("/bin/sh {remote}/.provision/bin/boot.sh {remote} {project}");
    // Before docker, so that containers find their secrets; WantedBy and never RequiredBy: docker and the
    // application's own containers start whatever becomes of ours.
    let unseal = format!(
        "[Unit]\n\
         Description=provision: secrets of {project}\n\
         Before=docker.service\n\
         After=local-fs.target\n\
         StartLimitIntervalSec=0\n\n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         Environment=HOME=/root\n\
         ExecStart={boot} unseal\n\
         Restart=on-failure\n\
         RestartSec=5\n\n\
         [Install]\n\
         WantedBy=multi-user.target docker.service\n"
    );
    let finish = format!(
        "[Unit]\n\
         Description=provision: containers of {project}\n\
         After=docker.service provision-{project}-unseal.service\n\
         Wants=docker.service\n\
         StartLimitIntervalSec=0\n\n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         Environment=HOME=/root\n\
         ExecStart={boot} finish\n\
         Restart=on-failure\n\
         RestartSec=5\n\n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    );
    BTreeMap::from([
        (format!("provision-{project}-unseal.service"), unseal),
        (format!("provision-{project}-finish.service"), finish),
    ])
}
