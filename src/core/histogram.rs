//! Order-independent latency histogram: OpenTelemetry exponential buckets at the fixed scale 5.
//!
//! Bucket i holds `(2^(i/32), 2^((i+1)/32)]` microseconds; zeros are in no bucket. Relative error of a
//! quantile at most 1.09 % of the middle of its bucket. Sparse: only buckets that hold something are kept.
//! Invariant: integers alone decide the bucket, so every machine puts a latency into the same one.
//!
//! Source: OpenTelemetry metrics data model, "Exponential Histogram" (base = 2^(2^-scale)).

use crate::core::packed::{Packed, put, take};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Sums stop here: tables hold signed 64-bit integers. `min(a + b, cap)` stays associative and commutative.
pub const SUM_MAX: u64 = i64::MAX as u64;

/// Adds two sums; stops at [`SUM_MAX`].
#[inline(always)]
pub const fn add(a: u64, b: u64) -> u64 {
    let sum = a.saturating_add(b);
    if sum > SUM_MAX { SUM_MAX } else { sum }
}

/// The lowest bucket: it holds the latency of 1 µs.
pub const INDEX_MIN: i16 = -1;
/// The highest bucket that a latency up to [`SUM_MAX`] falls into.
pub const INDEX_MAX: i16 = 2015;

/// `floor(2^(63 + j/32))`: the bounds of one octave's buckets, exact (a test raises them to the 32nd power).
const OCTAVE: [u64; 32] = [
    0x8000_0000_0000_0000,
    0x82cd_8698_ac2b_a1d7,
    0x85aa_c367_cc48_7b14,
    0x8898_0e80_92da_8527,
    0x8b95_c1e3_ea8b_d6e6,
    0x8ea4_398b_45cd_53c0,
    0x91c3_d373_ab11_c336,
    0x94f4_efa8_fef7_0961,
    0x9837_f051_8db8_a96f,
    0x9b8d_39b9_d54e_5538,
    0x9ef5_3260_91a1_11ad,
    0xa270_4303_0c49_6818,
    0xa5fe_d6a9_b151_38ea,
    0xa9a1_5ab4_ea7c_0ef8,
    0xad58_3eea_42a1_4ac6,
    0xb123_f581_d2ac_258f,
    0xb504_f333_f9de_6484,
    0xb8fb_af47_62fb_9ee9,
    0xbd08_a39f_580c_36be,
    0xc12c_4cca_6670_9456,
    0xc567_2a11_5506_dadd,
    0xc9b9_bd86_6e2f_27a2,
    0xce24_8c15_1f84_80e3,
    0xd2a8_1d91_f12a_e45a,
    0xd744_fcca_d69d_6af4,
    0xdbfb_b797_daf2_3755,
    0xe0cc_deec_2a94_e111,
    0xe5b9_06e7_7c83_48a8,
    0xeac0_c6e7_dd24_392e,
    0xefe4_b99b_dcda_f5cb,
    0xf525_7d15_2486_cc2c,
    0xfa83_b2db_722a_033a,
];

/// For each 64th of the octave: the first bound not below its start. A 64th is narrower than any bucket,
/// so at most that one bound lies inside, and one comparison settles it.
const FIRST_BOUND: [u8; 64] = {
    let mut table = [0u8; 64];
    let mut cell = 0;
    while cell < 64 {
        let start = (64 + cell as u64) << 57;
        let mut bound = 0;
        while bound < 32 && OCTAVE[bound] < start {
            bound += 1;
        }
        table[cell] = bound as u8;
        cell += 1;
    }
    table
};

/// The bucket of a latency above zero.
#[inline(always)]
pub const fn index(latency_us: u64) -> i16 {
    let latency_us = if latency_us == 0 { 1 } else { latency_us };
    let zeros = latency_us.leading_zeros();
    let mantissa = latency_us << zeros;
    let bound = FIRST_BOUND[(mantissa >> 57) as usize & 63] as usize;
    // past the octave's last bound comes the next power of two, which no mantissa exceeds
    let above = bound < 32 && OCTAVE[bound & 31] < mantissa;
    (63 - zeros as i16) * 32 + bound as i16 + above as i16 - 1
}

