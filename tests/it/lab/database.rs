//! The exporter's role: missing, made, and its password changed.

use super::interruptions::until;
use super::{Lab, RECORDS, try_vps, vps, wait_for};
use std::time::Duration;

/// A statement as the application's superuser.
fn sql(statement: &str) -> String {
    vps(&format!(
        "docker exec koprogo-postgres psql -X -q -A -t -v ON_ERROR_STOP=1 -U koprogo -d koprogo_db -c \"{statement}\""
    ))
}

#[test]
fn a_missing_role_is_named_by_verify_and_made_by_bootstrap() {
    let lab = Lab::take();
    // What a failed test left may lack it already.
    lab.provision(&["bootstrap", "lab"]).ends_with(0, &[]);
    // The exporter keeps a session, which outlives its role: seen all the same.
    sql("DROP ROLE postgres_exporter");
    let asked = |code: i32| {
        let run = lab.provision(&["verify", "lab", "--timeout", "1s", "--output", "json"]);
        assert!([0, 7].contains(&run.code), "{}", run.stderr);
        run.code == code
    };
    wait_for("verify sees that the role is missing", Duration::from_secs(60), || asked(7));
    let run = lab.provision(&["verify", "lab", "--timeout", "1s"]);
    run.ends_with(7, &[]);
    assert!(run.stdout.contains("postgres-exporter.database"), "{}", run.stdout);
    assert!(run.stdout.contains("pg_up and on"), "{}", run.stdout);
    assert!(run.stdout.contains("bootstrap lab`"), "{}", run.stdout);

    let run = lab.provision(&["bootstrap", "lab"]);
    run.ends_with(0, &[]);
    assert!(run.stdout.contains("vps: postgres-exporter: role postgres_exporter created"), "{}", run.stdout);
    assert_eq!(
        sql("SELECT rolcanlogin, rolsuper, rolconnlimit, rolpassword LIKE 'SCRAM-SHA-256$4096:%' FROM pg_authid WHERE rolname = 'postgres_exporter'".replace('$', "\\$").as_str()),
        "t|f|3|t"
    );
    assert_eq!(sql("SELECT pg_has_role('postgres_exporter', 'pg_monitor', 'member')"), "t");
    wait_for("verify holds again", Duration::from_secs(60), || asked(0));
}

/// What PostgreSQL keeps of the role's password.
fn verifier() -> String {
    sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres_exporter'")
}

