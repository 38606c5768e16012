//! How sound the input was, slice by slice, over all sources: what came late, and what could not be counted.
//!
//! Invariant: of the slices that the ledger remembers, these are the sums of `late` and `rejected` in the rows of `quality_`.

use super::history::History;
use super::packed::Counts;
use serde::{Deserialize, Serialize};

/// Slices without either take no room.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub(super) struct Intake {
    /// Late records in place of good requests, rejected lines in place of bad ones.
    history: History,
    /// What lies before this slice is forgotten.
    from: i64,
}

/// Records that came late and lines that were rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Unsound {
    /// Records that came after their slice had closed.
    pub(super) late: u64,
    /// Lines that could not be read.
    pub(super) rejected: u64,
}

impl Intake {
    pub(super) fn add(&mut self, slice: i64, unsound: Unsound) {
        if slice >= self.from {
            self.history.add(slice, Counts { good: unsound.late, bad: unsound.rejected });
        }
    }

    /// Those of the slices `[from, to)`.
    pub(super) fn sum(&self, from: i64, to: i64) -> Unsound {
        let mut sum = Counts::NONE;
        let held = self.history.iter_from(from).take_while(|(slice, _)| *slice < to);
        held.for_each(|(_, counts)| sum.add(counts));
        Unsound { late: sum.good, rejected: sum.bad }
    }

    pub(super) fn forget(&mut self, before: i64) {
        self.from = self.from.max(before);
        self.history.drop_before(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_slices_that_are_remembered() {
        let mut intake = Intake::default();
        for (slice, late, rejected) in [(100, 3, 0), (164, 0, 2), (165, 1, 1), (100, 4, 0)] {
            intake.add(slice, Unsound { late, rejected });
        }
        assert_eq!(intake.sum(100, 165), Unsound { late: 7, rejected: 2 });
        assert_eq!(intake.sum(101, 166), Unsound { late: 1, rejected: 3 });
        intake.forget(160);
        intake.add(100, Unsound { late: 9, rejected: 9 });
        assert_eq!(intake.sum(0, 1000), Unsound { late: 1, rejected: 3 });
    }
}
