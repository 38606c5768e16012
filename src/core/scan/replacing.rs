//! A text without its escapes: what is plain is copied sixteen bytes at a time, up to the next sign that an escape begins with, which
//! is looked for 64 at a time; where the signs of 64 bytes escape but quotes and signs, or begin but bytes in hexadecimal, these are
//! replaced all at once.
//!
//! Invariant: nothing is written but what stood there and what the escapes mean, in that order; many of them, in a row or with other
//! bytes between, cost little more than the same number of bytes without.

use super::escaping::second_of_pairs;
use super::near::bits;

/// Bytes that are looked at at once.
const BLOCK: usize = 64;
/// Bytes that are copied at once.
const COPIED: usize = 16;
/// A block, and what a copy from its end may read.
type Padded = [u8; BLOCK + COPIED];

/// Escapes of one kind.
pub struct Replacing<M> {
    /// What they begin with.
    pub sign: u8,
    /// What one letter behind it means, by the letter; 0 where it means nothing by itself.
    pub names: &'static [u8; 256],
    /// Behind a sign, quotes and signs mean themselves.
    pub quotes: bool,
    /// Behind a sign, `x` and two digits mean a byte.
    pub hex: bool,
    /// Anything else: is given what stands from the sign on, and room for as much. Returns how many bytes it has read, at least
    /// one, and how many it has written, no more than those.
    pub meaning: M,
}

impl<M: Fn(&[u8], &mut [u8]) -> (usize, usize)> Replacing<M> {
    /// Appends the text with its escapes replaced.
    #[inline(always)]
    pub fn append(&self, text: &[u8], out: &mut Vec<u8>) {
        if text.len() <= COPIED {
            let mut room = [0; COPIED];
            let end = self.short(text, &mut room);
            out.extend_from_slice(&room[..end]);
            return;
        }
        let start = out.len();
        // What an escape stands for is never longer; a copy may write more than is kept.
        out.resize(start + text.len() + BLOCK, 0);
        let room = &mut out[start..];
        let (mut at, mut end) = (0, 0);
        while at < text.len() {
            let rest = &text[at..];
            if rest.len() < COPIED {
                end += self.short(rest, &mut room[end..]);
                break;
            }
            let padded;
            let block = match rest.first_chunk() {
                Some(block) => block,
                None => {
                    padded = with_zeros(rest);
                    &padded
                }
            };
            let signs = block.first_chunk().map_or(0, |block| bits(block, [self.sign]));
            (at, end) = match self.at_once(block, signs, rest.len().min(BLOCK), &mut room[end..]) {
                Some((read, written)) => (at + read, end + written),
                None => self.one_by_one(text, at, (block, signs), room, end),
            };
        }
        out.truncate(start + end);
    }

    /// A few bytes are not worth a block of them. Returns how many were written.
    #[inline(always)]
    fn short(&self, text: &[u8], room: &mut [u8]) -> usize {
        let (mut at, mut end) = (0, 0);
        while let Some(byte) = text.get(at) {
            if *byte != self.sign {
                room[end] = *byte;
                (at, end) = (at + 1, end + 1);
            }
            (at, end) = self.in_a_row(text, at, room, end);
        }
        end
    }

    /// If there are some signs in the block, of which the text has so many bytes, and all are of one kind: how much was read, and
    /// written.
    #[inline(always)]
    fn at_once(&self, block: &Padded, signs: u64, len: usize, room: &mut [u8]) -> Option<(usize, usize)> {
        if signs & signs.wrapping_sub(1) == 0 {
            return None;
        }
        let (bytes, room) = (block.first_chunk()?, room.first_chunk_mut()?);
        let quotes = if self.quotes { quotes_alone(bytes, signs, len, room) } else { None };
        quotes.or_else(|| if self.hex { hex_alone(bytes, signs, len, room) } else { None })
    }

    /// The text from the block on, which begins there, to its end at least.
    #[inline(always)]
    fn one_by_one(
        &self,
        text: &[u8],
        base: usize,
        (block, mut signs): (&Padded, u64),
        room: &mut [u8],
        mut end: usize,
    ) -> (usize, usize) {
        let mut at = base;
        while signs != 0 {
            let next = base + signs.trailing_zeros() as usize;
            signs &= signs - 1;
            // Unless one before has taken it with it.
            if next >= at {
                copy(block, at - base, next - base, &mut room[end..]);
                (at, end) = self.in_a_row(text, next, room, end + next - at);
            }
        }
        let stop = text.len().min(base + BLOCK);
        if at < stop {
            copy(block, at - base, stop - base, &mut room[end..]);
            (at, end) = (stop, end + stop - at);
        }
        (at, end)
    }

