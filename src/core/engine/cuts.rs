//! When what was counted becomes rows: at borders of the watermark, and by order.
//!
//! Invariant: cuts are numbered without holes. Lines that belong to no slice are told too: with the slice that closes
//! next, or, where none is to close, with the next cut.

use super::{Engine, EngineError, Outputs, Pass};
use crate::core::entry::ForcedCut;
use crate::core::slices::Border;
use crate::core::tiers::Until;
use crate::core::time::{SECOND_US, Slice, Time};

impl Engine {
    pub(super) fn cut_at_border(&mut self, pass: &mut Pass<'_>) {
        let Some(watermark) = self.watermarks.watermark() else { return };
        if self.next_close.is_none() && self.unplaced.is_empty() {
            return;
        }
        let cut_us = i64::from(pass.settings.cut_s) * SECOND_US;
        let border = Time(watermark.0.div_euclid(cut_us) * cut_us);
        if self.border.is_some_and(|last| border <= last) {
            return;
        }
        self.border = Some(border);
        match self.next_close {
            Some(next) => self.cut(pass.settings.slice.slice(border).min(next), border, false, pass),
            None => self.cut_lines(border, pass),
        }
    }

    pub(super) fn forced_cut(
        &mut self,
        position: u64,
        forced: ForcedCut,
        out: &mut Outputs,
    ) -> Result<(), EngineError> {
        let settings = self.settings()?.clone();
        let mut pass = Pass { position, settings: &settings, out };
        if forced == ForcedCut::All
            && let Some(last) = self.slices.last_with_records()
        {
            self.watermarks.force(settings.slice.end(last));
            self.close_ready(&mut pass)?;
        }
        // nothing is going to close soon that could tell of them
        let rest = !self.unplaced.is_empty() && self.slices.last_with_records().is_none();
        match self.next_close {
            Some(below) => {
                if rest {
                    self.place(Slice(below.0 - 1));
                }
                self.cut(below, settings.slice.start(below), forced == ForcedCut::All, &mut pass);
            }
            None if rest => self.cut_lines(self.clock, &mut pass),
            None => {}
        }
        Ok(())
    }

    /// Before the first record there is no slice, and its time is not known: what could not be read is told in the
    /// slice of the clock, as a revision, and the first slice is still to come.
    fn cut_lines(&mut self, watermark: Time, pass: &mut Pass<'_>) {
        let counts = self.slices.correction(pass.settings.slice.slice(self.clock));
        for (partition, unplaced) in std::mem::take(&mut self.unplaced) {
            counts.accounts.entry(partition).or_default().add(&unplaced);
        }
        let border = self.border_at(watermark, pass);
        let cut = self.slices.cut(Slice(0), &border, &self.roster, &self.ledger);
        self.cut_number = border.number;
        pass.out.cuts.push(cut);
    }

    fn cut(&mut self, below: Slice, watermark: Time, forced: bool, pass: &mut Pass<'_>) {
        let border = self.border_at(watermark, pass);
        let from = self.slices.cut_below().unwrap_or(below);
        let mut cut = self.slices.cut(below, &border, &self.roster, &self.ledger);
        self.tiers.cut(&mut cut, Until { from, below: below.max(from), forced }, &self.ledger);
        cut.budgets = self.ledger.take_hours(border.number, border.slice.start(below), forced);
        if !cut.is_empty() {
            self.cut_number = border.number;
            pass.out.cuts.push(cut);
        }
        let month = 40 * 86_400 / i64::from(pass.settings.slice.0);
        self.completeness.forget(Slice(below.0 - month));
        let waiting = self.slices.services();
        self.forget_groups();
        self.roster.forget(|id, service| waiting.contains(&id) || self.ledger.knows(&service.name));
        self.forget_combinations(below, pass.settings.slice);
    }

    fn border_at(&self, watermark: Time, pass: &Pass<'_>) -> Border {
        Border {
            number: self.cut_number + 1,
            watermark,
            slice: pass.settings.slice,
            position: pass.position,
            dimensions: self.dimension_columns(),
        }
    }
}
