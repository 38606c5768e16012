//! From sums to what a report says: SLIs, budgets, burn rates, percentiles.
//!
//! Invariant: order and verdicts come from integers; decimals are rounded down, so that no SLI below its
//! objective is shown as reaching it. Budgets and burn rates are those of the events: what lies in a window
//! but was not read counts as good at the mean rate of what was.

use super::latencies::Latencies;
use super::standing::whole;
use super::sums::{BURN_WINDOWS, Counts, Question, SloSum, Sums, newest};
use super::units::Units;
use crate::core::burn::{Millionths, Window};
use crate::core::decimal::Decimal;
use crate::core::settings::ServiceRule;
use crate::core::time::{SliceLength, Time};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The quantiles shown: name and fraction.
pub(super) const QUANTILES: [(&str, (u64, u64)); 3] =
    [("p50", (50, 100)), ("p95", (95, 100)), ("p99", (99, 100))];

/// What a report says.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Report {
    /// Name of the pipeline.
    pub(super) pipeline: String,
    /// Length of the slices.
    pub(super) slice: SliceLength,
    /// The first instant of what was read.
    pub(super) since: Time,
    /// The first instant after it: all windows end here.
    pub(super) until: Time,
    /// SLOs of services, worst first.
    pub(super) slos: Vec<SloFigures>,
    /// Services by name.
    pub(super) services: BTreeMap<String, ServiceFigures>,
    /// What was read.
    pub(super) quality: QualityFigures,
    /// What people should know beside the numbers.
    pub(super) notes: Vec<String>,
    /// What SLOs are to say, in prose: name and services, and the text.
    pub(super) specifications: Vec<(String, String)>,
}

/// One SLO of one service, or one of its groups.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct SloFigures {
    pub(super) service: String,
    pub(super) slo: String,
    /// Its group; None where it has no groups.
    pub(super) group: Option<String>,
    pub(super) generation: i32,
    pub(super) objective: Decimal,
    pub(super) window_s: u64,
    pub(super) counts: Counts,
    pub(super) excluded: u64,
    /// Requests in exclusion windows: neither in the counts nor in what follows from them.
    pub(super) maintenance: Counts,
    /// Percent; None without a request.
    pub(super) sli: Option<String>,
    /// Whether the SLI is not below the objective; None without a request.
    pub(super) met: Option<bool>,
    /// Share of the window's budget that is left.
    pub(super) left: Option<Millionths>,
    /// Whether the window's budget is consumed.
    pub(super) exhausted: bool,
    /// By [`BURN_WINDOWS`].
    pub(super) burn: [Option<Millionths>; BURN_WINDOWS.len()],
}

/// One service.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ServiceFigures {
    pub(super) requests: u64,
    pub(super) status_5xx: u64,
    pub(super) client: LatencyFigures,
    pub(super) upstream: LatencyFigures,
}

/// Latencies of a service, microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LatencyFigures {
    pub(super) count: u64,
    pub(super) min_us: Option<u64>,
    pub(super) max_us: Option<u64>,
    /// By [`QUANTILES`].
    pub(super) quantiles_us: [Option<u64>; QUANTILES.len()],
}

/// What was read of the range.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct QualityFigures {
    /// Slices of the range.
    pub(super) slices: u64,
    /// Those that are complete.
    pub(super) complete: u64,
    /// Those that no row tells of.
    pub(super) unread: u64,
    /// Those that are not complete, by reason.
    pub(super) reasons: BTreeMap<String, u64>,
    pub(super) lines: u64,
    pub(super) rejected: u64,
    pub(super) late: u64,
    pub(super) gap_offsets: u64,
}

