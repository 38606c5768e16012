//! Every budget's books: what was counted, how fast it burns, what is left, what fires.
//!
//! Invariant: the ledger is a function of the calls made to it, in order. Slices close one at a time and in
//! order; deciding about one sees only it and earlier ones; late counts change sums, and the next close decides.
//!
//! How the engine uses it:
//! ```text
//! ledger.configure(&configure)?;                    // as its journal record comes; takes effect at its slice
//! ledger.close(&context, counted, &mut events)?;    // every slice in order …
//! ledger.close_empty(&context, &mut events)?;       // … or a stretch of empty ones, up to context.slice
//! ledger.alert(&context, counted, &mut events)?;    // alerts before the close, where they are decided early
//! ledger.correct(slice, counted)?;                  // counts of a slice that has closed, or was alerted of
//! events.push(ledger.gap(&gap, position));           // a slo.data.gap, numbered
//! ledger.note(slice, late, rejected);               // what was unsound about the input of a slice
//! ledger.take_hours(cut, below, false);             // rows of the hours that are over, at a cut
//! ```
//! `events` must hold all events of the journal record so far and no others: an event's index within its
//! record is its index there.

mod close;
mod coded;
mod contributors;
mod coverage;
mod definition;
mod facts;
mod history;
mod hours;
mod intake;
mod mask;
mod packed;
mod revision;
mod series;
mod sums;

pub use contributors::Contributors;
pub use coverage::SHARES;
pub use definition::{Configuration, Definition};
pub use history::History;
pub use packed::Counts;

use crate::core::burn::{Millionths, Window};
use crate::core::entry::Configure;
use crate::core::event::data::TopicOffsets;
use crate::core::event::{DataGap, Event};
use crate::core::partial::Verdicts;
use crate::core::rollup::OutputPosition;
use crate::core::time::{Slice, SliceLength, Time};
use coverage::Coverage;
use definition::{Decided, Phase};
use hours::Hours;
use intake::{Intake, Unsound};
use mask::Masks;
use serde::{Deserialize, Serialize};
use series::{Observation, Series};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Configurations that corrections may still refer to; older ones are forgotten, and so are their late counts.
const CONFIGURATIONS_MAX: usize = 64;

/// What the engine knows as a slice closes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CloseContext {
    /// The slice, or the last of a stretch.
    pub slice: Slice,
    /// Slices that ended before this instant are history: the clock less `history_after` and the lateness,
    /// or the end of time for archives.
    pub history_before: Time,
    /// The first slice that every partition with data at the first start was read for from its beginning.
    /// None while that is not known: then no rate is.
    pub observed_from: Option<Slice>,
    /// Whether all that belongs to the slice was read, as far as anybody can know.
    pub complete: bool,
    /// What share of the slice's input was lost or not read, in [`SHARES`].
    pub unread: u16,
    /// The watermark.
    pub watermark: Time,
    /// The clock as the journal knows it.
    pub clock: Time,
    /// The position of the first event in the list that events are added to.
    pub first: OutputPosition,
    /// How far topics were read by then, where that can be said.
    pub source_offsets: Option<Arc<[TopicOffsets]>>,
    /// What brought the bad requests of the slice.
    pub contributors: Contributors,
}

/// What was counted for an SLO of a service, or for one of its groups, in one slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counted<'a> {
    /// The service.
    pub service: &'a Arc<str>,
    /// Index of its rule in the settings that decide the slice, if it has one.
    pub rule: Option<u16>,
    /// Index of the SLO in the same settings.
    pub slo: u16,
    /// The group, where the SLO has groups.
    pub group: Option<&'a Arc<str>>,
    /// The verdicts.
    pub verdicts: Verdicts,
}

/// Calls that no journal's records can lead to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LedgerError {
    /// A slice closes that is not after the last one.
    #[error("slice {0} closes out of order")]
    OutOfOrder(i64),
    /// No configuration decides the slice.
    #[error("no configuration decides slice {0}")]
    NotConfigured(i64),
    /// Counts of an SLO that the slice's configuration does not have.
    #[error("the configuration of slice {slice} has no slo number {slo}")]
    UnknownSlo {
        /// The slice.
        slice: i64,
        /// The index.
        slo: u16,
    },
    /// The slice length may not change within a journal.
    #[error("the slice length changes from {0} s to {1} s within a journal")]
    SliceLength(u32, u32),
    /// A correction of a slice that has not closed.
    #[error("slice {0} is corrected before it closes")]
    NotClosed(i64),
    /// A configuration that starts before one that is already known, or before a closed slice.
    #[error("configuration {0} starts too early")]
    ConfiguredLate(u32),
}

