//! Latencies while they are being counted: a short list first, a dense array once there are many.
//!
//! Invariant: whatever form they are in, they pack to the histogram of the latencies added, and adding
//! one does not allocate once the forms have grown to what a flush needs.

use crate::core::histogram::{Histogram, INDEX_MIN, SUM_MAX, add, index};

/// Latencies that a list holds before it is worth a dense array.
const LISTED: usize = 15;
/// Buckets of a dense array: up to 2^32 µs, longer than any request; longer ones stay listed.
const DENSE_BUCKETS: usize = 1024;
/// Dense arrays of one accumulator, 4 KiB each. Latencies without one are spilled: slower, never wrong.
pub(super) const DENSE_MAX: usize = 512;
/// Spilled pairs are put in order only when there are so many, or twice as many as the last time.
const SPILLED_MIN: usize = 64;
/// No dense array.
const NONE: u32 = u32::MAX;

/// The dense arrays that one accumulator's latencies share.
#[derive(Debug, Default)]
pub(super) struct Pool {
    counts: Vec<u32>,
    used: u32,
    /// (bucket, count) pairs spilled.
    spilled: usize,
}

impl Pool {
    /// Estimate of the packed size of what it holds.
    pub(super) fn bytes(&self) -> usize {
        // a hundred buckets of a step and a count
        self.used as usize * 200 + self.spilled * 2
    }

    /// Takes all arrays back, zeroed by [`Latencies::pack`].
    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.spilled = 0;
    }

    /// An array of zeros, if there is one left.
    pub(super) fn dense(&mut self) -> Option<u32> {
        if self.used as usize == DENSE_MAX {
            return None;
        }
        let dense = self.used;
        self.used += 1;
        self.counts.resize(self.counts.len().max(self.used as usize * DENSE_BUCKETS), 0);
        Some(dense)
    }

    #[inline(always)]
    fn array(&mut self, dense: u32) -> &mut [u32] {
        let start = dense as usize * DENSE_BUCKETS;
        &mut self.counts[start..start + DENSE_BUCKETS]
    }
}

/// The latencies of one kind in one cell.
#[derive(Debug)]
pub(super) struct Latencies {
    count: u64,
    sum_us: u64,
    min_us: u64,
    max_us: u64,
    dense: u32,
    listed: u16,
    list: [u16; LISTED],
    /// (bucket, count) in any order: what neither the list nor an array has room for.
    spilled: Vec<(u16, u64)>,
    /// How many spilled pairs are worth putting in order.
    order_at: usize,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            count: 0,
            sum_us: 0,
            min_us: u64::MAX,
            max_us: 0,
            dense: NONE,
            listed: 0,
            list: [0; LISTED],
            spilled: Vec::new(),
            order_at: SPILLED_MIN,
        }
    }
}

impl Latencies {
    /// Adds one latency, microseconds. True: the list is full, and must be emptied before the next one.
    #[inline(always)]
    #[must_use]
    pub(super) fn add(&mut self, latency_us: u64, pool: &mut Pool) -> bool {
        let latency_us = latency_us.min(SUM_MAX);
        self.count += 1;
        self.sum_us = add(self.sum_us, latency_us);
        self.min_us = self.min_us.min(latency_us);
        self.max_us = self.max_us.max(latency_us);
        if latency_us == 0 {
            return false;
        }
        let bucket = (index(latency_us) - INDEX_MIN) as u16;
        if self.dense != NONE && (bucket as usize) < DENSE_BUCKETS {
            pool.array(self.dense)[bucket as usize] += 1;
            return false;
        }
        self.list[self.listed as usize] = bucket;
        self.listed += 1;
        self.listed as usize == LISTED
    }

    /// Whether it counts in a dense array.
    pub(super) fn is_dense(&self) -> bool {
        self.dense != NONE
    }

