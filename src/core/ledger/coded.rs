//! How a block of 128 slices is kept once it is full: in about as many bits as its counts differ from one another.
//!
//! Invariant: decoding gives what was encoded, whatever the counts are, and the same counts are always the same bytes.
//!
//! Requests of one service are much the same from minute to minute. So the good ones are told as their distance from a line through
//! the means of the block's halves, the bad ones as they are, both in Rice codes: a thousand requests a minute, give or take their
//! own noise, take nine bits, where bytes would take sixteen and more. Where few slices have bad ones, how far it is to the next of
//! them is told instead of a zero for each. Blocks that this does not suit, of services that are mostly silent, stay as
//! [`super::packed`] has them, whichever is shorter.
//!
//! ```text
//! 0         the entries of `packed`
//! 1 + k     a Rice-coded block: k of the good; then k of the bad, or SPARSE + k of the distances, or NO_BAD; the mean of the first
//!           half, LEB128, and how far from it that of the second is; then the codes, slice by slice, the lowest bit first
//! ```
//! A slice's codes are that of its good ones and that of its bad ones. Where these are sparse, the block begins with how many slices
//! have none before one that does; only there they are told, less one and with k = 0, and behind them how many follow without.
//!
//! A code is a quotient in as many ones as it is large, a zero, and `k` bits. A quotient of [`ESCAPE`] or more is that many ones
//! and the value in 64 bits.

use super::packed::{BLOCK, Counts, Entries, Place, push, push_number, take_number};

/// The slices of a block.
pub(super) type Slices = [Counts; BLOCK as usize];

const NO_BAD: u8 = 0xff;
const SPARSE: u8 = 0x80;
const ESCAPE: u32 = 24;
/// Means that the line is computed for; larger ones stay in bytes.
const MEAN_MAX: u64 = 1 << 40;
const HALF: u64 = BLOCK as u64 / 2;

/// The block in the shorter of its two forms.
pub(super) fn encode(slices: &Slices) -> Vec<u8> {
    let (mut plain, mut empty) = (vec![0], 0);
    for counts in slices {
        if counts.is_none() {
            empty += 1;
        } else {
            push(&mut plain, empty, *counts);
            empty = 0;
        }
    }
    match rice(slices) {
        Some(coded) if coded.len() < plain.len() => coded,
        _ => plain,
    }
}

/// The slices of a block; an empty one has no bytes.
pub(super) fn decode(block: &[u8]) -> Slices {
    let mut slices = [Counts::NONE; BLOCK as usize];
    for (at, counts) in Block::of(block) {
        slices[usize::from(at)] = counts;
    }
    slices
}

fn rice(slices: &Slices) -> Option<Vec<u8>> {
    let mean = |half: &[Counts]| half.iter().map(|c| u128::from(c.good)).sum::<u128>() / u128::from(HALF);
    let (first, last) = slices.split_at(HALF as usize);
    let means = [mean(first), mean(last)].map(|mean| u64::try_from(mean).unwrap_or(u64::MAX));
    if means.iter().any(|mean| *mean >= MEAN_MAX) {
        return None;
    }
    let line = Line::new(means);
    let distance = |at: usize| zigzag(slices[at].good.wrapping_sub(line.at(at as u8)));
    let good: Vec<u64> = (0..slices.len()).map(distance).collect();
    let bad: Vec<u64> = slices.iter().map(|counts| counts.bad).collect();
    let good_k = parameter(&good);
    let how = Bad::shortest(&bad);
    let mut out = vec![1 + good_k as u8, how.byte()];
    push_number(&mut out, means[0]);
    push_number(&mut out, zigzag(means[1].wrapping_sub(means[0])));
    let mut bits = Writer { out, held: 0, count: 0 };
    let mut gaps = gaps(&bad).into_iter();
    let mut gap = |bits: &mut Writer| match how {
        Bad::Sparse { k } => bits.rice(gaps.next().unwrap_or_default(), k),
        Bad::None | Bad::Each { .. } => {}
    };
    gap(&mut bits);
    for (good, bad) in good.into_iter().zip(bad) {
        bits.rice(good, good_k);
        match how {
            Bad::Each { k } => bits.rice(bad, k),
            Bad::Sparse { .. } if bad > 0 => {
                bits.rice(bad - 1, 0);
                gap(&mut bits);
            }
            Bad::None | Bad::Sparse { .. } => {}
        }
    }
    Some(bits.end())
}

