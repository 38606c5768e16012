//! Which bytes of a text a backslash takes the meaning of, 64 at a time, as bits (the way of simdjson: Langdale and Lemire, "Parsing
//! Gigabytes of JSON per Second", 2019).
//!
//! Invariant: a run of backslashes costs what any other text does.

use super::near::bits;

/// Bytes that are looked at at once.
const BLOCK: usize = 64;

/// Goes through a text block by block.
pub struct Escaping<'a> {
    text: &'a [u8],
    /// Where the next block begins.
    at: usize,
    /// 1: a backslash at the end of the block before takes the meaning of the first byte.
    carried: u64,
}

/// So many bytes of a text, and nothing behind its end.
pub struct Block {
    /// Where it begins.
    pub at: usize,
    /// The bytes that a backslash takes the meaning of.
    pub escaped: u64,
    bytes: [u8; BLOCK],
    /// How many of the bytes stand before it.
    before: u32,
}

impl Block {
    /// The bytes that are this one.
    #[inline(always)]
    pub fn bits(&self, byte: u8) -> u64 {
        bits(&self.bytes, [byte]) >> self.before
    }

    /// The bytes that are one of these.
    #[inline(always)]
    pub fn one_of<const N: usize>(&self, bytes: [u8; N]) -> u64 {
        bits(&self.bytes, bytes) >> self.before
    }
}

impl<'a> Escaping<'a> {
    /// From a byte on that no backslash takes the meaning of.
    #[inline(always)]
    pub fn from(text: &'a [u8], at: usize) -> Escaping<'a> {
        Escaping { text, at, carried: 0 }
    }
}

/// The bytes of a block that a sign takes the meaning of, and 1 if the last byte is a sign that takes it of the byte behind the
/// block; `carried` is what the block before said of that. Signs in a row take the meaning of each other in pairs: whether one is the
/// first or the second of a pair is told by a subtraction, which borrows along the whole run.
#[inline(always)]
pub(super) fn second_of_pairs(signs: u64, carried: u64) -> (u64, u64) {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    if signs == 0 {
        return (carried, 0);
    }
    let may_escape = signs & !carried;
    let ends = (may_escape << 1 | ODD).wrapping_sub(may_escape) ^ ODD;
    (ends ^ (signs | carried), (ends & signs) >> 63)
}

impl Iterator for Escaping<'_> {
    type Item = Block;

    #[inline(always)]
    fn next(&mut self) -> Option<Block> {
        let at = self.at;
        let rest = self.text.get(at..).filter(|rest| !rest.is_empty())?;
        let mut block = Block { at, escaped: 0, bytes: [0; BLOCK], before: 0 };
        if let Some(bytes) = rest.first_chunk() {
            block.bytes = *bytes;
        } else if let Some(bytes) = self.text.last_chunk() {
            (block.bytes, block.before) = (*bytes, (BLOCK - rest.len()) as u32);
        } else {
            block.bytes[..rest.len()].copy_from_slice(rest);
        }
        self.at += BLOCK;
        (block.escaped, self.carried) = second_of_pairs(block.bits(b'\\'), self.carried);
        Some(block)
    }
}
