//! Texts that a program reads by rules of its own: names, paths, images, expressions, certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex_syntax::hir::{Hir, HirKind};

/// What docker takes as the name of a container or a network.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_plain)
}

/// A name in PostgreSQL that needs no quotes in a URL or on a command line.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && text.chars().all(is_plain)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

/// An absolute path on the host, without what compose, YAML or a mount would read as something else.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.split('/').any(|part| part == "..")
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || "$\"'\\`{}#:,*?<>|;&".contains(c))
}

/// An image with its tag or digest: the grammar of
/// <https://github.com/distribution/reference/blob/main/reference.go>.
pub(super) fn is_image(text: &str) -> bool {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    let is_digest = |digest: &str| {
        digest.split_once(':').is_some_and(|(algorithm, hash)| {
            matches!((algorithm, hash.len()), ("sha256", 64) | ("sha384", 96) | ("sha512", 128))
                && hash.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
        })
    };
    let (domain, path) = match rest.split_once('/') {
        Some((first, path))
            if first.contains(['.', ':']) || first == "localhost" || first.contains(char::is_uppercase) =>
        {
            (Some(first), path)
        }
        _ => (None, rest),
    };
    let (path, tag) = match path.rsplit_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (path, None),
    };
    let is_tag = |tag: &str| {
        !tag.is_empty() && tag.len() <= 128 && !tag.starts_with(['.', '-']) && tag.chars().all(is_plain)
    };
    let is_domain = |domain: &str| {
        let (host, port) = domain.split_once(':').map_or((domain, None), |(host, port)| (host, Some(port)));
        super::net::is_domain(host)
            && port.is_none_or(|port| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()))
    };
    domain.is_none_or(is_domain)
        && path.split('/').all(is_image_part)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

/// Lower-case letters and digits, with `.`, `_`, `__` or hyphens in between.
fn is_image_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(is_word)
        && part.ends_with(is_word)
        && part.chars().all(|c| is_word(c) || "-_.".contains(c))
        && part
            .split(is_word)
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.chars().all(|c| c == '-'))
}

/// What is wrong with an expression of which each group is taken out of a log line. The collectors read RE2, which has
/// neither look-around nor back references.
pub(super) fn redaction_mistake(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("is empty".to_owned());
    }
    // RE2 takes `\Q…\E`, which this parser does not know: the collector's own check is left to find what is wrong there.
    if text.contains(r"\Q") {
        return None;
    }
    match regex_syntax::ParserBuilder::new().octal(true).build().parse(text) {
        Ok(expression) if groups(&expression) == 0 => {
            Some("has no group, so nothing would be taken out of a line".to_owned())
        }
        Ok(_) => None,
        Err(error) => {
            let why = match &error {
                regex_syntax::Error::Parse(error) => error.kind().to_string(),
                regex_syntax::Error::Translate(error) => error.kind().to_string(),
                other => other.to_string(),
            };
            Some(format!("is not a regular expression (RE2): {why}"))
        }
    }
}

fn groups(expression: &Hir) -> usize {
    match expression.kind() {
        HirKind::Capture(capture) => 1 + groups(&capture.sub),
        HirKind::Repetition(repetition) => groups(&repetition.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(groups).sum(),
        _ => 0,
    }
}

/// Why a text is not the certificates of an authority in PEM, where it is not.
pub(super) fn pem_mistake(text: &str) -> Option<&'static str> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    if text.contains("PRIVATE KEY-----") {
        return Some("holds a private key");
    }
    let mut blocks = text.split(BEGIN).skip(1).peekable();
    if blocks.peek().is_none() {
        return Some("is not a certificate in PEM");
    }
    let is_whole = |block: &str| {
        block.split_once(END).is_some_and(|(body, _)| {
            let body: String = body.split_whitespace().collect();
            // DER: a sequence, of some length.
            STANDARD.decode(body).is_ok_and(|der| der.len() > 100 && der[0] == 0x30)
        })
    };
    (!blocks.all(is_whole)).then_some("has a certificate that is cut off or changed")
}

