//! Presets of burn-rate alerts, each after the place that it is named for.
//!
//! - `workbook`: The Site Reliability Workbook, chapter 5, with the fourth tier of its configuration; shares of the budget are
//!   kept, so that the factor follows the SLO's window: factor = share × window / long window.
//! - `handbook`: the same pages, and one ticket at 30 % of the budget in three days: 3 × over 3d and 6h for 30 days.
//! - `sloth`: the workbook's shares; for 7 days the shares of Sloth's own file of that period.
//! - `datadog`: its recommended shares for 7, 30 and 90 days, three tiers.
//! - `tickets`: the workbook's, none of them a page.
//! - `pyrra`: the factors stay and the windows follow: 14, 7, 2 and 1 over 1/672, 1/112, 1/28 and 1/7 of the window.

use super::alerts::{Over, burn_max, out_of_reach};
use crate::core::decimal::{Decimal, Ratio};
use crate::core::settings::{Op, Tier};
use crate::shell::config::scalar::seconds_text;
use std::sync::Arc;

const DAY_S: u64 = 86_400;

/// Severity, share of the budget in tenths of a percent, long window, short window; seconds.
type Share = (&'static str, u64, u64, u64);

const fn shares(fast: u64, slow: u64, day: u64, days: u64) -> [Share; 4] {
    [
        ("page", fast, 3_600, 300),
        ("page", slow, 21_600, 1_800),
        ("ticket", day, DAY_S, 7_200),
        ("ticket", days, 3 * DAY_S, 21_600),
    ]
}

const WORKBOOK: [Share; 4] = shares(20, 50, 100, 100);
const SLOTH_WEEK: [Share; 4] = shares(80, 125, 200, 420);
const HANDBOOK: [Share; 3] =
    [("page", 20, 3_600, 300), ("page", 50, 21_600, 1_800), ("ticket", 300, 3 * DAY_S, 21_600)];

/// Severity, factor, what the window is divided by for long, short and alert_after.
const PYRRA: [(&str, u64, u64, u64, u64); 4] = [
    ("page", 14, 672, 8_064, 20_160),
    ("page", 7, 112, 1_344, 2_688),
    ("ticket", 2, 28, 336, 672),
    ("ticket", 1, 7, 112, 224),
];

/// A preset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Preset {
    Workbook,
    Handbook,
    Sloth,
    Pyrra,
    Datadog,
    Tickets,
}

/// Their names.
pub(super) const NAMES: [(&str, Preset); 6] = [
    ("workbook", Preset::Workbook),
    ("handbook", Preset::Handbook),
    ("sloth", Preset::Sloth),
    ("pyrra", Preset::Pyrra),
    ("datadog", Preset::Datadog),
    ("tickets", Preset::Tickets),
];

/// A preset's tiers for an SLO, and what was left out and why.
pub(super) fn tiers(preset: Preset, over: &Over) -> (Vec<Tier>, Vec<String>) {
    let week = over.window_s == 7 * DAY_S;
    let all: Vec<Tier> = match preset {
        Preset::Workbook => by_share(&WORKBOOK, over),
        Preset::Tickets => {
            by_share(&WORKBOOK.map(|(_, share, long_s, short_s)| ("ticket", share, long_s, short_s)), over)
        }
        Preset::Handbook => by_share(&HANDBOOK, over),
        Preset::Sloth if week => by_share(&SLOTH_WEEK, over),
        Preset::Sloth => by_share(&WORKBOOK, over),
        Preset::Datadog if week => by_share(&shares(100, 200, 400, 0)[..3], over),
        Preset::Datadog if over.window_s == 90 * DAY_S => by_share(&shares(10, 30, 50, 0)[..3], over),
        Preset::Datadog => by_share(&WORKBOOK[..3], over),
        Preset::Pyrra => PYRRA.into_iter().map(|tier| scaled(tier, over)).collect(),
    };
    let (mut tiers, mut left_out) = (Vec::new(), Vec::new());
    for tier in all {
        match trouble(preset, &tier, over) {
            Some(reason) => left_out.push(format!("{} {reason}", tier.name)),
            None => tiers.push(tier),
        }
    }
    (tiers, left_out)
}

fn by_share(shares: &[Share], over: &Over) -> Vec<Tier> {
    let tier = |&(severity, share, long_s, short_s): &Share| {
        named(severity, Ratio::new(share * over.window_s, 1000 * long_s), long_s, short_s, 0)
    };
    shares.iter().map(tier).collect()
}

/// Windows to the nearest whole slice, at least one.
fn scaled((severity, factor, long, short, after): (&str, u64, u64, u64, u64), over: &Over) -> Tier {
    let part = |divisor: u64| {
        let slices = (over.window_s + divisor * over.slice_s / 2) / (divisor * over.slice_s);
        slices.max(1) * over.slice_s
    };
    named(severity, Ratio::new(factor, 1), part(long), part(short), over.window_s / after)
}

