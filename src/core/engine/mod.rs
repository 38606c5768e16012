//! The engine: journal entries in, rows and events out.
//!
//! Invariant: a pure function of the entries and their positions. No clock, no I/O, no randomness, no
//! hash order: the same journal gives the same rows and events, whenever and wherever it is replayed.
//!
//! A chunk goes: coverage → counts → watermark → slices closed one by one, in order → cut at a border.

mod breakdown;
mod cuts;
mod early;
mod groups;
mod holes;
mod outputs;
mod provenance;

pub use outputs::{Outlet, Outputs};

use crate::core::breakdown::Breakdown;
use crate::core::completeness::Completeness;
use crate::core::engine::holes::OpenGap;
use crate::core::entry::{Begin, Configure, Entry, Start};
use crate::core::ledger::{CloseContext, Contributors, Counted, Ledger, LedgerError};
use crate::core::packed_cell::PackedCell;
use crate::core::partial::{Chunk, Coverage, Gap, Quality};
use crate::core::position::{Fit, Partition, Positions, Span};
use crate::core::rollup::OutputPosition;
use crate::core::roster::Roster;
use crate::core::settings::Settings;
use crate::core::slices::{Account, Slices};
use crate::core::slo_groups::SloGroups;
use crate::core::tiers::Tiers;
use crate::core::time::{Slice, SliceLength, Time};
use crate::core::watermark::{Progress, Watermarks};
use outputs::Pass;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Events that wait for the cut after them before they are handed over without it.
const EVENTS_MAX: usize = 1 << 11;

/// Why an entry cannot be applied.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EngineError {
    /// A chunk does not continue the chain of coverage.
    #[error(
        "coverage of {partition} is broken: it stands at offset {stands}, a chunk covers [{}, {})", span.start, span.end
    )]
    Broken {
        /// The partition.
        partition: Partition,
        /// What the chunk covers.
        span: Span,
        /// Where it stands.
        stands: i64,
    },
    /// An entry that needs a configuration came before the first one.
    #[error("the journal holds entries before its first configuration")]
    NotConfigured,
    /// The ledger refuses what no journal of ours can hold.
    #[error("the journal cannot be replayed: {0}")]
    Ledger(#[from] LedgerError),
}

/// The state of the second stage.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Engine {
    begin: Option<Begin>,
    clock: Time,
    /// All configurations, the oldest first.
    configurations: Vec<Configure>,
    positions: Positions,
    /// What reading goes on with where a partition stands, for those that carry anything.
    carries: BTreeMap<Partition, Box<[u8]>>,
    /// The ids of the topics that the positions belong to, where brokers tell them.
    topic_ids: BTreeMap<Partition, Arc<str>>,
    watermarks: Watermarks,
    /// First record of partitions that had data at the first start: decides where observation begins.
    first_times: BTreeMap<Partition, Option<Time>>,
    observed_from: Option<Slice>,
    roster: Roster,
    breakdown: Breakdown,
    slo_groups: SloGroups,
    slices: Slices,
    /// Line counts without a slice: they go to the one that closes next; see also `cuts.rs`.
    unplaced: BTreeMap<Partition, Account>,
    completeness: Completeness,
    /// Partitions whose hole is still open.
    open_gaps: BTreeMap<Partition, OpenGap>,
    /// Silent sources, and the first slice of their silence.
    silences: BTreeMap<Arc<str>, Slice>,
    /// Partitions that cannot be read: why, and since which slice.
    outages: BTreeMap<Partition, (Arc<str>, Slice)>,
    /// The first slice that is not closed.
    next_close: Option<Slice>,
    /// Latest slice that any record was seen in.
    latest_slice: Option<Slice>,
    tiers: Tiers,
    cut_number: u64,
    /// The last cut border that the watermark crossed.
    border: Option<Time>,
    ledger: Ledger,
    replayed_chunks: u64,
    records_late: u64,
}

impl Engine {
    /// An engine before its first entry.
    pub fn new() -> Engine {
        Engine::default()
    }

    /// Where every partition stands.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// What reading the partition goes on with where it stands; empty if it carries nothing.
    pub fn carry(&self, partition: &Partition) -> &[u8] {
        self.carries.get(partition).map(|carry| &**carry).unwrap_or_default()
    }

