//! What an SLO means from a slice on: its definition, and the generation that numbers it.
//!
//! Invariant: two definitions of one SLO name that decide differently (another indicator or window) never
//! share a generation; a changed objective, tier or selector keeps it, and the history with it.

use super::LedgerError;
use crate::core::service::selects;
use crate::core::settings::{ServiceRule, Settings, Slo};
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
    /// The distinct windows in use, slices, ascending.
    windows: Vec<u64>,
    /// Index into `windows` of the SLO's own.
    budget: usize,
    /// Indexes into `windows` of each tier's long and short one.
    tiers: Vec<(usize, usize)>,
}

impl Definition {
    fn new(slo: &Slo, length: SliceLength, generation: u32, from: Slice) -> Definition {
        // a window shorter than a slice is one slice
        let slices = |seconds| length.slices_in(seconds).max(1);
        let of_tiers = slo.tiers.iter().flat_map(|t| [t.long_s, t.short_s]);
        let mut windows: Vec<u64> = of_tiers.chain([slo.window_s]).map(slices).collect();
        windows.sort_unstable();
        windows.dedup();
        let index = |seconds| windows.partition_point(|w| *w < slices(seconds));
        let tiers = slo.tiers.iter().map(|t| (index(t.long_s), index(t.short_s))).collect();
        let budget = index(slo.window_s);
        Definition { slo: slo.clone(), generation, from, windows, budget, tiers }
    }

    /// The distinct windows in use, slices, ascending.
    pub fn windows(&self) -> &[u64] {
        &self.windows
    }

    /// The longest of them: how far back the ledger remembers.
    pub fn horizon(&self) -> i64 {
        self.windows.last().map_or(0, |w| *w as i64)
    }

    /// Index into [`Definition::windows`] of the SLO's own window.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Indexes into [`Definition::windows`] of a tier's long and short window.
    pub fn tier(&self, tier: usize) -> (usize, usize) {
        self.tiers[tier]
    }

    /// Whether it decides as another does: the counts of both may be added.
    fn agrees(&self, slo: &Slo) -> bool {
        self.slo.name == slo.name && self.slo.indicator == slo.indicator && self.slo.window_s == slo.window_s
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
