//! Text without what steers a terminal or cannot be seen. The only place where such characters are removed: whatever a
//! host, a service or a file says passes here before it is styled, wrapped, encoded or written.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// Beyond ASCII: control characters, formats (direction marks, joiners, tags), what a font shows nothing for, and what
/// is no character at all. The names are Unicode's (UAX #44, UTS #18).
const HIDDEN: &str = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]";

/// The ranges of [`HIDDEN`], sorted. Without Unicode's tables nothing beyond ASCII is shown.
static RANGES: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let parsed = regex_syntax::parse(HIDDEN).map(regex_syntax::hir::Hir::into_kind);
    match parsed {
        Ok(HirKind::Class(Class::Unicode(class))) => {
            class.ranges().iter().map(|range| (range.start(), range.end())).collect()
        }
        _ => vec![('\0', '\u{1f}'), ('\u{7f}', char::MAX)],
    }
});

fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    RANGES
        .binary_search_by(|(from, to)| {
            if *to < c {
                std::cmp::Ordering::Less
            } else if *from > c {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        })
        .is_ok()
}

/// `text` without escape sequences, control characters and characters that cannot be seen. Line ends and tabs stay;
/// other breaks of lines and pages become spaces.
pub(super) fn sanitize(text: &str) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\t') || !is_hidden(c);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let text = console::strip_ansi_codes(text).replace("\r\n", "\n");
    let seen = text.chars().filter_map(|c| match c {
        '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        c => stays(c).then_some(c),
    });
    Cow::Owned(seen.collect())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All that a host could try in a text. Nothing of it may be in any output.
    pub(in crate::report) const HOSTILE: &str = "\u{1b}[31mred\u{1b}[0m\u{1b}]8;;https://evil.example\u{7}link\u{1b}]8;;\u{7}\u{1b}]0;title\u{1b}\\\u{9b}2J\u{9d}0;t\u{9c}\u{202e}rtl\u{2066}iso\u{2069}\u{200b}\u{200d}\u{feff}\u{ad}\u{e0041}\u{e007f}\u{fff9}\u{85}\u{2028}\u{8}\u{7f}\u{0}";

    /// Whether a text has what must be in no output.
    pub(in crate::report) fn is_harmful(text: &str) -> bool {
        text.chars().any(|c| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
                    | '\u{e0000}'..='\u{e0fff}')
        })
    }

    #[test]
    fn what_steers_or_cannot_be_seen_is_gone() {
        assert!(is_harmful(HOSTILE));
        assert_eq!(sanitize(HOSTILE), "redlink0;trtliso  ");
        assert_eq!(sanitize("a\r\nb\r10%\r20%\t|"), "a\nb 10% 20%\t|");
        assert_eq!(sanitize("a\u{1b}[3"), "a", "a sequence that was cut");
        assert!(matches!(sanitize("zwölf \u{2713} 日本語 \n\t…"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn of_any_text_only_what_can_be_seen_is_left(text in any::<String>(), extra in "[\\x00-\\x1f\\x7f-\\u{9f}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}a\\[]{0,40}") {
            let text = format!("{extra}{text}{extra}");
            let clean = sanitize(&text).into_owned();
            prop_assert!(!is_harmful(&clean), "{clean:?}");
            prop_assert_eq!(sanitize(&clean), clean.clone());
        }
    }

    /// What filters control characters by itself would be one more place to forget something in.
    #[test]
    fn nobody_else_removes_control_characters() {
        fn look(folder: &std::path::Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    look(&path, found);
                } else if path.extension().is_some_and(|it| it == "rs")
                    && !path.ends_with("report/sanitize.rs")
                {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let filters = ["filter(|c| !c.is_control", "strip_ansi_codes"];
                    if filters.iter().any(|filter| text.contains(filter)) {
                        found.push(path.display().to_string());
                    }
                }
            }
        }
        let mut found = Vec::new();
        look(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.is_empty(), "{found:?}: what is shown passes report/sanitize.rs; see Output::clean");
    }
}
