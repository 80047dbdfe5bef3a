//! Changes what is well formed a little, again and again, with a fixed seed: what we did not write must end in a value or
//! in an error, never in a panic and never in a wait. `PROVISION_FUZZ_SECONDS` lets each target run for longer, with
//! another seed each time.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How often a target is run where no time is given: some tenths of a second.
const RUNS: u64 = 3000;
/// One input may not take longer than this, in a build without optimisation on a machine that is busy.
const SLOWEST: Duration = Duration::from_secs(10);
/// The longest input, in bytes.
const LONGEST: usize = 64 * 1024;

/// What often breaks a parser.
const WORDS: [&[u8]; 24] = [
    b"\0",
    b"\n",
    b"\t",
    b" ",
    b"\r\n",
    b"\xff\xfe",
    b"\xf0\x9f",
    b"\xe2\x80\xae",
    b"\"",
    b"\\",
    b"\\u0000",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[[[[[[[[[",
    b"-1",
    b"18446744073709551616",
    b"9223372036854775807",
    b"1e999",
    b"NaN",
    b"null",
    b":",
    b"...",
];

fn change(random: &mut StdRng, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = random.random_range(0..=input.len());
    let end = (at + random.random_range(0..64)).min(input.len());
    match random.random_range(0..7) {
        0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        1 if at < input.len() => input[at] = random.random(),
        2 => drop(input.drain(at..end)),
        3 => {
            let word = WORDS[random.random_range(0..WORDS.len())];
            input.splice(at..at, word.repeat(random.random_range(1..4)));
        }
        4 => {
            let part = input[at..end].to_vec();
            input.splice(at..at, part.repeat(random.random_range(1..20)));
        }
        5 => input.truncate(at),
        _ => {
            let other = &seeds[random.random_range(0..seeds.len())];
            let from = random.random_range(0..=other.len());
            let part = &other[from..(from + 200).min(other.len())];
            input.splice(at..at, part.iter().copied());
        }
    }
    input.truncate(LONGEST);
}

/// Runs `target` on `seeds` and on what is made of them.
pub(crate) fn run(name: &str, seeds: &[Vec<u8>], target: &dyn Fn(&[u8])) {
    let seconds = std::env::var("PROVISION_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = seconds.map(Duration::from_secs);
    let mut random = StdRng::seed_from_u64(if time.is_some() { rand::random() } else { 7 });
    let (begun, mut runs) = (Instant::now(), 0);
    for seed in seeds {
        target(seed);
    }
    while time.map_or(runs < RUNS, |time| begun.elapsed() < time) {
        let mut input = seeds[random.random_range(0..seeds.len())].clone();
        for _ in 0..random.random_range(1..8) {
            change(&mut random, &mut input, seeds);
        }
        let one = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&input)));
        assert!(outcome.is_ok(), "{name} panics on {}", input.escape_ascii());
        assert!(one.elapsed() < SLOWEST, "{name} takes {:?} for {}", one.elapsed(), input.escape_ascii());
        runs += 1;
    }
    if time.is_some() {
        let text = format!("{name} {runs} runs in {} s\n", begun.elapsed().as_secs());
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::run;

    fn text(data: &[u8]) -> String {
        String::from_utf8_lossy(data).into_owned()
    }

    #[test]
    fn yaml() {
        let seeds = [
            "a: 1\nb: [x, {c: d}]\n<<: *x\nanchors: &x {y: z}\n",
            "hosts: {vps: {address: 192.0.2.1, port: 22}}\nvariables:\n  domain: \"a.b\"\n",
            include_str!("../inventory/all.yml"),
            include_str!("../stack/monitoring/variables.yml"),
        ];
        run("yaml", &seeds.map(|seed| seed.as_bytes().to_vec()), &|data| {
            let _ = crate::yaml::Document::parse("a.yml", &text(data));
        });
    }

    #[test]
    fn lines_of_logs_and_quotes() {
        let seeds = [&b"level=error msg=\"it is \\\"bad\\\"\" err=x"[..], b"Welcome\r\n to \x1b[1mvps"];
        run("logfmt", &seeds.map(<[u8]>::to_vec), &|data| {
            let text = text(data);
            let _ = crate::logfmt::field(&text, "msg");
            let _ = crate::error::quoted(&text);
        });
    }

    #[test]
    fn dashboards() {
        let seed = serde_json::json!({
            "__inputs": [{"name": "DS_PROMETHEUS", "type": "datasource", "pluginId": "prometheus"}],
            "id": null, "uid": "theirs", "title": "T", "templating": {"list": [{"type": "query", "query": "label_values(up, job)"}]},
            "panels": [{"type": "graph", "datasource": "${DS_PROMETHEUS}", "targets": [{"expr": "up{job=\"$job\"}"}]}],
        });
        let datasources = BTreeMap::from([("prometheus".to_owned(), "prometheus".to_owned())]);
        run("dashboards", &[seed.to_string().into_bytes()], &|data| {
            if let Ok(value) = serde_json::from_slice(data) {
                let _ = crate::dashboards::bind(1, value, &datasources);
            }
        });
    }
}
