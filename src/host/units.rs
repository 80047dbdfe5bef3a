//! The systemd units that bring a stack back after a reboot, without us.

use std::collections::BTreeMap;

use crate::inventory::Environment;

/// The two units by file name. All values in them are plain words (see `inventory`'s checks).
#[must_use]
pub fn units(environment: &Environment) -> BTreeMap<String, String> {
    let project = &environment.project;
    let remote = &environment.remote.path;
    let records = super::layout::records(project);
    let service = |verb: &str| {
        format!(
            "[Service]\n\
             Type=oneshot\n\
             RemainAfterExit=yes\n\
             Environment=HOME=/root\n\
             ExecStart=/bin/sh {records}/bin/boot.sh {remote} {project} {verb}\n\
             Restart=on-failure\n\
             RestartSec=5\n"
        )
    };
    // Before docker, so that containers find their secrets; WantedBy and never RequiredBy: docker and the
    // application's own containers start whatever becomes of ours.
    let unseal = format!(
        "[Unit]\n\
         Description=provision: secrets of {project}\n\
         Before=docker.service\n\
         After=local-fs.target\n\
         StartLimitIntervalSec=0\n\n\
         {}\n\
         [Install]\n\
         WantedBy=multi-user.target docker.service\n",
        service("unseal")
    );
    let finish = format!(
        "[Unit]\n\
         Description=provision: containers of {project}\n\
         After=docker.service provision-{project}-unseal.service\n\
         Wants=docker.service\n\
         StartLimitIntervalSec=0\n\n\
         {}\n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        service("finish")
    );
    BTreeMap::from([
        (format!("provision-{project}-unseal.service"), unseal),
        (format!("provision-{project}-finish.service"), finish),
    ])
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn the_secrets_come_before_docker_and_the_containers_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("stack/monitoring/x", "");
        write("inventory/all.yml", "project: p\n");
        write("inventory/test.yml", "hosts: {vps: {address: 192.0.2.1}}\n");
        let environment = Environment::load(dir.path(), "test").unwrap();
        let mut shown = String::new();
        for (name, text) in units(&environment) {
            writeln!(shown, "== {name}\n{text}").unwrap();
        }
        insta::assert_snapshot!(shown, @r"
        == provision-p-finish.service
        [Unit]
        Description=provision: containers of p
        After=docker.service provision-p-unseal.service
        Wants=docker.service
        StartLimitIntervalSec=0

        [Service]
        Type=oneshot
        RemainAfterExit=yes
        Environment=HOME=/root
        ExecStart=/bin/sh /var/lib/provision/p/records/bin/boot.sh /opt/p p finish
        Restart=on-failure
        RestartSec=5

        [Install]
        WantedBy=multi-user.target

        == provision-p-unseal.service
        [Unit]
        Description=provision: secrets of p
        Before=docker.service
        After=local-fs.target
        StartLimitIntervalSec=0

        [Service]
        Type=oneshot
        RemainAfterExit=yes
        Environment=HOME=/root
        ExecStart=/bin/sh /var/lib/provision/p/records/bin/boot.sh /opt/p p unseal
        Restart=on-failure
        RestartSec=5

        [Install]
        WantedBy=multi-user.target docker.service
        ");
    }
}