/// `user:$2y$05$` and 53 characters: a bcrypt hash and nothing weaker, and never a password in plain text. Any cost that
/// bcrypt has: `htpasswd -nB` of Debian writes 5.
pub(super) fn is_htpasswd(text: &str) -> bool {
    let Some((user, hash)) = text.split_once(':') else { return false };
    let is_user = !user.is_empty() && user.chars().all(|c| c.is_ascii_graphic() && c != ',');
    let mut parts = hash.split('$');
    let is_bcrypt = parts.next() == Some("")
        && matches!(parts.next(), Some("2y" | "2a" | "2b"))
        && parts.next().is_some_and(|cost| {
            cost.len() == 2 && cost.parse::<u8>().is_ok_and(|cost| (4..=31).contains(&cost))
        })
        && parts.next().is_some_and(|rest| {
            rest.len() == 53 && rest.chars().all(|c| c.is_ascii_alphanumeric() || "./".contains(c))
        });
    is_user && is_bcrypt && parts.next().is_none()
}

/// The name of Grafana's administrator, as it can stand in grafana.ini and in a login by basic auth.
pub(super) fn is_login(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && !text.contains(|c: char| c.is_control() || c == ':')
        && !["${", "$__", "%(", "\"", "`", "'", "\\"].iter().any(|odd| text.contains(odd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_what_docker_takes_for_one() {
        for good in [
            "prom/prometheus:v3.13.3",
            "docker.io/prom/prometheus:v3.13.3",
            "registry.example:5000/a/b-c.d__e:1",
            "localhost/a:1",
            "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "a:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            assert!(is_image(good), "{good}");
        }
        for bad in [
            "",
            "prom/Prometheus:v1",
            "a b:1",
            "a:",
            "a:.1",
            "a:1:2",
            "/a:1",
            "a/:1",
            "a..b:1",
            "a@sha256:12",
            "https://a/b:1",
            "$IMAGE:1",
        ] {
            assert!(!is_image(bad), "{bad}");
        }
    }

    #[test]
    fn a_path_is_absolute_and_plain() {
        assert!(["/", "/var/log/journal", "/srv/my-data_1.0"].into_iter().all(is_path));
        assert!(!["var", "", "/a/../b", "/a b", "/a:b", "/$HOME", "/a\"", "~/a"].into_iter().any(is_path));
    }

    #[test]
    fn a_redaction_is_an_expression_with_a_group() {
        assert_eq!(redaction_mistake(r"(?i)token=(\S+)"), None);
        assert_eq!(redaction_mistake(r"\Qa.b\E(c)"), None);
        insta::assert_snapshot!(redaction_mistake(r"\S+@\S+").unwrap(), @"has no group, so nothing would be taken out of a line");
        insta::assert_snapshot!(redaction_mistake(r"(?:a)(?=b)").unwrap(), @"is not a regular expression (RE2): look-around, including look-ahead and look-behind, is not supported");
        insta::assert_snapshot!(redaction_mistake("(a").unwrap(), @"is not a regular expression (RE2): unclosed group");
        insta::assert_snapshot!(redaction_mistake("").unwrap(), @"is empty");
    }

    #[test]
    fn a_user_has_a_bcrypt_hash_of_any_cost_and_nothing_else() {
        let hash = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
        for cost in ["04", "05", "10", "31"] {
            assert!(is_htpasswd(&format!("ana:$2y${cost}${hash}")), "{cost}");
        }
        for bad in [
            "ana:password".to_owned(),
            format!("ana:$2y$03${hash}"),
            format!("ana:$2y$5${hash}"),
            format!("ana:$2y$32${hash}"),
            format!("ana:$apr1$10${hash}"),
            format!("$2y$10${hash}"),
            format!("ana:$$2y$$10$${hash}"),
            format!("ana:$2y$10${hash}x"),
        ] {
            assert!(!is_htpasswd(&bad), "{bad}");
        }
    }

    #[test]
    fn a_certificate_is_whole_and_no_key() {
        let body = STANDARD.encode([&[0x30_u8, 0x82][..], &[7; 200][..]].concat());
        let whole = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        assert_eq!(pem_mistake(&whole), None);
        assert_eq!(pem_mistake(&format!("{whole}{whole}")), None);
        assert_eq!(pem_mistake("/etc/ssl/ca.pem"), Some("is not a certificate in PEM"));
        assert!(pem_mistake(&whole.replace("-----END", "----END")).is_some());
        let key = whole.replace("CERTIFICATE", "PRIVATE KEY");
        assert_eq!(pem_mistake(&key), Some("holds a private key"));
    }

    #[test]
    fn a_login_has_nothing_that_grafanas_file_would_read_otherwise() {
        assert!(["admin", "ops#1", "ana;b", "ana@corp.example", "Größe"].into_iter().all(is_login));
        assert!(!["", " a", "a:b", "${HOME}", "$__env{X}", "a\"b", "%(x)s"].into_iter().any(is_login));
    }
}
