//! Error-budget policy: which tier a budget is in by what remains of it, and what a closed window owes.
//!
//! Invariant: the first tier that holds, top-down, decided by integers; the last one always holds.

use crate::core::burn::Window;
use crate::core::decimal::{Decimal, Ratio};
use crate::core::settings::{Bound, PolicyTier, Sla};
use std::cmp::Ordering;

/// One hundred percent, millionths.
const HUNDRED: u64 = 100_000_000;

/// Index of the tier that the budget is in. A window without requests has all of its budget.
pub fn tier(policy: &[PolicyTier], window: &Window, objective: Decimal) -> u16 {
    let holds = |tier: &PolicyTier| match tier.remaining {
        Bound::Above(percent) => window.consumes(consumed_at(percent), objective) == Ordering::Less,
        Bound::From(percent) => window.consumes(consumed_at(percent), objective) != Ordering::Greater,
        Bound::Always => true,
    };
    match window.is_blank() {
        true => 0,
        false => policy.iter().position(holds).unwrap_or(policy.len().saturating_sub(1)) as u16,
    }
}

/// The share of the budget that is consumed where so many percent remain.
pub fn consumed_at(percent: Decimal) -> Ratio {
    Ratio::new(HUNDRED.saturating_sub(percent.0), HUNDRED)
}

/// Whether what was counted meets an objective: exactly that much does. Of nothing, nothing is said.
pub fn is_met(window: &Window, objective: Decimal) -> Option<bool> {
    let counted = Window { slices: 1, seen: 1, ..*window };
    (window.total() > 0).then(|| counted.consumes(Ratio::new(1, 1), objective) != Ordering::Greater)
}

/// The credit that an agreement owes, percent: that of the lowest bound that was missed.
pub fn credit(sla: &Sla, window: &Window) -> Decimal {
    let missed = |below: Decimal| is_met(window, below) == Some(false);
    let owed = sla.credits.iter().filter(|(below, _)| missed(*below)).min_by_key(|(below, _)| *below);
    owed.map_or(Decimal(0), |(_, credit)| *credit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn the_handbooks_tiers_at_their_bounds() {
        let policy = PolicyTier::handbook();
        // 10,000 allowed of a million
        let cases = [
            (0, "full speed"),
            (4_999, "full speed"),
            (5_000, "caution"),
            (7_500, "caution"),
            (7_501, "slow down"),
            (9_000, "slow down"),
            (9_001, "freeze"),
            (9_999, "freeze"),
            (10_000, "exhausted"),
            (17_560, "exhausted"),
        ];
        for (bad, want) in cases {
            let window = Window { good: 1_000_000 - bad, bad, slices: 7, seen: 7 };
            assert_eq!(policy[tier(&policy, &window, percent("99")) as usize].name.as_ref(), want, "{bad}");
        }
        assert_eq!(tier(&policy, &Window::default(), percent("99")), 0);
    }

    #[test]
    fn a_breach_is_strictly_below() {
        let sla = Sla {
            objective: percent("99.9"),
            credits: vec![(percent("99.9"), percent("10")), (percent("99"), percent("25"))],
        };
        for (good, slo, met, owed) in [
            (99_950, true, true, "0"),
            (99_920, false, true, "0"),
            (99_900, false, true, "0"),
            (99_890, false, false, "10"),
            (99_000, false, false, "10"),
            (98_999, false, false, "25"),
        ] {
            let window = Window { good, bad: 100_000 - good, slices: 1, seen: 1 };
            assert_eq!(is_met(&window, percent("99.95")), Some(slo), "{good}");
            assert_eq!(is_met(&window, sla.objective), Some(met), "{good}");
            assert_eq!(credit(&sla, &window).to_string(), owed, "{good}");
        }
        assert_eq!(is_met(&Window::default(), percent("99")), None);
    }
}
