//! The cells that one thread counts into between two flushes.
//!
//! Invariant: one cell for each (epoch, slice, service), found without allocation; at the flush they
//! leave as packed cells and their room is kept.

use crate::core::accumulator::latencies::{DENSE_MAX, Latencies, Pool};
use crate::core::histogram::add;
use crate::core::partial::{Cell, Verdicts};
use crate::core::record::Record;
use crate::core::service::{Counters, GroupId, Service, ServiceId, ServiceResolver};
use crate::core::sli::Verdict;
use crate::core::time::Slice;
use hashbrown::HashTable;

/// What a cell is found by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    /// Index of the epoch in the accumulator.
    pub(super) epoch: u32,
    /// The slice.
    pub(super) slice: Slice,
    /// The service, or the service and its combination, as the epoch numbers them.
    pub(super) group: GroupId,
}

impl Key {
    #[inline(always)]
    fn hash(self) -> u64 {
        let low = (self.group.0 as u64) << 32 | self.epoch as u64;
        let wide =
            (low ^ 0x9e37_79b9_7f4a_7c15) as u128 * (self.slice.0 as u64 ^ 0xd1b5_4a32_d192_ed03) as u128;
        wide as u64 ^ (wide >> 64) as u64
    }
}

/// One cell while it is being counted.
#[derive(Debug)]
struct HotCell {
    key: Key,
    statuses: [u64; 6],
    client_gone: u64,
    bytes_received: u64,
    bytes_sent: u64,
    /// The service, as the epoch's resolver numbers it.
    service: ServiceId,
    /// Where its verdicts begin, one group of good, bad and excluded for each SLO of the service, those that are counted
    /// elsewhere last.
    verdicts: u32,
    /// Of the client and of the target.
    latencies: [Latencies; 2],
}

/// How many dense arrays to look at for one that an older slice can spare.
const SPARE_LOOKS: usize = 4;

/// All cells of a thread.
#[derive(Debug, Default)]
pub(super) struct Cells {
    table: HashTable<u32>,
    /// The first `used` are in use; the others keep their room.
    cells: Vec<HotCell>,
    used: usize,
    verdicts: Vec<[u64; 3]>,
    pool: Pool,
    /// Whose each dense array is: a cell, and which of its latencies.
    owners: Vec<(u32, u8)>,
    /// The dense array to look at next for one to spare.
    hand: usize,
    /// Records since counts were last widened.
    narrow: u32,
}

impl Cells {
    /// The cell of that key, if it is there.
    #[inline(always)]
    pub(super) fn find(&self, key: Key) -> Option<usize> {
        self.table.find(key.hash(), |i| self.cells[*i as usize].key == key).map(|i| *i as usize)
    }

    /// A new cell. The key must not be there.
    #[inline(never)]
    pub(super) fn open(&mut self, key: Key, service: ServiceId, slos: usize) -> usize {
        let verdicts = self.verdicts.len() as u32;
        self.verdicts.resize(self.verdicts.len() + slos, [0; 3]);
        match self.cells.get_mut(self.used) {
            Some(cell) => (cell.key, cell.service, cell.verdicts) = (key, service, verdicts),
            None => self.cells.push(HotCell {
                key,
                statuses: [0; 6],
                client_gone: 0,
                bytes_received: 0,
                bytes_sent: 0,
                service,
                verdicts,
                latencies: Default::default(),
            }),
        }
        let cells = &self.cells;
        self.table.insert_unique(key.hash(), self.used as u32, |i| cells[*i as usize].key.hash());
        self.used += 1;
        self.used - 1
    }

    /// Counts a record in a cell.
    #[inline(always)]
    pub(super) fn count(&mut self, cell: usize, record: &Record<'_>, resolver: &ServiceResolver) {
        if self.narrow == u32::MAX {
            self.widen();
        }
        self.narrow += 1;
        let (at, cell) = (cell, &mut self.cells[cell]);
        let class = record.status.map_or(0, |status| status / 100) as usize;
        cell.statuses[if class > 5 { 0 } else { class }] += 1;
        cell.client_gone += record.client_gone as u64;
        cell.bytes_received = add(cell.bytes_received, record.bytes_received.unwrap_or(0));
        cell.bytes_sent = add(cell.bytes_sent, record.bytes_sent.unwrap_or(0));
        let slos = &resolver.service(cell.service).slos;
        let first = cell.verdicts as usize;
        for (counts, slo) in self.verdicts[first..first + slos.len()].iter_mut().zip(slos) {
            counts[match resolver.verdict(*slo, record) {
                Verdict::Good => 0,
                Verdict::Bad => 1,
                Verdict::Excluded => 2,
            }] += 1;
        }
        if record.websocket {
            return;
        }
        let mut full = [false; 2];
        let latencies = [record.client_latency_us, record.upstream_latency_us];
        for ((mine, latency_us), full) in cell.latencies.iter_mut().zip(latencies).zip(&mut full) {
            *full = latency_us.is_some_and(|us| mine.add(us, &mut self.pool));
        }
        if full != [false; 2] {
            self.make_room(at, full);
        }
    }

