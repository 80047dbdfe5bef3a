//! The types of a stack's variables: which values each takes, and what to write instead of the others.

mod mail;
mod net;
mod quantity;
mod words;

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
    /// As Prometheus, Alertmanager and Loki read it: units descend, each once.
    Duration,
    /// A duration above zero.
    Interval,
    /// As Prometheus reads it.
    Size,
    /// One mail address, which may have a name before it.
    Email,
    /// One or more of them: a text with commas, or a list. Templates get the text.
    Emails,
    Domain,
    Url,
    /// The path of a URL.
    UrlPath,
    Address,
    /// An IPv4 address.
    Ipv4,
    /// An IP address, or a network like 10.0.0.0/8.
    Network,
    HostPort,
    Port,
    /// One of the declaration's `values`.
    Choice,
    /// What docker takes as a name.
    Name,
    /// A name in PostgreSQL.
    Identifier,
    /// An absolute path on the host.
    Path,
    /// A container image.
    Image,
    /// A regular expression with a group, whose matches are taken out of log lines.
    Redaction,
    /// The number of a group of the host, as text or not. Templates get the text.
    Gid,
    /// Certificates in PEM.
    Pem,
    /// The name of Grafana's administrator.
    Login,
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
        matches!(self, Kind::Htpasswd | Kind::Pem)
    }

    /// The value as templates get it: a list of mail addresses is one text.
    pub(super) fn normal(self, value: &Value) -> Value {
        match (self, value) {
            (Kind::Emails, Value::Sequence(items)) => {
                let items: Vec<&str> = items.iter().filter_map(Value::as_str).map(str::trim).collect();
                Value::from(items.join(", "))
            }
            (Kind::Gid, Value::Number(number)) => Value::from(number.to_string()),
            _ => value.clone(),
        }
    }

    /// A value as people would write it, for the message that one is missing.
    pub(super) fn example(self) -> &'static str {
        match self {
            Kind::Email | Kind::Emails => "ops@example.org",
            Kind::Domain => "koprogo.com",
            Kind::Duration | Kind::Interval => "15s",
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
        let wrong = |what: &str, hint: &str| {
            // A line end or an escape of a terminal is shown as it is written.
            let shown: String = text
                .chars()
                .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
                .collect();
            Err((format!("is `{shown}`, which {what}"), hint.to_owned()))
        };
        if self.takes(value, &text, bounds) {
            return self.within(value, &text, bounds);
        }
        match self {
            Kind::String if value.is_string() => {
                wrong("has line ends or control characters", "One line of text.")
            }
            Kind::String => {
                wrong("is not a text of one line", "Quote it if it looks like a number or a list.")
            }
            Kind::Text => wrong("is not a text", "Quote it, or use a block: `name: |`."),
            Kind::Bool => wrong("is neither true nor false", "Write true or false, without quotes."),
            Kind::Int => wrong("is not a whole number", "Digits, without quotes."),
            Kind::Number => wrong("is not a number", "Digits, without quotes."),
            Kind::Percent => wrong("is not between 0 and 100", "A number without the sign: 85."),
            Kind::Interval if value.is_string() && units::duration(&text).is_some() => {
                wrong("is not above zero", "The program that reads it refuses zero: 5m, for example.")
            }
            Kind::Duration | Kind::Interval => wrong("is not a duration", &duration_hint(&text)),
            Kind::Size => wrong("is not a size", &quantity::size_hint(&text)),
            Kind::Email if mail::split(&text).len() > 1 => wrong("is more than one e-mail address", "One only."),
            Kind::Email => wrong("is not an e-mail address", "Like ops@koprogo.com, or Ops <ops@koprogo.com>."),
            Kind::Emails => Err((not_mail(value, &text), "Like ops@koprogo.com, or a list of such.".to_owned())),
            Kind::Domain if text.contains("://") => {
                wrong("has a scheme in it", "Only the name: koprogo.com instead of https://koprogo.com/.")
            }
            Kind::Domain => wrong("is not a host name", "Letters, digits, `-` and `.`, like koprogo.com."),
            Kind::Url if text.contains('@') => {
                wrong("is not a URL", "It has http:// or https:// and a host name, and no login before it.")
            }
            Kind::Url if text.starts_with("http://") || text.starts_with("https://") => wrong(
                "is not a URL",
                "A host name, and letters, digits and -._~:/?#[]&()*+,;=! after it; others percent-encoded, `$` as %24.",
            ),
            Kind::Url => wrong("is not a URL", "It begins with http:// or https:// and a host name."),
            Kind::UrlPath => wrong("is not the path of a URL", "Like /metrics, without a query."),
            Kind::Address => wrong("is not an IP address", "Like 172.17.0.1."),
            Kind::Ipv4 => wrong("is not an IPv4 address", "Like 172.17.0.1."),
            Kind::Network => wrong("is not a network", "Like 192.0.2.0/24, or one address: 192.0.2.7."),
            Kind::HostPort => wrong(
                "is not a host name with a port",
                "Like smtp.gmail.com:587; an IPv6 address is in brackets: [2001:db8::7]:587.",
            ),
            Kind::Port => wrong("is not a port", "A number from 1 to 65535."),
            Kind::Choice => {
                let known: Vec<&str> = bounds.values.iter().map(String::as_str).collect();
                wrong("is not one of the choices", &suggestion(&text, &known))
            }
            Kind::Name => wrong("is not a name", "Letters, digits, `-`, `_` and `.`."),
            Kind::Identifier => wrong(
                "is not a name that needs no quotes in PostgreSQL",
                "Letters, digits, `-`, `_` and `.`; in quotes where it looks like a number.",
            ),
            Kind::Path => wrong(
                "is not an absolute path of plain characters",
                "Like /var/lib/node_exporter: without blanks, quotes, `:`, `$` and `..`.",
            ),
            Kind::Image => wrong("is not an image", "Like docker.io/prom/prometheus:v3.13.3, in small letters."),
            Kind::Redaction => wrong(
                &words::redaction_mistake(&text).unwrap_or_else(|| "is not a text".to_owned()),
                "What its groups match becomes `<redacted>`: '(?i)token=(\\S+)'.",
            ),
            Kind::Gid => wrong("is not the number of a group", "A number, as `stat -c %g FILE` prints it."),
            Kind::Pem => Err((
                words::pem_mistake(&text).unwrap_or("is not a text").to_owned(),
                "The authority's certificate as a block: `name: |`, from -----BEGIN CERTIFICATE----- to the end line."
                    .to_owned(),
            )),
            Kind::Login => wrong(
                "cannot be the name of Grafana's administrator",
                "Without `:`, quotes, `\\`, `${`, `$__` and `%(`, which grafana.ini or a login would read otherwise.",
            ),
            Kind::Htpasswd => Err((
                "is not a user with a bcrypt hash".to_owned(),
                "One line of `htpasswd -nB USER`, in single quotes: 'ana:$2y$05$…'.".to_owned(),
            )),
            Kind::List => wrong("is not a list", "Like [one, two]."),
            Kind::Map => wrong("is not a map", "Like {key: value}."),
        }
    }

    fn within(self, value: &Value, text: &str, bounds: Bounds) -> Result<(), (String, String)> {
        let is_duration = matches!(self, Kind::Duration | Kind::Interval);
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
            Kind::String => is_text && !text.contains(char::is_control),
            Kind::Text => is_text,
            Kind::Bool => value.is_bool(),
            Kind::Int => value.is_i64() || value.is_u64(),
            Kind::Number => value.as_f64().is_some_and(f64::is_finite),
            Kind::Percent => value.as_f64().is_some_and(|n| (0.0..=100.0).contains(&n)),
            Kind::Duration => is_text && units::duration(text).is_some(),
            Kind::Interval => is_text && units::duration(text).is_some_and(|duration| !duration.is_zero()),
            Kind::Size => is_text && quantity::is_size(text),
            Kind::Email => is_text && mail::is_mailbox(text),
            Kind::Emails => no_mailbox(value).is_none(),
            Kind::Domain => is_text && net::is_domain(text),
            Kind::Url => is_text && net::is_url(text),
            Kind::UrlPath => is_text && net::is_url_path(text),
            Kind::Address => is_text && net::is_address(text),
            Kind::Ipv4 => is_text && net::is_ipv4(text),
            Kind::Network => is_text && net::is_network(text),
            Kind::HostPort => is_text && net::is_host_port(text),
            Kind::Port => value.as_u64().is_some_and(|port| (1..=65535).contains(&port)),
            Kind::Choice => is_text && bounds.values.iter().any(|known| known == text),
            Kind::Name => is_text && words::is_name(text),
            Kind::Identifier => is_text && words::is_identifier(text),
            Kind::Path => is_text && words::is_path(text),
            Kind::Image => is_text && words::is_image(text),
            Kind::Redaction => is_text && words::redaction_mistake(text).is_none(),
            Kind::Gid => {
                // The last number means "no change" to the kernel.
                text.chars().all(|c| c.is_ascii_digit()) && text.parse().is_ok_and(|gid: u32| gid < u32::MAX)
            }
            Kind::Pem => is_text && words::pem_mistake(text).is_none(),
            Kind::Login => is_text && words::is_login(text),
            Kind::Htpasswd => is_text && words::is_htpasswd(text),
            Kind::List => value.is_sequence(),
            Kind::Map => value.is_mapping(),
        }
    }
}

