//! How a block of 128 slices is packed while it is appended to, and for good where it is mostly empty.
//!
//! Invariant: unpacking gives what was packed, and every block of the same counts is the same bytes.
//!
//! A block is a run of entries from its first slice on: `00 n` stands for n empty slices, any other for one
//! slice: LEB128 of `good << 1 | (bad > 0)`, then LEB128 of `bad` where it is more than 0. A slice without
//! errors takes one byte up to 63 requests, two up to 8191. (A count of 2^63 is none that can be.)

use serde::{Deserialize, Serialize};

/// Slices in a block.
pub(super) const BLOCK: i64 = 128;

/// Good and bad requests.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Counts {
    /// Good.
    pub good: u64,
    /// Bad.
    pub bad: u64,
}

impl Counts {
    /// Neither.
    pub const NONE: Counts = Counts { good: 0, bad: 0 };

    /// Whether there is neither.
    pub const fn is_none(&self) -> bool {
        self.good == 0 && self.bad == 0
    }

    /// Adds another.
    pub const fn add(&mut self, other: Counts) {
        self.good = self.good.saturating_add(other.good);
        self.bad = self.bad.saturating_add(other.bad);
    }

    /// Takes away what was added before.
    pub const fn subtract(&mut self, other: Counts) {
        self.good = self.good.saturating_sub(other.good);
        self.bad = self.bad.saturating_sub(other.bad);
    }
}

/// How far a block was read: the next slice, and the byte, or bit, that tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Place {
    pub(super) index: u8,
    /// The next slice that a sparse block of [`super::coded`] tells bad ones of.
    pub(super) next: u8,
    /// Of a block's few thousand.
    pub(super) at: u16,
}

/// The entries of a block that hold something: (index of the slice, counts).
pub(super) struct Entries<'a> {
    packed: &'a [u8],
    index: u8,
    /// Bytes of the block.
    length: usize,
}

impl<'a> Entries<'a> {
    pub(super) fn of(packed: &'a [u8]) -> Entries<'a> {
        Entries::from(packed, Place::default())
    }

    /// From a place on that was reached before.
    pub(super) fn from(packed: &'a [u8], place: Place) -> Entries<'a> {
        let rest = packed.get(usize::from(place.at)..).unwrap_or_default();
        Entries { packed: rest, index: place.index, length: packed.len() }
    }

    pub(super) fn place(&self) -> Place {
        Place { index: self.index, next: 0, at: (self.length - self.packed.len()) as u16 }
    }

    fn number(&mut self) -> Option<u64> {
        take_number(&mut self.packed)
    }
}

impl Iterator for Entries<'_> {
    type Item = (u8, Counts);

    #[inline]
    fn next(&mut self) -> Option<(u8, Counts)> {
        loop {
            let head = self.number()?;
            if head == 0 {
                self.index += self.number()? as u8;
                continue;
            }
            let bad = if head & 1 == 1 { self.number()? } else { 0 };
            self.index += 1;
            return Some((self.index - 1, Counts { good: head >> 1, bad }));
        }
    }
}

/// Appends so many empty slices and one that holds something.
pub(super) fn push(packed: &mut Vec<u8>, empty: u8, counts: Counts) {
    if empty > 0 {
        packed.extend([0, empty]);
    }
    push_number(packed, counts.good << 1 | (counts.bad > 0) as u64);
    if counts.bad > 0 {
        push_number(packed, counts.bad);
    }
}

/// Takes a LEB128 number from the front; None where the bytes end.
pub(super) fn take_number(packed: &mut &[u8]) -> Option<u64> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let (byte, rest) = packed.split_first()?;
        *packed = rest;
        value |= ((byte & 0x7f) as u64) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
        shift = (shift + 7).min(63);
    }
}

/// Appends a number as LEB128.
pub(super) fn push_number(packed: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        packed.push(value as u8 | 0x80);
        value >>= 7;
    }
    packed.push(value as u8);
}

/// The block with more in one of its slices.
pub(super) fn patched(packed: &[u8], index: u8, counts: Counts) -> Vec<u8> {
    let mut slices = [Counts::NONE; BLOCK as usize];
    for (at, counts) in Entries::of(packed) {
        slices[at as usize] = counts;
    }
    slices[index as usize].add(counts);
    let (mut out, mut empty) = (Vec::with_capacity(packed.len() + 8), 0);
    for counts in slices {
        if counts.is_none() {
            empty += 1;
        } else {
            push(&mut out, empty, counts);
            empty = 0;
        }
    }
    out
}

/// As serde's bytes, not as a sequence of integers: one copy instead of one call for each byte.
pub(super) mod bytes {
    use serde::de::{Deserializer, Error, SeqAccess, Visitor};
    use serde::ser::Serializer;
    use std::fmt;

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: impl AsRef<[u8]>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes.as_ref())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, B: From<Vec<u8>>>(
        from: D,
    ) -> Result<B, D::Error> {
        from.deserialize_byte_buf(Bytes).map(B::from)
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }

        // formats that know no bytes, such as JSON
        fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Vec<u8>, A::Error> {
            let mut all = Vec::new();
            while let Some(byte) = bytes.next_element()? {
                all.push(byte);
            }
            Ok(all)
        }
    }
}
