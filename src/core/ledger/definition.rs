//! What an SLO means from a slice on: its definition, and the generation that numbers it.
//!
//! Invariant: two definitions of one SLO name that decide differently (another indicator, window or group) never
//! share a generation; a changed objective, tier or selector keeps it, and the history with it.

use super::LedgerError;
use crate::core::budgeting;
use crate::core::calendar::Period;
use crate::core::service::selects;
use crate::core::settings::{Budgeting, ServiceRule, Settings, Slo};
use crate::core::time::{Slice, SliceLength};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An SLO as one configuration has it.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Definition {
    /// As written.
    pub slo: Slo,
    /// Number of the definition within the SLO's name, from 1.
    pub generation: u32,
    /// What is made under it was not counted before this slice.
    pub from: Slice,
    /// Base slices in a unit: what the budgeting method weighs as one.
    unit: i64,
    /// The distinct rolling windows in use, units, ascending.
    rolling: Vec<u64>,
    /// Index of the SLO's own window; one past the rolling ones if it is a calendar's.
    budget: usize,
    /// Indexes of each tier's long and short window.
    tiers: Vec<(usize, usize)>,
    /// The calendar's period that the latest slice lies in: its first unit, and the first after it.
    period: Option<(i64, i64)>,
    /// The most units that a period can have; 0 without a calendar.
    longest: i64,
}

impl Definition {
    fn new(slo: &Slo, length: SliceLength, generation: u32, from: Slice) -> Definition {
        let unit_s = match slo.budgeting {
            Budgeting::Occurrences => length.0,
            Budgeting::Timeslices { slice_s, .. } | Budgeting::RatioTimeslices { slice_s } => {
                slice_s.max(length.0)
            }
        };
        // a window shorter than a unit is one unit
        let units = |seconds: u64| (seconds / u64::from(unit_s)).max(1);
        let own = slo.calendar.is_none().then_some(slo.window_s);
        let of_tiers = slo.tiers.iter().flat_map(|t| [t.long_s, t.short_s]);
        let mut rolling: Vec<u64> = of_tiers.chain(own).map(units).collect();
        rolling.sort_unstable();
        rolling.dedup();
        let index = |seconds| rolling.partition_point(|w| *w < units(seconds));
        let tiers = slo.tiers.iter().map(|t| (index(t.long_s), index(t.short_s))).collect();
        let budget = own.map_or(rolling.len(), index);
        let unit = i64::from((unit_s / length.0).max(1));
        let longest = slo.calendar.as_ref().map_or(0, |c| units(c.unit.longest_s()) as i64);
        let slo = slo.clone();
        Definition { slo, generation, from, unit, rolling, budget, tiers, period: None, longest }
    }

    /// Takes note of the calendar's period that the slice lies in.
    pub(super) fn turn(&mut self, slice: Slice, length: SliceLength) {
        let unit = self.unit(slice);
        if self.slo.calendar.is_none() || self.period.is_some_and(|(first, end)| first <= unit && unit < end)
        {
            return;
        }
        self.period = self.period_at(slice, length).map(|period| {
            // zones are whole quarters of an hour off UTC, so a period begins with a unit
            (self.unit(length.slice(period.start)), self.unit(length.slice(period.end)))
        });
    }

    fn period_at(&self, slice: Slice, length: SliceLength) -> Option<Period> {
        self.slo.calendar.as_ref().map(|calendar| calendar.period(length.start(slice)))
    }

    /// The period that the latest slice lies in, if its window is a calendar's.
    pub fn period(&self, length: SliceLength) -> Option<Period> {
        let (first, end) = self.period?;
        let start = |unit: i64| length.start(Slice(unit * self.unit));
        Some(Period { start: start(first), end: start(end) })
    }

    /// The length of the window that the slice belongs to, seconds.
    pub fn window_s(&self, slice: Slice, length: SliceLength) -> u64 {
        let unit = self.unit(slice);
        match self.period {
            None => self.slo.window_s,
            Some((first, end)) if first <= unit && unit < end => (end - first) as u64 * self.unit_s(length),
            Some(_) => self.period_at(slice, length).map_or(self.slo.window_s, |period| period.seconds()),
        }
    }

    /// Length of a unit, seconds.
    pub fn unit_s(&self, length: SliceLength) -> u64 {
        self.unit as u64 * u64::from(length.0)
    }

    /// Base slices in a unit.
    pub(super) fn unit_slices(&self) -> i64 {
        self.unit
    }

    /// The unit that the slice lies in.
    pub(super) fn unit(&self, slice: Slice) -> i64 {
        slice.0.div_euclid(self.unit)
    }

    /// The last unit that is over at the end of the slice.
    pub(super) fn completed(&self, slice: Slice) -> i64 {
        slice.0.saturating_add(1).div_euclid(self.unit) - 1
    }

    /// Whether a unit ends with the slice: only then is anything decided.
    pub(super) fn closes(&self, slice: Slice) -> bool {
        self.completed(slice) == self.unit(slice)
    }

    /// The slice that ends the unit.
    pub(super) fn last_slice(&self, unit: i64) -> Slice {
        Slice(unit.saturating_add(1).saturating_mul(self.unit).saturating_sub(1))
    }

    /// The first unit that lies wholly at or after the slice.
    pub(super) fn unit_from(&self, slice: Slice) -> i64 {
        slice.0.saturating_add(self.unit - 1).div_euclid(self.unit)
    }

