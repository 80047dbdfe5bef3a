//! The mails that arrived at the lab's mail server, as a reader sees them.

use std::collections::BTreeSet;
use std::process::Command;

use crate::lab::container;

/// A mail: its head, and its two bodies decoded.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// The letter box from one moment on: mails that lay in it before are not looked at.
pub(super) struct LetterBox {
    before: BTreeSet<String>,
}

impl LetterBox {
    /// Forgets what arrived up to now.
    pub(super) fn from_now() -> Self {
        Self { before: raw().into_iter().map(|(name, _)| name).collect() }
    }

    /// What arrived since, oldest first.
    pub(super) fn mails(&self) -> Vec<Mail> {
        raw()
            .into_iter()
            .filter(|(name, _)| !self.before.contains(name))
            .map(|(_, text)| parse(&text))
            .collect()
    }
}

/// Name and text of each file in the maildir, in the order of arrival.
fn raw() -> Vec<(String, String)> {
    let script = "cd /var/mail/lab 2>/dev/null || exit 0; for mail in $(ls -tr new cur 2>/dev/null | grep '^[0-9]'); do \
                  echo \"=====MAIL $mail\"; cat \"new/$mail\" 2>/dev/null || cat \"cur/$mail\"; done";
    let output =
        Command::new("docker").args(["exec", &container("mail"), "sh", "-c", script]).output().unwrap();
    // A mail server that is paused has no mails to show.
    let text = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    text.split("=====MAIL ")
        .skip(1)
        .filter_map(|mail| mail.split_once('\n'))
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect()
}

fn parse(mail: &str) -> Mail {
    let (head, body) = mail.split_once("\n\n").unwrap_or((mail, ""));
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let header = |name: &str| {
        let wanted = format!("{name}: ");
        head.lines().find_map(|line| line.strip_prefix(&wanted)).unwrap_or_default().to_owned()
    };
    let kind = header("Content-Type");
    let boundary =
        kind.split("boundary=").nth(1).unwrap_or_default().trim_matches(['"', ';', ' ']).to_owned();
    let line = format!("--{boundary}");
    let part = |kind: &str| {
        let parts = body.split(&line).filter_map(|part| part.trim_start().split_once("\n\n"));
        let mut found = parts.filter(|(head, _)| head.contains(kind)).map(|(_, text)| quoted_printable(text));
        found.next().unwrap_or_default()
    };
    Mail { to: header("To"), subject: header("Subject"), text: part("text/plain"), html: part("text/html") }
}

/// Undoes quoted-printable: `=` at a line's end joins it to the next, `=3D` is the byte 0x3d.
fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if first == b'=' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_mail_is_read_as_it_was_meant() {
    let mail = parse(
        "Subject: =20 kept\nTo: a@b.c\nContent-Type: multipart/alternative;\n  boundary=xy\n\n--xy\nContent-Type: text/plain\n\n\
         a=3Db, a long l=\nine, 85 =C2=B5\n--xy\nContent-Type: text/html\n\n<p>\n--xy--\n",
    );
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("a@b.c", "=20 kept"));
    assert_eq!(mail.text, "a=b, a long line, 85 µ\n");
    assert_eq!(mail.html, "<p>\n");
}
