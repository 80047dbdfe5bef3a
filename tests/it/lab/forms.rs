//! The forms in which a value could get out without being seen at first sight.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// `value` plain, in base64 (both alphabets, at each of three alignments, without the characters that depend on
/// neighbours), hexadecimal, URL-encoded, and all but the base64 reversed.
pub(super) fn of(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned(), hex::encode(value), hex::encode_upper(value)];
    let encoded = |upper: bool| -> String {
        value
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                _ if upper => format!("%{byte:02X}"),
                _ => format!("%{byte:02x}"),
            })
            .collect()
    };
    forms.extend([encoded(true), encoded(false)]);
    forms.extend(forms.clone().iter().map(|form| form.chars().rev().collect::<String>()));
    for shift in 0..3 {
        let bytes = [&vec![0; shift][..], value.as_bytes()].concat();
        let (from, until) = ((shift * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&bytes)[from..until].to_owned());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

#[test]
fn each_form_is_found_wherever_it_stands() {
    let value = "aé/+~?>>x";
    let forms = of(value);
    let found = |text: &str| forms.iter().any(|form| text.contains(form.as_str()));
    assert!(found("x=aé/+~?>>x;") && found("xx>>?~+/éax") && found("61c3a92f2b7e3f3e3e78"));
    assert!(found("a%C3%A9%2F%2B%7E%3F%3E%3Ex") && found("a%c3%a9%2f%2b%7e%3f%3e%3ex"));
    for before in ["", "u", "us", "user:"] {
        for after in ["", "1", "12", "123"] {
            let text = format!("{before}{value}{after}");
            assert!(found(&BASE64_STANDARD_NO_PAD.encode(&text)), "{text}");
            assert!(found(&BASE64_URL_SAFE_NO_PAD.encode(&text)), "{text}");
        }
    }
    assert!(!found("aé/+~?>"));
}
