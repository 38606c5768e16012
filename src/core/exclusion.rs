//! From an exclusion's rule to its windows in time.
//!
//! Invariant: the windows are a function of the rule alone. Occurrences are found in local time, as a calendar on the
//! wall has them, and become instants by the zone rules built into the program: a start that a clock change skips is
//! moved on by as much, one that comes twice is the first.

use crate::core::service::selects;
use crate::core::settings::{Exclusion, Occurs};
use crate::core::time::{SECOND_US, Time};
use chrono::DateTime;
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use rrule::{Frequency, RRule, RRuleSet, Tz, Unvalidated};

/// Longest window of a rule, seconds.
pub const DURATION_MAX_S: u64 = 31 * 86_400;
/// How many occurrences are looked at to see whether a rule leaves anything to measure.
const LOOKED_AT: usize = 400;

/// Why a rule cannot be used: a sentence without its end, and a way out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: &'static str,
}

impl RuleError {
    fn new(message: impl Into<String>, hint: &'static str) -> RuleError {
        RuleError { message: message.into(), hint }
    }
}

impl Exclusion {
    /// Whether it is for that SLO of that service.
    pub fn applies(&self, service: &str, slo: &str) -> bool {
        let any = |selectors: &[String], name: &str| selectors.iter().any(|s| selects(s, name));
        any(&self.services, service) && any(&self.slos, slo)
    }
}

impl Occurs {
    /// The windows that begin before `to` and end after `from`, ascending by their start. None for a rule that
    /// [`Occurs::check`] refuses.
    pub fn spans(&self, from: Time, to: Time) -> Vec<(Time, Time)> {
        match self {
            Occurs::Once { from: start, to: end } => {
                if *start < to && *end > from {
                    vec![(*start, *end)]
                } else {
                    Vec::new()
                }
            }
            Occurs::Repeats { duration_s, .. } => {
                let Ok((set, zone)) = self.set() else { return Vec::new() };
                let length_s = i64::try_from(*duration_s).unwrap_or(i64::MAX);
                // local time is at most a day off; what is out of range goes below
                let bound = |time: Time, seconds: i64| {
                    let seconds = time.plus_seconds(seconds).seconds().clamp(0, 253_370_764_800);
                    DateTime::from_timestamp(seconds, 0).unwrap_or_default().with_timezone(&Tz::UTC)
                };
                let first = bound(from, -length_s.saturating_add(86_400));
                let last = bound(to, 86_400);
                // the set's own bounds hold for its lists alone: an iterator goes on to the end of time
                let local = set.limit().into_iter().skip_while(|local| *local < first);
                let near = local.take_while(|local| *local <= last);
                let windows = near.map(|local| window(&local, &zone, length_s));
                windows.filter(|(start, end)| *start < to && *end > from).collect()
            }
        }
    }

