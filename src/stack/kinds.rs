//! The types of a stack's variables: which values each takes, and what to write instead of the others.

use std::net::IpAddr;

use serde::Deserialize;

use crate::inventory::units;
use crate::yaml::{Value, suggestion};

/// The type of a variable, of a list's items or of a map's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    String,
    Text,
    Bool,
    Int,
    Number,
    Percent,
    Duration,
    Size,
    Email,
    Domain,
    Url,
    Address,
    /// An IP address, or a network like 10.0.0.0/8.
    Network,
    HostPort,
    Port,
    /// One of the declaration's `values`.
    Choice,
    /// What docker takes as a name.
    Name,
    /// `user:bcrypt hash`, as `htpasswd -B` prints it.
    Htpasswd,
    List,
    Map,
}

/// What a type may be narrowed by.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// The least number, or seconds of a duration.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// Of a choice.
    pub values: &'a [String],
}

impl Kind {
    /// Whether a value that is wrong must not be shown, since it may be a password in plain text.
    pub(super) fn is_private(self) -> bool {
        self == Kind::Htpasswd
    }

    /// A value as people would write it, for the message that one is missing.
    pub(super) fn example(self) -> &'static str {
        match self {
            Kind::Email => "ops@example.org",
            Kind::Domain => "koprogo.com",
            Kind::Duration => "15s",
            Kind::Size => "1GB",
            Kind::Port | Kind::Int | Kind::Number | Kind::Percent => "1",
            Kind::Url => "https://…",
            _ => "…",
        }
    }

    /// Whether `value` is of this type.
    ///
    /// # Errors
    /// What it is instead (to stand after the variable's name) and what to write.
    pub(super) fn fits(self, value: &Value, bounds: Bounds) -> Result<(), (String, String)> {
        let text = shown(value);
        let wrong = |what: &str, hint: &str| Err((format!("is `{text}`, which {what}"), hint.to_owned()));
        if self.takes(value, &text, bounds) {
            return self.within(value, &text, bounds);
        }
        match self {
            Kind::String => {
                wrong("is not a text of one line", "Quote it if it looks like a number or a list.")
            }
            Kind::Text => wrong("is not a text", "Quote it, or use a block: `name: |`."),
            Kind::Bool => wrong("is neither true nor false", "Write true or false, without quotes."),
            Kind::Int => wrong("is not a whole number", "Digits, without quotes."),
            Kind::Number => wrong("is not a number", "Digits, without quotes."),
            Kind::Percent => wrong("is not between 0 and 100", "A number without the sign: 85."),
            Kind::Duration => wrong("is not a duration", "It needs a unit: 15s, 5m, 12h or 30d."),
            Kind::Size => wrong("is not a size", "It needs a unit: 500MB or 10GB."),
            Kind::Email => wrong("is not an e-mail address", "Like ops@koprogo.com."),
            Kind::Domain if text.contains("://") => {
                wrong("has a scheme in it", "Only the name: koprogo.com instead of https://koprogo.com/.")
            }
            Kind::Domain => wrong("is not a host name", "Letters, digits, `-` and `.`, like koprogo.com."),
            Kind::Url => wrong("is not a URL", "It begins with http:// or https:// and a host name."),
            Kind::Address => wrong("is not an IP address", "Like 172.17.0.1."),
            Kind::Network => wrong("is not a network", "Like 192.0.2.0/24, or one address: 192.0.2.7."),
            Kind::HostPort => wrong("is not a host name with a port", "Like smtp.gmail.com:587."),
            Kind::Port => wrong("is not a port", "A number from 1 to 65535."),
            Kind::Choice => {
                let known: Vec<&str> = bounds.values.iter().map(String::as_str).collect();
                wrong("is not one of the choices", &suggestion(&text, &known))
            }
            Kind::Name => wrong("is not a name", "Letters, digits, `-`, `_` and `.`."),
            Kind::Htpasswd => Err((
                "is not a user with a bcrypt hash".to_owned(),
                "One line of `htpasswd -nB USER`, in single quotes: 'ana:$2y$10$…'.".to_owned(),
            )),
            Kind::List => wrong("is not a list", "Like [one, two]."),
            Kind::Map => wrong("is not a map", "Like {key: value}."),
        }
    }

    fn within(self, value: &Value, text: &str, bounds: Bounds) -> Result<(), (String, String)> {
        let is_duration = self == Kind::Duration;
        let number = match units::duration(text) {
            Some(duration) if is_duration => Some(duration.as_secs_f64()),
            _ => value.as_f64(),
        };
        let low = |min: &f64| number.is_some_and(|number| number < *min);
        let high = |max: &f64| number.is_some_and(|number| number > *max);
        if !bounds.min.as_ref().is_some_and(low) && !bounds.max.as_ref().is_some_and(high) {
            return Ok(());
        }
        let shown = |bound: f64| if is_duration { hours(bound) } else { bound.to_string() };
        let range = match (bounds.min.map(shown), bounds.max.map(shown)) {
            (Some(min), Some(max)) => format!("Between {min} and {max}."),
            (Some(min), None) => format!("At least {min}."),
            (None, Some(max)) => format!("At most {max}."),
            (None, None) => String::new(),
        };
        Err((format!("is {text}, which is out of range"), range))
    }

    fn takes(self, value: &Value, text: &str, bounds: Bounds) -> bool {
        let is_text = value.is_string();
        match self {
            Kind::String => is_text && !text.contains('\n'),
            Kind::Text => is_text,
            Kind::Bool => value.is_bool(),
            Kind::Int => value.is_i64() || value.is_u64(),
            Kind::Number => value.is_number(),
            Kind::Percent => value.as_f64().is_some_and(|n| (0.0..=100.0).contains(&n)),
            Kind::Duration => is_text && units::duration(text).is_some(),
            Kind::Size => is_text && units::size(text).is_some(),
            Kind::Email => is_text && is_email(text),
            Kind::Domain => is_text && is_domain(text),
            Kind::Url => is_text && is_url(text),
            Kind::Address => text.parse::<IpAddr>().is_ok(),
            Kind::Network => is_text && is_network(text),
            Kind::HostPort => is_text && is_host_port(text),
            Kind::Port => value.as_u64().is_some_and(|port| (1..=65535).contains(&port)),
            Kind::Choice => is_text && bounds.values.iter().any(|known| known == text),
            Kind::Name => is_text && is_name(text),
            Kind::Htpasswd => is_text && is_htpasswd(text),
            Kind::List => value.is_sequence(),
            Kind::Map => value.is_mapping(),
        }
    }
}

