//! Calendar windows: days, weeks, months, quarters and years of a time zone.
//!
//! Invariant: where a period begins and ends is a function of the calendar and the time. The zones' rules are those
//! of the IANA database built into the program, never the machine's; an hour that a clock change takes away
//! or adds makes its period shorter or longer.

use crate::core::time::{SECOND_US, Time};
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A calendar whose periods are an SLO's windows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Calendar {
    /// What a period is.
    pub unit: Unit,
    /// IANA name of the zone whose midnight begins it.
    pub time_zone: String,
    /// The day that a week begins with.
    #[serde(default)]
    pub week_starts: Weekday,
}

/// A calendar's period.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// From midnight to midnight.
    Day,
    /// Seven days.
    Week,
    /// A month.
    Month,
    /// January to March, and so on.
    Quarter,
    /// January to December.
    Year,
}

/// A day of the week.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday, as in ISO 8601.
    #[default]
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// `monday`, …
    pub const fn name(self) -> &'static str {
        match self {
            Weekday::Monday => "monday",
            Weekday::Tuesday => "tuesday",
            Weekday::Wednesday => "wednesday",
            Weekday::Thursday => "thursday",
            Weekday::Friday => "friday",
            Weekday::Saturday => "saturday",
            Weekday::Sunday => "sunday",
        }
    }
}

/// A period of a calendar, half-open.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Period {
    /// Its first instant.
    pub start: Time,
    /// The first instant after it.
    pub end: Time,
}

impl Period {
    /// Its length in seconds.
    pub const fn seconds(&self) -> u64 {
        (self.end.0.saturating_sub(self.start.0) / SECOND_US) as u64
    }
}

impl Unit {
    /// `day`, `week`, …
    pub const fn name(self) -> &'static str {
        match self {
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Quarter => "quarter",
            Unit::Year => "year",
        }
    }

    /// What burn-rate factors take for its length, seconds: a month is 30 days, a quarter 90, a year 365.
    pub const fn nominal_s(self) -> u64 {
        86_400
            * match self {
                Unit::Day => 1,
                Unit::Week => 7,
                Unit::Month => 30,
                Unit::Quarter => 90,
                Unit::Year => 365,
            }
    }

    /// The longest that a period can be, seconds, an hour of a clock change included.
    pub const fn longest_s(self) -> u64 {
        let days = match self {
            Unit::Day => 1,
            Unit::Week => 7,
            Unit::Month => 31,
            Unit::Quarter => 92,
            Unit::Year => 366,
        };
        days * 86_400 + 7_200
    }
}

impl Calendar {
    /// Whether the zone is in the database.
    pub fn is_known(&self) -> bool {
        zone(&self.time_zone).is_some()
    }

    /// The period that the time lies in. An unknown zone is taken for UTC: the pipeline file's check refuses one.
    pub fn period(&self, time: Time) -> Period {
        let zone = zone(&self.time_zone).unwrap_or(TimeZone::UTC);
        let instant = Timestamp::from_microsecond(time.0).unwrap_or_default();
        let date = zone.to_datetime(instant).date();
        let first = self.first_day(date);
        let next = match self.unit {
            Unit::Day => first.checked_add(1.day()),
            Unit::Week => first.checked_add(7.days()),
            Unit::Month => first.checked_add(1.month()),
            Unit::Quarter => first.checked_add(3.months()),
            Unit::Year => first.checked_add(1.year()),
        };
        let end = next.ok().and_then(|date| midnight(date, &zone)).unwrap_or(Time(i64::MAX));
        Period { start: midnight(first, &zone).unwrap_or(Time(i64::MIN)), end }
    }

    fn first_day(&self, date: Date) -> Date {
        let first_of = |month| Date::new(date.year(), month, 1).unwrap_or(date);
        match self.unit {
            Unit::Day => date,
            Unit::Week => {
                let back = (date.weekday().to_monday_zero_offset() - self.week_starts as i8).rem_euclid(7);
                date.checked_sub(i64::from(back).days()).unwrap_or(date)
            }
            Unit::Month => first_of(date.month()),
            Unit::Quarter => first_of((date.month() - 1) / 3 * 3 + 1),
            Unit::Year => first_of(1),
        }
    }
}