    /// The id of the topic that the partition's position belongs to, if it is known.
    pub fn topic_id(&self, partition: &Partition) -> Option<&Arc<str>> {
        self.topic_ids.get(partition)
    }

    /// How far event time has come.
    pub fn watermarks(&self) -> &Watermarks {
        &self.watermarks
    }

    /// Budgets and alerts.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Services known.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The coarser tables' open rows.
    pub fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    /// Combinations of dimension values kept apart.
    pub fn breakdown(&self) -> &Breakdown {
        &self.breakdown
    }

    /// Groups of SLOs kept apart.
    pub fn slo_groups(&self) -> &SloGroups {
        &self.slo_groups
    }

    /// What is counted and not cut yet.
    pub fn slices(&self) -> &Slices {
        &self.slices
    }

    /// How many slices wait for a cut, corrections included.
    pub fn slices_waiting(&self) -> usize {
        self.slices.len()
    }

    /// The highest cut number.
    pub fn cut_number(&self) -> u64 {
        self.cut_number
    }

    /// Chunks dropped because they had been counted before.
    pub fn replayed_chunks(&self) -> u64 {
        self.replayed_chunks
    }

    /// Records that came after their slice had closed.
    pub fn records_late(&self) -> u64 {
        self.records_late
    }

    /// The latest configuration written, if any.
    pub fn configured(&self) -> Option<&Configure> {
        self.configurations.last()
    }

    /// The configurations that ingest needs, the oldest first.
    pub fn configurations(&self) -> &[Configure] {
        &self.configurations
    }

    /// The first slice border after everything seen: where a new configuration takes effect.
    pub fn next_border(&self) -> Option<Slice> {
        self.latest_slice.map(Slice::next).max(self.next_close)
    }

    /// Partitions so far ahead of the watermark that reading on would only fill memory: twice the longest lateness, for
    /// one source may wait for another that comes later, and 10 slices.
    pub fn far_ahead(&self) -> BTreeSet<Partition> {
        let Some(settings) = self.configured().map(|c| &c.settings) else { return BTreeSet::new() };
        let ten_slices_s = 10 * i64::from(settings.slice.0);
        // Before the first watermark memory fills from the first slice on.
        let first = self.slices.first_with_records(Slice(i64::MIN)).map(|s| settings.slice.start(s));
        let slowest = self.watermarks.watermark().or(first);
        let longest_s = self.watermarks.iter().map(|(_, p)| p.lateness_s()).max().unwrap_or(0);
        let bound_s = 2 * i64::from(longest_s) + ten_slices_s;
        let far = |p: &Progress| matches!((p.watermark(), slowest), (Some(own), Some(slowest)) if own > slowest.plus_seconds(bound_s));
        self.watermarks.iter().filter(|(_, p)| far(p)).map(|(partition, _)| partition.clone()).collect()
    }

