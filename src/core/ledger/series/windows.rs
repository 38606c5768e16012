//! What a series says of its windows: counts, length, how much was seen and read of them, what is excluded.
//!
//! Invariant: these only look; a window is a function of the history, the mask, the coverage and the slice it ends with.

use super::{LEFT_OUT_UNITS, Observation, Series};
use crate::core::budgeting;
use crate::core::burn::Window;
use crate::core::ledger::coverage::SHARES;
use crate::core::ledger::definition::Definition;
use crate::core::ledger::packed::Counts;
use crate::core::ledger::sums::Sums;
use crate::core::settings::OnEmpty;
use crate::core::time::Slice;

impl Series {
    /// One of an alert's windows as the budgeting method weighs it, as it stands at the end of the slice. What is
    /// excluded of it is as good as not seen yet: after maintenance an outage pages, one error does not.
    pub(in crate::core::ledger) fn window(
        &self,
        i: usize,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> Window {
        self.window_of(None, i, d, seen, slice)
    }

    /// The same by other sums than those of now.
    pub(in crate::core::ledger) fn window_of(
        &self,
        sums: Option<&Sums>,
        i: usize,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> Window {
        let unit = d.completed(slice);
        let mut window = self.whole(sums, i, d, seen, slice);
        let first = unit + 1 - i64::try_from(window.seen).unwrap_or(i64::MAX);
        window.seen -= seen.masks.get(self.mask).count(first, unit + 1);
        window
    }

    /// The SLO's own window. What is excluded of it makes it shorter.
    pub(in crate::core::ledger) fn budget(
        &self,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> Window {
        self.budget_of(None, d, seen, slice)
    }

    /// The same by other sums than those of now.
    pub(in crate::core::ledger) fn budget_of(
        &self,
        sums: Option<&Sums>,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> Window {
        let (unit, mask) = (d.completed(slice), seen.masks.get(self.mask));
        let mut window = self.whole(sums, d.budget(), d, seen, slice);
        let back = |units: u64| mask.count(unit + 1 - i64::try_from(units).unwrap_or(i64::MAX), unit + 1);
        (window.slices, window.seen) = (window.slices - back(window.slices), window.seen - back(window.seen));
        window
    }

    /// How many units of the SLO's own window are excluded.
    pub(in crate::core::ledger) fn excluded(
        &self,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> u64 {
        let unit = d.completed(slice);
        seen.masks.get(self.mask).count(d.first(d.budget(), unit), unit + 1)
    }

    /// A window with the excluded units in its length.
    fn whole(
        &self,
        sums: Option<&Sums>,
        i: usize,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> Window {
        let unit = d.completed(slice);
        let first = d.first(i, unit);
        let slices = u64::try_from(unit + 1 - first).unwrap_or(0);
        let Counts { mut good, mut bad } = match sums {
            Some(sums) => sums.weighed(i),
            None if self.is_current(i, d) => self.sums.weighed(i),
            None => Counts::NONE,
        };
        if let (Some(is_good), Some(whole)) = (d.empty(), budgeting::whole(&d.slo.budgeting))
            && unit >= self.first
            && !sums.unwrap_or(&self.sums).is_none()
        {
            let first = first.max(self.first);
            let units = u64::try_from(unit + 1 - first).unwrap_or(0);
            let units = units - seen.masks.get(self.mask).count(first, unit + 1);
            let counted = (good + bad) / whole + self.unread(first, unit, d, seen);
            let empty = units.saturating_sub(counted) * whole;
            *(if is_good { &mut good } else { &mut bad }) += empty;
        }
        let seen = seen.seen(d, self.from, unit).min(slices);
        // a calendar's window is what has been of it: nothing is filled in
        let seen = if d.length(i).is_none() && seen > 0 { slices } else { seen };
        Window { good, bad, slices, seen }
    }

    /// How many units from `first` to `unit` hold no request and were not read in full: nobody knows what they held.
    fn unread(&self, first: i64, unit: i64, d: &Definition, seen: Observation<'_>) -> u64 {
        let (slices, mask) = (d.unit_slices(), seen.masks.get(self.mask));
        let (mut unread, mut below) = (0, i64::MAX);
        for (from, to) in seen.coverage.runs(first * slices, (unit + 1) * slices) {
            // two runs may meet within one unit
            let last = d.unit(Slice(to - 1)).min(below - 1);
            below = d.unit(Slice(from)).min(below);
            let blank = |unit: &i64| self.history.get(*unit).is_none() && !mask.holds(*unit);
            unread += (below..=last).filter(blank).count() as u64;
        }
        unread
    }

    /// How much of the seen part of a window was read, and how much there is of it, in [`SHARES`] of base slices.
    pub(in crate::core::ledger) fn covered(
        &self,
        i: usize,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> (u64, u64) {
        let unit = d.completed(slice);
        let units = u64::try_from(unit + 1 - d.first(i, unit)).unwrap_or(0);
        let units = seen.seen(d, self.from, unit).min(units);
        let (slices, first) = (d.unit_slices(), unit + 1 - units as i64);
        let whole = slices as u64 * SHARES;
        let missing = |first: i64, end: i64| seen.coverage.missing(first * slices, end * slices);
        let mask = seen.masks.get(self.mask);
        let excluded = mask.count(first, unit + 1);
        let of_excluded: u64 = mask.runs(first, unit + 1).map(|(from, to)| missing(from, to)).sum();
        let covered = match d.slo.on_empty {
            OnEmpty::Gap => {
                let held = self.history.iter_from(first).map(|(at, _)| at).take_while(|at| *at <= unit);
                held.map(|at| whole - missing(at, at + 1)).sum()
            }
            _ => (units - excluded) * whole - (missing(first, unit + 1) - of_excluded),
        };
        (covered, (units - excluded) * whole)
    }

    /// How many units of a window were read.
    pub(in crate::core::ledger) fn observed(
        &self,
        i: usize,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> u64 {
        self.covered(i, d, seen, slice).0 / (d.unit_slices() as u64 * SHARES)
    }

    /// Whether too little of the window was read to decide.
    pub(in crate::core::ledger) fn is_thin(
        &self,
        i: usize,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> bool {
        let (covered, all) = self.covered(i, d, seen, slice);
        u128::from(covered) * 100_000_000 < u128::from(all) * u128::from(d.slo.coverage_min.0)
    }

    /// What share of a calendar's period has been seen, in units: (seen, of the whole period).
    pub(in crate::core::ledger) fn elapsed(
        &self,
        d: &Definition,
        seen: Observation<'_>,
        slice: Slice,
    ) -> Option<(u64, u64)> {
        let (first, end) = d.period_units()?;
        let unit = d.completed(slice);
        let mask = seen.masks.get(self.mask);
        let seen = seen.seen(d, self.from, unit).min(u64::try_from(unit + 1 - first).unwrap_or(0));
        let excluded = mask.count(unit + 1 - i64::try_from(seen).unwrap_or(0), unit + 1);
        let all = u64::try_from(end - first).unwrap_or(0) - mask.count(first, end);
        Some((seen - excluded, all))
    }

    /// What the SLO's window leaves out at the end of the slice: by the indicator, and by exclusions.
    pub(in crate::core::ledger) fn left_out(&self, d: &Definition, slice: Slice) -> (u64, Counts) {
        let unit = d.completed(slice);
        let first = d.first(d.budget(), unit);
        let blocks = self.left_out.iter_from(first.div_euclid(LEFT_OUT_UNITS));
        let indicator = blocks.take_while(|(block, _)| block * LEFT_OUT_UNITS <= unit).map(|(_, c)| c.good);
        let mut maintenance = Counts::NONE;
        for (_, counts) in self.maintenance.iter_from(first).take_while(|(at, _)| *at <= unit) {
            maintenance.add(counts);
        }
        (indicator.fold(0, u64::saturating_add), maintenance)
    }
}
