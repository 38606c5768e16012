//! A map from short byte strings to numbers, fast where few keys make up most look-ups.
//!
//! Invariant: it allocates only when it learns a key. A look-up first tries the one place where a key of
//! this length, beginning and end was last seen, and only then hashes all of it.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// See the module's text. Keys are (tag, bytes).
#[derive(Debug)]
pub(super) struct ByteMap {
    /// All keys, one after another.
    bytes: Vec<u8>,
    table: HashTable<(u64, Entry)>,
    recent: Box<[Entry; RECENT]>,
    /// Seeded per process; the order of the table never shows.
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    length: u32,
    tag: u16,
    value: u32,
}

const RECENT: usize = 256;
/// No key is that long.
const NOTHING: Entry = Entry { start: 0, length: u32::MAX, tag: 0, value: 0 };

impl ByteMap {
    /// An empty map.
    pub(super) fn new() -> ByteMap {
        ByteMap {
            bytes: Vec::new(),
            table: HashTable::new(),
            recent: Box::new([NOTHING; RECENT]),
            hasher: RandomState::default(),
        }
    }

    /// How many keys it holds.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The number of a key.
    #[inline]
    pub(super) fn get(&mut self, tag: u16, key: &[u8]) -> Option<u32> {
        let place = place(key);
        let entry = self.recent[place];
        if entry.tag == tag && self.is(&entry, key) {
            return Some(entry.value);
        }
        self.search(place, tag, key)
    }

    fn search(&mut self, place: usize, tag: u16, key: &[u8]) -> Option<u32> {
        let hash = self.hash(tag, key);
        let found = self.table.find(hash, |(_, e)| e.tag == tag && self.is(e, key))?.1;
        self.recent[place] = found;
        Some(found.value)
    }

    #[inline]
    fn is(&self, entry: &Entry, key: &[u8]) -> bool {
        let start = entry.start as usize;
        entry.length as usize == key.len()
            && self.bytes.get(start..start + key.len()).is_some_and(|known| same(known, key))
    }

    /// Learns a key that is not there yet. False: 4 GiB of keys are enough, it did not.
    pub(super) fn insert(&mut self, tag: u16, key: &[u8], value: u32) -> bool {
        let (Ok(start), Ok(length)) = (u32::try_from(self.bytes.len()), u32::try_from(key.len())) else {
            return false;
        };
        let hash = self.hash(tag, key);
        self.bytes.extend_from_slice(key);
        self.table.insert_unique(hash, (hash, Entry { start, length, tag, value }), |e| e.0);
        true
    }

    /// Forgets everything, its memory too.
    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.table = HashTable::new();
        self.recent.fill(NOTHING);
    }

    fn hash(&self, tag: u16, key: &[u8]) -> u64 {
        self.hasher.hash_one((tag, key))
    }
}

/// Where a key of this length, beginning and end is looked for first.
#[inline]
fn place(key: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 8]>| bytes.map(|b| u64::from_le_bytes(*b));
    let mixed = match (word(key.first_chunk()), word(key.last_chunk())) {
        (Some(first), Some(last)) => first.rotate_left(25) ^ last,
        _ => key.iter().fold(0, |sum, b| sum << 8 | u64::from(*b)),
    };
    let spread = (mixed ^ key.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (spread >> (64 - RECENT.ilog2())) as usize
}

/// Whether two strings of equal length are the same, eight bytes at a time: keys are too short for a call.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    let word = |bytes: Option<&[u8; 8]>| bytes.map(|b| u64::from_le_bytes(*b));
    match (word(a.last_chunk()), word(b.last_chunk())) {
        (Some(x), Some(y)) => {
            let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
            x == y && words.into_iter().all(|(x, y)| x == y)
        }
        _ => a.iter().eq(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_forgets() {
        let mut map = ByteMap::new();
        assert!(map.insert(0, b"a", 1));
        assert_eq!(map.get(0, b"a"), Some(1));
        map.clear();
        assert_eq!((map.get(0, b"a"), map.len()), (None, 0));
    }

    proptest::proptest! {
        #[test]
        fn it_is_a_map(keys in proptest::collection::vec((0u16..2, "[ab]{0,20}"), 0..200)) {
            let (mut map, mut model) = (ByteMap::new(), HashMap::new());
            for (i, (tag, key)) in keys.into_iter().enumerate() {
                let known = model.get(&(tag, key.clone())).copied();
                assert_eq!(map.get(tag, key.as_bytes()), known);
                if known.is_none() {
                    map.insert(tag, key.as_bytes(), i as u32);
                    model.insert((tag, key), i as u32);
                }
                assert_eq!(map.len(), model.len());
            }
        }
    }
}
