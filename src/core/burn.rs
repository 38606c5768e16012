//! Burn rates and budgets of a window, in integers.
//!
//! Invariant: whether something burns, is exhausted or has reached a step is decided by exact
//! cross-multiplication; quotients are only for showing.
//!
//! With `b` bad of `t` requests counted in `n` of a window's `N` slices, the part not yet observed counts
//! as good at the mean rate so far: the error rate is `b / (t·N/n)`, the burn rate that over `1 − objective`.
//! A whole SLO window's burn rate is the share of its budget that is consumed.

use crate::core::decimal::{Decimal, Ratio, cmp_products, product};
use std::cmp::Ordering;
use std::fmt;

/// Millionths of a percent in one: what an objective of 100 % would be.
const WHOLE: u64 = 100_000_000;

/// What was counted in a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// Good requests.
    pub good: u64,
    /// Bad requests.
    pub bad: u64,
    /// Length, slices; `N` above.
    pub slices: u64,
    /// How many of them were observed; `n` above, at most `slices`.
    pub seen: u64,
}

impl Window {
    /// Good and bad.
    pub const fn total(&self) -> u64 {
        self.good + self.bad
    }

    /// Whether nothing can be said: nothing observed, or no request.
    pub const fn is_blank(&self) -> bool {
        self.seen == 0 || self.total() == 0
    }

    /// Whether it burns strictly faster than the factor. A blank window does not.
    pub fn burns_over(&self, factor: Ratio, objective: Decimal) -> bool {
        self.bad > 0 && !self.is_blank() && self.compare(self.bad, factor, objective) == Ordering::Greater
    }

    /// Whether the whole budget of this window is consumed.
    pub fn is_exhausted(&self, objective: Decimal) -> bool {
        self.bad > 0 && self.reaches(self.bad, Ratio::new(1, 1), objective)
    }

    /// Whether so many bad requests are at least this share of the window's budget.
    pub fn reaches(&self, bad: u64, share: Ratio, objective: Decimal) -> bool {
        !self.is_blank() && self.compare(bad, share, objective) != Ordering::Less
    }

    /// The consumed share of this window's budget against another share.
    pub fn consumes(&self, share: Ratio, objective: Decimal) -> Ordering {
        self.compare(self.bad, share, objective)
    }

    /// `bad / (total·N/n)` against `factor · (1 − objective)`.
    fn compare(&self, bad: u64, factor: Ratio, objective: Decimal) -> Ordering {
        cmp_products(
            &[bad, self.seen, WHOLE, factor.den],
            &[self.total(), self.slices, factor.num, allowed(objective)],
        )
    }

    /// The largest `seen` at which so many bad requests of the same total do not yet burn faster than the
    /// factor: from there on the answer may change though nothing is counted. None: never within the window.
    pub fn seen_until(&self, bad: u64, factor: Ratio, objective: Decimal) -> Option<u64> {
        if bad == 0 || self.total() == 0 {
            return None;
        }
        let above = product(&[self.total(), self.slices, factor.num, allowed(objective)]);
        let below = product(&[bad, WHOLE, factor.den]);
        let seen = match (above, below) {
            (Some(above), Some(below)) => u64::try_from(above / below).unwrap_or(u64::MAX),
            // too wide to divide: look again at every slice
            _ => self.seen,
        };
        (seen <= self.slices).then_some(seen)
    }

    /// Burn rate; of a whole SLO window, the share of its budget that is consumed. None where blank.
    pub fn rate(&self, objective: Decimal) -> Option<Millionths> {
        self.share(self.bad, objective)
    }

    /// The share of the window's budget that so many bad requests are. None where blank.
    pub fn share(&self, bad: u64, objective: Decimal) -> Option<Millionths> {
        if self.is_blank() {
            return None;
        }
        if bad == 0 {
            return Some(Millionths(0));
        }
        let (above, below) = self.fraction(bad, objective);
        Some(Millionths::of(above as i128, below))
    }

    /// What is left of the window's budget, as a share of it: below 0 when overspent. None where blank.
    pub fn remaining(&self, objective: Decimal) -> Option<Millionths> {
        if self.is_blank() {
            return None;
        }
        let (above, below) = self.fraction(self.bad, objective);
        Some(Millionths::of((below as i128).saturating_sub(above as i128), below))
    }

    /// How many bad requests the window's budget allows at the mean rate so far. None where blank.
    pub fn allowed(&self, objective: Decimal) -> Option<Millionths> {
        if self.is_blank() {
            return None;
        }
        let ratio = Ratio::new(self.slices, self.seen);
        let above = wide(&[self.total(), ratio.num, allowed(objective)]);
        Some(Millionths::of(above as i128, wide(&[ratio.den, WHOLE])))
    }

