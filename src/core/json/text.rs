//! Texts: where they end, and what their escapes mean.

use super::Malformed;
use crate::core::scan::{Escaping, Replacing, first_of, hex_byte, names};

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
        // Quotes and backslashes are what clients mostly send; only where there is more the rest is looked at.
        let others = escaped & !(block.bits(b'"') | block.bits(b'\\'));
        let mut long = 0;
        if others != 0 {
            long = others & block.bits(b'u');
            if others & !(long | block.one_of(*b"/bfnrt")) != 0 {
                return None;
            }
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
    Replacing { sign: b'\\', names: &NAMES, quotes: true, hex: true, meaning: unit }.append(text, decoded);
}

static NAMES: [u8; 256] = names(b"\"\\/bfnrt", b"\"\\/\x08\x0c\n\r\t");

/// What an escape of more than one letter means, or none.
fn unit(text: &[u8], room: &mut [u8]) -> (usize, usize) {
    if let Some(first) = code(text) {
        let (read, char) = character(text, first);
        return (read, char.encode_utf8(room).len());
    }
    let byte = text.get(1..).and_then(|rest| hex_byte(rest.strip_prefix(b"x")?));
    room[0] = byte.unwrap_or(b'\\');
    (if byte.is_some() { 4 } else { 1 }, 1)
}

/// `\u0041`, or the two of a surrogate pair: how long they are, and the character.
fn character(text: &[u8], first: u32) -> (usize, char) {
    if let 0xd800..=0xdbff = first
        && text[6..].starts_with(b"\\u")
        && let Some(second @ 0xdc00..=0xdfff) = code(&text[6..])
    {
        let both = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (12, char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    (6, char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// What the four digits of `\u0041` write.
fn code(text: &[u8]) -> Option<u32> {
    let digits = text.get(1..6)?.strip_prefix(b"u")?;
    Some(u32::from(hex_byte(digits)?) << 8 | u32::from(hex_byte(&digits[2..])?))
}
