//! The account of one SLO of one service: history, window sums, alerts, budget.
//!
//! Invariant: each window's sum is the sum of the history over its slices, and a series that is not due
//! would change nothing if it were looked at.

use super::definition::Definition;
use super::history::History;
use super::packed::Counts;
use crate::core::alert::{self, Alerts, Change};
use crate::core::burn::Window;
use crate::core::decimal::Ratio;
use crate::core::time::{Slice, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A budget's account.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub(super) struct Series {
    /// Name of the SLO.
    pub(super) name: Arc<str>,
    /// Index of its definition in the configuration in force.
    pub(super) slo: u16,
    /// Generation of that definition.
    pub(super) generation: u32,
    /// Nobody counted for it before this slice.
    pub(super) from: Slice,
    history: History,
    /// One for each of the definition's windows.
    sums: Box<[Counts]>,
    pub(super) alerts: Alerts,
    /// End of the slice that exhausted the budget.
    pub(super) exhausted: Option<Time>,
    /// Bad requests that no `slo.budget.consumed` has told yet.
    pending_bad: u64,
    /// The first slice whose close may change anything even though it brings nothing.
    due: Slice,
    /// The latest slice that brought something.
    latest: Slice,
}

/// What a look at a series found, in the order in which it is told.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Finding {
    /// So many bad requests since the last one.
    Consumed { bad: u64 },
    /// The budget is gone.
    Exhausted,
    /// It had been since then and no longer is.
    Recovered { since: Time },
    /// The tier fires.
    Fired { tier: u16 },
    /// It had since then and no longer does.
    Resolved { tier: u16, since: Time },
}

/// How far observation goes: the first slice that counts as seen, None while nothing does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Observation(pub(super) Option<Slice>);

impl Observation {
    /// How many slices up to `slice` a series has been seen that was counted from `from` on.
    fn seen(self, from: Slice, slice: Slice) -> u64 {
        let start = self.0.map(|o| o.max(from));
        start.and_then(|s| u64::try_from(slice.0.saturating_sub(s.0).saturating_add(1)).ok()).unwrap_or(0)
    }
}

impl Series {
    pub(super) fn new(slo: u16, definition: &Definition, now: Slice) -> Series {
        Series {
            name: definition.slo.name.clone(),
            slo,
            generation: definition.generation,
            from: definition.from,
            history: History::default(),
            sums: vec![Counts::NONE; definition.windows().len()].into(),
            alerts: Alerts::default(),
            exhausted: None,
            pending_bad: 0,
            due: now,
            latest: now,
        }
    }

    /// Adds to a slice that closes now, or that has closed and that a window still covers.
    pub(super) fn add(&mut self, slice: Slice, counts: Counts, definition: &Definition, now: Slice) {
        self.history.add(slice.0, counts);
        self.pending_bad = self.pending_bad.saturating_add(counts.bad);
        for (sum, length) in self.sums.iter_mut().zip(definition.windows()) {
            if slice.0 > now.0 - *length as i64 {
                sum.add(counts);
            }
        }
        self.due = self.due.min(now);
        self.latest = self.latest.max(slice);
    }

    /// Whether closing the slice may change anything.
    pub(super) fn is_due(&self, slice: Slice) -> bool {
        self.due <= slice
    }

    /// The first slice whose close may change anything.
    pub(super) fn due(&self) -> Slice {
        self.due
    }

    /// Takes out of the sums what leaves their windows as the slice closes.
    pub(super) fn expire(&mut self, slice: Slice, definition: &Definition) {
        for (sum, length) in self.sums.iter_mut().zip(definition.windows()) {
            if !sum.is_none() {
                sum.subtract(self.history.get(slice.0 - *length as i64));
            }
        }
        self.history.drop_before(slice.0 + 1 - definition.horizon());
    }

    /// One of the definition's windows, as it stands at the end of the slice.
    pub(super) fn window(&self, i: usize, d: &Definition, seen: Observation, slice: Slice) -> Window {
        let (Counts { good, bad }, slices) = (self.sums[i], d.windows()[i]);
        Window { good, bad, slices, seen: seen.seen(self.from, slice).min(slices) }
    }

