//! The state of burn-rate alerts: inactive, firing, resolved.
//!
//! Invariant: a tier fires only while both its windows burn strictly faster than its factor, and every
//! change of state is told once.

use crate::core::burn::Window;
use crate::core::decimal::Decimal;
use crate::core::settings::Tier;
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

/// The alerts of one budget that fire. Empty, hence without memory of its own, almost always.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Alerts {
    /// (index of the tier in its SLO, end of the slice that made it fire), ascending.
    firing: Vec<(u16, Time)>,
}

impl Alerts {
    /// Whether none fires.
    pub fn is_quiet(&self) -> bool {
        self.firing.is_empty()
    }

    /// The tiers that fire, most urgent first, each with the end of the slice that made it fire.
    pub fn firing(&self) -> impl Iterator<Item = (u16, Time)> + '_ {
        self.firing.iter().copied()
    }

    /// Since when the tier fires.
    pub fn since(&self, tier: u16) -> Option<Time> {
        self.find(tier).ok().map(|i| self.firing[i].1)
    }

    /// Takes note of whether both windows burn, at the end of a slice.
    pub fn observe(&mut self, tier: u16, burns: bool, end: Time) -> Change {
        match (self.find(tier), burns) {
            (Err(i), true) => {
                self.firing.insert(i, (tier, end));
                Change::Fired
            }
            (Ok(i), false) => Change::Resolved { since: self.firing.remove(i).1 },
            _ => Change::None,
        }
    }

    /// Gives the tiers new indexes; one that gets none is forgotten.
    pub fn renumber(&mut self, new: impl Fn(u16) -> Option<u16>) {
        let kept = self.firing.drain(..).filter_map(|(tier, since)| Some((new(tier)?, since)));
        let mut kept: Vec<_> = kept.collect();
        kept.sort_unstable();
        self.firing = kept;
    }

    fn find(&self, tier: u16) -> Result<usize, usize> {
        self.firing.binary_search_by_key(&tier, |f| f.0)
    }
}

/// Whether both windows burn strictly faster than the tier's factor.
pub fn burns(tier: &Tier, objective: Decimal, long: &Window, short: &Window) -> bool {
    // the short one first: it is the one that is mostly clean
    short.burns_over(tier.factor, objective) && long.burns_over(tier.factor, objective)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decimal::Ratio;

    fn tier() -> Tier {
        Tier {
            name: "page-1h".into(),
            severity: "page".into(),
            factor: Ratio::new(144, 10),
            long_s: 3600,
            short_s: 300,
        }
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
            assert_eq!(burns(&tier(), objective, &long, &short), want);
        }
    }

    #[test]
    fn every_change_is_told_once() {
        let (a, b) = (Time::from_seconds(60), Time::from_seconds(120));
        let mut alerts = Alerts::default();
        assert_eq!(alerts.observe(1, false, a), Change::None);
        assert_eq!(alerts.observe(1, true, a), Change::Fired);
        assert_eq!(alerts.observe(1, true, b), Change::None);
        assert_eq!(alerts.observe(0, true, b), Change::Fired);
        assert_eq!(alerts.firing().collect::<Vec<_>>(), [(0, b), (1, a)]);
        assert_eq!(alerts.observe(1, false, b), Change::Resolved { since: a });
        assert_eq!(alerts.observe(1, false, b), Change::None);
        assert_eq!(alerts.since(0), Some(b));
    }

    #[test]
    fn renumbered_alerts_go_on() {
        let at = Time::from_seconds(60);
        let mut alerts = Alerts::default();
        for tier in 0..3 {
            alerts.observe(tier, true, at);
        }
        alerts.renumber(|tier| [Some(5), None, Some(0)][tier as usize]);
        assert_eq!(alerts.firing().collect::<Vec<_>>(), [(0, at), (5, at)]);
    }
}