/// What of a value is no mail address; empty where it has none at all.
fn no_mailbox(value: &Value) -> Option<String> {
    let listed = |items: Vec<&str>| {
        if items.is_empty() {
            return Some(String::new());
        }
        items.into_iter().find(|item| !mail::is_mailbox(item)).map(str::to_owned)
    };
    match value {
        Value::String(text) => listed(mail::split(text)),
        Value::Sequence(items) => match items.iter().find(|item| !item.is_string()) {
            Some(item) => Some(shown(item)),
            None => listed(items.iter().filter_map(Value::as_str).map(str::trim).collect()),
        },
        other => Some(shown(other)),
    }
}

/// Says of a value that is no list of mail addresses which of it is none.
fn not_mail(value: &Value, text: &str) -> String {
    match no_mailbox(value) {
        Some(one) if one.is_empty() => "has no e-mail address".to_owned(),
        Some(one) if one != text => format!("has `{one}`, which is not an e-mail address"),
        _ => format!("is `{text}`, which is not an e-mail address"),
    }
}

/// What to write instead of a text that is no duration.
fn duration_hint(text: &str) -> String {
    let has_units = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(char::is_alphabetic);
    let hint = if has_units {
        "Whole numbers with the units y, w, d, h, m, s and ms, from the largest to the smallest, each once: 1d12h."
    } else {
        "It needs a unit: 15s, 5m, 12h or 30d."
    };
    hint.to_owned()
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
            ("email", "Ops <ops@koprogo.com>", "ops.koprogo.com"),
            ("emails", "'a@x.example, b@x.example'", "a@x.example b@x.example"),
            ("duration", "0s", "30"),
            ("interval", "1ms", "0s"),
            ("domain", "koprogo.com", "https://koprogo.com"),
            ("port", "3001", "99999"),
            ("size", "120GB", "120G"),
            ("percent", "85", "850"),
            ("host_port", "smtp.gmail.com:587", "smtp.gmail.com"),
            ("url", "https://a.example/x", "a.example"),
            ("url_path", "/metrics", "metrics"),
            ("address", "172.17.0.1", "172.17.0"),
            ("ipv4", "172.17.0.1", "'::1'"),
            ("network", "192.0.2.0/24", "192.0.2.0/33"),
            ("network", "'2001:db8::/32'", "koprogo.com"),
            ("bool", "true", "'true'"),
            ("int", "5", "five"),
            ("number", "5.5", ".nan"),
            ("number", "5", ".inf"),
            ("list", "[a]", "a"),
            ("map", "{a: 1}", "[a]"),
            ("string", "a", "5"),
            ("string", "a", "\"a\\tb\""),
            ("identifier", "_koprogo_db", "koprogo db"),
            ("path", "/var/lib/x", "var/lib/x"),
            ("image", "prom/prometheus:v1", "prom/Prometheus:v1"),
            ("redaction", "'x=(y)'", "'x=y'"),
            ("login", "admin", "'a:b'"),
            ("gid", "999", "docker"),
            ("gid", "'0'", "-1"),
            ("gid", "4294967294", "4294967295"),
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
    fn a_list_of_mail_addresses_is_one_text_for_templates() {
        assert!(takes("emails", "[a@x.example, 'Ops <b@x.example>']"));
        assert!(takes("emails", "'a@x.example, b@x.example'"));
        for bad in
            ["[]", "''", "[a@x.example, 5]", "[a@x.example, b]", "'a@x.example; b@x.example'", "{a: b}"]
        {
            assert!(!takes("emails", bad), "{bad}");
        }
        let list: Value = serde_yaml::from_str("[a@x.example, b@x.example]").unwrap();
        assert_eq!(Kind::Emails.normal(&list), Value::from("a@x.example, b@x.example"));
    }
}