/// A service's budgets.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
struct Account {
    /// Index of its rule in the configuration in force.
    rule: Option<u16>,
    /// Where the blocks of its histories begin ([`History::new`]): another place for most services.
    seed: u8,
    /// Ascending by name and group.
    series: Vec<Series>,
}

/// All budgets. A snapshot holds it whole.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Ledger {
    length: Option<SliceLength>,
    /// Ascending by their first slice.
    configurations: Vec<Configuration>,
    /// Index of the one in force.
    active: Option<usize>,
    /// What the exclusions of the one in force leave out, in units.
    masks: Masks,
    /// The highest generation of every SLO name.
    generations: BTreeMap<Arc<str>, u32>,
    accounts: BTreeMap<Arc<str>, Account>,
    /// The last number of every subject.
    sequences: BTreeMap<String, u64>,
    closed: Option<Slice>,
    /// The last slice whose alerts were decided, where they are decided early.
    alerted: Option<Slice>,
    observed_from: Option<Slice>,
    /// Whether the last slice closed was history.
    in_history: bool,
    coverage: Coverage,
    intake: Intake,
    /// What was not read of the last slice closed.
    unread: u16,
    /// Whether the coverage of closed slices has changed since.
    recovered: bool,
    hours: Hours,
    /// The same of the last slice whose alerts were decided.
    alerted_unread: u16,
    /// Whether the coverage of slices whose alerts were decided has changed since.
    coverage_moved: bool,
}

/// How a budget stands, for metrics.
#[derive(Clone, PartialEq, Debug)]
pub struct Gauge<'a> {
    /// The service.
    pub service: &'a Arc<str>,
    /// The SLO.
    pub slo: &'a Arc<str>,
    /// Its group, where it has groups.
    pub group: Option<&'a Arc<str>>,
    /// What is left of the budget, as a share of it; below 0 when overspent. None without requests.
    pub remaining: Option<Millionths>,
    /// What was counted in the SLO's window.
    pub window: Window,
    /// What the SLO means now: its objective and tiers.
    pub definition: &'a Definition,
    /// Burn rates, in the order of the definition's tiers.
    pub burns: Vec<BurnGauge<'a>>,
}

/// A tier's burn rates: its name, over the long window, over the short one, and whether it fires.
pub type BurnGauge<'a> = (&'a Arc<str>, Option<Millionths>, Option<Millionths>, bool);

impl Ledger {
    /// An empty ledger. `sequences` holds the last number of every subject that an earlier journal published.
    pub fn new(sequences: BTreeMap<String, u64>) -> Ledger {
        Ledger { sequences, ..Ledger::default() }
    }

    /// Takes note of a configuration; it takes effect as its first slice closes.
    ///
    /// # Errors
    /// Another slice length, or a first slice that is closed already.
    pub fn configure(&mut self, configure: &Configure) -> Result<(), LedgerError> {
        let (length, from) = (configure.settings.slice, configure.from.unwrap_or(Slice(i64::MIN)));
        if let Some(known) = self.length.replace(length).filter(|known| *known != length) {
            return Err(LedgerError::SliceLength(known.0, length.0));
        }
        if self.closed.is_some_and(|closed| from <= closed) {
            return Err(LedgerError::ConfiguredLate(configure.epoch));
        }
        match self.configurations.last() {
            Some(last) if last.from > from => return Err(LedgerError::ConfiguredLate(configure.epoch)),
            // no slice was ever decided by the one that it replaces
            Some(last) if last.from == from && self.active != Some(self.configurations.len() - 1) => {
                self.configurations.pop();
            }
            _ => {}
        }
        let before = self.configurations.last();
        let next =
            Configuration::new(configure.epoch, from, &configure.settings, before, &mut self.generations);
        self.configurations.push(next);
        Ok(())
    }