    /// The service of a cell: that of `__other__` where the record's own was one too many.
    #[inline(always)]
    pub(super) fn service(&self, cell: usize) -> ServiceId {
        self.cells[cell].service
    }

    /// Whether the cell is that service's own; one that was one too many shares that of `__other__`.
    pub(super) fn is_of(&self, cell: usize, service: ServiceId) -> bool {
        self.cells[cell].service == service
    }

    /// Adds counters of another system to one of the service's SLOs that are counted elsewhere.
    pub(super) fn tally(&mut self, cell: usize, counters: &Counters, resolver: &ServiceResolver) {
        let cell = &self.cells[cell];
        let before = resolver.service(cell.service).slos.len();
        let [good, bad, _] = &mut self.verdicts[cell.verdicts as usize + before + counters.place];
        (*good, *bad) = (add(*good, counters.good), add(*bad, counters.bad));
    }

    /// Empties full lists: into a dense array where there is one, else into spilled pairs.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, cell: usize, full: [bool; 2]) {
        for which in [0, 1].into_iter().filter(|which| full[*which]) {
            let dense = if self.cells[cell].latencies[which].is_dense() { None } else { self.dense(cell) };
            let latencies = &mut self.cells[cell].latencies[which];
            match dense {
                Some(dense) => {
                    self.owners.resize(self.owners.len().max(dense as usize + 1), (0, 0));
                    self.owners[dense as usize] = (cell as u32, which as u8);
                    latencies.densify(dense, &mut self.pool);
                }
                None => latencies.spill(&mut self.pool),
            }
        }
    }

    /// A dense array of zeros: a new one, or one of an older slice than the cell's, where less comes now.
    fn dense(&mut self, cell: usize) -> Option<u32> {
        let slice = self.cells[cell].key.slice;
        self.pool.dense().or_else(|| {
            for _ in 0..SPARE_LOOKS {
                let (owner, which) = self.owners[self.hand];
                self.hand = (self.hand + 1) % DENSE_MAX;
                let owner = &mut self.cells[owner as usize];
                if owner.key.slice < slice {
                    return owner.latencies[which as usize].release(&mut self.pool);
                }
            }
            None
        })
    }

    /// Dense arrays count in 32 bits: before a count could run over, all move into 64.
    #[cold]
    fn widen(&mut self) {
        for latencies in self.cells[..self.used].iter_mut().flat_map(|cell| &mut cell.latencies) {
            latencies.settle(&mut self.pool);
        }
        self.narrow = 0;
    }

    /// The keys in use and their services, in the order they were opened.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Key, ServiceId)> + '_ {
        self.cells[..self.used].iter().map(|cell| (cell.key, cell.service))
    }

    /// Packs the cell of that number and leaves it empty.
    pub(super) fn pack(&mut self, cell: usize, resolver: &ServiceResolver) -> Cell {
        let cell = &mut self.cells[cell];
        let Service { slos, external, .. } = resolver.service(cell.service);
        let counts = &self.verdicts[cell.verdicts as usize..][..slos.len() + external.len()];
        let verdicts = counts.iter().map(|[good, bad, excluded]| Verdicts {
            good: *good,
            bad: *bad,
            excluded: *excluded,
        });
        // what is counted elsewhere may never be: then it is none of this service's
        let came =
            |(place, verdicts): &(usize, Verdicts)| *place < slos.len() || *verdicts != Verdicts::default();
        let slo = |(place, verdicts)| (*slos.iter().chain(external).nth(place).unwrap_or(&0), verdicts);
        let statuses = std::mem::take(&mut cell.statuses);
        let [client_latency, upstream_latency] = cell.latencies.each_mut().map(|l| l.pack(&mut self.pool));
        Cell {
            requests: statuses.iter().sum(),
            statuses,
            client_gone: std::mem::take(&mut cell.client_gone),
            bytes_received: std::mem::take(&mut cell.bytes_received),
            bytes_sent: std::mem::take(&mut cell.bytes_sent),
            client_latency,
            upstream_latency,
            slos: verdicts.enumerate().filter(came).map(slo).collect(),
        }
    }

    /// Forgets all cells, which must have been packed; keeps their room.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.used = 0;
        self.verdicts.clear();
        self.pool.clear();
        self.owners.clear();
        self.hand = 0;
        self.narrow = 0;
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Estimate of their packed size.
    pub(super) fn bytes(&self) -> usize {
        // some sixteen integers and two short lists of latencies a cell, four integers an SLO: rather too much
        self.used * 100 + self.verdicts.len() * 4 + self.pool.bytes()
    }
}
