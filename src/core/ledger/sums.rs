//! The sums of a budget's windows, as requests and as its budgeting method weighs them.
//!
//! Invariant: a sum is that of the units in its window, each weighed as a whole: more requests in a unit take
//! away what it weighed and add what it weighs now.

use super::definition::Definition;
use super::history::History;
use super::packed::Counts;
use crate::core::budgeting;
use crate::core::settings::Budgeting;
use serde::{Deserialize, Serialize};

/// One sum for each of a definition's windows.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub(super) struct Sums {
    weighed: Box<[Counts]>,
    /// None where requests are what is weighed.
    requests: Option<Box<[Counts]>>,
}

/// What the counts of one unit weigh.
pub(super) fn weigh(d: &Definition, counts: Counts) -> Counts {
    let (good, bad) = budgeting::weigh(&d.slo.budgeting, counts.good, counts.bad);
    Counts { good, bad }
}

impl Sums {
    pub(super) fn zero(d: &Definition) -> Sums {
        let zeros = || vec![Counts::NONE; d.windows()].into_boxed_slice();
        let requests = (d.slo.budgeting != Budgeting::Occurrences).then(zeros);
        Sums { weighed: zeros(), requests }
    }

    /// The sums of the windows that end with the unit.
    pub(super) fn of(history: &History, d: &Definition, unit: i64) -> Sums {
        let mut sums = Sums::zero(d);
        for window in 0..d.windows() {
            sums.recount(window, history, d, unit);
        }
        sums
    }

    /// Counts a window anew that ends with the unit.
    pub(super) fn recount(&mut self, window: usize, history: &History, d: &Definition, unit: i64) {
        self.weighed[window] = Counts::NONE;
        if let Some(requests) = &mut self.requests {
            requests[window] = Counts::NONE;
        }
        for (_, counts) in history.iter_from(d.first(window, unit)).take_while(|(at, _)| *at <= unit) {
            self.add(window, d, Counts::NONE, counts);
        }
    }

    /// A unit of the window held `before` and gets `more`.
    pub(super) fn add(&mut self, window: usize, d: &Definition, before: Counts, more: Counts) {
        match &mut self.requests {
            None => self.weighed[window].add(more),
            Some(requests) => {
                requests[window].add(more);
                let mut after = before;
                after.add(more);
                self.weighed[window].subtract(weigh(d, before));
                self.weighed[window].add(weigh(d, after));
            }
        }
    }

    /// A unit of the window that held so much leaves it.
    pub(super) fn subtract(&mut self, window: usize, d: &Definition, counts: Counts) {
        match &mut self.requests {
            None => self.weighed[window].subtract(counts),
            Some(requests) => {
                requests[window].subtract(counts);
                self.weighed[window].subtract(weigh(d, counts));
            }
        }
    }

    /// As the budgeting method weighs it.
    pub(super) fn weighed(&self, window: usize) -> Counts {
        self.weighed[window]
    }

    /// Requests.
    pub(super) fn requests(&self, window: usize) -> Counts {
        self.requests.as_ref().map_or(self.weighed[window], |requests| requests[window])
    }

    /// Whether no window holds a request.
    pub(super) fn is_none(&self) -> bool {
        self.requests.as_ref().unwrap_or(&self.weighed).iter().all(Counts::is_none)
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.weighed) + self.requests.as_ref().map_or(0, |r| size_of_val(&**r))
    }
}
