//! The rows of the tables, as the engine cuts them. Column by column in schemas/.

use crate::core::decimal::Decimal;
use crate::core::histogram::{Histogram, add};
use crate::core::position::Partition;
use crate::core::settings::Budgeting;
use crate::core::time::{Grain, SliceLength, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A row of `requests_<slice>`: what one service did in one slice.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct RequestsRow {
    /// Service.
    pub service: Arc<str>,
    /// Values of the cut's dimensions; None where the record had none, or was counted without the dimension.
    pub dimensions: Box<[Option<Arc<str>>]>,
    /// Start of the slice.
    pub slice_start: Time,
    /// 0, or the number of the cut that brought the correction.
    pub revision: u64,
    /// All requests.
    pub requests: u64,
    /// By status class: none, 1xx … 5xx.
    pub statuses: [u64; 6],
    /// Requests whose client went away.
    pub client_gone: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Latency as clients saw it.
    pub client_latency: Histogram,
    /// Latency of targets.
    pub upstream_latency: Histogram,
}

impl RequestsRow {
    /// Adds the counts of another.
    pub fn absorb(&mut self, more: &RequestsRow) {
        self.add_counters(more);
        self.client_latency.merge(&more.client_latency);
        self.upstream_latency.merge(&more.upstream_latency);
    }

    /// Adds the counts of many others.
    pub fn absorb_all(&mut self, more: &[RequestsRow]) {
        match more {
            [] => return,
            [one] => return self.absorb(one),
            _ => {}
        }
        more.iter().for_each(|row| self.add_counters(row));
        self.client_latency.merge_all(more.iter().map(|row| &row.client_latency));
        self.upstream_latency.merge_all(more.iter().map(|row| &row.upstream_latency));
    }

    fn add_counters(&mut self, more: &RequestsRow) {
        self.requests = add(self.requests, more.requests);
        for (mine, theirs) in self.statuses.iter_mut().zip(more.statuses) {
            *mine = add(*mine, theirs);
        }
        self.client_gone = add(self.client_gone, more.client_gone);
        self.bytes_received = add(self.bytes_received, more.bytes_received);
        self.bytes_sent = add(self.bytes_sent, more.bytes_sent);
    }
}

/// A row of `sli_<slice>`: the verdicts of one SLO of one service, or of one of its groups, in one slice.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct SliRow {
    /// Service.
    pub service: Arc<str>,
    /// SLO.
    pub slo: Arc<str>,
    /// Group of requests that it is of; None where the SLO has no groups.
    pub group: Option<Arc<str>>,
    /// Start of the slice.
    pub slice_start: Time,
    /// 0, or the number of the cut that brought the correction.
    pub revision: u64,
    /// Generation of the SLO's definition.
    pub generation: u32,
    /// Good requests.
    pub good: u64,
    /// Bad requests.
    pub bad: u64,
    /// Requests left out.
    pub excluded: u64,
    /// How many of the good ones lie in an exclusion window.
    pub maintenance_good: u64,
    /// How many of the bad ones do.
    pub maintenance_bad: u64,
    /// Objective, percent.
    pub objective: Decimal,
    /// Rolling window, seconds.
    pub window_s: u64,
}

/// A row of `budget_1h`: how one budget of one service stood at the end of an hour. Decimals are millionths, rounded down.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct BudgetRow {
    /// Service.
    pub service: Arc<str>,
    /// SLO.
    pub slo: Arc<str>,
    /// Group of an SLO that has some.
    pub group: Option<Arc<str>>,
    /// Start of the hour.
    pub slice_start: Time,
    /// 0, or the number of the cut that brought it in place of an earlier one.
    pub revision: u64,
    /// The instant that it tells of: the end of the hour, or of the last slice where a forced cut left it open.
    pub until: Time,
    /// Generation of the SLO's definition.
    pub generation: u32,
    /// Objective, percent.
    pub objective: Decimal,
    /// How slices make up the window.
    pub budgeting: Budgeting,
    /// The calendar's period that is the window: `month`. None: it rolls.
    pub calendar: Option<Arc<str>>,
    /// First instant of the window.
    pub window_start: Time,
    /// First instant after it: `until`, or the end of the calendar's period.
    pub window_end: Time,
    /// Good requests in the window.
    pub good: u64,
    /// Bad requests in the window.
    pub bad: u64,
    /// Slices of the budgeting method from the window's start to `until`.
    pub slices: u64,
    /// How many of them lie in what was observed at all.
    pub seen: u64,
    /// How many of them were read.
    pub read: u64,
    /// What may be bad, in requests or slices. None without requests.
    pub allowed: Option<i64>,
    /// What is, in requests or slices.
    pub consumed: i64,
    /// What is left; below 0 when overspent.
    pub remaining: Option<i64>,
    /// Consumed as a share of allowed.
    pub consumed_ratio: Option<i64>,
    /// Remaining as a share of allowed.
    pub remaining_ratio: Option<i64>,
    /// The windows of the alerts' tiers, the shortest first.
    pub burns: Box<[BurnRow]>,
    /// Names of the tiers that fire, the most urgent first.
    pub firing: Box<[Arc<str>]>,
    /// End of the slice that exhausted the budget, if it is exhausted.
    pub exhausted_since: Option<Time>,
    /// Since when too little was read for alerts to be decided, if that is so.
    pub frozen_since: Option<Time>,
    /// Tier of its policy, if it has one.
    pub policy: Option<Arc<str>>,
}

