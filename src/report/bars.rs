//! Events on a terminal: one live line a host and one a thing that is being waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use console::{style, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines;
use crate::event::{Event, Stage};
use crate::plan::check::Status;
use crate::prompt;
use crate::words::{took, wrap};

/// How often the live lines are drawn, in times a second, and how many there are at most: together what keeps a slow
/// connection, or the log of a terminal, below 100 KB a minute.
const DRAWS: u8 = 1;
const MOST: usize = 8;
/// Columns that are left of a line for the spinner, the time, and what a terminal echoes.
const TIME_AND_MORE: usize = 12;

/// What is drawn now, so that whoever ends the program can take it away.
static SCREEN: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Takes the live lines away, wherever they come from: the terminal is left as a program that is gone should leave it.
pub fn leave_clean() {
    // In the middle of a question nothing is drawn, and the pause is not ours to wait for.
    if prompt::is_asking() {
        return;
    }
    if let Some(screen) = SCREEN.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = screen.clear();
        screen.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// The live part of the screen.
pub(super) struct Bars {
    all: MultiProgress,
    live: BTreeMap<String, ProgressBar>,
    /// What is waited for beyond [`MOST`]: counted in a line.
    more: BTreeSet<String>,
    counted: Option<ProgressBar>,
    /// Where lines are broken.
    width: usize,
}

impl Bars {
    pub(super) fn new() -> Self {
        let width = usize::from(console::Term::stderr().size().1);
        Self::on(ProgressDrawTarget::stderr_with_hz(DRAWS), width)
    }

    fn on(target: ProgressDrawTarget, width: usize) -> Self {
        let all = MultiProgress::with_draw_target(target);
        *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(all.clone());
        let paused = all.clone();
        prompt::pause_with(move |ask| paused.suspend(ask));
        Self { all, live: BTreeMap::new(), more: BTreeSet::new(), counted: None, width }
    }

    /// Shows `message` on the live line `key`.
    fn show(&mut self, key: &str, message: &str) {
        if !self.live.contains_key(key) && self.live.len() >= MOST {
            self.more.insert(key.to_owned());
            self.count_more();
            return;
        }
        // A line that fills the width would be broken by the `^C` that a terminal adds at its end, and then not be
        // found again to be taken away.
        let message = truncate_str(message, self.width.saturating_sub(TIME_AND_MORE), "…").into_owned();
        let all = &self.all;
        self.live.entry(key.to_owned()).or_insert_with(|| line(all)).set_message(message);
    }

    fn drop_line(&mut self, key: &str) {
        if let Some(bar) = self.live.remove(key) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        if self.more.remove(key) {
            self.count_more();
        }
    }

    fn drop_all(&mut self, begin: &str) {
        let keys: Vec<String> =
            self.live.keys().chain(&self.more).filter(|key| key.starts_with(begin)).cloned().collect();
        for key in &keys {
            self.drop_line(key);
        }
    }

    /// Says how many lines there would be more.
    fn count_more(&mut self) {
        if self.more.is_empty() {
            if let Some(bar) = self.counted.take() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
            return;
        }
        let all = &self.all;
        let message = format!("  … and {} more", self.more.len());
        self.counted.get_or_insert_with(|| line(all)).set_message(message);
    }

    /// Writes a line that stays, above the live ones.
    pub(super) fn stay(&self, line: &str) {
        let _ = self.all.println(wrap(line, self.width.max(40), "           "));
    }

    /// Takes an event in, from which secrets were taken out.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::StageStarted { host, stage } => {
                self.show(&format!("{host}/0"), &format!("{host} {}…", stage.word()));
            }
            Event::StageDone { host, stage, detail, took_ms } => {
                self.drop_line(&format!("{host}/0"));
                if matches!(stage, Stage::Activate | Stage::Return) {
                    self.drop_all(&format!("{host}/1/"));
                }
                let word = style(format!("{:>9}", stage.word())).green();
                let time = style(took(*took_ms)).dim();
                self.stay(&format!("{word}  {host}  {detail}  {time}"));
            }
            Event::RollingBack { host, because, to } => {
                // What was on its way is not any more.
                self.drop_all(&format!("{host}/1/"));
                let mark = style("   FAILED").red().bold();
                self.stay(&format!("{mark}  {host}  {because}"));
                self.stay(&format!("           {host}  {}", lines::way_back(to.as_deref())));
            }
            Event::Planned { lines, .. } => {
                for line in lines {
                    // The lines of a difference are set in by four.
                    let line = match line.as_bytes() {
                        [b' ', b' ', b' ', b' ', b'+', ..] => style(line).green().to_string(),
                        [b' ', b' ', b' ', b' ', b'-', ..] => style(line).red().to_string(),
                        _ => line.clone(),
                    };
                    self.stay(&format!("           {line}"));
                }
            }
            Event::Step { host, verb, detail } => {
                self.show(&format!("{host}/0"), &format!("{host} {verb} {detail}"));
            }
            Event::Progress { host, subject, state } => {
                let key = format!("{host}/1/{subject}");
                // Of a container that compose leaves alone it says `Running`.
                let done =
                    ["running", "running, healthy", "running, none", "pulled", "removed", "reload asked"];
                if done.contains(&state.as_str()) {
                    self.drop_line(&key);
                } else {
                    self.show(&key, &format!("  {subject}  {state}"));
                }
            }
            Event::Output { host, line } => self.stay(&format!("           {host}: {line}")),
            Event::Waiting { host, check, found } => {
                self.show(&format!("{host}/2/{check}"), &format!("  {check}  {found}"));
            }
            Event::Checked { host, finding } => {
                self.drop_line(&format!("{host}/2/{}", finding.check));
                if finding.status == Status::Fails {
                    let mark = style("     FAIL").red().bold();
                    let found = finding.found.replace('\n', " ");
                    self.stay(&format!("{mark}  {host}  {}: {found}", finding.check));
                }
            }
            Event::Loaded { .. } | Event::Running { .. } | Event::Log { .. } => {}
            Event::Warning { host, text } => {
                self.stay(&format!("{}  {host}  {text}", style("  warning").yellow()));
            }
        }
    }

    /// Takes the live lines away.
    pub(super) fn clear(&mut self) {
        prompt::nothing_to_pause();
        for bar in std::mem::take(&mut self.live).into_values().chain(self.counted.take()) {
            bar.finish_and_clear();
        }
        leave_clean();
    }
}

