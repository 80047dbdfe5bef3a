//! Text as people save it. Editors and shells put a byte order mark before it, end its lines with CR LF, or write it as
//! UTF-16; here it becomes what was meant, or is refused by name.

use std::borrow::Cow;

use crate::error::{Error, Place, Problem};

/// U+FEFF at the start of a file: Windows editors mark UTF-8 so, and it is no part of the text.
const MARK: char = '\u{feff}';

/// Why bytes are not taken as text. Nothing of the text is in it: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is UTF-16, and this is the name that `iconv` has for it.
    Utf16(&'static str),
    /// The first byte that is not UTF-8, as line and column counted from 1.
    NotUtf8(usize, usize),
}

/// The text in `bytes`, without a byte order mark.
///
/// # Errors
/// What it is instead.
pub fn decode(bytes: &[u8]) -> Result<&str, Unreadable> {
    if let Some(name) = utf16(bytes) {
        return Err(Unreadable::Utf16(name));
    }
    std::str::from_utf8(bytes).map(without_mark).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        let last = before.rsplit('\n').next().unwrap_or_default();
        Unreadable::NotUtf8(before.matches('\n').count() + 1, without_mark(last).chars().count() + 1)
    })
}

/// `text` without the byte order mark that may stand before it.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// `text` with Unix line ends, where each of its lines ends with CR LF: so it is after a checkout or an editor on Windows.
/// Where only some do, somebody may have meant it, and it is left alone.
#[must_use]
pub fn with_unix_line_ends(text: &str) -> Cow<'_, str> {
    let pairs = text.matches("\r\n").count();
    if pairs > 0 && pairs == text.matches('\n').count() {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A file as it goes to a server: text without a mark and with Unix line ends, so that a checkout on Windows makes the same
/// release; anything else byte for byte.
///
/// # Errors
/// It is UTF-16 text with its mark, which no program of a stack reads.
pub fn for_server(bytes: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
    match decode(&bytes) {
        Ok(text) if !text.contains('\0') => Ok(with_unix_line_ends(text).into_owned().into_bytes()),
        Err(unreadable @ Unreadable::Utf16(_)) if is_utf16(&bytes) => Err(unreadable),
        _ => Ok(bytes),
    }
}

/// Whether `bytes` with a mark of UTF-16 are text in it: a picture may begin with the same two bytes.
fn is_utf16(bytes: &[u8]) -> bool {
    let read: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return false,
    };
    let units = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
    bytes.len().is_multiple_of(2)
        && char::decode_utf16(units).all(|letter| letter.is_ok_and(|letter| letter != '\0'))
}

/// The name of the UTF-16 that `bytes` are: by their mark, or since each second byte of the first ones is 0.
fn utf16(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Some("UTF-16");
    }
    let start = &bytes[..bytes.len().min(64) & !1];
    let all_zero = |from: usize| start.iter().skip(from).step_by(2).all(|byte| *byte == 0);
    match (start.is_empty(), all_zero(0), all_zero(1)) {
        (false, false, true) => Some("UTF-16LE"),
        (false, true, false) => Some("UTF-16BE"),
        _ => None,
    }
}

