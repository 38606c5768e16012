//! Instants as access logs write them: `2018-07-02T22:23:00.186641Z`.
//!
//! Invariant: what is read is what RFC 3339 says (jiff is the oracle in the tests), and what RFC 3339
//! does not allow is not read, but for a missing `Z`, which the formats that leave it out mean as UTC.

use super::clf::two;
use super::{Form, decimals, instant};
use crate::core::format::number;
use crate::core::time::{SECOND_US, Time};

/// Days from 1 March to the first of each month, by month; January and February are of the next year.
const DAYS_TO_MONTH: [u32; 16] = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 0, 0, 0];

/// Days in each month, by month, without leap days.
const DAYS_IN_MONTH: [u32; 16] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];

/// Bytes of a timestamp with microseconds.
const MICROS_LEN: usize = 27;
/// Bytes of one up to its second.
const WHOLE_LEN: usize = 19;

/// Reads a UTC timestamp: `T` between date and time, at most nine decimals (cut to microseconds), `Z`
/// or nothing at the end. As in RFC 3339 a leap second is read as the second before it.
#[inline(always)]
pub(in crate::core::format) fn timestamp(text: &[u8]) -> Option<Time> {
    match <&[u8; MICROS_LEN]>::try_from(text) {
        Ok(text) => with_micros(text).or_else(|| general(text)),
        Err(_) => general(text),
    }
}

/// The same for a timestamp that most often falls into the minute of an earlier one of the same line:
/// `known` is that one's text and time.
#[inline(always)]
pub(in crate::core::format) fn timestamp_near(text: &[u8], known: (&[u8], Time)) -> Option<Time> {
    let (Ok(near), Ok(far)) = (<&[u8; MICROS_LEN]>::try_from(text), <&[u8; MICROS_LEN]>::try_from(known.0))
    else {
        return timestamp(text);
    };
    match within_minute(near) {
        Some(offset) if near[..MINUTE_LEN] == far[..MINUTE_LEN] => {
            Some(Time(known.1.0.div_euclid(MINUTE_US) * MINUTE_US + offset))
        }
        _ => timestamp(text),
    }
}

/// The minute of the last instant that was read in full: most that follow are of the same.
#[derive(Clone, Debug)]
pub(in crate::core::format) struct Recent {
    /// What a UTC instant begins with.
    text: [u8; MINUTE_LEN],
    /// The start of the minute.
    minute: Time,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { text: *b"1970-01-01T00:00", minute: Time(0) }
    }
}

impl Recent {
    /// What [`timestamp`] reads.
    #[inline(always)]
    pub(in crate::core::format) fn timestamp(&mut self, text: &[u8]) -> Option<Time> {
        if let Some(near) = text.first_chunk::<MICROS_LEN>()
            && text.len() == MICROS_LEN
            && near[..MINUTE_LEN] == self.text
            && let Some(offset) = within_minute(near)
        {
            return Some(Time(self.minute.0 + offset));
        }
        self.read(text)
    }

    #[inline(never)]
    fn read(&mut self, text: &[u8]) -> Option<Time> {
        let time = timestamp(text)?;
        if let Some(text) = text.first_chunk() {
            self.keep(text, time);
        }
        Some(time)
    }

    /// What [`instant`] reads.
    #[inline]
    pub(in crate::core::format) fn instant(&mut self, text: &[u8], form: Form) -> Option<Time> {
        if matches!(form, Form::Any | Form::Rfc3339) && is_utc(text) {
            return self.utc(text);
        }
        instant(text, form)
    }

    #[inline(always)]
    fn utc(&mut self, text: &[u8]) -> Option<Time> {
        if let Some((minute, [b':', tens, ones, rest @ ..])) = text.split_first_chunk()
            && *minute == self.text
            && let Some(second @ 0..60) = two(&[*tens, *ones])
            && let Some((micros, b"Z")) = decimals(rest)
        {
            return Some(Time(self.minute.0 + i64::from(second) * SECOND_US + micros));
        }
        let time = instant(text, Form::Rfc3339)?;
        if let Some(text) = text.first_chunk() {
            self.keep(text, time);
        }
        Some(time)
    }