/// A new live line.
fn line(all: &MultiProgress) -> ProgressBar {
    let bar = all.add(ProgressBar::new_spinner());
    bar.set_style(
        ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_secs(1) / u32::from(DRAWS));
    bar
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use indicatif::TermLike;

    use super::*;

    /// A terminal that counts what is written to it.
    #[derive(Debug, Clone, Default)]
    struct Counting(Arc<AtomicUsize>);

    impl Counting {
        fn wrote(&self, bytes: usize) {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    // A move of the cursor is some eight bytes, like `ESC [ 10 A` and a carriage return.
    impl TermLike for Counting {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            self.wrote(8);
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            self.wrote(8);
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            self.wrote(8);
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            self.wrote(8);
            Ok(())
        }
        fn write_line(&self, line: &str) -> std::io::Result<()> {
            self.wrote(line.len() + 1);
            Ok(())
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.wrote(text.len());
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            self.wrote(8);
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_drawn_while_somebody_is_asked() {
        let _alone = prompt::tests::one_at_a_time();
        let terminal = Counting::default();
        let mut bars = Bars::on(ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), DRAWS), 80);
        bars.take(&Event::StageStarted { host: "vps".to_owned(), stage: crate::event::Stage::Connect });
        let drawn = || {
            terminal.0.store(0, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2500));
            terminal.0.load(Ordering::Relaxed)
        };
        assert_eq!(prompt::alone(drawn), 0);
        assert!(drawn() > 0, "the live line goes on afterwards");
        bars.clear();
    }

    #[test]
    fn live_lines_write_less_than_100_kilobytes_a_minute() {
        let _alone = prompt::tests::one_at_a_time();
        let terminal = Counting::default();
        let mut bars = Bars::on(ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), DRAWS), 80);
        let waiting = |check: usize, found: usize| Event::Waiting {
            host: "vps".to_owned(),
            check: format!("service-{check}.ready"),
            found: format!("{found}: not yet, {}", "and so on ".repeat(8)),
        };
        for check in 0..25 {
            bars.take(&waiting(check, 0));
        }
        let begun = std::time::Instant::now();
        terminal.0.store(0, Ordering::Relaxed);
        let mut found = 0;
        while begun.elapsed() < Duration::from_secs(4) {
            found += 1;
            (0..25).for_each(|check| bars.take(&waiting(check, found)));
            std::thread::sleep(Duration::from_millis(20));
        }
        let wrote = terminal.0.load(Ordering::Relaxed);
        assert!((1..=4 * 100_000 / 60).contains(&wrote), "{wrote} bytes in 4 s");
        bars.clear();
    }
}
