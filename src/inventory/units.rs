//! Durations and sizes as people write them.

use std::time::Duration;

/// The units of a duration in milliseconds, from the largest to the smallest.
const UNITS: [(&str, u64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads `15s`, `1m30s`, `500ms`, `2h`, `30d`, `2w`, `1y`: Prometheus' notation, in which units descend, each stands once,
/// and the sum fits into 64 bits of nanoseconds (`model.ParseDuration`,
/// <https://github.com/prometheus/common/blob/main/model/time.go>).
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    const LONGEST: u64 = i64::MAX as u64 / 1_000_000;
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        // What was passed over may not come any more.
        let (_, milliseconds) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*milliseconds)?)?;
        rest = tail;
    }
    (total <= LONGEST).then(|| Duration::from_millis(total))
}

/// Reads `256MB`, `10GB`, `512KiB`, `1.5GB` as bytes. `MB` is 1024² as in Prometheus and Docker.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = text[..digits].parse().ok()?;
    let factor: u32 = match text[digits..].trim() {
        "B" => 0,
        "KB" | "KiB" | "K" | "k" => 1,
        "MB" | "MiB" | "M" | "m" => 2,
        "GB" | "GiB" | "G" | "g" => 3,
        "TB" | "TiB" | "T" => 4,
        _ => return None,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    Some((number * 1024_u64.pow(factor) as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_a_bare_number_is_not_one() {
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("30d"), Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(duration("1d1h"), Some(Duration::from_secs(90_000)));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        assert!(duration("292y").is_some());
        // What Prometheus refuses.
        for bad in [
            "", "30", "s", "1.5h", "3 days", "-1s", "1h1d", "30m1h", "1d1d", " 1d", "1d ", "293y", "1ms1s",
            "1H",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_and_a_bare_number_is_not_one() {
        assert_eq!(size("256MB"), Some(256 * 1024 * 1024));
        assert_eq!(size("1.5GB"), Some(3 * 512 * 1024 * 1024));
        for bad in ["", "10", "GB", "-1GB", "1 apple"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
