use proptest::prelude::*;

use super::*;

fn redactor(values: &[&str]) -> Redactor {
    let mut redactor = Redactor::default();
    for value in values {
        redactor.add(&SecretString::from(*value));
    }
    redactor
}

/// What real programs print of `pa"ss\w<o>r%d&'é/$ x`: the outputs of Go 1.25, Python 3.13 and others, written down.
#[test]
fn a_value_is_found_as_programs_escape_it() {
    let redactor = redactor(&["pa\"ss\\w<o>r%d&'é/$ x"]);
    for printed in [
        // As it is.
        r#"pa"ss\w<o>r%d&'é/$ x"#,
        // Go: encoding/json, %q, %+q, url.QueryEscape, url.PathEscape, html.EscapeString.
        r#"pa\"ss\\w\u003co\u003er%d\u0026'é/$ x"#,
        r#"pa\"ss\\w<o>r%d&'é/$ x"#,
        r#"pa\"ss\\w<o>r%d&'\u00e9/$ x"#,
        "pa%22ss%5Cw%3Co%3Er%25d%26%27%C3%A9%2F%24+x",
        "pa%22ss%5Cw%3Co%3Er%25d&%27%C3%A9%2F$%20x",
        r"pa&#34;ss\w&lt;o&gt;r%d&amp;&#39;é/$ x",
        // Python: json.dumps, repr, repr of bytes, urllib.parse.quote, html.escape.
        r#"pa\"ss\\w<o>r%d&'\u00e9/$ x"#,
        r#"pa"ss\\w<o>r%d&\'é/$ x"#,
        r#"pa"ss\\w<o>r%d&\'\xc3\xa9/$ x"#,
        "pa%22ss%5cw%3co%3er%25d%26%27%c3%a9/%24%20x",
        r"pa&quot;ss\w&lt;o&gt;r%d&amp;&#x27;é/$ x",
        // PHP's and JavaScript's JSON; JSON in JSON; a shell's quotes; compose; a URL in a URL; HTML in HTML.
        r#"pa\"ss\\w<o>r%d&'é\/$ x"#,
        r#"pa\\\"ss\\\\w<o>r%d&'é/$ x"#,
        r#"pa"ss\w<o>r%d&'\''é/$ x"#,
        r#"pa\"ss\\w\<o\>r%d\&\'é/\$\ x"#,
        r#"pa"ss\w<o>r%d&'é/$$ x"#,
        "pa%2522ss%255Cw%253Co%253Er%2525d%2526%2527%25C3%25A9%252F%2524%2520x",
        r"pa&amp;quot;ss\w&amp;lt;o&amp;gt;r%d&amp;amp;&amp;#39;é/$ x",
        // psql's octal digits, Rust's Debug.
        r#"pa"ss\\w<o>r%d&'\303\251/$ x"#,
        r#"pa\"ss\\w<o>r%d&'\u{e9}/$ x"#,
        // Base64 of `user:VALUE`, hexadecimal.
        &base64::prelude::BASE64_STANDARD.encode("user:pa\"ss\\w<o>r%d&'é/$ x!"),
        &hex::encode("pa\"ss\\w<o>r%d&'é/$ x"),
    ] {
        let clean = redactor.clean(&format!("level=error msg=\"[{printed}]\" end"));
        assert!(clean.starts_with("level=error msg=\"[") && clean.contains(REDACTED), "{printed}: {clean}");
        assert!(clean.ends_with("]\" end") && clean.len() < 55, "{printed}: {clean}");
    }
    for other in [r#"pa"ss\w<o>r%d&'é/$ y"#, r"pa'ss\w<o>r%d&'é/$ x", "pass"] {
        assert_eq!(redactor.clean(other), other);
    }
}

#[test]
fn where_values_overlap_nothing_of_either_is_left() {
    let redactor = redactor(&["abcdef", "abcdefgh12", "zzabcdef", "a"]);
    assert_eq!(redactor.clean("x abcdefgh12 y"), "x <redacted> y");
    assert_eq!(redactor.clean("x zzabcdefgh12 y abcdef"), "x <redacted> y <redacted>");
    assert_eq!(redactor.clean("abcde, a"), "abcde, a");
}

#[test]
fn each_line_of_a_value_is_found_by_itself_and_the_whole_in_one_line() {
    let redactor = redactor(&["-----BEGIN KEY-----\n  line/one+x==\r\nab\nline-three\n", "ab\ncdefg"]);
    let text = redactor.clean("1: line/one+x==\n2: line\\/one+x==,\n3: line-three");
    assert_eq!(text, "1: <redacted>\n2: <redacted>,\n3: <redacted>");
    for printed in ["ab\\ncdefg", "ab\ncdefg", "abcdefg", "ab cdefg", "ab%0Acdefg", "ab%0D%0Acdefg"] {
        let clean = redactor.clean(&format!("<{printed}>"));
        assert_eq!(clean, "<<redacted>>", "{printed}");
    }
}

#[test]
fn a_value_that_looks_escaped_itself_is_found_escaped() {
    assert_eq!(redactor(&["%0aA b%25"]).clean("%250aA%20b%2525 %0aA b%25"), "<redacted> <redacted>");
}

#[test]
fn the_beginning_of_a_value_is_found_where_a_text_was_cut() {
    let redactor = redactor(&["pass\"word123"]);
    assert_eq!(redactor.clean("x=pass\\\"wo…"), "x=<redacted>…");
    for other in ["x=pass\\\"wo", "x=pass\"…", "x=pass\"wo, …"] {
        assert_eq!(redactor.clean(other), other);
    }
}

#[test]
fn a_long_text_is_cleaned_in_a_moment() {
    let values: Vec<String> = (0..20).map(|n| format!("\\\\%%&&''{n:020}\"<>")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let redactor = redactor(&values);
    let begun = std::time::Instant::now();
    let text = format!("{}{:020}", "\\\\\\\\\\\\%25%25&amp;&amp;''''\"".repeat(4000), 7);
    assert_eq!(redactor.clean(&text), text);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

proptest! {
    #[test]
    fn any_value_is_found_escaped_by_json_debug_and_percent(value in "\\PC{6,40}") {
        let value = value.trim();
        prop_assume!(value.len() >= SHORTEST);
        let redactor = redactor(&[value]);
        let json = serde_json::to_string(&value).unwrap();
        let twice = serde_json::to_string(&json).unwrap();
        let percent: String = value.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        }).collect();
        for printed in [value.to_owned(), json, twice, format!("{value:?}"), percent, value.escape_default().to_string()] {
            let clean = redactor.clean(&printed);
            prop_assert!(clean.contains(REDACTED), "{} in {}", value, printed);
            prop_assert!(clean.replace(REDACTED, "").chars().all(|c| "\\\"".contains(c)), "{}: {}", printed, clean);
        }
    }
}
