//! How programs write one character of a text: as it is, or escaped for JSON, Go, Python, Rust, a shell, HTML, a URL,
//! YAML or a printf format, and one of these inside another.

/// More backslashes, or `amp;`, in a row are not taken for one escape.
const DEEPEST: usize = 16;

/// In how many bytes the beginning of `text` is a spelling of `c`; none where it is not. Several where it depends on
/// what follows.
pub(super) fn lengths(c: char, text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    if text.starts_with(c) {
        found.push(c.len_utf8());
    }
    if c.is_ascii_alphanumeric() {
        return found;
    }
    if c.is_control() {
        control(c, text, &mut found);
    }
    backslashes(c, text, &mut found);
    bytes(c, text, &mut found);
    markup(c, text, &mut found);
    let doubled = match c {
        ' ' => Some("+"),
        '\'' => Some("''"),
        '$' => Some("$$"),
        '%' => Some("%%"),
        _ => None,
    };
    found.extend(doubled.filter(|doubled| text.starts_with(doubled)).map(str::len));
    // A quote in what a shell quotes.
    let shell = ["'\\''", "'\"'\"'"];
    found.extend(
        shell.iter().filter(|quoted| c == '\'' && text.starts_with(**quoted)).map(|quoted| quoted.len()),
    );
    found.sort_unstable();
    found.dedup();
    found
}

/// Whoever shows a line leaves control characters out, or makes spaces of them.
fn control(c: char, text: &str, found: &mut Vec<usize>) {
    found.push(0);
    if text.starts_with(' ') {
        found.push(1);
    }
    if c == '\n' {
        // A line's end as Windows writes it.
        for first in lengths('\r', text).into_iter().filter(|length| *length > 0 && !text.starts_with(' ')) {
            found.extend(lengths('\n', &text[first..]).into_iter().map(|length| first + length));
        }
    }
}

/// `\"`, `\n`, `\u0022`, `\u{22}`, `\U00000022`, each behind any number of further backslashes.
fn backslashes(c: char, text: &str, found: &mut Vec<usize>) {
    let count = text.bytes().take(DEEPEST).take_while(|byte| *byte == b'\\').count();
    if count == 0 {
        return;
    }
    if c == '\\' {
        found.extend(1..=count);
    }
    let rest = &text[count..];
    if !c.is_control() && rest.starts_with(c) {
        found.push(count + c.len_utf8());
    }
    let word = match c {
        '\n' => "n",
        '\r' => "r",
        '\t' => "t",
        '\u{7}' => "a",
        '\u{8}' => "b",
        '\u{b}' => "v",
        '\u{c}' => "f",
        _ => "",
    };
    if !word.is_empty() && rest.starts_with(word) {
        found.push(count + 1);
    }
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units);
    // JSON writes what lies beyond the first 65,536 characters in two.
    let mut at = 0;
    for unit in units.iter() {
        let rest = &text[at..];
        let slashes = rest.bytes().take(DEEPEST).take_while(|byte| *byte == b'\\').count();
        let number = rest[slashes..].strip_prefix('u').and_then(|rest| hex(rest, 4));
        if slashes == 0 || number != Some(u32::from(*unit)) {
            at = 0;
            break;
        }
        at += slashes + 5;
    }
    if at > 0 {
        found.push(at);
    }
    if rest.strip_prefix('U').and_then(|rest| hex(rest, 8)) == Some(u32::from(c)) {
        found.push(count + 9);
    }
    if let Some(inner) = rest.strip_prefix("u{")
        && let Some((digits, _)) = inner.split_once('}')
        && u32::from_str_radix(digits, 16) == Ok(u32::from(c))
    {
        found.push(count + 3 + digits.len());
    }
}

/// Byte by byte: `%22` and `%2522` of URLs, `\x22` and `\042`.
fn bytes(c: char, text: &str, found: &mut Vec<usize>) {
    let mut buffer = [0; 4];
    let mut ends = vec![0];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        let next = ends.iter().flat_map(|end| {
            let escapes = byte_escapes(&text[*end..]).into_iter();
            escapes.filter(|(value, _)| *value == byte).map(move |(_, length)| end + length)
        });
        ends = next.collect();
    }
    found.extend(ends);
}

/// The bytes that the beginning of a text can stand for, with its length.
fn byte_escapes(text: &str) -> Vec<(u8, usize)> {
    let mut found = Vec::new();
    if let Some(mut rest) = text.strip_prefix('%') {
        let mut length = 3;
        while let Some(value) = hex(rest, 2).and_then(|value| u8::try_from(value).ok()) {
            found.push((value, length));
            // A percent sign that was escaped itself may begin another escape.
            let Some(inner) = rest.strip_prefix("25").filter(|_| length < DEEPEST * 2) else { break };
            rest = inner;
            length += 2;
        }
        return found;
    }
    let count = text.bytes().take(DEEPEST).take_while(|byte| *byte == b'\\').count();
    match &text.as_bytes()[count..] {
        _ if count == 0 => {}
        [b'x', ..] => {
            let value = hex(&text[count + 1..], 2).and_then(|value| u8::try_from(value).ok());
            found.extend(value.map(|value| (value, count + 3)));
        }
        [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
            found.push(((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), count + 3));
        }
        _ => {}
    }
    found
}

/// `&lt;`, `&#60;`, `&#x3c;`, `&amp;lt;`.
fn markup(c: char, text: &str, found: &mut Vec<usize>) {
    let Some(mut rest) = text.strip_prefix('&') else { return };
    let mut skipped = 1;
    while let Some(inner) = rest.strip_prefix("amp;").filter(|_| skipped < DEEPEST * 4) {
        skipped += 4;
        rest = inner;
        if c == '&' {
            found.push(skipped);
        }
    }
    let Some((name, _)) = rest.split_once(';') else { return };
    let number = match name.strip_prefix('#') {
        Some(hex) if hex.starts_with(['x', 'X']) => u32::from_str_radix(&hex[1..], 16).ok(),
        Some(digits) => digits.parse().ok(),
        None => None,
    };
    let named = match name {
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => '\0',
    };
    if number == Some(u32::from(c)) || (named == c && c != '\0') {
        found.push(skipped + name.len() + 1);
    }
}

/// The number that the first `digits` hexadecimal digits are.
fn hex(text: &str, digits: usize) -> Option<u32> {
    let text = text.get(..digits)?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok()
}
