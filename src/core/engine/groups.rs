//! SLOs with groups: which groups are kept apart, and what is counted for them.
//!
//! Invariant: whether a group is kept apart is decided here, in the order of the journal. What is counted for an SLO's
//! groups adds up to what was counted for the service, whatever was folded.

use super::{Engine, EngineError, decides};
use crate::core::ledger::Counted;
use crate::core::partial::Chunk;
use crate::core::roster::{Roster, ServiceId};
use crate::core::settings::Slo;
use crate::core::slices::SliceCounts;
use std::collections::BTreeSet;

impl Engine {
    /// Adds what the chunk counted for groups; `ids` are the numbers of its services. What belongs to a closed slice
    /// corrects the ledger.
    pub(super) fn count_groups(&mut self, chunk: &Chunk, ids: &[ServiceId]) -> Result<(), EngineError> {
        for (epoch, slice, service, group, verdicts) in &chunk.grouped {
            let (Some(&id), Some(named)) =
                (ids.get(*service as usize), chunk.services.get(*service as usize))
            else {
                continue;
            };
            let Some(group) = chunk.groups.get(*group as usize) else { continue };
            let service = self.roster.service(id);
            // a service that was folded has no SLO
            if self.skipped(*slice) || service.name != named.name {
                continue;
            }
            let configured = self.configurations.iter().rev().find(|c| c.epoch == *epoch);
            for (slo, verdicts) in verdicts.iter() {
                let Some(Slo { name, per: Some(per), .. }) =
                    configured.and_then(|c| c.settings.slos.get(usize::from(slo)))
                else {
                    continue;
                };
                let requests = verdicts.good + verdicts.bad + verdicts.excluded;
                let group = self.slo_groups.place((id, name, per), group, requests);
                if self.is_closed(*slice) && decides(&self.ledger, *slice, *epoch) {
                    let counted = Counted {
                        service: &service.name,
                        rule: service.rule,
                        slo,
                        group: Some(&group),
                        verdicts,
                    };
                    self.ledger.correct(*slice, counted)?;
                }
                let groups = &mut self.slices.counts(*slice).groups;
                groups.entry((id, *epoch, slo, group)).or_default().merge(&verdicts);
            }
        }
        Ok(())
    }

    /// Forgets groups that neither a waiting slice nor a budget refers to.
    pub(super) fn forget_groups(&mut self) {
        if self.slo_groups.is_empty() {
            return;
        }
        let name = |epoch: u32, slo: u16| {
            let configured = self.configurations.iter().rev().find(|c| c.epoch == epoch);
            configured.and_then(|c| c.settings.slos.get(usize::from(slo))).map_or("", |slo| &*slo.name)
        };
        let waiting: BTreeSet<(ServiceId, &str, &str)> =
            self.slices.groups().map(|(id, epoch, slo, group)| (*id, name(*epoch, *slo), &**group)).collect();
        let (roster, ledger) = (&self.roster, &self.ledger);
        self.slo_groups.forget(|id, slo, group| {
            waiting.contains(&(id, slo, group)) || ledger.knows_group(&roster.service(id).name, slo, group)
        });
    }
}

/// What was counted for groups in a slice that closes, by the epochs that decide it.
pub(super) fn counted<'a>(
    waiting: Option<&'a SliceCounts>,
    roster: &'a Roster,
    decided: impl Fn(u32) -> bool,
) -> impl Iterator<Item = Counted<'a>> {
    let groups = waiting.into_iter().flat_map(|waiting| &waiting.groups);
    groups.filter(move |((_, epoch, ..), _)| decided(*epoch)).map(|((id, _, slo, group), verdicts)| {
        let service = roster.service(*id);
        let (name, rule) = (&service.name, service.rule);
        Counted { service: name, rule, slo: *slo, group: Some(group), verdicts: *verdicts }
    })
}
