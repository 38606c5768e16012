//! What was published of a budget, and what would be now that late requests or another exclusion have corrected it.
//!
//! Invariant: both are of the same window, the one that ended with the slice at which it was published. A correction is
//! told once, and only where a number or a state that was published would be another.

use super::definition::Definition;
use super::packed::Counts;
use super::sums::weigh;
use crate::core::budgeting;
use crate::core::burn::Window;
use crate::core::decimal::Ratio;
use crate::core::policy;
use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// How a budget's window stands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub(super) struct Standing {
    /// Requests in it.
    pub(super) requests: Counts,
    /// As the budgeting method weighs them.
    pub(super) window: WindowSums,
}

/// A window that can be kept.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub(super) struct WindowSums {
    good: u64,
    bad: u64,
    slices: u64,
    seen: u64,
}

impl From<Window> for WindowSums {
    fn from(Window { good, bad, slices, seen }: Window) -> WindowSums {
        WindowSums { good, bad, slices, seen }
    }
}

impl Standing {
    pub(super) fn window(&self) -> Window {
        let WindowSums { good, bad, slices, seen } = self.window;
        Window { good, bad, slices, seen }
    }
}

/// What was published at the end of a slice.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(super) struct Told {
    /// End of that slice.
    pub(super) end: Time,
    /// First and last unit of the window.
    units: (i64, i64),
    pub(super) published: Standing,
    pub(super) corrected: Standing,
    /// How often it was corrected.
    pub(super) revisions: u64,
    /// First and last unit that were corrected since it was told last.
    pub(super) touched: Option<(i64, i64)>,
    /// Whether other exclusions did that, at least in part.
    pub(super) by_exclusions: bool,
}

impl Told {
    pub(super) fn new(end: Time, units: (i64, i64), standing: Standing) -> Told {
        Told {
            end,
            units,
            published: standing,
            corrected: standing,
            revisions: 0,
            touched: None,
            by_exclusions: false,
        }
    }

    /// A unit held `before` and holds `after`.
    pub(super) fn correct(&mut self, unit: i64, d: &Definition, before: Counts, after: Counts) {
        if unit < self.units.0 || unit > self.units.1 {
            return;
        }
        let requests = &mut self.corrected.requests;
        requests.add(after);
        requests.subtract(before);
        let (mut held, holds) = (weigh(d, before), weigh(d, after));
        // a unit without requests may have counted as a whole one
        if let (true, Some(is_good), Some(whole)) =
            (before.is_none(), d.empty(), budgeting::whole(&d.slo.budgeting))
        {
            *(if is_good { &mut held.good } else { &mut held.bad }) = whole;
        }
        let window = &mut self.corrected.window;
        window.good = window.good.saturating_add(holds.good).saturating_sub(held.good);
        window.bad = window.bad.saturating_add(holds.bad).saturating_sub(held.bad);
        self.touch(unit);
    }

    /// Other units are excluded: so many of the window where there were so many. `moved` are the requests of units that
    /// changed sides.
    pub(super) fn exclude(
        &mut self,
        d: &Definition,
        (before, after): (u64, u64),
        moved: impl Iterator<Item = (i64, Counts, bool)>,
    ) {
        for (unit, counts, counts_now) in moved {
            let none = Counts::NONE;
            let (held, holds) = if counts_now { (none, counts) } else { (counts, none) };
            self.correct(unit, d, held, holds);
            self.by_exclusions |= (self.units.0..=self.units.1).contains(&unit);
        }
        let window = &mut self.corrected.window;
        window.slices = window.slices.saturating_add(before).saturating_sub(after);
        window.seen = window.seen.saturating_add(before).saturating_sub(after).min(window.slices);
    }

    fn touch(&mut self, unit: i64) {
        let (first, last) = self.touched.unwrap_or((unit, unit));
        self.touched = Some((first.min(unit), last.max(unit)));
    }

    /// First and last unit of its window.
    pub(super) fn units(&self) -> (i64, i64) {
        self.units
    }

    /// Whether what was published would be another: a state, or what is consumed by no less than the step.
    pub(super) fn is_wrong(&self, d: &Definition, step: Ratio) -> bool {
        if self.touched.is_none() {
            return false;
        }
        let (then, now) = (self.published.window(), self.corrected.window());
        let objective = d.slo.objective;
        let state = |window: &Window| {
            let sla = d.slo.sla.as_ref();
            (
                window.is_exhausted(objective),
                policy::tier(&d.slo.policy, window, objective),
                policy::is_met(window, objective),
                sla.map(|sla| (policy::is_met(window, sla.objective), policy::credit(sla, window))),
            )
        };
        let bad = then.bad.abs_diff(now.bad);
        state(&then) != state(&now) || (bad > 0 && (now.is_blank() || now.reaches(bad, step, objective)))
    }

    /// It was told.
    pub(super) fn settle(&mut self) {
        self.published = self.corrected;
        self.revisions += 1;
        (self.touched, self.by_exclusions) = (None, false);
    }
}
