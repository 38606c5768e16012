//! Where the demo shows how it goes: a table that is drawn anew on a terminal, a line now and then elsewhere.
//! All on stderr; what is left to say at the end goes to stdout.

use super::board::Board;
use super::story::{Story, hour_minute};
use crate::core::time::Time;
use crate::shell::cli::Terminal;
use crate::shell::words::painted;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// The screen.
pub(super) enum Screen {
    /// A terminal.
    Drawn {
        /// What is drawn anew.
        bar: ProgressBar,
        /// Whether in colours.
        color: bool,
    },
    /// Anything else.
    Lines {
        /// When a line was last said.
        said: Instant,
    },
}

impl Screen {
    /// What stderr is.
    pub(super) fn open(terminal: Terminal) -> Screen {
        if !std::io::stderr().is_terminal() {
            return Screen::Lines { said: Instant::now() };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Screen::Drawn { bar, color: terminal.stderr_color }
    }

    /// Says a line that stays.
    pub(super) fn tell(&self, line: &str) {
        match self {
            Screen::Drawn { bar, color } => bar.println(colored(line, *color)),
            Screen::Lines { .. } => say(line),
        }
    }

    /// Shows how it stands.
    pub(super) fn show(&mut self, board: &Board, story: &Story, now: Time) {
        let line = || board.line(&hour_minute(&now.to_string()), story);
        match self {
            Screen::Drawn { bar, color } => {
                bar.set_message(format!("\n{}\n\n{}", line(), board.table(story, *color)));
                bar.tick();
            }
            Screen::Lines { said } if said.elapsed() >= SAY_EVERY => {
                *said = Instant::now();
                say(&line());
            }
            Screen::Lines { .. } => {}
        }
    }

    /// Takes the table away.
    pub(super) fn end(&self) {
        if let Screen::Drawn { bar, .. } = self {
            bar.finish_and_clear();
        }
    }
}

/// A line that tells of an alert or a budget, in its colour.
fn colored(line: &str, color: bool) -> String {
    let has = |word: &str| line.contains(word);
    match line {
        _ if has("  FIRING ") || has("  EXHAUSTED ") => painted("31", line, color),
        _ if has("  RESOLVED ") || has("  RECOVERED ") => painted("32", line, color),
        _ => line.to_owned(),
    }
}

fn say(line: &str) {
    // What cannot be shown is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{line}");
}
