//! How many records repeat another: an estimate that any split and order of the input gives alike, and a
//! filter of the latest.
//!
//! A repeat has the request id and the time of another record. Shippers that send a line again make such;
//! requests that share a trace id do not, as their times differ.
//!
//! The estimate is adaptive sampling (P. Flajolet, "On adaptive sampling", Computing 43, 1990) with counts:
//! of all ids those whose hash ends with at least `level` zero bits are counted exactly, where the level is the
//! lowest at which no more than [`IDS_MAX`] distinct ids remain. It is exact up to that many distinct ids;
//! beyond, the standard error of an estimate of D repeats is about `sqrt(2^level × D)`: with a million ids and
//! 1 % of them sent twice, about a third of the estimate for one slice, and about a twentieth for forty.
//!
//! Invariant: a sample is a function of the ids that it was made of, whatever their order and however they
//! were split. The level of a part is never above the level of the whole, so no part has lost what the whole keeps.

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Most distinct ids that a sample keeps.
pub const IDS_MAX: usize = 1024;

/// The hash of a record's id and time: the same on every machine.
#[inline]
pub fn identity(request_id: &[u8], time_us: i64) -> u64 {
    xxh3_64_with_seed(request_id, time_us.cast_unsigned())
}

/// Ids of one partition and slice, sampled; packed for the journal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct IdSample {
    level: u32,
    /// Hash and how often it came, ascending.
    ids: Vec<(u64, u32)>,
}

impl IdSample {
    /// Adds another.
    pub fn merge(&mut self, other: &IdSample) {
        self.level = self.level.max(other.level);
        let mut all = HashMap::with_capacity(self.ids.len() + other.ids.len());
        for (hash, count) in
            self.ids.iter().chain(&other.ids).filter(|(hash, _)| qualifies(*hash, self.level))
        {
            let sum: &mut u32 = all.entry(*hash).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.level = thin(&mut all, self.level);
        self.ids = all.into_iter().collect();
        self.ids.sort_unstable();
    }

    /// Estimate of the records that repeat another: exact where no id had to be left out.
    pub fn repeats(&self) -> u64 {
        let sampled: u64 = self.ids.iter().map(|(_, count)| u64::from(*count) - 1).sum();
        sampled.saturating_mul(1 << self.level.min(63))
    }

    /// How many ids it holds.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

#[inline(always)]
fn qualifies(hash: u64, level: u32) -> bool {
    hash.trailing_zeros() >= level
}

/// Raises the level until few enough ids are left.
fn thin(ids: &mut HashMap<u64, u32>, mut level: u32) -> u32 {
    while ids.len() > IDS_MAX {
        level += 1;
        ids.retain(|hash, _| qualifies(*hash, level));
    }
    level
}

/// A sample while it is being counted. Keeps its room.
#[derive(Debug, Default)]
pub struct Sampler {
    level: u32,
    ids: HashMap<u64, u32>,
}

impl Sampler {
    /// Counts one id.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        if !qualifies(hash, self.level) {
            return;
        }
        let count = self.ids.entry(hash).or_default();
        *count = count.saturating_add(1);
        if self.ids.len() > IDS_MAX {
            self.level = thin(&mut self.ids, self.level);
        }
    }

    /// How many ids it holds.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Hands the sample out and starts over.
    pub fn take(&mut self) -> IdSample {
        let mut ids: Vec<(u64, u32)> = self.ids.drain().collect();
        ids.sort_unstable();
        IdSample { level: std::mem::take(&mut self.level), ids }
    }
}

/// The latest ids of a partition: at least half of the limit, at most all of it.
#[derive(Debug)]
pub struct Window {
    recent: HashSet<u64>,
    /// Those before; full.
    older: HashSet<u64>,
    half: usize,
}

impl Window {
    /// An empty window of so many ids.
    pub fn new(ids_max: u32) -> Window {
        Window { recent: HashSet::new(), older: HashSet::new(), half: (ids_max as usize / 2).max(1) }
    }

