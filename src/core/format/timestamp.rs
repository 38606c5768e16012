//! Instants as access logs write them: `2018-07-02T22:23:00.186641Z`.
//!
//! Invariant: what is read is what RFC 3339 says (jiff is the oracle in the tests), and what RFC 3339
//! does not allow is not read, but for a missing `Z`, which the formats that leave it out mean as UTC.

use crate::core::format::number;
use crate::core::time::{SECOND_US, Time};

/// Days from 1 March to the first of each month, by month; January and February are of the next year.
const DAYS_TO_MONTH: [i64; 16] = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 0, 0, 0];

/// Days in each month, by month, without leap days.
const DAYS_IN_MONTH: [u32; 16] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];

/// Bytes of a timestamp with microseconds.
const MICROS_LEN: usize = 27;

/// Reads a UTC timestamp: `T` between date and time, at most nine decimals (cut to microseconds), `Z`
/// or nothing at the end. As in RFC 3339 a leap second is read as the second before it.
#[inline(always)]
pub(super) fn timestamp(text: &[u8]) -> Option<Time> {
    match <&[u8; MICROS_LEN]>::try_from(text) {
        Ok(text) => with_micros(text).or_else(|| general(text)),
        Err(_) => general(text),
    }
}

/// The usual form without a branch a byte: four words, their digits and separators checked together.
#[inline(always)]
fn with_micros(text: &[u8; MICROS_LEN]) -> Option<Time> {
    let word = |at: usize| u64::from_le_bytes(*text[at..].first_chunk::<8>().unwrap_or(&[0; 8]));
    // yyyy-MM-, ddThh:mm, :ss.ffff, .ffffffZ
    let words = [word(0), word(8), word(16), word(19)];
    let shapes: [&[u8; 8]; 4] = [b"0000-00-", b"00T00:00", b":00.0000", b".000000Z"];
    let mut pairs = [0; 4];
    let mut wrong = 0;
    for i in 0..4 {
        let shape = u64::from_le_bytes(*shapes[i]);
        // A digit becomes its value, a separator 0, any other byte more than 9.
        let digits = words[i] ^ shape;
        let above_nine = (digits & number::LOW_BITS) + 0x76 * number::ONES | digits;
        wrong |= above_nine & number::HIGH_BITS | digits & separators(shapes[i]);
        // Each byte and the one after it as a number of two digits.
        pairs[i] = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    }
    let pair = |word: usize, byte: usize| (pairs[word] >> (8 * byte)) as u8 as u32;
    let year = pair(0, 0) * 100 + pair(0, 2);
    let micros = pair(3, 1) * 10_000 + pair(3, 3) * 100 + pair(3, 5);
    let clock = [pair(1, 3), pair(1, 6), pair(2, 1)];
    let time = instant(year, pair(0, 5), pair(1, 0), clock, micros);
    time.filter(|_| wrong == 0)
}

/// All ones in the bytes of the shape that are no digit.
const fn separators(shape: &[u8; 8]) -> u64 {
    let (mut mask, mut i) = (0, 0);
    while i < 8 {
        if shape[i] != b'0' {
            mask |= 0xff << (8 * i);
        }
        i += 1;
    }
    mask
}

/// The instant of a date of the proleptic Gregorian calendar, if there is such a date and time.
#[inline(always)]
fn instant(year: u32, month: u32, day: u32, clock: [u32; 3], micros: u32) -> Option<Time> {
    let [hour, minute, second] = clock;
    let month_index = (month & 15) as usize;
    let leap = year.is_multiple_of(4) & (!year.is_multiple_of(100) | year.is_multiple_of(400));
    let days = DAYS_IN_MONTH[month_index] + u32::from(leap & (month == 2));
    let exists = (month < 16) & (day >= 1) & (day <= days) & (hour < 24) & (minute < 60) & (second < 60);
    // Years start in March here, so that the leap day is their last; 400 years keep the year positive.
    let year = i64::from(year) + 400 - i64::from(month <= 2);
    let days = year * 365 + year / 4 - year / 100 + year / 400 + DAYS_TO_MONTH[month_index] + i64::from(day)
        - DAYS_TO_EPOCH;
    let seconds = days * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    exists.then_some(Time(seconds * SECOND_US + i64::from(micros)))
}

/// Days from the start of that count to 1970-01-01 (1 March 1969 and 306 days, of 400 years on).
const DAYS_TO_EPOCH: i64 = 2369 * 365 + 2369 / 4 - 2369 / 100 + 2369 / 400 + 306 + 1;

