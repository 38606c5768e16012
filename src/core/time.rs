//! Event time and slices.
//!
//! A [`Time`] is microseconds since the Unix epoch, UTC; a [`Slice`] is the half-open interval
//! `[start, end)` that the time falls into, numbered from the epoch so that its length divides evenly.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct Time(pub i64);

/// Microseconds in a second.
pub const SECOND_US: i64 = 1_000_000;

impl Time {
    /// 2000-01-01T00:00:00Z: nothing earlier is taken for an event time.
    pub const Y2000: Time = Time(946_684_800 * SECOND_US);

    /// The time so many whole seconds after the epoch.
    pub const fn from_seconds(seconds: i64) -> Time {
        Time(seconds * SECOND_US)
    }

    /// This time moved by so many seconds; saturates.
    pub const fn plus_seconds(self, seconds: i64) -> Time {
        Time(self.0.saturating_add(seconds.saturating_mul(SECOND_US)))
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND_US)
    }

    /// Reads RFC 3339. None if it is not one.
    pub fn parse(text: &str) -> Option<Time> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Time(t.as_microsecond()))
    }

    /// The UTC date as `YYYY-MM-DD`.
    pub fn date(self) -> String {
        self.timestamp().strftime("%Y-%m-%d").to_string()
    }

    /// Compact UTC minute, as in file names: `20181231T2355Z`.
    pub fn compact(self) -> String {
        self.timestamp().strftime("%Y%m%dT%H%MZ").to_string()
    }

    fn timestamp(self) -> jiff::Timestamp {
        let clamped = self.0.clamp(-62_135_596_800 * SECOND_US, 253_402_207_200 * SECOND_US);
        jiff::Timestamp::from_microsecond(clamped).unwrap_or_default()
    }
}

/// RFC 3339 in UTC, with microseconds only where there are any.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = self.timestamp();
        if self.0.rem_euclid(SECOND_US) == 0 {
            write!(f, "{timestamp:.0}")
        } else {
            write!(f, "{timestamp:.6}")
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The number of a base slice: its start is `number * length`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug, Default)]
pub struct Slice(pub i64);

impl Slice {
    /// The slice after this one.
    pub const fn next(self) -> Slice {
        Slice(self.0 + 1)
    }
}

/// The length of a base slice in seconds: 10, 30, 60 or 300.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Debug)]
pub struct SliceLength(pub u32);

impl SliceLength {
    /// The slice that holds the time.
    #[inline]
    pub const fn slice(self, time: Time) -> Slice {
        Slice(time.0.div_euclid(self.0 as i64 * SECOND_US))
    }

    /// The first instant of the slice.
    pub const fn start(self, slice: Slice) -> Time {
        Time(slice.0 * self.0 as i64 * SECOND_US)
    }

    /// The first instant after the slice.
    pub const fn end(self, slice: Slice) -> Time {
        self.start(slice.next())
    }

    /// The table suffix: `10s`, `30s`, `1m`, `5m`.
    pub fn suffix(self) -> String {
        if self.0.is_multiple_of(60) { format!("{}m", self.0 / 60) } else { format!("{}s", self.0) }
    }

    /// How many slices a window of so many seconds spans (windows are whole slices).
    pub const fn slices_in(self, window_s: u64) -> u64 {
        window_s / self.0 as u64
    }
}

/// The grain of the coarser tables: hours or days, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub enum Grain {
    /// Hours.
    #[serde(rename = "1h")]
    Hour,
    /// Days.
    #[serde(rename = "1d")]
    Day,
}

impl Grain {
    /// All, the finest first.
    pub const ALL: [Grain; 2] = [Grain::Hour, Grain::Day];

    /// Its length, seconds.
    pub const fn seconds(self) -> i64 {
        match self {
            Grain::Hour => 3_600,
            Grain::Day => 86_400,
        }
    }

    /// The table suffix: `1h`, `1d`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Grain::Hour => "1h",
            Grain::Day => "1d",
        }
    }

    /// The first instant of the hour or day that the time falls into.
    pub const fn floor(self, time: Time) -> Time {
        let length_us = self.seconds() * SECOND_US;
        Time(time.0.div_euclid(length_us).saturating_mul(length_us))
    }

    /// The first hour or day that begins no earlier than the time.
    pub const fn ceil(self, time: Time) -> Time {
        let floor = self.floor(time);
        if floor.0 == time.0 { floor } else { floor.plus_seconds(self.seconds()) }
    }
}
