//! Latencies while they are being counted: a short list first, a dense array once there are many.
//!
//! Invariant: whatever form they are in, they pack to the histogram of the latencies added, and adding
//! one does not allocate once the forms have grown to what a flush needs.

use crate::core::histogram::{Histogram, INDEX_MIN, SUM_MAX, add, index};

/// Latencies that a list holds before it is worth a dense array.
const LISTED: usize = 15;
/// Buckets of a dense array: up to 2^32 µs, longer than any request; longer ones stay listed.
const DENSE_BUCKETS: usize = 1024;
/// Dense arrays of one accumulator, 4 KiB each. Cells beyond stay listed: slower, never wrong.
const DENSE_MAX: usize = 512;
/// No dense array.
const NONE: u32 = u32::MAX;

/// The dense arrays that one accumulator's latencies share.
#[derive(Debug, Default)]
pub(super) struct Pool {
    counts: Vec<u32>,
    used: u32,
    scratch: Vec<(u16, u64)>,
    /// (bucket, count) pairs that lists hold beyond their first [`LISTED`].
    spilled: usize,
}

impl Pool {
    /// Estimate of the packed size of what it holds.
    pub(super) fn bytes(&self) -> usize {
        // some 150 buckets of a step and a count
        self.used as usize * 450 + self.spilled * 3
    }

    /// Takes all arrays back, zeroed by [`Latencies::pack`].
    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.spilled = 0;
    }

    fn dense(&mut self) -> Option<u32> {
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
    /// (bucket, count), ascending: what neither the list nor an array has room for.
    spilled: Vec<(u16, u64)>,
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
        }
    }
}

impl Latencies {
    /// Adds one latency, microseconds.
    #[inline(always)]
    pub(super) fn add(&mut self, latency_us: u64, pool: &mut Pool) {
        let latency_us = latency_us.min(SUM_MAX);
        self.count += 1;
        self.sum_us = add(self.sum_us, latency_us);
        self.min_us = self.min_us.min(latency_us);
        self.max_us = self.max_us.max(latency_us);
        if latency_us == 0 {
            return;
        }
        let bucket = (index(latency_us) - INDEX_MIN) as u16;
        if self.dense != NONE && (bucket as usize) < DENSE_BUCKETS {
            pool.array(self.dense)[bucket as usize] += 1;
        } else {
            self.list(bucket, pool);
        }
    }

    #[inline]
    fn list(&mut self, bucket: u16, pool: &mut Pool) {
        self.list[self.listed as usize] = bucket;
        self.listed += 1;
        if self.listed as usize == LISTED {
            self.grow(pool);
        }
    }

    /// Empties the full list: into a dense array if there is one, else into the spilled pairs.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, pool: &mut Pool) {
        if self.dense == NONE
            && let Some(dense) = pool.dense()
        {
            self.dense = dense;
        }
        let mut far = 0;
        if self.dense != NONE {
            let array = pool.array(self.dense);
            for i in 0..self.listed as usize {
                match array.get_mut(self.list[i] as usize) {
                    Some(count) => *count += 1,
                    None => {
                        self.list[far] = self.list[i];
                        far += 1;
                    }
                }
            }
            self.listed = far as u16;
        }
        if self.listed as usize > LISTED / 2 {
            self.spill(pool);
        }
    }

    /// Moves the list into the spilled pairs.
    fn spill(&mut self, pool: &mut Pool) {
        let before = self.spilled.len();
        let listed = &mut self.list[..self.listed as usize];
        listed.sort_unstable();
        pool.scratch.clear();
        pool.scratch.extend(listed.iter().map(|bucket| (*bucket, 1)));
        self.listed = 0;
        self.take_scratch(pool);
        pool.spilled += self.spilled.len() - before;
    }

    /// Merges the ascending pairs of the scratch list into the spilled ones.
    fn take_scratch(&mut self, pool: &mut Pool) {
        // a stable sort of two ascending runs is a merge
        self.spilled.append(&mut pool.scratch);
        self.spilled.sort_by_key(|pair| pair.0);
        self.spilled.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });
    }

    /// Moves everything that a dense array counts into wide counts, and zeroes the array.
    pub(super) fn settle(&mut self, pool: &mut Pool) {
        if self.listed > 0 {
            self.spill(pool);
        }
        if self.dense == NONE {
            return;
        }
        let bucket = |us: u64| ((index(us) - INDEX_MIN) as usize).min(DENSE_BUCKETS - 1);
        // smallest and largest bound what the array can hold
        let (low, high) = (bucket(self.min_us), bucket(self.max_us));
        let mut pairs = std::mem::take(&mut pool.scratch);
        pairs.clear();
        for (i, count) in pool.array(self.dense)[low..=high].iter_mut().enumerate() {
            if *count > 0 {
                pairs.push(((low + i) as u16, *count as u64));
                *count = 0;
            }
        }
        pool.scratch = pairs;
        self.take_scratch(pool);
    }

    /// What they are as a histogram; leaves none, and the array zeroed for the next taker.
    pub(super) fn pack(&mut self, pool: &mut Pool) -> Histogram {
        if self.count == 0 {
            return Histogram::default();
        }
        self.settle(pool);
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
            latencies in prop::collection::vec((0u32..64, any::<u64>()), 0..200),
            used in prop::sample::select(vec![0, DENSE_MAX as u32]),
            settle in 0usize..200,
        ) {
            let mut pool = Pool { used, ..Pool::default() };
            let (mut hot, mut want) = (Latencies::default(), Histogram::default());
            // twice, so that what is reused is clean
            for _ in 0..2 {
                for (i, (shift, low)) in latencies.iter().enumerate() {
                    if i == settle {
                        hot.settle(&mut pool);
                    }
                    hot.add(low >> shift, &mut pool);
                    want.record(low >> shift);
                }
                prop_assert_eq!(hot.pack(&mut pool), std::mem::take(&mut want));
                prop_assert!(pool.counts.iter().all(|c| *c == 0));
                pool.clear();
                pool.used = used;
            }
        }
    }
}