impl Unreadable {
    /// What it is, as it stands behind "it is".
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Utf16(_) => "UTF-16 text, not UTF-8",
            Self::NotUtf8(..) => "not UTF-8 text",
        }
    }

    /// The same as a lower-case fragment, without the place.
    #[must_use]
    pub fn what(self) -> String {
        format!("it is {}", self.kind())
    }

    /// The same as a mistake in a file that people write.
    #[must_use]
    pub fn problem(self, file: &str) -> Problem {
        let (line, column) = match self {
            Self::Utf16(_) => (1, 1),
            Self::NotUtf8(line, column) => (line, column),
        };
        let place = Place { file: file.to_owned(), line, column, text: String::new() };
        Problem::new(place, self.what(), self.remedy(file))
    }

    /// The same as an error of reading `file`.
    #[must_use]
    pub fn error(self, file: &str) -> Error {
        Error::problems(format!("read {file}"), vec![self.problem(file)])
    }

    /// What to do: a command that works as it is printed.
    fn remedy(self, file: &str) -> String {
        let from = match self {
            Self::Utf16(name) => name,
            // Whoever sees it in their editor knows what it was; mostly it is this one.
            Self::NotUtf8(..) => "WINDOWS-1252",
        };
        let kept = if matches!(self, Self::Utf16(_)) { "" } else { ", if it was saved on Windows" };
        format!(
            "Save it as UTF-8{kept}: `iconv -f {from} -t UTF-8 {file} > {file}.new && mv {file}.new {file}`."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16_of(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn a_mark_is_no_part_of_the_text() {
        assert_eq!(decode(b"\xef\xbb\xbfa: 1\n"), Ok("a: 1\n"));
        assert_eq!(decode("é".as_bytes()), Ok("é"));
        assert_eq!(decode(b""), Ok(""));
        assert_eq!(decode(b"\xef\xbb\xbf"), Ok(""));
        // In the middle it is a letter like any other.
        assert_eq!(decode("a\u{feff}b".as_bytes()), Ok("a\u{feff}b"));
    }

    #[test]
    fn what_is_no_utf_8_is_named_with_its_place_and_a_command() {
        let said = |bytes: &[u8]| {
            let problem = decode(bytes).unwrap_err().problem("inventory/prod.yml");
            format!("{}: {}\n→ {}", problem.place, problem.what, problem.hint)
        };
        let marked = [b"\xff\xfe".as_slice(), &utf16_of("a: 1")].concat();
        insta::assert_snapshot!(said(&marked), @r"
        inventory/prod.yml:1:1: it is UTF-16 text, not UTF-8
        → Save it as UTF-8: `iconv -f UTF-16 -t UTF-8 inventory/prod.yml > inventory/prod.yml.new && mv inventory/prod.yml.new inventory/prod.yml`.
        ");
        insta::assert_snapshot!(said(&utf16_of("a: 1")), @r"
        inventory/prod.yml:1:1: it is UTF-16 text, not UTF-8
        → Save it as UTF-8: `iconv -f UTF-16LE -t UTF-8 inventory/prod.yml > inventory/prod.yml.new && mv inventory/prod.yml.new inventory/prod.yml`.
        ");
        insta::assert_snapshot!(said(b"\xef\xbb\xbfa: 1\nb: caf\xe9\n"), @r"
        inventory/prod.yml:2:7: it is not UTF-8 text
        → Save it as UTF-8, if it was saved on Windows: `iconv -f WINDOWS-1252 -t UTF-8 inventory/prod.yml > inventory/prod.yml.new && mv inventory/prod.yml.new inventory/prod.yml`.
        ");
        assert_eq!(decode(b"\xe9"), Err(Unreadable::NotUtf8(1, 1)));
        assert_eq!(decode(&[0, b'a', 0, b'b']), Err(Unreadable::Utf16("UTF-16BE")));
        assert_eq!(decode(&[0, 0, 0, 0]), Ok("\0\0\0\0"));
    }

    #[test]
    fn what_goes_to_a_server_is_the_same_from_windows_and_from_linux() {
        let linux = b"a: 1\nb: 2\n".to_vec();
        assert_eq!(for_server(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n".to_vec()), Ok(linux.clone()));
        assert_eq!(for_server(linux.clone()), Ok(linux));
        for kept in [
            b"\x89PNG\r\n\x1a\n\0".as_slice(),
            b"a\0\r\n",
            b"\xff\xfe\0",
            b"\xff\xfe\0\0",
            b"GET /\r\n\r\nx\n",
        ] {
            assert_eq!(for_server(kept.to_vec()), Ok(kept.to_vec()));
        }
        let windows = [b"\xff\xfe".as_slice(), &utf16_of("a: 1")].concat();
        assert_eq!(for_server(windows), Err(Unreadable::Utf16("UTF-16")));
    }

    #[test]
    fn line_ends_of_windows_go_where_all_are() {
        assert_eq!(with_unix_line_ends("a\r\nb\r\n"), "a\nb\n");
        assert_eq!(with_unix_line_ends("a\r\nb"), "a\nb");
        for kept in ["a\nb\n", "a\r\nb\n", "a\rb", ""] {
            assert_eq!(with_unix_line_ends(kept), kept);
        }
    }
}
