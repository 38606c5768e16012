//! What the engine takes in: chunks applied, their cells merged, slices closed and cut.
//!
//! Chunks are as large as a thread's of one second at 20,000 lines a second; ten minutes of event time pass in all.

mod support;

use ninetail::core::engine::{Engine, Outputs};
use ninetail::core::entry::{Begin, Configure, Entry, ForcedCut, Start};
use ninetail::core::partial::Standing;
use ninetail::core::settings::Settings;
use support::{CLOCK, amount, measure};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Lines of a chunk.
const CHUNK_LINES: usize = 20_000;

fn main() {
    let rounds = amount("NINETAIL_BENCH_ROUNDS", 5);
    let settings = support::settings(support::BY_TARGET_GROUP);
    for services in [support::SERVICES, 10_000] {
        let log = support::made(amount("NINETAIL_BENCH_LINES", 200_000), services);
        let chunks = chunks(&log, &settings);
        for _ in 0..rounds {
            let mut engine = opened(&settings);
            measure(&format!("apply, {services} services"), ["chunks", "cells", "lines"], || {
                let mut out = Outputs::default();
                for (entry, position) in chunks.iter().zip(4..) {
                    engine.apply(position, entry, &mut out).expect("it continues the chain");
                }
                assert!(!out.cuts.is_empty(), "slices were cut");
                [chunks.len() as u64, chunks.iter().map(cells).sum(), support::newlines(&log)]
            });
        }
    }
}

fn cells(entry: &Entry) -> u64 {
    if let Entry::Chunk(chunk) = entry { chunk.cells.len() as u64 } else { 0 }
}

/// What one thread would hand over for these lines.
fn chunks(log: &[u8], settings: &Settings) -> Vec<Entry> {
    let (mut accumulator, slot) = support::accumulator(settings, &support::classifier(settings));
    let lines: Vec<&[u8]> = support::lines(log).collect();
    let mut chunks = Vec::new();
    for part in lines.chunks(CHUNK_LINES) {
        for line in part {
            accumulator.line(slot, line, CLOCK);
        }
        accumulator.advance(slot, accumulator.next(slot) + part.len() as i64);
        chunks.push(Entry::Chunk(accumulator.flush(CLOCK)));
    }
    accumulator.standing(slot, Standing::Finished);
    chunks.push(Entry::Chunk(accumulator.flush(CLOCK)));
    chunks.push(Entry::Cut(ForcedCut::All));
    chunks
}

/// An engine with the three entries that every journal begins with.
fn opened(settings: &Settings) -> Engine {
    let mut engine = Engine::new();
    let start = Start { partition: support::partition(), offset: 0, had_data: true, topic_id: None };
    let opening = [
        Entry::Begin(Begin { journal: "0123456789abcdef".into(), backfill: false, takeover: None }),
        Entry::Configure(Configure { epoch: 1, from: None, settings: settings.clone() }),
        Entry::Starts(vec![start]),
    ];
    for (entry, position) in opening.iter().zip(1..) {
        engine.apply(position, entry, &mut Outputs::default()).expect("a journal's beginning");
    }
    engine
}
