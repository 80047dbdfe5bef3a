//! The exporter's role: missing, made, and its password changed.

use super::{Lab, vps, wait_for};
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
    assert!(run.stdout.contains("provision bootstrap"), "{}", run.stdout);

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

#[test]
fn a_changed_password_is_applied_and_shows_nowhere() {
    let lab = Lab::take();
    let before = sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres_exporter'");
    let since = vps("date -u +%Y-%m-%dT%H:%M:%SZ");
    sql("ALTER SYSTEM SET log_statement = 'all'");
    sql("SELECT pg_reload_conf()");
    sql("SELECT pg_stat_statements_reset()");
    lab.provision(&["secrets", "set", "lab", "postgres_exporter_password", "--generate"]).ends_with(0, &[]);
    let password = lab.provision(&["secrets", "view", "lab", "postgres_exporter_password"]).stdout;
    let run = lab.provision(&["bootstrap", "lab"]);
    sql("ALTER SYSTEM RESET log_statement");
    sql("SELECT pg_reload_conf()");
    run.ends_with(0, &[]);
    assert!(
        run.stdout.contains("role postgres_exporter was there: password and rights set anew"),
        "{}",
        run.stdout
    );
    let after = sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres_exporter'");
    assert_ne!(before, after);

    let log = vps(&format!("docker logs --since {since} koprogo-postgres 2>&1"));
    assert!(log.contains("SELECT pg_reload_conf()"), "the log would show statements:\n{log}");
    let texts = sql("SELECT query FROM pg_stat_statements");
    for text in [&log, &texts, &run.stdout, &run.stderr] {
        assert!(!text.contains(password.trim()) && !text.contains("SCRAM"), "{text}");
    }

    // Until a deploy brings it to the exporter, that cannot log in any more.
    let verify = || lab.provision(&["verify", "lab", "--timeout", "1s"]).code;
    wait_for("verify sees that the exporter has another password", Duration::from_secs(60), || verify() == 7);
    lab.deploy().ends_with(0, &[]);
    // As it was, for the tests after this one.
    let lab_again = lab.project.path().join("secrets/lab.yml.age");
    std::fs::copy(std::path::Path::new(super::ROOT).join("secrets/lab.yml.age"), lab_again).unwrap();
    lab.provision(&["bootstrap", "lab"]).ends_with(0, &[]);
    lab.deploy().ends_with(0, &[]);
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