impl Report {
    /// What the sums say. `rules` are the pipeline's, if there is one: a service that it names and that had
    /// no request is listed too.
    pub(super) fn new(pipeline: &str, question: &Question, sums: &Sums, rules: &[ServiceRule]) -> Report {
        let since = sums.first.unwrap_or(question.since).max(question.since);
        let slices = slices(question.slice, since, question.until);
        let mut notes = Vec::new();
        let mut slos = Vec::new();
        let (mut older, mut silent_first) = (0, 0);
        for (service, by_slo) in &sums.slos {
            for (slo, generations) in by_slo {
                let Some((number, generation)) = newest(generations) else { continue };
                older += usize::from(generations.len() > 1);
                let settings = question.configured(service, slo).map(|(settings, _)| settings);
                for (group, sum) in generation.sums() {
                    let units = (sum.by_slices && settings.is_some())
                        .then(|| Units::new(question, since, sum, settings, &sums.quality));
                    silent_first += usize::from(units.as_ref().is_some_and(|units| units.silent > 0));
                    let figures = SloFigures::new(
                        (service, slo, number),
                        sum,
                        units.as_ref(),
                        (question, since, slices),
                    );
                    slos.push(SloFigures { group: group.map(str::to_owned), ..figures });
                }
            }
        }
        if older > 0 {
            notes.push(format!(
                "{older} SLOs had another definition (indicator or window) in this range: only the newest counts"
            ));
        }
        if silent_first > 0 {
            notes.push(format!(
                "{silent_first} budgets count slices without requests from their first request in this range on: budget_1h tells of none before it"
            ));
        }
        for (name, reason, windows) in question.excluded.iter().flat_map(|excluded| excluded.reasons()) {
            notes.push(format!(
                "exclusion `{name}` of the pipeline file is applied, {windows} windows in this range: {reason}"
            ));
        }
        slos.extend(silent(question, sums, rules));
        slos.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let quality = &sums.quality;
        let figures = QualityFigures {
            slices,
            complete: quality.complete(),
            unread: slices.saturating_sub(quality.slices()),
            reasons: quality.reasons().into_iter().map(|(reason, n)| (reason.to_owned(), n)).collect(),
            lines: quality.lines,
            rejected: quality.rejected,
            late: quality.late,
            gap_offsets: quality.gap_offsets,
        };
        let service = |(name, sum): (&String, &super::sums::ServiceSum)| {
            let (client, upstream) = (LatencyFigures::new(&sum.client), LatencyFigures::new(&sum.upstream));
            let (requests, status_5xx) = (sum.requests, sum.status_5xx);
            (name.clone(), ServiceFigures { requests, status_5xx, client, upstream })
        };
        Report {
            pipeline: pipeline.to_owned(),
            slice: question.slice,
            since,
            until: question.until,
            slos,
            services: sums.services.iter().map(service).collect(),
            quality: figures,
            notes,
            specifications: Vec::new(),
        }
    }

    /// Services without any SLO, most requests first.
    pub(super) fn without_slo(&self) -> Vec<(&String, &ServiceFigures)> {
        let has = |name: &String| self.slos.iter().any(|s| s.service == *name);
        let mut services: Vec<_> = self.services.iter().filter(|(name, _)| !has(name)).collect();
        services.sort_by_key(|(name, figures)| (Reverse(figures.requests), *name));
        services
    }
}

pub(super) fn slices(length: SliceLength, since: Time, until: Time) -> u64 {
    u64::try_from(length.slice(until).0 - length.slice(since).0).unwrap_or(0)
}

/// SLOs of services that the pipeline names, and that had no request in the range.
fn silent<'a>(
    question: &'a Question,
    sums: &'a Sums,
    rules: &'a [ServiceRule],
) -> impl Iterator<Item = SloFigures> + 'a {
    let unique: std::collections::BTreeSet<String> = rules.iter().flat_map(ServiceRule::names).collect();
    unique.into_iter().flat_map(move |service| {
        let names: std::collections::BTreeSet<&str> = question.slos.iter().map(|s| &*s.name).collect();
        names.into_iter().filter_map(move |slo| {
            let (settings, window_s) = question.configured(&service, slo)?;
            let objective = settings.objective;
            let known = sums.slos.get(&service).is_some_and(|slos| slos.contains_key(slo));
            (!known).then(|| SloFigures {
                service: service.clone(),
                slo: slo.to_owned(),
                group: None,
                generation: 0,
                objective,
                window_s,
                counts: Counts::default(),
                excluded: 0,
                maintenance: Counts::default(),
                sli: None,
                met: None,
                left: None,
                exhausted: false,
                burn: [None; BURN_WINDOWS.len()],
            })
        })
    })
}