    /// Whether the id is one of the latest; it is from now on.
    pub fn repeats(&mut self, hash: u64) -> bool {
        if self.older.contains(&hash) || !self.recent.insert(hash) {
            return true;
        }
        if self.recent.len() >= self.half {
            std::mem::swap(&mut self.recent, &mut self.older);
            self.recent.clear();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(ids: impl IntoIterator<Item = u64>) -> IdSample {
        let mut sampler = Sampler::default();
        ids.into_iter().for_each(|id| sampler.add(identity(&id.to_le_bytes(), 7)));
        sampler.take()
    }

    #[test]
    fn few_ids_are_counted_exactly() {
        let few = sample((0..IDS_MAX as u64).chain(0..100).chain(50..60));
        assert_eq!((few.repeats(), few.len()), (110, IDS_MAX));
        assert_eq!(sample([]).repeats(), 0);
        assert_ne!(identity(b"a", 1), identity(b"a", 2), "one trace id at two times is no repeat");
    }

    #[test]
    fn many_ids_are_estimated_within_the_error_said() {
        let (ids, repeats) = (200_000u64, 20_000u64);
        let many = sample((0..ids).chain(0..repeats));
        assert!(many.len() <= IDS_MAX && many.len() > IDS_MAX / 3, "{}", many.len());
        let error = ((repeats << many.level) as f64).sqrt();
        let off = many.repeats().abs_diff(repeats) as f64;
        assert!(off <= 3.0 * error, "{} of {repeats}, error {error}", many.repeats());
        assert_eq!(sample(0..ids).repeats(), 0, "without repeats the estimate is 0, not about 0");
    }

    #[test]
    fn a_sampler_starts_over_and_keeps_its_room() {
        let mut sampler = Sampler::default();
        (0..5_000u64).for_each(|id| sampler.add(identity(&id.to_le_bytes(), 0)));
        assert!(sampler.take().level > 0);
        sampler.add(identity(b"x", 0));
        assert_eq!(sampler.take(), {
            let mut s = Sampler::default();
            s.add(identity(b"x", 0));
            s.take()
        });
        assert!(sampler.ids.capacity() > IDS_MAX);
    }

    #[test]
    fn a_window_forgets_the_oldest() {
        let mut window = Window::new(10);
        for id in 0..100 {
            assert!(!window.repeats(id), "{id}");
            assert!((id.saturating_sub(4)..=id).all(|id| window.repeats(id)), "{id} and the four before");
            assert!(window.recent.len() + window.older.len() <= 10);
        }
        assert!(!window.repeats(0));
    }

    proptest! {
        #[test]
        fn any_split_and_any_order_give_the_same_sample(
            ids in prop::collection::vec(0u64..6_000, 0..9_000),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let whole = sample(ids.iter().copied());
            let mut at: Vec<usize> = cuts.iter().map(|c| c.index(ids.len() + 1)).collect();
            at.extend([0, ids.len()]);
            at.sort_unstable();
            let parts: Vec<IdSample> = at.windows(2).map(|w| sample(ids[w[0]..w[1]].iter().rev().copied())).collect();
            let mut forward = IdSample::default();
            parts.iter().for_each(|part| forward.merge(part));
            let mut backward = IdSample::default();
            parts.iter().rev().for_each(|part| backward.merge(part));
            prop_assert_eq!(&forward, &whole);
            prop_assert_eq!(&backward, &whole);
            if let [a, b, rest @ ..] = &parts[..] {
                // grouped the other way
                let (mut left, mut right) = (b.clone(), IdSample::default());
                rest.iter().for_each(|part| left.merge(part));
                right.merge(a);
                right.merge(&left);
                prop_assert_eq!(&right, &whole);
            }
            let wire = postcard::to_stdvec(&whole).unwrap();
            prop_assert_eq!(postcard::from_bytes::<IdSample>(&wire).unwrap(), whole);
        }
    }
}
