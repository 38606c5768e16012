//! Good and bad by slice, exact, over the longest window: 128 slices a block, some kilobytes of blocks a group.
//!
//! Invariant: what was added to a slice is what is read of it, until the slice is dropped. The newest block is appended to;
//! older ones are coded ([`super::coded`]), and a group of them is one piece of memory, for a month of minutes of tens of
//! thousands of budgets has to fit. Where its blocks begin is each history's own, so that not all of them fill up, and are
//! coded, as the same slice closes.

use super::coded::{self, Block};
use super::packed::{self, BLOCK, Counts, Entries, Place, patched, push};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The most blocks from the first to the last of a group.
const GROUP: i64 = 32;
/// A group is appended to up to so many bytes: allocators have a size of theirs for it, and little of it stays unused.
const GROUP_BYTES: usize = 3584;
/// So large it may become by what comes late.
const GROUP_BYTES_MAX: usize = 2 * GROUP_BYTES;

/// Counts by slice number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct History {
    /// Blocks begin so many slices before the multiples of their length.
    shift: u8,
    /// Blocks that are no longer appended to, ascending; no group is empty, and none holds a block from the next one's first on.
    sealed: VecDeque<Group>,
    /// The newest block.
    open: Option<Open>,
    #[serde(skip)]
    marks: Marks,
}

/// So many slices are read at once: a block is seldom in any cache.
const AHEAD: usize = 6;

/// Where readers that go from slice to slice stand, and what they come to next, so that they neither look for a block nor read it
/// from its beginning each time; and what was forgotten last. They are neither kept nor compared: without them the same is read.
#[derive(Clone, Eq, Debug, Default)]
struct Marks {
    readers: Box<[Mark]>,
    /// No block before this one is there.
    kept: Option<i64>,
}

impl PartialEq for Marks {
    fn eq(&self, _: &Marks) -> bool {
        true
    }
}

/// A place in the block whose number has these low bits: no two blocks of a history share them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mark {
    block: u32,
    /// Index of its group, and where it lies there; all 0 for the open block.
    group: u16,
    start: u16,
    end: u16,
    place: Place,
    /// Good and bad of the slices from `first` on that were read ahead; large ones are not.
    ahead: [(u16, u16); AHEAD],
    first: u8,
    count: u8,
}

impl Mark {
    /// Behind every slice.
    const NONE: Mark = Mark::new(0, (0, 0, 0), Place { index: u8::MAX, next: 0, at: 0 });

    const fn new(block: u32, (group, start, end): (u16, u16, u16), place: Place) -> Mark {
        Mark { block, group, start, end, place, ahead: [(0, 0); AHEAD], first: 0, count: 0 }
    }

    /// What was read ahead of a slice of its block.
    fn ahead(&self, index: u8) -> Option<Counts> {
        let at = index.checked_sub(self.first).filter(|at| *at < self.count)?;
        let (good, bad) = self.ahead[usize::from(at)];
        Some(Counts { good: good.into(), bad: bad.into() })
    }
}

impl Marks {
    /// The reader's mark in the block.
    fn get(&self, reader: usize, number: i64) -> Option<&Mark> {
        self.readers.get(reader).filter(|mark| mark.block == number as u32)
    }

    fn set(&mut self, reader: usize, mark: Mark) {
        if self.readers.len() <= reader {
            let mut marks = std::mem::take(&mut self.readers).into_vec();
            marks.resize(reader + 1, Mark::NONE);
            self.readers = marks.into_boxed_slice();
        }
        self.readers[reader] = mark;
    }

    /// Blocks have moved, or have changed other than at their ends.
    fn clear(&mut self) {
        self.readers.fill(Mark::NONE);
        self.kept = None;
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Group {
    /// Number of its first block.
    first: i64,
    /// Where each block ends, from that one on; one that holds nothing ends where it begins.
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
            _ => self.begin(number).map_or(Counts::NONE, |mark| self.counts(&mark, index)),
        }
    }

    /// The same for a reader that goes on from slice to slice: it reads no block twice. Readers are numbered from 0.
    pub fn read(&mut self, reader: usize, slice: i64) -> Counts {
        let (number, index) = self.at(slice);
        let mark = self.marks.get(reader, number);
        if let Some(counts) = mark.and_then(|mark| mark.ahead(index)) {
            return counts;
        }
        let mark = mark.filter(|mark| mark.place.index <= index).copied().or_else(|| self.begin(number));
        let Some(mut mark) = mark else { return Counts::NONE };
        // the open block is still appended to
        let open = self.open.as_ref().filter(|open| open.number == number);
        let known = usize::from(open.map_or(BLOCK as u8, |open| open.slices).saturating_sub(index));
        let mut counts = [Counts::NONE; 1 + AHEAD];
        let room = &mut counts[..known.clamp(1, 1 + AHEAD)];
        (mark.place, mark.first, mark.count) = (self.block_from(&mark).fill(index, room), index + 1, 0);
        for (ahead, counts) in mark.ahead.iter_mut().zip(&room[1..]) {
            let (Ok(good), Ok(bad)) = (counts.good.try_into(), counts.bad.try_into()) else { break };
            *ahead = (good, bad);
            mark.count += 1;
        }
        self.marks.set(reader, mark);
        counts[0]
    }

