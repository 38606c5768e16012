//! What the walker remembers: which key came after which, and where it led.
//!
//! The lines of one source have much the same keys in much the same order. So the key that followed last time is
//! compared with the bytes first, quotes and colon included; that spares finding the key's end and
//! looking it up.
//!
//! Invariant: an entry says that in `node` this text is a whole key and leads to `child`. That is true of
//! any line, so a wrong guess costs time and nothing else.

use super::paths::NONE;

/// How many keys are remembered.
const ENTRIES: usize = 256;
/// How many places are looked at for one.
const NEAR: u8 = 16;
/// Longest key that is remembered, quotes and colon included.
const TEXT_MAX: usize = 56;

#[derive(Clone)]
struct Entry {
    node: u16,
    child: u16,
    /// The entry that followed last time.
    next: u8,
    len: u8,
    /// `"key":`
    text: [u8; TEXT_MAX],
}

impl Entry {
    fn is(&self, node: u16, text: &[u8]) -> bool {
        self.node == node && self.text.get(..self.len.into()) == Some(text)
    }
}

pub(super) struct Memory {
    entries: Box<[Entry]>,
    /// What follows the start of a line.
    first: u8,
    /// The entry of the last key; none at the start of a line.
    last: Option<u8>,
}

impl Memory {
    /// Room for keys, or none where no path is looked for.
    pub(super) fn new(paths: usize) -> Memory {
        let empty = Entry { node: NONE, child: NONE, next: 0, len: 0, text: [0; TEXT_MAX] };
        let entries = if paths > 0 { ENTRIES } else { 0 };
        Memory { entries: vec![empty; entries].into_boxed_slice(), first: 0, last: None }
    }

    /// A line begins.
    pub(super) fn start(&mut self) {
        self.last = None;
    }

    /// If the key that followed last time stands at the start of the bytes: where it leads to, and its length
    /// with quotes and colon.
    #[inline(always)]
    pub(super) fn guess(&mut self, node: u16, bytes: &[u8]) -> Option<(u16, usize)> {
        let guessed = match self.last {
            Some(last) => self.entries[usize::from(last)].next,
            None => self.first,
        };
        let entry = self.entries.get(usize::from(guessed))?;
        let len = usize::from(entry.len);
        if entry.node != node || !begins(bytes, &entry.text, len) {
            return None;
        }
        self.last = Some(guessed);
        Some((entry.child, len))
    }

    /// Remembers a key of the line, `"key":` as it stands there, and where it led.
    pub(super) fn learn(&mut self, node: u16, text: &[u8], child: u16) {
        if text.len() > TEXT_MAX || self.entries.is_empty() {
            return;
        }
        let place = self.place_of(node, text);
        match self.last {
            Some(last) => self.entries[usize::from(last)].next = place,
            None => self.first = place,
        }
        self.last = Some(place);
        let entry = &mut self.entries[usize::from(place)];
        if !entry.is(node, text) {
            (entry.node, entry.child, entry.len) = (node, child, text.len() as u8);
            entry.text[..text.len()].copy_from_slice(text);
        }
    }

    /// Where a key is, or a place that is free, near the one that its bytes tell; if there is none, that one.
    fn place_of(&self, node: u16, text: &[u8]) -> u8 {
        let first = place(node, text);
        let mut near = (0..NEAR).map(|step| first.wrapping_add(step));
        let fits = |place: &u8| {
            let entry = &self.entries[usize::from(*place)];
            entry.len == 0 || entry.is(node, text)
        };
        near.find(fits).unwrap_or(first)
    }
}

/// Whether the bytes begin with the first `len` of the text: at most [`TEXT_MAX`], in words, as keys are short.
#[inline(always)]
fn begins(bytes: &[u8], text: &[u8; TEXT_MAX], len: usize) -> bool {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..).and_then(<[u8]>::first_chunk).map(|b| u64::from_le_bytes(*b))
    };
    let mut at = 0;
    while at + 8 <= len {
        if word(bytes, at) != word(text, at) {
            return false;
        }
        at += 8;
    }
    if at == len {
        return bytes.len() >= len;
    }
    match (word(bytes, at), word(text, at)) {
        (Some(of_bytes), Some(of_text)) => (of_bytes ^ of_text) << (8 * (8 - (len - at))) == 0,
        _ => bytes.get(at..len) == text.get(at..len) && bytes.len() >= len,
    }
}

/// Where a key is looked for first.
fn place(node: u16, text: &[u8]) -> u8 {
    let mixed = text
        .iter()
        .fold(u64::from(node) + 1, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    (mixed >> 24) as u8 ^ mixed as u8
}
