//! Good and bad by slice, exact, over the longest window: 128 slices a block, 16 blocks a group.
//!
//! Invariant: what was added to a slice is what is read of it, until the slice is dropped. The newest block is appended to;
//! older ones are coded ([`super::coded`]), and a group of them is one piece of memory, for a month of minutes of tens of
//! thousands of budgets has to fit. Where its blocks begin is each history's own, so that not all of them fill up, and are
//! coded, as the same slice closes.

use super::coded::{self, Block};
use super::packed::{self, BLOCK, Counts, Entries, Place, patched, push};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Blocks in a group.
const GROUP: i64 = 16;

/// Counts by slice number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct History {
    /// Blocks begin so many slices before the multiples of their length.
    shift: u8,
    /// Blocks that are no longer appended to, ascending; no group is empty.
    sealed: VecDeque<Group>,
    /// The newest block.
    open: Option<Open>,
    #[serde(skip)]
    marks: Marks,
}

/// Where readers that go from slice to slice stand, so that they do not read a block from its beginning each time. They are
/// neither kept nor compared: without them the same is read.
#[derive(Clone, Eq, Debug, Default)]
struct Marks(Box<[Mark]>);

impl PartialEq for Marks {
    fn eq(&self, _: &Marks) -> bool {
        true
    }
}

/// A reader's place, in the block whose number has these low bits: no two blocks of a history share them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Mark {
    block: u32,
    place: Place,
}

impl Marks {
    /// The reader's place if it can go on from there.
    fn place(&self, reader: usize, number: i64, index: u8) -> Place {
        let mark = self.0.get(reader).filter(|mark| mark.block == number as u32 && mark.place.index <= index);
        mark.map_or_else(Place::default, |mark| mark.place)
    }

    fn set(&mut self, reader: usize, number: i64, place: Place) {
        if self.0.len() <= reader {
            let mut marks = std::mem::take(&mut self.0).into_vec();
            marks.resize(reader + 1, Mark::default());
            self.0 = marks.into_boxed_slice();
        }
        self.0[reader] = Mark { block: number as u32, place };
    }

    /// A block has changed other than at its end.
    fn clear(&mut self) {
        self.0.fill(Mark::default());
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Group {
    number: i64,
    /// Where each block ends; one that holds nothing ends where it begins.
    ends: [u16; GROUP as usize],
    #[serde(with = "packed::bytes")]
    coded: Box<[u8]>,
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
    /// An empty one; `seed` says where its blocks begin.
    pub fn new(seed: u8) -> History {
        History { shift: seed % BLOCK as u8, ..History::default() }
    }

    /// Takes all out.
    pub fn take(&mut self) -> History {
        let empty = History::new(self.shift);
        std::mem::replace(self, empty)
    }

    /// The number of the block that the slice lies in, and its place there.
    fn at(&self, slice: i64) -> (i64, u8) {
        let shifted = slice.saturating_add(i64::from(self.shift));
        (shifted.div_euclid(BLOCK), shifted.rem_euclid(BLOCK) as u8)
    }

    /// The slice at a place in a block.
    fn slice(&self, number: i64, index: u8) -> i64 {
        number * BLOCK + i64::from(index) - i64::from(self.shift)
    }

    /// Adds to a slice.
    pub fn add(&mut self, slice: i64, counts: Counts) {
        if counts.is_none() {
            return;
        }
        let (number, index) = self.at(slice);
        match &mut self.open {
            Some(open) if open.number == number && index >= open.slices => open.append(index, counts),
            Some(open) if open.number == number => {
                open.packed = patched(&open.packed, index, counts);
                self.marks.clear();
            }
            Some(open) if open.number > number => self.patch(number, index, counts),
            _ => {
                self.marks.clear();
                let mut open = Open { number, slices: 0, packed: Vec::new() };
                open.append(index, counts);
                if let Some(full) = self.open.replace(open) {
                    let mut slices = [Counts::NONE; BLOCK as usize];
                    Entries::of(&full.packed).for_each(|(at, counts)| slices[usize::from(at)] = counts);
                    self.put(full.number, &coded::encode(&slices));
                }
            }
        }
    }

    /// The counts of a slice.
    pub fn get(&self, slice: i64) -> Counts {
        let (number, index) = self.at(slice);
        match &self.open {
            Some(open) if open.number == number && index >= open.slices => Counts::NONE,
            _ => self.block_from(number, Place::default()).find(index).0,
        }
    }

    /// The same for a reader that goes on from slice to slice: it reads no block twice. Readers are numbered from 0.
    pub fn read(&mut self, reader: usize, slice: i64) -> Counts {
        let (number, index) = self.at(slice);
        let place = self.marks.place(reader, number, index);
        let (counts, next) = self.block_from(number, place).find(index);
        self.marks.set(reader, number, next);
        counts
    }

    fn block_from(&self, number: i64, place: Place) -> Block<'_> {
        match &self.open {
            Some(open) if open.number == number => Block::Plain(Entries::from(&open.packed, place)),
            _ => Block::from(self.block(number), place),
        }
    }

    /// All slices from this one on that hold something, ascending.
    pub fn iter_from(&self, slice: i64) -> impl Iterator<Item = (i64, Counts)> + '_ {
        let first = self.at(slice).0;
        let groups = self.sealed.partition_point(|group| group.number < first.div_euclid(GROUP));
        let sealed = self.sealed.range(groups..).flat_map(move |group| {
            let blocks = (0..GROUP).map(|at| (group.number * GROUP + at, at as usize));
            blocks.filter(move |(number, _)| *number >= first).flat_map(move |(number, at)| {
                Block::of(group.block(at)).map(move |(index, counts)| (self.slice(number, index), counts))
            })
        });
        let open = self.open.iter().flat_map(|open| {
            Entries::of(&open.packed).map(|(index, counts)| (self.slice(open.number, index), counts))
        });
        sealed.chain(open).skip_while(move |(at, _)| *at < slice)
    }