    /// As many escapes as stand there in a row; the places behind them.
    #[inline(always)]
    fn in_a_row(&self, text: &[u8], mut at: usize, room: &mut [u8], mut end: usize) -> (usize, usize) {
        while text.get(at) == Some(&self.sign) {
            let name = text.get(at + 1).map_or(0, |letter| self.names[usize::from(*letter)]);
            if name != 0 {
                room[end] = name;
                (at, end) = (at + 2, end + 1);
            } else {
                let (read, written) = (self.meaning)(&text[at..], &mut room[end..]);
                (at, end) = (at + read, end + written);
            }
        }
        (at, end)
    }
}

/// If nothing but quotes and signs is escaped.
#[inline(always)]
fn quotes_alone(
    bytes: &[u8; BLOCK],
    signs: u64,
    len: usize,
    room: &mut [u8; BLOCK],
) -> Option<(usize, usize)> {
    let (escaped, _) = second_of_pairs(signs, 0);
    let escapes = signs & !escaped;
    // What an escape at the end belongs to comes later.
    let len = len - (escapes >> (len - 1) & 1) as usize;
    let within = u64::MAX >> (BLOCK - len);
    if escaped & within & !(signs | bits(bytes, [b'"'])) != 0 {
        return None;
    }
    let kept = within & !escapes;
    keep(bytes, kept, room);
    Some((len, kept.count_ones() as usize))
}

/// If behind every sign there are an `x` and two hexadecimal digits.
#[inline(always)]
fn hex_alone(bytes: &[u8; BLOCK], signs: u64, len: usize, room: &mut [u8; BLOCK]) -> Option<(usize, usize)> {
    // One at the end whose digits are not all in the block comes later.
    let last = signs.ilog2() as usize;
    let len = if last + 3 < len { len } else { last };
    let within = u64::MAX >> (BLOCK - len);
    let signs = signs & within;
    if signs & !(bits(bytes, [b'x']) >> 1) != 0 {
        return None;
    }
    let mut digits = *bytes;
    digits.iter_mut().for_each(|byte| *byte = digit(*byte));
    let is_digit = !bits(&digits, [NO_DIGIT]);
    if signs & !(is_digit >> 2 & is_digit >> 3) != 0 {
        return None;
    }
    let sign = bytes[signs.trailing_zeros() as usize];
    let mut replaced = *bytes;
    for (i, byte) in replaced[..BLOCK - 3].iter_mut().enumerate() {
        let value = digits[i + 2] << 4 | digits[i + 3];
        *byte = if *byte == sign { value } else { *byte };
    }
    let kept = within & !(signs << 1 | signs << 2 | signs << 3);
    keep(&replaced, kept, room);
    Some((len, kept.count_ones() as usize))
}

/// What a byte is as a hexadecimal digit; without a table, so that many are told at once.
#[inline(always)]
const fn digit(byte: u8) -> u8 {
    let (number, letter) = (byte.wrapping_sub(b'0'), (byte | 0x20).wrapping_sub(b'a'));
    if number < 10 {
        number
    } else if letter < 6 {
        letter + 10
    } else {
        NO_DIGIT
    }
}

