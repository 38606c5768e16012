//! The largest event times of a span, so that a watermark can leave out a few absurd ones.
//!
//! Invariant: of any times pushed, in any order, exactly the largest `keep` come out.

use crate::core::time::Time;

/// The largest times; a push costs a comparison and a store.
#[derive(Debug)]
pub(super) struct TopTimes {
    keep: usize,
    buffer: Vec<Time>,
    /// No time up to this one can be among the largest any more.
    floor: Time,
}

impl TopTimes {
    pub(super) fn new(keep: usize) -> TopTimes {
        // room for many times before a selection, so that a selection's cost is spread over them
        TopTimes { keep, buffer: Vec::with_capacity(keep.saturating_mul(4).max(256)), floor: Time(i64::MIN) }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, time: Time) {
        if time > self.floor {
            self.buffer.push(time);
            if self.buffer.len() == self.buffer.capacity() {
                self.select();
            }
        }
    }

    #[inline(never)]
    fn select(&mut self) {
        if self.keep == 0 || self.buffer.len() <= self.keep {
            return;
        }
        self.buffer.select_nth_unstable_by(self.keep - 1, |a, b| b.cmp(a));
        self.buffer.truncate(self.keep);
        self.floor = self.buffer[self.keep - 1];
    }

    /// The largest, descending; starts over.
    pub(super) fn take(&mut self) -> Vec<Time> {
        self.select();
        self.buffer.sort_unstable_by(|a, b| b.cmp(a));
        let largest = self.buffer.iter().copied().take(self.keep).collect();
        self.buffer.clear();
        self.floor = Time(i64::MIN);
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_largest_come_out(times in prop::collection::vec(0i64..2000, 0..1500), keep in 1usize..20) {
            let mut top = TopTimes::new(keep);
            for _ in 0..2 {
                times.iter().for_each(|t| top.push(Time(*t)));
                let mut want: Vec<Time> = times.iter().map(|t| Time(*t)).collect();
                want.sort_unstable_by(|a, b| b.cmp(a));
                want.truncate(keep);
                prop_assert_eq!(top.take(), want);
            }
        }
    }
}