/// The value as text, for a message and for the checks of text.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim().to_owned(),
    }
}

/// Seconds as people write a duration: whole hours as `24h`, else `90s`.
fn hours(seconds: f64) -> String {
    if seconds % 3600.0 == 0.0 { format!("{}h", seconds / 3600.0) } else { format!("{seconds}s") }
}

fn is_email(text: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>,;\"'".contains(c));
    text.split_once('@').is_some_and(|(local, domain)| plain(local) && is_domain(domain))
}

fn is_domain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
}

fn is_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    is_domain(host) && !text.contains(char::is_whitespace)
}

fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        (is_domain(host) || host.parse::<IpAddr>().is_ok()) && port.parse::<u16>().is_ok_and(|p| p > 0)
    })
}

fn is_network(text: &str) -> bool {
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let longest = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= longest))
}

/// What docker takes as the name of a container or a network.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// `user:$2y$10$` and 53 characters: a bcrypt hash and nothing weaker, and never a password in plain text.
fn is_htpasswd(text: &str) -> bool {
    let Some((user, hash)) = text.split_once(':') else { return false };
    let is_user = !user.is_empty() && user.chars().all(|c| c.is_ascii_graphic() && c != ',');
    let mut parts = hash.split('$');
    let is_bcrypt = parts.next() == Some("")
        && matches!(parts.next(), Some("2y" | "2a" | "2b"))
        && parts.next().is_some_and(|cost| cost.parse::<u8>().is_ok_and(|cost| (10..=31).contains(&cost)))
        && parts.next().is_some_and(|rest| {
            rest.len() == 53 && rest.chars().all(|c| c.is_ascii_alphanumeric() || "./".contains(c))
        });
    is_user && is_bcrypt && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(kind: &str, value: &str) -> bool {
        let kind: Kind = serde_yaml::from_str(kind).unwrap();
        let values = ["alloy".to_owned(), "promtail".to_owned()];
        kind.fits(
            &serde_yaml::from_str::<Value>(value).unwrap(),
            Bounds { values: &values, ..Bounds::default() },
        )
        .is_ok()
    }

    #[test]
    fn each_type_takes_what_it_means_and_refuses_its_usual_mistake() {
        for (kind, good, bad) in [
            ("email", "ops@koprogo.com", "ops.koprogo.com"),
            ("duration", "30d", "30"),
            ("domain", "koprogo.com", "https://koprogo.com"),
            ("port", "3001", "99999"),
            ("size", "10GB", "10"),
            ("percent", "85", "850"),
            ("host_port", "smtp.gmail.com:587", "smtp.gmail.com"),
            ("url", "https://a.example/x", "a.example"),
            ("address", "172.17.0.1", "172.17.0"),
            ("network", "192.0.2.0/24", "192.0.2.0/33"),
            ("network", "'2001:db8::/32'", "koprogo.com"),
            ("bool", "true", "'true'"),
            ("int", "5", "five"),
            ("list", "[a]", "a"),
            ("map", "{a: 1}", "[a]"),
            ("string", "a", "5"),
            ("choice", "alloy", "vector"),
            ("name", "koprogo-backend", "koprogo backend"),
        ] {
            assert!(takes(kind, good), "{kind} {good}");
            assert!(!takes(kind, bad), "{kind} {bad}");
        }
    }

    #[test]
    fn a_duration_may_have_a_least_one_in_seconds() {
        let bounds = Bounds { min: Some(86400.0), ..Bounds::default() };
        assert_eq!(Kind::Duration.fits(&Value::from("7d"), bounds), Ok(()));
        assert_eq!(
            Kind::Duration.fits(&Value::from("12h"), bounds),
            Err(("is 12h, which is out of range".to_owned(), "At least 24h.".to_owned()))
        );
    }

    #[test]
    fn a_user_has_a_bcrypt_hash_and_nothing_else() {
        let hash = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
        assert!(takes("htpasswd", &format!("'ana:$2y$10${hash}'")));
        for bad in [
            "ana:password".to_owned(),
            format!("ana:$2y$04${hash}"),
            format!("ana:$apr1$10${hash}"),
            format!("$2y$10${hash}"),
            format!("ana:$$2y$$10$${hash}"),
            format!("ana:$2y$10${hash}x"),
        ] {
            assert!(!takes("htpasswd", &format!("'{bad}'")), "{bad}");
        }
    }
}
