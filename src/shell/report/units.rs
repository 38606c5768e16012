//! The counts of an SLO by what its budgeting method weighs as one: requests of slices, or slices of its own length.
//!
//! Invariant: as the engine weighs them. A unit counts once it is over; one without requests counts as the SLO says, where it
//! was read: from the first request on, or from the beginning of the range where the budget is older.

use super::quality::QualitySum;
use super::sums::{Counts, Question, SloSum};
use crate::core::budgeting;
use crate::core::burn::Window;
use crate::core::settings::{Budgeting, Slo};
use crate::core::time::{Slice, Time};
use std::collections::BTreeMap;

/// Units from the first that was read to the last that is over.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Units {
    /// Length of a unit, seconds.
    pub(super) length_s: u64,
    /// What one whole slice weighs; None where requests are weighed.
    pub(super) whole: Option<u64>,
    /// How many there are.
    pub(super) count: u64,
    /// Those that hold something, by their number from 0, ascending.
    pub(super) counts: Vec<(u64, Counts)>,
    /// Those that an exclusion window touches, ascending: they count for nobody.
    excluded: Vec<u64>,
    /// Those before the first request, where nothing says whether they count.
    pub(super) silent: u64,
}

impl Units {
    /// The units of an SLO since then, as the method weighs them; the sum has to hold its series.
    pub(super) fn new(
        question: &Question,
        since: Time,
        sum: &SloSum,
        slo: Option<&Slo>,
        quality: &QualitySum,
    ) -> Units {
        let (length, method) = (question.slice, slo.map_or(Budgeting::Occurrences, |slo| slo.budgeting));
        let length_s = match method {
            Budgeting::Occurrences => length.0,
            Budgeting::Timeslices { slice_s, .. } | Budgeting::RatioTimeslices { slice_s } => {
                slice_s.max(length.0)
            }
        };
        let slices_each = i64::from((length_s / length.0).max(1));
        let unit = |slice: Slice| slice.0.div_euclid(slices_each);
        // a unit that began before the range is not of it
        let first = unit(Slice(length.slice(since).0 + slices_each - 1));
        let end = unit(length.slice(question.until));
        let mut requests = BTreeMap::<i64, Counts>::new();
        for (start, counts) in &sum.series {
            requests.entry(unit(length.slice(*start))).or_default().add(*counts);
        }
        let is_excluded =
            |at: i64| sum.is_excluded(length.start(Slice(at * slices_each)), u64::from(length_s));
        let heard = requests.keys().next().copied().unwrap_or(end).max(first);
        let begun = if sum.had_budget && !requests.is_empty() { first } else { heard };
        let counts_empty = slo.and_then(budgeting::empty).is_some();
        let weighed = |at: i64| {
            let held = requests.get(&at).copied().unwrap_or_default();
            let (good, bad) = budgeting::weigh(&method, held.good, held.bad);
            let read =
                || (at * slices_each..(at + 1) * slices_each).all(|slice| quality.was_read(Slice(slice)));
            match slo.and_then(budgeting::empty) {
                Some(is_good) if held == Counts::default() && read() && !is_excluded(at) => {
                    let whole = budgeting::whole(&method).unwrap_or(0);
                    if is_good { Counts { good: whole, bad: 0 } } else { Counts { good: 0, bad: whole } }
                }
                _ => Counts { good, bad },
            }
        };
        let numbered = (begun..end).map(|at| ((at - first) as u64, weighed(at)));
        Units {
            length_s: length_s.into(),
            whole: budgeting::whole(&method),
            count: u64::try_from(end - first).unwrap_or(0),
            excluded: (first..end).filter(|at| is_excluded(*at)).map(|at| (at - first) as u64).collect(),
            silent: if counts_empty { u64::try_from(begun - first).unwrap_or(0) } else { 0 },
            counts: numbered.filter(|(_, counts)| *counts != Counts::default()).collect(),
        }
    }

    /// How many units a window of so many seconds has.
    pub(super) fn of(&self, seconds: u64) -> u64 {
        (seconds / self.length_s).max(1)
    }

    /// The SLO's window that ends with the last unit: of a calendar's nothing is filled in, and what is excluded makes it
    /// shorter.
    pub(super) fn window(&self, sum: &SloSum) -> Window {
        let mut window = self.over(sum.window_s);
        let slices = window.slices;
        window.slices -= self.excluded_of(slices);
        if sum.calendar && self.count > 0 {
            window.seen = window.slices;
        }
        window
    }

    /// A window of so many seconds that ends with the last unit. What is excluded of it is as good as not read.
    pub(super) fn over(&self, seconds: u64) -> Window {
        let slices = self.of(seconds);
        let from = self.count.saturating_sub(slices);
        let mut held = Counts::default();
        self.counts.iter().filter(|(at, _)| *at >= from).for_each(|(_, counts)| held.add(*counts));
        let seen = self.count.min(slices) - self.excluded_of(slices);
        Window { good: held.good, bad: held.bad, slices, seen }
    }

    /// How many of the last so many units are excluded.
    fn excluded_of(&self, units: u64) -> u64 {
        let from = self.count.saturating_sub(units);
        self.excluded.iter().filter(|at| **at >= from).count() as u64
    }
}