/// How the bad requests of a block are told.
#[derive(Clone, Copy)]
enum Bad {
    None,
    /// Of each slice.
    Each {
        k: u32,
    },
    /// Of those that have some.
    Sparse {
        k: u32,
    },
}

impl Bad {
    fn shortest(bad: &[u64]) -> Bad {
        let gaps = gaps(bad);
        if gaps.len() == 1 {
            return Bad::None;
        }
        let (each, sparse) = (parameter(bad), parameter(&gaps));
        let some: u64 = bad.iter().filter(|bad| **bad > 0).map(|bad| length(bad - 1, 0)).sum();
        if some + total(&gaps, sparse) < total(bad, each) {
            Bad::Sparse { k: sparse }
        } else {
            Bad::Each { k: each }
        }
    }

    fn byte(self) -> u8 {
        match self {
            Bad::None => NO_BAD,
            Bad::Each { k } => k as u8,
            Bad::Sparse { k } => SPARSE + k as u8,
        }
    }

    fn of(byte: u8) -> Bad {
        match byte {
            NO_BAD => Bad::None,
            SPARSE.. => Bad::Sparse { k: u32::from(byte - SPARSE) },
            k => Bad::Each { k: u32::from(k) },
        }
    }
}

/// How many slices without bad requests lie before each that has some, and behind the last.
fn gaps(bad: &[u64]) -> Vec<u64> {
    bad.split(|bad| *bad > 0).map(|gap| gap.len() as u64).collect()
}

/// The parameter under which the values take the fewest bits, the smallest of several.
fn parameter(values: &[u64]) -> u32 {
    let mean = values.iter().map(|v| u128::from(*v)).sum::<u128>() / values.len() as u128;
    let near = (u128::BITS - mean.leading_zeros()).min(60);
    (near.saturating_sub(3)..=near).min_by_key(|k| total(values, *k)).unwrap_or(0)
}

/// Bits that the values take.
fn total(values: &[u64], k: u32) -> u64 {
    values.iter().map(|value| length(*value, k)).sum()
}

/// Bits that a value takes.
fn length(value: u64, k: u32) -> u64 {
    match value >> k {
        quotient if quotient < u64::from(ESCAPE) => quotient + 1 + u64::from(k),
        _ => u64::from(ESCAPE) + 64,
    }
}

const fn zigzag(value: u64) -> u64 {
    let signed = value as i64;
    ((signed << 1) ^ (signed >> 63)) as u64
}

const fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

/// What a slice's good requests are told from.
#[derive(Clone, Copy)]
struct Line {
    first: i64,
    rise: i64,
}

impl Line {
    fn new([first, last]: [u64; 2]) -> Line {
        Line { first: first as i64, rise: last as i64 - first as i64 }
    }

    /// Through the middles of the halves; below 0 it wraps, and so does the distance.
    fn at(self, index: u8) -> u64 {
        (self.first + ((self.rise * (2 * i64::from(index) - (HALF as i64 - 1))) >> BLOCK.ilog2())) as u64
    }
}

struct Writer {
    out: Vec<u8>,
    held: u64,
    count: u32,
}