    /// How long a whole budget lasts at this window's burn rate: `period / rate`, seconds; `period_s` is the
    /// SLO's window. None where the rate is unknown or 0.
    pub fn pace(&self, period_s: u64, objective: Decimal) -> Option<Millionths> {
        let (above, below) = self.burning(objective)?;
        Some(quotient([period_s as u128, below], [above, 1]))
    }

    /// How long what is left of a budget lasts at this window's burn rate: `remaining · period / rate`,
    /// seconds, 0 where nothing is left. `budget` is the SLO's whole window, of `period_s`. None where
    /// either is blank, or nothing burns.
    pub fn countdown(&self, budget: &Window, period_s: u64, objective: Decimal) -> Option<Millionths> {
        if budget.is_blank() {
            return None;
        }
        let (above, below) = self.burning(objective)?;
        let (consumed, whole) = budget.fraction(budget.bad, objective);
        let (left, whole) = lowest(whole.saturating_sub(consumed), whole);
        match (left.checked_mul(period_s.into()), whole.checked_mul(above)) {
            (Some(left), Some(above)) => Some(quotient([left, below], [above, 1])),
            _ => Some(quotient([left, below / above * period_s as u128], [whole, 1])),
        }
    }

    /// The burn rate as a fraction in lowest terms. None where it is unknown or 0.
    fn burning(&self, objective: Decimal) -> Option<(u128, u128)> {
        if self.is_blank() || self.bad == 0 {
            return None;
        }
        let (above, below) = self.fraction(self.bad, objective);
        Some(lowest(above, below))
    }

    /// Good over total. None where there is no request.
    pub fn sli(&self) -> Option<Millionths> {
        (self.total() > 0).then(|| Millionths::of(self.good as i128, self.total() as u128))
    }

    /// The share that so many bad requests are, in lowest terms that come cheap.
    fn fraction(&self, bad: u64, objective: Decimal) -> (u128, u128) {
        let seen = Ratio::new(self.seen, self.slices);
        let budget = Ratio::new(WHOLE, allowed(objective).max(1));
        (wide(&[bad, seen.num, budget.num]), wide(&[self.total(), seen.den, budget.den]).max(1))
    }
}

/// The fraction in lowest terms; `0/1` for nothing.
fn lowest(above: u128, below: u128) -> (u128, u128) {
    let (mut a, mut b) = (above, below);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (above / a.max(1), below / a.max(1))
}

/// The quotient of two products, crosswise reduced first; where that is still too wide, held at the widest.
fn quotient([a, b]: [u128; 2], [c, d]: [u128; 2]) -> Millionths {
    let ((a, c), (b, d)) = (lowest(a, c), lowest(b, d));
    let ((a, d), (b, c)) = (lowest(a, d), lowest(b, c));
    let widest = i128::MAX as u128;
    Millionths::of(a.saturating_mul(b).min(widest) as i128, c.saturating_mul(d).min(widest))
}

/// `1 − objective`, millionths of a percent.
pub const fn allowed(objective: Decimal) -> u64 {
    WHOLE.saturating_sub(objective.0)
}

/// The budget of a window in time: `(1 − objective) · window`, seconds.
pub fn allowed_seconds(window_s: u64, objective: Decimal) -> Millionths {
    Millionths::of(wide(&[window_s, allowed(objective)]) as i128, WHOLE as u128)
}

/// The product, held at what an `i128` can take: only shown, and 2^127 requests are never counted.
fn wide(factors: &[u64]) -> u128 {
    product(factors).unwrap_or(u128::MAX).min(i128::MAX as u128)
}

/// A signed decimal with six places, rounded down: for showing, never for deciding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Millionths(pub i128);

impl Millionths {
    /// `above / below`, rounded down to six places.
    pub fn of(above: i128, below: u128) -> Millionths {
        let below = below.clamp(1, i128::MAX as u128) as i128;
        if let Some(scaled) = above.checked_mul(1_000_000) {
            return Millionths(scaled.div_euclid(below));
        }
        // the rest is below the divisor; where a million of it overflows, the lowest bits go first
        let (whole, rest) = (above.div_euclid(below), above.rem_euclid(below));
        let fraction = match rest.checked_mul(1_000_000) {
            Some(scaled) => scaled / below,
            None => rest / (below / 1_000_000).max(1),
        };
        Millionths(whole.saturating_mul(1_000_000).saturating_add(fraction))
    }

