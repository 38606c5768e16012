//! Numbers as access logs write them: counts, status codes, seconds with decimals.
//!
//! Invariant: nothing wraps or rounds up. What is no number is told apart from what says "no value".

/// 1 in every byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of every byte.
const HIGH_BITS: u64 = 0x80 * ONES;
/// All other bits.
const LOW_BITS: u64 = 0x7f * ONES;
/// What lifts 10 and more into the highest bit, and 9 not.
const ABOVE_NINE: u64 = 0x76 * ONES;

/// `0` in every byte.
const ZEROS: u64 = 0x30 * ONES;
/// `.` in every byte.
const POINTS: u64 = 0x2e * ONES;

/// Not 0 where a byte, from which `0` was taken by xor, is no digit's value.
#[inline(always)]
pub(super) const fn above_nine(digits: u64) -> u64 {
    (((digits & LOW_BITS) + ABOVE_NINE) | digits) & HIGH_BITS
}

/// The column is neither a number nor a mark for "no value".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unreadable;

/// A count. `-`, and any negative number, is no value.
///
/// Takes the line and where the column lies in it, because the eight bytes that end with the column
/// can then be read at once, whatever stands before it.
#[inline(always)]
pub(super) fn count(line: &[u8], (start, end): (usize, usize)) -> Result<Option<u64>, Unreadable> {
    if let Some(word) = last_word(line, end)
        && end - start <= 8
        && start < end
        && let Some(n) = eight_digits(keep_last(word, end - start))
    {
        return Ok(Some(n));
    }
    general(line.get(start..end).unwrap_or_default(), 0)
}

/// Seconds with decimals, in whole microseconds (further decimals are cut). `-`, and any negative
/// number, is no value.
#[inline(always)]
pub(super) fn seconds_us(line: &[u8], (start, end): (usize, usize)) -> Result<Option<u64>, Unreadable> {
    match few_digits(line, (start, end), 6) {
        Some(us) => Ok(Some(us)),
        None => general(line.get(start..end).unwrap_or_default(), 6),
    }
}

/// Most numbers: at most eight bytes, digits with perhaps a point among them, times ten to the power of `scale`, which is at most
/// 6; what is left behind the point is cut. None for any other.
#[inline(always)]
pub(super) fn few_digits(line: &[u8], (start, end): (usize, usize), scale: i64) -> Option<u64> {
    const TENS: [u64; 12] = {
        let (mut tens, mut i) = ([1; 12], 1);
        while i < tens.len() {
            tens[i] = tens[i - 1] * 10;
            i += 1;
        }
        tens
    };
    let len = end.checked_sub(start).filter(|len| (1..=8).contains(len))?;
    let word = keep_last(last_word(line, end)?, len);
    // Most have milliseconds: the point stands in the fifth byte of the word, and what is before it moves up.
    if scale >= 3 && len > 4 && word >> 32 & 0xff == u64::from(b'.') {
        let word = word & !0xff_ffff_ffff | word << 8 & 0xff_ffff_ff00 | u64::from(b'0');
        return Some(eight_digits(word)? * TENS[scale as usize - 3]);
    }
    let point = word ^ POINTS;
    // The lowest byte that is a point gets its highest bit set; there is no other, or what is left is no number.
    let point = point.wrapping_sub(ONES) & !point & HIGH_BITS;
    let (word, decimals) = if point == 0 {
        (word, 0)
    } else {
        let at = point.trailing_zeros() - 7;
        let before = (1 << at) - 1;
        let decimals = 7 - at as usize / 8;
        if decimals == 0 || decimals + 1 == len {
            return None;
        }
        // The point is taken out: what stands before it moves up, a zero comes in below.
        (word & !before & !(0xff << at) | (word & before) << 8 | u64::from(b'0'), decimals)
    };
    let number = eight_digits(word)?;
    let scale = scale - decimals as i64;
    let tens = *TENS.get(scale.unsigned_abs() as usize)?;
    Some(if scale >= 0 { number * tens } else { number / tens })
}

/// A status code of three digits. `-`, 0 and negative numbers are no value.
#[inline(always)]
pub(super) fn status(text: &[u8]) -> Result<Option<u16>, Unreadable> {
    match text {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Ok(Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')))
        }
        b"-" | b"-1" | b"0" | b"000" => Ok(None),
        _ => Err(Unreadable),
    }
}

/// The digits after a decimal point in millionths; more than six are cut. None if there is none, or
/// anything else.
#[inline]
pub(super) fn decimals_e6(digits: &[u8]) -> Option<u32> {
    let (micros, count) = leading_decimals_e6(digits);
    (count > 0 && count == digits.len()).then_some(micros)
}

/// The eight bytes of the line before `end`.
#[inline(always)]
fn last_word(line: &[u8], end: usize) -> Option<u64> {
    line.get(..end)?.last_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes))
}

/// The last bytes of the word, 1 to 8 of them, the others made `0`.
#[inline(always)]
fn keep_last(word: u64, bytes: usize) -> u64 {
    let others = 64 - 8 * bytes as u32;
    let kept = u64::MAX << others;
    (word & kept) | (ZEROS & !kept)
}

/// The number that eight digits write, first digit in the lowest byte.
#[inline(always)]
pub(super) fn eight_digits(word: u64) -> Option<u64> {
    let digits = word ^ ZEROS;
    (above_nine(digits) == 0).then(|| joined(digits))
}

