//! How the laws count: lines dealt to threads, what these hand over, and that a warm accumulator allocates nothing.

use super::traffic::{CLOCK, START};
use super::{LENGTH, counting, partition};
use ninetail::core::accumulator::Accumulator;
use ninetail::core::partial::Chunk;
use ninetail::core::record::Labels;
use ninetail::core::service::Classifier;
use ninetail::core::settings::{Input, Limits, Settings};
use ninetail::core::time::Slice;
use proptest::prelude::*;
use std::fmt::Debug;
use std::sync::Arc;

/// The slice, of those that lines are of, from which on other rules are in force.
pub(crate) const CHANGE: Slice = Slice(LENGTH.slice(START).0 + 5);

/// An ingest thread whose rules change.
pub(crate) fn changing(limits: Limits, before: &Settings, after: &Settings) -> Accumulator {
    let compile = |settings: &Settings| {
        Arc::new(Classifier::compile(settings, &mut Labels::default()).expect("the rules compile"))
    };
    let mut accumulator = Accumulator::new(limits, LENGTH, 16, Labels::default());
    accumulator.configure(vec![(None, 1, compile(before)), (Some(CHANGE), 2, compile(after))]);
    accumulator
}

/// Which of three threads takes a line, and whether it flushes then, in turn; and how far the lines are turned.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    dealt: Vec<usize>,
    flushed: Vec<bool>,
    turn: usize,
}

pub(crate) fn deals() -> impl Strategy<Value = Deal> {
    let dealt = prop::collection::vec(0usize..3, 1..20);
    let flushed = prop::collection::vec(prop::bool::weighted(0.1), 1..50);
    (dealt, flushed, 0usize..1000).prop_map(|(dealt, flushed, turn)| Deal { dealt, flushed, turn })
}

/// What the threads hand over, as it travels through a journal.
pub(crate) fn counted(
    lines: &[Vec<u8>],
    deal: &Deal,
    input: &Input,
    accumulator: impl Fn() -> Accumulator,
) -> Vec<Chunk> {
    let mut threads: Vec<_> = (0..3)
        .map(|t| {
            let mut a = accumulator();
            let slot = a.register(partition(t), input, 0).expect("a slot");
            (a, slot)
        })
        .collect();
    let mut chunks = Vec::new();
    let mut hand_over = |a: &mut Accumulator| {
        let wire = postcard::to_stdvec(&a.flush(CLOCK)).expect("a chunk encodes");
        chunks.push(postcard::from_bytes(&wire).expect("a chunk decodes"));
    };
    for (i, line) in lines.iter().enumerate() {
        let (a, slot) = &mut threads[deal.dealt[i % deal.dealt.len()] % 3];
        a.line(*slot, line, CLOCK);
        if deal.flushed[i % deal.flushed.len()] {
            hand_over(a);
        }
    }
    threads.iter_mut().for_each(|(a, _)| hand_over(a));
    chunks
}

/// The same by one thread in one go.
pub(crate) fn at_once(lines: &[Vec<u8>], input: &Input, accumulator: impl Fn() -> Accumulator) -> Vec<Chunk> {
    let deal = Deal { dealt: vec![0], flushed: vec![false], turn: 0 };
    counted(lines, &deal, input, accumulator)
}

/// The law: any split and any order give the same sums. Returns them.
pub(crate) fn same_sums<S: PartialEq + Debug>(
    lines: &[Vec<u8>],
    deal: &Deal,
    input: &Input,
    accumulator: impl Fn() -> Accumulator,
    sums: impl Fn(&[Chunk]) -> S,
) -> S {
    let whole = sums(&at_once(lines, input, &accumulator));
    assert_eq!(sums(&counted(lines, deal, input, &accumulator)), whole);
    let mut turned = lines.to_vec();
    turned.rotate_left(deal.turn % lines.len());
    turned.reverse();
    assert_eq!(sums(&counted(&turned, deal, input, &accumulator)), whole);
    whole
}

/// The law: once it has seen as much, counting it allocates nothing. The first spans grow what a span needs; it is kept.
pub(crate) fn allocates_nothing(a: &mut Accumulator, mut pass: impl FnMut(&mut Accumulator)) {
    for _ in 0..3 {
        pass(a);
        a.flush(CLOCK);
    }
    let before = counting::allocations();
    pass(a);
    assert_eq!(counting::allocations() - before, 0);
}