    /// The first slice from this one on that holds something.
    pub fn first_from(&self, slice: i64) -> Option<i64> {
        self.iter_from(slice).next().map(|(at, _)| at)
    }

    /// Forgets the blocks that lie wholly before the slice.
    pub fn drop_before(&mut self, slice: i64) {
        let number = self.at(slice).0;
        while self.sealed.front().is_some_and(|group| (group.number + 1) * GROUP <= number) {
            self.sealed.pop_front();
        }
        if let Some(group) = self.sealed.front_mut() {
            group.drop_blocks(number - group.number * GROUP);
            if group.coded.is_empty() {
                self.sealed.pop_front();
            }
        }
        if self.open.as_ref().is_some_and(|o| o.number < number) {
            self.open = None;
            self.marks.clear();
        }
    }

    /// Bytes that the packed blocks take.
    pub fn bytes(&self) -> usize {
        let sealed = self.sealed.iter().map(|g| g.coded.len() + size_of::<Group>()).sum::<usize>();
        sealed + self.open.as_ref().map_or(0, |o| o.packed.capacity()) + size_of_val(&*self.marks.0)
    }

    /// A block that is no longer appended to; without bytes if there is none.
    fn block(&self, number: i64) -> &[u8] {
        self.place(number.div_euclid(GROUP))
            .map_or(&[], |i| self.sealed[i].block(number.rem_euclid(GROUP) as usize))
    }

    /// Where the group is, or belongs. Without a pause longer than a group, as many are before it as its number says: a search
    /// would look at several that are in no cache.
    fn place(&self, number: i64) -> Result<usize, usize> {
        let first = self.sealed.front().map_or(number, |group| group.number);
        let likely = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        if self.sealed.get(likely).is_some_and(|group| group.number == number) {
            return Ok(likely);
        }
        self.sealed.binary_search_by_key(&number, |group| group.number)
    }

    /// Puts a block in the place that it has among the sealed ones.
    fn put(&mut self, number: i64, block: &[u8]) {
        let of = number.div_euclid(GROUP);
        let i = match self.place(of) {
            Ok(i) => i,
            Err(i) => {
                let group = Group { number: of, ends: [0; GROUP as usize], coded: Box::default() };
                if self.sealed.len() == self.sealed.capacity() {
                    self.sealed.reserve_exact(2); // a month is two dozen: doubling would waste a third
                }
                self.sealed.insert(i, group);
                i
            }
        };
        self.sealed[i].put(number.rem_euclid(GROUP) as usize, block);
    }

