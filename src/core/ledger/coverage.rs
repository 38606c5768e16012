//! Which closed slices were not read in full: what was lost or could not be read, as a share of the partitions.
//!
//! Invariant: a slice that is not in here was read whole. "The source said zero" is read; "not read" and "lost" are not.

use serde::{Deserialize, Serialize};

/// Parts of one slice: shares of partitions are rounded down to these.
pub const SHARES: u64 = 10_000;

/// A run of slices of which the same share is missing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Run {
    from: i64,
    /// One past the last.
    to: i64,
    /// Never 0.
    missing: u16,
}

/// Slices that were not read in full, ascending, without overlap.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub(super) struct Coverage {
    runs: Vec<Run>,
}

impl Coverage {
    /// Sets what is missing of the slices `[from, to)`, in place of what was known of them.
    pub(super) fn set(&mut self, from: i64, to: i64, missing: u16) {
        if missing == 0 && !self.touches(from) {
            return;
        }
        let mut runs = Vec::with_capacity(self.runs.len() + 2);
        for run in self.runs.drain(..) {
            let (before, after) =
                (Run { to: run.to.min(from), ..run.clone() }, Run { from: run.from.max(to), ..run });
            runs.extend([before, after].into_iter().filter(|r| r.from < r.to));
        }
        if missing > 0 && from < to {
            runs.push(Run { from, to, missing });
        }
        runs.sort_by_key(|r| r.from);
        for run in runs {
            match self.runs.last_mut() {
                Some(last) if last.to == run.from && last.missing == run.missing => last.to = run.to,
                _ => self.runs.push(run),
            }
        }
    }

    /// How much is missing of the slices `[from, to)`, in [`SHARES`] of a slice.
    pub(super) fn missing(&self, from: i64, to: i64) -> u64 {
        let runs = self.runs.iter().rev().take_while(|r| r.to > from);
        runs.map(|r| u64::try_from(r.to.min(to) - r.from.max(from)).unwrap_or(0) * u64::from(r.missing)).sum()
    }

    /// The slices of `[from, to)` of which something is missing, as runs, the latest first.
    pub(super) fn runs(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
        let runs = self.runs.iter().rev().take_while(move |r| r.to > from);
        runs.map(move |r| (r.from.max(from), r.to.min(to))).filter(|(from, to)| from < to)
    }

    /// Whether something is missing of the slice or of a later one.
    pub(super) fn touches(&self, slice: i64) -> bool {
        self.runs.last().is_some_and(|r| r.to > slice)
    }

    /// Forgets what lies before the slice.
    pub(super) fn forget(&mut self, before: i64) {
        self.runs.retain(|r| r.to > before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_what_was_set_last(sets in prop::collection::vec((0i64..60, 0i64..20, 0u16..3), 0..30)) {
            let (mut coverage, mut naive) = (Coverage::default(), [0u16; 80]);
            for (from, length, missing) in sets {
                coverage.set(from, from + length, missing);
                naive[from as usize..(from + length) as usize].fill(missing);
                for (from, to) in [(0, 80), (10, 30), (33, 34), (50, 50)] {
                    let want: u64 = naive[from..to].iter().map(|m| u64::from(*m)).sum();
                    prop_assert_eq!(coverage.missing(from as i64, to as i64), want);
                    let unread: i64 = coverage.runs(from as i64, to as i64).map(|(a, b)| b - a).sum();
                    prop_assert_eq!(unread as usize, naive[from..to].iter().filter(|m| **m > 0).count());
                }
                for slice in 0..80 {
                    prop_assert_eq!(coverage.touches(slice), naive[slice as usize..].iter().any(|m| *m > 0));
                }
            }
        }
    }
}
