//! Where a text in quotes ends, however many quotes and backslashes a client has put into it.
//!
//! Invariant: a long run of them costs hardly more than any other text.

use crate::core::scan::{Escaping, first_before};

/// The first quote that no backslash takes the meaning of, and that a space or the end follows.
#[inline(always)]
pub(super) fn close(text: &[u8]) -> Option<usize> {
    let first = first_before(text, 0, b'"', b' ')?;
    if first == 0 || text[first - 1] != b'\\' { Some(first) } else { close_from(text, first) }
}

/// The same, from a quote on that stands behind a backslash.
#[cold]
#[inline(never)]
fn close_from(text: &[u8], first: usize) -> Option<usize> {
    if backslashes(text, first).is_multiple_of(2) {
        return Some(first);
    }
    // One may be all there is; where there are more, there may be many.
    let next = first_before(text, first + 1, b'"', b' ')?;
    match backslashes(text, next) {
        0 => Some(next),
        before => close_behind(text, next - before),
    }
}

/// How many stand before it.
fn backslashes(text: &[u8], at: usize) -> usize {
    text[..at].iter().rev().take_while(|b| **b == b'\\').count()
}

/// The same from a byte on that no backslash takes the meaning of.
fn close_behind(text: &[u8], from: usize) -> Option<usize> {
    for block in Escaping::from(text, from) {
        let mut quotes = block.bits(b'"') & !block.escaped;
        while quotes != 0 {
            let close = block.at + quotes.trailing_zeros() as usize;
            if text.get(close + 1).is_none_or(|b| *b == b' ') {
                return Some(close);
            }
            quotes &= quotes - 1;
        }
    }
    None
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
