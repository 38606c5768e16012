//! Texts: where they end, and what their escapes mean.

use super::Malformed;
use memchr::{memchr, memchr2};

/// A byte in every byte of a word.
const fn everywhere(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of bytes that are 0; above the first such byte it may be set for others too.
#[inline(always)]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(everywhere(1)) & !word & everywhere(0x80)
}

/// How many words are looked at before a longer text is worth a call.
const WORDS: usize = 4;

/// The first quote or backslash from there on.
#[inline(always)]
pub fn text_stop(line: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..WORDS {
        let Some(bytes) = line.get(at..).and_then(<[u8]>::first_chunk::<8>) else { break };
        let word = u64::from_le_bytes(*bytes);
        let hits = zeros(word ^ everywhere(b'"')) | zeros(word ^ everywhere(b'\\'));
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    line.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)).map(|found| at + found)
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
pub fn decode(mut text: &[u8], decoded: &mut Vec<u8>) {
    // What an escape stands for is never longer.
    decoded.reserve(text.len());
    loop {
        let read = match text {
            [] => return,
            [b'\\', byte @ (b'"' | b'\\' | b'/'), ..] => {
                decoded.push(*byte);
                2
            }
            [b'\\', ..] => {
                let (read, unit) = unit(text);
                match unit {
                    Unit::Byte(byte) => decoded.push(byte),
                    Unit::Char(char) => decoded.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                }
                read
            }
            _ => {
                // Between escapes there is mostly little: too little for a call.
                let near = text.iter().take(PLAIN).take_while(|byte| **byte != b'\\').count();
                let plain = if near < PLAIN { near } else { memchr(b'\\', text).unwrap_or(text.len()) };
                decoded.extend_from_slice(&text[..plain]);
                plain
            }
        };
        text = &text[read..];
    }
}

/// So many bytes are looked at one by one for the next escape.
const PLAIN: usize = 16;

enum Unit {
    Byte(u8),
    Char(char),
}

/// What the escape at the start means, and how long it is.
fn unit(text: &[u8]) -> (usize, Unit) {
    let byte = match text.get(1) {
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
        Some(b'u') => match hex(text, 2, 4) {
            Some(first) => return character(text, first),
            None => return (1, Unit::Byte(b'\\')),
        },
        Some(b'x') => match hex(text, 2, 2) {
            Some(byte) => return (4, Unit::Byte(byte as u8)),
            None => return (1, Unit::Byte(b'\\')),
        },
        _ => return (1, Unit::Byte(b'\\')),
    };
    (2, Unit::Byte(byte))
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
