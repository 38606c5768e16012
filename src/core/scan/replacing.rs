//! A text without its escapes: what is plain is copied sixteen bytes at a time, up to the next sign that an escape begins with, which
//! is looked for 64 at a time.
//!
//! Invariant: nothing is written but what stood there and what the escapes mean, in that order; many of them, in a row or with other
//! bytes between, cost little more than the same number of bytes without.

use super::near::bits;

/// Bytes in which signs are looked for at once.
const BLOCK: usize = 64;
/// Bytes that are copied at once.
const COPIED: usize = 16;

/// Appends the text, with the escapes replaced that begin with the sign. What one letter behind it means `names` tells by the letter,
/// 0 where it means nothing by itself. For any other `meaning` is given what stands from the sign on, and room for as much; it
/// returns how many bytes it has read, at least one, and how many it has written, no more than those.
#[inline(always)]
pub fn replace(
    text: &[u8],
    sign: u8,
    names: &[u8; 256],
    out: &mut Vec<u8>,
    meaning: impl Fn(&[u8], &mut [u8]) -> (usize, usize),
) {
    let start = out.len();
    // What an escape stands for is never longer; a copy may write more than is kept.
    out.resize(start + text.len() + COPIED, 0);
    let room = &mut out[start..];
    // As many as stand there in a row; the places behind them.
    let escapes = |text: &[u8], mut at: usize, room: &mut [u8], mut end: usize| {
        while text.get(at) == Some(&sign) {
            let name = text.get(at + 1).map_or(0, |letter| names[usize::from(*letter)]);
            if name != 0 {
                room[end] = name;
                (at, end) = (at + 2, end + 1);
            } else {
                let (read, written) = meaning(&text[at..], &mut room[end..]);
                (at, end) = (at + read, end + written);
            }
        }
        (at, end)
    };
    let (mut at, mut end) = (0, 0);
    let mut padded = [0; BLOCK + COPIED];
    while at < text.len() {
        if text.len() - at < COPIED {
            // A few bytes are not worth a block of them.
            if text[at] != sign {
                room[end] = text[at];
                (at, end) = (at + 1, end + 1);
            }
            (at, end) = escapes(text, at, room, end);
            continue;
        }
        let base = at;
        let block = text[base..].first_chunk().unwrap_or_else(|| {
            let rest = &text[base..];
            padded[..rest.len()].copy_from_slice(rest);
            &padded
        });
        let stop = text.len().min(base + BLOCK);
        let signs = block.first_chunk().map_or(0, |block| bits(block, [sign]));
        while at < stop {
            let plain = ((signs >> (at - base)).trailing_zeros() as usize).min(stop - at);
            for done in (0..plain).step_by(COPIED) {
                let (from, to) = (&block[at - base + done..], &mut room[end + done..]);
                if let (Some(from), Some(to)) = (from.first_chunk::<COPIED>(), to.first_chunk_mut::<COPIED>())
                {
                    *to = *from;
                }
            }
            (at, end) = escapes(text, at + plain, room, end + plain);
        }
    }
    out.truncate(start + end);
}

/// What letters behind a sign mean, for [`replace`].
pub const fn names(letters: &[u8], meanings: &[u8]) -> [u8; 256] {
    let (mut names, mut i) = ([0; 256], 0);
    while i < letters.len() {
        names[letters[i] as usize] = meanings[i];
        i += 1;
    }
    names
}

/// The byte that two hexadecimal digits write, in either case.
#[inline(always)]
pub fn hex_byte(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = *digits else { return None };
    let (high, low) = (DIGITS[usize::from(high)], DIGITS[usize::from(low)]);
    // Both below sixteen, asked at once.
    (high | low < NO_DIGIT).then_some(high << 4 | low)
}

/// More than any digit, and no digit's bit.
const NO_DIGIT: u8 = 16;

/// What a byte is as a hexadecimal digit.
static DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        digits[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digits[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `%x` is x twice, and `%` before anything else is itself.
    fn meaning(text: &[u8], room: &mut [u8]) -> (usize, usize) {
        if text.starts_with(b"%x") {
            room[..2].copy_from_slice(b"xx");
            (2, 2)
        } else {
            room[0] = b'%';
            (1, 1)
        }
    }

    proptest! {
        #[test]
        fn as_the_standard_library_replaces(before in "[a-z]{0,20}", text in "(%x|%\\.|%|x|\\.|[a-z]{1,80}){0,60}") {
            let mut out = before.clone().into_bytes();
            replace(text.as_bytes(), b'%', &names(b".", b"!"), &mut out, meaning);
            let expected = before + &text.replace("%x", "xx").replace("%.", "!");
            prop_assert_eq!(out.escape_ascii().to_string(), expected);
        }

        #[test]
        fn a_byte_in_hexadecimal(digits in "[0-9a-gA-G/:@`%]{0,3}") {
            let slowly = digits.get(..2).and_then(|two| u8::from_str_radix(two, 16).ok());
            prop_assert_eq!(hex_byte(digits.as_bytes()), slowly);
        }
    }
}
