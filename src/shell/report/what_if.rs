//! `report what-if`: stored counts judged by other objectives.
//!
//! Invariant: counts are never judged anew, only compared: an objective changes what is allowed, not what was good.
//! Budgets and alerts are decided as the engine decides them, slice by slice, by exact integers.

use super::Request;
use super::figures::{met, sli};
use super::print::percent;
use super::sums::{Counts, Question, SloSum, newest};
use super::units::Units;
use crate::core::burn::{Millionths, Window};
use crate::core::decimal::Decimal;
use crate::core::settings::Tier;
use crate::core::time::Time;
use crate::shell::args::WhatIfArgs;
use crate::shell::exit::CommandError;
use crate::shell::explain::Output;
use crate::shell::pipeline::{Pipeline, workbook};
use crate::shell::words::duration;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// One SLO of one service, judged by one objective.
#[derive(Clone, PartialEq, Debug)]
struct Judged {
    objective: Decimal,
    /// Whether it is the one in force.
    in_force: bool,
    /// Bad requests that the window's budget allows; None without a request.
    allowed: Option<Millionths>,
    consumed: Option<Millionths>,
    left: Option<Millionths>,
    met: Option<bool>,
    exhausted: bool,
    /// How often each of the workbook's tiers would have begun to fire in what was read.
    alerts: Vec<(String, u64)>,
}

/// One SLO of one service, or one of its groups.
struct Row<'a> {
    service: &'a str,
    slo: &'a str,
    group: Option<&'a str>,
    sum: &'a SloSum,
    units: Units,
    judged: Vec<Judged>,
}

/// The report for people or programs.
///
/// # Errors
/// If the pipeline is invalid, the rollups cannot be read, or no SLO is left by the filters.
pub(super) fn text(args: &WhatIfArgs) -> Result<String, CommandError> {
    let pipeline = args.pipeline.as_deref().map(Pipeline::load).transpose()?;
    let mut request = Request::of(pipeline, args.rollups.as_deref(), args.since, args.until)?;
    (request.window_s, request.series) = (args.window, true);
    let (name, question, sums) = request.sums()?;
    let since = sums.first.unwrap_or(question.since).max(question.since);
    let (mut rows, mut unknown) = (Vec::new(), Vec::new());
    for (service, slos) in &sums.slos {
        for (slo, generations) in slos {
            let wanted = args.service.as_ref().is_none_or(|s| s == service)
                && args.slo.as_ref().is_none_or(|s| s == slo);
            let Some((_, newest)) = newest(generations).filter(|_| wanted) else { continue };
            let settings = question.configured(service, slo).map(|(settings, _)| settings);
            for (group, sum) in newest.sums() {
                if sum.by_slices && settings.is_none() {
                    unknown.push(format!("{service}/{slo}"));
                    break;
                }
                let chosen: BTreeSet<Decimal> =
                    args.objective.iter().copied().chain([sum.objective]).collect();
                let units = Units::new(&question, since, sum, settings, &sums.quality);
                let judged = chosen.into_iter().map(|objective| judge(&units, sum, objective)).collect();
                rows.push(Row { service, slo, group, sum, units, judged });
            }
        }
    }
    let unanswered = (!unknown.is_empty()).then(|| {
        let which = unknown.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
        format!(
            "weighed by slices, which only the pipeline file describes: {which}; name it beside --rollups"
        )
    });
    if let (true, Some(unanswered)) = (rows.is_empty(), &unanswered) {
        return Err(CommandError::failed(unanswered.clone()));
    }
    if rows.is_empty() {
        let there: BTreeSet<String> =
            sums.slos.iter().flat_map(|(s, slos)| slos.keys().map(move |slo| format!("{s}/{slo}"))).collect();
        let there = there.into_iter().take(20).collect::<Vec<_>>().join(", ");
        return Err(CommandError::failed(format!("no counts of such an SLO; there are those of: {there}")));
    }
    Ok(match args.output {
        Output::Json => format!("{:#}\n", to_json(&name, &question, since, &rows)),
        Output::Text => format!(
            "{}\n\npipeline {name}, {since} to {}; * is the objective in force\n{}{}",
            table(&rows),
            question.until,
            "alerts: how often the workbook's would have begun to fire\n",
            unanswered.map_or(String::new(), |unanswered| format!("not judged: {unanswered}\n")),
        ),
    })
}

impl Row<'_> {
    /// Of what is weighed.
    fn sli(&self) -> Option<String> {
        let window = self.units.window(self.sum);
        sli(Counts { good: window.good, bad: window.bad }, self.sum.objective)
    }
}

fn judge(units: &Units, sum: &SloSum, objective: Decimal) -> Judged {
    let window = units.window(sum);
    let (tiers, _) = workbook(objective, sum.window_s, units.length_s);
    let alerts = tiers.iter().map(|tier| (tier.name.to_string(), fired(units, objective, tier)));
    let whole = i128::from(units.whole.unwrap_or(1));
    Judged {
        objective,
        in_force: objective == sum.objective,
        allowed: window.allowed(objective).map(|allowed| Millionths(allowed.0.div_euclid(whole))),
        consumed: window.rate(objective),
        left: window.remaining(objective),
        met: met(Counts { good: window.good, bad: window.bad }, objective),
        exhausted: !window.is_blank() && window.is_exhausted(objective),
        alerts: alerts.collect(),
    }
}

