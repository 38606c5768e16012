//! What is mostly near: the first of a few bytes, and whether a known text stands somewhere. Sixteen bytes at a time, inlined, as
//! a call costs more than most such searches.
//!
//! Invariant: vectors or not, what is found is what a search byte by byte finds.

#[cfg(target_arch = "x86_64")]
use super::x86::{equal, one_of};

/// Bytes that are looked at at once.
const BLOCK: usize = 16;

/// The first place from there on where one of these bytes stands.
#[inline(always)]
pub fn first_of<const N: usize>(line: &[u8], mut at: usize, wanted: [u8; N]) -> Option<usize> {
    while let Some(block) = line.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        let hits = one_of(block, wanted);
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    first_of_last(line, at, wanted)
}

/// The same in the last bytes, of which there are fewer than a block.
#[inline(never)]
fn first_of_last<const N: usize>(line: &[u8], at: usize, wanted: [u8; N]) -> Option<usize> {
    let rest = line.get(at..).filter(|rest| !rest.is_empty())?;
    match line.last_chunk::<BLOCK>() {
        Some(block) => {
            let hits = one_of(block, wanted) >> (BLOCK - rest.len());
            (hits != 0).then(|| at + hits.trailing_zeros() as usize)
        }
        None => rest.iter().position(|byte| wanted.contains(byte)).map(|found| at + found),
    }
}

/// The first place from there on of the byte that the next one follows, or the end.
#[inline(always)]
pub fn first_before(text: &[u8], mut at: usize, byte: u8, next: u8) -> Option<usize> {
    while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<{ BLOCK + 1 }>) {
        let (Some(block), Some(behind)) = (bytes.first_chunk(), bytes.last_chunk()) else { break };
        let hits = one_of(block, [byte]);
        // Most blocks have none.
        if hits != 0 {
            let hits = hits & one_of(behind, [next]);
            if hits != 0 {
                return Some(at + hits.trailing_zeros() as usize);
            }
        }
        at += BLOCK;
    }
    let rest = text.get(at..)?;
    match text.last_chunk::<BLOCK>() {
        Some(block) => {
            let hits = one_of(block, [byte]) & (one_of(block, [next]) >> 1 | 1 << (BLOCK - 1));
            let hits = hits >> (BLOCK - rest.len());
            (hits != 0).then(|| at + hits.trailing_zeros() as usize)
        }
        None => (at..text.len()).find(|i| text[*i] == byte && text.get(i + 1).is_none_or(|b| *b == next)),
    }
}

/// The last place of the byte in the text.
#[inline(always)]
pub fn last_of(text: &[u8], byte: u8) -> Option<usize> {
    let mut end = text.len();
    while let Some(block) = text.get(..end).and_then(<[u8]>::last_chunk::<BLOCK>) {
        let hits = one_of(block, [byte]);
        if hits != 0 {
            return Some(end - BLOCK + hits.ilog2() as usize);
        }
        end -= BLOCK;
    }
    text.iter().take(end).rposition(|b| *b == byte)
}

/// Every place of the byte in the line, in order, until one is enough.
#[inline(always)]
pub fn each(line: &[u8], byte: u8, mut is_enough: impl FnMut(usize) -> bool) {
    let (mut at, mut last) = (0, line.last_chunk());
    loop {
        let (start, mut hits) = match marks(line, at, [byte]) {
            Some(hits) => (at, hits),
            // The last bytes, with some before them that have been seen.
            None => match last.take() {
                Some(bytes) if at < line.len() => {
                    let start = line.len() - 64;
                    (start, bits(bytes, [byte]) >> (at - start) << (at - start))
                }
                _ => break,
            },
        };
        while hits != 0 {
            if is_enough(start + hits.trailing_zeros() as usize) {
                return;
            }
            hits &= hits - 1;
        }
        at = start + 64;
    }
    for (i, other) in line.iter().enumerate().skip(at) {
        if *other == byte && is_enough(i) {
            return;
        }
    }
}

