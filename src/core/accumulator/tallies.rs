//! Verdicts of SLOs with groups, which one thread counts into between two flushes.
//!
//! Invariant: one tally for each (epoch, slice, field, group), found without allocation; the room is kept at the flush.

use crate::core::partial::{SloVerdicts, Verdicts};
use crate::core::record::Record;
use crate::core::service::{GroupId, Grouped, ServiceId, ServiceResolver};
use crate::core::time::Slice;
use hashbrown::HashTable;

/// What a tally is found by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    /// Index of the epoch in the accumulator.
    pub(super) epoch: u32,
    /// Number of the field that the groups are by.
    pub(super) per: u16,
    /// The slice.
    pub(super) slice: Slice,
    /// The service and its value, as the epoch numbers them for the field.
    pub(super) group: GroupId,
}

impl Key {
    #[inline(always)]
    fn hash(self) -> u64 {
        let low = u64::from(self.group.0) << 32 | u64::from(self.epoch) << 16 | u64::from(self.per);
        let wide =
            u128::from(low ^ 0x9e37_79b9_7f4a_7c15) * u128::from(self.slice.0 as u64 ^ 0xd1b5_4a32_d192_ed03);
        wide as u64 ^ (wide >> 64) as u64
    }
}

/// One tally.
#[derive(Clone, Copy, Debug)]
struct Tally {
    key: Key,
    /// The service, as the epoch's resolver numbers it.
    service: ServiceId,
    /// Where its verdicts begin: good, bad and excluded for each SLO of the service by this field.
    verdicts: u32,
    /// How many SLOs that are.
    slos: u32,
}

/// All tallies of a thread.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    table: HashTable<u32>,
    tallies: Vec<Tally>,
    verdicts: Vec<[u64; 3]>,
}

impl Tallies {
    /// The tally of that key, if it is there.
    #[inline(always)]
    pub(super) fn find(&self, key: Key) -> Option<usize> {
        self.table.find(key.hash(), |i| self.tallies[*i as usize].key == key).map(|i| *i as usize)
    }

    /// The tally of that key, new if there is none.
    #[inline(never)]
    pub(super) fn open(&mut self, key: Key, service: ServiceId, slos: usize) -> usize {
        if let Some(known) = self.find(key) {
            return known;
        }
        let verdicts = self.verdicts.len() as u32;
        self.verdicts.resize(self.verdicts.len() + slos, [0; 3]);
        let tallies = &self.tallies;
        let number = tallies.len();
        self.table.insert_unique(key.hash(), number as u32, |i| tallies[*i as usize].key.hash());
        self.tallies.push(Tally { key, service, verdicts, slos: slos as u32 });
        number
    }

    /// Counts a record in a tally.
    #[inline(always)]
    pub(super) fn count(
        &mut self,
        tally: usize,
        grouped: &Grouped,
        record: &Record<'_>,
        resolver: &ServiceResolver,
    ) {
        let first = self.tallies[tally].verdicts as usize;
        for (counts, slo) in self.verdicts[first..first + grouped.slos.len()].iter_mut().zip(&grouped.slos) {
            counts[resolver.verdict(*slo, record) as usize] += 1;
        }
    }

    /// Every tally's key and service, in the order they were opened.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Key, ServiceId)> + '_ {
        self.tallies.iter().map(|tally| (tally.key, tally.service))
    }

    /// What was counted in the tally of that number, for these SLOs.
    pub(super) fn verdicts(&self, tally: usize, slos: &[u16]) -> SloVerdicts {
        let Tally { verdicts, slos: count, .. } = self.tallies[tally];
        let counts = &self.verdicts[verdicts as usize..][..count as usize];
        let packed =
            |[good, bad, excluded]: &[u64; 3]| Verdicts { good: *good, bad: *bad, excluded: *excluded };
        slos.iter().copied().zip(counts.iter().map(packed)).collect()
    }

    /// Forgets all tallies; keeps their room.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.tallies.clear();
        self.verdicts.clear();
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    /// Estimate of their packed size.
    pub(super) fn bytes(&self) -> usize {
        // five integers and a value that several slices share, four integers an SLO: rather too much
        self.tallies.len() * 60 + self.verdicts.len() * 4
    }
}
