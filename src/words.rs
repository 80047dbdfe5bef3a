//! Numbers, times and lines as people read them.

use console::measure_text_width;

/// `1 service`, `2 services`; `what` is the word for one.
#[must_use]
pub fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(begin)) if !begin.ends_with(['a', 'e', 'o', 'u']) => format!("{number} {begin}ies"),
        _ => format!("{number} {what}s"),
    }
}

/// `1 check holds`, `2 checks hold`.
#[must_use]
pub fn hold(number: usize) -> String {
    format!("{} {}", count(number, "check"), if number == 1 { "holds" } else { "hold" })
}

/// A duration in the unit that fits: `87 ms`, `1.4 s`, `16 s`, `2 min 5 s`.
#[must_use]
pub fn took(milliseconds: u64) -> String {
    let seconds = (milliseconds + 500) / 1000;
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..9950 => format!("{:.1} s", std::time::Duration::from_millis(milliseconds).as_secs_f64()),
        _ if seconds < 120 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// `text` in lines of at most `width` columns, broken between words; each further line begins with `indent`, and with as
/// much space as the line itself begins with. A word that is wider stays whole: it may be a command or a path.
#[must_use]
pub fn wrap(text: &str, width: usize, indent: &str) -> String {
    let wrapped = text.split('\n').map(|line| {
        let begin: String = line.chars().take_while(|c| *c == ' ').collect();
        let (mut out, mut used) = (begin.clone(), begin.len());
        let mut is_first = true;
        for word in line[begin.len()..].split(' ') {
            let room = measure_text_width(word) + usize::from(!is_first);
            if !is_first && used + room > width {
                out.push('\n');
                out.push_str(&begin);
                out.push_str(indent);
                used = begin.len() + measure_text_width(indent);
                is_first = true;
            }
            if !is_first {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += measure_text_width(word);
            is_first = false;
        }
        out
    });
    wrapped.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_times_have_the_unit_that_fits() {
        let counts = [(1, "service"), (2, "service"), (0, "entry"), (1, "entry"), (3, "day")];
        let counts = counts.map(|(number, what)| count(number, what));
        assert_eq!(counts, ["1 service", "2 services", "0 entries", "1 entry", "3 days"]);
        let times = [0, 999, 1000, 9949, 9950, 119_400, 119_500, 3_600_000].map(took);
        assert_eq!(times, ["0 ms", "999 ms", "1.0 s", "9.9 s", "10 s", "119 s", "2 min 0 s", "60 min 0 s"]);
    }

    #[test]
    fn lines_are_broken_between_words() {
        let text =
            "hint: Run `provision deploy prod`, then look\n  at a/very/long/path/that/is/wider/than/that";
        assert_eq!(
            wrap(text, 24, "  "),
            "hint: Run `provision\n  deploy prod`, then\n  look\n  at\n    a/very/long/path/that/is/wider/than/that"
        );
        assert_eq!(wrap("éé éé", 5, ""), "éé éé");
        assert_eq!(wrap("\u{1b}[31mab\u{1b}[0m cd", 5, ""), "\u{1b}[31mab\u{1b}[0m cd");
    }
}