    /// Decides at the end of the slice; hands every finding on with the series as it stands then.
    pub(super) fn decide(
        &mut self,
        d: &Definition,
        seen: Observation,
        slice: Slice,
        end: Time,
        mut tell: impl FnMut(&Series, Finding),
    ) {
        let budget = self.window(d.budget(), d, seen, slice);
        if self.pending_bad > 0 && budget.reaches(self.pending_bad, step(d), d.slo.objective) {
            tell(self, Finding::Consumed { bad: self.pending_bad });
            self.pending_bad = 0;
        }
        if budget.total() == 0 {
            self.pending_bad = 0;
        }
        match (self.exhausted, budget.is_exhausted(d.slo.objective)) {
            (None, true) => {
                self.exhausted = Some(end);
                tell(self, Finding::Exhausted);
            }
            (Some(since), false) => {
                self.exhausted = None;
                tell(self, Finding::Recovered { since });
            }
            _ => {}
        }
        for (i, tier) in d.slo.tiers.iter().enumerate() {
            let (long, short) = d.tier(i);
            let (long, short) = (self.window(long, d, seen, slice), self.window(short, d, seen, slice));
            let burns = alert::burns(tier, d.slo.objective, &long, &short);
            match self.alerts.observe(i as u16, burns, end) {
                Change::None => {}
                Change::Fired => tell(self, Finding::Fired { tier: i as u16 }),
                Change::Resolved { since } => tell(self, Finding::Resolved { tier: i as u16, since }),
            }
        }
    }

    /// Sets when it is due again, after the slice has been decided.
    pub(super) fn schedule(&mut self, d: &Definition, seen: Observation, slice: Slice) {
        if self.latest == slice {
            // most likely the next one does too; searching for the next expiry is not worth it
            self.due = slice.next();
            return;
        }
        let mut due = i64::MAX;
        // from the longest: it most often has something to drop at once, which ends the search
        for (sum, length) in self.sums.iter().zip(d.windows()).rev() {
            let length = *length as i64;
            if !sum.is_none()
                && due > slice.0 + 1
                && let Some(oldest) = self.history.first_from(slice.0 + 1 - length)
            {
                due = due.min(oldest + length);
            }
        }
        if let Observation(Some(observed)) = seen {
            let start = observed.max(self.from).0;
            for crossing in self.crossings(d, seen, slice) {
                due = due.min(start.saturating_add(crossing as i64).saturating_sub(1));
            }
        }
        self.due = Slice(due.max(slice.0 + 1));
    }

    /// How many seen slices may make an answer change though nothing is counted: while a window is not
    /// seen in full, each further slice makes what was counted weigh more.
    fn crossings(&self, d: &Definition, seen: Observation, slice: Slice) -> Vec<u64> {
        let mut crossings = Vec::new();
        let objective = d.slo.objective;
        if seen.seen(self.from, slice) >= d.horizon() as u64 {
            return crossings;
        }
        let budget = self.window(d.budget(), d, seen, slice);
        crossings.extend(budget.seen_until(self.pending_bad, step(d), objective));
        if self.exhausted.is_none() {
            crossings.extend(budget.seen_until(budget.bad, Ratio::new(1, 1), objective));
        }
        for (i, tier) in d.slo.tiers.iter().enumerate() {
            if self.alerts.since(i as u16).is_none() {
                let (long, short) = d.tier(i);
                let until = |w: usize| {
                    let window = self.window(w, d, seen, slice);
                    window.seen_until(window.bad, tier.factor, objective)
                };
                crossings.extend(until(long).zip(until(short)).map(|(long, short)| long.max(short)));
            }
        }
        crossings
    }

    /// Goes on under another definition of the same generation, from the slice on.
    pub(super) fn carry_over(&mut self, slo: u16, old: &Definition, new: &Definition, border: Slice) {
        self.slo = slo;
        if new.horizon() > old.horizon() {
            // what lies further back may be forgotten already
            self.from = self.from.max(Slice(border.0 - old.horizon()));
        }
        let last = border.0 - 1;
        let sum = |length: &u64| {
            let mut sum = Counts::NONE;
            self.history.iter_from(last + 1 - *length as i64).for_each(|(_, counts)| sum.add(counts));
            sum
        };
        self.sums = new.windows().iter().map(sum).collect();
        self.due = self.due.min(border);
        self.alerts.renumber(|tier| {
            let name = &old.slo.tiers[tier as usize].name;
            new.slo.tiers.iter().position(|t| t.name == *name).map(|i| i as u16)
        });
    }

    /// Whether nothing of it is left that could ever show.
    pub(super) fn is_spent(&self) -> bool {
        self.sums.iter().all(Counts::is_none) && self.alerts.is_quiet() && self.exhausted.is_none()
    }

    /// Bytes of its history.
    pub(super) fn bytes(&self) -> usize {
        self.history.bytes() + size_of::<Series>() + size_of_val(&*self.sums)
    }
}

/// The smallest share of the budget that is told.
fn step(d: &Definition) -> Ratio {
    Ratio::new(d.slo.consumed_step.0, 100_000_000)
}