/// The largest latency of a bucket: `floor(2^((index + 1) / 32))`.
pub const fn upper_us(index: i16) -> u64 {
    let bound = if index < INDEX_MIN { 0 } else { (index as i32 + 1) as u32 };
    if bound / 32 > 63 {
        return u64::MAX;
    }
    OCTAVE[bound as usize % 32] >> (63 - bound / 32)
}

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
    buckets: Buckets,
}

impl Histogram {
    /// From counts by bucket, as [`Histogram::buckets`] gives them.
    ///
    /// The buckets must ascend from [`INDEX_MIN`]; zero counts are left out. The four totals are taken as they are.
    pub fn from_parts(
        (count, sum_us, min_us, max_us): (u64, u64, u64, u64),
        buckets: impl IntoIterator<Item = (i16, u64)>,
    ) -> Histogram {
        Histogram { count, sum_us, min_us, max_us, buckets: Buckets::of(buckets) }
    }

    /// Adds one latency. For tests and small counts: ingest counts in wider forms and packs once.
    pub fn record(&mut self, latency_us: u64) {
        let one = latency_us.min(SUM_MAX);
        let bucket = (one > 0).then(|| (index(one), 1));
        self.merge(&Histogram::from_parts((1, one, one, one), bucket));
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        self.count = add(self.count, other.count);
        self.sum_us = add(self.sum_us, other.sum_us);
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
        self.buckets.merge(&other.buckets);
    }

    /// Adds all of many others: they are unpacked once, not with every one that is added.
    pub fn merge_all<'a>(&mut self, others: impl IntoIterator<Item = &'a Histogram>) {
        let mut counts = Vec::with_capacity(COUNTS);
        count_into(&mut counts, self.buckets());
        for other in others.into_iter().filter(|other| other.count > 0) {
            self.min_us = if self.count == 0 { other.min_us } else { self.min_us.min(other.min_us) };
            self.max_us = self.max_us.max(other.max_us);
            self.count = add(self.count, other.count);
            self.sum_us = add(self.sum_us, other.sum_us);
            count_into(&mut counts, other.buckets());
        }
        self.buckets = Buckets::of((INDEX_MIN..=i16::MAX).zip(counts));
    }

    /// (bucket index, count), ascending, no zero counts.
    pub fn buckets(&self) -> impl Iterator<Item = (i16, u64)> + '_ {
        self.buckets.iter()
    }

    /// The latency that `num / den` of all latencies do not exceed (nearest rank): the upper bound of its
    /// bucket, no less than the smallest and no more than the largest seen. None when there is none.
    ///
    /// A quantile above 1 is taken for 1. `den` must not be 0.
    pub fn quantile(&self, num: u64, den: u64) -> Option<u64> {
        if self.count == 0 || den == 0 {
            return None;
        }
        let rank = (self.count as u128 * num.min(den) as u128).div_ceil(den as u128).max(1);
        let bucketed: u128 = self.buckets().map(|b| b.1 as u128).sum();
        let mut passed = (self.count as u128).saturating_sub(bucketed);
        if rank <= passed {
            return Some(0);
        }
        for (index, count) in self.buckets() {
            passed += count as u128;
            if rank <= passed {
                return Some(upper_us(index).clamp(self.min_us, self.max_us));
            }
        }
        Some(self.max_us)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.buckets.0.heap_bytes()
    }
}

/// Room for buckets up to half a minute; more is made as it is needed.
const COUNTS: usize = 800;

/// Adds to counts that have a place for each bucket from the lowest on.
fn count_into(counts: &mut Vec<u64>, buckets: impl Iterator<Item = (i16, u64)>) {
    for (index, count) in buckets {
        let at = usize::from(index.abs_diff(INDEX_MIN));
        if at >= counts.len() {
            counts.resize(at + 1, 0);
        }
        counts[at] = add(counts[at], count);
    }
}

/// Pairs of (step from the bucket before, count), the first step from the lowest bucket.
#[derive(Clone, PartialEq, Eq, Serialize, Default)]
struct Buckets(Packed);

impl Buckets {
    fn of(buckets: impl IntoIterator<Item = (i16, u64)>) -> Buckets {
        let mut writer = Writer::new(Vec::with_capacity(PACKED_BYTES));
        for (index, count) in buckets {
            writer.put(index, count);
        }
        Buckets(writer.out.into())
    }

