//! Names and addresses of the network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host name of the DNS.
pub(super) fn is_domain(text: &str) -> bool {
    is_host_name(text, |c| c.is_ascii_alphanumeric() || c == '-')
}

fn is_host_name(text: &str, is_part: impl Fn(char) -> bool) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(&is_part)
        })
}

/// A host that a program connects to: a name, which on a Docker network may have `_`, or an address, which is in brackets
/// where it is IPv6.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(text, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
    }
}

fn is_port(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// `host:port`, as Go's `net.SplitHostPort` takes it apart.
pub(super) fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port))
}

/// An `http` or `https` URL without a login in it. Its characters are those of RFC 3986 but `$`, which compose would
/// replace, and quotes, which Prometheus refuses at an end; all of them can be percent-encoded.
pub(super) fn is_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_authority = is_host(authority) || is_host_port(authority);
    is_authority && is_encoded(text, "-._~:/?#[]@!&()*+,;=")
}

/// The path of a URL: begins with a slash, without a query.
pub(super) fn is_url_path(text: &str) -> bool {
    text.starts_with('/') && is_encoded(text, "-._~:/@!&()*+,;=")
}

/// Whether a text has only letters, digits, these other characters, and `%` with two hex digits.
fn is_encoded(text: &str, others: &str) -> bool {
    let mut parts = text.split('%');
    let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
    parts.next().is_some_and(plain)
        && parts
            .all(|part| plain(part) && part.len() >= 2 && part.chars().take(2).all(|c| c.is_ascii_hexdigit()))
}

pub(super) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

pub(super) fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

pub(super) fn is_network(text: &str) -> bool {
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let longest = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.is_none_or(|length| {
        length.chars().all(|c| c.is_ascii_digit())
            && length.parse::<u8>().is_ok_and(|length| length <= longest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_a_port_may_be_a_name_of_docker_or_an_address() {
        for good in ["shop_backend:8080", "backend:8080", "smtp.gmail.com:587", "10.0.0.7:25", "[::1]:8080"] {
            assert!(is_host_port(good), "{good}");
        }
        for bad in [
            "backend",
            "backend:",
            ":8080",
            "::1:8080",
            "backend:0",
            "backend:+80",
            "backend:99999",
            "a b:80",
            "http://a:80",
            "a/b:80",
        ] {
            assert!(!is_host_port(bad), "{bad}");
        }
    }

    #[test]
    fn a_url_has_a_host_and_nothing_that_a_file_would_read_otherwise() {
        for good in [
            "https://a.example/x",
            "http://localhost:9090",
            "https://a_b/x?y=1#z",
            "http://[::1]:9090/",
            "http://a/%7B",
            "https://a.example/;x",
        ] {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "a.example",
            "ftp://a",
            "http://",
            "http://ana:secret@a/",
            "http://a/{{x}}",
            "http://a/$HOME",
            "http://a/\"",
            "http://a b/",
            "http://a/%zz",
            "http://a:0/",
            "http://ä.example/",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }

    #[test]
    fn a_path_of_a_url_has_no_query() {
        assert!(is_url_path("/metrics") && is_url_path("/a/%20b"));
        assert!(!["metrics", "", "/a?b=c", "/a#b", "/a b"].into_iter().any(is_url_path));
    }

    #[test]
    fn a_network_has_a_length_in_digits() {
        assert!(is_network("10.0.0.0/8") && is_network("2001:db8::/32") && is_network("192.0.2.7"));
        assert!(!["10.0.0.0/33", "10.0.0.0/+8", "10.0.0/8", "10.0.0.0/"].into_iter().any(is_network));
    }
}
