//! How long a service may take to become healthy, as its compose file says.

use crate::yaml::Value;

/// Docker's defaults, in milliseconds: for what a health check leaves out, and for an image that brings its own.
const INTERVAL: u64 = 30_000;
const TIMEOUT: u64 = 30_000;
const RETRIES: u64 = 3;

/// Seconds after which docker itself calls the service unhealthy at the latest.
pub(super) fn patience(definition: &Value) -> u64 {
    let check = definition.get("healthcheck");
    let time =
        |key: &str| check.and_then(|check| check.get(key)).and_then(Value::as_str).and_then(milliseconds);
    let retries =
        check.and_then(|check| check.get("retries")).and_then(Value::as_u64).unwrap_or(RETRIES).max(1);
    let each = time("interval").unwrap_or(INTERVAL).saturating_add(time("timeout").unwrap_or(TIMEOUT));
    time("start_period").unwrap_or(0).saturating_add(each.saturating_mul(retries)).div_ceil(1000)
}

/// A duration as compose writes it: `1m30s`, `500ms`, `2h`.
fn milliseconds(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let factor = match &rest[..unit] {
            "us" => return Some(total),
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[unit..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(yaml: &str) -> u64 {
        patience(&serde_yaml::from_str(yaml).unwrap())
    }

    #[test]
    fn the_patience_is_that_of_the_health_check() {
        assert_eq!(of("{image: x}"), 180, "docker's defaults");
        assert_eq!(of("healthcheck: {interval: 10s, timeout: 5s, retries: 4}"), 60);
        assert_eq!(of("healthcheck: {interval: 10s, timeout: 5s, retries: 4, start_period: 1m30s}"), 150);
        assert_eq!(of("healthcheck: {interval: 500ms, timeout: 250ms, retries: 2}"), 2);
        assert_eq!(of("healthcheck: {interval: soon}"), 180);
        assert_eq!(milliseconds("1h"), Some(3_600_000));
        assert_eq!(milliseconds("10"), None);
        assert_eq!(milliseconds("9999999999999999999h"), None);
    }
}