    /// Counts in that array of zeros from now on.
    pub(super) fn densify(&mut self, dense: u32, pool: &mut Pool) {
        self.dense = dense;
        let array = pool.array(dense);
        let mut kept = 0;
        for i in 0..self.listed as usize {
            match array.get_mut(self.list[i] as usize) {
                Some(count) => *count += 1,
                None => {
                    self.list[kept] = self.list[i];
                    kept += 1;
                }
            }
        }
        self.listed = kept as u16;
        if kept == LISTED {
            self.spill(pool);
        }
    }

    /// Moves the list into the spilled pairs.
    pub(super) fn spill(&mut self, pool: &mut Pool) {
        let before = self.spilled.len();
        self.spilled.extend(self.list[..self.listed as usize].iter().map(|bucket| (*bucket, 1)));
        self.listed = 0;
        if self.spilled.len() >= self.order_at {
            self.order();
        }
        pool.spilled = (pool.spilled + self.spilled.len()).saturating_sub(before);
    }

    /// Puts the spilled pairs in order, each bucket once.
    fn order(&mut self) {
        self.spilled.sort_unstable_by_key(|pair| pair.0);
        self.spilled.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });
        self.order_at = SPILLED_MIN.max(self.spilled.len() * 2);
    }

    /// Moves what the dense array counts into wide counts and zeroes the array.
    pub(super) fn settle(&mut self, pool: &mut Pool) {
        if self.dense == NONE {
            return;
        }
        let before = self.spilled.len();
        let bucket = |us: u64| ((index(us) - INDEX_MIN) as usize).min(DENSE_BUCKETS - 1);
        // smallest and largest bound what the array can hold
        let (low, high) = (bucket(self.min_us), bucket(self.max_us));
        for (i, count) in pool.array(self.dense)[low..=high].iter_mut().enumerate() {
            if *count > 0 {
                self.spilled.push(((low + i) as u16, *count as u64));
                *count = 0;
            }
        }
        if before > 0 {
            self.order();
        }
        pool.spilled = (pool.spilled + self.spilled.len()).saturating_sub(before);
    }

    /// Gives its dense array back, zeroed.
    pub(super) fn release(&mut self, pool: &mut Pool) -> Option<u32> {
        self.settle(pool);
        let dense = std::mem::replace(&mut self.dense, NONE);
        (dense != NONE).then_some(dense)
    }

    /// What they are as a histogram; leaves none, and the array zeroed for the next taker.
    pub(super) fn pack(&mut self, pool: &mut Pool) -> Histogram {
        if self.count == 0 {
            return Histogram::default();
        }
        self.settle(pool);
        self.spill(pool);
        self.order();
        let totals = (self.count, self.sum_us, self.min_us, self.max_us);
        let buckets = self.spilled.iter().map(|(bucket, count)| (*bucket as i16 + INDEX_MIN, *count));
        let packed = Histogram::from_parts(totals, buckets);
        let mut spilled = std::mem::take(&mut self.spilled);
        spilled.clear();
        *self = Latencies { spilled, ..Latencies::default() };
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_form_packs_to_the_same_histogram(
            latencies in prop::collection::vec((0u32..64, any::<u64>()), 0..300),
            spill in any::<bool>(),
            settle in 0usize..300,
            release in 0usize..300,
        ) {
            let mut pool = Pool::default();
            let (mut hot, mut want) = (Latencies::default(), Histogram::default());
            // twice, so that what is reused is clean
            for _ in 0..2 {
                for (i, (shift, low)) in latencies.iter().enumerate() {
                    if i == settle {
                        hot.settle(&mut pool);
                    }
                    if i == release {
                        hot.release(&mut pool);
                        prop_assert!(!hot.is_dense());
                    }
                    if hot.add(low >> shift, &mut pool) {
                        match pool.dense() {
                            Some(dense) if !spill && !hot.is_dense() => hot.densify(dense, &mut pool),
                            _ => hot.spill(&mut pool),
                        }
                    }
                    want.record(low >> shift);
                }
                prop_assert_eq!(hot.pack(&mut pool), std::mem::take(&mut want));
                prop_assert!(pool.counts.iter().all(|c| *c == 0));
                pool.clear();
            }
        }
    }
}
