//! What the walker remembers: which key came after which, and where it led.
//!
//! The lines of one source have much the same keys in much the same order. So all that stood between two values last
//! time, `, "key": `, is compared with the bytes first; that spares looking at them one by one, and
//! looking the key up.
//!
//! Invariant: an entry says that in `node`, before the first value or behind another, this text leads to the value of `child`. That
//! is true of any line, so a wrong guess costs time and nothing else.

use super::paths::NONE;
use crate::core::scan::begins;

/// How many keys are remembered.
const ENTRIES: usize = 256;
/// How many places are looked at for one.
const NEAR: u8 = 16;
/// Longest text that is remembered.
const TEXT_MAX: usize = 48;
/// The entry that stands for the start of a line.
const START: u8 = 0;

/// Where in a line a key may stand: in the object of a node, as the first or behind another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: u16,
    pub(super) is_first: bool,
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Entry {
    text: [u8; TEXT_MAX],
    /// Where it was met; in no node, if it is empty.
    place: Place,
    child: u16,
    len: u8,
    /// The entry that followed last time.
    next: u8,
}

impl Entry {
    fn is(&self, place: Place, text: &[u8]) -> bool {
        self.place == place && self.text.get(..self.len.into()) == Some(text)
    }
}

pub(super) struct Memory {
    entries: Box<[Entry; ENTRIES]>,
    /// The entry of the last key.
    last: u8,
}

impl Memory {
    pub(super) fn new() -> Memory {
        let place = Place { node: NONE, is_first: false };
        let empty = Entry { text: [0; TEXT_MAX], place, child: NONE, len: 0, next: START };
        let mut entries = Box::new([empty; ENTRIES]);
        entries[usize::from(START)].len = 1;
        Memory { entries, last: START }
    }

    /// A line begins.
    pub(super) fn start(&mut self) {
        self.last = START;
    }

    /// If what followed last time stands there: the node that it leads to, and the place behind it.
    #[inline(always)]
    pub(super) fn guess(&mut self, place: Place, line: &[u8], at: usize) -> Option<(u16, usize)> {
        let guessed = self.entries[usize::from(self.last)].next;
        let entry = &self.entries[usize::from(guessed)];
        let len = usize::from(entry.len);
        if entry.place != place || place.node == NONE || !begins(line, at, &entry.text, len) {
            return None;
        }
        self.last = guessed;
        Some((entry.child, at + len))
    }

    /// Remembers a text of the line, and where it led.
    pub(super) fn learn(&mut self, place: Place, text: &[u8], child: u16) {
        if text.len() > TEXT_MAX {
            return;
        }
        let at = self.place_of(place, text);
        self.entries[usize::from(self.last)].next = at;
        self.last = at;
        let entry = &mut self.entries[usize::from(at)];
        if !entry.is(place, text) {
            (entry.place, entry.child, entry.len) = (place, child, text.len() as u8);
            entry.text[..text.len()].copy_from_slice(text);
        }
    }

    /// Where a text is, or a place that is free, near the one that its bytes tell; if there is none, that one.
    fn place_of(&self, place: Place, text: &[u8]) -> u8 {
        let first = place_near(place, text).max(START + 1);
        let mut near = (0..NEAR).map(|step| first.wrapping_add(step));
        let fits = |at: &u8| {
            let entry = &self.entries[usize::from(*at)];
            entry.len == 0 || entry.is(place, text)
        };
        near.find(fits).unwrap_or(first)
    }
}

/// Where a text is looked for first.
fn place_near(place: Place, text: &[u8]) -> u8 {
    let seed = u64::from(place.node) + 1;
    let mixed = text.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    (mixed >> 24) as u8 ^ mixed as u8
}
