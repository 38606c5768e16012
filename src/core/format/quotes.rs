//! Where a text in quotes ends, however many quotes and backslashes a client has put into it.
//!
//! Invariant: a long run of them costs hardly more than any other text. Where the first quote does not decide, 64 bytes are
//! looked at at a time, as bits (the way of simdjson: Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019).

use memchr::memchr;

/// Bytes that are looked at at once.
const BLOCK: usize = 64;

/// The first quote that no backslash takes the meaning of, and that a space or the end follows.
#[inline(always)]
pub(super) fn close(text: &[u8]) -> Option<usize> {
    let first = memchr(b'"', text)?;
    let is_plain = first == 0 || text[first - 1] != b'\\';
    if is_plain && text.get(first + 1).is_none_or(|b| *b == b' ') {
        Some(first)
    } else {
        close_behind(text, first)
    }
}

/// The same where it is not the first quote.
#[cold]
#[inline(never)]
fn close_behind(text: &[u8], first: usize) -> Option<usize> {
    // From the backslashes on that stand before the first quote.
    let run = text[..first].iter().rev().take_while(|b| **b == b'\\').count();
    let from = first - run;
    let mut escapes = Escaping::default();
    let mut blocks = text[from..].chunks(BLOCK);
    let mut at = from;
    loop {
        let chunk = blocks.next()?;
        let mut block = [0; BLOCK];
        block[..chunk.len()].copy_from_slice(chunk);
        let escaped = escapes.next(bits(&block, b'\\'));
        let mut quotes = bits(&block, b'"') & !escaped;
        while quotes != 0 {
            let close = at + quotes.trailing_zeros() as usize;
            if text.get(close + 1).is_none_or(|b| *b == b' ') {
                return Some(close);
            }
            quotes &= quotes - 1;
        }
        at += BLOCK;
    }
}

/// Tells block after block which bytes a backslash takes the meaning of.
#[derive(Default)]
struct Escaping {
    /// 1: it does so with the first byte of the next block.
    carried: u64,
}

impl Escaping {
    /// Backslashes in a row take the meaning of each other in pairs: whether one is the first or the second of a pair is told by
    /// a subtraction, which borrows along the whole run.
    #[inline(always)]
    fn next(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        if backslashes == 0 {
            return std::mem::take(&mut self.carried);
        }
        let may_escape = backslashes & !self.carried;
        let ends = (may_escape << 1 | ODD).wrapping_sub(may_escape) ^ ODD;
        let escaped = ends ^ (backslashes | self.carried);
        self.carried = (ends & backslashes) >> 63;
        escaped
    }
}

/// Which bytes of the block are this one.
#[inline(always)]
fn bits(block: &[u8; BLOCK], byte: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    // Brings the lowest bit of every byte into the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = block.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        let differ = u64::from_le_bytes(*word) ^ u64::from_le_bytes([byte; 8]);
        let equal = !(((differ & LOW) + LOW) | differ | LOW);
        bits << 8 | (equal >> 7).wrapping_mul(GATHER) >> 56
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Byte by byte.
    fn slowly(text: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < text.len() {
            match text[at] {
                b'\\' => at += 1,
                b'"' if text.get(at + 1).is_none_or(|b| *b == b' ') => return Some(at),
                _ => {}
            }
            at += 1;
        }
        None
    }

    #[test]
    fn the_quote_that_closes() {
        let cases: [(&str, Option<usize>); 9] = [
            ("", None),
            ("a", None),
            ("\"", Some(0)),
            ("a\" b", Some(1)),
            ("a\"b\" ", Some(3)),
            (r#"\" \\" "#, Some(5)),
            (r#"\\\" " "#, Some(5)),
            (r#"\\\\\"#, None),
            (r#"a\""#, None),
        ];
        for (text, expected) in cases {
            assert_eq!(close(text.as_bytes()), expected, "{text}");
            // At every place of a block.
            for before in 0..130 {
                let text = format!("{}{text}", "x".repeat(before));
                assert_eq!(close(text.as_bytes()), expected.map(|at| at + before), "{text}");
                let run = format!("{}{text}", "\\\\".repeat(before));
                assert_eq!(close(run.as_bytes()), slowly(run.as_bytes()), "{run}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_found_as_byte_by_byte(text in "[\\\\\" x]{0,300}") {
            prop_assert_eq!(close(text.as_bytes()), slowly(text.as_bytes()));
        }
    }
}
