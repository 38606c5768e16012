//! What comes out of the engine, and the way that it takes.
//!
//! Invariant: events come in the order in which they were decided, each cut after the events before it.

use crate::core::event::Event;
use crate::core::rollup::{Cut, OutputPosition};
use crate::core::settings::Settings;

/// Takes what an entry brings out, in order and piece by piece, so that not all of it is in memory at once.
pub trait Outlet {
    /// Events, and the cut that follows them.
    fn take(&mut self, events: Vec<Event>, cut: Option<Cut>);
}

/// All that entries bring out.
#[derive(Default, Debug)]
pub struct Outputs {
    /// Events.
    pub events: Vec<Event>,
    /// Cuts.
    pub cuts: Vec<Cut>,
}

impl Outlet for Outputs {
    fn take(&mut self, events: Vec<Event>, cut: Option<Cut>) {
        self.events.extend(events);
        self.cuts.extend(cut);
    }
}

/// What one entry's passage through the engine needs at every step.
pub(super) struct Pass<'a> {
    pub(super) position: u64,
    pub(super) settings: &'a Settings,
    /// What has come out and was not handed over yet.
    pub(super) events: Vec<Event>,
    pub(super) handed_over: u32,
    out: &'a mut dyn Outlet,
}

impl<'a> Pass<'a> {
    pub(super) fn new(position: u64, settings: &'a Settings, out: &'a mut dyn Outlet) -> Pass<'a> {
        Pass { position, settings, events: Vec::new(), handed_over: 0, out }
    }

    /// The position of the next event.
    pub(super) fn next(&self) -> OutputPosition {
        OutputPosition { position: self.position, index: self.handed_over + self.events.len() as u32 }
    }

    pub(super) fn hand_over(&mut self, cut: Option<Cut>) {
        self.handed_over += self.events.len() as u32;
        self.out.take(std::mem::take(&mut self.events), cut);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            self.hand_over(None);
        }
    }
}
