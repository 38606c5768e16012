//! The three ways to weigh the same slices: by requests, by good and bad slices, by the share of each slice.
//!
//! Invariant: what a slice weighs is a function of its own counts alone, in integers, so windows add and take away
//! whole slices exactly, and late counts replace what their slice weighed before. A share of a slice is rounded down to
//! [`PARTS`]; everything after that is exact.

use crate::core::settings::{Budgeting, OnEmpty, SliceTest, Slo};

/// Parts of one slice under ratio timeslices. A year of 10-second slices is 3·10^18 of them, which fits.
pub const PARTS: u64 = 1_000_000_000_000;

/// Good and bad in the method's own measure: requests, slices, or parts of slices.
pub fn weigh(method: &Budgeting, good: u64, bad: u64) -> (u64, u64) {
    let total = u128::from(good) + u128::from(bad);
    match method {
        Budgeting::Occurrences => (good, bad),
        _ if total == 0 => (0, 0),
        Budgeting::Timeslices { test, .. } => match passes(*test, good, bad) {
            true => (1, 0),
            false => (0, 1),
        },
        Budgeting::RatioTimeslices { .. } => {
            let parts = u128::from(bad) * u128::from(PARTS) / total;
            let bad = u64::try_from(parts).unwrap_or(PARTS);
            (PARTS - bad, bad)
        }
    }
}

/// As OpenSLO names it, in lower case.
pub const fn name(method: &Budgeting) -> &'static str {
    match method {
        Budgeting::Occurrences => "occurrences",
        Budgeting::Timeslices { .. } => "timeslices",
        Budgeting::RatioTimeslices { .. } => "ratio_timeslices",
    }
}

/// What one whole slice weighs; None where requests are weighed.
pub const fn whole(method: &Budgeting) -> Option<u64> {
    match method {
        Budgeting::Occurrences => None,
        Budgeting::Timeslices { .. } => Some(1),
        Budgeting::RatioTimeslices { .. } => Some(PARTS),
    }
}

/// What a slice counts as that was read and holds no request: good, bad, or, None, nothing.
pub fn empty(slo: &Slo) -> Option<bool> {
    match (&slo.budgeting, slo.on_empty) {
        (Budgeting::Occurrences, _) => None,
        (Budgeting::Timeslices { test: test @ SliceTest::Requests { .. }, .. }, _) => {
            Some(passes(*test, 0, 0))
        }
        (_, OnEmpty::Good) => Some(true),
        (_, OnEmpty::Bad) => Some(false),
        (_, OnEmpty::Gap | OnEmpty::Ignore) => None,
    }
}

fn passes(test: SliceTest, good: u64, bad: u64) -> bool {
    let total = u128::from(good) + u128::from(bad);
    match test {
        SliceTest::Good { target } => u128::from(good) * 100_000_000 >= u128::from(target.0) * total,
        SliceTest::Requests { at_least, at_most } => {
            total >= u128::from(at_least) && at_most.is_none_or(|most| total <= u128::from(most))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decimal::Decimal;

    #[test]
    fn a_slice_passes_at_its_target() {
        let test = SliceTest::Good { target: Decimal(95_000_000) };
        for (good, bad, want) in
            [(95, 5, true), (94, 6, false), (0, 1, false), (1, 0, true), (u64::MAX, 0, true)]
        {
            assert_eq!(passes(test, good, bad), want, "{good} {bad}");
        }
        let between = SliceTest::Requests { at_least: 10, at_most: Some(20) };
        for (good, bad, want) in [(9, 0, false), (5, 5, true), (20, 0, true), (20, 1, false), (0, 0, false)] {
            assert_eq!(passes(between, good, bad), want, "{good} {bad}");
        }
    }

    #[test]
    fn the_methods_weigh_one_slice() {
        let slices =
            Budgeting::Timeslices { slice_s: 60, test: SliceTest::Good { target: Decimal(95_000_000) } };
        let ratio = Budgeting::RatioTimeslices { slice_s: 60 };
        assert_eq!(weigh(&Budgeting::Occurrences, 90, 10), (90, 10));
        assert_eq!(weigh(&slices, 90, 10), (0, 1));
        assert_eq!(weigh(&ratio, 90, 10), (PARTS / 10 * 9, PARTS / 10));
        assert_eq!(weigh(&ratio, 0, 3), (0, PARTS));
        // rounded down: what is not whole is not held against the service
        assert_eq!(weigh(&ratio, 1, 2), (333_333_333_334, 666_666_666_666));
        for method in [Budgeting::Occurrences, slices, ratio] {
            assert_eq!(weigh(&method, 0, 0), (0, 0));
        }
    }
}