/// The bytes, and zeros behind them.
#[inline(always)]
fn with_zeros(rest: &[u8]) -> Padded {
    let mut padded = [0; BLOCK + COPIED];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

/// Copies the bytes between two places of the block, and perhaps some of those behind them.
#[inline(always)]
fn copy(block: &Padded, mut from: usize, to: usize, room: &mut [u8]) {
    let mut done = 0;
    while from < to {
        if let (Some(bytes), Some(room)) =
            (block[from..].first_chunk::<COPIED>(), room[done..].first_chunk_mut())
        {
            *room = *bytes;
        }
        (from, done) = (from + COPIED, done + COPIED);
    }
}

/// Copies the bytes whose bits are set, side by side; what it leaves behind them is anything.
#[inline(always)]
fn keep(bytes: &[u8; BLOCK], kept: u64, room: &mut [u8; BLOCK]) {
    #[cfg(target_arch = "x86_64")]
    if super::x86::keep(bytes, kept, room) {
        return;
    }
    let mut end = 0;
    for (i, byte) in bytes.iter().enumerate() {
        room[end % BLOCK] = *byte;
        end += (kept >> i & 1) as usize;
    }
}

/// What letters behind a sign mean, for [`Replacing`].
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
    let (mut digits, mut byte) = ([0; 256], 0);
    while byte < 256 {
        digits[byte] = digit(byte as u8);
        byte += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static NAMES: [u8; 256] = names(b".\"%", b"!\"%");
    static SOME: [u8; 256] = names(b".", b"!");

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

    fn replaced(names: &'static [u8; 256], quotes: bool, before: &str, text: &str) -> String {
        let mut out = before.as_bytes().to_vec();
        Replacing { sign: b'%', names, quotes, hex: false, meaning }.append(text.as_bytes(), &mut out);
        out.escape_ascii().to_string()
    }

    #[test]
    fn bytes_that_are_kept() {
        let bytes = std::array::from_fn(|i| i as u8);
        for kept in [0, 1, u64::MAX, 0xaaaa_aaaa_aaaa_aaaa, 0x8000_0001_0f00_0ff3, u64::MAX >> 1] {
            let (mut room, expected) =
                ([0; BLOCK], (0..64).filter(|i| kept >> i & 1 == 1).collect::<Vec<u8>>());
            keep(&bytes, kept, &mut room);
            assert_eq!(room[..expected.len()], expected, "{kept:x}");
        }
    }

    proptest! {
        #[test]
        fn as_the_standard_library_replaces(before in "[a-z]{0,20}", text in "(%x|%\\.|%|x|\\.|[a-z]{1,80}){0,60}") {
            let expected = before.clone() + &text.replace("%x", "xx").replace("%.", "!");
            prop_assert_eq!(replaced(&SOME, false, &before, &text), expected);
        }

        #[test]
        fn signs_in_a_row_are_pairs(text in "(%{1,3}|%{60,70}|(%\"){1,40}|(%\"ab){1,20}|%x|\\.|\"|[a-z]{1,80}){0,60}") {
            let mut expected = String::new();
            let mut bytes = text.chars().peekable();
            while let Some(byte) = bytes.next() {
                match (byte, bytes.peek()) {
                    ('%', Some('x')) => expected.push('x'),
                    ('%', Some('.')) => {
                        bytes.next();
                        expected.push('!');
                    }
                    ('%', Some('%' | '"')) => expected.extend(bytes.next()),
                    _ => expected.push(byte),
                }
            }
            prop_assert_eq!(replaced(&NAMES, true, "", &text), expected.escape_default().to_string());
        }

        #[test]
        fn bytes_in_hexadecimal(text in "(%x[0-9a-fA-F]{2}|%x4|%|x|[0-9a-g]{1,20}|(%x2[0-9a-g]){1,30}|([a-z]{0,3}%x4[1-9]){1,20}){0,40}") {
            let meaning = |text: &[u8], room: &mut [u8]| {
                let byte = text.strip_prefix(b"%x").and_then(hex_byte);
                room[0] = byte.unwrap_or(b'%');
                (if byte.is_some() { 4 } else { 1 }, 1)
            };
            let replaced = |hex: bool| {
                let mut out = Vec::new();
                Replacing { sign: b'%', names: &[0; 256], quotes: false, hex, meaning }.append(text.as_bytes(), &mut out);
                out.escape_ascii().to_string()
            };
            let (mut expected, mut rest) = (Vec::new(), text.as_bytes());
            while let Some(byte) = rest.first() {
                let value = rest.get(..4).filter(|four| four.starts_with(b"%x"));
                let value = value.and_then(|four| u8::from_str_radix(std::str::from_utf8(&four[2..]).ok()?, 16).ok());
                expected.push(value.unwrap_or(*byte));
                rest = &rest[if value.is_some() { 4 } else { 1 }..];
            }
            prop_assert_eq!(replaced(true), expected.escape_ascii().to_string());
            prop_assert_eq!(replaced(false), expected.escape_ascii().to_string());
        }

        #[test]
        fn a_byte_in_hexadecimal(digits in "[0-9a-gA-G/:@`%]{0,3}") {
            let slowly = digits.get(..2).and_then(|two| u8::from_str_radix(two, 16).ok());
            prop_assert_eq!(hex_byte(digits.as_bytes()), slowly);
        }
    }
}