    /// That an instant which begins so is this one.
    fn keep(&mut self, text: &[u8; MINUTE_LEN], time: Time) {
        (self.text, self.minute) = (*text, Time(time.0.div_euclid(MINUTE_US) * MINUTE_US));
    }
}

/// Whether the text is an instant with a date first, and `Z` last, if it is one.
#[inline(always)]
fn is_utc(text: &[u8]) -> bool {
    matches!(text, [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-' | b'/', .., b'Z'])
}

/// Bytes of a timestamp up to its minute.
const MINUTE_LEN: usize = 16;

/// Microseconds in a minute.
const MINUTE_US: i64 = 60 * SECOND_US;

/// The usual form without a branch a byte: words of eight, digits and separators checked together.
#[inline(always)]
fn with_micros(text: &[u8; MICROS_LEN]) -> Option<Time> {
    let (date, wrong_date) = pairs(word(text, 0), b"0000-00-");
    let (clock, wrong_clock) = pairs(word(text, 8), b"00T00:00");
    let offset = within_minute(text)?;
    let year = pair(date, 0) * 100 + pair(date, 2);
    let clock = (pair(clock, 0), pair(clock, 3), pair(clock, 6));
    let minute = minute_start(year, pair(date, 5), clock)?;
    (wrong_date | wrong_clock == 0).then_some(Time(minute.0 + offset))
}

/// A date and a time of day without decimals. As in RFC 3339 a leap second is read as the second before it.
#[inline(always)]
pub(super) fn whole_seconds(text: &[u8; WHOLE_LEN]) -> Option<Time> {
    let (date, wrong_date) = pairs(word(text, 0), b"0000-00-");
    let (day, wrong_day) = pairs(word(text, 4), b"-00-00T0");
    let (clock, wrong_clock) = pairs(word(text, 11), b"00:00:00");
    let second = pair(clock, 6);
    let year = pair(date, 0) * 100 + pair(date, 2);
    let minute = minute_start(year, pair(date, 5), (pair(day, 4), pair(clock, 0), pair(clock, 3)))?;
    let good = (wrong_date | wrong_day | wrong_clock == 0) & (second <= 60);
    good.then_some(Time(minute.0 + i64::from(second.min(59)) * SECOND_US))
}

/// Microseconds since the minute's start, from `:ss.ffffffZ` at the end of the text.
#[inline(always)]
fn within_minute(text: &[u8; MICROS_LEN]) -> Option<i64> {
    let (second, wrong_second) = pairs(word(text, 16), b":00.0000");
    let (micros, wrong_micros) = pairs(word(text, 19), b".000000Z");
    let second = pair(second, 1);
    let micros = pair(micros, 1) * 10_000 + pair(micros, 3) * 100 + pair(micros, 5);
    let good = (wrong_second | wrong_micros == 0) & (second < 60);
    good.then_some(i64::from(second) * SECOND_US + i64::from(micros))
}

/// The eight bytes of the text from there.
#[inline(always)]
fn word<const LEN: usize>(text: &[u8; LEN], at: usize) -> u64 {
    text[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Each byte of the word and the one after it as a number of two digits, where the shape has `0` for a
/// digit; and not 0 if a byte is not as the shape has it.
#[inline(always)]
fn pairs(word: u64, shape: &[u8; 8]) -> (u64, u64) {
    // A digit becomes its value, a separator 0, any other byte more than 9.
    let digits = word ^ u64::from_le_bytes(*shape);
    let wrong = number::above_nine(digits) | (digits & separators(shape));
    (digits.wrapping_mul(10).wrapping_add(digits >> 8), wrong)
}

/// The pair that begins at that byte.
#[inline(always)]
fn pair(pairs: u64, byte: u32) -> u32 {
    u32::from((pairs >> (8 * byte)) as u8)
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

/// The start of a minute, given day, hour and minute, of the proleptic Gregorian calendar, if it exists.
#[inline(always)]
pub(super) fn minute_start(year: u32, month: u32, (day, hour, minute): (u32, u32, u32)) -> Option<Time> {
    let month_index = (month & 15) as usize;
    // The last days of the months need a closer look; most days are earlier.
    let days = if day > 28 { days_in_month(year, month_index) } else { 28 * u32::from(month_index > 0) };
    let exists = (month <= 12) & (day >= 1) & (day <= days) & (hour < 24) & (minute < 60);
    // Years start in March here, so that the leap day is their last; 400 years keep the year positive.
    let year = year + 400 - u32::from(month <= 2);
    let days = year * 365 + year / 4 - year / 100 + year / 400 + DAYS_TO_MONTH[month_index] + day;
    let minutes = (i64::from(days) - DAYS_TO_EPOCH) * 1440 + i64::from(hour * 60 + minute);
    exists.then_some(Time(minutes * MINUTE_US))
}

#[cold]
fn days_in_month(year: u32, month: usize) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    DAYS_IN_MONTH[month] + u32::from(leap && month == 2)
}

/// Days from the start of that count to 1970-01-01 (1 March 1969 and 306 days, of 400 years on).
const DAYS_TO_EPOCH: i64 = 2369 * 365 + 2369 / 4 - 2369 / 100 + 2369 / 400 + 306 + 1;

/// Any number of decimals, with or without `Z`, and leap seconds.
#[cold]
fn general(text: &[u8]) -> Option<Time> {
    let (whole, rest) = text.split_first_chunk()?;
    let micros = match rest.strip_suffix(b"Z").unwrap_or(rest) {
        [] => 0,
        [b'.', decimals @ ..] if decimals.len() <= 9 => number::decimals_e6(decimals)?,
        _ => return None,
    };
    Some(Time(whole_seconds(whole)?.0 + i64::from(micros)))
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
        fn a_timestamp_near_another_is_read_as_alone(
            micros in 0_i64..4_000_000_000_000_000,
            apart in -120_000_000_i64..120_000_000,
            broken in 0_usize..60,
        ) {
            let text = |micros| jiff::Timestamp::from_microsecond(micros).map(|t| format!("{t:.6}")).unwrap_or_default();
            let (far, mut near) = (text(micros), text(micros + apart).into_bytes());
            if let Some(byte) = near.get_mut(broken) {
                *byte = b'x';
            }
            let known = (far.as_bytes(), Time(micros));
            prop_assert_eq!(timestamp_near(&near, known), timestamp(&near));
        }

        #[test]
        fn instants_behind_another_are_read_as_alone(
            first in 0_i64..4_000_000_000_000_000,
            apart in -120_000_000_i64..120_000_000,
            decimals in 0_usize..10,
            broken in 0_usize..90,
            byte in proptest::sample::select(b"0:.-+/ TZz".to_vec()),
        ) {
            let text = |micros| jiff::Timestamp::from_microsecond(micros).map(|t| format!("{t:.decimals$}")).unwrap_or_default();
            let (first, mut second) = (text(first), text(first + apart).into_bytes());
            if let Some(old) = second.get_mut(broken) {
                *old = byte;
            }
            let mut recent = Recent::default();
            prop_assert_eq!(recent.instant(first.as_bytes(), Form::Any), instant(first.as_bytes(), Form::Any));
            prop_assert_eq!(recent.instant(&second, Form::Any), instant(&second, Form::Any));
            prop_assert_eq!(recent.instant(first.as_bytes(), Form::Rfc3339), instant(first.as_bytes(), Form::Any));
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = timestamp(&text);
        }
    }
}