    /// Whether the entries, in order, continue the chain: to be asked before they are made durable.
    ///
    /// # Errors
    /// [`EngineError::Broken`] if one of them would be a hole or an overlap.
    pub fn check(&self, entries: &[Entry]) -> Result<(), EngineError> {
        let mut positions = self.positions.clone();
        for entry in entries {
            match entry {
                Entry::Starts(starts) => {
                    starts.iter().for_each(|s| positions.set(s.partition.clone(), s.offset));
                }
                Entry::Chunk(chunk) if fit(&positions, chunk)? => {
                    chunk.coverage.iter().for_each(|c| positions.advance(&c.partition, c.span));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Applies the entry at that position of the journal.
    ///
    /// # Errors
    /// If the entry does not continue what is there; the state is then as before.
    pub fn apply(&mut self, position: u64, entry: &Entry, out: &mut dyn Outlet) -> Result<(), EngineError> {
        match entry {
            Entry::Begin(begin) => self.begin(begin),
            Entry::Configure(configure) => self.configure(configure)?,
            Entry::Starts(starts) => self.starts(position, starts, out)?,
            Entry::Chunk(chunk) => self.chunk(position, chunk, out)?,
            Entry::Cut(forced) => self.forced_cut(position, *forced, out)?,
        }
        Ok(())
    }

    fn begin(&mut self, begin: &Begin) {
        if let Some(takeover) = &begin.takeover {
            self.cut_number = takeover.cut;
            self.ledger = Ledger::new(takeover.sequences.clone());
        }
        self.begin = Some(begin.clone());
    }

    /// Lateness and sources change at once; who is good and bad, from the configuration's slice on.
    fn configure(&mut self, configure: &Configure) -> Result<(), EngineError> {
        self.ledger.configure(configure)?;
        self.watermarks.configure(&configure.settings.sources);
        self.configurations.push(configure.clone());
        let length = configure.settings.slice;
        let cut_to = self.slices.cut_below().or(self.taken_over()).map(|slice| length.start(slice));
        self.tiers.configure(&configure.settings.tiers, cut_to);
        Ok(())
    }

    fn settings(&self) -> Result<&Settings, EngineError> {
        self.configured().map(|c| &c.settings).ok_or(EngineError::NotConfigured)
    }

    /// Where partitions start; one that stands elsewhere, or in another topic, was repaired: what lies between is
    /// lost. One that starts where it stands has learned its topic's id.
    fn starts(&mut self, position: u64, starts: &[Start], out: &mut dyn Outlet) -> Result<(), EngineError> {
        let settings = self.settings()?.clone();
        let first = self.next_close.is_none();
        let mut pass = Pass::new(position, &settings, out);
        for Start { partition, offset, had_data, topic_id } in starts {
            let known = match topic_id {
                Some(id) => self.topic_ids.insert(partition.clone(), id.clone()),
                None => self.topic_ids.remove(partition),
            };
            let recreated = known.is_some_and(|known| topic_id.as_ref().is_some_and(|id| *id != known));
            let stood = self.positions.next(partition).filter(|stood| recreated || stood != offset);
            self.positions.set(partition.clone(), *offset);
            if stood.is_some() {
                self.carries.remove(partition);
            }
            if let Some(source) = settings.sources.iter().find(|s| s.name == partition.source) {
                self.watermarks.add(partition, self.clock, source);
            }
            if let Some(stood) = stood {
                let reason = if recreated { "recreated" } else { "restarted" };
                let gap = Gap { span: Span { start: stood, end: *offset }, reason: reason.into() };
                self.lose(partition, &gap, &mut pass);
            } else if first && *had_data {
                self.first_times.insert(partition.clone(), None);
            }
        }
        Ok(())
    }

    fn chunk(&mut self, position: u64, chunk: &Chunk, out: &mut dyn Outlet) -> Result<(), EngineError> {
        if !fit(&self.positions, chunk)? {
            self.replayed_chunks += 1;
            return Ok(());
        }
        let settings = self.settings()?.clone();
        self.clock = self.clock.max(chunk.clock);
        let mut pass = Pass::new(position, &settings, out);
        for coverage in &chunk.coverage {
            self.cover(coverage, &mut pass);
        }
        self.bound_gaps(settings.slice);
        self.count(chunk, &settings)?;
        for coverage in &chunk.coverage {
            self.watermarks.hear(coverage, self.clock, settings.watermark_quorum);
        }
        self.watermarks.advance(self.clock, settings.silent_after_s);
        if let Some(lateness_s) = settings.alerts_lateness_s {
            self.watermarks.advance_early(lateness_s, self.clock, settings.silent_after_s);
        }
        self.listen_for_silence(&mut pass);
        self.listen_for_outages(&mut pass);
        self.close_ready(&mut pass)?;
        self.alert_ready(&mut pass)?;
        self.repair_holes(settings.slice);
        self.cut_at_border(&mut pass);
        Ok(())
    }

    /// Takes in what a chunk says of one partition, but for its watermark.
    fn cover(&mut self, coverage: &Coverage, pass: &mut Pass<'_>) {
        let partition = &coverage.partition;
        if let Some(source) = pass.settings.sources.iter().find(|s| s.name == partition.source) {
            self.watermarks.add(partition, self.clock, source);
        }
        self.positions.advance(partition, coverage.span);
        match &coverage.carry {
            None => {}
            Some(carry) if carry.is_empty() => drop(self.carries.remove(partition)),
            Some(carry) => drop(self.carries.insert(partition.clone(), carry.clone())),
        }
        if let (Some(first @ None), Some(time)) = (self.first_times.get_mut(partition), coverage.first_time) {
            *first = Some(time);
        }
        for gap in &coverage.gaps {
            self.lose(partition, gap, pass);
        }
        if let Some(time) = coverage.first_time {
            self.end_gap(partition, time, pass.settings.slice);
        }
        if coverage.replayed > 0 {
            let key = self.account_key(partition);
            self.unplaced.entry(key).or_default().replayed += coverage.replayed;
        }
        for (slice, quality) in &coverage.quality {
            self.count_lines(partition, *slice, quality);
        }
    }

    fn count_lines(&mut self, partition: &Partition, slice: Option<Slice>, quality: &Quality) {
        let key = self.account_key(partition);
        let Some(slice) = slice.filter(|s| !self.skipped(*s)) else {
            self.unplaced.entry(key).or_default().quality.merge(quality);
            return;
        };
        let late = if self.is_closed(slice) { quality.records } else { 0 };
        let account = self.account(slice, &key);
        account.quality.merge(quality);
        account.late += late;
        self.records_late += late;
        self.ledger.note(slice, late, quality.rejected());
    }

    /// Adds the chunk's cells; those of closed slices correct the ledger.
    fn count(&mut self, chunk: &Chunk, settings: &Settings) -> Result<(), EngineError> {
        let ids: Vec<_> =
            chunk.services.iter().map(|s| self.roster.id(s, settings.limits.services_max)).collect();
        let mut folds = BTreeMap::new();
        for (index, (epoch, slice, service, cell)) in chunk.cells.iter().enumerate() {
            if self.skipped(*slice) {
                continue;
            }
            let Some(&id) = ids.get(*service as usize) else { continue };
            self.latest_slice = self.latest_slice.max(Some(*slice));
            let folded = self.roster.service(id).name != chunk.services[*service as usize].name;
            if (self.is_closed(*slice) || self.ledger.is_alerted(*slice)) && !folded {
                let service = self.roster.service(id);
                let decided = decides(&self.ledger, *slice, *epoch);
                for (slo, verdicts) in cell.slos.iter().filter(|_| decided) {
                    let (service, rule) = (&service.name, service.rule);
                    self.ledger.correct(*slice, Counted { service, rule, slo, group: None, verdicts })?;
                }
            }
            PackedCell::add(self.slices.counts(*slice).cells.entry((id, *epoch)), cell, folded);
            if let Some(combination) = chunk.combination(index) {
                let key = (id, *epoch, combination);
                let values_max = settings.limits.dimension_values_max;
                self.break_down(*slice, key, (cell, folded), values_max, &mut folds);
            }
        }
        self.account_for_folds(folds, chunk);
        self.count_groups(chunk, &ids)
    }

    /// Closes every slice that the watermark has passed, one at a time, in order.
    fn close_ready(&mut self, pass: &mut Pass<'_>) -> Result<(), EngineError> {
        let Some(watermark) = self.watermarks.watermark() else { return Ok(()) };
        if self.next_close.is_none() {
            let Some(first) = self.slices.first_with_records(Slice(i64::MIN)) else { return Ok(()) };
            self.slices.begin(first);
            self.next_close = Some(first);
            self.observed_from = Some(self.observation(first, pass.settings.slice));
            // What comes for slices before the first corrects the ledger: to it they have closed, empty.
            let before = CloseContext { slice: Slice(first.0 - 1), ..self.context(first, pass) };
            self.ledger.close_empty(&before, &mut pass.events)?;
        }
        let until = pass.settings.slice.slice(watermark);
        let day = 86_400 / i64::from(pass.settings.slice.0);
        while let Some(slice) = self.next_close.filter(|s| *s < until) {
            let busy = self.slices.first_waiting(slice).unwrap_or(until).min(until);
            if busy.0 - slice.0 > day && self.unplaced.is_empty() {
                self.close_empty(slice, busy, pass)?;
            } else {
                self.close(slice, pass)?;
            }
            self.cut_if_much(pass);
            if pass.events.len() > EVENTS_MAX {
                pass.hand_over(None);
            }
        }
        Ok(())
    }

    /// Observation starts with the first slice that was read from its beginning in every partition. Archives
    /// begin where they begin: nothing says that their first slice is not whole.
    fn observation(&self, first: Slice, length: SliceLength) -> Slice {
        if self.backfill() {
            return first;
        }
        let whole = |t: Time| {
            let slice = length.slice(t);
            if length.start(slice) == t { slice } else { slice.next() }
        };
        self.first_times.values().flatten().map(|t| whole(*t)).max().unwrap_or(first).max(first)
    }

    fn close(&mut self, slice: Slice, pass: &mut Pass<'_>) -> Result<(), EngineError> {
        self.close_accounts(slice, 1);
        let context = CloseContext { contributors: self.contributors(slice), ..self.context(slice, pass) };
        // the ledger knows already what its alerts were decided by, and what came since
        let counted = match self.ledger.is_alerted(slice) {
            true => Vec::new(),
            false => early::counted(&self.slices, &self.roster, &self.ledger, slice),
        };
        self.ledger.close(&context, counted, &mut pass.events)?;
        self.next_close = Some(slice.next());
        Ok(())
    }

    /// Closes a long stretch without a record in one step, with the outcome of closing one by one.
    fn close_empty(&mut self, from: Slice, to: Slice, pass: &mut Pass<'_>) -> Result<(), EngineError> {
        self.close_accounts(from, (to.0 - from.0) as u64);
        let context = CloseContext { slice: Slice(to.0 - 1), ..self.context(from, pass) };
        self.ledger.close_empty(&context, &mut pass.events)?;
        self.next_close = Some(to);
        Ok(())
    }

    fn context(&self, slice: Slice, pass: &Pass<'_>) -> CloseContext {
        let waiting = self.slices.waiting(slice);
        CloseContext {
            slice,
            history_before: self.history_before(pass.settings),
            observed_from: self.observed_from,
            complete: waiting.is_none_or(|w| w.accounts.values().all(|a| a.incomplete.is_none())),
            unread: self.unread(slice),
            watermark: self.watermarks.watermark().unwrap_or(pass.settings.slice.end(slice)),
            clock: self.clock,
            first: OutputPosition { position: pass.position, index: pass.handed_over },
            source_offsets: self.source_offsets(),
            contributors: Contributors::default(),
        }
    }

    /// Slices that ended before this are history: they page nobody.
    fn history_before(&self, settings: &Settings) -> Time {
        if self.backfill() {
            return Time(i64::MAX);
        }
        let lateness_s = settings.sources.iter().map(|s| s.lateness_s).max().unwrap_or(0);
        self.clock.plus_seconds(-i64::from(settings.history_after_s) - i64::from(lateness_s))
    }

    fn backfill(&self) -> bool {
        self.begin.as_ref().is_some_and(|b| b.backfill)
    }

    /// Slices that an older journal published: their records are not counted again.
    fn skipped(&self, slice: Slice) -> bool {
        self.taken_over().is_some_and(|from| slice < from)
    }

    /// The first slice that an older journal left to this one.
    fn taken_over(&self) -> Option<Slice> {
        self.begin.as_ref().and_then(|b| b.takeover.as_ref()).map(|t| t.from)
    }

    fn is_closed(&self, slice: Slice) -> bool {
        self.next_close.is_some_and(|next| slice < next)
    }

    /// Archives are one partition outside, however many threads read them.
    fn account_key(&self, partition: &Partition) -> Partition {
        let number = if self.backfill() { 0 } else { partition.number };
        Partition { number, ..partition.clone() }
    }

    fn account(&mut self, slice: Slice, partition: &Partition) -> &mut Account {
        let incomplete = self.completeness.reason(partition, slice).cloned();
        let accounts = &mut self.slices.counts(slice).accounts;
        accounts.entry(partition.clone()).or_insert_with(|| Account { incomplete, ..Account::default() })
    }
}

/// Whether the chunk is to be counted: true if it continues the chain, false if it was counted before.
fn fit(positions: &Positions, chunk: &Chunk) -> Result<bool, EngineError> {
    match positions.fit(chunk.coverage.iter().map(|c| (&c.partition, c.span))) {
        Fit::Next => Ok(true),
        Fit::Replay => Ok(false),
        Fit::Broken { partition, span, stands } => Err(EngineError::Broken { partition, span, stands }),
    }
}

/// Whether the configuration of that number is the slice's own: the only one that may decide it.
fn decides(ledger: &Ledger, slice: Slice, epoch: u32) -> bool {
    ledger.configuration(slice).is_some_and(|c| c.epoch == epoch)
}