impl SloFigures {
    /// `exhausted`, `missed` (below the objective, but the window's budget is not yet consumed) or `ok`; None without
    /// a request.
    pub(super) fn state(&self) -> Option<&'static str> {
        match (self.exhausted, self.met?) {
            (true, _) => Some("exhausted"),
            (false, false) => Some("missed"),
            (false, true) => Some("ok"),
        }
    }

    fn new(
        (service, slo, generation): (&str, &str, i32),
        sum: &SloSum,
        units: Option<&Units>,
        (question, since, seen): (&Question, Time, u64),
    ) -> SloFigures {
        // what is excluded of an alert's window is as good as not read
        let window = |counts: Counts, window_s: u64| match units {
            Some(units) => units.over(window_s),
            // by slices that nobody describes
            None if sum.by_slices => Window::default(),
            None => {
                let slices = question.slice.slices_in(window_s).max(1);
                let seen = seen.min(slices);
                let seen = seen - sum.excluded_slices(question, seen);
                Window { good: counts.good, bad: counts.bad, slices, seen }
            }
        };
        let mut burn = [None; BURN_WINDOWS.len()];
        for (i, (_, window_s)) in BURN_WINDOWS.into_iter().enumerate() {
            burn[i] = window(sum.burn[i], window_s).rate(sum.objective);
        }
        let whole = match units {
            Some(units) => units.window(sum),
            None if sum.by_slices => Window::default(),
            None => whole(question, since, sum),
        };
        let weighed = match units {
            Some(_) => Counts { good: whole.good, bad: whole.bad },
            None => sum.window,
        };
        SloFigures {
            service: service.to_owned(),
            slo: slo.to_owned(),
            group: None,
            generation,
            objective: sum.objective,
            window_s: sum.window_s,
            counts: sum.window,
            excluded: sum.excluded,
            maintenance: sum.maintenance,
            sli: sli(weighed, sum.objective),
            met: met(weighed, sum.objective).filter(|_| units.is_some() || !sum.by_slices),
            left: whole.remaining(sum.objective),
            exhausted: !whole.is_blank() && whole.is_exhausted(sum.objective),
            burn,
        }
    }

    /// Least budget first, then the fastest burning; without requests last.
    fn rank(&self) -> impl Ord + '_ {
        (self.left.is_none(), self.left, self.burn.map(Reverse), &self.service, &self.slo, &self.group)
    }
}

/// Good of all in percent, rounded down: one place more than the objective has, and at least two.
pub(super) fn sli(counts: Counts, objective: Decimal) -> Option<String> {
    let total = u128::from(counts.good) + u128::from(counts.bad);
    if total == 0 {
        return None;
    }
    let places = objective.to_string().split_once('.').map_or(0, |(_, places)| places.len());
    let places = (places as u32 + 1).max(2);
    // 10^9 at most: counts stay below 2^64
    let scale = 10u128.pow(places);
    let scaled = u128::from(counts.good) * 100 * scale / total;
    Some(format!("{}.{:0width$}", scaled / scale, scaled % scale, width = places as usize))
}

pub(super) fn met(counts: Counts, objective: Decimal) -> Option<bool> {
    let total = u128::from(counts.good) + u128::from(counts.bad);
    // 100 % is 100,000,000 millionths of a percent
    (total > 0).then(|| u128::from(counts.good) * 100_000_000 >= total * u128::from(objective.0))
}

impl LatencyFigures {
    fn new(latencies: &Latencies) -> LatencyFigures {
        let histogram = latencies.histogram();
        let any = |value: u64| (histogram.count > 0).then_some(value);
        LatencyFigures {
            count: histogram.count,
            min_us: any(histogram.min_us),
            max_us: any(histogram.max_us),
            quantiles_us: QUANTILES.map(|(_, (num, den))| histogram.quantile(num, den)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Decimal {
        Decimal::parse(text).expect("a decimal")
    }

    #[test]
    fn slis_are_rounded_down() {
        let cases = [
            (999, 1, "99.9", "99.90", true),
            (998_999, 1_001, "99.9", "99.89", false),
            (999_999, 1, "99", "99.99", true),
            (9_994_999, 5_001, "99.95", "99.949", false),
            (1, 0, "99.999", "100.0000", true),
            (0, 1, "99.999", "0.0000", false),
            (u64::MAX / 2, u64::MAX / 2, "50.000001", "50.0000000", false),
        ];
        for (good, bad, objective, text, reached) in cases {
            let (counts, objective) = (Counts { good, bad }, percent(objective));
            assert_eq!(sli(counts, objective).as_deref(), Some(text));
            assert_eq!(met(counts, objective), Some(reached), "{text}");
        }
        assert_eq!(
            (sli(Counts::default(), percent("99")), met(Counts::default(), percent("99"))),
            (None, None)
        );
    }

    #[test]
    fn the_worst_comes_first() {
        let figures = |service: &str, left: Option<i128>, burn: i128| SloFigures {
            service: service.into(),
            slo: "availability".into(),
            group: None,
            generation: 1,
            objective: percent("99"),
            window_s: 3_600,
            counts: Counts::default(),
            excluded: 0,
            maintenance: Counts::default(),
            sli: None,
            met: None,
            left: left.map(Millionths),
            exhausted: false,
            burn: [Some(Millionths(burn)), None, None, None],
        };
        let mut slos = [
            figures("none", None, 0),
            figures("b", Some(500_000), 1),
            figures("a", Some(500_000), 1),
            figures("fast", Some(500_000), 9),
            figures("gone", Some(-3), 0),
        ];
        slos.sort_by(|a, b| a.rank().cmp(&b.rank()));
        assert_eq!(slos.map(|s| s.service), ["gone", "fast", "a", "b", "none"]);
    }
}
