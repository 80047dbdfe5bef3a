//! Times in lines.

/// A format of the timestamp stage that was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Rfc3339,
    Unix,
    UnixMs,
    UnixUs,
    UnixNs,
}

impl Format {
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "RFC3339" | "RFC3339Nano" => Self::Rfc3339,
            "Unix" => Self::Unix,
            "UnixMs" => Self::UnixMs,
            "UnixUs" => Self::UnixUs,
            "UnixNs" => Self::UnixNs,
            other => return Err(format!("the stand-in does not know the time format {other:?}")),
        })
    }

    /// Nanoseconds since 1970.
    pub(super) fn read(self, text: &str) -> Option<i64> {
        let factor = match self {
            Self::Rfc3339 => {
                return i64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok();
            }
            Self::Unix => {
                #[allow(clippy::cast_possible_truncation, reason = "seconds since 1970")]
                return text.parse::<f64>().ok().map(|number| (number * 1e9) as i64);
            }
            Self::UnixMs => 1_000_000,
            Self::UnixUs => 1000,
            Self::UnixNs => 1,
        };
        text.parse::<i64>().ok()?.checked_mul(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_docker_and_programs_write() {
        let read = |name: &str, text: &str| Format::parse(name).unwrap().read(text);
        assert_eq!(read("RFC3339Nano", "1970-01-01T00:00:01.5Z"), Some(1_500_000_000));
        assert_eq!(read("Unix", "2"), Some(2_000_000_000));
        assert_eq!(read("UnixMs", "2"), Some(2_000_000));
        assert_eq!(read("RFC3339", "yesterday"), None);
        assert!(Format::parse("2006-01-02").is_err());
    }
}