    /// How many windows it has: the rolling ones, and after them the calendar's.
    pub(super) fn windows(&self) -> usize {
        self.rolling.len() + usize::from(self.slo.calendar.is_some())
    }

    /// Units of a rolling window; None for the calendar's.
    pub(super) fn length(&self, window: usize) -> Option<i64> {
        self.rolling.get(window).map(|w| *w as i64)
    }

    /// The calendar's period in units: its first, and the first after it.
    pub(super) fn period_units(&self) -> Option<(i64, i64)> {
        self.period
    }

    /// The first unit of a window that ends with `unit`.
    pub(super) fn first(&self, window: usize, unit: i64) -> i64 {
        match self.length(window) {
            Some(length) => unit + 1 - length,
            None => self.period.map_or(unit + 1, |(first, _)| first),
        }
    }

    /// How many units back the ledger remembers.
    pub(super) fn horizon(&self) -> i64 {
        let rolling = self.rolling.last().map_or(0, |w| *w as i64);
        match &self.slo.calendar {
            Some(_) => rolling.max(self.longest),
            None => rolling,
        }
    }

    /// The same in base slices.
    pub(super) fn horizon_slices(&self) -> i64 {
        self.horizon() * self.unit
    }

    /// Index of the SLO's own window.
    pub(super) fn budget(&self) -> usize {
        self.budget
    }

    /// Units of the longest window of a tier.
    pub(super) fn longest_tier(&self) -> i64 {
        self.tiers.iter().filter_map(|(long, _)| self.length(*long)).max().unwrap_or(0)
    }

    /// Indexes of a tier's long and short window.
    pub(super) fn tier(&self, tier: usize) -> (usize, usize) {
        self.tiers[tier]
    }

    /// What an empty unit counts as: good, bad, or nothing.
    pub(super) fn empty(&self) -> Option<bool> {
        budgeting::empty(&self.slo)
    }

    /// Whether it decides as another does: the counts of both may be added.
    fn agrees(&self, slo: &Slo) -> bool {
        let field = |slo: &Slo| slo.per.as_ref().map(|per| per.field.clone());
        self.slo.name == slo.name
            && self.slo.indicator == slo.indicator
            && self.slo.window_s == slo.window_s
            && self.slo.calendar == slo.calendar
            && self.slo.budgeting == slo.budgeting
            && field(&self.slo) == field(slo)
    }
}

/// All definitions that are in force from a slice on.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Configuration {
    /// Its number.
    pub epoch: u32,
    /// The first slice that it decides; the lowest number for the first configuration.
    pub from: Slice,
    /// The service rules.
    pub services: Vec<ServiceRule>,
    /// The SLOs, by their index in the settings.
    pub definitions: Vec<Definition>,
}

impl Configuration {
    /// The configuration that follows `before`. `generations` holds the highest of every SLO name ever.
    pub fn new(
        epoch: u32,
        from: Slice,
        settings: &Settings,
        before: Option<&Configuration>,
        generations: &mut BTreeMap<Arc<str>, u32>,
    ) -> Configuration {
        let mut definitions: Vec<Definition> = Vec::with_capacity(settings.slos.len());
        for slo in &settings.slos {
            let mut earlier: Vec<&Definition> =
                before.into_iter().flat_map(|b| &b.definitions).filter(|d| d.agrees(slo)).collect();
            earlier.sort_by_key(|d| d.slo.services != slo.services);
            let (generation, from) = match (earlier.first(), definitions.iter().find(|d| d.agrees(slo))) {
                // a wider selector takes in services whose requests nobody judged so far
                (Some(d), _) => (d.generation, if d.slo.services == slo.services { d.from } else { from }),
                (None, Some(d)) => (d.generation, from),
                (None, None) => {
                    let highest = generations.entry(slo.name.clone()).or_insert(0);
                    *highest += 1;
                    (*highest, from)
                }
            };
            definitions.push(Definition::new(slo, settings.slice, generation, from));
        }
        Configuration { epoch, from, services: settings.services.clone(), definitions }
    }

    /// How far back anything of it is remembered, slices.
    pub(super) fn horizon_slices(&self) -> i64 {
        self.definitions.iter().map(Definition::horizon_slices).max().unwrap_or(0)
    }

    /// The definition at an index of the settings' SLOs; `slice` is for the error only.
    pub(super) fn definition(&self, slice: Slice, slo: u16) -> Result<&Definition, LedgerError> {
        let unknown = LedgerError::UnknownSlo { slice: slice.0, slo };
        self.definitions.get(slo as usize).ok_or(unknown)
    }

    /// Index of the definition of that name that applies to the service: the first that selects it.
    pub fn find(&self, service: &str, slo: &str) -> Option<u16> {
        let selected = |d: &Definition| d.slo.services.iter().any(|s| selects(s, service));
        let applies = |d: &Definition| &*d.slo.name == slo && selected(d);
        self.definitions.iter().position(applies).and_then(|i| u16::try_from(i).ok())
    }

    /// Index of the service rule that a service named by `rule` of another configuration has here.
    pub fn rule(&self, service: &str, before: &Configuration, rule: Option<u16>) -> Option<u16> {
        let template = rule.and_then(|r| before.services.get(r as usize)).map(|r| &*r.name);
        let named = |name: &str| self.services.iter().position(|r| r.name == name);
        named(service).or_else(|| named(template?)).and_then(|i| u16::try_from(i).ok())
    }
}
