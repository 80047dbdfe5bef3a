//! A dashboard of grafana.com (from a stand-in for it) on its way to Grafana.

use super::{Lab, vps};
use crate::support::stand_in;

#[test]
fn a_fetched_dashboard_is_there_after_a_deploy_and_restarts_nothing() {
    let lab = Lab::take();
    let ids = "docker ps --no-trunc --format '{{.ID}} {{.Names}}' | sort";
    let before = vps(ids);
    let address = stand_in(vec![
        ("/api/dashboards/7", 200, "{\"revision\": 1}".to_owned()),
        (
            "/api/dashboards/7/revisions/1/download",
            200,
            "{\"title\": \"Seven\", \"uid\": \"theirs\", \"panels\": []}".to_owned(),
        ),
    ]);
    let output =
        lab.command(&["dashboards", "add", "7"]).env("PROVISION_GRAFANA_COM", &address).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = lab.deploy();
    run.ends_with(0, &[]);
    assert!(
        run.stdout.contains("warning: dashboards of grafana.com that are wanted and not here"),
        "{}",
        run.stdout
    );
    assert_eq!(vps(ids), before);
    // The check asks for every uid of the release.
    let checks = vps(
        "cat /var/lib/provision/koprogo-monitoring/records/releases/$(cat /var/lib/provision/koprogo-monitoring/records/current)/checks.json",
    );
    assert!(checks.contains("community-7"), "{checks}");
    let left = vps("ls /opt/koprogo/monitoring/grafana/dashboards/community");
    assert_eq!(left, "7.json", "the lock file is not shipped");
}
