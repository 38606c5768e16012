//! Sums over the tables' rows, whatever their order and number of revisions.
//!
//! Invariant: adding rows is commutative and associative, so files may be read in any order by any number of
//! threads.

use super::excluded::{self, Excluded};
use super::latencies::Latencies;
use super::quality::QualitySum;
use super::told::Told;
use crate::core::decimal::Decimal;
use crate::core::histogram::add;
use crate::core::service::selects;
use crate::core::settings::{Budgeting, Slo};
use crate::core::time::{SliceLength, Time};
use crate::edges::sink::parquet::read::{QualityView, RequestsView, SliView};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The windows whose burn rates are shown: name and seconds, as the workbook's tiers use them.
pub(super) const BURN_WINDOWS: [(&str, u64); 4] =
    [("1h", 3_600), ("6h", 21_600), ("1d", 86_400), ("3d", 259_200)];

/// What the sums are over.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The length of the slices.
    pub(super) slice: SliceLength,
    /// Slices that begin before this do not count.
    pub(super) since: Time,
    /// Slices that end after this do not count: windows end here.
    pub(super) until: Time,
    /// The pipeline's SLOs, whose objectives and windows go before those of the rows.
    pub(super) slos: Arc<[Slo]>,
    /// The pipeline's exclusion windows. None: what the rows say of themselves counts.
    pub(super) excluded: Option<Arc<Excluded>>,
    /// A window that goes before all others, seconds.
    pub(super) window_override_s: Option<u64>,
    /// Whether the counts of single slices are kept too.
    pub(super) series: bool,
    /// What the rollups tell of SLOs that no pipeline has.
    pub(super) told: Arc<Told>,
    /// What they tell of the hour before the range, where slices without a request count.
    pub(super) before: Arc<Told>,
}

impl Question {
    pub(super) fn holds(&self, start: Time) -> bool {
        start >= self.since && start.plus_seconds(i64::from(self.slice.0)) <= self.until
    }

    /// Whether the slice lies in the window that ends at `until`.
    fn within(&self, start: Time, window_s: u64) -> bool {
        start >= self.until.plus_seconds(-i64::try_from(window_s).unwrap_or(i64::MAX))
    }

    /// The SLO in the pipeline file, and the seconds of its window that ends at `until`: a calendar's from the start of its
    /// period, for what has not been of it is not assumed.
    pub(super) fn configured(&self, service: &str, slo: &str) -> Option<(&Slo, u64)> {
        let named = self.slos.iter().filter(|s| &*s.name == slo);
        let mut chosen = named.filter(|s| s.services.iter().any(|selector| selects(selector, service)));
        chosen.next().map(|s| (s, self.window_s(s)))
    }

    fn window_s(&self, slo: &Slo) -> u64 {
        let Some(calendar) = &slo.calendar else { return slo.window_s };
        self.since_s(calendar.period(self.until.plus_seconds(-1)).start)
    }

    fn since_s(&self, begun: Time) -> u64 {
        u64::try_from(self.until.seconds() - begun.seconds()).unwrap_or(0)
    }
}

/// Good and bad requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    pub(super) good: u64,
    pub(super) bad: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Counts) {
        (self.good, self.bad) = (add(self.good, other.good), add(self.bad, other.bad));
    }
}

/// One generation of one SLO of one service, or of one of its groups.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct SloSum {
    /// Objective in force, percent.
    pub(super) objective: Decimal,
    /// Window, seconds.
    pub(super) window_s: u64,
    /// Its budget is weighed by slices: [`super::units::Units`], where the pipeline says which.
    pub(super) by_slices: bool,
    /// Its window is what has been of a calendar's period: nothing is filled in.
    pub(super) calendar: bool,
    /// Objective and window are the pipeline's, or the window is.
    fixed: (bool, bool),
    /// Slice and revision of the newest row: it says what is in force.
    pub(super) newest: (Time, i64),
    /// In the SLO's window.
    pub(super) window: Counts,
    /// Left out in the SLO's window.
    pub(super) excluded: u64,
    /// In the SLO's window and in an exclusion window: neither good nor bad.
    pub(super) maintenance: Counts,
    /// The exclusion windows that the pipeline has for it.
    windows: Arc<[(Time, Time)]>,
    /// What the budgeting method weighs as one, seconds.
    unit_s: u64,
    /// It had a budget as the range began: slices without a request count from there on.
    pub(super) had_budget: bool,
    /// In each of [`BURN_WINDOWS`].
    pub(super) burn: [Counts; BURN_WINDOWS.len()],
    /// By the start of the slice, where the question asks for them or slices are weighed.
    pub(super) series: BTreeMap<Time, Counts>,
}