    fn is_open(&self, number: i64) -> bool {
        self.open.as_ref().is_some_and(|open| open.number == number)
    }

    /// Where the block begins, if there is one.
    fn begin(&self, number: i64) -> Option<Mark> {
        let (block, place) = (number as u32, Place::default());
        if self.is_open(number) {
            return Some(Mark::new(block, (0, 0, 0), place));
        }
        let i = self.group(number)?;
        let (start, end) = self.sealed[i].bounds((number - self.sealed[i].first) as usize);
        Some(Mark::new(block, (i as u16, start as u16, end as u16), place))
    }

    /// The rest of a block.
    fn block_from(&self, mark: &Mark) -> Block<'_> {
        match &self.open {
            Some(open) if open.number as u32 == mark.block => {
                Block::Plain(Entries::from(&open.packed, mark.place))
            }
            _ => {
                let group = &self.sealed[usize::from(mark.group)];
                Block::from(&group.coded[usize::from(mark.start)..usize::from(mark.end)], mark.place)
            }
        }
    }

    /// Those of one slice of the block.
    fn counts(&self, mark: &Mark, index: u8) -> Counts {
        let mut counts = [Counts::NONE];
        self.block_from(mark).fill(index, &mut counts);
        counts[0]
    }

    /// All slices from this one on that hold something, ascending.
    pub fn iter_from(&self, slice: i64) -> impl Iterator<Item = (i64, Counts)> + '_ {
        let first = self.at(slice).0;
        let groups = self.sealed.partition_point(|group| group.first + GROUP <= first);
        let sealed = self.sealed.range(groups..).flat_map(move |group| {
            let blocks = (0..GROUP).map(|at| (group.first + at, at as usize));
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
        if self.marks.kept.is_some_and(|kept| number <= kept) {
            return;
        }
        while let Some(front) = self.sealed.front_mut().filter(|front| front.first < number) {
            let dropped = front.drop_blocks((number - front.first).min(GROUP) as usize);
            let is_empty = front.coded.is_empty();
            if is_empty {
                self.sealed.pop_front();
            }
            if dropped {
                self.marks.clear();
            }
            if !is_empty {
                break;
            }
        }
        if self.open.as_ref().is_some_and(|o| o.number < number) {
            self.open = None;
            self.marks.clear();
        }
        self.marks.kept = Some(number);
    }

    /// Bytes that the packed blocks take.
    pub fn bytes(&self) -> usize {
        let sealed = self.sealed.iter().map(|g| g.coded.len() + size_of::<Group>()).sum::<usize>();
        sealed + self.open.as_ref().map_or(0, |o| o.packed.capacity()) + size_of_val(&*self.marks.readers)
    }

    /// Index of the group that the block is in, or would be.
    fn group(&self, number: i64) -> Option<usize> {
        let i = self.sealed.partition_point(|group| group.first <= number).checked_sub(1)?;
        (number < self.sealed[i].first + GROUP).then_some(i)
    }

    /// Puts a block in the place that it has among the sealed ones.
    fn put(&mut self, number: i64, block: &[u8]) {
        if let Some(i) = self.group(number) {
            let group = &mut self.sealed[i];
            let at = (number - group.first) as usize;
            let (start, end) = group.bounds(at);
            let is_last = start == group.coded.len();
            let max = if is_last { GROUP_BYTES } else { GROUP_BYTES_MAX };
            if start == 0 || group.coded.len() - (end - start) + block.len() <= max {
                group.put(at, block);
                return;
            }
            let rest = group.split_off(at);
            if !is_last {
                self.insert(i + 1, rest);
                self.sealed[i + 1].put(0, block);
                return;
            }
        }
        let i = self.sealed.partition_point(|group| group.first < number);
        self.insert(i, Group { first: number, ends: [0; GROUP as usize], coded: Box::default() });
        self.sealed[i].put(0, block);
    }

    fn insert(&mut self, i: usize, group: Group) {
        if self.sealed.len() == self.sealed.capacity() {
            self.sealed.reserve_exact(2); // a month is one or two dozen: doubling would waste a third
        }
        self.sealed.insert(i, group);
    }

    /// Adds to a slice of a block that is sealed, or that never was.
    fn patch(&mut self, number: i64, index: u8, counts: Counts) {
        let block = self.group(number).map(|i| &self.sealed[i]);
        let block = block.map_or(&[][..], |group| group.block((number - group.first) as usize));
        let mut slices = coded::decode(block);
        slices[usize::from(index)].add(counts);
        self.put(number, &coded::encode(&slices));
        self.marks.clear();
    }
}