    /// Adds to a slice of a block that is sealed, or that never was.
    fn patch(&mut self, number: i64, index: u8, counts: Counts) {
        let mut slices = coded::decode(self.block(number));
        slices[usize::from(index)].add(counts);
        self.put(number, &coded::encode(&slices));
        self.marks.clear();
    }
}

impl Group {
    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| usize::from(self.ends[before]))
    }

    fn block(&self, at: usize) -> &[u8] {
        self.coded.get(self.start(at)..usize::from(self.ends[at])).unwrap_or_default()
    }

    /// Puts other bytes in place of a block. So many blocks of any counts are less than 2^16 bytes.
    fn put(&mut self, at: usize, block: &[u8]) {
        let (start, end) = (self.start(at), usize::from(self.ends[at]));
        let mut coded = Vec::with_capacity(self.coded.len() + block.len() - (end - start));
        coded.extend_from_slice(&self.coded[..start]);
        coded.extend_from_slice(block);
        coded.extend_from_slice(&self.coded[end..]);
        self.coded = coded.into_boxed_slice();
        let moved = |place: &mut u16| *place = (usize::from(*place) + block.len() - (end - start)) as u16;
        self.ends[at..].iter_mut().for_each(moved);
    }

    /// Forgets its first blocks.
    fn drop_blocks(&mut self, count: i64) {
        let Some(last) = usize::try_from(count).ok().and_then(|count| count.checked_sub(1)) else { return };
        let dropped = self.ends[last.min(GROUP as usize - 1)];
        if dropped > 0 {
            self.coded = self.coded[usize::from(dropped)..].into();
            self.ends.iter_mut().for_each(|end| *end = end.saturating_sub(dropped));
        }
    }
}

impl Open {
    /// Adds a slice behind all that it has.
    fn append(&mut self, index: u8, counts: Counts) {
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
        for slice in 0..BLOCK {
            history.add(slice, Counts { good: 8191, bad: 0 });
        }
        assert_eq!(history.open.as_ref().unwrap().packed.len(), 256);
        history.add(10_000 * BLOCK, Counts { good: 0, bad: 1 });
        assert_eq!(history.open.as_ref().unwrap().packed, [1, 1]);
        assert_eq!(history.sealed.len(), 1);
        assert_eq!(history.iter_from(BLOCK).next(), Some((10_000 * BLOCK, Counts { good: 0, bad: 1 })));
    }

    #[test]
    fn dropped_blocks_are_gone() {
        let mut history = History::default();
        for slice in [0, BLOCK, 2 * BLOCK] {
            history.add(slice, Counts { good: 1, bad: 0 });
        }
        history.drop_before(2 * BLOCK - 1);
        assert_eq!(history.get(0), Counts::NONE);
        assert_eq!(history.get(BLOCK).good, 1);
        history.drop_before(1000);
        assert_eq!(history, History::default());
    }

    proptest! {
        #[test]
        fn reads_what_was_added(seed: u8, adds in prop::collection::vec(
            (-100i64..400, prop_oneof![0u64..3, 0u64..100_000, Just(1 << 60)], prop_oneof![Just(0u64), 0u64..1000]), 0..200)) {
            let (mut history, mut naive) = (History::new(seed), BTreeMap::<i64, Counts>::new());
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

        #[test]
        fn readers_that_go_on_read_what_was_added(seed: u8, steps in prop::collection::vec(
            (0i64..40, 0u64..300, 0u64..3, prop_oneof![4 => Just(None), 1 => (0i64..250).prop_map(Some)]), 0..400)) {
            // time goes on by 0 to 3 slices a step, some counts come late; two readers follow at their own distance
            let (mut history, mut naive, mut now) = (History::new(seed), BTreeMap::<i64, Counts>::new(), 0);
            for (forward, good, bad, late) in steps {
                now += forward / 10;
                for slice in [Some(now), late.map(|late| now - late)].into_iter().flatten() {
                    history.add(slice, Counts { good, bad });
                    naive.entry(slice).or_default().add(Counts { good, bad });
                }
                for (reader, behind) in [0, 70, 3].into_iter().enumerate() {
                    let want = naive.get(&(now - behind)).copied().unwrap_or_default();
                    prop_assert_eq!(history.read(reader, now - behind), want);
                }
                if forward == 39 {
                    history.drop_before(now - 200);
                    let (number, _) = history.at(now - 200);
                    naive = naive.split_off(&history.slice(number, 0));
                }
            }
        }
    }
}
