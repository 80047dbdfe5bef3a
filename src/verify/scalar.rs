//! Durations and sizes as Prometheus and Alertmanager read and print them: one value, several spellings.

/// A duration in milliseconds: `1m`, `60s`, `1h30m`, `5m0s`, `1.5s`. `None` for what is none.
///
/// Units of `model.ParseDuration` (y = 365 d, w, d, h, m, s, ms) and the notation of Go's `time.Duration`.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    sum(text, |unit| {
        Some(match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        })
    })
}

/// A size in bytes: `10GB`, `512MiB`. Both notations count in powers of two, as Prometheus does.
pub(super) fn bytes(text: &str) -> Option<u64> {
    sum(text, |unit| {
        let letter = unit.strip_suffix("iB").or_else(|| unit.strip_suffix('B'))?;
        let power = ["", "K", "M", "G", "T", "P", "E"].iter().position(|one| *one == letter)?;
        1_u64.checked_shl(10 * u32::try_from(power).ok()?)
    })
}

/// The sum of `number unit` pairs.
fn sum(text: &str, factor: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let factor = factor(unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        total = total.checked_add(whole.parse::<u64>().ok()?.checked_mul(factor)?)?;
        if !fraction.is_empty() {
            let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
            total = total.checked_add(fraction.parse::<u64>().ok()?.checked_mul(factor)? / scale)?;
        }
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_duration_are_one_value() {
        assert!(["5m", "300s", "5m0s", "300000ms"].iter().all(|text| milliseconds(text) == Some(300_000)));
        assert_eq!(milliseconds("1h30m"), Some(5_400_000));
        assert_eq!(milliseconds("1.5s"), Some(1500));
        assert_eq!(milliseconds("30d"), milliseconds("4w2d"));
        assert_eq!(milliseconds("0s"), Some(0));
        assert!(["", "m", "5", "5 m", "5x", "a5m", "1..5s"].iter().all(|text| milliseconds(text).is_none()));
        assert_eq!(milliseconds("99999999999999999999s"), None);
    }

    #[test]
    fn sizes_count_in_powers_of_two() {
        assert_eq!(bytes("10GB"), bytes("10GiB"));
        assert_eq!(bytes("1KB"), Some(1024));
        assert_eq!(bytes("1GiB512MiB"), Some((1 << 30) + (512 << 20)));
        assert_eq!(bytes("10"), None);
    }
}
