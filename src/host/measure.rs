//! What the probes of `provision verify` do on a host: write a line to be found again, measure the overhead, look how
//! containers log.

use std::collections::BTreeMap;
use std::time::Duration;

use super::scripts;
use crate::error::{Error, Kind, Result};
use crate::inventory::{Environment, Host};
use crate::plan::Usage;
use crate::ssh::{Output, Session};

/// Writes `text` into the log of `service`, and into the journal. Gives whether there is a journal.
///
/// # Errors
/// Failed, when the service does not run or its log takes nothing.
pub async fn write_line(
    session: &Session,
    host: &Host,
    environment: &Environment,
    service: &str,
    text: &str,
) -> Result<bool> {
    let command = scripts::command(scripts::CANARY, host, environment).arg(service).arg(text);
    let output = scripts::exec(session, host, &command, Vec::new()).await?;
    if output.status != 0 {
        return Err(failed("write a line into a log", &output));
    }
    Ok(!String::from_utf8_lossy(&output.stdout).contains("journal no"))
}

/// Measures over `window`.
///
/// # Errors
/// Failed, when the answer is not whole.
pub async fn overhead(
    session: &Session,
    host: &Host,
    environment: &Environment,
    window: Duration,
) -> Result<Usage> {
    // It begins to speak before the window and sums up volumes, which may be large, after it.
    let command = scripts::command(scripts::OVERHEAD, host, environment)
        .arg(window.as_secs().to_string())
        .silent_for(window + Duration::from_secs(300));
    let output = scripts::exec(session, host, &command, Vec::new()).await?;
    parse(&output)
}

/// The log driver of each running container of the host, by its name.
///
/// # Errors
/// Failed, when the answer is not whole.
pub async fn log_drivers(
    session: &Session,
    host: &Host,
    environment: &Environment,
) -> Result<BTreeMap<String, String>> {
    let output =
        scripts::exec(session, host, &scripts::command(scripts::LOG_DRIVERS, host, environment), Vec::new())
            .await?;
    drivers(&output)
}

pub(super) fn drivers(output: &Output) -> Result<BTreeMap<String, String>> {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    if lines.next() != Some("provision-log-drivers 1") || !text.trim_end().ends_with("\nend") {
        return Err(failed("look how the containers log", output));
    }
    let one = |line: &str| {
        let (name, driver) = line.strip_prefix("driver ")?.split_once(' ')?;
        Some((name.to_owned(), driver.to_owned()))
    };
    Ok(lines.filter_map(one).collect())
}

pub(super) fn parse(output: &Output) -> Result<Usage> {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    if lines.next() != Some("provision-overhead 1") || !text.trim_end().ends_with("\nend") {
        return Err(failed("measure the overhead", output));
    }
    let mut usage = Usage::default();
    for line in lines {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["cpus", number] => usage.cpus = number.parse().unwrap_or(1),
            ["seconds", number] => usage.seconds = number.parse().unwrap_or_default(),
            [kind @ ("memory" | "cpu" | "disk"), name, number] => {
                let of = match *kind {
                    "memory" => &mut usage.memory,
                    "cpu" => &mut usage.cpu,
                    _ => &mut usage.disk,
                };
                let number = number.parse::<u64>().map_err(|_| failed("measure the overhead", output))?;
                let sum = of.entry((*name).to_owned()).or_default();
                *sum = sum.saturating_add(number);
            }
            _ => {}
        }
    }
    Ok(usage)
}

fn failed(doing: &str, output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or_default();
    Error::new(Kind::Failed, doing).cause(format!("exit status {}: {said}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(stdout: &str) -> Output {
        Output { stdout: stdout.into(), stderr: b"sh: no such file\n".to_vec(), status: 1 }
    }

    #[test]
    fn an_answer_is_read() {
        let text = "provision-overhead 1\ncpus 2\nmemory loki 100\nmemory prometheus 200\ndisk v 4096\n\
                    cpu loki 5000\nseconds 10.03\nend\n";
        let usage = parse(&output(text)).unwrap();
        assert_eq!(
            (usage.cpus, usage.memory["loki"], usage.cpu["loki"], usage.disk["v"]),
            (2, 100, 5000, 4096)
        );
        assert!((usage.seconds - 10.03).abs() < 1e-9);
    }

    #[test]
    fn each_containers_driver_is_read() {
        let text = "provision-log-drivers 1\ndriver koprogo-backend journald\ndriver loki json-file\nend\n";
        let found = drivers(&output(text)).unwrap();
        assert_eq!((found["koprogo-backend"].as_str(), found["loki"].as_str()), ("journald", "json-file"));
        assert!(drivers(&output("provision-log-drivers 1\nend\n")).unwrap().is_empty());
        let error = drivers(&output("provision-log-drivers 1\ndriver a local\n")).unwrap_err();
        insta::assert_snapshot!(error, @"look how the containers log: exit status 1: sh: no such file");
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        let error = parse(&output("provision-overhead 1\ncpus 2\n")).unwrap_err();
        insta::assert_snapshot!(error, @"measure the overhead: exit status 1: sh: no such file");
        assert!(parse(&output("provision-overhead 1\nmemory loki x\nend\n")).is_err());
    }
}
