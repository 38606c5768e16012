//! Which slices are not complete, and why: "no data" is not "good".
//!
//! Invariant: a slice once marked keeps its reason in every later row until it is repaired; what is lost stays lost,
//! whatever it was marked for before.

use crate::core::position::Partition;
use crate::core::time::Slice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Offsets were lost here.
pub const GAP: &str = "gap";
/// The source was read to its end and brought nothing for `silent_after`.
pub const SILENT: &str = "silent";
/// No broker answered for `silent_after`.
pub const UNREACHABLE: &str = "unreachable";
/// The partition is stopped until it is repaired.
pub const STOPPED: &str = "stopped";

/// A run of incomplete slices.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
struct Hole {
    from: Slice,
    /// One past the last.
    to: Slice,
    reason: Arc<str>,
}

/// Incomplete slices by partition: holes in order, none of which touch the same slice.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Completeness {
    holes: BTreeMap<Partition, Vec<Hole>>,
}

impl Completeness {
    /// Marks a slice; an earlier reason stays, but for lost offsets: nothing repairs these.
    pub fn mark(&mut self, partition: &Partition, slice: Slice, reason: &str) {
        let holes = self.holes.entry(partition.clone()).or_default();
        let mut at = holes.partition_point(|h| h.to <= slice);
        if let Some(hole) = holes.get(at).filter(|h| h.from <= slice) {
            if reason != GAP || &*hole.reason == GAP {
                return;
            }
            let Hole { from, to, reason } = holes.remove(at);
            let rest = [(from, slice), (slice.next(), to)].into_iter().filter(|(from, to)| from < to);
            holes.splice(at..at, rest.map(|(from, to)| Hole { from, to, reason: reason.clone() }));
            at += usize::from(from < slice);
        }
        match at.checked_sub(1).map(|before| &mut holes[before]) {
            Some(before) if before.to == slice && &*before.reason == reason => before.to = slice.next(),
            _ => holes.insert(at, Hole { from: slice, to: slice.next(), reason: reason.into() }),
        }
    }

    /// Whether nothing is marked.
    pub fn is_whole(&self) -> bool {
        self.holes.is_empty()
    }

    /// Why the slice is not complete, if it is not.
    pub fn reason(&self, partition: &Partition, slice: Slice) -> Option<&Arc<str>> {
        let holes = self.holes.get(partition)?;
        holes.iter().rev().find(|h| h.from <= slice && slice < h.to).map(|h| &h.reason)
    }

    /// Takes out the holes below `below` that reading on has filled: those without an answer or stopped.
    pub fn repair(&mut self, partition: &Partition, below: Slice) -> Vec<Slice> {
        let Some(holes) = self.holes.get_mut(partition) else { return Vec::new() };
        let filled = |h: &Hole| h.to <= below && (&*h.reason == UNREACHABLE || &*h.reason == STOPPED);
        let slices = holes.iter().filter(|h| filled(h)).flat_map(|h| (h.from.0..h.to.0).map(Slice)).collect();
        holes.retain(|h| !filled(h));
        slices
    }

    /// Forgets holes that end before this slice.
    pub fn forget(&mut self, before: Slice) {
        for holes in self.holes.values_mut() {
            holes.retain(|h| h.to > before);
        }
        self.holes.retain(|_, holes| !holes.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_grow_keep_their_reason_and_are_repaired() {
        let p = Partition { source: "s".into(), topic: "t".into(), number: 0 };
        let mut c = Completeness::default();
        for slice in 5..8 {
            c.mark(&p, Slice(slice), UNREACHABLE);
        }
        c.mark(&p, Slice(6), SILENT);
        c.mark(&p, Slice(9), GAP);
        assert_eq!(c.reason(&p, Slice(6)).map(|r| &**r), Some(UNREACHABLE));
        assert_eq!(c.reason(&p, Slice(8)), None);
        assert_eq!(c.repair(&p, Slice(7)), vec![], "not filled to its end yet");
        assert_eq!(c.repair(&p, Slice(20)), vec![Slice(5), Slice(6), Slice(7)]);
        assert_eq!(c.reason(&p, Slice(9)).map(|r| &**r), Some(GAP), "what is lost stays lost");
    }

    #[test]
    fn offsets_lost_while_nobody_answered_are_never_repaired() {
        let p = Partition { source: "s".into(), topic: "t".into(), number: 0 };
        let mut c = Completeness::default();
        (0..9).for_each(|slice| c.mark(&p, Slice(slice), UNREACHABLE));
        // in the middle, at both ends, and once more
        [4, 5, 0, 8, 5].into_iter().for_each(|slice| c.mark(&p, Slice(slice), GAP));
        assert_eq!(c.holes[&p].len(), 5, "{c:?}");
        let reasons = |c: &Completeness| (0..10).map(|s| c.reason(&p, Slice(s)).cloned()).collect::<Vec<_>>();
        let (gap, out) = (Some(GAP.into()), Some(UNREACHABLE.into()));
        let want = [&gap, &out, &out, &out, &gap, &gap, &out, &out, &gap, &None].map(Clone::clone);
        assert_eq!(reasons(&c), want);
        assert_eq!(c.repair(&p, Slice(20)), [1, 2, 3, 6, 7].map(Slice));
        assert_eq!(reasons(&c), want.map(|reason| reason.filter(|r| &**r == GAP)));
    }
}
