//! Alerts decided before their slices close, by a watermark of their own, so that a page need not wait for the slowest file.
//!
//! Invariant: alerts see what was counted up to the entry that moved the watermark past their slice, and are told of it once.
//! What comes later for the slice corrects the windows of the alerts to come; budgets, rows and what they say wait for
//! the close. Both watermarks are functions of the journal.

use super::{Engine, EngineError, Pass, decides, groups};
use crate::core::ledger::{CloseContext, Counted, Ledger};
use crate::core::roster::Roster;
use crate::core::slices::Slices;
use crate::core::time::Slice;

impl Engine {
    /// Decides the alerts of every slice that their watermark has passed, in order; none beyond the configuration in force.
    pub(super) fn alert_ready(&mut self, pass: &mut Pass<'_>) -> Result<(), EngineError> {
        let (Some(next), Some(early)) = (self.ledger.next_alert(), self.watermarks.early()) else {
            return Ok(());
        };
        if !self.ledger.is_early() || self.next_close.is_none() || self.backfill() {
            return Ok(());
        }
        let until = pass.settings.slice.slice(early);
        let until = self.ledger.border().map_or(until, |border| until.min(border));
        for slice in (next.0..until.0).map(Slice) {
            let context =
                CloseContext { contributors: self.contributors(slice), ..self.context(slice, pass) };
            let counted = counted(&self.slices, &self.roster, &self.ledger, slice);
            self.ledger.alert(&context, counted, &mut pass.events)?;
        }
        Ok(())
    }
}

/// What is counted of a slice that waits, as far as its own configuration decided it.
pub(super) fn counted<'a>(
    slices: &'a Slices,
    roster: &'a Roster,
    ledger: &Ledger,
    slice: Slice,
) -> Vec<Counted<'a>> {
    let waiting = slices.waiting(slice);
    let decided = |epoch: u32| decides(ledger, slice, epoch);
    let cells = waiting.into_iter().flat_map(|w| &w.cells).filter(|((_, epoch), _)| decided(*epoch));
    let whole = cells.flat_map(|((id, _), cell)| {
        let service = roster.service(*id);
        let (service, rule) = (&service.name, service.rule);
        let counted = |(slo, verdicts)| Counted { service, rule, slo, group: None, verdicts };
        cell.slos().iter().map(counted).collect::<Vec<_>>()
    });
    whole.chain(groups::counted(waiting, roster, decided)).collect()
}