impl SloSum {
    /// Without a request.
    pub(super) fn blank(objective: Decimal, window_s: u64) -> SloSum {
        SloSum {
            objective,
            window_s,
            by_slices: false,
            calendar: false,
            fixed: (false, false),
            newest: Default::default(),
            window: Counts::default(),
            excluded: 0,
            maintenance: Counts::default(),
            windows: Arc::new([]),
            unit_s: 1,
            had_budget: false,
            burn: Default::default(),
            series: BTreeMap::new(),
        }
    }

    fn new(question: &Question, row: &SliView<'_>) -> SloSum {
        let overridden = question.window_override_s;
        let newest = (row.slice_start, row.revision);
        let windows = question.excluded.as_ref().map(|excluded| excluded.of(row.service, row.slo));
        let windows: Arc<[(Time, Time)]> = windows.unwrap_or_default().into();
        if let Some((slo, window_s)) = question.configured(row.service, row.slo) {
            let unit_s = match slo.budgeting {
                Budgeting::Timeslices { slice_s, .. } | Budgeting::RatioTimeslices { slice_s } => slice_s,
                Budgeting::Occurrences => question.slice.0,
            };
            return SloSum {
                fixed: (true, true),
                by_slices: slo.budgeting != Budgeting::Occurrences,
                calendar: slo.calendar.is_some() && overridden.is_none(),
                newest,
                windows,
                unit_s: u64::from(unit_s.max(question.slice.0)),
                // the table does not tell groups apart here: theirs begin with their first request
                had_budget: row.group.is_none()
                    && question.before.knows(row.service, row.slo, question.since),
                ..SloSum::blank(slo.objective, overridden.unwrap_or(window_s))
            };
        }
        let begun = question.told.begun(row.service, row.slo, question.until);
        let window_s = overridden.or(begun.map(|begun| question.since_s(begun)));
        SloSum {
            fixed: (false, window_s.is_some()),
            by_slices: question.told.by_slices(row.service, row.slo),
            calendar: begun.is_some() && overridden.is_none(),
            newest,
            windows,
            unit_s: u64::from(question.slice.0),
            ..SloSum::blank(row.objective, window_s.unwrap_or(row.window_s))
        }
    }

    fn add(&mut self, question: &Question, row: &SliView<'_>) {
        if (row.slice_start, row.revision) > self.newest {
            self.newest = (row.slice_start, row.revision);
            let (objective, window) = self.fixed;
            self.objective = if objective { self.objective } else { row.objective };
            self.window_s = if window { self.window_s } else { row.window_s };
        }
        let raw = Counts { good: row.good, bad: row.bad };
        let maintenance = match &question.excluded {
            Some(_) if excluded::touches(&self.windows, row.slice_start, self.unit_s) => raw,
            Some(_) => Counts::default(),
            None => Counts { good: row.maintenance_good, bad: row.maintenance_bad },
        };
        let counts = Counts {
            good: raw.good.saturating_sub(maintenance.good),
            bad: raw.bad.saturating_sub(maintenance.bad),
        };
        if question.within(row.slice_start, self.window_s) {
            self.window.add(counts);
            self.maintenance.add(maintenance);
            self.excluded = add(self.excluded, row.excluded);
        }
        if question.series || (self.by_slices && self.fixed.0) {
            self.series.entry(row.slice_start).or_default().add(counts);
        }
        for (sum, (_, window_s)) in self.burn.iter_mut().zip(BURN_WINDOWS) {
            if question.within(row.slice_start, window_s) {
                sum.add(counts);
            }
        }
    }

    /// Whether an exclusion window of the pipeline touches the unit of so many seconds that begins there.
    pub(super) fn is_excluded(&self, start: Time, unit_s: u64) -> bool {
        excluded::touches(&self.windows, start, unit_s)
    }

    /// How many of the last so many slices before the end are excluded.
    pub(super) fn excluded_slices(&self, question: &Question, slices: u64) -> u64 {
        let back_s = i64::try_from(slices).unwrap_or(i64::MAX).saturating_mul(i64::from(question.slice.0));
        let since = question.until.plus_seconds(-back_s);
        excluded::slices(&self.windows, question.slice, (since, question.until))
    }