    /// The next windows that end after `from`, at most so many.
    pub fn upcoming(&self, from: Time, most: usize) -> Vec<(Time, Time)> {
        // longer and longer, for rules that are rare
        for days in [40, 400, 4_000] {
            let mut spans = self.spans(from, from.plus_seconds(days * 86_400));
            if spans.len() >= most || days == 4_000 {
                spans.truncate(most);
                return spans;
            }
        }
        Vec::new()
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it, and a way out.
    pub fn check(&self) -> Result<(), RuleError> {
        let Occurs::Repeats { duration_s, .. } = self else { return Ok(()) };
        if *duration_s == 0 || *duration_s > DURATION_MAX_S {
            return Err(RuleError::new(
                "a window must be longer than 0 and no longer than 31d",
                "duration: 2h",
            ));
        }
        let (set, zone) = self.set()?;
        let often = |f: Frequency| matches!(f, Frequency::Minutely | Frequency::Secondly);
        if set.get_rrule().iter().any(|rule| often(rule.get_freq())) {
            return Err(RuleError::new(
                "a rule cannot recur by the minute or second",
                "write FREQ=HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY",
            ));
        }
        let first: Vec<_> = set.limit().into_iter().take(LOOKED_AT).collect();
        if first.is_empty() {
            return Err(RuleError::new("the rule never occurs", "look at its BY… parts, COUNT and UNTIL"));
        }
        let length_s = i64::try_from(*duration_s).unwrap_or(i64::MAX);
        let windows: Vec<_> = first.iter().map(|local| window(local, &zone, length_s)).collect();
        if windows.len() == LOOKED_AT && windows.windows(2).all(|two| two[1].0 <= two[0].1) {
            return Err(RuleError::new(
                "its windows touch one another: nothing would be left to measure",
                "shorten `duration`, or let the rule occur less often",
            ));
        }
        Ok(())
    }

    /// The rule with its start, both in local time as if that were UTC; and the zone.
    fn set(&self) -> Result<(RRuleSet, TimeZone), RuleError> {
        let Occurs::Repeats { rule, start, time_zone, .. } = self else {
            return Err(RuleError::new("no rule", ""));
        };
        let unknown = || {
            RuleError::new(
                format!("unknown time zone `{time_zone}`"),
                "write a name of the IANA database: Europe/Berlin, America/New_York, UTC",
            )
        };
        let zone = TimeZoneDatabase::bundled().get(time_zone).map_err(|_| unknown())?;
        let local = start.parse::<civil::DateTime>().ok().and_then(|local| seconds_of(local, &TimeZone::UTC));
        let local = local.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or_else(|| {
            RuleError::new(format!("`{start}` is not a local time"), "write 2026-01-04T02:00")
        })?;
        let local = local.with_timezone(&Tz::UTC);
        let wrong = |error: rrule::RRuleError| {
            let text = error.to_string();
            let text = text.strip_prefix("RRule ").unwrap_or(&text).trim_end_matches('.').to_owned();
            RuleError::new(
                format!("not a recurrence rule: {text}"),
                "write a rule of RFC 5545: FREQ=WEEKLY;BYDAY=SU",
            )
        };
        let parts: Vec<String> = rule.split(';').map(|part| until(part, &zone)).collect();
        let read = parts.join(";").parse::<RRule<Unvalidated>>().map_err(wrong)?;
        let set = read.build(local).map_err(wrong)?;
        Ok((set, zone))
    }
}

/// One part of a rule; `UNTIL` in local time as if that were UTC, as the start is.
fn until(part: &str, zone: &TimeZone) -> String {
    let Some(value) = part.trim().strip_prefix("UNTIL=") else { return part.trim().to_owned() };
    if value.len() == 8 {
        return format!("UNTIL={value}T235959Z");
    }
    let Some(utc) = value.strip_suffix('Z') else { return format!("UNTIL={value}Z") };
    let local = civil::DateTime::strptime("%Y%m%dT%H%M%S", utc)
        .ok()
        .and_then(|utc| utc.to_zoned_datetime(TimeZone::UTC).ok())
        .map(|instant| zone.to_datetime(instant.timestamp()));
    // what is no time is left for the rule's own parser to refuse
    local.map_or(format!("UNTIL={value}"), |local| format!("UNTIL={}Z", local.strftime("%Y%m%dT%H%M%S")))
}

/// The window that begins at a local time.
fn window(local: &DateTime<Tz>, zone: &TimeZone, length_s: i64) -> (Time, Time) {
    let civil = Timestamp::from_second(local.timestamp()).unwrap_or_default();
    let civil = TimeZone::UTC.to_datetime(civil);
    let start = Time::from_seconds(seconds_of(civil, zone).unwrap_or(i64::MAX / SECOND_US));
    (start, start.plus_seconds(length_s))
}

/// The instant of a local time, whole seconds. None beyond the years that have one.
pub fn seconds_of(local: civil::DateTime, zone: &TimeZone) -> Option<i64> {
    local.to_zoned_datetime(zone.clone()).ok().map(|zoned| zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(rule: &str, start: &str, time_zone: &str, duration_s: u64) -> Occurs {
        Occurs::Repeats { rule: rule.into(), start: start.into(), time_zone: time_zone.into(), duration_s }
    }

    fn time(text: &str) -> Time {
        Time::parse(text).expect("a time")
    }

    #[test]
    fn windows_are_where_a_wall_clock_has_them() {
        struct Case(&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);
        let cases = [
            // Sundays at 2, over the change to summer time on 29 March: 2:00 is skipped there and becomes 3:00
            Case(
                "FREQ=WEEKLY;BYDAY=SU",
                "2026-01-04T02:00:00",
                "Europe/Berlin",
                "2026-03-20T00:00:00Z",
                &["2026-03-22T01:00:00Z", "2026-03-29T01:00:00Z", "2026-04-05T00:00:00Z"],
            ),
            // 25 October has 2:00 twice: the first one
            Case(
                "FREQ=WEEKLY;BYDAY=SU",
                "2026-01-04T02:00:00",
                "Europe/Berlin",
                "2026-10-20T00:00:00Z",
                &["2026-10-25T00:00:00Z", "2026-11-01T01:00:00Z"],
            ),
            // the second Tuesday of every second month
            Case(
                "FREQ=MONTHLY;INTERVAL=2;BYDAY=2TU",
                "2026-01-13T22:00:00",
                "America/New_York",
                "2026-01-01T00:00:00Z",
                &["2026-01-14T03:00:00Z", "2026-03-11T02:00:00Z"],
            ),
            // both ends of a rule: by number, and by a local or a UTC time that still belongs to it
            Case(
                "FREQ=DAILY;COUNT=2",
                "2026-01-01T00:00:00",
                "UTC",
                "2025-12-30T00:00:00Z",
                &["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"],
            ),
            Case(
                "FREQ=DAILY;UNTIL=20260102T020000",
                "2026-01-01T02:00:00",
                "Europe/Berlin",
                "2025-12-30T00:00:00Z",
                &["2026-01-01T01:00:00Z", "2026-01-02T01:00:00Z"],
            ),
            Case(
                "FREQ=DAILY;UNTIL=20260102T010000Z",
                "2026-01-01T02:00:00",
                "Europe/Berlin",
                "2025-12-30T00:00:00Z",
                &["2026-01-01T01:00:00Z", "2026-01-02T01:00:00Z"],
            ),
        ];
        for Case(rule, start, zone, from, want) in cases {
            let occurs = repeats(rule, start, zone, 3_600);
            assert_eq!(occurs.check(), Ok(()), "{rule}");
            let got: Vec<String> = occurs
                .upcoming(time(from), want.len() + 1)
                .iter()
                .map(|(start, _)| start.to_string())
                .collect();
            assert_eq!(&got[..want.len().min(got.len())], want, "{rule}");
            if rule.contains("COUNT") || rule.contains("UNTIL") {
                assert_eq!(got.len(), want.len(), "{rule}");
            }
        }
    }

    #[test]
    fn spans_are_half_open() {
        let occurs = repeats("FREQ=WEEKLY;BYDAY=SU", "2026-01-04T02:00:00", "UTC", 7_200);
        let (start, end) = (time("2026-01-11T02:00:00Z"), time("2026-01-11T04:00:00Z"));
        for (from, to, want) in [
            (start, end, 1),
            (time("2026-01-11T03:59:59Z"), time("2026-01-11T05:00:00Z"), 1),
            (end, time("2026-01-18T02:00:00Z"), 0),
            (time("2026-01-10T00:00:00Z"), start, 0),
            (time("2025-12-01T00:00:00Z"), time("2026-01-04T02:00:00Z"), 0),
        ] {
            assert_eq!(occurs.spans(from, to).len(), want, "{from} {to}");
            let once = Occurs::Once { from: start, to: end };
            assert_eq!(once.spans(from, to).len(), want, "{from} {to}");
        }
    }

    #[test]
    fn what_cannot_be_a_rule_is_refused() {
        let daily = |rule: &str| repeats(rule, "2026-01-01T00:00:00", "UTC", 3_600);
        for (occurs, want) in [
            (daily("FREQ=MINUTELY"), "by the minute or second"),
            (daily("FREQ=FORTNIGHTLY"), "not a recurrence rule"),
            (daily("BYDAY=SU"), "not a recurrence rule"),
            (daily("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "never occurs"),
            (daily("FREQ=DAILY;UNTIL=20250101T000000Z"), "not a recurrence rule"),
            (daily("FREQ=HOURLY"), "nothing would be left"),
            (repeats("FREQ=DAILY", "yesterday", "UTC", 60), "not a local time"),
            (repeats("FREQ=DAILY", "2026-01-01T00:00:00", "Mars/Olympus", 60), "unknown time zone"),
            (repeats("FREQ=DAILY", "2026-01-01T00:00:00", "UTC", 0), "longer than 0"),
            (repeats("FREQ=YEARLY", "2026-01-01T00:00:00", "UTC", 40 * 86_400), "no longer than 31d"),
        ] {
            let error = occurs.check().expect_err("refused").to_string();
            assert!(error.contains(want), "{error} / {want}");
        }
        assert_eq!(daily("FREQ=DAILY;COUNT=2").check(), Ok(()));
    }
}
