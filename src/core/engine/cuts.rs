//! When what was counted becomes rows: at borders of the watermark, and by order.
//!
//! Invariant: cuts are numbered without holes. Lines that belong to no slice are told too: with the slice that closes
//! next, or, where none is to close, with the next cut.

use super::outputs::Pass;
use super::{Engine, EngineError, Outlet};
use crate::core::entry::ForcedCut;
use crate::core::settings::Settings;
use crate::core::slices::Border;
use crate::core::tiers::Until;
use crate::core::time::{SECOND_US, Slice, Time};

/// Cells that wait closed before they are cut at the next border, however far the watermark has gone beyond it.
const CLOSED_CELLS_MAX: usize = 1 << 14;

impl Engine {
    pub(super) fn cut_at_border(&mut self, pass: &mut Pass<'_>) {
        let Some(watermark) = self.watermarks.watermark() else { return };
        if self.next_close.is_none() && self.unplaced.is_empty() {
            return;
        }
        let border = last_border(watermark, pass.settings);
        if self.border.is_some_and(|last| border <= last) {
            return;
        }
        self.border = Some(border);
        match self.next_close {
            Some(next) => self.cut(pass.settings.slice.slice(border).min(next), border, false, pass),
            None => self.cut_lines(border, pass),
        }
    }

    /// Cuts at a border on the way, where that much has closed that the rows of all borders would be too many at once.
    pub(super) fn cut_if_much(&mut self, pass: &mut Pass<'_>) {
        let Some(below) = self.next_close else { return };
        let border = pass.settings.slice.start(below);
        if last_border(border, pass.settings) == border && self.slices.cells(below) > CLOSED_CELLS_MAX {
            self.border = self.border.max(Some(border));
            self.cut(below, border, false, pass);
        }
    }

    pub(super) fn forced_cut(
        &mut self,
        position: u64,
        forced: ForcedCut,
        out: &mut dyn Outlet,
    ) -> Result<(), EngineError> {
        let settings = self.settings()?.clone();
        let mut pass = Pass::new(position, &settings, out);
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
        pass.hand_over(Some(cut));
    }

    fn cut(&mut self, below: Slice, watermark: Time, forced: bool, pass: &mut Pass<'_>) {
        let border = self.border_at(watermark, pass);
        let from = self.slices.cut_below().unwrap_or(below);
        let mut cut = self.slices.cut(below, &border, &self.roster, &self.ledger);
        self.tiers.cut(&mut cut, Until { from, below: below.max(from), forced }, &self.ledger);
        cut.budgets = self.ledger.take_hours(border.number, border.slice.start(below), forced);
        if !cut.is_empty() {
            self.cut_number = border.number;
            pass.hand_over(Some(cut));
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

/// The last border of cuts up to then.
fn last_border(time: Time, settings: &Settings) -> Time {
    let cut_us = i64::from(settings.cut_s) * SECOND_US;
    Time(time.0.div_euclid(cut_us) * cut_us)
}