/// Any number of decimals, with or without `Z`, and leap seconds.
#[cold]
fn general(text: &[u8]) -> Option<Time> {
    let (whole, rest) = text.split_at_checked(19)?;
    let two = |at: usize| match whole[at..] {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => Some(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
        _ => None,
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| whole[*at] != *byte) {
        return None;
    }
    let micros = match rest.strip_suffix(b"Z").unwrap_or(rest) {
        [] => 0,
        [b'.', decimals @ ..] if decimals.len() <= 9 => number::decimals_e6(decimals)?,
        _ => return None,
    };
    let second = match two(17)? {
        60 => 59,
        second => second,
    };
    instant(two(0)? * 100 + two(2)?, two(5)?, two(8)?, [two(11)?, two(14)?, second], micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_rfc_3339_allows() {
        let good = [
            "1970-01-01T00:00:00.000000Z",
            "2018-07-02T22:23:00.186641Z",
            "2000-02-29T23:59:59.999999Z",
            "2024-02-29T00:00:00.000001Z",
            "1900-02-28T00:00:00.000000Z",
            "0000-01-01T00:00:00.000000Z",
            "9999-12-30T22:00:00.999999Z",
            "2016-12-31T23:59:60.000000Z",
            "2018-07-02T22:23:00Z",
            "2018-07-02T22:23:00.1Z",
            "2018-07-02T22:23:00.123456789Z",
        ];
        for text in good {
            let oracle = Time::parse(text);
            assert!(oracle.is_some(), "{text}");
            assert_eq!(timestamp(text.as_bytes()), oracle, "{text}");
        }
        assert_eq!(timestamp(b"2018-07-02T22:23:00"), Time::parse("2018-07-02T22:23:00Z"));
        assert_eq!(timestamp(b"2018-07-02T22:23:00.5"), Time::parse("2018-07-02T22:23:00.5Z"));
    }

    #[test]
    fn refuses_the_rest() {
        let bad = [
            "",
            "-",
            "-1",
            "2018-07-02",
            "2018-13-02T22:23:00.186641Z",
            "2018-00-02T22:23:00.186641Z",
            "2018-02-29T22:23:00.186641Z",
            "1900-02-29T22:23:00.186641Z",
            "2018-07-00T22:23:00.186641Z",
            "2018-07-32T22:23:00.186641Z",
            "2018-07-02T24:23:00.186641Z",
            "2018-07-02T22:60:00.186641Z",
            "2018-07-02T22:23:61.186641Z",
            "2018-07-02 22:23:00.186641Z",
            "2018-07-02T22:23:00,186641Z",
            "2018-07-02T22:23:00.18664:Z",
            "2018-07-02T22:23:00.18664/Z",
            "2018-07-02T22:23:00.186641z",
            "2018-07-02T22:23:00.Z",
            "2018-07-02T22:23:00.1234567890Z",
            "2018-07-02T22:23:0",
            "\u{ff}018-07-02T22:23:00.18664Z",
            "20180702T222300.1866410000Z",
        ];
        for text in bad {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_single_byte_changed_agrees_with_jiff() {
        let text = b"2018-07-02T22:23:00.186641Z";
        for at in 0..text.len() {
            for byte in 0..=255 {
                let mut changed = *text;
                changed[at] = byte;
                // What jiff allows beyond this form.
                if at == 10 && matches!(byte, b't' | b' ')
                    || at == 26
                    || at == 0 && matches!(byte, b'+' | b'-')
                {
                    continue;
                }
                if at == 19 && byte == b',' {
                    continue;
                }
                let oracle = std::str::from_utf8(&changed).ok().and_then(Time::parse);
                assert_eq!(timestamp(&changed), oracle, "{}", String::from_utf8_lossy(&changed));
            }
        }
    }

    proptest! {
        #[test]
        fn reads_what_was_written(micros in -62_167_219_200_000_000_i64..253_402_207_200_000_000) {
            let time = jiff::Timestamp::from_microsecond(micros.max(-62_135_596_800_000_000)).unwrap_or_default();
            let expected = Some(Time(time.as_microsecond()));
            prop_assert_eq!(timestamp(format!("{time:.6}").as_bytes()), expected);
            prop_assert_eq!(timestamp(format!("{time}").as_bytes()), expected);
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = timestamp(&text);
        }
    }
}