#[test]
fn a_changed_password_is_changed_by_the_deploy_and_back_where_that_fails_and_shows_nowhere() {
    let lab = Lab::take();
    let running = lab.snapshot();
    let (before, since) = (verifier(), vps("date -u +%Y-%m-%dT%H:%M:%SZ"));
    sql("ALTER SYSTEM SET log_statement = 'all'");
    sql("SELECT pg_reload_conf()");
    sql("SELECT pg_stat_statements_reset()");
    lab.provision(&["secrets", "set", "lab", "postgres_exporter_password", "--generate"]).ends_with(0, &[]);
    let password = lab.provision(&["secrets", "view", "lab", "postgres_exporter_password"]).stdout;

    // What runs has the old one and would be locked out.
    let bootstrap = lab.provision(&["bootstrap", "lab"]);
    bootstrap.ends_with(0, &[]);
    assert!(
        bootstrap.stdout.contains("the release that runs has another postgres_exporter_password: role postgres_exporter is left as it is"),
        "{}",
        bootstrap.stdout
    );
    assert_eq!(verifier(), before);

    // A deploy that fails once the services run: both are set back, and the old release logs in again.
    let compose = "stack/monitoring/docker-compose.monitoring.yml.tera";
    let (right, wrong) = ("--config.file=/etc/alertmanager/alertmanager.yml", "--no-such-flag");
    lab.edit(compose, right, wrong);
    let failed = lab.deploy();
    failed.ends_with(5, &["vps", "alertmanager: it crashes", "runs release"]);
    let log =
        vps(&format!("cd {RECORDS}/log && grep -c 'role postgres_exporter was there' $(ls -t | head -n 1)"));
    assert_eq!(log, "2", "the way forward and the way back set the password");
    lab.is_as_before(&running);
    let returned = verifier();

    lab.edit(compose, wrong, right);
    let deploy = lab.deploy();
    sql("ALTER SYSTEM RESET log_statement");
    sql("SELECT pg_reload_conf()");
    deploy.ends_with(0, &[]);
    assert_ne!(verifier(), returned);
    lab.provision(&["bootstrap", "lab"]).ends_with(0, &[]);
    assert_eq!(lab.provision(&["verify", "lab"]).code, 0);

    let log = vps(&format!("docker logs --since {since} koprogo-postgres 2>&1"));
    assert!(log.contains("SELECT pg_reload_conf()"), "the log would show statements:\n{log}");
    let texts = sql("SELECT query FROM pg_stat_statements");
    let records = vps(&format!(
        "cat {RECORDS}/log/*.log {RECORDS}/audit.jsonl /run/provision/koprogo-monitoring.control/log*"
    ));
    let said = [&bootstrap, &failed, &deploy].map(|run| format!("{}{}", run.stdout, run.stderr)).concat();
    for text in [&log, &texts, &records, &said] {
        assert!(!text.contains(password.trim()) && !text.contains("SCRAM"), "{text}");
    }
    let seen = vps(
        "docker exec koprogo-monitoring-postgres-exporter-1 ls -a /run/secrets /run/provision 2>&1 || true",
    );
    assert!(!seen.contains("verifier"), "a container sees the role's verifier:\n{seen}");

    // As it was, for the tests after this one; once more it is the deploy that changes it.
    let lab_again = lab.project.path().join("secrets/lab.yml.age");
    std::fs::copy(std::path::Path::new(super::ROOT).join("secrets/lab.yml.age"), lab_again).unwrap();
    lab.deploy().ends_with(0, &[]);
}

#[test]
fn a_changed_password_while_the_database_is_stopped_changes_nothing() {
    let lab = Lab::take();
    let before = lab.snapshot();
    let kept = verifier();
    lab.provision(&["secrets", "set", "lab", "postgres_exporter_password", "--generate"]).ends_with(0, &[]);
    vps("docker stop koprogo-postgres >/dev/null");
    let mut child = lab.spawn(&["deploy", "lab"]);
    until(&mut child, "role postgres-exporter");
    wait_for("the step to be given up", Duration::from_secs(120), || {
        let log = "$(ls -t /run/provision/koprogo-monitoring.control/log.* | head -n 1)";
        try_vps(&format!("grep -q '^error.role.*koprogo-postgres is exited' {log}")).status.success()
    });
    // The old release is proved with the database.
    vps("docker start koprogo-postgres >/dev/null");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let answers = || try_vps("docker exec koprogo-postgres pg_isready -q").status.success();
    wait_for("the database to answer", Duration::from_secs(60), answers);
    assert_eq!(verifier(), kept);
    let verifies = || lab.provision(&["verify", "lab", "--timeout", "5s"]).code == 0;
    wait_for("the old release to be proved", Duration::from_secs(120), verifies);
    lab.is_as_before(&before);
}

#[test]
fn without_the_database_bootstrap_says_what_is_missing_and_changes_nothing() {
    let lab = Lab::take();
    lab.edit("inventory/lab.yml", "variables:", "variables:\n  postgres_container: koprogo-nothing");
    lab.provision(&["bootstrap", "lab"])
        .ends_with(5, &["vps", "there is no container koprogo-nothing", "docker ps"]);
    lab.edit("inventory/lab.yml", "postgres_container: koprogo-nothing", "postgres_superuser: nobody");
    lab.provision(&["bootstrap", "lab"]).ends_with(5, &["role \"nobody\" does not exist"]);
}
