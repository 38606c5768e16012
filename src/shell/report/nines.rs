//! `report nines`: what an objective allows, in time and in burn rates.
//!
//! Invariant: every number is an exact quotient of integers; one that has no end is cut after six places.

use crate::core::burn::{Millionths, allowed_seconds};
use crate::core::decimal::{Decimal, Ratio};
use crate::core::settings::Tier;
use crate::shell::args::NinesArgs;
use crate::shell::check::{allowed, bad_share, per_million, spent};
use crate::shell::explain::Output;
use crate::shell::pipeline::{burn_max, workbook};
use crate::shell::words::duration;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use std::fmt::Write;

/// The objectives shown where none is named, percent.
const USUAL: [u64; 6] = [99_000_000, 99_500_000, 99_900_000, 99_950_000, 99_990_000, 99_999_000];
/// The windows that are always shown, days: months have 28 to 31.
const WINDOWS: [u64; 7] = [1, 7, 28, 30, 31, 90, 365];
const DAY_S: u64 = 86_400;
/// One hundred percent.
const HUNDRED: u64 = 100_000_000;
/// Slices of a minute, as most pipelines have.
const SLICE_S: u64 = 60;

/// The report for people or programs.
pub(super) fn text(args: &NinesArgs) -> String {
    let chosen = match args.objectives.as_slice() {
        [] => USUAL.map(Decimal).to_vec(),
        some => some.to_vec(),
    };
    let mut windows: Vec<u64> = WINDOWS.iter().map(|days| days * DAY_S).collect();
    windows.push(args.window);
    windows.sort_unstable();
    windows.dedup();
    match args.output {
        Output::Json => {
            let all: Vec<Value> = chosen.iter().map(|o| to_json(*o, args.window, &windows)).collect();
            format!("{:#}\n", json!(all))
        }
        Output::Text => {
            let mut out = format!("{}\n", table(&chosen, &windows));
            if !args.objectives.is_empty() {
                chosen.iter().for_each(|objective| alerts(&mut out, *objective, args.window));
            }
            out
        }
    }
}

