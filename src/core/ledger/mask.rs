//! Which slices count for nobody: the windows of exclusions, as base slices and as units of budgets.
//!
//! Invariant: what is known of a rule is a function of the rule, so how far it was worked out decides nothing. A unit
//! that a window touches is excluded as a whole.

use super::definition::Definition;
use crate::core::settings::Exclusion;
use crate::core::time::{Slice, SliceLength, Time};
use serde::{Deserialize, Serialize};

/// How far ahead rules are worked out: longer than any period of a calendar.
const AHEAD_S: i64 = 400 * 86_400;

/// The exclusions of one configuration, worked out as far as they were needed.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub(super) struct Exclusions {
    all: Vec<Worked>,
    /// Base slices `[from, to)` that are worked out.
    known: Option<(i64, i64)>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
struct Worked {
    exclusion: Exclusion,
    /// Base slices `[from, to)`, ascending, apart from one another.
    spans: Vec<(i64, i64)>,
}

impl Exclusions {
    pub(super) fn new(exclusions: &[Exclusion]) -> Exclusions {
        let worked = |exclusion: &Exclusion| Worked { exclusion: exclusion.clone(), spans: Vec::new() };
        Exclusions { all: exclusions.iter().map(worked).collect(), known: None }
    }

    /// Works the rules out for the slices `[from, to)`, and on. Whether that was needed.
    pub(super) fn reach(&mut self, from: i64, to: i64, length: SliceLength) -> bool {
        if self.all.is_empty() || self.known.is_some_and(|(first, end)| first <= from && to <= end) {
            return false;
        }
        let end = to.saturating_add(AHEAD_S / i64::from(length.0));
        for worked in &mut self.all {
            worked.spans = spans(&worked.exclusion, from, end, length);
        }
        self.known = Some((from, end));
        true
    }

    /// Indexes of those that are for an SLO of a service.
    fn of(&self, service: &str, slo: &str) -> Vec<u16> {
        let applies = |(i, worked): (usize, &Worked)| {
            worked.exclusion.applies(service, slo).then(|| u16::try_from(i).ok()).flatten()
        };
        self.all.iter().enumerate().filter_map(applies).collect()
    }

    /// Whether the unit of the definition that the slice lies in is excluded for the service.
    pub(super) fn hold(&self, slice: Slice, service: &str, d: &Definition, length: SliceLength) -> bool {
        if self.all.is_empty() {
            return false;
        }
        let end = d.last_slice(d.unit(slice)).0 + 1;
        let from = end - d.unit_slices();
        let known = self.known.is_some_and(|(first, last)| first <= from && end <= last);
        self.all.iter().filter(|w| w.exclusion.applies(service, &d.slo.name)).any(|worked| match known {
            true => {
                let next = worked.spans.partition_point(|span| span.1 <= from);
                worked.spans.get(next).is_some_and(|span| span.0 < end)
            }
            // what comes very late
            false => !spans(&worked.exclusion, from, end, length).is_empty(),
        })
    }
}

/// The base slices of `[from, to)` that windows touch.
fn spans(exclusion: &Exclusion, from: i64, to: i64, length: SliceLength) -> Vec<(i64, i64)> {
    let touched = |(start, end): (Time, Time)| {
        let last = length.slice(Time(end.0.saturating_sub(1)));
        (length.slice(start).0.max(from), (last.0 + 1).min(to))
    };
    let windows = exclusion.occurs.spans(length.start(Slice(from)), length.start(Slice(to)));
    let mut spans: Vec<(i64, i64)> = windows.into_iter().map(touched).collect();
    merge(&mut spans);
    spans
}

/// Ascending, and apart from one another.
fn merge(spans: &mut Vec<(i64, i64)>) {
    spans.retain(|(from, to)| from < to);
    spans.sort_unstable();
    spans.dedup_by(|next, last| {
        let meets = next.0 <= last.1;
        if meets {
            last.1 = last.1.max(next.1);
        }
        meets
    });
}

/// The excluded units of all budgets that the same exclusions are for.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub(super) struct Mask {
    /// Indexes of the exclusions.
    of: Vec<u16>,
    /// Base slices in a unit.
    unit: i64,
    /// Units `[from, to)`, ascending and apart from one another; and how many units those before it hold.
    spans: Vec<(i64, i64, u64)>,
}

/// Masks that budgets refer to by number.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub(super) struct Masks {
    masks: Vec<Mask>,
}

/// Of a budget that nothing is excluded from.
static NOTHING: Mask = Mask { of: Vec::new(), unit: 1, spans: Vec::new() };

