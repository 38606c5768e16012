//! Texts: where they end, and what their escapes mean.

use super::Malformed;
use crate::core::scan::{Escaping, copy_plain, first_of};

/// The first quote or backslash from there on.
#[inline(always)]
pub fn text_stop(line: &[u8], at: usize) -> Option<usize> {
    first_of(line, at, *b"\"\\")
}

/// The quote that ends a text, from a backslash in it on. None if an escape is none, or nothing ends it.
#[inline(never)]
pub(super) fn escaped_end(line: &[u8], backslash: usize) -> Option<usize> {
    for block in Escaping::from(line, backslash) {
        let quotes = block.bits(b'"') & !block.escaped;
        // Up to the first one.
        let within = (quotes & quotes.wrapping_neg()).wrapping_sub(1);
        let escaped = block.escaped & within;
        let mut long = block.bits(b'u') & escaped;
        if escaped & !(long | block.one_of(*b"\"\\/bfnrt")) != 0 {
            return None;
        }
        while long != 0 {
            let digits = line.get(block.at + long.trailing_zeros() as usize + 1..)?.first_chunk::<4>()?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            long &= long - 1;
        }
        if quotes != 0 {
            return Some(block.at + quotes.trailing_zeros() as usize);
        }
    }
    None
}

/// How many bytes the escape takes that begins with the backslash there. `Err(Broken)` if it is none.
#[inline]
pub(super) fn escape(line: &[u8], at: usize) -> Result<usize, Malformed> {
    match line.get(at + 1) {
        None => Err(Malformed::Cut),
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => {
            let digits = line.get(at + 2..).unwrap_or_default();
            match digits.iter().take(4).position(|b| !b.is_ascii_hexdigit()) {
                Some(_) => Err(Malformed::Broken(at)),
                None if digits.len() < 4 => Err(Malformed::Cut),
                None => Ok(6),
            }
        }
        Some(_) => Err(Malformed::Broken(at)),
    }
}

/// Appends the text with its escapes decoded. `\x22` is that byte, as servers write it; a backslash that
/// begins no escape stands for itself.
pub fn decode(text: &[u8], decoded: &mut Vec<u8>) {
    let (mut at, mut end) = (0, decoded.len());
    // What an escape stands for is never longer.
    decoded.resize(end + text.len(), 0);
    while let Some(&byte) = text.get(at) {
        if byte != b'\\' {
            let plain = copy_plain(&text[at..], &mut decoded[end..], b'\\');
            (at, end) = (at + plain, end + plain);
        } else if let Some(&letter) = text.get(at + 1)
            && let meaning @ 1.. = NAMES[usize::from(letter)]
        {
            decoded[end] = meaning;
            (at, end) = (at + 2, end + 1);
        } else {
            let (read, unit) = unit(&text[at..]);
            let mut room = [0; 4];
            let bytes = match unit {
                Unit::Byte(byte) => {
                    room[0] = byte;
                    &room[..1]
                }
                Unit::Char(char) => char.encode_utf8(&mut room).as_bytes(),
            };
            decoded[end..end + bytes.len()].copy_from_slice(bytes);
            (at, end) = (at + read, end + bytes.len());
        }
    }
    decoded.truncate(end);
}

/// What one letter behind a backslash means; 0 where it means nothing by itself.
const NAMES: [u8; 256] = {
    let (letters, meanings) = (b"\"\\/bfnrt", b"\"\\/\x08\x0c\n\r\t");
    let (mut names, mut i) = ([0; 256], 0);
    while i < letters.len() {
        names[letters[i] as usize] = meanings[i];
        i += 1;
    }
    names
};

enum Unit {
    Byte(u8),
    Char(char),
}

/// What the escape at the start means, which is none of one letter, and how long it is.
fn unit(text: &[u8]) -> (usize, Unit) {
    let hex = match text.get(1) {
        Some(b'u') => hex(text, 2, 4).map(|first| character(text, first)),
        Some(b'x') => hex(text, 2, 2).map(|byte| (4, Unit::Byte(byte as u8))),
        _ => None,
    };
    hex.unwrap_or((1, Unit::Byte(b'\\')))
}

/// `\u0041`, or the two of a surrogate pair.
fn character(text: &[u8], first: u32) -> (usize, Unit) {
    if let 0xd800..=0xdbff = first
        && text.get(6..8) == Some(b"\\u")
        && let Some(second @ 0xdc00..=0xdfff) = hex(text, 8, 4)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (12, Unit::Char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
    (6, Unit::Char(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)))
}

/// So many hexadecimal digits from there.
fn hex(text: &[u8], at: usize, digits: usize) -> Option<u32> {
    text.get(at..at + digits)?.iter().try_fold(0, |n, digit| Some(n << 4 | char::from(*digit).to_digit(16)?))
}