/// The number of eight digits' values, the first in the lowest byte.
#[inline(always)]
fn joined(digits: u64) -> u64 {
    // Neighbours are joined: digits to pairs, pairs to fours, fours to eight.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

/// The decimals that the text begins with, in millionths (more than six are cut), and how many they are.
#[inline(always)]
pub(super) fn leading_decimals_e6(text: &[u8]) -> (u32, usize) {
    let word = match text.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let digits = word ^ ZEROS;
    let mut count = (above_nine(digits).trailing_zeros() / 8) as usize;
    let kept = if count < 6 { (1 << (8 * count)) - 1 } else { u64::MAX >> 16 };
    if count == 8 {
        count += text[8..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    ((joined(digits & kept) / 100) as u32, count)
}

/// Any number of digits and decimals, times ten to the power of `scale`.
#[cold]
fn general(text: &[u8], scale: u32) -> Result<Option<u64>, Unreadable> {
    let magnitude = match text {
        b"-" => return Ok(None),
        [b'-', magnitude @ ..] => magnitude,
        _ => text,
    };
    let point = if scale > 0 { magnitude.iter().position(|b| *b == b'.') } else { None };
    let (whole, micros) = match point {
        Some(point) => (&magnitude[..point], decimals_e6(&magnitude[point + 1..]).ok_or(Unreadable)?),
        None => (magnitude, 0),
    };
    if whole.is_empty() || !whole.iter().all(u8::is_ascii_digit) {
        return Err(Unreadable);
    }
    if magnitude.len() < text.len() {
        return Ok(None);
    }
    let digits =
        whole.iter().try_fold(0u64, |n, digit| n.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    let scaled = digits.and_then(|n| n.checked_mul(10u64.pow(scale))?.checked_add(u64::from(micros)));
    scaled.map(Some).ok_or(Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads the text at the start of a line and behind other columns.
    fn both<T: PartialEq + std::fmt::Debug>(text: &str, read: fn(&[u8], (usize, usize)) -> T) -> T {
        let alone = read(text.as_bytes(), (0, text.len()));
        for before in ["1 ", "9.999 9.9 ", "777777777777.777 "] {
            let line = format!("{before}{text} 5");
            let place = (before.len(), before.len() + text.len());
            assert_eq!(read(line.as_bytes(), place), alone, "{line}");
        }
        alone
    }

    #[test]
    fn counts() {
        let cases = [
            ("0", Ok(Some(0))),
            ("7", Ok(Some(7))),
            ("1234567", Ok(Some(1_234_567))),
            ("12345678", Ok(Some(12_345_678))),
            ("123456789", Ok(Some(123_456_789))),
            ("18446744073709551615", Ok(Some(u64::MAX))),
            ("18446744073709551616", Err(Unreadable)),
            ("-", Ok(None)),
            ("-1", Ok(None)),
            ("-12345678901234567890123", Ok(None)),
            ("", Err(Unreadable)),
            ("--1", Err(Unreadable)),
            ("-x", Err(Unreadable)),
            ("1.0", Err(Unreadable)),
            ("1e3", Err(Unreadable)),
            ("+1", Err(Unreadable)),
            ("0x1", Err(Unreadable)),
            ("12:", Err(Unreadable)),
            ("12/", Err(Unreadable)),
        ];
        for (text, expected) in cases {
            assert_eq!(both(text, count), expected, "{text}");
        }
        assert_eq!(count(b"12\xb5 ", (0, 3)), Err(Unreadable));
    }

    #[test]
    fn seconds() {
        let cases = [
            ("0.000", Ok(Some(0))),
            ("0.002", Ok(Some(2_000))),
            ("10.001", Ok(Some(10_001_000))),
            ("9999.999", Ok(Some(9_999_999_000))),
            ("12345.678", Ok(Some(12_345_678_000))),
            ("0.000073", Ok(Some(73))),
            ("0.00054", Ok(Some(540))),
            ("0.1234567", Ok(Some(123_456))),
            ("3", Ok(Some(3_000_000))),
            ("18446744073709.551615", Ok(Some(u64::MAX))),
            ("18446744073709.551616", Err(Unreadable)),
            ("99999999999999999999", Err(Unreadable)),
            ("-1", Ok(None)),
            ("-", Ok(None)),
            ("-0.001", Ok(None)),
            ("-1.000", Ok(None)),
            ("", Err(Unreadable)),
            (".", Err(Unreadable)),
            ("1.", Err(Unreadable)),
            (".500", Err(Unreadable)),
            ("0.0.0", Err(Unreadable)),
            ("..000", Err(Unreadable)),
            ("1e-05", Err(Unreadable)),
            ("NaN", Err(Unreadable)),
            ("0.0a0", Err(Unreadable)),
        ];
        for (text, expected) in cases {
            assert_eq!(both(text, seconds_us), expected, "{text}");
        }
    }

    #[test]
    fn statuses() {
        for (text, expected) in [
            ("200", Ok(Some(200))),
            ("999", Ok(Some(999))),
            ("-", Ok(None)),
            ("-1", Ok(None)),
            ("0", Ok(None)),
            ("000", Ok(None)),
            ("099", Err(Unreadable)),
            ("20", Err(Unreadable)),
            ("2000", Err(Unreadable)),
            ("2x0", Err(Unreadable)),
            ("", Err(Unreadable)),
        ] {
            assert_eq!(status(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_count(n in any::<u64>(), digits in 0u32..20) {
            let n = n % 10u64.pow(digits);
            prop_assert_eq!(both(&n.to_string(), count), Ok(Some(n)));
        }

        #[test]
        fn any_milliseconds(ms in 0u64..100_000_000_000) {
            let text = format!("{}.{:03}", ms / 1000, ms % 1000);
            prop_assert_eq!(both(&text, seconds_us), Ok(Some(ms * 1000)));
        }

        #[test]
        fn short_texts_agree_with_the_slow_way(text in "[0-9.:/a-]{0,9}") {
            prop_assert_eq!(both(&text, count), general(text.as_bytes(), 0));
            prop_assert_eq!(both(&text, seconds_us), general(text.as_bytes(), 6));
        }
    }
}
