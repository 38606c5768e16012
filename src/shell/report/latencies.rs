//! Latencies added up over rows, in wide form: a list with a place for every bucket.
//!
//! Invariant: counts, sums and buckets add up per index, minima and maxima are taken; the order does not matter.

use crate::core::histogram::{Histogram, INDEX_MAX, INDEX_MIN, add};
use crate::edges::sink::parquet::read::LatencyView;

/// The bucket's place in the list; None if no latency falls into it.
fn place(index: i32) -> Option<usize> {
    let index = i16::try_from(index).ok().filter(|i| (INDEX_MIN..=INDEX_MAX).contains(i))?;
    usize::try_from(index - INDEX_MIN).ok()
}

/// Latencies in wide form.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Latencies {
    count: u64,
    sum_us: u64,
    min_us: Option<u64>,
    max_us: u64,
    /// Counts by bucket, from [`INDEX_MIN`] on, as far as the highest that holds something.
    buckets: Vec<u64>,
}

impl Latencies {
    pub(super) fn add(&mut self, row: &LatencyView<'_>) {
        if row.count == 0 {
            return;
        }
        self.totals(row.count, row.sum_us, row.min_us, row.max_us);
        for (index, count) in row.indexes.iter().zip(row.counts) {
            let Some(place) = place(*index) else { continue };
            if place >= self.buckets.len() {
                self.buckets.resize(place + 1, 0);
            }
            self.buckets[place] = add(self.buckets[place], u64::try_from(*count).unwrap_or(0));
        }
    }

    fn totals(&mut self, count: u64, sum_us: u64, min_us: u64, max_us: u64) {
        (self.count, self.sum_us) = (add(self.count, count), add(self.sum_us, sum_us));
        self.min_us = Some(self.min_us.map_or(min_us, |min| min.min(min_us)));
        self.max_us = self.max_us.max(max_us);
    }

    pub(super) fn merge(&mut self, other: Latencies) {
        if other.count == 0 {
            return;
        }
        self.totals(other.count, other.sum_us, other.min_us.unwrap_or(0), other.max_us);
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        self.buckets.iter_mut().zip(other.buckets).for_each(|(sum, count)| *sum = add(*sum, count));
    }

    /// For quantiles.
    pub(super) fn histogram(&self) -> Histogram {
        let buckets = (INDEX_MIN..=INDEX_MAX).zip(self.buckets.iter().copied());
        Histogram::from_parts((self.count, self.sum_us, self.min_us.unwrap_or(0), self.max_us), buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(indexes: &'a [i32], counts: &'a [i64]) -> LatencyView<'a> {
        LatencyView { count: 3, sum_us: 30, min_us: 0, max_us: 20, indexes, counts }
    }

    #[test]
    fn buckets_add_up_per_index_from_the_lowest_to_the_highest() {
        let (low, high) = (i32::from(INDEX_MIN), i32::from(INDEX_MAX));
        let mut one = Latencies::default();
        one.add(&row(&[low, 7], &[1, 2]));
        let mut other = Latencies::default();
        other.add(&row(&[7, high], &[2, 1]));
        one.merge(other);
        one.add(&LatencyView { count: 0, ..row(&[7], &[9]) });
        let histogram = one.histogram();
        let wanted = [(INDEX_MIN, 1), (7, 4), (INDEX_MAX, 1)];
        assert_eq!(histogram.buckets().collect::<Vec<_>>(), wanted);
        assert_eq!((histogram.count, histogram.sum_us, histogram.max_us), (6, 60, 20));
    }

    #[test]
    fn indexes_that_no_bucket_has_are_passed_over() {
        let mut sum = Latencies::default();
        sum.add(&row(&[-2, 3, i32::MAX], &[1, 2, 1]));
        assert_eq!(sum.histogram().buckets().collect::<Vec<_>>(), [(3, 2)]);
    }
}
