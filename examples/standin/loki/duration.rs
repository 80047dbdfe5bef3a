//! Durations and sizes as Loki's configuration and `LogQL` write them.

/// Reads `5m`, `1h30m`, `1.5h`, `7d`, `250ms`; gives nanoseconds.
pub(super) fn parse(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    let mut sum = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|it: char| it.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "d" => 86_400e9,
            "w" => 604_800e9,
            "y" => 31_536_000e9,
            _ => return None,
        };
        sum += number * unit;
        rest = &rest[end..];
    }
    #[allow(clippy::cast_possible_truncation, reason = "three centuries are enough")]
    Some(if text.starts_with('-') { -sum as i64 } else { sum as i64 })
}

/// Writes a duration as Go does: `10m0s`.
pub(super) fn as_go(nanoseconds: i64) -> String {
    let whole = nanoseconds / 1_000_000_000;
    if nanoseconds % 1_000_000_000 != 0 {
        return format!("{}ms", nanoseconds / 1_000_000);
    }
    match (whole / 3600, whole % 3600 / 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// Writes a duration as Prometheus does: `1w`, `1d12h`.
pub(super) fn as_prometheus(nanoseconds: i64) -> String {
    let mut rest = nanoseconds / 1_000_000;
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    let year = 365 * 86_400_000;
    for (unit, length, whole_only) in [
        ("y", year, true),
        ("w", 604_800_000, true),
        ("d", 86_400_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ] {
        if whole_only && rest % length != 0 {
            continue;
        }
        if rest / length > 0 {
            text += &(rest / length).to_string();
            text += unit;
            rest %= length;
        }
    }
    text
}

/// Reads `96MB`, `512KB`, `1048576`; gives bytes. Loki counts in powers of 1024.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1.0,
        "K" | "KB" | "KIB" => 1024.0,
        "M" | "MB" | "MIB" => 1024.0 * 1024.0,
        "G" | "GB" | "GIB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are positive and small"
    )]
    Some((number * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_both_ways() {
        let read = |text: &str| parse(text).map(|it| it / 1_000_000);
        assert_eq!(read("1h30m"), Some(5_400_000));
        assert_eq!(read("1.5h"), Some(5_400_000));
        assert_eq!(read("168h"), read("1w"));
        assert_eq!(read("250ms"), Some(250));
        assert_eq!(read("-5m"), Some(-300_000));
        for wrong in ["", "5", "m", "5x", "soon"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(as_go(parse("10m").unwrap()), "10m0s");
        assert_eq!(as_go(parse("2h").unwrap()), "2h0m0s");
        assert_eq!(as_go(parse("100ms").unwrap()), "100ms");
        assert_eq!(as_prometheus(parse("168h").unwrap()), "1w");
        assert_eq!(as_prometheus(parse("36h").unwrap()), "1d12h");
        assert_eq!(as_prometheus(0), "0s");
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(bytes("96MB"), Some(96 << 20));
        assert_eq!(bytes("512KB"), Some(512 << 10));
        assert_eq!(bytes("1000"), Some(1000));
        assert_eq!(bytes("many"), None);
    }
}
