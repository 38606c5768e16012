//! What brought most of the bad requests of the slice that is decided, by the dimensions that services are broken down by.
//!
//! Invariant: a function of what was counted in that slice by then, in an order of its own: the most bad first, then by values.

use super::definition::Definition;
use super::series::{Observation, Series};
use crate::core::burn::Millionths;
use crate::core::event::data::{Contributor, DecimalText};
use crate::core::partial::Verdicts;
use crate::core::service::Combination;
use crate::core::time::Slice;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many of them an event names.
const NAMED_MAX: usize = 5;

/// The bad requests of one slice by service, SLO and combination.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contributors {
    slice: Option<Slice>,
    /// Names of the dimensions.
    columns: Vec<Arc<str>>,
    by: BTreeMap<(Arc<str>, u16), Vec<(Combination, Verdicts)>>,
}

impl Contributors {
    /// None yet, of a slice whose services are broken down by these.
    pub fn new(slice: Slice, columns: Vec<Arc<str>>) -> Contributors {
        Contributors { slice: Some(slice), columns, by: BTreeMap::new() }
    }

    /// Takes note of what a combination of a service brought to the SLO at that index.
    pub fn add(&mut self, service: &Arc<str>, slo: u16, combination: &Combination, verdicts: Verdicts) {
        if verdicts.bad > 0 {
            self.by.entry((service.clone(), slo)).or_default().push((combination.clone(), verdicts));
        }
    }

    /// Those of a budget, where the slice is its own and counts for it.
    pub(super) fn most(
        &self,
        (service, slice): (&Arc<str>, Slice),
        series: &Series,
        definition: &Definition,
        seen: Observation<'_>,
    ) -> Vec<Contributor> {
        let whole = self.slice == Some(slice) && series.group.is_none();
        let excluded = || seen.masks.get(series.mask).holds(definition.unit(slice));
        match self.by.get(&(service.clone(), series.slo)) {
            Some(all) if whole && !excluded() => self.named(all),
            _ => Vec::new(),
        }
    }

    fn named(&self, all: &[(Combination, Verdicts)]) -> Vec<Contributor> {
        let bad: u128 = all.iter().map(|(_, verdicts)| u128::from(verdicts.bad)).sum();
        let mut most: Vec<&(Combination, Verdicts)> = all.iter().collect();
        most.sort_by(|(a, of_a), (b, of_b)| of_b.bad.cmp(&of_a.bad).then_with(|| a.cmp(b)));
        most.truncate(NAMED_MAX);
        let contributor = |(combination, verdicts): &(Combination, Verdicts)| Contributor {
            dimensions: self.columns.iter().cloned().zip(combination.values().iter().cloned()).collect(),
            bad: verdicts.bad,
            total: verdicts.good.saturating_add(verdicts.bad),
            share: DecimalText::of(Millionths::of(verdicts.bad.into(), bad)),
        };
        most.into_iter().map(contributor).collect()
    }
}