fn named(severity: &str, factor: Ratio, long_s: u64, short_s: u64, alert_after_s: u64) -> Tier {
    Tier {
        name: Arc::from(format!("{severity}-{}", seconds_text(long_s))),
        severity: Arc::from(severity),
        factor,
        long_s,
        short_s,
        alert_after_s,
        ..Tier::default()
    }
}

fn trouble(preset: Preset, tier: &Tier, over: &Over) -> Option<String> {
    let (factor, objective) = (tier.factor, over.objective);
    if tier.long_s > over.window_s {
        return Some(format!("has a longer window than the SLO's {}", seconds_text(over.window_s)));
    }
    // Sloth has them: 0.9333 for 28 days, 0.98 for 7
    if factor.num < factor.den && preset != Preset::Sloth {
        return Some(format!("would need a burn rate of only {factor}, which uses up no budget early"));
    }
    if out_of_reach(factor, objective, Op::Gt) {
        let most = burn_max(objective);
        return Some(format!(
            "would need a burn rate above {factor}, and {objective} % allows at most {most}"
        ));
    }
    if !tier.short_s.is_multiple_of(over.slice_s) || !tier.long_s.is_multiple_of(over.slice_s) {
        return Some("has windows that are no whole slices".into());
    }
    (tier.short_s >= tier.long_s).then(|| "has no shorter window at this length of slices".into())
}

/// The workbook's tiers for an objective (percent) and a window, and what was left out and why.
pub fn workbook(objective: Decimal, window_s: u64, slice_s: u64) -> (Vec<Tier>, Vec<String>) {
    tiers(Preset::Workbook, &Over { objective, window_s, slice_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_the_published_factors() {
        let cases: [(Preset, u64, &[&str], usize); 15] = [
            (Preset::Workbook, 7, &["3.36 1h/5m", "1.4 6h/30m"], 2),
            (Preset::Workbook, 14, &["6.72 1h/5m", "2.8 6h/30m", "1.4 1d/2h"], 1),
            (Preset::Workbook, 28, &["13.44 1h/5m", "5.6 6h/30m", "2.8 1d/2h"], 1),
            (Preset::Workbook, 30, &["14.4 1h/5m", "6 6h/30m", "3 1d/2h", "1 3d/6h"], 0),
            (Preset::Workbook, 90, &["43.2 1h/5m", "18 6h/30m", "9 1d/2h", "3 3d/6h"], 0),
            (Preset::Workbook, 365, &["175.2 1h/5m", "73 6h/30m", "36.5 1d/2h", "12.166666 3d/6h"], 0),
            (Preset::Handbook, 30, &["14.4 1h/5m", "6 6h/30m", "3 3d/6h"], 0),
            (Preset::Sloth, 30, &["14.4 1h/5m", "6 6h/30m", "3 1d/2h", "1 3d/6h"], 0),
            (Preset::Sloth, 28, &["13.44 1h/5m", "5.6 6h/30m", "2.8 1d/2h", "0.933333 3d/6h"], 0),
            (Preset::Sloth, 7, &["13.44 1h/5m", "3.5 6h/30m", "1.4 1d/2h", "0.98 3d/6h"], 0),
            (Preset::Datadog, 7, &["16.8 1h/5m", "5.6 6h/30m", "2.8 1d/2h"], 0),
            (Preset::Datadog, 30, &["14.4 1h/5m", "6 6h/30m", "3 1d/2h"], 0),
            (Preset::Datadog, 90, &["21.6 1h/5m", "10.8 6h/30m", "4.5 1d/2h"], 0),
            (Preset::Pyrra, 28, &["14 1h/5m", "7 6h/30m", "2 1d/2h", "1 4d/6h"], 0),
            (Preset::Pyrra, 7, &["14 15m/1m", "7 90m/8m", "2 6h/30m", "1 1d/90m"], 0),
        ];
        for (preset, days, want, left_out) in cases {
            let window_s = days * DAY_S;
            let over = Over { objective: Decimal(99_900_000), window_s, slice_s: 60 };
            let (tiers, left) = tiers(preset, &over);
            let shown = |t: &Tier| {
                let (long, short) = (seconds_text(t.long_s), seconds_text(t.short_s));
                format!("{} {long}/{short}", t.factor)
            };
            assert_eq!(tiers.iter().map(shown).collect::<Vec<_>>(), want, "{preset:?} {days}d");
            assert_eq!(left.len(), left_out, "{preset:?} {days}d {left:?}");
        }
        let over = Over { objective: Decimal(99_900_000), window_s: 28 * DAY_S, slice_s: 60 };
        let after: Vec<u64> = tiers(Preset::Pyrra, &over).0.iter().map(|t| t.alert_after_s / 60).collect();
        assert_eq!(after, [2, 15, 60, 180]);
    }

    #[test]
    fn what_cannot_fire_is_left_out() {
        // 90 % allows a burn rate of 10: 14.4 is out of reach, 6 is not
        let (tiers, left_out) = workbook(Decimal(90_000_000), 30 * DAY_S, 60);
        assert_eq!((&*tiers[0].name, left_out.len()), ("page-6h", 1));
    }
}