/// `month in Europe/Berlin`.
impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.unit.name(), self.time_zone)
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// The first instant of a day: where a clock change skips midnight, the first one after it.
fn midnight(date: Date, zone: &TimeZone) -> Option<Time> {
    let start = date.to_zoned_datetime(zone.clone()).ok()?;
    Some(Time(start.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(unit: Unit, time_zone: &str, at: &str) -> (String, String, u64) {
        let calendar = Calendar { unit, time_zone: time_zone.into(), week_starts: Weekday::Monday };
        let period = calendar.period(Time::parse(at).unwrap());
        (period.start.to_string(), period.end.to_string(), period.seconds() / 60)
    }

    #[test]
    fn periods_are_those_of_the_zone() {
        use Unit::{Day, Month, Quarter, Week, Year};
        let cases = [
            // both ends belong to the period that they begin
            (Month, "UTC", "2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", 40_320),
            (Month, "UTC", "2026-01-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", 44_640),
            (Month, "UTC", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", 41_760),
            // Berlin's March loses an hour, its October gains one
            (
                Month,
                "Europe/Berlin",
                "2026-03-15T00:00:00Z",
                "2026-02-28T23:00:00Z",
                "2026-03-31T22:00:00Z",
                44_580,
            ),
            (
                Month,
                "Europe/Berlin",
                "2026-10-15T00:00:00Z",
                "2026-09-30T22:00:00Z",
                "2026-10-31T23:00:00Z",
                44_700,
            ),
            (Quarter, "UTC", "2026-08-20T00:00:00Z", "2026-07-01T00:00:00Z", "2026-10-01T00:00:00Z", 132_480),
            (
                Year,
                "Asia/Kolkata",
                "2026-08-20T00:00:00Z",
                "2025-12-31T18:30:00Z",
                "2026-12-31T18:30:00Z",
                525_600,
            ),
            (Week, "UTC", "2026-11-25T04:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z", 10_080),
            (
                Day,
                "Europe/Berlin",
                "2026-03-29T10:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
                1_380,
            ),
            // Beirut's clocks skipped midnight: the day began at one
            (
                Day,
                "Asia/Beirut",
                "2024-03-31T12:00:00Z",
                "2024-03-30T22:00:00Z",
                "2024-03-31T21:00:00Z",
                1_380,
            ),
            (
                Day,
                "Pacific/Apia",
                "2011-12-31T00:00:00Z",
                "2011-12-30T10:00:00Z",
                "2011-12-31T10:00:00Z",
                1_440,
            ),
        ];
        for (unit, zone, at, start, end, minutes) in cases {
            assert_eq!(period(unit, zone, at), (start.into(), end.into(), minutes), "{unit:?} {zone} {at}");
        }
    }

    #[test]
    fn a_week_begins_with_the_day_that_was_chosen() {
        for (at, hours) in
            [("2026-03-08T12:00:00Z", 167), ("2026-11-01T12:00:00Z", 169), ("2026-05-10T12:00:00Z", 168)]
        {
            let calendar = Calendar {
                unit: Unit::Week,
                time_zone: "America/New_York".into(),
                week_starts: Weekday::Sunday,
            };
            let period = calendar.period(Time::parse(at).unwrap());
            assert_eq!(period.start.date(), at[..10]);
            assert_eq!(period.seconds(), hours * 3600);
        }
    }

    #[test]
    fn periods_follow_one_another() {
        for unit in [Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year] {
            let calendar =
                Calendar { unit, time_zone: "America/Sao_Paulo".into(), week_starts: Weekday::Friday };
            let mut period = calendar.period(Time::parse("2015-01-01T00:00:00Z").unwrap());
            for _ in 0..200 {
                assert!(period.seconds() <= unit.longest_s());
                let next = calendar.period(period.end);
                assert_eq!(next.start, period.end);
                assert_eq!(calendar.period(Time(next.start.0 - 1)), period);
                period = next;
            }
        }
    }

    #[test]
    fn zones_are_known_by_name() {
        let calendar =
            |zone: &str| Calendar { unit: Unit::Day, time_zone: zone.into(), week_starts: Weekday::Monday };
        assert!(calendar("Europe/Berlin").is_known() && calendar("UTC").is_known());
        assert!(!calendar("Europe/Berlln").is_known());
    }
}
