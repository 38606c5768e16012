//! How far a backfill is: a bar on a terminal, a JSON line every five seconds elsewhere; both on stderr.

use crate::edges::source::files;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two JSON lines.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Shows progress.
pub struct Progress {
    started: Instant,
    said: Instant,
    show: Show,
}

enum Show {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// Starts showing; nothing is shown if `wanted` is false.
    pub fn start(wanted: bool) -> Progress {
        let now = Instant::now();
        let show = match () {
            () if !wanted => Show::Nothing,
            () if std::io::stderr().is_terminal() => Show::Bar(bar()),
            () => Show::Lines,
        };
        Progress { started: now, said: now, show }
    }

    /// Shows how far it is now.
    pub fn show(&mut self, files: &files::Progress, lines: u64) {
        match &self.show {
            Show::Bar(bar) => {
                match files.bytes_total {
                    Some(total) => bar.set_length(total),
                    None => bar.unset_length(),
                }
                bar.set_position(files.bytes);
                let seconds = self.started.elapsed().as_secs_f64().max(0.001);
                bar.set_message(format!("{} lines/s", (lines as f64 / seconds) as u64));
            }
            Show::Lines if self.said.elapsed() >= SAY_EVERY => {
                self.said = Instant::now();
                self.say(files, lines, false);
            }
            Show::Lines | Show::Nothing => {}
        }
    }

    /// Shows that it is done.
    pub fn end(&mut self, files: &files::Progress, lines: u64) {
        match &self.show {
            Show::Bar(bar) => bar.finish_and_clear(),
            Show::Lines => self.say(files, lines, true),
            Show::Nothing => {}
        }
    }

    fn say(&self, files: &files::Progress, lines: u64, done: bool) {
        let elapsed_s = self.started.elapsed().as_secs_f64();
        let eta_s = files.bytes_total.filter(|_| files.bytes > 0).map(|total| {
            (elapsed_s * (total.saturating_sub(files.bytes)) as f64 / files.bytes as f64).round() as u64
        });
        let line = serde_json::json!({
            "bytes": files.bytes,
            "bytes_total": files.bytes_total,
            "files": files.files,
            "files_total": files.files_total,
            "lines": lines,
            "lines_per_s": (lines as f64 / elapsed_s.max(0.001)) as u64,
            "eta_s": eta_s,
            "done": done,
        });
        // Progress that cannot be shown is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {msg}  ETA {eta}");
    let bar = ProgressBar::no_length();
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
