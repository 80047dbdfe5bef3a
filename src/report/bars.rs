//! Events on a terminal: one live line a host and one a thing that is being waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::event::Event;
use crate::plan::check::Status;

/// The live part of the screen.
pub(super) struct Bars {
    all: MultiProgress,
    live: BTreeMap<String, ProgressBar>,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self { all: MultiProgress::new(), live: BTreeMap::new() }
    }

    /// Shows `message` on the live line `key`.
    fn show(&mut self, key: &str, message: String) {
        let bar = self.live.entry(key.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.set_style(
                ProgressStyle::with_template("{spinner:.cyan} {wide_msg} {elapsed:.dim}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(message);
    }

    fn drop_line(&mut self, key: &str) {
        if let Some(bar) = self.live.remove(key) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    /// Writes a line that stays, above the live ones.
    pub(super) fn stay(&self, line: &str) {
        let _ = self.all.println(line);
    }

    /// Takes an event in; `clean` takes secrets out of a text.
    pub(super) fn take(&mut self, event: &Event, clean: &dyn Fn(&str) -> String) {
        match event {
            Event::StageStarted { host, stage } => {
                self.show(&format!("{host}/0"), clean(&format!("{host} {}…", stage.word())));
            }
            Event::StageDone { host, stage, detail, took_ms } => {
                self.drop_line(&format!("{host}/0"));
                let word = style(format!("{:>9}", stage.word())).green();
                let time = style(format!("{took_ms} ms")).dim();
                self.stay(&clean(&format!("{word}  {host}  {detail}  {time}")));
            }
            Event::Planned { lines, .. } => {
                for line in lines {
                    // The lines of a difference are set in by four.
                    let line = match line.as_bytes() {
                        [b' ', b' ', b' ', b' ', b'+', ..] => style(line).green().to_string(),
                        [b' ', b' ', b' ', b' ', b'-', ..] => style(line).red().to_string(),
                        _ => line.clone(),
                    };
                    self.stay(&clean(&format!("           {line}")));
                }
            }
            Event::Step { host, verb, detail } => {
                self.show(&format!("{host}/0"), clean(&format!("{host} {verb} {detail}")));
            }
            Event::Progress { host, subject, state } => {
                let key = format!("{host}/1/{subject}");
                let done = ["running, healthy", "running, none", "pulled", "removed", "reload asked"];
                if done.contains(&state.as_str()) {
                    self.drop_line(&key);
                } else {
                    self.show(&key, clean(&format!("  {subject}  {state}")));
                }
            }
            Event::Output { host, line } => self.stay(&clean(&format!("           {host}: {line}"))),
            Event::Waiting { host, check, found } => {
                self.show(&format!("{host}/2/{check}"), clean(&format!("  {check}  {found}")));
            }
            Event::Checked { host, finding } => {
                self.drop_line(&format!("{host}/2/{}", finding.check));
                if finding.status == Status::Fails {
                    let mark = style("     FAIL").red().bold();
                    self.stay(&clean(&format!("{mark}  {host}  {}: {}", finding.check, finding.found)));
                }
            }
            Event::Loaded { .. } | Event::Log { .. } => {}
            Event::Warning { host, text } => {
                self.stay(&clean(&format!("{}  {host}  {text}", style("  warning").yellow())));
            }
        }
    }

    /// Takes the live lines away.
    pub(super) fn clear(&mut self) {
        for (_, bar) in std::mem::take(&mut self.live) {
            bar.finish_and_clear();
        }
        let _ = self.all.clear();
    }
}
