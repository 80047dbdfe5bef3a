//! The activation's log, as the host writes it: one line an entry, words separated by tabs.

use jiff::Timestamp;

use super::lock;
use crate::event::Event;

/// What a line of the log says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// Something to show.
    Event(Event),
    /// The supervisor holds the lock, and began at this time of the host's clock.
    Started(Option<Timestamp>),
    /// Something went wrong: a word for what, and a text.
    Error {
        /// disk, pull, up, container, unseal …
        word: String,
        /// What was found.
        text: String,
    },
    /// A line of a failing container's log.
    ContainerLog {
        /// The service.
        service: String,
        /// The line.
        text: String,
    },
    /// A line of what the tool said that refused a service's configuration.
    Validation {
        /// The service.
        service: String,
        /// The line.
        text: String,
    },
    /// The forward list is carried out; the host waits for an answer.
    Waiting,
    /// The host goes back: to this release, or to nothing.
    Returning(Option<String>),
    /// The last line: deployed, returned, stuck, locked, stale, refused, vanished.
    Outcome(String),
}

/// The longest text of a line, in bytes. The host cuts a longer one (`say` in scripts/verbs.sh); one that does not is
/// cut here.
const LONGEST: usize = 2000;

/// A text that was cut says so, which also tells whoever takes secrets out that one may be cut, too.
fn cut(text: &str) -> String {
    if text.len() < LONGEST {
        return text.to_owned();
    }
    // The first LONGEST bytes, without a part of a character, also of one that the host cut through.
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST).last();
    format!("{}…", text[..end.unwrap_or_default()].trim_end_matches('\u{fffd}'))
}

/// Reads a line; one of no known kind is shown as it is.
pub(super) fn parse(host: &str, line: &str) -> Entry {
    let mut words = line.trim_end_matches('\n').split('\t').map(cut);
    let kind = words.next().unwrap_or_default();
    let first = words.next().unwrap_or_default();
    let rest = words.collect::<Vec<_>>().join(" ");
    let host = host.to_owned();
    match kind.as_str() {
        "started" => Entry::Started(rest.parse().ok().and_then(|time| Timestamp::from_second(time).ok())),
        "waiting" => Entry::Waiting,
        "returning" => Entry::Returning(Some(first).filter(|id| id != "nothing")),
        "outcome" => Entry::Outcome(first),
        "error" if first == "locked" => Entry::Error { word: first, text: lock::holder(&rest) },
        "error" => Entry::Error { word: first, text: rest },
        "validate" => Entry::Validation { service: first, text: rest },
        "log" => Entry::ContainerLog { service: first, text: rest },
        "step" => Entry::Event(Event::Step { host, verb: first, detail: rest }),
        "progress" => Entry::Event(Event::Progress { host, subject: first, state: rest }),
        "compose" => Entry::Event(compose_line(host, &rest)),
        "output" => Entry::Event(Event::Output { host, line: format!("{first}: {rest}") }),
        _ => Entry::Event(Event::Output { host, line: cut(line) }),
    }
}

/// compose says " Container NAME  Started": the progress of one container.
fn compose_line(host: String, line: &str) -> Event {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["Container" | "Network" | "Volume", name, state @ ..] if !state.is_empty() => Event::Progress {
            host,
            subject: name.trim_matches('"').to_owned(),
            state: state.join(" ").to_lowercase(),
        },
        _ => Event::Output { host, line: line.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_the_host_cut_says_so() {
        let Entry::ContainerLog { text, .. } =
            parse("vps", &format!("log\tweb\t{}\u{fffd}", "x".repeat(1998)))
        else {
            panic!("no line of a log")
        };
        assert_eq!(text, "x".repeat(1998) + "…");
        let long = parse("vps", &format!("progress\tweb\t{}", "ö".repeat(4000)));
        let Entry::Event(Event::Progress { state, .. }) = long else { panic!("no progress") };
        assert_eq!(state, "ö".repeat(1000) + "…", "a host that does not cut");
    }

    #[test]
    fn lines_become_what_they_say() {
        assert_eq!(parse("vps", "outcome\tdeployed\n"), Entry::Outcome("deployed".to_owned()));
        let begun = Timestamp::from_second(1_795_500_000).unwrap();
        assert_eq!(parse("vps", "started\t0123abcd\t1795500000"), Entry::Started(Some(begun)));
        assert_eq!(parse("vps", "started\t0123abcd"), Entry::Started(None));
        assert_eq!(
            parse("vps", "compose\tup\t Container koprogo-grafana-1  Started"),
            Entry::Event(Event::Progress {
                host: "vps".to_owned(),
                subject: "koprogo-grafana-1".to_owned(),
                state: "started".to_owned()
            })
        );
        assert_eq!(
            parse("vps", "error\tpull\tx:1: not found"),
            Entry::Error { word: "pull".to_owned(), text: "x:1: not found".to_owned() }
        );
    }
}