/// A bit for each of the 64 bytes from there on that is one of these. None if there are fewer.
#[inline(always)]
pub fn marks<const N: usize>(line: &[u8], at: usize, wanted: [u8; N]) -> Option<u64> {
    Some(bits(line.get(at..)?.first_chunk::<64>()?, wanted))
}

/// Whether the first `len` bytes of the text stand there.
#[inline(always)]
pub fn begins<const TEXT: usize>(line: &[u8], at: usize, text: &[u8; TEXT], len: usize) -> bool {
    let mut known = 0;
    while known < len {
        let rest = line.get(at + known..).and_then(<[u8]>::first_chunk::<BLOCK>);
        let (Some(rest), Some(block)) = (rest, text.get(known..).and_then(<[u8]>::first_chunk::<BLOCK>))
        else {
            return line.get(at + known..at + len) == text.get(known..len);
        };
        // One bit more than a block has.
        let needed = (1u32 << (len - known).min(BLOCK)) - 1;
        if equal(rest, block) & needed != needed {
            return false;
        }
        known += BLOCK;
    }
    true
}

/// A bit for each of 64 bytes that is one of these.
#[inline(always)]
pub(super) fn bits<const N: usize>(bytes: &[u8; 64], wanted: [u8; N]) -> u64 {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    blocks.iter().rev().fold(0, |bits, block| bits << BLOCK | u64::from(one_of(block, wanted)))
}

/// A bit for each byte that is one of these.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn one_of<const N: usize>(block: &[u8; BLOCK], wanted: [u8; N]) -> u32 {
    block.iter().enumerate().fold(0, |bits, (i, byte)| bits | u32::from(wanted.contains(byte)) << i)
}

/// A bit for each byte that is the same in both.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn equal(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> u32 {
    a.iter().zip(b).enumerate().fold(0, |bits, (i, (a, b))| bits | u32::from(a == b) << i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_of_some_bytes(line in "[ab\\\\\" ]{0,70}", from in 0usize..80) {
            let line = line.as_bytes();
            let slowly = |wanted: &[u8]| {
                let rest = line.get(from..)?;
                rest.iter().position(|byte| wanted.contains(byte)).map(|found| from + found)
            };
            prop_assert_eq!(first_of(line, from, *b"\""), slowly(b"\""));
            prop_assert_eq!(first_of(line, from, *b"\"\\"), slowly(b"\"\\"));
            prop_assert_eq!(first_of(line, from, *b" b\""), slowly(b" b\""));
            let ends = |at: &usize| line[*at] == b'"' && line.get(at + 1).is_none_or(|next| *next == b' ');
            prop_assert_eq!(first_before(line, from, b'"', b' '), (from..line.len()).find(ends));
            prop_assert_eq!(last_of(line, b'b'), line.iter().rposition(|byte| *byte == b'b'));
        }

        #[test]
        fn all_places(line in "[ab]{0,200}", most in 0usize..100) {
            let line = line.as_bytes();
            let mut found = Vec::new();
            each(line, b'a', |at| {
                found.push(at);
                found.len() > most
            });
            let slowly = (0..line.len()).filter(|at| line[*at] == b'a').take(most + 1);
            prop_assert_eq!(found, slowly.collect::<Vec<_>>());
        }

        #[test]
        fn a_known_text(line in "[ab]{0,60}", at in 0usize..70, changed in 0usize..60, len in 0usize..49) {
            let line = line.as_bytes();
            let mut text = [b'a'; 48];
            let there = line.get(at..).unwrap_or_default();
            text.iter_mut().zip(there).for_each(|(text, byte)| *text = *byte);
            if let Some(byte) = text.get_mut(changed) {
                *byte = b'x';
            }
            prop_assert_eq!(begins(line, at, &text, len), there.starts_with(&text[..len]));
        }
    }
}