/// How often the tier begins to fire from the first unit to the last.
fn fired(units: &Units, objective: Decimal, tier: &Tier) -> u64 {
    let mut long = Rolling::new(units.of(tier.long_s));
    let mut short = Rolling::new(units.of(tier.short_s));
    let (mut fires, mut times) = (false, 0);
    for unit in 0..units.count {
        let burns =
            [&mut long, &mut short].map(|w| w.at(unit, &units.counts).burns_over(tier.factor, objective));
        let now = burns == [true, true];
        times += u64::from(now && !fires);
        fires = now;
    }
    times
}

/// Sums over the last slices, moved on one by one.
struct Rolling {
    slices: u64,
    sum: Counts,
    /// The next entry to come in, and the next to leave.
    next: usize,
    last: usize,
}

impl Rolling {
    fn new(slices: u64) -> Rolling {
        Rolling { slices: slices.max(1), sum: Counts::default(), next: 0, last: 0 }
    }

    /// The window that ends with this slice; slices have to come in order.
    fn at(&mut self, slice: u64, counts: &[(u64, Counts)]) -> Window {
        while let Some((_, coming)) = counts.get(self.next).filter(|(at, _)| *at <= slice) {
            self.sum.add(*coming);
            self.next += 1;
        }
        while let Some((_, leaving)) = counts.get(self.last).filter(|(at, _)| at + self.slices <= slice) {
            self.sum = Counts { good: self.sum.good - leaving.good, bad: self.sum.bad - leaving.bad };
            self.last += 1;
        }
        let Counts { good, bad } = self.sum;
        Window { good, bad, slices: self.slices, seen: (slice + 1).min(self.slices) }
    }
}

