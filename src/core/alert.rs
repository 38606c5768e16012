//! The state of burn-rate alerts: inactive, firing, resolved.
//!
//! Invariant: a tier fires only once both its windows have burned faster than its factor for `alert_after`, resolves only
//! once they have not for `cool_down`, and every change of state is told once.

use crate::core::burn::Window;
use crate::core::decimal::Decimal;
use crate::core::settings::{Op, Tier};
use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// What a look at a tier's windows changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing.
    None,
    /// It began to fire.
    Fired,
    /// It had fired since then and no longer does.
    Resolved {
        /// End of the slice that made it fire.
        since: Time,
    },
}

/// How a tier that is not inactive stands. Times are ends of slices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Debug)]
enum State {
    /// It burns since then, not for long enough to fire.
    Pending { since: Time },
    /// It fires since then.
    Firing { since: Time },
    /// It fires since then, and no longer burns since `clear`, not for long enough to resolve.
    Clearing { since: Time, clear: Time },
}

/// The alerts of one budget that are not inactive. Empty, hence without memory of its own, almost always.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Alerts {
    /// By index of the tier in its SLO, ascending.
    states: Vec<(u16, State)>,
}

impl Alerts {
    /// Whether all are inactive.
    pub fn is_quiet(&self) -> bool {
        self.states.is_empty()
    }

    /// Whether one waits: time alone may make it fire or resolve.
    pub fn is_waiting(&self) -> bool {
        self.states.iter().any(|(_, state)| !matches!(state, State::Firing { .. }))
    }

    /// The tiers that fire, most urgent first, each with the end of the slice that made it fire.
    pub fn firing(&self) -> impl Iterator<Item = (u16, Time)> + '_ {
        self.states.iter().filter_map(|(tier, state)| match state {
            State::Pending { .. } => None,
            State::Firing { since } | State::Clearing { since, .. } => Some((*tier, *since)),
        })
    }

    /// Since when the tier fires.
    pub fn since(&self, tier: u16) -> Option<Time> {
        self.firing().find(|f| f.0 == tier).map(|f| f.1)
    }

    /// Takes note of whether a tier burns, at the end of a slice.
    pub fn observe(&mut self, tier: u16, rule: &Tier, burns: bool, end: Time) -> Change {
        let after = |since: Time, wait_s: u64| end >= since.plus_seconds(wait_s.min(i64::MAX as u64) as i64);
        let found = self.find(tier);
        let before = found.ok().map(|i| self.states[i].1);
        let (next, change) = match (before, burns) {
            (None, false) => (None, Change::None),
            (None, true) if rule.alert_after_s > 0 => (Some(State::Pending { since: end }), Change::None),
            (None, true) => (Some(State::Firing { since: end }), Change::Fired),
            (Some(State::Pending { since }), true) if after(since, rule.alert_after_s) => {
                (Some(State::Firing { since: end }), Change::Fired)
            }
            (Some(State::Pending { .. }), true) => (before, Change::None),
            (Some(State::Pending { .. }), false) => (None, Change::None),
            (Some(State::Firing { since } | State::Clearing { since, .. }), true) => {
                (Some(State::Firing { since }), Change::None)
            }
            (Some(State::Firing { since }), false) if rule.cool_down_s > 0 => {
                (Some(State::Clearing { since, clear: end }), Change::None)
            }
            (Some(State::Clearing { clear, .. }), false) if !after(clear, rule.cool_down_s) => {
                (before, Change::None)
            }
            (Some(State::Firing { since } | State::Clearing { since, .. }), false) => {
                (None, Change::Resolved { since })
            }
        };
        self.put(found, tier, next);
        change
    }

    /// Nobody knows whether the tier burns: what waits begins to wait anew.
    pub fn hold(&mut self, tier: u16) {
        let found = self.find(tier);
        let next = match found.ok().map(|i| self.states[i].1) {
            None | Some(State::Pending { .. }) => None,
            Some(State::Firing { since } | State::Clearing { since, .. }) => Some(State::Firing { since }),
        };
        self.put(found, tier, next);
    }

    /// Gives the tiers new indexes; one that gets none is forgotten.
    pub fn renumber(&mut self, new: impl Fn(u16) -> Option<u16>) {
        let kept = self.states.drain(..).filter_map(|(tier, state)| Some((new(tier)?, state)));
        let mut kept: Vec<_> = kept.collect();
        kept.sort_unstable();
        self.states = kept;
    }

    fn put(&mut self, found: Result<usize, usize>, tier: u16, next: Option<State>) {
        match (found, next) {
            (Ok(i), Some(state)) => self.states[i].1 = state,
            (Ok(i), None) => drop(self.states.remove(i)),
            (Err(i), Some(state)) => self.states.insert(i, (tier, state)),
            (Err(_), None) => {}
        }
    }

    fn find(&self, tier: u16) -> Result<usize, usize> {
        self.states.binary_search_by_key(&tier, |f| f.0)
    }
}

