//! What a deploy finds on the host: the application's network, ports that are taken.

use super::{Lab, vps};

#[test]
fn the_network_is_found_and_two_of_them_are_named() {
    let lab = Lab::take();
    let before = lab.snapshot();
    lab.edit("inventory/lab.yml", "  application_network: koprogo_koprogo-network\n", "");
    // The release is the one that names it.
    let run = lab.provision(&["plan", "lab", "--detailed-exitcode"]);
    run.ends_with(0, &[]);
    lab.provision(&["verify", "lab"]).ends_with(0, &[]);
    lab.deploy().ends_with(0, &[]);
    lab.is_as_before(&before);
    vps("docker network create other_koprogo-network");
    // The release that runs names its network.
    lab.provision(&["verify", "lab"]).ends_with(0, &[]);
    let runs = ["plan", "deploy"].map(|command| (command, lab.provision(&[command, "lab"])));
    vps("docker network rm other_koprogo-network");
    for (command, run) in runs {
        assert_eq!(run.code, 5, "{command}: {}", run.stderr);
        run.ends_with(
            5,
            &[
                "vps",
                "koprogo_koprogo-network, other_koprogo-network",
                "`application_network: koprogo_koprogo-network`",
            ],
        );
    }
    lab.is_as_before(&before);
}

#[test]
fn a_port_that_is_taken_is_named_before_anything_is_changed() {
    let lab = Lab::take();
    let before = lab.snapshot();
    // sshd listens on 0.0.0.0:22.
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  grafana_port: 22");
    lab.provision(&["plan", "lab"]).ends_with(5, &["port 22, which `grafana` publishes", "sport = :22"]);
    let run = lab.deploy();
    run.ends_with(5, &["vps", "something else on the host listens on port 22", "Nothing was changed"]);
    lab.is_as_before(&before);
}