/// Full outage that each window allows.
fn table(objectives: &[Decimal], windows: &[u64]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut header = vec!["objective".to_string(), "bad in a million".to_string()];
    header.extend(windows.iter().map(|window_s| duration(*window_s)));
    let columns = header.len();
    table.set_header(header);
    for objective in objectives {
        let mut row = vec![format!("{objective}%"), per_million(*objective).to_string()];
        row.extend(windows.iter().map(|window_s| budget(*window_s, *objective)));
        table.add_row(row);
    }
    for i in 0..columns {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// The alerts of an objective, and what they mean.
fn alerts(out: &mut String, objective: Decimal, window_s: u64) {
    let _ = writeln!(
        out,
        "\n{objective} % over {}: {} of full outage, or {} % of requests; burn rates up to {}",
        duration(window_s),
        budget(window_s, objective),
        allowed(objective),
        burn_max(objective)
    );
    let (tiers, left_out) = workbook(objective, window_s, SLICE_S);
    for tier in &tiers {
        let _ = writeln!(
            out,
            "  {:<9} burn rate above {} over {} and {}: more than {} % bad; {} % of the budget in {}; a full outage fires it after {}; one failure of {} requests cannot",
            tier.name,
            tier.factor,
            duration(tier.long_s),
            duration(tier.short_s),
            bad_share(objective, tier),
            spent(window_s, tier),
            duration(tier.long_s),
            time(detection_s(objective, tier)),
            requests_min(objective, tier),
        );
    }
    for reason in left_out {
        let _ = writeln!(out, "  left out: {reason}");
    }
}

fn to_json(objective: Decimal, window_s: u64, windows: &[u64]) -> Value {
    let (tiers, left_out) = workbook(objective, window_s, SLICE_S);
    let alert = |tier: &Tier| {
        json!({
            "name": tier.name,
            "severity": tier.severity,
            "factor": tier.factor.to_string(),
            "long_s": tier.long_s,
            "short_s": tier.short_s,
            "bad_percent": bad_share(objective, tier).to_string(),
            "budget_percent": spent(window_s, tier).to_string(),
            "outage_fires_after_s": detection_s(objective, tier).to_string(),
            "one_failure_cannot_fire_from_requests": requests_min(objective, tier),
        })
    };
    let budget = |window_s: &u64| {
        json!({
            "window": duration(*window_s),
            "window_s": window_s,
            "seconds": allowed_seconds(*window_s, objective).to_string(),
            "text": self::budget(*window_s, objective),
        })
    };
    json!({
        "objective_percent": objective.to_string(),
        "window_s": window_s,
        "allowed_percent": allowed(objective).to_string(),
        "bad_per_million": per_million(objective).to_string(),
        "budget_seconds": allowed_seconds(window_s, objective).to_string(),
        "burn_rate_max": burn_max(objective).to_string(),
        "budgets": windows.iter().map(budget).collect::<Vec<_>>(),
        "alerts": tiers.iter().map(alert).collect::<Vec<_>>(),
        "left_out": left_out,
    })
}

fn budget(window_s: u64, objective: Decimal) -> String {
    time(allowed_seconds(window_s, objective))
}

/// Seconds in the largest unit of which there is at least one: `3.65d`, `7.2h`, `43.2min`, `25.92s`.
fn time(seconds: Millionths) -> String {
    let whole = seconds.0 / 1_000_000;
    let (unit, length) = match whole {
        86_400.. => ("d", 86_400),
        3_600.. => ("h", 3_600),
        60.. => ("min", 60),
        _ => ("s", 1),
    };
    format!("{}{unit}", Millionths(seconds.0 / length))
}

/// How long a full outage lasts before the long window burns as fast as the tier's factor: long · factor · (1 − objective).
fn detection_s(objective: Decimal, tier: &Tier) -> Millionths {
    let scaled = u128::from(tier.long_s) * u128::from(tier.factor.num) * u128::from(allowed(objective).0);
    let scaled = scaled * 1_000_000 / (u128::from(tier.factor.den) * u128::from(HUNDRED));
    Millionths(i128::try_from(scaled).unwrap_or(i128::MAX))
}

/// The smallest number of requests in the long window at which a single failure does not fire: 1 / (factor · (1 − objective)),
/// rounded up.
fn requests_min(objective: Decimal, tier: &Tier) -> u64 {
    let Ratio { num, den } = tier.factor;
    let (above, below) =
        (u128::from(den) * u128::from(HUNDRED), u128::from(num) * u128::from(allowed(objective).0));
    u64::try_from(above.div_ceil(below.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Decimal {
        Decimal::parse(text).expect("a decimal")
    }

    /// Minutes as an exact decimal.
    fn minutes(days: u64, objective: &str) -> String {
        Millionths(allowed_seconds(days * DAY_S, percent(objective)).0 / 60).to_string()
    }

    #[test]
    fn nines_of_thirty_days() {
        let cases = [
            ("99", "432", "7.2h"),
            ("99.5", "216", "3.6h"),
            ("99.9", "43.2", "43.2min"),
            ("99.95", "21.6", "21.6min"),
            ("99.99", "4.32", "4.32min"),
            ("99.999", "0.432", "25.92s"),
        ];
        for (objective, want, shown) in cases {
            assert_eq!(minutes(30, objective), want);
            assert_eq!(budget(30 * DAY_S, percent(objective)), shown);
        }
    }

    #[test]
    fn nines_of_a_year() {
        let cases = [
            ("99", "5256", "3.65d"),
            ("99.9", "525.6", "8.76h"),
            ("99.95", "262.8", "4.38h"),
            ("99.99", "52.56", "52.56min"),
            ("99.999", "5.256", "5.256min"),
        ];
        for (objective, want, shown) in cases {
            assert_eq!(minutes(365, objective), want);
            assert_eq!(budget(365 * DAY_S, percent(objective)), shown);
        }
    }

    #[test]
    fn months_differ_in_length() {
        for (days, want) in
            [(28, "40.32"), (29, "41.76"), (30, "43.2"), (31, "44.64"), (90, "129.6"), (7, "10.08")]
        {
            assert_eq!(minutes(days, "99.9"), want, "{days}");
        }
    }

    /// Factors of the workbook's shares (2, 5, 10 and 10 %) by window; those below 1 are left out.
    #[test]
    fn factors_follow_the_window() {
        let cases: [(u64, &[&str]); 6] = [
            (7, &["3.36", "1.4"]),
            (14, &["6.72", "2.8", "1.4"]),
            (28, &["13.44", "5.6", "2.8"]),
            (30, &["14.4", "6", "3", "1"]),
            (90, &["43.2", "18", "9", "3"]),
            (365, &["175.2", "73", "36.5", "12.166666"]),
        ];
        for (days, want) in cases {
            let (tiers, left_out) = workbook(percent("99.9"), days * DAY_S, SLICE_S);
            let factors: Vec<String> = tiers.iter().map(|t| t.factor.to_string()).collect();
            assert_eq!(factors, want, "{days}");
            assert_eq!(tiers.len() + left_out.len(), 4);
            let shares: Vec<String> = tiers.iter().map(|t| spent(days * DAY_S, t).to_string()).collect();
            assert_eq!(shares, ["2", "5", "10", "10"][..shares.len()]);
        }
        // what fixed factors use up of other windows: 14.4 in an hour of 7 days, and 3 in 3 of 30 days
        let tier = |factor, long_s| Tier {
            name: "x".into(),
            severity: "page".into(),
            factor,
            long_s,
            short_s: 300,
            ..Tier::default()
        };
        assert_eq!(spent(7 * DAY_S, &tier(Ratio::new(144, 10), 3_600)).to_string(), "8.571428");
        assert_eq!(spent(30 * DAY_S, &tier(Ratio::new(3, 1), 3 * DAY_S)).to_string(), "30");
    }

    #[test]
    fn burn_rates_have_a_maximum() {
        for (objective, want) in
            [("90", "10"), ("93", "14.285714"), ("94", "16.666666"), ("96", "25"), ("99.99", "10000")]
        {
            assert_eq!(burn_max(percent(objective)).to_string(), want);
        }
        // 14.4 is out of reach up to 93.0555… %
        for (objective, first) in
            [("90", "page-6h"), ("93.055555", "page-6h"), ("93.055556", "page-1h"), ("94", "page-1h")]
        {
            let (tiers, _) = workbook(percent(objective), 30 * DAY_S, SLICE_S);
            assert_eq!(&*tiers[0].name, first, "{objective}");
        }
    }

    #[test]
    fn alerts_say_what_they_mean() {
        let (tiers, _) = workbook(percent("99.9"), 30 * DAY_S, SLICE_S);
        let detection: Vec<String> =
            tiers.iter().map(|t| detection_s(percent("99.9"), t).to_string()).collect();
        // 0.864, 2.16, 4.32 and 4.32 minutes
        assert_eq!(detection, ["51.84", "129.6", "259.2", "259.2"]);
        let table = [
            ("99.9", [70, 167, 334, 1_000]),
            ("99", [7, 17, 34, 100]),
            ("99.99", [695, 1_667, 3_334, 10_000]),
        ];
        for (objective, want) in table {
            let (tiers, _) = workbook(percent(objective), 30 * DAY_S, SLICE_S);
            let smallest: Vec<u64> = tiers.iter().map(|t| requests_min(percent(objective), t)).collect();
            assert_eq!(smallest, want);
        }
    }
}