    /// As a gauge shows it: millionths that fit into 64 bits.
    pub fn clamped(self) -> i64 {
        self.0.clamp(i64::MIN as i128, i64::MAX as i128) as i64
    }
}

/// `-0.25`, `14.4`, `3`: no trailing zeros.
impl fmt::Display for Millionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (whole, places) = (size / 1_000_000, size % 1_000_000);
        if places == 0 {
            return write!(f, "{sign}{whole}");
        }
        write!(f, "{sign}{whole}.{}", format!("{places:06}").trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn full(good: u64, bad: u64) -> Window {
        Window { good, bad, slices: 60, seen: 60 }
    }

    #[test]
    fn the_bound_itself_does_not_burn() {
        // 1,440 of 100,000 at 99.9 is a burn rate of exactly 14.4, which floating point gets wrong
        let factor = Ratio::new(144, 10);
        assert!(!full(98_560, 1_440).burns_over(factor, percent("99.9")));
        assert!(full(98_560, 1_440).reaches(1_440, factor, percent("99.9")));
        assert!(full(98_559, 1_441).burns_over(factor, percent("99.9")));
        assert_eq!(full(98_560, 1_440).rate(percent("99.9")).unwrap().to_string(), "14.4");
    }

    #[test]
    fn blank_windows_say_nothing() {
        for window in [full(0, 0), Window { seen: 0, ..full(1, 9) }] {
            assert!(!window.burns_over(Ratio::new(1, 1), percent("99")));
            assert!(!window.is_exhausted(percent("99")));
            assert_eq!(window.rate(percent("99")), None);
            assert_eq!(window.remaining(percent("99")), None);
        }
        assert_eq!(full(0, 0).sli(), None);
    }

    #[test]
    fn one_failure_of_few_requests_fires_up_to_the_known_number() {
        // smallest n at which a single failure cannot fire
        let factors = [Ratio::new(144, 10), Ratio::new(6, 1), Ratio::new(3, 1), Ratio::new(1, 1)];
        let table =
            [("99.9", [70, 167, 334, 1000]), ("99", [7, 17, 34, 100]), ("99.99", [695, 1667, 3334, 10_000])];
        for (objective, smallest) in table {
            for (factor, n) in factors.into_iter().zip(smallest) {
                assert!(!full(n - 1, 1).burns_over(factor, percent(objective)), "{objective} {factor} {n}");
                assert!(full(n - 2, 1).burns_over(factor, percent(objective)), "{objective} {factor} {n}");
            }
        }
    }

    #[test]
    fn factors_out_of_reach_never_burn() {
        let factor = Ratio::new(144, 10);
        for (objective, fires) in
            [("90", false), ("93", false), ("93.055555", false), ("93.055556", true), ("94", true)]
        {
            assert_eq!(full(0, 1000).burns_over(factor, percent(objective)), fires, "{objective}");
        }
        assert_eq!(full(0, 7).rate(percent("90")).unwrap().to_string(), "10");
        assert_eq!(full(0, 7).rate(percent("93")).unwrap().to_string(), "14.285714");
        assert_eq!(full(0, 7).rate(percent("96")).unwrap().to_string(), "25");
    }

    #[test]
    fn what_was_not_seen_counts_as_good() {
        // a total outage in the first of 60 slices is 1/60 of the requests of the hour
        let first = Window { good: 0, bad: 500, slices: 60, seen: 1 };
        assert_eq!(first.rate(percent("99.9")).unwrap().to_string(), "16.666666");
        assert!(first.burns_over(Ratio::new(144, 10), percent("99.9")));
        // one error of a hundred is not
        let one = Window { good: 99, bad: 1, slices: 60, seen: 1 };
        assert!(!one.burns_over(Ratio::new(144, 10), percent("99.9")));
        assert_eq!(one.allowed(percent("99.9")).unwrap().to_string(), "6");
    }

    #[test]
    fn budgets_add_up() {
        struct Case(&'static str, u64, u64, &'static str, &'static str, &'static str);
        let cases = [
            // 10,000,000 requests at 99 %: 100,000 allowed, 75,000 gone
            Case("99", 9_925_000, 75_000, "100000", "0.75", "0.25"),
            // 15 of 21.6 minutes
            Case("99.95", 43_185, 15, "21.6", "0.694444", "0.305555"),
            // 99.5 against 99.9: five times the budget
            Case("99.9", 995_000, 5_000, "1000", "5", "-4"),
            Case("99.9", 10, 0, "0.01", "0", "1"),
            Case("94", 94_946, 5_054, "6000", "0.842333", "0.157666"),
            // rounded down, also below 0: 2/0.3 = 6.66…, 1 − 6.66… = −5.66…
            Case("70", 0, 2, "0.6", "3.333333", "-2.333334"),
        ];
        for Case(objective, good, bad, allowed, consumed, remaining) in cases {
            let (window, objective) = (full(good, bad), percent(objective));
            assert_eq!(window.allowed(objective).unwrap().to_string(), allowed);
            assert_eq!(window.rate(objective).unwrap().to_string(), consumed);
            assert_eq!(window.remaining(objective).unwrap().to_string(), remaining);
            assert_eq!(window.is_exhausted(objective), !consumed.starts_with("0"));
        }
    }

    #[test]
    fn budgets_last_as_long_as_the_rate_says() {
        let month_s = 30 * 86_400;
        let objective = percent("99.9");
        // 1 % errors at 99.9 burn ten times as fast: a whole budget lasts three days, half of one 36 hours
        let burning = full(9_900, 100);
        assert_eq!(burning.pace(month_s, objective).unwrap().to_string(), "259200");
        for (bad, left) in [(0, "259200"), (500, "129600"), (1_000, "0"), (5_000, "0")] {
            let budget = full(1_000_000 - bad, bad);
            assert_eq!(burning.countdown(&budget, month_s, objective).unwrap().to_string(), left, "{bad}");
        }
        // 94.946 % at 94 over a week: 7 d / 0.842333… = 8.31 d, of which the remaining 15.7667 % last
        let (week, objective) = (full(94_946, 5_054), percent("94"));
        assert_eq!(week.pace(7 * 86_400, objective).unwrap().to_string(), "718005.540166");
        assert_eq!(week.countdown(&week, 7 * 86_400, objective).unwrap().to_string(), "113205.540166");
        for still in [full(10, 0), full(0, 0), Window { seen: 0, ..full(1, 9) }] {
            assert_eq!(still.pace(month_s, objective), None);
            assert_eq!(still.countdown(&burning, month_s, objective), None);
        }
        assert_eq!(burning.countdown(&full(0, 0), month_s, objective), None);
        let huge = Window { good: u64::MAX / 2, bad: u64::MAX / 2 - 9, slices: (1 << 22) - 1, seen: 1 << 21 };
        assert!(huge.pace(month_s, objective).unwrap().0 > 0);
        assert!(huge.countdown(&full(1_000_000, 1), month_s, objective).unwrap().0 > 0);
    }

    #[test]
    fn nines_in_time() {
        let month_s = 30 * 86_400;
        let cases = [
            ("99", "25920"),
            ("99.5", "12960"),
            ("99.9", "2592"),
            ("99.95", "1296"),
            ("99.99", "259.2"),
            ("99.999", "25.92"),
        ];
        for (objective, seconds) in cases {
            assert_eq!(allowed_seconds(month_s, percent(objective)).to_string(), seconds, "{objective}");
        }
        for (days, seconds) in [(28, "2419.2"), (29, "2505.6"), (31, "2678.4"), (7, "604.8")] {
            assert_eq!(allowed_seconds(days * 86_400, percent("99.9")).to_string(), seconds);
        }
    }

    #[test]
    fn the_slice_at_which_silence_changes_the_answer_is_known() {
        let (factor, objective) = (Ratio::new(6, 1), percent("99.9"));
        for (good, bad) in [(990, 10), (999, 1), (0, 3), (100_000, 1), (70, 0)] {
            let at = |seen| Window { good, bad, slices: 360, seen };
            let first = (1..=360).find(|seen| at(*seen).burns_over(factor, objective));
            match (first, at(1).seen_until(bad, factor, objective)) {
                (Some(first), Some(until)) => assert_eq!(until + 1, first, "{good} {bad}"),
                (None, until) => assert!(until.is_none_or(|u| u == 360), "{good} {bad}"),
                (first, until) => panic!("{good} {bad}: {first:?} {until:?}"),
            }
        }
    }

    #[test]
    fn huge_counts_do_not_overflow() {
        let huge = Window { good: u64::MAX / 2, bad: u64::MAX / 2, slices: 1 << 22, seen: 1 << 22 };
        assert!(huge.burns_over(Ratio::new(499, 1), percent("99.9")));
        assert_eq!(huge.rate(percent("99.9")).unwrap().to_string(), "500");
        assert_eq!(huge.sli().unwrap().to_string(), "0.5");
    }
}