impl BudgetRow {
    /// What governs it: `no_data`, `frozen`, `firing`, `exhausted` or `ok`, whichever holds first.
    pub fn state(&self) -> &'static str {
        match self {
            BudgetRow { allowed: None, .. } => "no_data",
            BudgetRow { frozen_since: Some(_), .. } => "frozen",
            BudgetRow { firing, .. } if !firing.is_empty() => "firing",
            BudgetRow { exhausted_since: Some(_), .. } => "exhausted",
            _ => "ok",
        }
    }
}

/// What was counted in one window of an alert's tier.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct BurnRow {
    /// Its length, seconds.
    pub window_s: u64,
    /// Good requests.
    pub good: u64,
    /// Bad requests.
    pub bad: u64,
    /// Burn rate, millionths. None without requests.
    pub rate: Option<i64>,
}

/// A row of `quality_<slice>`: what was read of one partition in one slice.
#[derive(Clone, PartialEq, Debug)]
pub struct QualityRow {
    /// Source, topic and partition.
    pub partition: Partition,
    /// Start of the slice.
    pub slice_start: Time,
    /// 0, or the number of the cut that brought the correction.
    pub revision: u64,
    /// How many slices the row stands for.
    pub slices: u64,
    /// Whether all that belongs here was read, as far as anybody can know.
    pub complete: bool,
    /// Why not complete: `gap`, `silent`, `unreachable`, `stopped`.
    pub reason: Option<Arc<str>>,
    /// Lines read.
    pub lines: u64,
    /// Lines that were requests.
    pub records: u64,
    /// Lines that were no requests.
    pub skipped: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// Records that came after their slice had closed.
    pub late: u64,
    /// Records seen again and dropped.
    pub replayed: u64,
    /// Offsets lost.
    pub gap_offsets: u64,
    /// Requests counted under `__other__` in place of the values of their dimensions.
    pub dimensions_folded: u64,
    /// Estimate of the records that repeat another; None where nothing was sampled.
    pub duplicates_estimated: Option<u64>,
    /// Records that repeated another and were dropped; part of `skipped`.
    pub duplicates_dropped: u64,
}

/// A row of `rejects_<slice>`: rejected lines of one partition and slice by reason.
#[derive(Clone, PartialEq, Debug)]
pub struct RejectsRow {
    /// Source, topic and partition.
    pub partition: Partition,
    /// Start of the slice.
    pub slice_start: Time,
    /// 0, or the number of the cut that brought the correction.
    pub revision: u64,
    /// Why.
    pub reason: &'static str,
    /// How many lines.
    pub lines: u64,
}

/// Rows of one grain's coarser tables: those of hours and days that are over, and corrections to older ones.
#[derive(Clone, PartialEq, Debug)]
pub struct Coarse {
    /// Hours or days; the suffix of the table names.
    pub grain: Grain,
    /// The grain's rows, this cut's included, hold all of the hours or days that begin from the first instant on
    /// (None: all) and before the second. None while the grain is off.
    pub covers: Option<(Option<Time>, Time)>,
    /// Columns that rows of `requests_` are broken down by, in their order.
    pub dimensions: Vec<Arc<str>>,
    /// Rows of `requests_`; `slice_start` is that of the hour or day.
    pub requests: Vec<RequestsRow>,
    /// Rows of `sli_`, likewise.
    pub slis: Vec<SliRow>,
}

/// All rows that become visible together, each table sorted by (service or partition, slice, …).
#[derive(Clone, PartialEq, Debug)]
pub struct Cut {
    /// Its number, from 1.
    pub number: u64,
    /// The watermark that made it; part of the file names.
    pub watermark: Time,
    /// Length of the slices; the suffix of the table names.
    pub slice: SliceLength,
    /// Position in the journal of the record that made it.
    pub position: u64,
    /// Columns that rows of `requests_` are broken down by, in their order.
    pub dimensions: Vec<Arc<str>>,
    /// Rows of `requests_`.
    pub requests: Vec<RequestsRow>,
    /// Rows of `sli_`.
    pub slis: Vec<SliRow>,
    /// Rows of `quality_`.
    pub quality: Vec<QualityRow>,
    /// Rows of `rejects_`.
    pub rejects: Vec<RejectsRow>,
    /// Rows of the coarser tables, the finest grain first; only grains that have any.
    pub coarse: Vec<Coarse>,
    /// Rows of `budget_1h`.
    pub budgets: Vec<BudgetRow>,
}

impl Cut {
    /// Whether there is no row in it.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
            && self.slis.is_empty()
            && self.quality.is_empty()
            && self.rejects.is_empty()
            && self.coarse.is_empty()
            && self.budgets.is_empty()
    }
}

/// Position of an output in the journal: the record, and the output's index within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Debug, Default)]
pub struct OutputPosition {
    /// Position of the journal record.
    pub position: u64,
    /// Index of the event within the record's events.
    pub index: u32,
}
