//! Request ids of one partition between two flushes: sampled, and filtered where that is asked for.
//!
//! Invariant: a record without an id is neither sampled nor dropped. The filter is memory of this process
//! alone: after a restart it begins empty, so what it drops is best effort.

use crate::core::duplicates::{IdSample, Sampler, Window, identity};
use crate::core::record::{Field, Fields, Record, Value};
use crate::core::settings::{Duplicates, Limits};

/// Slices whose room is kept from flush to flush: more of them are of odd times, and each takes up to 64 KiB.
const SLICES_KEPT: usize = 64;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Ids {
    window: Option<Window>,
    /// By place of the slice in its partition's list; those beyond keep their room.
    slices: Vec<OfSlice>,
}

#[derive(Debug, Default)]
struct OfSlice {
    sampler: Sampler,
    dropped: u64,
}

impl Ids {
    /// None where nothing is to be done about repeats; and the fields that are needed.
    pub(super) fn new(duplicates: Duplicates, limits: &Limits) -> (Option<Box<Ids>>, Fields) {
        let window = match duplicates {
            Duplicates::Ignore => return (None, Fields::NONE),
            Duplicates::Estimate => None,
            Duplicates::Drop => Some(Window::new(limits.duplicate_ids_max)),
        };
        (Some(Box::new(Ids { window, slices: Vec::new() })), Fields::of(&[Field::RequestId]))
    }

    /// Takes a record of the slice at that place. True: it repeats one of the latest and is to be dropped.
    pub(super) fn drops(&mut self, slice: usize, record: &Record<'_>) -> bool {
        if self.slices.len() <= slice {
            self.slices.resize_with(slice + 1, OfSlice::default);
        }
        let Value::Text(id) = record.get(Field::RequestId) else { return false };
        let hash = identity(id, record.time.0);
        let slice = &mut self.slices[slice];
        if self.window.as_mut().is_some_and(|window| window.repeats(hash)) {
            slice.dropped += 1;
            return true;
        }
        slice.sampler.add(hash);
        false
    }

    /// How many records of the slice at that place were dropped, and a sample of the others; starts over.
    pub(super) fn take(&mut self, slice: usize) -> (u64, IdSample) {
        match self.slices.get_mut(slice) {
            Some(slice) => (std::mem::take(&mut slice.dropped), slice.sampler.take()),
            None => Default::default(),
        }
    }

    /// To be called when all was taken: gives the room of many slices back.
    pub(super) fn trim(&mut self) {
        self.slices.truncate(SLICES_KEPT);
    }

    /// Estimate of the samples' packed size.
    pub(super) fn bytes(&self) -> usize {
        self.slices.iter().map(|slice| slice.sampler.len() * 11).sum()
    }
}
