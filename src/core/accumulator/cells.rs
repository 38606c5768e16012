//! The cells that one thread counts into between two flushes.
//!
//! Invariant: one cell for each (epoch, slice, service), found without allocation; at the flush they
//! leave as packed cells and their room is kept.

use crate::core::accumulator::latencies::{Latencies, Pool};
use crate::core::histogram::add;
use crate::core::partial::{Cell, Verdicts};
use crate::core::record::Record;
use crate::core::service::{ServiceId, ServiceResolver};
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
    /// The service, as the epoch's resolver numbers it.
    pub(super) service: ServiceId,
}

impl Key {
    #[inline(always)]
    fn hash(self) -> u64 {
        let low = (self.service.0 as u64) << 32 | self.epoch as u64;
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
    /// Where its verdicts begin, one group of good, bad and excluded for each SLO of the service.
    verdicts: u32,
    client: Latencies,
    upstream: Latencies,
}

/// All cells of a thread.
#[derive(Debug, Default)]
pub(super) struct Cells {
    table: HashTable<u32>,
    /// The first `used` are in use; the others keep their room.
    cells: Vec<HotCell>,
    used: usize,
    verdicts: Vec<[u64; 3]>,
    pool: Pool,
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
    pub(super) fn open(&mut self, key: Key, slos: usize) -> usize {
        let verdicts = self.verdicts.len() as u32;
        self.verdicts.resize(self.verdicts.len() + slos, [0; 3]);
        match self.cells.get_mut(self.used) {
            Some(cell) => (cell.key, cell.verdicts) = (key, verdicts),
            None => self.cells.push(HotCell {
                key,
                statuses: [0; 6],
                client_gone: 0,
                bytes_received: 0,
                bytes_sent: 0,
                verdicts,
                client: Latencies::default(),
                upstream: Latencies::default(),
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
        let cell = &mut self.cells[cell];
        let class = record.status.map_or(0, |status| status / 100) as usize;
        cell.statuses[if class > 5 { 0 } else { class }] += 1;
        cell.client_gone += record.client_gone as u64;
        cell.bytes_received = add(cell.bytes_received, record.bytes_received.unwrap_or(0));
        cell.bytes_sent = add(cell.bytes_sent, record.bytes_sent.unwrap_or(0));
        if !record.websocket {
            if let Some(latency_us) = record.client_latency_us {
                cell.client.add(latency_us, &mut self.pool);
            }
            if let Some(latency_us) = record.upstream_latency_us {
                cell.upstream.add(latency_us, &mut self.pool);
            }
        }
        let slos = &resolver.service(cell.key.service).slos;
        let first = cell.verdicts as usize;
        for (counts, slo) in self.verdicts[first..first + slos.len()].iter_mut().zip(slos) {
            counts[match resolver.verdict(*slo, record) {
                Verdict::Good => 0,
                Verdict::Bad => 1,
                Verdict::Excluded => 2,
            }] += 1;
        }
    }

    /// Dense arrays count in 32 bits: before a count could run over, all move into 64.
    #[cold]
    fn widen(&mut self) {
        for cell in &mut self.cells[..self.used] {
            cell.client.settle(&mut self.pool);
            cell.upstream.settle(&mut self.pool);
        }
        self.narrow = 0;
    }

    /// The keys in use, in the order they were opened.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.cells[..self.used].iter().map(|cell| cell.key)
    }

    /// Packs the cell of that number and leaves it empty.
    pub(super) fn pack(&mut self, cell: usize, resolver: &ServiceResolver) -> Cell {
        let cell = &mut self.cells[cell];
        let slos = &resolver.service(cell.key.service).slos;
        let first = cell.verdicts as usize;
        let counts = &self.verdicts[first..first + slos.len()];
        let verdicts = counts.iter().map(|[good, bad, excluded]| Verdicts {
            good: *good,
            bad: *bad,
            excluded: *excluded,
        });
        let statuses = std::mem::take(&mut cell.statuses);
        Cell {
            requests: statuses.iter().sum(),
            statuses,
            client_gone: std::mem::take(&mut cell.client_gone),
            bytes_received: std::mem::take(&mut cell.bytes_received),
            bytes_sent: std::mem::take(&mut cell.bytes_sent),
            client_latency: cell.client.pack(&mut self.pool),
            upstream_latency: cell.upstream.pack(&mut self.pool),
            slos: slos.iter().copied().zip(verdicts).collect(),
        }
    }

    /// Forgets all cells, which must have been packed; keeps their room.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.used = 0;
        self.verdicts.clear();
        self.pool.clear();
        self.narrow = 0;
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Estimate of their packed size.
    pub(super) fn bytes(&self) -> usize {
        // some sixteen small integers and two short lists of latencies a cell, four integers an SLO
        self.used * 100 + self.verdicts.len() * 6 + self.pool.bytes()
    }
}