impl Masks {
    /// The number of the mask of an SLO of a service. None: nothing is excluded.
    pub(super) fn find(&mut self, exclusions: &Exclusions, service: &str, d: &Definition) -> Option<u16> {
        if exclusions.all.is_empty() {
            return None;
        }
        let of = exclusions.of(service, &d.slo.name);
        if of.is_empty() {
            return None;
        }
        let unit = d.unit_slices();
        let known = self.masks.iter().position(|mask| mask.of == of && mask.unit == unit);
        let index = known.unwrap_or_else(|| {
            self.masks.push(Mask::new(of, unit, exclusions));
            self.masks.len() - 1
        });
        u16::try_from(index).ok()
    }

    /// Takes over what exclusions have worked out since.
    pub(super) fn refresh(&mut self, exclusions: &Exclusions) {
        for mask in &mut self.masks {
            *mask = Mask::new(std::mem::take(&mut mask.of), mask.unit, exclusions);
        }
    }

    pub(super) fn get(&self, number: Option<u16>) -> &Mask {
        number.and_then(|n| self.masks.get(usize::from(n))).unwrap_or(&NOTHING)
    }
}

impl Mask {
    fn new(of: Vec<u16>, unit: i64, exclusions: &Exclusions) -> Mask {
        let worked = of.iter().filter_map(|i| exclusions.all.get(usize::from(*i)));
        let units = worked
            .flat_map(|w| &w.spans)
            .map(|(from, to)| (from.div_euclid(unit), (to - 1).div_euclid(unit) + 1));
        let mut spans: Vec<(i64, i64)> = units.collect();
        merge(&mut spans);
        let mut before = 0;
        let counted = spans.into_iter().map(|(from, to)| {
            let span = (from, to, before);
            before += (to - from) as u64;
            span
        });
        Mask { spans: counted.collect(), of, unit }
    }

    /// Whether the unit is excluded.
    pub(super) fn holds(&self, unit: i64) -> bool {
        !self.spans.is_empty() && self.count(unit, unit + 1) > 0
    }

    /// How many units of `[from, to)` are excluded.
    pub(super) fn count(&self, from: i64, to: i64) -> u64 {
        if self.spans.is_empty() || from >= to { 0 } else { self.before(to) - self.before(from) }
    }

    /// How many excluded units lie before this one.
    fn before(&self, unit: i64) -> u64 {
        match self.spans.partition_point(|span| span.0 < unit) {
            0 => 0,
            i => {
                let (from, to, before) = self.spans[i - 1];
                before + (unit.min(to) - from) as u64
            }
        }
    }

    /// The first excluded unit from this one on.
    pub(super) fn next(&self, unit: i64) -> Option<i64> {
        let span = self.spans.get(self.spans.partition_point(|span| span.1 <= unit))?;
        Some(span.0.max(unit))
    }

    /// The excluded units of `[from, to)`, as runs.
    pub(super) fn runs(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
        let first = self.spans.partition_point(|span| span.1 <= from);
        let near = self.spans[first..].iter().take_while(move |span| span.0 < to);
        near.map(move |span| (span.0.max(from), span.1.min(to)))
    }

    /// Whether both exclude the same.
    pub(super) fn agrees(&self, other: &Mask) -> bool {
        self.spans == other.spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mask_counts_as_one_would_by_hand(
            raw in prop::collection::vec((0i64..80, 1i64..12), 0..8), unit in 1i64..6) {
            let mut spans: Vec<(i64, i64)> = raw.iter().map(|(from, length)| (*from, from + length)).collect();
            merge(&mut spans);
            let exclusion = Exclusion {
                name: "x".into(),
                reason: String::new(),
                services: vec!["*".into()],
                slos: vec!["*".into()],
                occurs: crate::core::settings::Occurs::Once { from: Time(0), to: Time(0) },
            };
            let all = vec![Worked { exclusion, spans: spans.clone() }];
            let mask = Mask::new(vec![0], unit, &Exclusions { all, known: Some((0, 100)) });
            let excluded = |at: i64| {
                (at * unit..(at + 1) * unit).any(|slice| spans.iter().any(|(f, t)| (*f..*t).contains(&slice)))
            };
            for at in 0..100 {
                prop_assert_eq!(mask.holds(at), excluded(at));
                prop_assert_eq!(mask.next(at), (at..100).find(|u| excluded(*u)));
            }
            for (from, to) in [(0, 100), (3, 17), (20, 21), (50, 40), (7, 7)] {
                let want = (from..to).filter(|u| excluded(*u)).count() as u64;
                prop_assert_eq!(mask.count(from, to), want);
                prop_assert_eq!(mask.runs(from, to).map(|(f, t)| (t - f).max(0)).sum::<i64>(), want as i64);
            }
        }
    }
}