    fn merge(&mut self, other: SloSum) {
        if other.newest > self.newest {
            (self.newest, self.objective, self.window_s) = (other.newest, other.objective, other.window_s);
        }
        self.window.add(other.window);
        self.maintenance.add(other.maintenance);
        self.excluded = add(self.excluded, other.excluded);
        self.burn.iter_mut().zip(other.burn).for_each(|(sum, counts)| sum.add(counts));
        for (start, counts) in other.series {
            self.series.entry(start).or_default().add(counts);
        }
    }
}

/// One generation of one SLO of one service: as a whole, or group by group.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Generation {
    whole: Option<SloSum>,
    groups: BTreeMap<String, SloSum>,
}

impl Generation {
    /// Each group's name and sum, by name; that of an SLO without groups has no name.
    pub(super) fn sums(&self) -> impl Iterator<Item = (Option<&str>, &SloSum)> {
        let whole = self.whole.iter().map(|sum| (None, sum));
        whole.chain(self.groups.iter().map(|(group, sum)| (Some(group.as_str()), sum)))
    }

    /// Slice and revision of its newest row.
    fn newest(&self) -> Option<(Time, i64)> {
        self.sums().map(|(_, sum)| sum.newest).max()
    }

    fn add(&mut self, question: &Question, row: &SliView<'_>) {
        let sum = match row.group {
            None => self.whole.get_or_insert_with(|| SloSum::new(question, row)),
            Some(group) => {
                // the name is copied only where it is new
                if !self.groups.contains_key(group) {
                    self.groups.insert(group.to_owned(), SloSum::new(question, row));
                }
                self.groups.get_mut(group).expect("it was put there")
            }
        };
        sum.add(question, row);
    }

    fn merge(&mut self, other: Generation) {
        match (&mut self.whole, other.whole) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        for (group, sum) in other.groups {
            match self.groups.get_mut(&group) {
                Some(found) => found.merge(sum),
                None => drop(self.groups.insert(group, sum)),
            }
        }
    }
}

/// The newest of an SLO's definitions: counts of older ones do not add up with it.
pub(super) fn newest(generations: &BTreeMap<i32, Generation>) -> Option<(i32, &Generation)> {
    let newest = generations.iter().max_by_key(|(number, generation)| (generation.newest(), **number));
    newest.map(|(number, generation)| (*number, generation))
}

/// One service over the whole range.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct ServiceSum {
    /// All requests.
    pub(super) requests: u64,
    /// Those answered with 5xx.
    pub(super) status_5xx: u64,
    /// Latency as clients saw it.
    pub(super) client: Latencies,
    /// Latency of targets.
    pub(super) upstream: Latencies,
}

/// All sums.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Sums {
    /// By service, SLO and generation.
    pub(super) slos: BTreeMap<String, BTreeMap<String, BTreeMap<i32, Generation>>>,
    /// By service.
    pub(super) services: BTreeMap<String, ServiceSum>,
    /// What was read.
    pub(super) quality: QualitySum,
    /// The first slice that any row is of.
    pub(super) first: Option<Time>,
}

impl Sums {
    /// Adds a row of `requests_`.
    pub(super) fn requests(&mut self, question: &Question, row: &RequestsView<'_>) {
        if !question.holds(row.slice_start) {
            return;
        }
        self.begin(row.slice_start);
        let sum = entry(&mut self.services, row.service);
        sum.requests = add(sum.requests, row.requests);
        sum.status_5xx = add(sum.status_5xx, row.status_5xx);
        sum.client.add(&row.client);
        sum.upstream.add(&row.upstream);
    }

    /// Adds a row of `sli_`.
    pub(super) fn sli(&mut self, question: &Question, row: &SliView<'_>) {
        if !question.holds(row.slice_start) {
            return;
        }
        self.begin(row.slice_start);
        let generations = entry(entry(&mut self.slos, row.service), row.slo);
        generations.entry(row.generation).or_default().add(question, row);
    }

    /// Adds a row of `quality_`.
    pub(super) fn quality(&mut self, question: &Question, row: &QualityView<'_>) {
        let length_s = i64::from(question.slice.0);
        let slices = i64::try_from(row.slices.max(1)).unwrap_or(i64::MAX);
        let end = row.slice_start.plus_seconds(length_s.saturating_mul(slices));
        if row.slice_start < question.until && end > question.since {
            self.begin(row.slice_start.max(question.since));
            self.quality.add(question, row);
        }
    }