impl Group {
    /// Where a block begins and ends.
    fn bounds(&self, at: usize) -> (usize, usize) {
        let start = at.checked_sub(1).map_or(0, |before| usize::from(self.ends[before]));
        (start, usize::from(self.ends[at]))
    }

    fn block(&self, at: usize) -> &[u8] {
        let (start, end) = self.bounds(at);
        &self.coded[start..end]
    }

    /// Puts other bytes in place of a block. [`GROUP_BYTES_MAX`] and a block of any counts are less than 2^16 bytes.
    fn put(&mut self, at: usize, block: &[u8]) {
        let (start, end) = self.bounds(at);
        let mut coded = Vec::with_capacity(self.coded.len() + block.len() - (end - start));
        coded.extend_from_slice(&self.coded[..start]);
        coded.extend_from_slice(block);
        coded.extend_from_slice(&self.coded[end..]);
        self.coded = coded.into_boxed_slice();
        let moved = |place: &mut u16| *place = (usize::from(*place) + block.len() - (end - start)) as u16;
        self.ends[at..].iter_mut().for_each(moved);
    }

    /// Takes the blocks from this one on out of it.
    fn split_off(&mut self, at: usize) -> Group {
        let (start, _) = self.bounds(at);
        let mut rest =
            Group { first: self.first + at as i64, ends: self.ends, coded: self.coded[start..].into() };
        rest.ends.rotate_left(at);
        let whole = rest.coded.len() as u16;
        let (own, behind) = rest.ends.split_at_mut(GROUP as usize - at);
        own.iter_mut().for_each(|end| *end -= start as u16);
        behind.fill(whole);
        self.coded = self.coded[..start].into();
        self.ends[at..].fill(start as u16);
        rest
    }

    /// Forgets its first blocks; whether there was anything in them.
    fn drop_blocks(&mut self, count: usize) -> bool {
        let (_, dropped) = self.bounds(count - 1);
        if dropped > 0 {
            self.coded = self.coded[dropped..].into();
            self.ends.iter_mut().for_each(|end| *end = end.saturating_sub(dropped as u16));
        }
        dropped > 0
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

        #[test]
        fn groups_fill_up_and_part(
            seed: u8,
            slices in 1i64..6_000,
            late in prop::collection::vec((0i64..6_000, prop_oneof![1 => Just(1u64), 3 => any::<u64>().prop_map(|n| n >> 2)]), 0..200),
            dropped in 0i64..5_000,
        ) {
            let (mut history, mut naive) = (History::new(seed), BTreeMap::<i64, Counts>::new());
            let mut add = |history: &mut History, slice: i64, good: u64| {
                let counts = Counts { good, bad: good & 1 };
                history.add(slice, counts);
                naive.entry(slice).or_default().add(counts);
            };
            for slice in 0..slices {
                // half of them wide, so that a group holds some blocks only
                add(&mut history, slice, (slice as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> if slice % 2048 < 1024 { 34 } else { 60 });
            }
            late.into_iter().for_each(|(slice, good)| add(&mut history, slice.min(slices), good >> 8));
            history.drop_before(dropped);
            for pair in history.sealed.iter().zip(history.sealed.iter().skip(1)) {
                let (group, next) = pair;
                prop_assert!(group.first < next.first && !group.coded.is_empty());
                let last = (0..GROUP as usize).rfind(|at| !group.block(*at).is_empty());
                prop_assert!(last.is_some_and(|at| group.first + (at as i64) < next.first));
                prop_assert!(group.coded.len() <= GROUP_BYTES_MAX + 3_000);
            }
            let (number, _) = history.at(dropped);
            naive = naive.split_off(&history.slice(number, 0));
            naive.retain(|_, counts| !counts.is_none());
            let got: Vec<_> = history.iter_from(i64::MIN).collect();
            let want: Vec<_> = naive.iter().map(|(s, c)| (*s, *c)).collect();
            prop_assert_eq!(got, want);
            for slice in 0..6_000 {
                let want = naive.get(&slice).copied().unwrap_or_default();
                prop_assert_eq!(history.read(0, slice), want);
                if slice % 7 == 0 {
                    prop_assert_eq!(history.get(slice), want);
                }
            }
        }
    }
}
