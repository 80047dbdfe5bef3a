//! Sizes, as the program that reads them takes them.

/// The units of a size, each 1024 times the one before.
const POWERS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

/// Whether Prometheus takes a text as a size (`--storage.tsdb.retention.size`): numbers with a unit each, `4GB`, `1.5GB`,
/// `512MiB`, `1GB512MB`. Units are in capitals, and those of one text are either all `B` or all `iB`: the grammar of
/// `units.ParseBase2Bytes` (<https://github.com/alecthomas/units/blob/master/bytes.go>).
pub(super) fn is_size(text: &str) -> bool {
    bytes(text, "iB").or_else(|| bytes(text, "B")).is_some_and(|bytes| bytes < 2_f64.powi(63))
}

fn bytes(text: &str, suffix: &str) -> Option<f64> {
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, tail) =
            tail.split_at(tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len()));
        let is_number = number.contains(|c: char| c.is_ascii_digit()) && number.matches('.').count() <= 1;
        let number: f64 = number.parse().ok().filter(|_| is_number)?;
        total += number * factor(unit, suffix)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

fn factor(unit: &str, suffix: &str) -> Option<f64> {
    if unit == "B" {
        return Some(1.0);
    }
    let letter = unit.strip_suffix(suffix)?;
    let power = POWERS.iter().position(|power| *power == letter && !power.is_empty())?;
    Some(1024_f64.powi(i32::try_from(power).ok()?))
}

/// What to write instead of a text that is no size.
pub(super) fn size_hint(text: &str) -> String {
    let capitals = text.to_uppercase().replace(char::is_whitespace, "");
    let close = [capitals.clone(), format!("{capitals}B")].into_iter().find(|close| is_size(close));
    match close {
        Some(close) if text.contains(char::is_alphabetic) => format!("Write {close}."),
        _ => "It needs a unit: 500MB or 10GB.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Prometheus 2.42 took, and what it refused, as the value of its flag.
    #[test]
    fn a_size_is_what_prometheus_takes_for_one() {
        for good in
            ["4GB", "120GB", "1.5GB", "512MB", "4GiB", "1GB512MB", "1GiB512MiB", "0B", "10B", "1PB", ".5GB"]
        {
            assert!(is_size(good), "{good}");
        }
        for bad in
            ["120G", "4gb", "4 GB", "4kB", "10", "GB", "", "-1GB", "1GB512MiB", "1..5GB", "9EB", "1ZB", "4Gb"]
        {
            assert!(!is_size(bad), "{bad}");
        }
    }

    #[test]
    fn the_hint_is_what_was_probably_meant() {
        assert_eq!(size_hint("120G"), "Write 120GB.");
        assert_eq!(size_hint("4 gb"), "Write 4GB.");
        assert_eq!(size_hint("10"), "It needs a unit: 500MB or 10GB.");
        assert_eq!(size_hint("much"), "It needs a unit: 500MB or 10GB.");
    }
}