    /// Closes the next slice with what was counted in it, in any order, and publishes what that decides.
    /// Slices that were left out before it close empty.
    ///
    /// # Errors
    /// A slice that is not after the last one, or counts that its configuration does not know.
    pub fn close<'a>(
        &mut self,
        context: &CloseContext,
        counted: impl IntoIterator<Item = Counted<'a>>,
        out: &mut Vec<Event>,
    ) -> Result<(), LedgerError> {
        let slice = context.slice;
        match self.closed {
            Some(closed) if slice <= closed => return Err(LedgerError::OutOfOrder(slice.0)),
            Some(closed) if slice > closed.next() => {
                self.close_empty(&CloseContext { slice: Slice(slice.0 - 1), ..context.clone() }, out)?;
            }
            _ => {}
        }
        self.step(context, counted, self.phase(slice), out)
    }

    /// Decides the alerts of the next slice early, with what was counted in it so far; its close is then given nothing any
    /// more, and what comes until then is a correction.
    ///
    /// # Errors
    /// A slice that does not follow the last one, or that another configuration decides than the one in force.
    pub fn alert<'a>(
        &mut self,
        context: &CloseContext,
        counted: impl IntoIterator<Item = Counted<'a>>,
        out: &mut Vec<Event>,
    ) -> Result<(), LedgerError> {
        if self.decided().map(|d| d.alerts.next()) != Some(context.slice) {
            return Err(LedgerError::OutOfOrder(context.slice.0));
        }
        if !self.is_early() || self.border().is_some_and(|border| border <= context.slice) {
            return Err(LedgerError::NotConfigured(context.slice.0));
        }
        self.step(context, counted, Phase::Alerts, out)
    }

    /// The next slice whose alerts are to be decided. None before the first one has closed.
    pub fn next_alert(&self) -> Option<Slice> {
        self.decided().map(|decided| decided.alerts.next())
    }

    /// Whether the configuration in force decides alerts early.
    pub fn is_early(&self) -> bool {
        self.active.and_then(|a| self.configurations.get(a)).is_some_and(|c| c.early)
    }

    /// Gives another service the same past. For benches: a month of ten thousand services takes more than an hour to fill.
    #[doc(hidden)]
    pub fn copy_service(&mut self, of: &str, to: &Arc<str>) {
        if let Some(account) = self.accounts.get(of) {
            let account = account.clone();
            self.accounts.insert(to.clone(), account);
        }
    }

    /// The first slice that a configuration decides which is not in force yet.
    pub fn border(&self) -> Option<Slice> {
        self.configurations.get(self.active.map_or(0, |a| a + 1)).map(|c| c.from)
    }

    /// Whether the slice's alerts have been decided before its close.
    pub fn is_alerted(&self, slice: Slice) -> bool {
        self.alerted.is_some_and(|alerted| slice <= alerted)
            && self.closed.is_none_or(|closed| slice > closed)
    }

    /// The last slices decided. None before the first one has closed.
    fn decided(&self) -> Option<Decided> {
        let budget = self.closed?;
        Some(Decided { budget, alerts: self.alerted.map_or(budget, |alerted| alerted.max(budget)) })
    }

    /// What the close of the slice decides.
    fn phase(&self, slice: Slice) -> Phase {
        if self.is_alerted(slice) { Phase::Budget } else { Phase::Both }
    }

    /// Closes all slices up to the context's as empty ones: the same outcome as closing one by one, without
    /// looking at slices that cannot change anything. The first close of all is of one slice: the ledger begins with it.
    ///
    /// # Errors
    /// A slice that is not after the last one, or that no configuration decides.
    pub fn close_empty(&mut self, context: &CloseContext, out: &mut Vec<Event>) -> Result<(), LedgerError> {
        let Some(closed) = self.closed else { return self.step(context, [], Phase::Both, out) };
        if context.slice <= closed {
            return Err(LedgerError::OutOfOrder(context.slice.0));
        }
        let mut next = closed.next();
        while next <= context.slice {
            let stop = self.next_stop(next, context).clamp(next, context.slice);
            self.step(&CloseContext { slice: stop, ..context.clone() }, [], self.phase(stop), out)?;
            next = stop.next();
        }
        Ok(())
    }

    /// Adds late counts to a slice that has closed; the next close decides what follows from them. False:
    /// the ledger has no place for them, for they lie beyond the window or belong to an earlier generation.
    ///
    /// # Errors
    /// A slice that has not closed, or counts that its configuration does not know.
    pub fn correct(&mut self, slice: Slice, counted: Counted<'_>) -> Result<bool, LedgerError> {
        let Some(decided) = self.decided().filter(|decided| slice <= decided.alerts) else {
            return Err(LedgerError::NotClosed(slice.0));
        };
        let closed = decided.budget;
        let Some(of_slice) = configuration_of(&self.configurations, slice) else { return Ok(false) };
        let Some(configuration) = self.active.and_then(|a| self.configurations.get(a)) else {
            return Err(LedgerError::NotConfigured(slice.0));
        };
        let generation = of_slice.definition(slice, counted.slo)?.generation;
        let name = &of_slice.definition(slice, counted.slo)?.slo.name;
        let Some(slo) = configuration.find(counted.service, name) else { return Ok(false) };
        let definition = configuration.definition(slice, slo)?;
        let counts = Counts { good: counted.verdicts.good, bad: counted.verdicts.bad };
        let excluded = counted.verdicts.excluded;
        let remembered = slice.0 > closed.0 - definition.horizon_slices();
        if definition.generation != generation || !remembered {
            return Ok(false);
        }
        if !counts.is_none() {
            let rule = match of_slice.epoch == configuration.epoch {
                true => counted.rule,
                false => configuration.rule(counted.service, of_slice, counted.rule),
            };
            let account = account(&mut self.accounts, counted.service, rule);
            let masks = &mut self.masks;
            let mask = || masks.find(&configuration.exclusions, counted.service, definition);
            let series = account.series((slo, counted.group), definition, closed, mask);
            let mask = self.masks.get(series.mask);
            series.add(slice, counts, (definition, mask), decided);
            if slice <= decided.budget {
                series.late = Some(series.late.map_or(slice, |late| late.min(slice)));
                self.hours.moved = true;
            }
        }
        if let Some(series) = known(&mut self.accounts, counted.service, (name, counted.group)) {
            series.leave_out(slice, excluded, definition);
        }
        Ok(true)
    }

    /// What share of a closed slice was not read turns out to be another: input was lost, or has come after all.
    pub fn cover(&mut self, slice: Slice, unread: u16) {
        if self.decided().is_some_and(|decided| slice <= decided.alerts) {
            let before = self.coverage.missing(slice.0, slice.0 + 1);
            self.coverage.set(slice.0, slice.0 + 1, unread);
            let moved = before != u64::from(unread);
            (self.recovered, self.coverage_moved) = (self.recovered || moved, self.coverage_moved || moved);
        }
    }

    /// Takes note of records of the slice that came after it had closed, and of lines of it that could not be read.
    pub fn note(&mut self, slice: Slice, late: u64, rejected: u64) {
        self.intake.add(slice.0, Unsound { late, rejected });
    }

    /// Tells that input was lost, or that nothing comes; numbered.
    pub fn gap(&mut self, gap: &DataGap<'_>, at: OutputPosition) -> Event {
        gap.event(at, facts::number(&mut self.sequences, &gap.origin.subject()))
    }

    /// The last slice closed.
    pub fn closed(&self) -> Option<Slice> {
        self.closed
    }

    /// The last number of every subject: part of the progress record.
    pub fn sequences(&self) -> &BTreeMap<String, u64> {
        &self.sequences
    }

    /// What the SLO at that index meant in the slice: generation, objective and window of its row.
    pub fn definition(&self, slice: Slice, slo: u16) -> Option<&Definition> {
        configuration_of(&self.configurations, slice)?.definitions.get(slo as usize)
    }

    /// Whether what the service did in the slice counts neither good nor bad for the SLO at that index: maintenance.
    pub fn is_excluded(&self, slice: Slice, service: &str, slo: u16) -> bool {
        let found = self.configuration(slice).and_then(|c| Some((c, c.definitions.get(usize::from(slo))?)));
        found.zip(self.length).is_some_and(|((c, d), length)| c.is_excluded(slice, service, d, length))
    }

    /// The configuration that decides the slice.
    pub fn configuration(&self, slice: Slice) -> Option<&Configuration> {
        configuration_of(&self.configurations, slice)
    }

    /// What the service's SLO of that generation meant last, up to the slice. None if that is forgotten.
    pub fn defined(&self, service: &str, slo: &str, generation: u32, slice: Slice) -> Option<&Definition> {
        self.configurations.iter().rev().filter(|c| c.from <= slice).find_map(|c| {
            let found = c.definitions.get(c.find(service, slo)? as usize)?;
            (found.generation == generation).then_some(found)
        })
    }

    /// Whether it keeps anything of the service but the numbers of its events.
    pub fn knows(&self, service: &str) -> bool {
        self.accounts.contains_key(service)
    }

    /// Whether it keeps a budget for that group of the service's SLO.
    pub fn knows_group(&self, service: &str, slo: &str, group: &str) -> bool {
        let account = self.accounts.get(service);
        account.is_some_and(|account| account.find(slo, Some(group)).is_ok())
    }

    /// How many budgets it keeps.
    pub fn series(&self) -> usize {
        self.accounts.values().map(|a| a.series.len()).sum()
    }

    /// An estimate of the bytes that they take.
    pub fn bytes(&self) -> usize {
        self.accounts.values().flat_map(|a| &a.series).map(Series::bytes).sum()
    }

    /// How every budget stands after the last slice closed, ascending by service, SLO and group.
    pub fn gauges(&self) -> impl Iterator<Item = Gauge<'_>> {
        let configuration = self.active.and_then(|a| self.configurations.get(a));
        let decided = self.decided().unwrap_or(Decided { budget: Slice(0), alerts: Slice(0) });
        let seen = Observation { from: self.observed_from, coverage: &self.coverage, masks: &self.masks };
        self.accounts.iter().flat_map(|(service, a)| a.series.iter().map(move |s| (service, s))).filter_map(
            move |(service, series)| {
                let d = configuration?.definitions.get(series.slo as usize)?;
                let rate = |i| series.window(i, d, seen, decided.alerts).rate(d.slo.objective);
                let burns = d.slo.tiers.iter().enumerate().map(|(i, tier)| {
                    let (long, short) = d.tier(i);
                    (&tier.name, rate(long), rate(short), series.alerts.since(i as u16).is_some())
                });
                let window = series.budget(d, seen, decided.budget);
                let (slo, remaining) = (&d.slo.name, window.remaining(d.slo.objective));
                let group = series.group.as_ref();
                Some(Gauge { service, slo, group, remaining, window, definition: d, burns: burns.collect() })
            },
        )
    }
}

