//! Exclusion windows of a pipeline file, applied to stored rows.
//!
//! Invariant: with a pipeline file its exclusions decide, whatever the rows say of themselves, so one that is added later
//! corrects history too; without one, the rows' own columns do.

use crate::core::settings::Exclusion;
use crate::core::time::{SliceLength, Time};

/// What is excluded of a range of time.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Excluded {
    /// Every exclusion with its windows, ascending by their start.
    all: Vec<(Exclusion, Vec<(Time, Time)>)>,
}

impl Excluded {
    pub(super) fn new(exclusions: &[Exclusion], since: Time, until: Time) -> Excluded {
        let worked = |exclusion: &Exclusion| (exclusion.clone(), exclusion.occurs.spans(since, until));
        Excluded { all: exclusions.iter().map(worked).collect() }
    }

    /// Names and reasons.
    pub(super) fn reasons(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.all.iter().map(|(exclusion, windows)| (&*exclusion.name, &*exclusion.reason, windows.len()))
    }

    /// The windows that are for an SLO of a service.
    pub(super) fn of(&self, service: &str, slo: &str) -> Vec<(Time, Time)> {
        let mine = self.all.iter().filter(|(exclusion, _)| exclusion.applies(service, slo));
        mine.flat_map(|(_, windows)| windows).copied().collect()
    }
}

/// Whether one of the windows touches the unit of so many seconds that the slice lies in.
pub(super) fn touches(windows: &[(Time, Time)], slice_start: Time, unit_s: u64) -> bool {
    let unit_s = i64::try_from(unit_s).unwrap_or(i64::MAX).max(1);
    let start = Time::from_seconds(slice_start.seconds().div_euclid(unit_s) * unit_s);
    let end = start.plus_seconds(unit_s);
    windows.iter().any(|(from, to)| *from < end && *to > start)
}

/// How many slices of `[since, until)` the windows touch.
pub(super) fn slices(windows: &[(Time, Time)], length: SliceLength, (since, until): (Time, Time)) -> u64 {
    let (first, end) = (length.slice(since).0, length.slice(until).0);
    let spans = windows.iter().map(|(from, to)| {
        let last = length.slice(Time(to.0.saturating_sub(1))).0;
        (length.slice(*from).0.max(first), (last + 1).min(end))
    });
    let mut spans: Vec<(i64, i64)> = spans.filter(|(from, to)| from < to).collect();
    spans.sort_unstable();
    let (mut count, mut reached) = (0, i64::MIN);
    for (from, to) in spans {
        count += u64::try_from(to - from.max(reached)).unwrap_or(0);
        reached = reached.max(to);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_counted_once() {
        let at = Time::from_seconds;
        let windows = [(at(60), at(180)), (at(90), at(200)), (at(600), at(601)), (at(-500), at(10))];
        assert_eq!(slices(&windows, SliceLength(60), (at(0), at(660))), 1 + 3 + 1);
        assert_eq!(slices(&windows, SliceLength(60), (at(120), at(600))), 2);
        for (start, unit_s, want) in [(0, 60, true), (240, 60, false), (240, 300, true), (300, 300, false)] {
            assert_eq!(touches(&windows, at(start), unit_s), want, "{start}");
        }
    }
}
