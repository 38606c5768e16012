//! Good and bad by slice, exact, over the longest window: 64 slices a block, packed.
//!
//! Invariant: what was added to a slice is what is read of it, until the slice is dropped; an empty slice
//! costs at most part of a byte, an empty block nothing.

use super::packed::{self, BLOCK, Counts, Entries, patched, push};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Counts by slice number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct History {
    /// Blocks that are no longer appended to, ascending, none empty.
    sealed: VecDeque<Block>,
    /// The newest block.
    open: Option<Open>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Block {
    number: i64,
    #[serde(with = "packed::bytes")]
    packed: Box<[u8]>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Open {
    number: i64,
    /// How many slices the entries stand for.
    slices: u8,
    #[serde(with = "packed::bytes")]
    packed: Vec<u8>,
}

impl History {
    /// Adds to a slice.
    pub fn add(&mut self, slice: i64, counts: Counts) {
        if counts.is_none() {
            return;
        }
        let (number, index) = (slice.div_euclid(BLOCK), slice.rem_euclid(BLOCK) as u8);
        match &mut self.open {
            Some(open) if open.number == number => open.add(index, counts),
            Some(open) if open.number > number => self.patch(number, index, counts),
            _ => {
                if let Some(Open { number, packed, .. }) = self.open.take() {
                    self.sealed.push_back(Block { number, packed: packed.into_boxed_slice() });
                }
                let mut open = Open { number, slices: 0, packed: Vec::new() };
                open.add(index, counts);
                self.open = Some(open);
            }
        }
    }

    /// The counts of a slice.
    pub fn get(&self, slice: i64) -> Counts {
        let (number, index) = (slice.div_euclid(BLOCK), slice.rem_euclid(BLOCK) as u8);
        let packed = match &self.open {
            Some(open) if open.number == number => &open.packed[..],
            _ => match self.sealed.binary_search_by_key(&number, |b| b.number) {
                Ok(i) => &self.sealed[i].packed[..],
                Err(_) => return Counts::NONE,
            },
        };
        Entries::of(packed)
            .find(|(at, _)| *at >= index)
            .filter(|(at, _)| *at == index)
            .map_or(Counts::NONE, |e| e.1)
    }

    /// All slices from this one on that hold something, ascending.
    pub fn iter_from(&self, slice: i64) -> impl Iterator<Item = (i64, Counts)> + '_ {
        let first = self.sealed.partition_point(|b| b.number < slice.div_euclid(BLOCK));
        let sealed = self.sealed.range(first..).map(|b| (b.number, &b.packed[..]));
        sealed
            .chain(self.open.iter().map(|o| (o.number, &o.packed[..])))
            .flat_map(|(number, packed)| {
                Entries::of(packed).map(move |(index, counts)| (number * BLOCK + index as i64, counts))
            })
            .skip_while(move |(at, _)| *at < slice)
    }

    /// The first slice from this one on that holds something.
    pub fn first_from(&self, slice: i64) -> Option<i64> {
        self.iter_from(slice).next().map(|(at, _)| at)
    }

    /// Forgets the blocks that lie wholly before the slice.
    pub fn drop_before(&mut self, slice: i64) {
        let number = slice.div_euclid(BLOCK);
        while self.sealed.front().is_some_and(|b| b.number < number) {
            self.sealed.pop_front();
        }
        if self.open.as_ref().is_some_and(|o| o.number < number) {
            self.open = None;
        }
    }

    /// Bytes that the packed blocks take.
    pub fn bytes(&self) -> usize {
        let sealed = self.sealed.iter().map(|b| b.packed.len() + size_of::<Block>()).sum::<usize>();
        sealed + self.open.as_ref().map_or(0, |o| o.packed.capacity())
    }

    /// Adds to a slice of a block that is sealed, or that never was.
    fn patch(&mut self, number: i64, index: u8, counts: Counts) {
        match self.sealed.binary_search_by_key(&number, |b| b.number) {
            Ok(i) => {
                let packed = &mut self.sealed[i].packed;
                *packed = patched(packed, index, counts).into_boxed_slice();
            }
            Err(i) => {
                let packed = patched(&[], index, counts).into_boxed_slice();
                self.sealed.insert(i, Block { number, packed });
            }
        }
    }
}

impl Open {
    fn add(&mut self, index: u8, counts: Counts) {
        if index < self.slices {
            self.packed = patched(&self.packed, index, counts);
            return;
        }
        push(&mut self.packed, index - self.slices, counts);
        self.slices = index + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_busy_slice_takes_two_bytes() {
        let mut history = History::default();
        for slice in 0..64 {
            history.add(slice, Counts { good: 8191, bad: 0 });
        }
        assert_eq!(history.open.as_ref().unwrap().packed.len(), 128);
        history.add(1_000_000, Counts { good: 0, bad: 1 });
        assert_eq!(history.open.as_ref().unwrap().packed, [1, 1]);
        assert_eq!(history.sealed.len(), 1);
        assert_eq!(history.iter_from(64).next(), Some((1_000_000, Counts { good: 0, bad: 1 })));
    }

    #[test]
    fn dropped_blocks_are_gone() {
        let mut history = History::default();
        for slice in [0, 64, 128] {
            history.add(slice, Counts { good: 1, bad: 0 });
        }
        history.drop_before(127);
        assert_eq!(history.get(0), Counts::NONE);
        assert_eq!(history.get(64).good, 1);
        history.drop_before(1000);
        assert_eq!(history, History::default());
    }

    proptest! {
        #[test]
        fn reads_what_was_added(adds in prop::collection::vec(
            (-100i64..400, prop_oneof![0u64..3, 0u64..100_000, Just(1 << 60)], prop_oneof![Just(0u64), 0u64..1000]), 0..200)) {
            let (mut history, mut naive) = (History::default(), BTreeMap::<i64, Counts>::new());
            for (slice, good, bad) in adds {
                // far below 2^63, as counts are
                let counts = Counts { good: if naive.contains_key(&slice) { good >> 8 } else { good }, bad };
                history.add(slice, counts);
                if !counts.is_none() {
                    naive.entry(slice).or_default().add(counts);
                }
            }
            for slice in -128..450 {
                prop_assert_eq!(history.get(slice), naive.get(&slice).copied().unwrap_or_default());
            }
            for from in [-200, -1, 0, 63, 64, 200, 500] {
                let got: Vec<_> = history.iter_from(from).collect();
                let want: Vec<_> = naive.range(from..).map(|(s, c)| (*s, *c)).collect();
                prop_assert_eq!(got, want);
            }
        }
    }
}
