//! Where in the input a fact came from, and the chain that makes counting exactly-once.
//!
//! Invariant: a chunk is accepted only if each of its spans starts exactly where its partition stands.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One partition of one topic of one source. Archives are topic `backfill`, partition 0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct Partition {
    /// The source's name in the pipeline file.
    pub source: Arc<str>,
    /// The Kafka topic.
    pub topic: Arc<str>,
    /// The Kafka partition number.
    pub number: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.source, self.topic, self.number)
    }
}

/// The half-open range of offsets `[start, end)` that a chunk accounts for.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Span {
    /// First offset accounted for.
    pub start: i64,
    /// One past the last offset accounted for.
    pub end: i64,
}

/// What the chain says of a chunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fit {
    /// Every span starts where its partition stands.
    Next,
    /// Every span lies wholly behind: it was counted before.
    Replay,
    /// A hole or an overlap: counting it would be silently wrong.
    Broken {
        /// The partition that does not fit.
        partition: Partition,
        /// Its span in the chunk.
        span: Span,
        /// Where it stands.
        stands: i64,
    },
}

/// Where every partition stands: the next offset to be counted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Positions(BTreeMap<Partition, i64>);

impl Positions {
    /// The next offset of the partition, None before its first chunk or resolved start.
    pub fn next(&self, partition: &Partition) -> Option<i64> {
        self.0.get(partition).copied()
    }

    /// Sets where the partition stands: a start resolved at first sight, or a repair.
    pub fn set(&mut self, partition: Partition, next: i64) {
        self.0.insert(partition, next);
    }

    /// All partitions and their next offsets, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Partition, i64)> {
        self.0.iter().map(|(p, o)| (p, *o))
    }

    /// Whether the spans continue the chain. An unknown partition stands at the start of its first span.
    pub fn fit<'a>(&self, spans: impl Iterator<Item = (&'a Partition, Span)>) -> Fit {
        let (mut forward, mut behind) = (None, false);
        for (partition, span) in spans {
            let stands = self.next(partition).unwrap_or(span.start);
            let broken = || Fit::Broken { partition: partition.clone(), span, stands };
            match () {
                () if span.end < span.start => return broken(),
                () if span.start == stands && span.end == stands => {}
                () if span.start == stands => forward = Some(broken()),
                () if span.end <= stands => behind = true,
                () => return broken(),
            }
        }
        match (forward, behind) {
            (Some(torn), true) => torn,
            (None, true) => Fit::Replay,
            (_, false) => Fit::Next,
        }
    }

    /// Moves the partition to the end of an accepted span.
    pub fn advance(&mut self, partition: &Partition, span: Span) {
        match self.0.get_mut(partition) {
            Some(next) => *next = span.end,
            None => {
                self.0.insert(partition.clone(), span.end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> Partition {
        Partition { source: "alb".into(), topic: "logs".into(), number }
    }

    #[test]
    fn a_chunk_fits_only_where_every_partition_stands() {
        let mut positions = Positions::default();
        positions.set(partition(0), 10);
        positions.set(partition(1), 0);
        let broken = Err(());
        // spans of partition 0 and 1, and the verdict
        let cases = [
            ((10, 20), (0, 5), Ok(Fit::Next)),
            ((10, 10), (0, 5), Ok(Fit::Next)),
            ((10, 10), (0, 0), Ok(Fit::Next)),
            ((5, 10), (0, 0), Ok(Fit::Replay)),
            ((5, 5), (0, 0), Ok(Fit::Replay)),
            ((11, 20), (0, 5), broken.clone()), // a hole
            ((9, 20), (0, 5), broken.clone()),  // an overlap
            ((20, 10), (0, 5), broken.clone()), // no span
            ((5, 10), (0, 5), broken.clone()),  // half seen, half new
            ((0, 10), (3, 3), broken.clone()),  // half seen, half from nowhere
            ((11, 11), (0, 5), broken),         // an empty span elsewhere is a hole too
        ];
        for (zero, one, want) in cases {
            let spans = [(partition(0), zero), (partition(1), one)];
            let fit =
                positions.fit(spans.iter().map(|(p, (start, end))| (p, Span { start: *start, end: *end })));
            match want {
                Ok(want) => assert_eq!(fit, want, "{zero:?} {one:?}"),
                Err(()) => assert!(matches!(fit, Fit::Broken { .. }), "{zero:?} {one:?}: {fit:?}"),
            }
        }
    }

    #[test]
    fn an_unknown_partition_starts_where_its_first_span_does() {
        let mut positions = Positions::default();
        let (p, span) = (partition(3), Span { start: 7, end: 9 });
        assert_eq!(positions.fit([(&p, span)].into_iter()), Fit::Next);
        positions.advance(&p, span);
        assert_eq!(positions.next(&p), Some(9));
        assert_eq!(positions.fit([(&p, span)].into_iter()), Fit::Replay);
        assert_eq!(p.to_string(), "alb/logs/3");
    }
}
