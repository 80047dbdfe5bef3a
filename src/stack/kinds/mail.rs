//! Mail addresses, as Alertmanager takes them: it reads `to` and `from` as Go templates first, then with Go's
//! `mail.ParseAddressList` (<https://pkg.go.dev/net/mail#ParseAddressList>), which is the grammar of RFC 5322.

use email_address::{EmailAddress, Options};

/// The addresses of a list that is separated by commas, without the white space around each.
pub(super) fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped, mut comment) = (false, false, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted || comment > 0 => escaped = true,
            '"' if comment == 0 => quoted = !quoted,
            '(' if !quoted => comment += 1,
            ')' if !quoted => comment = comment.saturating_sub(1),
            ',' if !quoted && comment == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    // Empty entries are passed over, as by Go.
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Whether a text is one address: `ops@example.org`, `Ops <ops@example.org>`, `"Ops, night" <ops@example.org>`.
pub(super) fn is_mailbox(text: &str) -> bool {
    if text.contains(char::is_control) || text.contains("{{") || split(text).len() != 1 {
        return false;
    }
    match text.strip_suffix('>').map(|rest| rest.rsplit_once('<')) {
        Some(Some((name, address))) => is_phrase(name.trim()) && is_address(address.trim()),
        Some(None) => false,
        None => is_address(text.trim()),
    }
}

/// The name before an address: words, each of atom characters or in quotes.
fn is_phrase(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = quoted.char_indices().find(|(_, c)| match c {
                _ if escaped => {
                    escaped = false;
                    false
                }
                '\\' => {
                    escaped = true;
                    false
                }
                c => *c == '"',
            });
            let Some((end, _)) = end else { return false };
            rest = quoted[end + 1..].trim_start();
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
            let is_atom =
                |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
            if !rest[..end].chars().all(is_atom) {
                return false;
            }
            rest = rest[end..].trim_start();
        }
    }
    true
}

fn is_address(text: &str) -> bool {
    let options = Options::default().without_display_text().with_domain_literal();
    EmailAddress::parse_with_options(text, options).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_may_have_a_name() {
        for good in [
            "ops@koprogo.com",
            "Ops <a@x.example>",
            "<a@x.example>",
            "\"Ops, night\" <a@x.example>",
            "Jürgen Größe <a@x.example>",
            "J. Q. Public <a@x.example>",
            "a+b.c@mail.x.example",
            "o'neill@x.example",
            "\"a b\"@x.example",
            "root@localhost",
            "a@[192.0.2.7]",
        ] {
            assert!(is_mailbox(good), "{good}");
        }
        for bad in [
            "ops.koprogo.com",
            "a@x.example, b@x.example",
            "a@x.example b@x.example",
            "Ops a@x.example",
            "Ops <a@x.example",
            "Ops, night <a@x.example>",
            "a@",
            "@x.example",
            "a@@x.example",
            "a..b@x.example",
            ".a@x.example",
            "{{a}}@x.example",
            "a@x.example>",
            "a@x_.example,",
            "",
        ] {
            assert!(!is_mailbox(bad), "{bad}");
        }
    }

    #[test]
    fn a_list_is_split_at_commas_outside_of_quotes() {
        assert_eq!(split("a@x, \"B, C\" <b@x> ,, c@x,"), ["a@x", "\"B, C\" <b@x>", "c@x"]);
        assert_eq!(split(" , "), Vec::<&str>::new());
    }
}
