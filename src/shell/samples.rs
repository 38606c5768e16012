//! Rejected lines in the log: one a minute for each reason, so that somebody sees what is wrong with them.
//!
//! Invariant: a flood of bad lines makes no flood in the log. Dead letters keep every one of them.

use crate::core::accumulator::Rejected;
use crate::core::record::Reason;
use crate::core::time::Time;
use std::sync::atomic::{AtomicI64, Ordering};

/// Time between two of one reason.
const EVERY_S: i64 = 60;
/// Bytes of a line that are shown.
const SHOWN_BYTES: usize = 300;

/// When a line was last logged, by reason. Shared by all threads.
#[derive(Debug)]
pub struct Samples {
    last_s: [AtomicI64; Reason::ALL.len()],
}

impl Default for Samples {
    fn default() -> Samples {
        Samples { last_s: std::array::from_fn(|_| AtomicI64::new(i64::MIN)) }
    }
}

impl Samples {
    /// Logs the line if none of its reason was logged within the last minute.
    #[cold]
    pub fn take(&self, rejected: &Rejected<'_>, offset: i64, now: Time) {
        if !self.is_due(rejected.reason, now) {
            return;
        }
        let line = &rejected.line[..rejected.line.len().min(SHOWN_BYTES)];
        tracing::warn!(
            partition = %rejected.partition, offset, index = rejected.index,
            reason = rejected.reason.name(), step = rejected.step(), length = rejected.length,
            line = %String::from_utf8_lossy(line),
            "a line was rejected; the next of this reason is shown in a minute at the earliest"
        );
    }

    fn is_due(&self, reason: Reason, now: Time) -> bool {
        let (last, now_s) = (&self.last_s[reason as usize], now.seconds());
        let before = last.load(Ordering::Relaxed);
        now_s.saturating_sub(before) >= EVERY_S
            && last.compare_exchange(before, now_s, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_for_each_reason() {
        let samples = Samples::default();
        let due = |reason, s| samples.is_due(reason, Time::from_seconds(s));
        assert!(due(Reason::Empty, 100) && due(Reason::TornLine, 101));
        assert!(!due(Reason::Empty, 159) && due(Reason::Empty, 160) && !due(Reason::TornLine, 160));
    }
}