impl Writer {
    /// At most 32 bits.
    fn put(&mut self, value: u64, bits: u32) {
        self.held |= value << self.count;
        self.count += bits;
        while self.count >= 8 {
            self.out.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    fn rice(&mut self, value: u64, k: u32) {
        let quotient = value >> k;
        if quotient >= u64::from(ESCAPE) {
            self.put((1 << ESCAPE) - 1, ESCAPE);
            self.wide(value, 64);
            return;
        }
        self.put((1 << quotient) - 1, quotient as u32 + 1);
        self.wide(value & ((1 << k) - 1), k);
    }

    fn wide(&mut self, value: u64, bits: u32) {
        self.put(value & 0xffff_ffff, bits.min(32));
        if bits > 32 {
            self.put(value >> 32, bits - 32);
        }
    }

    fn end(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.out.push(self.held as u8);
        }
        self.out
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// The next bit.
    at: usize,
}

impl Reader<'_> {
    /// The next bits, 57 of them at least; zeros behind the end.
    fn peek(&self) -> u64 {
        let from = self.at / 8;
        let word = match self.bytes.get(from..from + 8) {
            Some(eight) => u64::from_le_bytes(eight.try_into().unwrap_or_default()),
            None => {
                let rest = self.bytes.get(from..).unwrap_or_default();
                let mut eight = [0; 8];
                eight[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(eight)
            }
        };
        word >> (self.at % 8)
    }

    fn take(&mut self, bits: u32) -> u64 {
        let value = self.peek() & ((1 << bits) - 1);
        self.at += bits as usize;
        value
    }

    fn wide(&mut self, bits: u32) -> u64 {
        let low = self.take(bits.min(32));
        if bits > 32 { low | self.take(bits - 32) << 32 } else { low }
    }

    fn rice(&mut self, k: u32) -> u64 {
        let word = self.peek();
        let quotient = word.trailing_ones();
        if quotient >= ESCAPE {
            self.at += ESCAPE as usize;
            return self.wide(64);
        }
        if k <= 32 {
            self.at += (quotient + 1 + k) as usize;
            return u64::from(quotient) << k | word >> (quotient + 1) & ((1 << k) - 1);
        }
        self.at += quotient as usize + 1;
        u64::from(quotient) << k | self.wide(k)
    }
}

/// The slices of a block that hold something: (index, counts).
pub(super) enum Block<'a> {
    Plain(Entries<'a>),
    Coded(Coded<'a>),
}

/// A Rice-coded block, as far as it has been read.
pub(super) struct Coded<'a> {
    bits: Reader<'a>,
    line: Line,
    good_k: u32,
    bad: Bad,
    index: u8,
    /// The next slice with bad requests, where they are sparse.
    next: u8,
}

impl<'a> Block<'a> {
    pub(super) fn of(block: &'a [u8]) -> Block<'a> {
        Block::from(block, Place::default())
    }

    /// From a place on that was reached before.
    #[inline]
    pub(super) fn from(block: &'a [u8], place: Place) -> Block<'a> {
        match block {
            [] => Block::Plain(Entries::of(&[])),
            [0, entries @ ..] => Block::Plain(Entries::from(entries, place)),
            [head, bad, rest @ ..] => {
                let mut rest = rest;
                let mut number = || take_number(&mut rest).unwrap_or_default();
                let first = number();
                let means = [first, first.wrapping_add(unzigzag(number()))];
                let mut coded = Coded {
                    bits: Reader { bytes: rest, at: usize::from(place.at) },
                    line: Line::new(means),
                    good_k: u32::from(head - 1),
                    bad: Bad::of(*bad),
                    index: place.index,
                    next: place.next,
                };
                if let (0, Bad::Sparse { k }) = (place.at, coded.bad) {
                    coded.next = coded.bits.rice(k) as u8;
                }
                Block::Coded(coded)
            }
            [_] => Block::Plain(Entries::of(&[])),
        }
    }

    /// The counts of a slice and of those behind it, as many as there is room for; returns the place that the next one is read from.
    #[inline]
    pub(super) fn fill(mut self, index: u8, room: &mut [Counts]) -> Place {
        room.fill(Counts::NONE);
        loop {
            let place = self.place();
            match self.next() {
                Some((at, _)) if at < index => {}
                Some((at, counts)) if usize::from(at - index) < room.len() => {
                    let i = usize::from(at - index);
                    room[i] = counts;
                    if i + 1 == room.len() {
                        return self.place();
                    }
                }
                _ => return place,
            }
        }
    }

    fn place(&self) -> Place {
        match self {
            Block::Plain(entries) => entries.place(),
            Block::Coded(Coded { index, next, bits, .. }) => {
                Place { index: *index, next: *next, at: bits.at as u16 }
            }
        }
    }
}

impl Iterator for Coded<'_> {
    type Item = (u8, Counts);

    fn next(&mut self) -> Option<(u8, Counts)> {
        while i64::from(self.index) < BLOCK {
            let index = self.index;
            let distance = unzigzag(self.bits.rice(self.good_k));
            let good = self.line.at(index).wrapping_add(distance);
            let bad = match self.bad {
                Bad::Each { k } => self.bits.rice(k),
                Bad::Sparse { k } if index == self.next => {
                    let bad = self.bits.rice(0).wrapping_add(1);
                    self.next = index.wrapping_add(1).wrapping_add(self.bits.rice(k) as u8);
                    bad
                }
                Bad::None | Bad::Sparse { .. } => 0,
            };
            self.index += 1;
            if good != 0 || bad != 0 {
                return Some((index, Counts { good, bad }));
            }
        }
        None
    }
}

impl Iterator for Block<'_> {
    type Item = (u8, Counts);

    fn next(&mut self) -> Option<(u8, Counts)> {
        match self {
            Block::Plain(entries) => entries.next(),
            Block::Coded(coded) => coded.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Counts of every size, and runs that are alike, as real ones are.
    fn slices() -> impl Strategy<Value = Slices> {
        let any =
            || prop_oneof![Just(0u64), 0u64..5, 0u64..100_000, Just(1u64 << 62), Just((1u64 << 63) - 1)];
        let wild = prop::collection::vec((any(), any()), BLOCK as usize);
        let level = prop_oneof![0u64..50, 0u64..5_000, Just(MEAN_MAX - 3), Just(1u64 << 50)];
        let alike = (level, 0u64..200, 0u64..4, prop::collection::vec((0u64..40, 0u64..9), BLOCK as usize))
            .prop_map(|(level, rise, bad, noise)| {
                let one =
                    |(at, (good, b)): (usize, &(u64, u64))| (level + rise * at as u64 + good, b * bad / 8);
                noise.iter().enumerate().map(one).collect::<Vec<_>>()
            });
        prop_oneof![wild, alike].prop_map(|all| {
            let mut slices = [Counts::NONE; BLOCK as usize];
            slices.iter_mut().zip(all).for_each(|(slice, (good, bad))| *slice = Counts { good, bad });
            slices
        })
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(slices in slices(), index in 0..BLOCK as u8) {
            let block = encode(&slices);
            prop_assert_eq!(decode(&block), slices);
            let (mut place, mut at) = (Place::default(), usize::from(index));
            for room in (1..8).cycle() {
                let Some(expected) = slices.get(at..at + room) else { break };
                let mut counts = [Counts { good: 1, bad: 1 }; 8];
                place = Block::from(&block, place).fill(at as u8, &mut counts[..room]);
                prop_assert_eq!(&counts[..room], expected);
                at += room;
            }
            if let Some(coded) = rice(&slices) {
                prop_assert_eq!(decode(&coded), slices);
            }
        }
    }

    #[test]
    fn a_busy_minute_takes_little_more_than_its_noise() {
        // a thousand requests a minute with the noise that they have, a rise over the hour, and now and then a failure
        let mut slices = [Counts::NONE; BLOCK as usize];
        let mut state = 1u32;
        for (at, slice) in slices.iter_mut().enumerate() {
            let sum: u32 = (0..12)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state >> 25
                })
                .sum();
            *slice =
                Counts { good: 1_000 + at as u64 + u64::from(sum) / 4 - 190, bad: u64::from(at % 5 == 0) };
        }
        let (block, plain) = (encode(&slices), 128 * 2 + 26);
        assert!(block.len() <= 140, "{} bytes, {plain} as entries", block.len());
        // one that is mostly silent stays as it is
        let mut quiet = [Counts::NONE; BLOCK as usize];
        quiet[40] = Counts { good: 900, bad: 0 };
        assert_eq!(encode(&quiet), [0, 0, 40, 0x88, 0x0e]);
        assert_eq!(encode(&[Counts::NONE; BLOCK as usize]), [0]);
    }
}