    fn iter(&self) -> Reader<'_> {
        Reader { rest: self.0.bytes(), index: INDEX_MIN }
    }

    fn merge(&mut self, other: &Buckets) {
        if other.0.bytes().is_empty() {
            return;
        }
        // neither steps nor counts need more bytes together than apart
        let room = self.0.bytes().len() + other.0.bytes().len();
        let mut writer = Writer::new(Vec::with_capacity(room));
        let (mut left, mut right) = (self.iter(), other.iter());
        let (mut a, mut b) = (left.next(), right.next());
        loop {
            match (a, b) {
                (Some((i, n)), Some((j, m))) if i == j => {
                    writer.put(i, add(n, m));
                    (a, b) = (left.next(), right.next());
                }
                (Some((i, n)), other) if other.is_none_or(|(j, _)| i < j) => {
                    writer.put(i, n);
                    a = left.next();
                }
                (_, Some((j, m))) => {
                    writer.put(j, m);
                    b = right.next();
                }
                (_, None) => break,
            }
        }
        self.0 = writer.out.into();
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'de> Deserialize<'de> for Buckets {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Buckets, D::Error> {
        let buckets = Buckets(Packed::deserialize(deserializer)?);
        let mut reader = buckets.iter();
        let mut last = None;
        // anything else was never written here
        while !reader.rest.is_empty() {
            match reader.next() {
                Some((index, count)) if count > 0 && last.is_none_or(|last| last < index) => {
                    last = Some(index)
                }
                _ => return Err(serde::de::Error::custom("histogram buckets are not in their packed form")),
            }
        }
        Ok(buckets)
    }
}

/// Room for some fifty buckets; more is made as it is needed.
const PACKED_BYTES: usize = 128;

struct Writer {
    out: Vec<u8>,
    index: i16,
}

impl Writer {
    fn new(out: Vec<u8>) -> Writer {
        Writer { out, index: INDEX_MIN }
    }

    #[inline]
    fn put(&mut self, index: i16, count: u64) {
        debug_assert!(index >= self.index, "buckets ascend");
        if count == 0 || index < self.index {
            return;
        }
        let step = (index - self.index) as u64;
        self.index = index;
        if step < 0x80 && count < 0x80 {
            self.out.extend([step as u8, count as u8]);
        } else {
            put(&mut self.out, step);
            put(&mut self.out, count);
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    index: i16,
}

impl Iterator for Reader<'_> {
    type Item = (i16, u64);

    #[inline]
    fn next(&mut self) -> Option<(i16, u64)> {
        if let [step @ ..0x80, count @ ..0x80, rest @ ..] = self.rest {
            (self.rest, self.index) = (rest, self.index.checked_add(i16::from(*step))?);
            return Some((self.index, u64::from(*count)));
        }
        let step = take(&mut self.rest)?;
        let count = take(&mut self.rest)?;
        self.index = self.index.checked_add(i16::try_from(step).ok()?)?;
        Some((self.index, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    /// `base^32` against `2^bits`, exactly: squared five times in 64 words.
    fn compare_to_power(base: u128, bits: usize) -> Ordering {
        let mut limbs: Vec<u64> = vec![base as u64, (base >> 64) as u64];
        for _ in 0..5 {
            let mut square = vec![0u64; limbs.len() * 2];
            for (i, a) in limbs.iter().enumerate() {
                let mut carry = 0u128;
                for (j, b) in limbs.iter().enumerate() {
                    let wide = *a as u128 * *b as u128 + square[i + j] as u128 + carry;
                    square[i + j] = wide as u64;
                    carry = wide >> 64;
                }
                square[i + limbs.len()] = carry as u64;
            }
            limbs = square;
        }
        let mut power = vec![0u64; limbs.len()];
        power[bits / 64] = 1 << (bits % 64);
        limbs.iter().rev().cmp(power.iter().rev())
    }

    #[test]
    fn bounds_are_the_exact_floors() {
        for (j, bound) in OCTAVE.iter().enumerate() {
            let bits = 63 * 32 + j;
            assert_ne!(compare_to_power(*bound as u128, bits), Ordering::Greater, "{j} is too large");
            assert_eq!(compare_to_power(*bound as u128 + 1, bits), Ordering::Greater, "{j} is too small");
        }
    }

    #[test]
    fn every_bucket_begins_and_ends_where_it_should() {
        for i in INDEX_MIN..=INDEX_MAX {
            let (upper, before) = (upper_us(i), if i > INDEX_MIN { upper_us(i - 1) } else { 0 });
            if before < upper {
                assert_eq!(index(upper), i, "{upper} ends {i}");
                assert_eq!(index(before + 1), i, "{} begins {i}", before + 1);
            }
        }
        // powers of two end their bucket: 2^(i+1)/32 with whole exponents
        let cases =
            [(1, -1), (2, 31), (3, 50), (4, 63), (1000, 318), (1024, 319), (1025, 320), (SUM_MAX, INDEX_MAX)];
        for (latency, want) in cases {
            assert_eq!(index(latency), want, "{latency}");
        }
        assert_eq!(index(u64::MAX), 2047);
        assert_eq!(upper_us(2047), u64::MAX);
    }

    #[test]
    fn quantiles_are_nearest_rank() {
        let mut h = Histogram::default();
        assert_eq!(h.quantile(1, 2), None);
        for v in 1..=1000 {
            h.record(v * 1000);
        }
        for (num, den, exact) in
            [(1, 2, 500_000u64), (95, 100, 950_000), (99, 100, 990_000), (999, 1000, 999_000)]
        {
            let q = h.quantile(num, den).unwrap();
            assert!(q >= exact && (q - exact) * 1000 <= exact * 22, "{num}/{den}: {q}");
        }
        assert_eq!(h.quantile(1, 1), Some(1_000_000));
        assert_eq!(h.quantile(0, 1), Some(upper_us(index(1000))));
        let mut zeros = Histogram::default();
        [0, 0, 0, 7].iter().for_each(|v| zeros.record(*v));
        assert_eq!((zeros.count, zeros.sum_us, zeros.min_us, zeros.max_us), (4, 7, 0, 7));
        assert_eq!(zeros.quantile(3, 4), Some(0));
        assert_eq!(zeros.quantile(4, 4), Some(7));
        assert_eq!(zeros.buckets().collect::<Vec<_>>(), [(index(7), 1)]);
    }

    #[test]
    fn small_ones_need_no_heap_and_sums_stop_at_the_signed_limit() {
        assert_eq!(size_of::<Histogram>(), 56);
        let mut h = Histogram::default();
        [1, 90_000, 250_000, 1_000_000, u64::MAX].iter().for_each(|v| h.record(*v));
        assert_eq!(h.heap_bytes(), 0);
        assert_eq!((h.sum_us, h.max_us), (SUM_MAX, SUM_MAX));
    }

    #[test]
    fn bytes_that_were_never_written_are_refused() {
        for bad in
            [&[5u8][..], &[5, 0], &[0x80, 0x80, 4, 1], &[1, 1, 0x80], &[1, 1, 0, 1], &[0, 1, 2, 0, 1, 1]]
        {
            let wire = postcard::to_stdvec(&Packed::from(bad)).unwrap();
            assert!(postcard::from_bytes::<Buckets>(&wire).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_latency_lies_within_its_bucket(shift in 0u32..63, low in any::<u64>()) {
            let v = (low >> shift).clamp(1, SUM_MAX);
            let i = index(v);
            prop_assert!(v <= upper_us(i));
            prop_assert!(i == INDEX_MIN || upper_us(i - 1) < v);
        }

        #[test]
        fn merging_is_recording_in_any_order(a in prop::collection::vec(0u64..1 << 40, 0..80), b in prop::collection::vec(0u64..1 << 20, 0..80)) {
            let of = |vs: &[u64]| vs.iter().fold(Histogram::default(), |mut h, v| { h.record(*v); h });
            let (mut left, mut right) = (of(&a), of(&b));
            let all = of(&[b.clone(), a.clone()].concat());
            left.merge(&of(&b));
            right.merge(&of(&a));
            prop_assert_eq!(&left, &all);
            prop_assert_eq!(&right, &all);
            let mut at_once = of(&a[..a.len() / 2]);
            at_once.merge_all([&of(&b), &Histogram::default(), &of(&a[a.len() / 2..])]);
            prop_assert_eq!(&at_once, &all);
            let wire = postcard::to_stdvec(&all).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Histogram>(&wire).unwrap(), all);
        }
    }
}