fn table(rows: &[Row<'_>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let header = [
        "service",
        "SLO",
        "window",
        "requests",
        "bad",
        "SLI",
        "objective",
        "allowed",
        "consumed",
        "left",
        "met",
    ];
    let columns = header.len();
    table.set_header(header.iter().copied().chain(["alerts"]));
    for row in rows {
        for (i, judged) in row.judged.iter().enumerate() {
            let whole = [
                row.service.to_string(),
                row.group.map_or(row.slo.to_string(), |group| format!("{} {group}", row.slo)),
                duration(row.sum.window_s),
                (row.sum.window.good + row.sum.window.bad).to_string(),
                row.sum.window.bad.to_string(),
                row.sli().map_or("-".into(), |sli| format!("{sli}%")),
            ];
            let mut cells: Vec<String> =
                whole.into_iter().map(|cell| if i == 0 { cell } else { String::new() }).collect();
            let share =
                |share: Option<Millionths>| share.map_or("-".into(), |s| format!("{}%", percent(s, 2)));
            cells.push(format!("{}%{}", judged.objective, if judged.in_force { "*" } else { " " }));
            // whole requests or slices: a part of a request cannot be bad
            let unit = if row.units.whole.is_some() { " slices" } else { "" };
            let allowed = |allowed: Millionths| format!("{}{unit}", allowed.0 / 1_000_000);
            cells.push(judged.allowed.map_or("-".into(), allowed));
            cells.extend([share(judged.consumed), share(judged.left)]);
            cells.push(judged.met.map_or("-", |met| if met { "yes" } else { "no" }).into());
            let alerts: Vec<String> =
                judged.alerts.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
            cells.push(if alerts.is_empty() { "none".into() } else { alerts.join(", ") });
            table.add_row(cells);
        }
    }
    for i in 2..columns {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn to_json(pipeline: &str, question: &Question, since: Time, rows: &[Row<'_>]) -> Value {
    let judged = |judged: &Judged| {
        let alerts: Map<String, Value> =
            judged.alerts.iter().map(|(name, times)| (name.clone(), json!(times))).collect();
        json!({
            "objective_percent": judged.objective.to_string(),
            "in_force": judged.in_force,
            "allowed_bad": judged.allowed.map(|a| a.to_string()),
            "budget_consumed_percent": judged.consumed.map(|share| percent(share, 6)),
            "budget_left_percent": judged.left.map(|share| percent(share, 6)),
            "objective_met": judged.met,
            "budget_exhausted": judged.exhausted,
            "alerts_fired": alerts,
        })
    };
    let slos: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "service": row.service,
                "slo": row.slo,
                "group": row.group,
                "window_s": row.sum.window_s,
                "good": row.sum.window.good,
                "bad": row.sum.window.bad,
                "sli_percent": row.sli(),
                "weighed": if row.units.whole.is_some() { "slices" } else { "requests" },
                "slice_s": row.units.length_s,
                "objectives": row.judged.iter().map(judged).collect::<Vec<_>>(),
            })
        })
        .collect();
    let (since, until) = (since.to_string(), question.until.to_string());
    json!({ "pipeline": pipeline, "since": since, "until": until, "slos": slos })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::SliceLength;
    use std::sync::Arc;

    /// Requests of each minute, from an outage of 12 % of requests for 18 minutes in the middle of a clean day.
    fn incident() -> (Question, SloSum) {
        let question = Question {
            slice: SliceLength(60),
            since: Time::from_seconds(0),
            until: Time::from_seconds(2 * 86_400),
            slos: Arc::new([]),
            excluded: None,
            window_override_s: None,
            series: true,
            before: Arc::default(),
            told: Arc::default(),
        };
        let mut sum = SloSum::blank(Decimal::parse("99.9").expect("a decimal"), 2 * 86_400);
        for minute in 0..2_880 {
            let bad = if (1_440..1_458).contains(&minute) { 1_200 } else { 0 };
            let counts = Counts { good: 10_000 - bad, bad };
            sum.window.add(counts);
            sum.series.insert(Time::from_seconds(minute * 60), counts);
        }
        (question, sum)
    }

    #[test]
    fn alerts_are_those_of_the_engine() {
        let (question, sum) = incident();
        let percent = |text| Decimal::parse(text).expect("a decimal");
        let tier = |factor, long_s, short_s| Tier {
            name: "t".into(),
            severity: "page".into(),
            factor: crate::core::decimal::Ratio::new(factor, 10),
            long_s,
            short_s,
            ..Tier::default()
        };
        let units = Units::new(&question, question.since, &sum, None, &Default::default());
        let fires = |objective, tier: Tier| fired(&units, percent(objective), &tier);
        // reference table, 12 % for 18 minutes: 14.4 fires, 6 reaches exactly its factor and does not
        assert_eq!(fires("99.9", tier(144, 3_600, 300)), 1);
        assert_eq!(fires("99.9", tier(60, 21_600, 1_800)), 0);
        assert_eq!(fires("99.9", tier(59, 21_600, 1_800)), 1);
        assert_eq!(fires("99", tier(144, 3_600, 300)), 0);
    }

    #[test]
    fn budgets_follow_the_objective() {
        let (question, sum) = incident();
        let units = Units::new(&question, question.since, &sum, None, &Default::default());
        let judged = |objective| judge(&units, &sum, Decimal::parse(objective).expect("a decimal"));
        // 21,600 of 28,800,000
        let tight = judged("99.95");
        assert_eq!(tight.allowed.expect("counted").to_string(), "14400");
        assert_eq!(tight.consumed.expect("counted").to_string(), "1.5");
        assert_eq!(
            (tight.left.expect("counted").to_string(), tight.met, tight.exhausted),
            ("-0.5".into(), Some(false), true)
        );
        let loose = judged("99.9");
        assert_eq!(
            (loose.consumed.expect("counted").to_string(), loose.met, loose.in_force),
            ("0.75".into(), Some(true), true)
        );
    }

    #[test]
    fn slices_are_weighed_as_the_engine_weighs_them() {
        use crate::core::settings::{Budgeting, OnEmpty, SliceTest, Slo};
        let (mut question, mut sum) = incident();
        // the second hour of the first day holds nothing, and of the third only the first half was read
        for minute in 60..180 {
            let start = Time::from_seconds(minute * 60);
            let counts = sum.series.remove(&start).expect("a minute");
            sum.window = Counts { good: sum.window.good - counts.good, bad: sum.window.bad - counts.bad };
        }
        question.until = Time::from_seconds(2 * 86_400 - 60); // the last five minutes are not over
        let quality = super::super::quality::QualitySum::read((0..2_880).filter(|m| !(150..180).contains(m)));
        let target = |text| SliceTest::Good { target: Decimal::parse(text).expect("a decimal") };
        let timeslices = |target| Budgeting::Timeslices { slice_s: 300, test: target };
        let ratio = Budgeting::RatioTimeslices { slice_s: 300 };
        let busy = SliceTest::Requests { at_least: 1, at_most: None };
        // of 576 slices one is open, 12 + 6 empty and read, 6 empty and unread; 4 are bad, the last to 3/5
        for (budgeting, on_empty, want) in [
            (timeslices(target("95")), OnEmpty::Ignore, (547, 4)),
            (timeslices(target("90")), OnEmpty::Ignore, (548, 3)),
            (timeslices(target("95")), OnEmpty::Good, (565, 4)),
            (timeslices(target("95")), OnEmpty::Bad, (547, 22)),
            (timeslices(busy), OnEmpty::Ignore, (551, 18)),
            // 3 · 12 % and 7.2 % of a slice
            (ratio, OnEmpty::Ignore, (550_568_000_000_000, 432_000_000_000)),
        ] {
            let slo = Slo { budgeting, on_empty, ..Slo::default() };
            let units = Units::new(&question, question.since, &sum, Some(&slo), &quality);
            let window = units.window(&sum);
            assert_eq!((units.length_s, units.count), (300, 575));
            assert_eq!((window.good, window.bad), want, "{budgeting:?} {on_empty:?}");
            assert_eq!((window.slices, window.seen), (576, 575));
        }
    }
}
