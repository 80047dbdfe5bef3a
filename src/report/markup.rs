//! Foreign text in HTML and XML.

/// Text that is nothing else in HTML and XML 1.0. The latter knows no control characters but line ends and tabs, not
/// even escaped: whatever is shown is without them (`sanitize.rs`).
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(escape("<a b='\"&'>\n\té"), "&lt;a b=&#39;&quot;&amp;&#39;&gt;\n\té");
    }
}