    fn begin(&mut self, start: Time) {
        self.first = Some(self.first.map_or(start, |first| first.min(start)));
    }

    /// Adds the sums of other files.
    pub(super) fn merge(&mut self, other: Sums) {
        for (service, slos) in other.slos {
            for (slo, generations) in slos {
                let mine = entry(entry(&mut self.slos, &service), &slo);
                for (generation, sums) in generations {
                    mine.entry(generation).or_default().merge(sums);
                }
            }
        }
        for (service, sum) in other.services {
            let mine = entry(&mut self.services, &service);
            mine.requests = add(mine.requests, sum.requests);
            mine.status_5xx = add(mine.status_5xx, sum.status_5xx);
            mine.client.merge(sum.client);
            mine.upstream.merge(sum.upstream);
        }
        self.quality.merge(other.quality);
        if let Some(first) = other.first {
            self.begin(first);
        }
    }
}

/// The entry of a name; the name is copied only where it is new.
pub(super) fn entry<'a, V: Default>(map: &'a mut BTreeMap<String, V>, name: &str) -> &'a mut V {
    if !map.contains_key(name) {
        map.insert(name.to_owned(), V::default());
    }
    map.get_mut(name).expect("it was put there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::sink::parquet::read::LatencyView;

    fn question() -> Question {
        let (since, until) = (Time::from_seconds(0), Time::from_seconds(7_200));
        Question {
            slice: SliceLength(60),
            since,
            until,
            slos: Arc::new([]),
            excluded: None,
            window_override_s: None,
            series: false,
            told: Arc::default(),
            before: Arc::default(),
        }
    }

    fn sli(minute: i64, revision: i64, good: u64, bad: u64) -> SliView<'static> {
        SliView {
            service: "web",
            slo: "availability",
            group: None,
            slice_start: Time::from_seconds(minute * 60),
            revision,
            generation: 1,
            good,
            bad,
            excluded: 1,
            maintenance_good: 0,
            maintenance_bad: 0,
            objective: Decimal::parse("99.9").expect("a decimal"),
            window_s: 7_200,
        }
    }

    fn quality(
        minute: i64,
        partition: i32,
        revision: i64,
        incomplete: Option<&'static str>,
    ) -> QualityView<'static> {
        QualityView {
            source: "alb",
            topic: "logs",
            partition,
            slice_start: Time::from_seconds(minute * 60),
            revision,
            slices: 1,
            incomplete,
            lines: 10,
            rejected: 1,
            late: 0,
            gap_offsets: 0,
        }
    }

    fn latency<'a>(us: u64, indexes: &'a [i32], counts: &'a [i64]) -> LatencyView<'a> {
        LatencyView { count: 2, sum_us: us, min_us: 0, max_us: us, indexes, counts }
    }

    #[test]
    fn revisions_add_up_and_slices_outside_do_not_count() {
        let (question, mut sums) = (question(), Sums::default());
        for row in
            [sli(0, 0, 9, 1), sli(0, 3, 5, 0), sli(119, 0, 7, 2), sli(120, 0, 100, 0), sli(-1, 0, 100, 0)]
        {
            sums.sli(&question, &row);
        }
        let sum = sums.slos["web"]["availability"][&1].whole.as_ref().expect("counted");
        assert_eq!((sum.window, sum.excluded), (Counts { good: 21, bad: 3 }, 3));
        assert_eq!(sum.burn[0], Counts { good: 7, bad: 2 });
        assert_eq!(sum.burn[1], sum.window);
    }

    #[test]
    fn what_is_excluded_is_summed_beside_what_counts() {
        use crate::core::settings::{Exclusion, Occurs};
        let exclusion = Exclusion {
            name: "upgrade".into(),
            reason: "database upgrade".into(),
            services: vec!["web".into()],
            slos: vec!["*".into()],
            occurs: Occurs::Once { from: Time::from_seconds(600), to: Time::from_seconds(1_200) },
        };
        let (since, until) = (Time::from_seconds(0), Time::from_seconds(7_200));
        let rows = [
            sli(5, 0, 9, 1),
            sli(10, 0, 0, 50),
            sli(19, 4, 7, 3),
            SliView { maintenance_good: 4, maintenance_bad: 2, ..sli(20, 0, 8, 2) },
        ];
        // a pipeline's exclusions decide, whatever rows say; without a pipeline the rows do
        let pipeline = Some(Arc::new(Excluded::new(&[exclusion], since, until)));
        let none = Some(Arc::new(Excluded::new(&[], since, until)));
        for (excluded, counted, left_out, slices) in
            [(pipeline, (17, 3), (7, 53), 10), (none, (24, 56), (0, 0), 0), (None, (20, 54), (4, 2), 0)]
        {
            let question = Question { excluded, ..question() };
            let mut sums = Sums::default();
            rows.iter().for_each(|row| sums.sli(&question, row));
            let (_, sum) = sums.slos["web"]["availability"][&1].sums().next().expect("a sum");
            assert_eq!((sum.window.good, sum.window.bad), counted);
            assert_eq!((sum.maintenance.good, sum.maintenance.bad), left_out);
            assert_eq!(sum.excluded_slices(&question, 120), slices);
        }
    }

    #[test]
    fn order_and_threads_do_not_matter() {
        let question = question();
        let fill = |sums: &mut Sums, part: i64| {
            let objective = Decimal(99_000_000 + part as u64);
            sums.sli(&question, &SliView { objective, ..sli(part, part, 5, 1) });
            sums.quality(&question, &quality(3, 0, part, (part == 1).then_some("gap")));
            let indexes = [part as i32, 40];
            let (client, upstream) = (latency(99, &indexes, &[1, 1]), latency(9, &[], &[]));
            let slice_start = Time::from_seconds(0);
            let row =
                RequestsView { service: "web", slice_start, requests: 2, status_5xx: 1, client, upstream };
            sums.requests(&question, &row);
        };
        let mut one = Sums::default();
        (0..3).for_each(|part| fill(&mut one, part));
        let mut other = Sums::default();
        for part in [2, 0, 1] {
            let mut mine = Sums::default();
            fill(&mut mine, part);
            other.merge(mine);
        }
        assert_eq!(one, other);
        assert_eq!(
            one.slos["web"]["availability"][&1].whole.as_ref().expect("counted").objective,
            Decimal(99_000_002)
        );
        let histogram = one.services["web"].client.histogram();
        assert_eq!(histogram.buckets().collect::<Vec<_>>(), [(0, 1), (1, 1), (2, 1), (40, 3)]);
        assert_eq!((histogram.count, histogram.min_us, histogram.max_us), (6, 0, 99));
    }

    #[test]
    fn the_highest_revision_says_whether_a_slice_is_complete() {
        let (question, mut sums) = (question(), Sums::default());
        let rows = [
            quality(0, 0, 0, None),
            quality(0, 1, 0, None),
            quality(1, 0, 0, Some("silent")),
            quality(1, 0, 4, None),
            quality(2, 0, 0, None),
            quality(2, 1, 0, Some("gap")),
            quality(3, 0, 2, Some("gap")),
            quality(3, 0, 0, None),
            QualityView { slices: 1_000, ..quality(110, 0, 0, None) },
        ];
        rows.iter().for_each(|row| sums.quality(&question, row));
        let quality = &sums.quality;
        assert_eq!((quality.slices(), quality.complete()), (14, 12));
        assert_eq!(quality.reasons(), BTreeMap::from([("gap", 2)]));
        assert_eq!((quality.lines, quality.rejected), (90, 9));
    }

    #[test]
    fn the_pipeline_goes_before_the_rows() {
        let text = "version: 1
name: x
sources: [{ name: alb, format: aws_alb }]
slos:
  - { name: availability, service: web, objective: 95, window: 1h, indicator: { good: status < 500 } }
";
        let path = std::path::Path::new("x.yaml");
        let pipeline =
            crate::shell::pipeline::Pipeline::parse(path, text, Default::default()).expect("valid");
        let question = Question { slos: pipeline.settings.slos.into(), ..question() };
        let mut sums = Sums::default();
        sums.sli(&question, &sli(0, 0, 9, 1));
        sums.sli(&question, &sli(100, 0, 9, 1));
        sums.sli(&question, &SliView { service: "search", ..sli(0, 0, 9, 1) });
        let web = sums.slos["web"]["availability"][&1].whole.as_ref().expect("counted");
        assert_eq!((web.objective.to_string(), web.window_s, web.window.good), ("95".into(), 3_600, 9));
        let search = sums.slos["search"]["availability"][&1].whole.as_ref().expect("counted");
        assert_eq!((search.objective.to_string(), search.window.good), ("99.9".into(), 9));
    }
}
