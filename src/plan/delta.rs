//! The difference of two texts as the host puts it together: a large file in which one line changed costs one line.

use std::fmt::Write as _;

use similar::DiffOp;

/// How to make `new` from `old`: `keep FROM TO` (lines of the old text, counted from 1) and `add COUNT`, followed by so
/// many lines. `None` where that would not be smaller, or one of them is no text of whole lines.
pub(super) fn delta(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let text = |bytes| std::str::from_utf8(bytes).ok().filter(|text: &&str| is_plain(text));
    let (old, new) = (text(old)?, text(new)?);
    // By "\n" alone, as the host's tools count.
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let mut delta = String::new();
    for op in similar::capture_diff_slices(similar::Algorithm::Myers, &old, &new) {
        match op {
            DiffOp::Equal { old_index, len, .. } => {
                let _ = writeln!(delta, "keep {} {}", old_index + 1, old_index + len);
            }
            DiffOp::Delete { .. } => {}
            DiffOp::Insert { new_index, new_len, .. } | DiffOp::Replace { new_index, new_len, .. } => {
                let _ = writeln!(delta, "add {new_len}");
                delta.extend(new[new_index..new_index + new_len].iter().copied());
            }
        }
    }
    (delta.len() < new.iter().map(|line| line.len()).sum()).then(|| delta.into_bytes())
}

/// Whether a shell that reads line by line gets all of it.
fn is_plain(text: &str) -> bool {
    text.ends_with('\n') && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `apply_delta` in activate.sh does.
    fn apply(old: &str, delta: &str) -> String {
        let old: Vec<&str> = old.split_inclusive('\n').collect();
        let mut lines = delta.split_inclusive('\n');
        let mut new = String::new();
        while let Some(line) = lines.next() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["keep", from, to] => {
                    new.extend(old[from.parse::<usize>().unwrap() - 1..to.parse().unwrap()].iter().copied());
                }
                ["add", count] => new.extend(lines.by_ref().take(count.parse().unwrap())),
                _ => panic!("{line}"),
            }
        }
        new
    }

    proptest! {
        #[test]
        fn the_new_text_comes_back(
            old in prop::collection::vec("[ab \\\\]{0,3}", 0..40), new in prop::collection::vec("[ab \\\\]{0,3}", 0..40)
        ) {
            let text = |lines: &[String]| lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
            let (old, new) = (text(&old), text(&new));
            if let Some(delta) = delta(old.as_bytes(), new.as_bytes()) {
                prop_assert_eq!(apply(&old, std::str::from_utf8(&delta).unwrap()), new);
            }
        }
    }

    #[test]
    fn one_line_of_many_is_one_line() {
        let old: String = (0..100).flat_map(|n| [format!("line {n}"), "\n".to_owned()]).collect();
        let new = old.replace("line 50\n", "keep 7 9\n");
        let delta = delta(old.as_bytes(), new.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(delta).unwrap(), "keep 1 50\nadd 1\nkeep 7 9\nkeep 52 100\n");
    }

    #[test]
    fn what_is_not_a_text_of_whole_lines_has_none() {
        let long = "x".repeat(100);
        assert_eq!(delta(format!("{long}\n").as_bytes(), long.as_bytes()), None);
        assert_eq!(delta(long.as_bytes(), format!("{long}\n").as_bytes()), None);
        assert_eq!(delta(format!("{long}\n").as_bytes(), b"\xff\n"), None);
        assert_eq!(delta(b"\n", b"a\n"), None, "not smaller");
    }
}