impl Account {
    /// Where the series of an SLO, or of one of its groups, is or would be.
    fn find(&self, slo: &str, group: Option<&str>) -> Result<usize, usize> {
        self.series.binary_search_by(|s| (&*s.name, s.group.as_deref()).cmp(&(slo, group)))
    }

    /// The series of an SLO, or of one of its groups, made if there is none.
    fn series(
        &mut self,
        (slo, group): (u16, Option<&Arc<str>>),
        definition: &Definition,
        now: Slice,
        mask: impl FnOnce() -> Option<u16>,
    ) -> &mut Series {
        let i = match self.find(&definition.slo.name, group.map(|g| &**g)) {
            Ok(i) => i,
            Err(i) => {
                // mostly there are two or three: the room for four at once would stay unused in every account
                if self.series.len() == self.series.capacity() {
                    self.series.reserve_exact(1 + self.series.len() / 4);
                }
                self.series
                    .insert(i, Series::new((slo, group.cloned()), definition, (now, self.seed), mask()));
                i
            }
        };
        &mut self.series[i]
    }
}

/// The service's account, made if there is none.
fn account<'a>(
    accounts: &'a mut BTreeMap<Arc<str>, Account>,
    service: &Arc<str>,
    rule: Option<u16>,
) -> &'a mut Account {
    accounts.entry(service.clone()).or_insert_with(|| {
        let seed = service.bytes().fold(0u8, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte));
        Account { rule, seed, series: Vec::new() }
    })
}

/// The service's series of that SLO, if there is one.
fn known<'a>(
    accounts: &'a mut BTreeMap<Arc<str>, Account>,
    service: &str,
    (slo, group): (&str, Option<&Arc<str>>),
) -> Option<&'a mut Series> {
    let account = accounts.get_mut(service)?;
    let i = account.find(slo, group.map(|g| &**g)).ok()?;
    account.series.get_mut(i)
}

/// The configuration that decides the slice: the last that starts no later.
fn configuration_of(configurations: &[Configuration], slice: Slice) -> Option<&Configuration> {
    configurations.iter().rev().find(|c| c.from <= slice)
}
