//! How OpenSSH writes a jump host: `[user@]host[:port]`, several with commas.

use super::host::{is_plain, is_user};
use crate::error::{Error, Result};

/// One jump host, and those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// Its login name.
    pub user: Option<String>,
    /// Its DNS name, IP address or alias.
    pub host: String,
    /// Its TCP port.
    pub port: Option<u16>,
    /// What this jump host is itself reached through, written the same way.
    pub before: Option<String>,
}

/// Reads `text`; `none` means none. The last of several is the nearest to the host.
///
/// # Errors
/// Usage: a host, a user or a port that is none.
pub fn parse(text: &str) -> Result<Option<Jump>> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let (before, last) = match text.rsplit_once(',') {
        Some((before, last)) => (Some(before.trim().to_owned()), last.trim()),
        None => (None, text),
    };
    let wrong = |what: &str| {
        Error::usage(format!("read the jump host {last:?}"))
            .cause(what)
            .hint("A jump host is written as OpenSSH's ProxyJump: user@host:port, user and port as needed.")
    };
    let last_plain = last.strip_prefix("ssh://").unwrap_or(last).trim_end_matches('/');
    let (user, place) = match last_plain.rsplit_once('@') {
        Some(("", _)) => return Err(wrong("the user is empty")),
        Some((user, _)) if !is_user(user) => return Err(wrong("the user is not a login name")),
        Some((user, place)) => (Some(user.to_owned()), place),
        None => (None, last_plain),
    };
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("a `[` without its `]`"))?;
        (host, rest.strip_prefix(':'))
    } else {
        match place.split_once(':') {
            // More than one colon is an IPv6 address without brackets, which has no port.
            Some((_, rest)) if rest.contains(':') => (place, None),
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    if host.is_empty() {
        return Err(wrong("the host is empty"));
    }
    if !is_plain(host) {
        return Err(wrong("the host is not a DNS name, an IP address or an alias"));
    }
    let port = match port {
        None => None,
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err(wrong("the port is not a number from 1 to 65535")),
            Ok(port) => Some(port),
        },
    };
    Ok(Some(Jump { user, host: host.to_owned(), port, before }))
}

/// What is wrong with the first of the jump hosts in `text` that is none.
pub(super) fn mistake(text: &str) -> Option<String> {
    let mut rest = Some(text.to_owned());
    while let Some(text) = rest {
        match parse(&text) {
            Ok(jump) => rest = jump.and_then(|jump| jump.before),
            Err(error) => return error.causes().first().cloned(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(user: Option<&str>, host: &str, port: Option<u16>, before: Option<&str>) -> Jump {
        Jump { user: user.map(Into::into), host: host.into(), port, before: before.map(Into::into) }
    }

    #[test]
    fn reads_what_openssh_writes() {
        let read = |text: &str| parse(text).unwrap();
        assert_eq!(read("none"), None);
        assert_eq!(read("gate"), Some(jump(None, "gate", None, None)));
        assert_eq!(read("ana@gate:2222"), Some(jump(Some("ana"), "gate", Some(2222), None)));
        assert_eq!(read("[2001:db8::1]:2222"), Some(jump(None, "2001:db8::1", Some(2222), None)));
        assert_eq!(read("2001:db8::1"), Some(jump(None, "2001:db8::1", None, None)));
        assert_eq!(read("ssh://ana@gate:22/"), Some(jump(Some("ana"), "gate", Some(22), None)));
        assert_eq!(read("a,b@c,d:1"), Some(jump(None, "d", Some(1), Some("a,b@c"))));
    }

    #[test]
    fn a_jump_host_that_is_none_is_refused_with_the_way_to_write_it() {
        for text in [
            "@gate",
            "ana@",
            "gate:ssh",
            "gate:0",
            "[::1",
            ":22",
            "-oProxyCommand=x",
            "ana@-l",
            "a b",
            "a;b@gate",
            "gate/x",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.hints()[0].contains("user@host:port"), "{text}: {error}");
        }
    }
}