/// Whether all of these windows burn faster than the tier's factor. The short one goes first: it is the one that is mostly clean.
pub fn burns(tier: &Tier, objective: Decimal, windows: impl IntoIterator<Item = Window>) -> bool {
    windows.into_iter().all(|window| match tier.op {
        Op::Gt => window.burns_over(tier.factor, objective),
        Op::Gte => window.reaches(window.bad, tier.factor, objective),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier() -> Tier {
        Tier::default()
    }

    #[test]
    fn both_windows_must_burn() {
        let objective = Decimal::parse("99.9").unwrap();
        let hot = Window { good: 90, bad: 10, slices: 5, seen: 5 };
        let cold = Window { good: 100, bad: 0, slices: 5, seen: 5 };
        let blank = Window { slices: 5, seen: 5, ..Window::default() };
        for (long, short, want) in [
            (hot, hot, true),
            (hot, cold, false),
            (cold, hot, false),
            (hot, blank, false),
            (blank, hot, false),
        ] {
            assert_eq!(burns(&tier(), objective, [short, long]), want);
        }
    }

    #[test]
    fn every_change_is_told_once() {
        let (a, b) = (Time::from_seconds(60), Time::from_seconds(120));
        let mut alerts = Alerts::default();
        assert_eq!(alerts.observe(1, &tier(), false, a), Change::None);
        assert_eq!(alerts.observe(1, &tier(), true, a), Change::Fired);
        assert_eq!(alerts.observe(1, &tier(), true, b), Change::None);
        assert_eq!(alerts.observe(0, &tier(), true, b), Change::Fired);
        assert_eq!(alerts.firing().collect::<Vec<_>>(), [(0, b), (1, a)]);
        assert_eq!(alerts.observe(1, &tier(), false, b), Change::Resolved { since: a });
        assert_eq!(alerts.observe(1, &tier(), false, b), Change::None);
        assert_eq!(alerts.since(0), Some(b));
    }

    #[test]
    fn renumbered_alerts_go_on() {
        let at = Time::from_seconds(60);
        let mut alerts = Alerts::default();
        for index in 0..3 {
            alerts.observe(index, &tier(), true, at);
        }
        alerts.renumber(|tier| [Some(5), None, Some(0)][tier as usize]);
        assert_eq!(alerts.firing().collect::<Vec<_>>(), [(0, at), (5, at)]);
    }

    #[test]
    fn the_bound_itself_burns_where_it_was_chosen() {
        // 1,440 of 100,000 at 99.9 is exactly 14.4, in both windows
        let objective = Decimal::parse("99.9").unwrap();
        let window = Window { good: 98_560, bad: 1_440, slices: 5, seen: 5 };
        for (op, want) in [(Op::Gt, false), (Op::Gte, true)] {
            assert_eq!(burns(&Tier { op, ..tier() }, objective, [window, window]), want);
        }
        let blank = Window { slices: 5, seen: 5, ..Window::default() };
        assert!(!burns(&Tier { op: Op::Gte, ..tier() }, objective, [blank, blank]));
    }

    #[test]
    fn it_waits_before_it_fires_and_before_it_resolves() {
        let rule = Tier { alert_after_s: 120, cool_down_s: 180, ..tier() };
        let mut alerts = Alerts::default();
        let mut told = Vec::new();
        // burns at 1, not at 2; from 3 to 6; at 8; never again
        for minute in 1..15 {
            let burns = [1, 3, 4, 5, 6, 8].contains(&minute);
            match alerts.observe(0, &rule, burns, Time::from_seconds(minute * 60)) {
                Change::None => {}
                Change::Fired => told.push(("fired", minute)),
                Change::Resolved { since } => told.push(("resolved", since.seconds() / 60 * 100 + minute)),
            }
        }
        assert_eq!(told, [("fired", 5), ("resolved", 512)]);
        assert!(alerts.is_quiet());
    }

    #[test]
    fn what_is_held_waits_anew() {
        let rule = Tier { alert_after_s: 120, cool_down_s: 120, ..tier() };
        let at = |minute: i64| Time::from_seconds(minute * 60);
        let mut alerts = Alerts::default();
        alerts.observe(0, &rule, true, at(1));
        alerts.hold(0);
        assert!(alerts.is_quiet());
        alerts.observe(0, &rule, true, at(3));
        assert_eq!(alerts.observe(0, &rule, true, at(5)), Change::Fired);
        alerts.observe(0, &rule, false, at(6));
        assert!(alerts.is_waiting());
        alerts.hold(0);
        assert!(!alerts.is_waiting() && alerts.since(0) == Some(at(5)));
        assert_eq!(alerts.observe(0, &rule, false, at(8)), Change::None);
    }
}
